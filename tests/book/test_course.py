"""What makes the book one that a beginner can walk: its minutes, its terms, its formulas."""

import re

import pytest
from bs4 import BeautifulSoup
from pages import barriers
from places import ROOT, SITE
from playwright.sync_api import expect

ROAD = [
    *("problem", "locality", "symmetry", "two-dimensions", "steps", "edges", "hyperparameters"),
    *("layers", "pooling", "connected", "history"),
]
SAID = re.compile(r"(\d+) minutes?")


@pytest.fixture(scope="module")
def page(built):
    """Return a function that reads a page of the site, each once."""
    pages = {}

    def read(name):
        if name not in pages:
            pages[name] = BeautifulSoup((SITE / f"{name}.html").read_text("utf-8"), "html.parser")
        return pages[name]

    return read


def minutes(page):
    return int(SAID.match(page.select_one("p.minutes").text)[1])


def test_the_lecture_takes_two_hours_and_the_whole_book_five(page):
    chapters = [path.stem for path in (ROOT / "docs").glob("*.md")]
    taken = {name: minutes(page(name)) for name in chapters if page(name).select("p.minutes")}
    assert len(taken) >= 21
    together = int(page("index").select("table.track tbody tr")[-1].select("td")[2].text)
    assert sum(taken[name] for name in ROAD) - len(ROAD) < together <= 120  # not rounded one by one
    assert sum(taken.values()) <= 300


def test_the_fast_track_leads_along_the_road(page):
    rows = page("index").select("table.track tbody tr")
    links = [row.select_one("strong a")["href"] for row in rows[:-1]]
    assert links == [f"{name}.html" for name in ROAD]
    assert [int(row.select("td")[2].text) for row in rows[:-1]] == [
        minutes(page(name)) for name in ROAD
    ]
    for name, row in zip(ROAD, rows, strict=False):
        anchors = [link["href"].partition("#")[2] for link in row.select("a")[1:]]
        assert len(anchors) >= 2
        for anchor in anchors:
            section = page(name).find(id=anchor)
            assert not section.find_parents("details")
            assert not section.find("details", class_="depth", recursive=False)


def test_the_sheet_holds_every_numbered_formula(page):
    chapters = [path.stem for path in (ROOT / "docs").glob("*.md")]
    numbered = {
        f"{name}.html#{block.find_parent(class_='math')['id']}": block.text.split(")")[0] + ")"
        for name in chapters
        for block in page(name).select("div.math > span.eqno")
    }
    entries = page("formulas").select(".formula-entry")
    on_sheet = {entry.a["href"]: entry.a.text for entry in entries}
    assert len(numbered) > 50
    assert on_sheet == numbered
    assert all(entry.select(".katex") for entry in entries)


def terms(page):
    return [each.text.rstrip("¶#").strip() for each in page("glossary").select("dl.glossary > dt")]


@pytest.mark.parametrize("name", ROAD)
def test_a_term_is_linked_or_explained_where_it_is_first_used(page, name):
    article = BeautifulSoup(str(page(name).article), "html.parser")
    for exercises in article.select("section#exercises, .downloads, p.minutes"):
        exercises.decompose()
    for other in article.select("h1, h2, h3, pre, code, .math, .katex, table, .admonition, script"):
        other.replace_with(" ; ")
    first = {}
    for text in article.find_all(string=True):
        kind = "plain"
        if text.find_parent(["a", "strong"]):
            kind = "explained" if text.find_parent("strong") else text.find_parent("a")["href"]
        for term in terms(page):
            either = r"\s+".join(map(re.escape, term.split()))
            if re.search(rf"(?<![\w-]){either}(?:s|es)?(?![\w-])", text, re.IGNORECASE):
                first.setdefault(term, kind)
    longer = {term for term in first for other in first if term != other and term in other}
    plain = [term for term, kind in first.items() if kind == "plain" and term not in longer]
    assert len(first) > 5
    assert plain == []


SOLVE = "dispatchEvent(new CustomEvent('solved', {detail: 'ex-problem-count'}))"


def test_what_was_solved_is_marked_and_the_front_page_leads_on(site, browser):
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{site}index.html")
    assert page.locator(".continue").count() == 0
    page.goto(f"{site}problem.html#exercises")
    page.evaluate(SOLVE)
    expect(page.locator("#ex-problem-count")).to_have_class(re.compile("solved"))
    expect(page.locator(".sidebar-tree .current-page > a")).to_have_attribute("data-solved", "✓ 1")
    page.wait_for_function(  # scrolling takes its time
        'Object.values(localStorage).some(text => text.includes(\'"section":"exercises"\'))'
    )
    page.goto(f"{site}index.html")
    link = page.locator(".continue")
    expect(link).to_have_text("Continue: What is the problem?")
    assert re.search(r"/problem\.html#exercises$", link.get_attribute("href"))
    page.goto(f"{site}about.html")
    expect(page.locator(".kept")).to_contain_text("Exercises solved: 1.")
    page.locator(".kept button").click()
    expect(page.locator(".kept")).to_contain_text("Exercises solved: 0.")
    page.goto(f"{site}problem.html")
    expect(page.locator("#ex-problem-count")).not_to_have_class(re.compile("solved"))
    context.close()


def test_the_front_page_reads_a_digit_and_keeps_its_place(site, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{site}index.html")
    expect(page.locator(".lab [role=status]")).to_have_text("This looks like a 3.")
    sheet = page.locator(".lab .sheet")
    ink = "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v)"
    assert sheet.evaluate(ink)  # the digit is on the sheet, not in the network's view alone
    box = sheet.bounding_box()
    page.mouse.move(box["x"] + 112, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 112, box["y"] + 200, steps=8)
    page.mouse.up()
    expect(page.locator(".lab [role=status]")).to_have_text("This looks like a 1.")
    page.locator(".lab .undo").click()
    expect(page.locator(".lab [role=status]")).to_contain_text("The sheet is empty")
    shift = """() => new Promise(resolve => new PerformanceObserver(list => resolve(
      list.getEntries().reduce((sum, each) => sum + each.value, 0))).observe(
      {type: 'layout-shift', buffered: true}))"""
    page.goto(f"{site}index.html")
    assert (
        page.evaluate(f"Promise.race([({shift})(), new Promise(r => setTimeout(r, 800, 0))])")
        < 0.05
    )
    page.close()


def test_a_figure_is_enlarged_and_closed_again(visit):
    page = visit("locality", viewport={"width": 375, "height": 700})
    button = page.get_by_role("button", name=re.compile(r"Enlarge Fig\. 3\.1"))
    button.click()
    image = page.locator("dialog.enlarged img")
    assert image.evaluate("image => image.decode().then(() => image.clientWidth)") > 800
    assert barriers(page, "dialog") == []
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    expect(button).to_be_focused()
