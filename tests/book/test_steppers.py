"""The figures that show an algorithm step by step: by hand, by keyboard, unseen, and on paper."""

import json
import re

import numpy as np
import pytest
from pages import barriers, crowded, pointed
from playwright.sync_api import expect

from convdocs import conv2d, conv2d_backward, max_pool2d

STEPPERS = {
    "two-dimensions": lambda x, w, **_: {"y": conv2d(x, w)},
    "pooling": lambda x, **_: {"y": max_pool2d(x, 3, stride=2)},
    "backpropagation": lambda dy, x, w, **_: dict(
        zip(("dx", "dw"), conv2d_backward(dy, x, w), strict=False)
    ),
}
FIGURE = "figure:has(.stepper)"


def read(frame):
    """Return the grids of a frame, as a screen reader is told them."""
    said = frame.locator("svg").get_attribute("aria-label").replace("−", "-")
    found = re.findall(r"(\w+) = \(([^)]*)\)", said)
    return {
        title: [[float(n.replace("blank", "nan")) for n in row.split()] for row in rows.split("; ")]
        for title, rows in found
    }


@pytest.mark.parametrize("name", STEPPERS)
def test_the_last_frame_is_what_the_package_computes(visit, name):
    frames = visit(name, java_script_enabled=False).locator(".stepper li")
    grids = {title: np.array(rows) for title, rows in read(frames.last).items()}
    right = STEPPERS[name](**{title: grid[None, None] for title, grid in grids.items()})
    for title, array in right.items():
        np.testing.assert_array_equal(grids[title], array[0, 0])
    drawn = [text.replace("−", "-") for text in frames.last.locator("text").all_text_contents()]
    numbers = [float(text) for text in drawn if re.fullmatch(r"-?\d+", text)]
    assert numbers == [float(n) for grid in grids.values() for n in grid.flat]


STATE = """() => {
  const find = selector => document.querySelector(`.stepper-controls ${selector}`);
  const shown = [...document.querySelectorAll('.stepper > li')].flatMap(
    (step, n) => step.checkVisibility() ? [n] : []);
  return [shown, find('[role=status]').textContent, find('input').ariaValueText,
    ...['first', 'last'].map(which => find(`button:${which}-of-type`).ariaDisabled)];
}"""


@pytest.mark.parametrize("name", STEPPERS)
def test_buttons_slider_and_keys_show_one_step_at_a_time(visit, name):
    page = visit(name)
    steps = page.locator(".stepper > li")
    words = steps.locator("p").all_text_contents()
    last = len(words) - 1
    assert last >= 3
    controls = page.locator(".stepper-controls")
    previous, following = controls.locator("button").all()
    slider = controls.locator("input")

    def now(step):
        said = f"Step {step + 1} of {last + 1}. {words[step]}"
        ends = [str(step == end).lower() for end in (0, last)]
        assert page.evaluate(STATE) == [[step], said, f"{step + 1} of {last + 1}", *ends]

    now(0)
    previous.press("Enter")
    now(0)
    following.click()
    now(1)
    slider.fill("3")
    now(2)
    previous.click()
    now(1)
    for element in (slider, following):
        for key, step in {"End": last, "ArrowLeft": last - 1, "Home": 0, "ArrowRight": 1}.items():
            element.press(key)
            now(step)
    following.press("End")
    following.press("Enter")
    now(last)


SEEN = """cover => {
  const box = each => {
    const {left, top, width, height} = each.getBoundingClientRect();
    return [left, top, width, height];
  };
  const green = step => [...step.querySelectorAll('path[fill="#2e9e5b"]')];
  const steps = [...cover.closest('.stage').querySelectorAll('.stepper > li')].filter(
    step => step.checkVisibility());
  return [cover.closest('figure').querySelector('[role=status]').textContent, steps.length,
    cover.querySelectorAll('.source').length, box(cover.querySelector('.here')),
    green(steps[0]).map(box)];
}"""


@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("name", STEPPERS)
def test_each_number_that_is_pointed_at_has_its_step(visit, name, width):
    page = visit(name, viewport={"width": width, "height": 900}, reduced_motion="reduce")
    cover = page.locator(".stage:has(.stepper) .cover")
    controls = page.locator(".stepper-controls")
    answers = [
        json.loads(step.get_attribute("data-answer"))
        for step in page.locator(".stepper > li").all()
    ]
    places = [[left + width / 2, top + height / 2] for (left, top, width, height), _ in answers]
    seen = pointed(cover, places[::-1], SEEN)[::-1]
    for n, (said, shown, marked, here, green) in enumerate(seen):
        assert said.startswith(f"Step {n + 1} of ")
        assert (shown, marked) == (1, len(answers[n][1]))
        assert any(here == pytest.approx(path, abs=1) for path in green)
    box = cover.bounding_box()
    cover.hover(position={"x": places[2][0] * box["width"], "y": places[2][1] * box["height"]})
    expect(controls.get_by_role("status")).to_contain_text("Step 3 of ")  # to a real pointer, too
    cover.press("ArrowLeft")
    cover.press("ArrowUp")
    expect(controls.get_by_role("status")).to_contain_text("Step 1 of ")
    cover.press("ArrowRight")
    expect(controls.get_by_role("status")).to_contain_text("Step 2 of ")
    cover.press("ArrowDown")
    expect(controls.get_by_role("status")).to_contain_text("Step 4 of ")


def test_a_strip_that_comes_later_is_brought_to_life(visit):
    page = visit("pooling")
    page.evaluate(
        """() => {
          const strip = document.querySelector('.stepper').cloneNode(true);
          strip.classList.remove('live');
          for (const step of strip.children) step.hidden = false;
          document.querySelector('article').append(strip);
        }"""
    )
    expect(page.locator(".stepper-controls")).to_have_count(2)
    page.locator(".stepper-controls button").last.click()
    expect(page.locator(".stepper-controls p").last).to_contain_text("Step 2 of")
    expect(page.locator(".stepper-controls p").first).to_contain_text("Step 1 of")


@pytest.mark.parametrize("name", STEPPERS)
def test_without_a_script_every_step_stands_there(visit, name):
    page = visit(name, java_script_enabled=False)
    for fold in page.locator(".depth > summary").all():
        fold.click()
    expect(page.locator(".stepper li svg:visible")).to_have_count(4)
    expect(page.locator(".stepper li p:visible")).to_have_count(4)
    expect(page.locator(".stepper-controls")).to_have_count(0)


@pytest.mark.parametrize("name", STEPPERS)
def test_on_paper_there_are_no_controls_but_all_steps(visit, name):
    page = visit(name)
    page.emulate_media(media="print")
    figure = page.locator(FIGURE)
    for control in figure.locator("button, input").all():
        expect(control).to_be_hidden()
    expect(figure.locator("li svg:visible")).to_have_count(4)
    expect(figure.locator("li p:visible")).to_have_count(4)


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("name", STEPPERS)
def test_nothing_is_wider_than_a_phone(visit, name, script):
    phone = {"viewport": {"width": 375, "height": 800}, "has_touch": True}
    page = visit(name, java_script_enabled=script, **phone)
    assert crowded(page, FIGURE) == []


@pytest.mark.parametrize("name", STEPPERS)
def test_axe_finds_nothing(visit, name):
    page = visit(name)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert barriers(page, FIGURE) == []


def test_only_pages_with_such_a_figure_load_its_script(built):
    for path in built.glob("*.html"):
        text = path.read_text("utf-8")
        scripts, sheets = (
            re.search(rf"_static/all(\S*)\.{kind}\b", text)[1] for kind in ("js", "css")
        )
        assert ("-stepper" in scripts) == ('class="stepper"' in text) == (path.stem in STEPPERS)
        drawn = any(f"-{name}" in scripts for name in ("stepper", "explorer", "sums"))
        assert ("-figures" in sheets) == drawn
