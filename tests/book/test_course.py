"""What makes the book one that a beginner can walk: its minutes, its terms, its formulas."""

import ast
import re

import pytest
from bs4 import BeautifulSoup
from pages import barriers
from places import ROOT, SITE
from playwright.sync_api import expect

pytestmark = pytest.mark.xdist_group("course")  # what has been read of a page serves all tests
ROAD = [
    *("problem", "locality", "symmetry", "two-dimensions", "steps", "edges", "hyperparameters"),
    *("layers", "pooling", "connected", "history"),
]
SAID = re.compile(r"(\d+)\sminutes?")


@pytest.fixture(scope="module")
def page(built):
    """Return a function that reads a page of the site, each once."""
    pages = {}

    def read(name):
        if name not in pages:
            text = (SITE / f"{name}.html").read_text("utf-8")
            text = re.sub(r"(?s)<(math|svg|script|pre)\b.*?</\1>", "", text)  # most of it, no prose
            pages[name] = BeautifulSoup(text, "html.parser")
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
    for exercises in article.select("section#exercises, .downloads, p.minutes, .output"):
        exercises.decompose()
    for other in article.select("h1, h2, h3, pre, code, .math, .katex, table, .admonition, script"):
        other.replace_with(" ; ")
    first = {}
    texts = article.find_all(string=True)
    for term in terms(page):
        either = r"\s+".join(map(re.escape, term.split()))
        named = re.compile(rf"(?<![\w-]){either}(?:s|es)?(?![\w-])", re.IGNORECASE)
        if text := next(filter(named.search, texts), None):
            first[term] = "plain"
            if text.find_parent(["a", "strong"]):
                inside = text.find_parent("strong")
                first[term] = "explained" if inside else text.find_parent("a")["href"]
    longer = {term for term in first for other in first if term != other and term in other}
    plain = [term for term, kind in first.items() if kind == "plain" and term not in longer]
    assert len(first) > 5
    assert plain == []


# Commands that are no letters; what stands in braces behind the first ones is a word.
WORDS = r"\\(?:text|operatorname|mathrm|mathsf|begin|end)\s*\{[^{}]*\}"
COMMANDS = set(
    "approx bar big Big bigl bigr Bigl Bigr bmod cap cdot cdots cup dots frac ge hat infty"
    " langle lceil le left leftarrow lfloor ln log lvert lVert max min ne odot overline"
    " partial pm qquad quad rangle rceil rfloor right rvert rVert sqrt star sum tanh tfrac"
    " tilde times to underbrace".split()
)
ACCENTED = r"\\(?:bar|hat|tilde)\s*\\?\w+"
INDEX = r"[_^](?:\{[^{}]*\}|\\?\w)"


def symbols(formula):
    """Return the letters of a formula, in indices too."""
    tokens = re.findall(r"\\[A-Za-z]+|o[HW]|[A-Za-z]", re.sub(WORDS, " ", formula))
    return {token for token in tokens if token[1:] not in COMMANDS or token[0] != "\\"}


def formulas(name):
    text = (ROOT / f"docs/{name}.md").read_text("utf-8")
    text = re.sub(r"(?ms)^```\{code-cell\}.*?^```$", "", text)
    displayed = re.findall(r"(?s)\$\$(.*?)\$\$", text)
    return [*displayed, *re.findall(r"\$([^$`]+)\$", re.sub(r"(?s)\$\$.*?\$\$", "", text))]


def test_each_letter_has_one_meaning_on_a_page_and_a_row_that_says_it():
    trees = re.findall(r"(?s)```\{toctree\}(.*?)```", (ROOT / "docs/index.md").read_text("utf-8"))
    names = re.findall(r"(?m)^[a-z-]+$", " \n".join(trees))
    order = [
        name
        for name in names
        if (ROOT / f"docs/{name}.md").exists() and name not in ("notation", "glossary")
    ]
    used = {name: set().union(*map(symbols, formulas(name))) for name in order}
    assert sum(map(len, used.values())) > 200
    page = (ROOT / "docs/notation.md").read_text("utf-8")
    intro, letters, signs = re.split(r"\n## (?:Pictures|Signs)", page, maxsplit=2)
    meanings = {}
    for row in re.findall(r"(?ms)^\* - (\$.*?)\n(?=\* -|```)", letters):
        cells = row.split("\n  - ")
        where, named = cells[-1].split()[0], re.findall(r"\{doc\}`(.*?)`", cells[-1])
        assert len(cells) == 5
        assert where == "on" or (where == "from" and len(named) == 1), row
        heads = set()
        for formula in re.findall(r"\$(.*?)\$", cells[0]):
            bare = re.sub(r"\(.*?\)", "", re.sub(WORDS, "", re.sub(ACCENTED, "", formula)))
            counted = re.fullmatch(r"\S+?_\d", bare)  # a letter with a number, such as W_1
            heads |= {bare} if counted else symbols(re.sub(INDEX, "", bare))
        start = order.index(named[0])
        holds = set(named) if where == "on" else set(order[start:])
        for head in heads:
            assert all(head.split("_")[0] in used[name] for name in named), (head, row)
            meanings.setdefault(head, []).append((where, holds, row))
    several = {head for head, rows in meanings.items() if len(rows) > 1}
    assert set().union(*map(symbols, re.findall(r"\$(.*?)\$", intro))) == several
    for head, rows in meanings.items():
        alone = [holds for where, holds, _ in rows if where == "on"]
        assert len(rows) - len(alone) <= 1, head
        assert sum(map(len, alone)) == len(set().union(*alone)), f"two meanings of {head} on a page"
    missing = [
        f"{letter} on {name}"
        for name, found in used.items()
        for letter in sorted(found)
        if not any(
            name in holds
            for head, rows in meanings.items()
            for _, holds, _ in rows
            if head.split("_")[0] == letter
        )
    ]
    assert missing == []
    for row in re.findall(r"(?ms)^\* - (\$.*?)\n(?=\* -|```)", signs):
        symbol, first = row.split("\n  - ")[0], re.findall(r"\{doc\}`(.*?)`", row)
        for name in first:
            assert any(
                command in formula
                for command in re.findall(r"\\[A-Za-z]+|[*|\[]", symbol)
                for formula in formulas(name)
            ), f"{symbol} is not on {name}"


def cells(name):
    """Return the cells of a page, each as its tags and its tree."""
    text = (ROOT / f"docs/{name}.md").read_text("utf-8")
    for cell in re.findall(r"(?ms)^```\{code-cell\} python\n(.*?)^```$", text):
        head, code = re.match(r"(?s)(---.*?---\n|:tags: .*?\n|)(.*)", cell).groups()
        plain = "\n".join(line for line in code.split("\n") if not line.startswith("%"))
        yield set(re.findall(r"[\w-]+", "".join(re.findall(r"tags: (.*)", head)))), ast.parse(plain)


def bound(tree):
    """Return the names that a cell gives a meaning."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((each.asname or each.name).split(".")[0] for each in node.names)
        elif isinstance(node, ast.arg):
            yield node.arg


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "docs").glob("*.md")))
def test_no_cell_that_is_shown_needs_one_that_is_not(name):
    text = re.sub(
        r"(?ms)^```\{code-cell\}.*?^```$", "", (ROOT / f"docs/{name}.md").read_text("utf-8")
    )
    hidden = set()
    for tags, tree in cells(name):
        names = set(bound(tree))
        if tags & {"remove-cell", "remove-input"}:
            hidden |= names
            continue
        loaded = {
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }
        needed = {each for each in (loaded & hidden) - names if f"`{each}`" not in text}
        assert not needed, f"a hidden cell defines {needed}"
        hidden -= names


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


@pytest.mark.parametrize("size", [(320, 256), (844, 390), (1280, 800)])
def test_the_end_of_a_page_is_no_beginning(site, browser, size):
    page = browser.new_page(viewport=dict(zip(("width", "height"), size, strict=True)))
    page.goto(f"{site}problem.html")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    page.wait_for_function(
        'Object.values(localStorage).some(text => text.includes(\'"section":"exercises"\'))'
    )
    page.evaluate("localStorage.clear()")
    page.close()


def test_the_front_page_reads_a_digit_and_keeps_its_place(site, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{site}index.html")
    expect(page.locator(".lab [role=status]")).to_have_text("This looks like the digit 3.")
    sheet = page.locator(".lab .sheet")
    ink = "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v)"
    assert sheet.evaluate(ink)  # the digit is on the sheet, not in the network's view alone
    box = sheet.bounding_box()
    page.mouse.move(box["x"] + 112, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 112, box["y"] + 200, steps=8)
    page.mouse.up()
    expect(page.locator(".lab [role=status]")).to_have_text("This looks like the digit 1.")
    page.locator(".lab .undo").click()
    expect(page.locator(".lab [role=status]")).to_have_text("This looks like the digit 3.")
    page.locator(".lab .clear").click()
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
    assert barriers(page, "dialog", keep=True) == []
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    expect(button).to_be_focused()
