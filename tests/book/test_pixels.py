"""From pixels to class: each number is the package's, and shows the sum that it comes from."""

import re

import numpy as np
import pytest
from labs import STROKES, embedded, stroke, trained
from pages import OVERFLOW
from PIL import Image
from places import SITE
from playwright.sync_api import TimeoutError as Late
from playwright.sync_api import expect

from convdocs import conv2d, linear, max_pool2d, relu, softmax
from convdocs.book.ink import BLUE, RED

VOLUMES = "lab => lab.volumes.map(({shape, data}) => [shape, [...data]])"
STEPS = ["picture", "convolution", "ReLU", "pooling"]
STEPS += [*STEPS[1:], "scores", "softmax"]
SHOWN = """canvas => {
  const {width, height} = canvas;
  return [height, width, [...canvas.getContext('2d').getImageData(0, 0, width, height).data]];
}"""

TIMED = (
    "each => { const begun = performance.now(); each.click(); return performance.now() - begun; }"
)


def volumes(page):
    """Return what each step of the page gives."""
    found = page.locator(".lab").evaluate(VOLUMES)
    return [np.array(data).reshape(shape) for shape, data in found]


def computed(x):
    """Return the same from the package, in float64."""
    w1, b1, w2, b2, w3, b3 = (value.astype(float) for value in trained().state_dict().values())
    y = [x.astype(float)[None], conv2d(x[None].astype(float), w1, b1)]
    y += [relu(y[-1])]
    y += [max_pool2d(y[-1], 2)]
    y += [conv2d(y[-1], w2, b2)]
    y += [relu(y[-1])]
    y += [max_pool2d(y[-1], 2)]
    z = linear(y[-1].reshape(1, -1), w3, b3)
    return [each[0] for each in y] + [z.reshape(10, 1, 1), softmax(z).reshape(10, 1, 1)]


def said(value, digits=3):
    """Return a number as the page writes it."""
    text = f"{value:.{digits}f}".replace("-", "−")
    return text.removeprefix("−") if float(text.replace("−", "-")) == 0 else text


def grids(page):
    """Return the numbers of the sum, grid by grid."""
    texts = page.locator(".sum table").evaluate_all(
        "all => all.map(each => [...each.querySelectorAll('td')].map(cell => cell.textContent))"
    )
    return [np.array([float(text.replace("−", "-")) for text in each]) for each in texts]


def words(page):
    return page.locator(".words").inner_text()


def tile(page, step, number):
    return page.locator(".step").nth(step).locator(".tiles button").nth(number)


def choose(page, step, number, i=0, j=0):
    """Choose a map, then a number of it on the large one."""
    tile(page, step, number).click()
    large = page.locator(".chosen .map")
    if large.is_visible():
        H, W = large.locator("canvas").evaluate("({height, width}) => [height, width]")
        for last in False, False, True:  # on a busy machine the page may be laid out meanwhile
            box = large.bounding_box()
            place = {"x": box["width"] * (j + 0.5) / W, "y": box["height"] * (i + 0.5) / H}
            try:
                large.click(position=place, timeout=5000)
                break
            except Late:
                if last:
                    raise


@pytest.mark.parametrize("source", [8, 3, 1, "drawn", "blank"])
def test_every_number_of_every_step_is_the_packages(visit, source):
    page = visit("pixels")
    if source == "drawn":
        stroke(page, STROKES[4], scale=1.1)
        expect(page.locator(".answer")).to_contain_text("answer: 4")
    elif source == "blank":
        page.locator(".clear").click()
    else:
        page.get_by_role("button", name=f"a {source}", exact=True).click()
        x = embedded("draw")["examples"][source]["x"]
        np.testing.assert_array_equal(volumes(page)[0][0], x)
        expect(page.locator(".answer")).to_contain_text(f"answer: {source}")
    found = volumes(page)
    assert found[0].any() == (source != "blank")
    wanted = computed(found[0])
    assert [y.shape for y in found] == [y.shape for y in wanted]
    for y, right in zip(found, wanted, strict=True):
        np.testing.assert_allclose(y, right, rtol=0, atol=1e-10)
    probabilities = trained().predict_proba(found[0][None].astype(np.float32))[0]
    np.testing.assert_allclose(found[-1].ravel(), probabilities, atol=1e-5)


def test_maps_have_the_colours_of_their_numbers(visit):
    page = visit("pixels")
    red, blue = (np.array([int(each[at : at + 2], 16) for at in (1, 3, 5)]) for each in (RED, BLUE))
    for step, y in enumerate(volumes(page)[:7]):
        for number in range(len(y)):
            H, W, flat = tile(page, step, number).locator("canvas").evaluate(SHOWN)
            rgba = np.array(flat).reshape(H, W, 4)
            strength = np.round(255 * np.abs(y[number]) / np.abs(y).max())
            assert np.abs(rgba[..., 3] - strength).max() <= 1
            for color, where in ((blue, y[number] > 0), (red, y[number] < 0)):
                strong = where & (strength > 128)
                assert np.abs(rgba[strong][:, :3] - color).max(initial=0) <= 2


def test_a_number_of_a_convolution_is_its_products_and_a_bias(visit):
    page, weights = visit("pixels"), [*trained().state_dict().values()]
    y = volumes(page)
    for step, (w, b) in {1: weights[:2], 4: weights[2:4]}.items():
        for f, i, j in ((5, 3, 4), (0, 0, 0), (len(b) - 1, 7, 7)):
            choose(page, step, f, i, j)
            patches = y[step - 1][:, i : i + 5, j : j + 5]
            sums = (patches * w[f]).sum(axis=(1, 2))
            for c in {0, len(sums) - 1}:
                if len(sums) > 1:
                    page.locator(".from button").nth(c).click()
                    expect(page.locator(".from button").nth(c)).to_be_focused()
                    shown = page.locator(".from button b").all_inner_texts()
                    assert shown == [said(each, 2) for each in sums]
                patch, kernel, products = grids(page)
                np.testing.assert_allclose(patch, patches[c].ravel(), atol=0.0051)
                np.testing.assert_allclose(kernel, w[f, c].ravel(), atol=0.0051)
                np.testing.assert_allclose(products, (patches[c] * w[f, c]).ravel(), atol=0.0051)
            told = re.search(r"last: (.*) = (\S+), at row (\d+), column (\d+)\.", words(page))
            terms = re.findall(r"(−\s|\+\s|−)?(\d+\.\d+)", told[1])
            signed = [float(number) * (-1 if "−" in sign else 1) for sign, number in terms]
            np.testing.assert_allclose(signed, [*sums, b[f]], atol=0.00051)
            assert told[2] == said(y[step][f, i, j])
            assert (int(told[3]), int(told[4])) == (i, j)


def test_relu_and_pooling_show_what_they_compare(visit):
    page = visit("pixels")
    y = volumes(page)
    for step in (2, 5):
        for low in (True, False):
            f, i, j = np.argwhere((y[step - 1] < -0.01) if low else (y[step - 1] > 0.01))[7]
            choose(page, step, f, i, j)
            assert said(y[step - 1][f, i, j]) in words(page)
            assert ("is below 0, so ReLU gives 0" in words(page)) == low
            before, after = grids(page)
            np.testing.assert_allclose(before, y[step - 1][f, i, j], atol=0.0051)
            np.testing.assert_allclose(after, y[step][f, i, j], atol=0.0051)
    for step in (3, 6):
        f, i, j = np.argwhere(y[step] > 0.1)[-3]
        choose(page, step, f, i, j)
        window = y[step - 1][f, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].ravel()
        four, most = grids(page)
        np.testing.assert_allclose(four, window, atol=0.0051)
        np.testing.assert_allclose(most, window.max(), atol=0.0051)
        assert words(page).endswith(f"is {said(window.max())}.")
        strong = page.locator(".sum td.strong")
        assert strong.inner_text() == said(window.max(), 2)


def test_a_score_shows_what_spoke_for_and_against_it(visit):
    page = visit("pixels")
    y, (*_, w, b) = volumes(page), trained().state_dict().values()
    for k in (8, 0):
        tile(page, 7, k).click()
        votes = (w[k].reshape(16, 4, 4) * y[6]).sum(axis=(1, 2))
        assert page.locator(".from button b").all_inner_texts() == [said(v, 2) for v in votes]
        for_it, against = words(page).split("against it")
        assert f"map {votes.argmax()} ({said(votes.max(), 1)})" in for_it
        assert f"map {votes.argmin()} ({said(votes.min(), 1)})" in against
        assert f"bias {said(b[k])} give the score {said(y[7][k, 0, 0])}." in words(page)
        assert page.locator(".steps path").count() == 16
        page.locator(".from button").nth(9).click()
        values, weights, products = grids(page)
        np.testing.assert_allclose(values, y[6][9].ravel(), atol=0.0051)
        np.testing.assert_allclose(weights, w[k].reshape(16, 16)[9], atol=0.0051)
        np.testing.assert_allclose(products.sum(), votes[9], atol=0.1)


def test_the_end_is_the_exponentials(visit):
    page = visit("pixels")
    z = volumes(page)[7].ravel()
    tile(page, 8, 9).click()
    rows = page.locator(".shares tbody tr").all_inner_texts()
    powers = np.exp(z - z.max())
    for k, row in enumerate(rows):
        share = powers[k] / powers.sum()
        wanted = [said(z[k]), said(z[k] - z.max()), said(powers[k], 4), said(share, 4)]
        assert row.split() == [str(k), *wanted]
    assert said(powers.sum(), 4) in page.locator(".shares tfoot").inner_text()
    share = powers[9] / powers.sum()
    assert words(page).endswith(f"the probability of class 9 is {said(100 * share, 1)} %.")


def test_maps_numbers_and_sources_are_chosen_by_clicks(visit):
    page = visit("pixels", viewport={"width": 1280, "height": 1000})
    chosen, here = page.locator(".tiles [aria-pressed=true]"), page.locator(".here")
    small = tile(page, 3, 2)
    size = small.bounding_box()
    small.click(position={"x": 0.85 * size["width"], "y": 0.85 * size["height"]})
    expect(here).to_have_text("Step 4: pooling, map 2")
    expect(chosen).to_have_count(1)
    expect(small).to_have_attribute("aria-pressed", "true")
    x = volumes(page)
    four, _ = grids(page)  # at the place of the click
    np.testing.assert_allclose(four, x[2][2, 20:22, 20:22].ravel(), atol=0.0051)
    assert page.locator(".source").count() == page.locator(".steps path").count() == 1
    choose(page, 4, 11, 2, 3)
    expect(here).to_have_text("Step 5: convolution, map 11")
    assert page.locator(".source").count() == page.locator(".steps path").count() == 8
    page.locator(".from button").nth(6).click()
    expect(page.locator(".sum caption").first).to_have_text("map 6")
    frame = tile(page, 0, 0).locator("i").evaluate("({style}) => [style.top, style.height]")
    assert frame == [f"{100 * 4 / 28:.4f}%", "50%"]  # 14 of 28 pixels, from the fourth on
    box = page.locator(".chosen .map").bounding_box()  # a mouse that is pressed goes on choosing
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2, steps=5)
    page.mouse.up()
    assert "at row 7, column 7" in words(page)


def test_a_number_of_the_picture_is_that_of_the_picture_that_is_there(visit):
    page = visit("pixels")
    words = page.locator(".words")
    page.locator(".tiles button").first.click(position={"x": 56, "y": 30})
    found = set()
    for button in [*page.locator(".examples button:not(.mine)").all(), page.locator(".clear")]:
        button.click()
        i, j = map(int, re.findall(r"\d+", words.text_content())[:2])
        value = volumes(page)[0][0, i, j]
        expect(words).to_contain_text(f" is {said(value)}: ")
        found.add(value)
    assert value == 0 < max(found)


def test_a_finger_that_scrolls_over_a_map_chooses_nothing(visit):
    page = visit("pixels")
    glass = page.locator(".chosen .map")
    before = page.locator(".words").text_content()
    for kind in ("pointerdown", "pointermove", "pointercancel"):
        glass.dispatch_event(kind, {"pointerType": "touch", "buttons": 1, "clientX": 3})
    expect(page.locator(".words")).to_have_text(before)
    glass.click(position={"x": 5, "y": 5})
    expect(page.locator(".words")).not_to_have_text(before)


def test_all_of_it_can_be_walked_with_the_keyboard(visit):
    page = visit("pixels")
    here, at = page.locator(".here"), "document.activeElement"
    page.locator(".clear").focus()
    page.keyboard.press("Tab")
    expect(tile(page, 1, 0)).to_be_focused()  # one stop for all maps
    for step, name in enumerate(STEPS[2:], 2):
        page.keyboard.press("ArrowRight")
        expect(here).to_contain_text(f"Step {1 + step}: ")
        assert page.evaluate(f"{at}.closest('.step').ariaLabel") == f"step {1 + step}: {name}"
    assert page.evaluate(f"{at}.ariaLabel") == "probability of class 8"  # the answer, not class 0
    page.keyboard.press("ArrowDown")
    assert page.evaluate(f"{at}.ariaLabel") == "probability of class 9"
    for _ in STEPS:
        page.keyboard.press("ArrowLeft")
    expect(here).to_have_text("Step 1: picture")
    expect(page.locator(".back")).to_have_attribute("aria-disabled", "true")
    page.locator(".next").press("Enter")
    expect(here).to_have_text("Step 2: convolution, map 0")
    large = page.locator(".chosen .map")
    large.press("ArrowRight")
    before = re.search(r"at (row \d+), column (\d+)", words(page))
    large.press("ArrowRight")
    after = re.search(r"at (row \d+), column (\d+)", words(page))
    assert (after[1], int(after[2])) == (before[1], int(before[2]) + 1)
    for _ in range(30):
        large.press("ArrowUp")
    assert "row 0," in words(page)


def test_the_page_stands_still_and_answers_at_once(visit):
    page = visit("pixels", viewport={"width": 1280, "height": 900})
    lab, heights, times = page.locator(".lab"), set(), []
    for step, number in ((0, 0), (1, 5), (2, 5), (3, 5), (4, 9), (5, 9), (6, 9), (7, 3), (8, 3)):
        times.append(min(tile(page, step, number).evaluate(TIMED) for _ in range(5)))
        heights.add(lab.bounding_box()["height"])
    assert len(heights) == 1
    assert max(times) < 32  # milliseconds: two frames
    shifts = """() => new Promise(resolve => {
      new PerformanceObserver(list => resolve(list.getEntries().reduce(
        (sum, each) => sum + each.value, 0))).observe({type: 'layout-shift', buffered: true});
      setTimeout(resolve, 300, 0);
    })"""
    page = visit("pixels", viewport={"width": 1280, "height": 900})
    assert page.evaluate(shifts) < 0.02


def test_on_a_phone_the_steps_are_below_one_another(visit):
    page = visit("pixels", has_touch=True, viewport={"width": 375, "height": 800})
    tops = [step.bounding_box()["y"] for step in page.locator(".step").all()]
    assert tops == sorted(set(tops))
    tile(page, 4, 3).tap()
    expect(page.locator(".here")).to_have_text("Step 5: convolution, map 3")
    expect(page.locator(".panel .walk")).to_be_in_viewport()
    large = page.locator(".chosen .map")
    large.tap(position={"x": 3, "y": 3})
    assert "at row 0, column 0" in words(page)
    page.locator(".next").tap()
    expect(page.locator(".here")).to_have_text("Step 6: ReLU, map 3")
    assert page.evaluate(OVERFLOW) <= 1


def test_a_drawing_and_a_picture_carry_over_and_are_forgotten(browser, built, tmp_path, rng):
    shades = np.kron(rng.integers(0, 2, (28, 28)), np.ones((3, 3))).astype(np.uint8) * 255
    Image.fromarray(np.pad(shades, ((0, 0), (10, 10)))).save(tmp_path / "mine.png")
    page = browser.new_page()

    def go(name):
        page.wait_for_timeout(300)  # what is kept goes to the browser's own process a moment later
        page.goto((SITE / f"{name}.html").as_uri())

    go("pixels")
    mine = page.get_by_role("button", name=re.compile("^(your|its) "))
    expect(mine).to_have_count(0)
    go("draw")
    stroke(page, STROKES[7])
    expect(page.locator(".lab [role=status]")).to_have_text("This looks like the digit 7.")
    drawn = page.locator("canvas.cells").evaluate(SHOWN)[2][::4]
    go("pixels")
    expect(page.locator(".answer")).to_contain_text("answer: 7")
    np.testing.assert_allclose(255 * volumes(page)[0].ravel(), drawn, atol=1e-9)
    expect(mine).to_have_count(1)
    go("try")
    page.set_input_files("input[type=file]", tmp_path / "mine.png")
    expect(page.locator("figcaption").first).to_contain_text("mine.png")
    go("pixels")
    page.get_by_role("button", name="your picture").click()
    np.testing.assert_allclose(volumes(page)[0][0], shades[::3, ::3] / 255, atol=0.003)
    page.get_by_role("button", name="its negative").click()
    np.testing.assert_allclose(volumes(page)[0][0], 1 - shades[::3, ::3] / 255, atol=0.003)
    page.get_by_role("button", name="your drawing").click()
    np.testing.assert_allclose(255 * volumes(page)[0].ravel(), drawn, atol=1e-9)
    stroke(page, STROKES[0], scale=1)
    expect(page.locator(".answer")).to_contain_text("answer: 0")
    here = volumes(page)[0]
    page.locator(".clear").click()
    expect(mine).to_have_text(["your picture", "its negative"])
    page.locator(".undo").click()
    expect(mine).to_have_text(["your drawing", "your picture", "its negative"])
    np.testing.assert_array_equal(volumes(page)[0], here)
    go("draw")
    expect(page.locator(".lab [role=status]")).to_have_text("This looks like the digit 0.")
    drawn = page.locator("canvas.cells").evaluate(SHOWN)[2][::4]
    np.testing.assert_allclose(255 * here.ravel(), drawn, atol=1e-9)
    go("about")
    expect(page.locator(".kept")).to_contain_text("Drawings and pictures: 2.")
    page.locator(".kept button").click()
    expect(page.locator(".kept")).to_contain_text("Drawings and pictures: 0.")
    go("pixels")
    expect(mine).to_have_count(0)
    expect(page.locator(".answer")).to_contain_text("answer: 8")
    page.locator(".sheet").hover()
    page.mouse.down()
    assert mine.count() == 0  # it would move the sheet while the pen is on it
    page.mouse.up()
    page.evaluate("localStorage.clear()")  # as another window's page may
    mine.click()
    expect(mine).to_have_count(0)
    page.locator(".examples button:not(.mine)").first.click()
    page.locator(".undo").click()  # a picture was looked at: what was forgotten does not come back
    assert page.evaluate("Object.keys(localStorage).filter(key => /drawing/.test(key))") == []
    page.close()


def test_a_step_leads_to_its_chapter(visit):
    page = visit("pixels")
    chapters = ["draw", "layers", "layers", "pooling", *3 * ["layers"], "connected", "connected"]
    chapters[5:7] = ["layers", "pooling"]
    for step, chapter in enumerate(chapters):
        tile(page, step, 0).click()
        assert page.locator(f".told a[href^='{chapter}.html']").count() == 1
