"""The pages on which the reader brings the picture: their arithmetic, and all one can do there."""

import base64
import io
import itertools
import json
import re

import numpy as np
import pytest
from labs import STROKES, embedded, stroke, trained
from pages import HOSTS, OVERFLOW, barriers, pointed
from PIL import Image
from places import ROOT, SITE
from playwright.sync_api import expect

from convdocs import conv2d, data, linear, max_pool2d, relu

INK = """sheet => sheet.getContext('2d').getImageData(0, 0, sheet.width, sheet.height)
  .data.filter(Boolean).length"""
CALL = """([name, all]) => {
  const y = nn[name](...all);
  return [y.shape, [...y.data]];
}"""


@pytest.fixture
def nn(browser):
    """Return a page that knows the functions of nn.mjs, and nothing else."""
    names = "conv2d forward linear maxPool2d relu softmax".split()
    source = (ROOT / "docs" / "web" / "labs" / "nn.mjs").read_text("utf-8")
    page = browser.new_page()
    page.add_script_tag(content=f"{source}\nwindow.nn = {{{', '.join(names)}}};", type="module")
    page.wait_for_function("window.nn")
    yield page
    page.close()


def call(nn, name, *arguments):
    shape, numbers = nn.evaluate(CALL, [name, [volume(argument) for argument in arguments]])
    return np.array(numbers).reshape(shape)


def volume(value):
    if isinstance(value, np.ndarray):
        return {"shape": value.shape, "data": value.ravel().tolist()}
    return value


@pytest.fixture
def visit(built, browser):
    """Return a function that opens a page from its file; nothing may be asked of a network."""
    pages, wrong = [], []

    def visit(name, **how):
        page = browser.new_page(**how)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "request", lambda request: HOSTS.fullmatch(request.url) or wrong.append(request.url)
        )
        page.on("request", lambda request: request.url[:4] == "http" and wrong.append(request.url))
        page.goto((SITE / f"{name}.html").as_uri())
        pages.append(page)
        return page

    yield visit
    for page in pages:
        page.close()
    assert wrong == []


def pixels(canvas):
    """Return a canvas' red, green and blue; it must not be transparent."""
    png = base64.b64decode(canvas.evaluate("canvas => canvas.toDataURL().split(',')[1]"))
    rgba = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA")).astype(int)
    assert (rgba[..., 3] == 255).all()
    return rgba[..., :3]


def grey(canvas):
    rgb = pixels(canvas)
    assert (rgb == rgb[..., :1]).all()
    return rgb[..., 0]


def test_a_finger_that_scrolls_over_what_the_network_sees_draws_nothing(visit):
    page = visit("draw")
    cells = page.locator(".cells")
    seen = "cells => cells.toDataURL()"
    before = cells.evaluate(seen)
    cells.dispatch_event("pointerdown", {"pointerType": "touch", "clientX": 3, "clientY": 3})
    cells.dispatch_event("pointercancel", {"pointerType": "touch"})
    assert cells.evaluate(seen) == before
    cells.click(position={"x": 5, "y": 5})
    assert cells.evaluate(seen) != before


def test_the_pixel_that_keys_have_reached_is_marked_and_what_is_said_is_of_this_picture(visit):
    page = visit("draw")
    cells, mark, told = (page.locator(each) for each in (".cells", ".reached > span", ".at"))
    expect(mark).to_be_hidden()
    page.get_by_role("button", name="Clear").focus()
    cells.focus()
    for key in ["ArrowRight"] * 9 + ["ArrowDown"] * 2:
        page.keyboard.press(key)
    here, all_of_it = mark.bounding_box(), cells.bounding_box()
    assert here["x"] - all_of_it["x"] == pytest.approx(9 * 8)
    assert here["y"] - all_of_it["y"] == pytest.approx(2 * 8)
    page.keyboard.press(" ")
    expect(told).to_have_text("row 3, column 10: 255 of 255")
    page.get_by_role("button", name="Clear").click()
    expect(told).to_have_text("")
    expect(mark).to_be_hidden()


# The arithmetic


def test_conv2d_equals_the_package(nn, rng):
    for _ in range(60):
        C, F, kH, kW = rng.integers(1, 5, 4)
        stride, padding = map(int, rng.integers([1, 0], [4, 4]))
        H, W = rng.integers([kH, kW], 12)
        x, w, b = (rng.normal(size=s) for s in ((C, H, W), (F, C, kH, kW), F))
        y = conv2d(x[None], w, b, stride, padding)[0]
        np.testing.assert_allclose(
            call(nn, "conv2d", x, w, b, stride, padding), y, rtol=0, atol=1e-12
        )
        y = conv2d(x[None], w, None, stride, padding)[0]
        np.testing.assert_allclose(call(nn, "conv2d", x, w, None, stride, padding), y, atol=1e-12)


def test_the_other_layers_equal_the_package(nn, rng):
    for _ in range(30):
        k, stride = map(int, rng.integers(1, 4, 2))
        x = rng.normal(size=(3, *rng.integers(k, 10, 2)))
        np.testing.assert_array_equal(call(nn, "relu", x), relu(x))
        pooled = max_pool2d(x[None], k, stride)[0]
        np.testing.assert_array_equal(call(nn, "maxPool2d", x, k, stride), pooled)
        w, b = rng.normal(size=(4, x.size)), rng.normal(size=4)
        y = linear(x.ravel(), w, b)
        np.testing.assert_allclose(call(nn, "linear", x, w, b), y, rtol=0, atol=1e-12)


def test_the_network_of_the_page_equals_the_package_on_all_test_digits(visit, nn):
    visit("draw")  # so that it is built
    X, y = data.mnist()[4:]
    model, layers = trained(), embedded("draw")["layers"]
    for layer in layers:
        layer.update({name: volume(value) for name, value in layer.items()})
    assert model.score(X, y) > 0.95
    forward = """text => {
      const [layers, all] = JSON.parse(text);
      return JSON.stringify(all.map(x => [...nn.softmax(nn.forward(layers, x).at(-1).data)]));
    }"""
    said = nn.evaluate(forward, json.dumps([layers, [volume(x) for x in X]]))
    p = np.array(json.loads(said))
    assert p.shape == (1000, 10)
    np.testing.assert_array_equal(p.argmax(axis=1), model.predict(X))
    np.testing.assert_allclose(p, model.predict_proba(X), rtol=0, atol=1e-5)


# Try it on your own picture


@pytest.fixture
def colours(rng, tmp_path, monkeypatch):
    """Return the path of a small colour picture in the current folder."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(rng.integers(0, 256, (23, 31, 3), np.uint8)).save("mine.png")
    return tmp_path / "mine.png"


def computed(page):
    """Run the Python that the page shows, and return the picture that it shows, in 8 bits."""
    names = {}
    exec(page.locator(".lab pre").inner_text(), names)
    return np.round(255 * names["shown"].clip(0, 1))


def same(page):
    """Check that what the page shows is what its Python gives, to rounding."""
    assert np.abs(grey(page.locator("canvas.y")) - computed(page)).max() <= 1


def test_at_first_the_page_shows_the_photograph_and_its_edges(visit):
    page = visit("try")
    expect(page.locator("figcaption").first).to_contain_text("512 × 600")
    assert page.locator("canvas.x").get_attribute("aria-label")
    photo = np.round(255 * data.photo())
    np.testing.assert_array_equal(grey(page.locator("canvas.x")), photo)
    w = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    y = conv2d(photo[None, None], w[None, None])[0, 0]
    shown = 255 * (0.5 + y / (2 * np.abs(y).max()))
    assert np.abs(grey(page.locator("canvas.y")) - shown).max() <= 1
    built = page.locator("pre", has_text="shown = 0.5").last.inner_text()
    for line in page.locator(".lab pre").inner_text().splitlines()[3:]:
        assert line in built


def test_every_kernel_on_a_picture_of_ones_own(visit, colours):
    page = visit("try")
    page.set_input_files("input[type=file]", colours)
    expect(page.locator("figcaption").first).to_have_text("mine.png, 31 × 23 pixels")
    assert np.abs(grey(page.locator("canvas.x")) - 255 * data.photo("mine.png")).max() <= 1
    kernels = embedded("try")["kernels"]
    assert page.locator(".name option").all_inner_texts() == [*kernels, "my own"]
    for name in kernels:
        page.select_option(".name", name)
        for show in ("absolute", "signed", "clipped"):
            page.select_option(".show", show)
            same(page)


def test_stride_and_padding(visit, colours):
    page = visit("try")
    page.set_input_files("input[type=file]", colours)
    expect(page.locator("figcaption").first).to_contain_text("mine.png")
    for stride, padding in [(1, 1), (2, 0), (3, 2), (4, 1)]:
        page.select_option(".stride", str(stride))
        page.select_option(".padding", str(padding))
        same(page)


def fields(page, text):
    for field, value in zip(page.locator(".grid input").all(), text.split(), strict=True):
        field.fill(value)


def test_a_kernel_that_is_typed(visit, colours):
    page = visit("try")
    page.set_input_files("input[type=file]", colours)
    expect(page.locator("figcaption").first).to_contain_text("mine.png")
    page.select_option(".show", "absolute")
    fields(page, "0.5 -2 1/3 0 −1 +4 0 1e-1 .25")
    page.locator(".divisor").fill("3")
    expect(page.locator(".name")).to_have_value("my own")
    same(page)
    expect(page.locator(".said")).to_contain_text(
        f"{(0.5 - 2 + 1 / 3 - 1 + 4 + 0.1 + 0.25) / 3:.4}"
    )
    page.select_option(".size", "5 × 5")
    assert page.locator(".grid input").count() == 25
    assert page.locator(".grid input").nth(6).input_value() == "0.5"
    fields(page, "1 2 3 4 5 " * 4 + "-60 0 0 0 0")
    same(page)
    expect(page.locator(".said")).to_contain_text("sum to 0")
    page.select_option(".size", "3 × 3")
    values = [field.input_value() for field in page.locator(".grid input").all()]
    assert values == "2 3 4 2 3 4 2 3 4".split()
    same(page)


def test_a_result_of_nothing_is_nothing_in_python_too(visit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("L", (9, 9), 100).save("flat.png")  # only rounding keeps its Laplacian from 0
    page = visit("try")
    page.set_input_files("input[type=file]", tmp_path / "flat.png")
    expect(page.locator("figcaption").first).to_contain_text("flat.png")
    for numbers, divisor in itertools.product(
        ["0 0 0 0 0 0 0 0 0", "0 1 0 1 -4 1 0 1 0"], ["1", "3e7", "3e-7"]
    ):
        fields(page, numbers)
        page.locator(".divisor").fill(divisor)
        expect(page.locator("figcaption").nth(1)).to_have_text("The result, 7 × 7, from 0 to 0")
        expect(page.locator(".said")).to_contain_text("sum to 0")
        for show, shade in {"absolute": 0, "signed": 128, "clipped": 0}.items():
            page.select_option(".show", show)
            same(page)
            assert (grey(page.locator("canvas.y")) == shade).all()


@pytest.mark.parametrize("divisor", ["3e7", "-3e7"])
def test_a_small_result_is_shown_as_a_large_one(visit, colours, divisor):
    page = visit("try")
    page.set_input_files("input[type=file]", colours)
    expect(page.locator("figcaption").first).to_contain_text("mine.png")
    page.select_option(".name", "Sobel x")
    page.locator(".divisor").fill(divisor)
    for show in ("absolute", "signed"):
        page.select_option(".show", show)
        same(page)
        assert len(np.unique(grey(page.locator("canvas.y")))) > 50


def value(text):
    """Return what is written as the page writes numbers."""
    return eval(text.replace("−", "-").replace("·", "*"))


PIXEL = """() => [document.querySelector('.pixel p').textContent,
  [...[...document.querySelectorAll('.pixel > div > div')].at(-1).querySelectorAll('span')].map(
    each => each.textContent)]"""


@pytest.mark.parametrize(
    ("name", "stride", "padding"),
    [("Sobel x", 1, 0), ("Gaussian blur", 2, 2), ("Laplacian", 1, 1)],
)
def test_each_pixel_of_the_result_says_its_sum(visit, rng, tmp_path, name, stride, padding):
    Image.fromarray(rng.integers(0, 256, (6, 7), np.uint8)).save(tmp_path / "small.png")
    page = visit("try")
    page.set_input_files("input[type=file]", tmp_path / "small.png")
    expect(page.locator("figcaption").first).to_contain_text("small.png")
    page.select_option(".name", name)
    page.select_option(".stride", str(stride))
    page.select_option(".padding", str(padding))
    kernel = embedded("try")["kernels"][name]
    w, by = np.array(kernel["weights"]), kernel["divisor"]
    x = data.photo(tmp_path / "small.png")
    y = conv2d(x[None, None], w[None, None] / by, stride=stride, padding=padding)[0, 0]
    said = page.locator(".pixel p")
    cover, (H, W) = page.locator(".cover").last, y.shape
    places = [[(j + 0.5) / W, (i + 0.5) / H] for i, j in np.ndindex(y.shape)]
    seen = pointed(cover, places, PIXEL)
    for (i, j), (words, numbers) in zip(np.ndindex(y.shape), seen, strict=True):
        assert words.startswith(f"Row {i}, column {j} of the result: ")
        _, terms, total = re.split(": | = ", words)
        assert value(total) == pytest.approx(y[i, j], rel=1e-3, abs=1e-12)
        assert value(terms) == pytest.approx(y[i, j], abs=1e-4 * np.abs(w).sum() / by)
        patch = np.pad(x, padding)[i * stride :, j * stride :][: len(w), : len(w)]
        np.testing.assert_allclose([*map(float, numbers)], patch.ravel(), atol=0.006)
    cover.hover(position={"x": 1, "y": 1})  # a real pointer, once
    expect(said).to_contain_text("Row 0, column 0 of the result: ")


def test_the_picture_answers_too_and_so_do_the_keys_and_a_finger(visit, colours):
    page = visit("try", has_touch=True, viewport={"width": 375, "height": 800})
    page.set_input_files("input[type=file]", colours)
    expect(page.locator("figcaption").first).to_contain_text("mine.png")
    picture, result = page.locator(".cover").all()
    said = page.locator(".pixel p")
    box = picture.bounding_box()
    middle = {"x": 10.5 / 31 * box["width"], "y": 5.5 / 23 * box["height"]}
    picture.tap(position=middle)  # the pixel in row 5, column 10 is the middle of this patch
    expect(said).to_contain_text("Row 4, column 9 of the result: ")
    for key, place in {
        "ArrowDown": "Row 5, column 9",
        "ArrowLeft": "Row 5, column 8",
        "ArrowUp": "Row 4, column 8",
        "ArrowRight": "Row 4, column 9",
    }.items():
        result.press(key)
        expect(said).to_contain_text(place)
    before = said.text_content()
    page.select_option(".name", "identity")
    expect(said).to_contain_text("Row 4, column 9 of the result: 0·")
    assert said.text_content() != before
    picture.tap(position={"x": 1, "y": 1})  # no patch has the corner in its middle
    expect(said).to_contain_text("Row 0, column 0 of the result: ")
    assert page.evaluate(OVERFLOW) <= 0
    assert barriers(page, ".lab") == []


# The maps of a network


SAID = "() => document.querySelector('.lab [role=status]').textContent"


def test_the_pixels_of_a_map_say_kernel_bias_and_relu(visit, rng):
    page = visit("inside")
    x, weight, bias = map(embedded("inside").get, ("x", "weight", "bias"))
    sums = conv2d(x[None], weight[:, None], None)[0]
    said = page.locator(".lab [role=status]")
    covers = page.locator(".lab .cover").all()[1:]
    assert len(covers) == len(sums)
    canvases = page.locator(".asked canvas").all()[1:]
    maps = relu(sums + bias[:, None, None])
    for canvas, map_ in zip(canvases, maps, strict=True):
        assert np.abs(grey(canvas) - 255 * map_ / maps.max()).max() <= 1
    H, W = sums.shape[1:]
    for _ in range(40):
        f, i, j = map(int, rng.integers(sums.shape))
        (words,) = pointed(covers[f], [[(j + 0.5) / W, (i + 0.5) / H]], SAID)
        assert words.startswith(f"Map {f}, row {i}, column {j}: the 25 products sum to ")
        found = re.search(r"sum to (.*?)\. With the bias: (.*) = (.*?)\. ReLU", words)
        for written, right in zip(
            found.groups(),
            (sums[f, i, j], sums[f, i, j] + bias[f], sums[f, i, j] + bias[f]),
            strict=True,
        ):
            assert value(written) == pytest.approx(right, rel=1e-3, abs=1e-3)
        assert ("ReLU makes it 0" in words) == (maps[f, i, j] == 0)
    covers[2].hover(position={"x": 1, "y": 1})  # a real pointer, once
    expect(said).to_contain_text("Map 2, row 0, column 0: ")
    covers[3].focus()
    covers[3].press("ArrowDown")
    expect(said).to_contain_text("Map 3, row ")
    assert barriers(page, ".lab") == []


def test_what_is_no_number_is_named_and_changes_nothing(visit, colours):
    page = visit("try")
    expect(page.locator("figcaption").nth(1)).to_contain_text("510 × 598")
    before = grey(page.locator("canvas.y"))
    field = page.locator(".grid input").nth(4)
    for typed, words in {
        "abc": "“abc” is not a number.",
        "": "A number is missing.",
        "1/0": "“1/0”",
        "1/2/3": "“1/2/3”",
    }.items():
        field.fill(typed)
        expect(page.locator(".error")).to_contain_text(words)
        expect(field).to_have_attribute("aria-invalid", "true")
    np.testing.assert_array_equal(grey(page.locator("canvas.y")), before)
    field.fill("1")
    expect(page.locator(".error")).to_be_hidden()
    expect(field).to_have_attribute("aria-invalid", "false")
    assert (grey(page.locator("canvas.y")) != before).any()
    page.locator(".cover").last.click()
    page.locator(".divisor").fill("0")
    expect(page.locator(".error")).to_have_text("Nothing can be divided by 0.")
    expect(page.locator(".divisor")).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".pixel p")).to_contain_text(" of the result: ")
    page.set_input_files("input[type=file]", colours)  # of this picture nothing is said
    expect(page.locator("figcaption").nth(1)).to_have_text("No result")
    expect(page.locator("figcaption").first).to_contain_text("mine.png")
    for place in (".pixel p", ".pixel > div", ".said", ".lab pre"):
        expect(page.locator(place)).to_have_text("")
    expect(page.locator(":is(.save, .copy):disabled")).to_have_count(2)
    page.locator(".divisor").fill("2")
    expect(page.locator(".pixel p")).to_contain_text(" of the result: ")
    same(page)


def test_what_becomes_infinite_is_named_and_changes_nothing(visit):
    page = visit("try")
    expect(page.locator("figcaption").nth(1)).to_contain_text("510 × 598")
    typed = page.locator(":is(.grid input, .divisor)")
    shown = page.locator(":is(figcaption, .pixel, .said, .lab pre)")
    for numbers, by, where, what in (
        ("9e306 " * 9, "1", 8, "1e308"),
        ("8e307" + " 0" * 8, "1e300", 4, "-1.7e308"),
        ("-1 0 1 -2 0 2 -1 0 1", "1", 9, "1e-320"),
        ("1e300" + " 0" * 8, "1e-6", 9, "-1e-9"),
    ):
        typed.last.fill("1")
        fields(page, numbers)
        typed.last.fill(by)
        expect(page.locator(".error")).to_be_hidden()
        before = shown.all_inner_texts()
        assert not re.search("Infinity|NaN", " ".join(before))
        typed.nth(where).fill(what)
        expect(page.locator(".error")).to_contain_text(f"“{what}” is too ")
        assert shown.all_inner_texts() == before
        assert [each.get_attribute("aria-invalid") for each in typed.all()].index("true") == where


SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{0}">
<foreignObject width="9" height="9"><p xmlns="http://www.w3.org/1999/xhtml">9</p></foreignObject>
</svg>"""  # a browser draws it, and then tells nobody what it has drawn


def test_a_file_that_is_no_picture_and_a_picture_that_is_too_small(visit, tmp_path):
    page = visit("try")
    expect(page.locator("figcaption").nth(1)).to_contain_text("510 × 598")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "told.svg").write_text(SVG.format(9))
    (tmp_path / "none.svg").write_text(SVG.format(0))
    Image.new("L", (10, 70_000)).save(tmp_path / "tall.png")
    before = grey(page.locator("canvas.x"))
    for name, why in {
        "notes.txt": "is no picture",
        "told.svg": "is no picture",
        "none.svg": "has 0 × 0 pixels.",
        "tall.png": "has 10 × 70000 pixels.",
    }.items():
        page.set_input_files("input[type=file]", tmp_path / name)
        expect(page.locator(".error")).to_contain_text(f"“{name}” {why}")
        expect(page.locator("figcaption").first).to_contain_text("512 × 600")
        np.testing.assert_array_equal(grey(page.locator("canvas.x")), before)
        page.select_option(".stride", "2")
        expect(page.locator("figcaption").nth(1)).to_contain_text("255 × 299")
        expect(page.locator(".error")).to_contain_text(name)
        page.select_option(".stride", "1")
    Image.new("L", (2, 9)).save(tmp_path / "thin.png")
    page.set_input_files("input[type=file]", tmp_path / "thin.png")
    expect(page.locator(".error")).to_have_text("A kernel of 3 × 3 does not fit into 2 × 9 pixels.")
    expect(page.locator(".y")).to_have_attribute("aria-label", "No result")
    page.select_option(".padding", "1")
    expect(page.locator(".error")).to_be_hidden()
    page.get_by_role("button", name="The book’s photograph").click()
    expect(page.locator("figcaption").first).to_contain_text("512 × 600")


def test_a_file_that_has_changed_can_be_chosen_again(visit, colours):
    page = visit("try")
    for side in 9, 12:
        Image.new("L", (side, side), 100).save(colours)
        with page.expect_file_chooser() as chooser:
            page.locator("input[type=file]").click()
        chooser.value.set_files(colours)
        expect(page.locator("figcaption").first).to_have_text(f"mine.png, {side} × {side} pixels")
        expect(page.locator("input[type=file]")).to_have_value(re.compile("mine.png"))


SLOW = """() => {
  const read = createImageBitmap;
  window.pictures = [];
  window.createImageBitmap = (file, how) => {
    const slow = file.name.startsWith('slow');
    const time = slow ? new Promise(done => { window.arrive = done; }) : null;
    const found = Promise.resolve(time).then(() => read(file, how));
    if (slow) window.late = found;
    found.then(picture => pictures.push(picture), () => {});
    return found;
  };
}"""
LATE = """async () => {
  arrive();
  await late.catch(() => {});
  await new Promise(done => setTimeout(done));
  return pictures.map(({width}) => width);
}"""  # a picture that is closed has no width


def test_a_picture_that_comes_too_late_is_neither_shown_nor_refused(visit, colours):
    page = visit("try")
    expect(page.locator("figcaption").nth(1)).to_contain_text("510 × 598")
    page.evaluate(SLOW)
    for name, content, closed in (
        ("slow.txt", b"no picture", [0]),
        ("slow.png", colours.read_bytes(), [0, 0, 0]),
    ):
        colours.with_name(name).write_bytes(content)
        page.set_input_files("input[type=file]", colours.with_name(name))
        page.set_input_files("input[type=file]", colours)
        expect(page.locator("figcaption").first).to_have_text("mine.png, 31 × 23 pixels")
        assert page.evaluate(LATE) == closed
        expect(page.locator("figcaption").first).to_have_text("mine.png, 31 × 23 pixels")
        expect(page.locator(".error")).to_be_hidden()
    same(page)


def test_a_fault_of_the_page_is_not_told_as_that_of_the_picture(site, browser, colours):
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{site}try.html")
        expect(page.locator("figcaption").nth(1)).to_contain_text("510 × 598")
        page.evaluate("() => { createImageBitmap = () => { throw new TypeError('ours'); }; }")
        with page.expect_event("pageerror") as fault:
            page.set_input_files("input[type=file]", colours)
        assert fault.value.message == "ours"
        expect(page.locator(".error")).to_be_hidden()


def test_pictures_stand_upright_on_white_and_are_made_smaller(visit, tmp_path, rng):
    page = visit("try")
    shades = np.repeat(rng.integers(0, 256, (5, 8), np.uint8), 16, 0).repeat(16, 1)
    turned, exif = Image.fromarray(shades), Image.Exif()
    exif[0x0112] = 6  # what a phone writes that was held upright
    turned.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    page.set_input_files("input[type=file]", tmp_path / "turned.jpg")
    expect(page.locator("figcaption").first).to_have_text("turned.jpg, 80 × 128 pixels")
    upright = 255 * data.photo(tmp_path / "turned.jpg")
    assert np.abs(grey(page.locator("canvas.x")) - upright).max() <= 3  # two decoders of JPEG

    Image.new("RGBA", (9, 9), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    page.set_input_files("input[type=file]", tmp_path / "clear.png")
    expect(page.locator("figcaption").first).to_contain_text("clear.png")
    assert (pixels(page.locator("canvas.x")) == 255).all()

    Image.new("RGB", (4000, 3000), (255, 0, 0)).save(tmp_path / "large.png")
    page.set_input_files("input[type=file]", tmp_path / "large.png")
    expect(page.locator("figcaption").first).to_contain_text("made smaller from 4000 × 3000")
    assert page.locator("canvas.x").evaluate("({width, height}) => [width, height]") == [1155, 866]
    assert (grey(page.locator("canvas.x")) == round(0.299 * 255)).all()


@pytest.mark.parametrize("how", ["drop", "paste"])
def test_a_picture_is_dropped_or_pasted(visit, colours, how):
    page = visit("try")
    expect(page.locator("figcaption").nth(1)).to_contain_text("510 × 598")
    page.evaluate(
        """([how, text]) => {
          const bytes = Uint8Array.from(atob(text), byte => byte.charCodeAt(0));
          const carried = new DataTransfer();
          carried.items.add(new File([bytes], 'mine.png', {type: 'image/png'}));
          const more = {bubbles: true, cancelable: true};
          document.querySelector('.lab canvas').dispatchEvent(how === 'drop'
            ? new DragEvent('drop', {dataTransfer: carried, ...more})
            : new ClipboardEvent('paste', {clipboardData: carried, ...more}));
        }""",
        [how, base64.b64encode(colours.read_bytes()).decode()],
    )
    expect(page.locator("figcaption").first).to_have_text("mine.png, 31 × 23 pixels")
    same(page)


def test_the_result_is_saved_and_the_python_copied(visit, colours):
    page = visit("try")
    page.set_input_files("input[type=file]", colours)
    expect(page.locator("figcaption").first).to_contain_text("mine.png")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the result as PNG").click()
    assert saved.value.suggested_filename == "result.png"
    picture = np.asarray(Image.open(io.BytesIO(saved.value.path().read_bytes())).convert("L"))
    np.testing.assert_array_equal(picture, grey(page.locator("canvas.y")))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the Python").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator(".lab pre").inner_text()
    page.evaluate("""async () => {
      await navigator.clipboard.writeText('');
      window.board = navigator.clipboard;
      Object.defineProperty(navigator, 'clipboard', {value: undefined});  // as without https
    }""")
    page.locator(".copy").click()
    page.wait_for_function("async text => await board.readText() === text", arg=copied)


# Draw a digit


def seen(page):
    """Return the 28 x 28 numbers that the network sees, from 0 to 255."""
    numbers = grey(page.locator("canvas.cells"))
    assert numbers.shape == (28, 28)
    return numbers


def probabilities(page):
    return np.array(
        [float(bar.split()[0]) for bar in page.locator(".bars td:last-child").all_inner_texts()]
    )


def test_a_digit_is_drawn_and_read_however_large_and_wherever(visit):
    page = visit("draw")
    for digit in STROKES:
        is_read(page, digit)
        page.get_by_role("button", name="Clear").click()


def is_read(page, digit):
    stroke(page, STROKES[digit])
    expect(page.locator(".lab [role=status]")).to_have_text(f"This looks like the digit {digit}.")
    large = seen(page)
    assert page.locator(".sheet").evaluate(INK) > 1000
    rows, columns = (np.flatnonzero(large.any(axis=axis)) for axis in (1, 0))
    assert 20 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 21  # the longer side, as in the data
    centre = [large.sum(axis=axis) @ (np.arange(28) + 0.5) / large.sum() for axis in (1, 0)]
    np.testing.assert_allclose(centre, 14.5, atol=0.1)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".lab [role=status]")).to_contain_text("empty")
    assert not seen(page).any()
    assert page.locator(".sheet").evaluate(INK) == 0
    stroke(page, STROKES[digit], scale=1, left=100, top=20)
    expect(page.locator(".lab [role=status]")).to_have_text(f"This looks like the digit {digit}.")
    assert np.abs(seen(page) - large).mean() < 6


def test_bars_and_maps_are_those_of_the_package(visit):
    page, model = visit("draw"), trained()
    stroke(page, STROKES[3])
    expect(page.locator(".lab [role=status]")).to_have_text("This looks like the digit 3.")
    for source in ("drawn", "a test image"):
        if source == "a test image":
            page.get_by_role("button", name="a 8", exact=True).click()
            expect(page.locator(".lab [role=status]")).to_have_text("This looks like the digit 8.")
        x = (seen(page) / 255)[None, None].astype(np.float32)
        np.testing.assert_allclose(probabilities(page), 100 * model.predict_proba(x)[0], atol=0.051)
        outputs = []
        for layer in model.layers:
            x = layer(x)
            outputs.append(x)
        maps = page.locator(".maps").all()
        assert len(maps) == 4
        for place, y in zip(maps, (outputs[number] for number in (1, 2, 4, 5)), strict=True):
            shown = np.stack([grey(canvas) for canvas in place.locator("canvas").all()])
            assert np.abs(shown - 255 * y[0] / y.max()).max() <= 1


@pytest.mark.parametrize("name", ["index", "draw"])
def test_the_bars_are_seen_in_forced_colours(visit, name):
    page = visit(name, forced_colors="active")
    cells = [page.locator(".lab .bars td:nth-child(2)").nth(digit) for digit in (3, 4)]
    shots = [Image.open(io.BytesIO(cell.screenshot())).convert("L") for cell in cells]
    bar, paper = (shot.getpixel((shot.width // 10, shot.height // 2)) for shot in shots)
    assert abs(bar - paper) > 100  # a 3 is there at first, and it is no 4


def test_test_images_and_single_pixels_from_the_keyboard(visit):
    page, status = visit("draw"), ".lab [role=status]"
    for example in embedded("draw")["examples"]:
        digit = example["label"]
        page.get_by_role("button", name=f"a {digit}", exact=True).press("Enter")
        expect(page.locator(status)).to_have_text(f"This looks like the digit {digit}.")
        np.testing.assert_array_equal(seen(page), np.round(255 * example["x"]))
    before = seen(page)
    cells = page.locator(".cells")
    cells.focus()
    for key in ("ArrowUp", "ArrowLeft", "ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    expect(page.locator(".at")).to_have_text(f"row 2, column 3: {before[1, 2]} of 255")
    page.keyboard.press("Space")
    turned = before.copy()
    turned[1, 2] = 255 if before[1, 2] < 128 else 0
    np.testing.assert_array_equal(seen(page), turned)
    expect(page.locator(".at")).to_have_text(f"row 2, column 3: {turned[1, 2]} of 255")
    cells.click(position={"x": 220, "y": 220})
    assert seen(page)[27, 27] == 255
    expect(page.locator(".at")).to_have_text("row 28, column 28: 255 of 255")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".at")).to_have_text("row 28, column 28: 255 of 255")
    page.keyboard.press("Tab")
    assert page.evaluate("!document.activeElement.matches('.cells')")


KEPT = """() => {
  const found = Object.entries(localStorage).find(([name]) => name.endsWith(' drawing'));
  return found && JSON.parse(found[1]).ink;
}"""


def test_undo_takes_back_the_last_act_and_strokes_add_to_what_was_drawn(visit):
    page, cells = visit("draw"), ".cells"
    undo, pen = page.get_by_role("button", name="Undo"), page.mouse
    states = [seen(page)]

    def acted():
        states.append(seen(page))
        assert (states[-1] != states[-2]).any()

    undo.click()  # of nothing
    assert page.evaluate(KEPT) is None
    for strokes in STROKES[4]:
        stroke(page, [strokes])
        acted()
    page.locator(cells).focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Space")
        acted()
    stroke(page, STROKES[1])
    acted()
    assert (states[-1] >= states[-2]).all()
    drawing = states[-1].ravel().tolist()
    assert page.evaluate(KEPT) == drawing
    page.get_by_role("button", name="a 8", exact=True).click()
    acted()
    stroke(page, STROKES[0])  # in place of what was only looked at
    assert page.evaluate(KEPT) == seen(page).ravel().tolist() != drawing
    undo.click()
    assert page.evaluate(KEPT) == drawing
    page.get_by_role("button", name="Clear").click()
    assert page.evaluate(KEPT) is None
    while states:
        undo.click()
        np.testing.assert_array_equal(seen(page), states.pop())
    assert page.evaluate(KEPT) is None
    box = page.locator(".sheet").bounding_box()
    pen.move(box["x"] + 9, box["y"] + 9)
    pen.down()
    pen.move(box["x"] + 99, box["y"] + 99)
    page.locator(cells).press("Control+z")  # while the pen is down
    before = seen(page)
    pen.move(box["x"] + 9, box["y"] + 99)
    pen.up()
    np.testing.assert_array_equal(seen(page), before)


def test_an_answer_is_spoken_once(visit):
    page = visit("draw")
    page.evaluate(
        """() => {
          const said = document.querySelector('.lab [role=status]');
          window.spoken = [said.textContent];
          new MutationObserver(() => spoken.push(said.textContent)).observe(
            said, {childList: true, characterData: true, subtree: true});
        }"""
    )
    stroke(page, STROKES[0])
    expect(page.locator(".lab [role=status]")).to_have_text("This looks like the digit 0.")
    spoken = page.evaluate("spoken")
    assert len(spoken) >= 2
    assert all(one != other for one, other in itertools.pairwise(spoken))


def test_ink_ends_where_the_sheet_ends(visit):
    page, drawn = visit("draw"), []
    for end in (100, 300):
        stroke(page, [[(20, 20), (20, 80), (end, 80)]])
        drawn.append(seen(page))
        page.get_by_role("button", name="Clear").click()
    assert np.abs(drawn[1] - drawn[0]).mean() < 1


def test_one_finger_draws(visit):
    page = visit("draw", has_touch=True, viewport={"width": 375, "height": 800})
    page.locator(".sheet").tap()
    expect(page.locator(".lab [role=status]")).to_contain_text("This looks like")
    assert seen(page).any()
    box = page.locator(".sheet").bounding_box()
    touch, drawn = page.context.new_cdp_session(page), []
    for fingers in (1, 2):
        page.get_by_role("button", name="Clear").click()
        for step in range(8):
            points = [
                {"id": n, "x": box["x"] + 20 + 150 * n, "y": box["y"] + 20 + 20 * step}
                for n in range(min(fingers, 1 + step))
            ]
            kind = "touchMove" if step > fingers - 1 else "touchStart"
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        drawn.append(seen(page))
    assert drawn[0].any()
    np.testing.assert_array_equal(*drawn)  # a second one changes nothing


def test_pictures_say_what_they_show_before_there_is_one_too(site, browser):
    with browser.new_context() as context:
        page = context.new_page()
        page.route("**/try-later.js", lambda route: route.abort())  # where the photograph is
        page.goto(f"{site}try.html")
        page.locator(".divisor").fill("nothing")
        labels = "all => all.map(each => each.ariaLabel)"
        assert page.locator(".lab canvas").evaluate_all(labels) == [
            "No picture yet",
            "No result yet",
        ]
        page.locator(".divisor").fill("8")
        expect(page.locator(".error")).to_have_text("The book’s photograph did not arrive.")
        page.unroute_all()
        page.get_by_role("button", name="The book’s photograph").click()
        expect(page.locator("figcaption").nth(1)).to_contain_text("510 × 598")
        expect(page.locator(".error")).to_be_hidden()


@pytest.mark.parametrize("name", ["try", "draw", "pixels"])
def test_nobody_is_shut_out(visit, name):
    page = visit(name)
    if name == "try":
        page.locator(".divisor").fill("nothing")
    else:
        page.get_by_role("button", name="a 4", exact=True).click()
    for width, scheme in itertools.product((1280, 320), ("light", "dark")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        assert barriers(page, ".lab") == []
        assert page.evaluate(OVERFLOW) <= 1
        small = page.locator(".lab :is(button, select, input)").evaluate_all(
            "all => all.filter(each => each.checkVisibility() && "
            "(each.offsetHeight < 24 || each.offsetWidth < 24)).length"
        )
        assert small == 0


@pytest.mark.parametrize("name", ["try", "draw", "pixels"])
def test_without_javascript_the_page_says_what_would_be_there(site, browser, name):
    page = browser.new_page(java_script_enabled=False)
    page.goto((SITE / f"{name}.html").as_uri())
    expect(page.locator(".lab")).to_contain_text("the browser needs JavaScript")
    expect(page.locator("article img").first).to_be_visible()
    page.close()
    others = (SITE / "edges.html").read_text("utf-8")
    assert not re.search(r"_static/all[^\"]*-(try|draw|pixels|labs)", others)
