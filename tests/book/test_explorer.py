"""The hyperparameter explorer: its numbers are the package's for every setting, and it obeys."""

import functools
import itertools
import json
import re

import numpy as np
import pytest
from pages import barriers, crowded, pointed
from places import ROOT
from playwright.sync_api import expect

from convdocs import CNN, Conv2d, avg_pool2d, conv2d, conv2d_backward, data
from convdocs.book.ink import COLORS
from convdocs.book.stepper import MARK, RESULT
from convdocs.windows import Window, windows

RANGES = {
    "input": range(1, 17),
    "kernel": range(1, 8),
    "stride": range(1, 6),
    "padding": range(6),
    "dilation": range(1, 5),
}
ALL = """text => {
  const [ranges, settings] = JSON.parse(text);
  return JSON.stringify(settings.map(
    each => explore(Object.fromEntries(ranges.map((name, n) => [name, each[n]])))));
}"""


FIGURE = "figure:has(.explorer)"


@pytest.fixture
def page(visit):
    """Return the page of the explorer."""
    return visit("hyperparameters", viewport={"width": 1280, "height": 1200})


@functools.cache
def network(k, s, p, d):
    """Return a network of one convolution."""
    return CNN([Conv2d(1, 1, k, s, p, d, rng=0)])


def package(H, k, s, p, d):
    """Return what the package says of a setting: an error, or sizes, counts and windows."""
    x, w, how = np.ones((1, 1, H, H)), np.ones((1, 1, k, k)), {"padding": p, "dilation": d}
    try:
        y = conv2d(x, w, stride=s, **how)
    except ValueError as error:
        return {"error": str(error)}
    dx, _, _ = conv2d_backward(y, x, w, stride=s, **how)  # a pixel without gradient was not seen
    row = network(k, s, p, d).summary((1, H, H))[0]
    assert row.output_shape == y.shape[1:]
    places = np.arange(-p, H + p)[None, :, None, None]
    return {
        "output": y.shape[2],
        "unseen": int((dx == 0).sum()),
        "macs": row.macs,
        "parameters": row.parameters,
        "windows": windows(places, Window((k, 1), (s, 1), (d, 1)))[0, :, 0, :, 0, 0].T.tolist(),
    }


CONTROLS = "article :is(select, input[type=range])"
VALUES = f"() => [...document.querySelectorAll('{CONTROLS}')].map(each => each.value)"


def test_its_numbers_are_those_of_the_package_for_every_setting(page):
    sliders = page.locator(".explorer-controls input")
    ends = {each.get_attribute("name"): each for each in sliders.all()[:5]}
    assert list(ends) == list(RANGES)
    for name, numbers in RANGES.items():
        shown = [int(ends[name].get_attribute(end)) for end in ("min", "max")]
        assert shown == [numbers[0], numbers[-1]]

    settings = list(itertools.product(*RANGES.values()))
    found = json.loads(page.evaluate(ALL, json.dumps([list(RANGES), settings])))
    said = dict(zip(settings, found, strict=True))
    right = {setting: package(*setting) for setting in settings}
    for setting in settings:
        assert {name: said[setting].get(name) for name in right[setting]} == right[setting]
        assert ("error" in said[setting]) == ("error" in right[setting])

    refused = [setting for setting in settings if "error" in right[setting]]
    assert 1000 < len(refused) < len(settings) / 2
    for setting in refused:
        remedies = {name: tuple(how) for name, how in said[setting]["remedies"]}
        for place, (name, numbers) in enumerate(RANGES.items()):
            changed = {n: (*setting[:place], n, *setting[place + 1 :]) for n in numbers}
            legal = [n for n in numbers if "error" not in right[changed[n]]]
            way = "at most" if name in ("kernel", "dilation") else "at least"
            best = max(legal, default=None) if way == "at most" else min(legal, default=None)
            assert remedies.get(name) == ((best, way) if legal else None), setting


def seen(page):
    """Return the pixels of the picture, and a function that gives the kernel of a size."""
    digits = page.locator(".explorer").get_attribute("data-pixels")
    face = np.array([*map(int, digits)]).reshape(16, 16)
    slope = {1: [1], 2: [-1, 1], 3: [-1, 0, 1], 4: [-1, -1, 1, 1]}
    slope |= {5: [-1, -1, 0, 1, 1], 6: [-1] * 3 + [1] * 3, 7: [-1] * 3 + [0] + [1] * 3}
    return face, lambda k: np.tile(slope[k], (k, 1))


def result(page, H, k, s, p, d):
    """Return what the package makes of the middle of the picture."""
    face, kernel = seen(page)
    x = face[(16 - H) // 2 :, (16 - H) // 2 :][:H, :H]
    return conv2d(x[None, None], kernel(k)[None, None], stride=s, padding=p, dilation=d)[0, 0]


def value(text):
    """Return what is written as the page writes numbers."""
    return eval(text.replace("−", "-").replace("·", "*"))


def test_its_picture_is_the_face_of_the_book(page):
    face, _ = seen(page)
    small = avg_pool2d(data.photo()[None, None, 40:328, 120:408], 18)[0, 0]
    np.testing.assert_array_equal(face, np.rint(9 * small))


def test_its_results_are_those_of_the_package(page, rng):
    face = page.locator(".explorer").get_attribute("data-pixels")
    drawn = [tuple(map(int, map(rng.choice, RANGES.values()))) for _ in range(100)]
    some = [(H, k, s, p, d) for H, k, s, p, d in drawn if d * (k - 1) < H + 2 * p]
    assert len(some) > 50
    call = "([names, all, face]) => all.map(each => outputs(Object.fromEntries("
    call += "names.map((name, n) => [name, each[n]])), face))"
    for setting, found in zip(some, page.evaluate(call, [[*RANGES], some, face]), strict=True):
        np.testing.assert_array_equal(found, result(page, *setting))


WORDS = "() => document.querySelector('.explorer .words').textContent"


@pytest.mark.parametrize("setting", [(8, 3, 2, 0, 1), (5, 1, 1, 0, 1), (6, 4, 1, 1, 2)])
def test_each_place_of_the_output_says_its_sum(page, setting):
    choose(page, **dict(zip(RANGES, setting, strict=True)))
    y = result(page, *setting)
    output, words = page.locator(".explorer .output"), page.locator(".explorer .words")
    drawn = output.locator("text").all_text_contents()
    assert [value(text) for text in drawn] == [*y.flat]
    places = [[(j + 0.5) / len(y), (i + 0.5) / len(y)] for i, j in np.ndindex(y.shape)]
    seen = pointed(output, places, WORDS)
    for (i, j), text in zip(np.ndindex(y.shape), seen, strict=True):
        assert text.startswith(f"The output at row {i}, column {j} sees")
        said = re.search(r"Its sum(?:, column by column)?: (.*) = (.*)\.$", text)
        assert value(said[1]) == value(said[2]) == y[i, j]
    output.locator("svg").hover(position={"x": 1, "y": 1})  # a real pointer, once
    expect(words).to_contain_text("The output at row 0, column 0 sees")


@pytest.mark.parametrize("width", [1280, 375])
def test_its_height_stands_still(visit, width):
    page = visit("hyperparameters", viewport={"width": width, "height": 900})
    heights = set()
    for setting in [
        *((8, 3, 2, 0, 1), (16, 7, 5, 5, 4), (16, 7, 1, 5, 4), (1, 7, 1, 0, 4), (1, 1, 1, 0, 1)),
        *((16, 3, 1, 5, 1), (2, 4, 2, 0, 2), (16, 1, 1, 0, 1)),
    ]:
        choose(page, **dict(zip(RANGES, setting, strict=True)))
        heights.add(page.locator(".explorer").bounding_box()["height"])
    assert max(heights) - min(heights) <= 1


def choose(page, **settings):
    for name, number in settings.items():
        page.locator(f".explorer-controls [name={name}]").fill(str(number))


def test_its_sliders_change_the_picture_the_numbers_and_the_words(page):
    words, facts = page.locator(".explorer .words"), page.locator(".explorer dl")
    expect(words).to_contain_text(
        "The output at row 0, column 0 sees rows 0, 1 and 2 and columns 0, 1 and 2 of the input."
    )
    expect(facts).to_contain_text("⌊(8 + 2 · 0 − 1 · (3 − 1) − 1) / 2⌋ + 1 = ⌊5 / 2⌋ + 1 = 3")
    choose(page, input=7, kernel=2, stride=3, padding=1, dilation=3, row=1, column=0)
    expect(words).to_contain_text(
        "The output at row 1, column 0 sees rows 2 and 5 and columns −1 and 2 (with padding) "
        "of the input."
    )
    right = package(7, 2, 3, 1, 3)
    for number in ("output", "unseen", "macs", "parameters"):
        expect(facts).to_contain_text(f"= {right[number]}")
    drawn = {
        what: page.locator(f".explorer .input .{what}").get_attribute("d").count("M")
        for what in ("tap", "lost")
    }
    assert drawn == {"tap": 4, "lost": right["unseen"]}


@pytest.mark.parametrize("name", ["hyperparameters", "pooling", "try"])
def test_whoever_comes_back_finds_controls_that_say_what_is_shown(visit, name):
    page = visit(name)
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    begins = page.evaluate(VALUES)
    for control in page.locator(CONTROLS).all():
        control.focus()
        page.keyboard.press("ArrowDown" if name == "try" else "ArrowRight")
    assert page.evaluate(VALUES) != begins
    page.goto(page.url.replace(name, "about"))
    page.go_back()
    page.wait_for_timeout(500)  # after its scripts a browser puts back what it has kept
    assert page.evaluate(VALUES) == begins


def test_what_cannot_be_is_explained_and_mended(page):
    words, output = page.locator(".explorer .words"), page.locator(".explorer .output")
    choose(page, input=2, kernel=4, padding=0, dilation=2)
    expect(words).to_contain_text(package(2, 4, 2, 0, 2)["error"])
    expect(words).to_contain_text(
        "One change would do: input at least 7, padding at least 3 or kernel at most 1."
    )
    expect(output).to_have_text("No output")
    choose(page, padding=3)
    expect(words).to_contain_text("The output at row 0, column 0 sees")


def test_the_window_moves_by_a_click_and_by_keys_and_stays_inside(page):
    words, output = page.locator(".explorer .words"), page.locator(".explorer .output")
    box = output.locator("svg").bounding_box()
    cell = box["width"] / 3
    output.locator("svg").click(position={"x": 2.5 * cell, "y": 1.5 * cell})
    expect(words).to_contain_text("The output at row 1, column 2 sees rows 2, 3 and 4")
    expect(output).to_be_focused()
    for key, place in {
        "ArrowUp": "row 0, column 2",
        "ArrowRight": "row 0, column 2",
        "ArrowLeft": "row 0, column 1",
        "ArrowDown": "row 1, column 1",
    }.items():
        page.keyboard.press(key)
        expect(words).to_contain_text(f"The output at {place} sees")
        expect(output.locator("svg")).to_have_attribute("aria-label", f"Output; marked: {place}")
    expect(page.locator("[name=column]")).to_have_value("1")
    choose(page, input=3)  # a single window
    expect(words).to_contain_text("The output at row 0, column 0 sees")


def test_its_colours_are_those_of_the_other_figures():
    drawn = (ROOT / "docs" / "web" / "figures" / "window.mjs").read_text("utf-8")
    hues = dict(re.findall(r"(\w+): \['[^']*(#[0-9a-f]+)", drawn))
    window, result = COLORS[MARK - 1], COLORS[RESULT - 1]
    assert hues == {"tap": window, "span": window, "here": result}


def test_without_a_script_it_shows_its_first_picture(visit, page):
    still = visit("hyperparameters", java_script_enabled=False).locator(".explorer")
    live = page.locator(".explorer")
    expect(still.locator("input")).to_have_count(0)
    expect(live.locator("input")).to_have_count(7)
    for part in (".input", ".output", ".words", "dl"):
        expect(still.locator(part)).to_be_visible()
        assert still.locator(part).inner_html() == live.locator(part).inner_html()


def test_on_paper_there_are_no_controls(page):
    page.emulate_media(media="print")
    figure = page.locator(FIGURE)
    expect(figure.locator("svg").first).to_be_visible()
    for control in figure.locator("input").all():
        expect(control).to_be_hidden()


@pytest.mark.parametrize("script", [True, False])
def test_nothing_is_wider_than_a_phone(visit, script):
    phone = {"viewport": {"width": 375, "height": 800}, "has_touch": True}
    page = visit("hyperparameters", java_script_enabled=script, **phone)
    if script:
        choose(page, input=RANGES["input"][-1], padding=RANGES["padding"][-1])
    assert crowded(page, FIGURE) == []


def test_axe_finds_nothing(page):
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert barriers(page, FIGURE) == []


def test_only_its_page_loads_its_script(built):
    for path in built.glob("*.html"):
        assert ("-explorer" in path.read_text("utf-8")) == (path.stem == "hyperparameters")
