"""Numbers that answer who points at them: by pointer, finger and keyboard, and what they say."""

import json
import re

import pytest
from pages import barriers, pointed
from playwright.sync_api import expect

PAGES = {  # figures on each
    "backpropagation": 2,
    "edges": 1,
    "hyperparameters": 1,
    "layers": 1,
    "locality": 2,
    "pooling": 1,
    "problem": 1,
    "stacks": 1,
    "steps": 1,
    "symmetry": 2,
    "two-dimensions": 1,
}
FIGURE = "figure:has(.sum)"


def value(text):
    """Return what a sum comes to that is written as the book writes it."""
    return eval(text.replace("−", "-").replace("·", "*"))


PHONE = {"viewport": {"width": 375, "height": 800}, "has_touch": True}


def known(figure, phone=False):
    """Return the answers of a figure, each its place, its words and its sources."""
    every = json.loads(figure.locator(".sum").get_attribute("data-answers"))
    if phone:
        return [(place, words, sources) for _, words, _, place, sources in every]
    return [answer[:3] for answer in every]


def centre(box):
    """Return the middle of a box."""
    left, top, width, height = box
    return left + width / 2, top + height / 2


def middle(cover, box):
    """Return the middle of a box, in pixels of a cover."""
    size, (across, down) = cover.bounding_box(), centre(box)
    return {"x": size["width"] * across, "y": size["height"] * down}


SHARES = """(cover, kind) => [...cover.querySelectorAll(kind)].map(mark => ['left', 'top',
  'width', 'height'].map(side => parseFloat(mark.style[side]) / 100))"""
SEEN = f"""cover => [cover.closest('figure').querySelector('.sum span').textContent,
  ...['.here', '.source'].map(kind => ({SHARES})(cover, kind))]"""


def shares(cover, kind):
    """Return the boxes that are outlined, as shares of the picture."""
    return cover.evaluate(SHARES, kind)


@pytest.mark.parametrize(
    ("name", "phone"), [*((name, False) for name in PAGES), ("layers", True), ("pooling", True)]
)
def test_each_number_says_its_sum_and_shows_its_patch(visit, name, phone):
    page = visit(name, reduced_motion="reduce", **PHONE if phone else {})
    figures = page.locator(FIGURE)
    for figure in figures.all():
        cover, answers = figure.locator(".cover"), known(figure, phone)
        assert len(answers) > 3
        seen = pointed(cover, [centre(place) for place, _, _ in answers], SEEN)
        for (place, words, sources), (said, here, source) in zip(answers, seen, strict=True):
            assert said == words
            assert here == [pytest.approx(place)]
            assert source == [pytest.approx(box) for box in sources]
            sides = words.split(": ")[-1].split(" = ")
            if len(sides) == 2:
                assert value(sides[0].removeprefix("the mean is ")) == value(sides[1])
        place, words, _ = answers[0]
        cover.hover(position=middle(cover, place))  # a real pointer, once
        expect(figure.locator(".sum span")).to_have_text(words)


def test_these_figures_answer(built):
    found = {
        path.stem: path.read_text("utf-8").count('class="sum"') for path in built.glob("*.html")
    }
    assert {name: number for name, number in found.items() if number} == PAGES
    for path in built.glob("*.html"):
        text = path.read_text("utf-8")
        assert bool(re.search(r"_static/all[\w-]*-sums\b", text)) == bool(found[path.stem])


@pytest.fixture
def layers(visit):
    """Return the first figure of a chapter that answers."""
    page = visit("layers")
    return page.locator(FIGURE).first


def test_arrow_keys_go_from_number_to_number(layers):
    cover, said = layers.locator(".cover"), layers.locator(".sum span")
    words = [words for _, words, _ in known(layers)]
    cover.focus()
    for key, n in {
        "ArrowRight": 1,
        "ArrowDown": 3,
        "ArrowLeft": 2,
        "ArrowUp": 0,
    }.items():
        cover.press(key)
        expect(said).to_have_text(words[n])
    cover.press("ArrowUp")
    expect(said).to_have_text(words[0])


def test_keys_of_the_browser_stay_the_browsers(layers):
    pressed = """(each, how) => each.dispatchEvent(
      new KeyboardEvent('keydown', {key: 'ArrowLeft', bubbles: true, cancelable: true, ...how}))"""
    cover = layers.locator(".cover").first
    assert not cover.evaluate(pressed, {})  # it is taken
    for how in ("altKey", "ctrlKey", "metaKey"):
        assert cover.evaluate(pressed, {how: True})


def test_the_focus_by_tab_shows_the_first(layers):
    said = layers.locator(".sum span")
    hint = said.text_content()
    layers.locator(".enlarge").focus()
    layers.page.keyboard.press("Shift+Tab")
    expect(layers.locator(".cover")).to_be_focused()
    expect(said).not_to_have_text(hint)
    expect(said).to_have_text(known(layers)[0][1])


def test_a_tap_answers_on_a_phone_and_nothing_is_too_wide(visit):
    page = visit("layers", **PHONE)
    figure = page.locator(FIGURE).first
    cover = figure.locator(".cover")
    place, words, _ = known(figure, phone=True)[2]
    cover.tap(position=middle(cover, place))
    expect(figure.locator(".sum span")).to_have_text(words)
    assert page.evaluate("document.documentElement.scrollWidth") == 375


def test_a_phone_that_is_turned_shows_the_wide_figure_and_its_boxes(visit):
    page = visit("layers", **PHONE)
    figure = page.locator(FIGURE).first
    cover, seen = figure.locator(".cover"), "image => image.currentSrc"
    cover.focus()
    cover.press("ArrowRight")
    assert shares(cover, ".here") == [pytest.approx(known(figure, phone=True)[1][0])]
    assert figure.locator("img").evaluate(seen).endswith("-narrow.svg")
    page.set_viewport_size({"width": 800, "height": 375})
    expect(cover.locator(".here")).to_have_count(0)
    assert not figure.locator("img").evaluate(seen).endswith("-narrow.svg")
    cover.press("ArrowLeft")
    assert shares(cover, ".here") == [pytest.approx(known(figure)[0][0])]


def test_the_sentence_has_its_room_before(layers):
    box = layers.bounding_box()
    cover = layers.locator(".cover")
    for place, _, _ in known(layers):
        cover.hover(position=middle(cover, place))
        assert layers.bounding_box()["height"] == box["height"]


def test_the_figure_can_still_be_enlarged(layers):
    layers.locator(".enlarge").click()
    dialog = layers.page.locator("dialog.enlarged")
    expect(dialog.locator("img")).to_be_visible()
    dialog.get_by_role("button").click()
    cover = layers.locator(".cover")
    place, words, _ = known(layers)[1]
    cover.hover(position=middle(cover, place))
    expect(layers.locator(".sum span")).to_have_text(words)


def test_on_paper_and_without_a_script_there_is_the_figure_alone(visit):
    paper, still = (
        visit("two-dimensions", java_script_enabled=script).locator(FIGURE)
        for script in (True, False)
    )
    expect(paper.locator(".sum")).to_be_visible()
    paper.page.emulate_media(media="print")
    for figure in (paper, still):
        expect(figure.locator("img")).to_be_visible()
        expect(figure.locator(".sum")).to_be_hidden()


def test_outlines_glide_only_where_motion_is_welcome(layers):
    cover = layers.locator(".cover")
    cover.focus()
    cover.press("ArrowRight")
    time = "mark => getComputedStyle(mark).transitionDuration"
    for wish, seconds in {"no-preference": "0.15s", "reduce": "0s"}.items():
        layers.page.emulate_media(reduced_motion=wish)
        assert cover.locator(".here").evaluate(time) == seconds


@pytest.mark.parametrize("name", ["layers", "stacks"])
def test_axe_finds_nothing(visit, name):
    page = visit(name)
    for cover in page.locator(".cover").all():
        cover.focus()
        cover.press("ArrowRight")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert barriers(page, FIGURE) == []
