"""Live cells in a real browser: changed, run, stopped; and every chapter from top to end.

Python comes from a wheel that holds all of Pyodide's files, since a test asks no network (.ci/run
fetches it); without it, what needs Python is skipped.
"""

import re
import tomllib
import zipfile

import pytest
from axe_playwright_python.sync_playwright import Axe
from places import ROOT
from playwright.sync_api import expect

PAGES = {path.stem: path.read_text("utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
NATIVE = [  # no cell of these runs in a browser
    name
    for name, text in PAGES.items()
    if re.search("^needs: ", text, re.MULTILINE) and not re.search(r"tags: \[.*\bnative\b", text)
]
CHAPTERS = [name for name, text in PAGES.items() if "{code-cell}" in text and name not in NATIVE]
HOST = "https://cdn.jsdelivr.net/pyodide/"
WHEELS = sorted((ROOT / "docs" / "_build" / "pyodide").glob("*.whl"))
TYPES = {"mjs": "text/javascript", "wasm": "application/wasm", "json": "application/json"}
SHOWN = """() => [...document.querySelectorAll('[id^=cell-]')].map(cell => ({
  id: cell.id, state: cell.dataset.live, tags: cell.className,
  text: [...cell.querySelectorAll('.cell_output .output')].map(each => each.textContent).join(''),
  pictures: cell.querySelectorAll('.cell_output img, .cell_output svg').length,
}))"""
VISIBLE = "[id^=cell-]:not(script)"  # a cell with its code; scripts hold those that serve the build
OPEN = "document.querySelectorAll('.toggle-button').forEach(each => each.click())"  # solutions
NUMBER = re.compile(r"[-+]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?")
OVER = """() => !document.querySelector('[data-live=built], [data-live=running]') ||
  Boolean(document.querySelector('.cell:not(script):is([data-live$=Error], [data-live=lost])'))"""


@pytest.fixture(scope="module")
def reader(browser, site):
    """Return a function that opens a chapter in a new window, with Pyodide where there is one."""
    pyodide = zipfile.ZipFile(WHEELS[-1]) if WHEELS else None
    windows = []

    def give(route):
        name = route.request.url.rsplit("/", 1)[1]
        route.fulfill(
            body=pyodide.read(f"open_webui/frontend/pyodide/{name}"),
            content_type=TYPES.get(name.rsplit(".", 1)[1], "application/octet-stream"),
            headers={"access-control-allow-origin": "*"},
        )

    def open_(chapter, python=True, **options):
        if python and not pyodide:
            pytest.skip("no Pyodide in docs/_build/pyodide: see .ci/run")
        context = browser.new_context(**options)
        windows.append(context)
        page = context.new_page()
        page.asked = []
        page.wrong = []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        context.route(f"{HOST}**", give if python else lambda route: route.abort())
        page.goto(chapter if ":" in chapter else f"{site}{chapter}.html")
        page.set_default_timeout(60_000)
        return page

    yield open_
    for context in windows:
        context.close()


def press(page, place, what):
    cell = page.locator(VISIBLE).nth(place)
    cell.get_by_role("button", name=re.compile(f"^{what}: ")).click()
    return cell


def finished(cell, state="done", timeout=300_000):
    expect(cell).to_have_attribute("data-live", state, timeout=timeout)
    return cell.locator(".cell_output")


def write(cell, source):
    editor = cell.locator(".cm-content")
    if not editor.count():
        cell.get_by_role("button", name=re.compile("^Edit: ")).click()
    editor.press("Control+a")
    editor.page.keyboard.insert_text(source)
    return editor


@pytest.fixture(scope="module")
def page(reader):
    """Return the chapter on edges, with its first cell run."""
    page = reader("edges")
    assert not [url for url in page.asked if HOST in url or "editor" in url or ".whl" in url]
    finished(press(page, 0, "Run"))
    return page


def test_the_site_carries_its_own_package(page):
    ours = [url for url in page.asked if "convdocs-" in url]
    assert len(ours) == 1
    assert ours[0].startswith("http://127.0.0.1")


def test_a_run_draws_the_same_figure(page):
    cell = page.locator(VISIBLE).first
    expect(cell.locator("figcaption")).to_contain_text("Grace Hopper")
    assert cell.locator("img").get_attribute("src").startswith("blob:")
    assert cell.locator("img").evaluate(
        "image => image.decode().then(() => image.naturalWidth > 99)"
    )
    assert cell.locator("img").get_attribute("alt").startswith("Black-and-white portrait")
    expect(page.get_by_role("status")).to_contain_text("cell 1 ran. A new figure.")


def test_another_kernel_gives_another_picture_and_reset_brings_back_the_first(page):
    cell = page.locator("#cell-31")  # the Laplacian of two eyes
    image = cell.locator("img")
    cell.get_by_role("button", name=re.compile("^Run all above: ")).click()
    finished(page.locator("#cell-28"))
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
    cell.get_by_role("button", name=re.compile("^Reset: ")).click()
    expect(cell).to_have_attribute("data-live", "built")
    expect(image).to_have_attribute("src", built)
    expect(cell.locator(".highlight pre")).to_be_visible()
    expect(cell.locator(".cm-content")).to_have_count(0)


def test_text_goes_to_the_page_and_to_those_who_listen(page):
    cell = page.locator(VISIBLE).nth(1)
    write(cell, "print('hello', 6 * 7)")
    press(page, 1, "Run")
    expect(finished(cell)).to_have_text("hello 42")
    expect(page.get_by_role("status")).to_have_text("cell 2 ran. hello 42")
    press(page, 1, "Reset")


def test_an_error_is_a_readable_traceback(page):
    cell = page.locator(VISIBLE).nth(1)
    write(cell, "def f(x):\n    return conv2d(x, x, padding=-1)\n\nf(photo)")
    press(page, 1, "Run")
    text = finished(cell, "ValueError").text_content()
    assert text.startswith("Traceback")
    assert "return conv2d(x, x, padding=-1)" in text
    assert "exec(" not in text
    expect(page.get_by_role("status")).to_have_text("cell 2: ValueError")
    press(page, 1, "Reset")


def test_a_missing_name_offers_to_run_the_cells_above(reader):
    page = reader("two-dimensions")
    last = page.locator(VISIBLE).nth(3)
    press(page, 3, "Run")
    finished(last, "NameError").get_by_role("button").click()
    finished(last)


def test_tab_leaves_the_cell_and_focus_is_seen(page):
    cell = page.locator(VISIBLE).nth(1)
    editor = write(cell, "1")
    editor.press("Tab")
    focused = page.locator(":focus")
    expect(focused).to_have_text("Run")
    assert focused.evaluate("each => getComputedStyle(each).outlineStyle") == "solid"
    page.keyboard.press("Shift+Enter")
    finished(cell)
    press(page, 1, "Reset")


def test_a_cell_without_end_is_stopped_and_python_starts_anew(reader):
    page = reader("steps")
    cell = page.locator(VISIBLE).first
    write(cell, "while True:\n    pass")
    press(page, 0, "Run")
    expect(cell.locator(".live-state")).to_contain_text("running for", timeout=300_000)
    press(page, 0, "Stop")
    expect(finished(cell, "stopped")).to_contain_text("run the cells above again")
    write(cell, "7")
    press(page, 0, "Run")
    expect(finished(cell)).to_have_text("7")
    press(page, 0, "Restart Python")
    write(cell, "'photo' in globals()")
    press(page, 0, "Run")
    expect(finished(cell)).to_have_text("False")


def test_without_a_server_the_page_says_what_to_do(reader, built):
    page = reader((built / "edges.html").as_uri(), python=False)
    cell = press(page, 0, "Run")
    expect(cell.locator(".cell_output")).to_contain_text("make serve")
    press(page, 0, "Reset")
    expect(cell.locator("figure")).to_be_visible()


def test_without_a_network_the_page_says_so(reader):
    page = reader("edges", python=False)
    cell = press(page, 0, "Run")
    expect(finished(cell, "unreachable")).to_contain_text("Is there a network?")


@pytest.mark.parametrize("chapter", NATIVE)
def test_a_chapter_that_no_browser_can_run_says_so_and_offers_no_run(reader, chapter):
    page = reader(chapter, python=False)
    expect(page.locator(".native")).to_contain_text("do not run on this page")
    expect(page.locator(".cell").first).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Run"))).to_have_count(0)
    assert not [url for url in page.asked if "live.js" in url]
    extras = re.search(r"convdocs\[data,(.*?)\]", page.locator(".native code").text_content())[1]
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(extras.split(",")) <= declared["optional-dependencies"].keys()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
def test_a_cell_in_use_is_accessible_and_fits(reader, scheme, width):
    page = reader("two-dimensions", color_scheme=scheme, viewport={"width": width, "height": 800})
    cell = page.locator(VISIBLE).first
    write(cell, "# a comment\nfor i in range(3):\n    print('text', i, 'x' * 400)\nnone")
    press(page, 0, "Run")
    finished(cell, "NameError")
    found = Axe().run(page).response["violations"]
    assert [(each["id"], node["html"]) for each in found for node in each["nodes"]] == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.fixture(scope="module")
def ran(reader):
    """Run every chapter from top to end, two side by side; return what cells showed, and show."""
    waiting, running, seen = list(CHAPTERS), {}, {}
    while waiting or running:
        while waiting and len(running) < 2:
            chapter = waiting.pop(0)
            page = reader(chapter)
            before = page.evaluate(SHOWN)
            page.evaluate(OPEN)
            last = page.locator(VISIBLE).count() - 1
            press(page, last, "Run all above")
            press(page, last, "Run")
            running[chapter] = page, before
        for chapter, (page, before) in list(running.items()):
            page.wait_for_timeout(500)
            if page.evaluate(OVER):
                seen[chapter] = before, page.evaluate(SHOWN), page.wrong
                page.context.close()
                del running[chapter]
    return seen


def alike(before, after, tags):
    """Return whether a cell printed what it printed in the build.

    The browser has another BLAS, and another decoder of photographs.
    Three tags in the chapters name the cells that cannot: `clock` prints measured times, `rounding`
    the size of rounding errors, and `training` accuracies of networks that amplify them.
    """
    if before.rstrip() == after.rstrip():
        return True
    # A cell of `choices` says which differences are "clear".
    words = [NUMBER.sub("#", text.replace("clear", "")).split() for text in (before, after)]
    if words[0] != words[1]:
        return False
    numbers = [[float(n.replace(",", "")) for n in NUMBER.findall(t)] for t in (before, after)]
    pairs = zip(*numbers, strict=True)
    if "tag_clock" in tags:
        return True
    if "tag_training" in tags:
        return all(abs(a - b) <= (2 if "%" in before else 0.02) for a, b in pairs)
    return "tag_rounding" in tags and all(
        abs(a - b) <= 1e-5 + 0.05 * max(abs(a), abs(b)) for a, b in pairs
    )


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_cell_of_the_chapter_shows_what_the_build_showed(ran, chapter):
    before, after, wrong = ran[chapter]
    assert wrong == []
    assert {cell["id"]: cell["state"] for cell in after if cell["state"] != "done"} == {}
    different = [
        (old["id"], old["text"], new["text"])
        for old, new in zip(before, after, strict=True)
        if not alike(old["text"], new["text"], new["tags"]) or old["pictures"] != new["pictures"]
    ]
    assert different == []
