"""The built book in a real browser: whole, self-contained, readable on a phone and in the dark."""

import io
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import axe_playwright_python
import numpy as np
import pytest
from PIL import Image
from places import ROOT
from playwright.sync_api import expect

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
LOOK = r"""async () => {
  const all = selector => [...document.querySelectorAll(selector)];
  const pictures = all('article img:not(.toggler)');
  await Promise.allSettled(pictures.map(each => (each.loading = 'eager', each.decode())));
  const seen = {
    links: [...document.links].map(each => each.href),
    ids: all('[id]').map(each => each.id),
    pictures: pictures.length, formulas: all('.math').length, solutions: all('.solution').length,
    'pictures that do not load': pictures.filter(each => !each.naturalWidth).map(each => each.src),
    'pictures that say nothing': pictures.map(each => each.alt).filter(
      alt => alt.length < 15 || /^\S*$|\.(svg|png|jpe?g|gif|webp)$/.test(alt)),
    'pictures of no size': pictures.filter(
      each => !each.hasAttribute('width') || !each.hasAttribute('height')).map(each => each.src),
    'formulas not set': all('.math:not(:has(.katex-html)):not(:has(.math))').map(
      each => each.outerHTML),
    'open solutions': all('.solution:not(.toggle-hidden)').map(each => each.id),
  };
  all('.toggle-button').forEach(each => each.click());
  return seen;
}"""
HOSTS = re.compile(r"http://127\.0\.0\.1:.*|file:.*|data:.*|blob:.*", re.DOTALL)
OVERFLOW = """Math.max(...[document.documentElement, document.querySelector('.content')].map(
  each => each.scrollWidth - each.clientWidth))"""  # the theme makes its content scroll instead
# What axe finds. Contrast takes it long, so it looks at each kind of ink on each ground once.
FAULTS = """async everything => {
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
  await Promise.allSettled(document.getAnimations().map(each => each.finished));  // of opening
  const report = async (where, options) => (await axe.run(where, {
    ...options, resultTypes: ['violations'], preload: false,
  })).violations.flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.html.slice(0, 200)}`));
  const all = [...document.querySelectorAll('body *')];
  const kinds = new Map(), kept = new Set();
  for (const each of all) {
    if (![...each.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
    if (!each.checkVisibility()) continue;
    let under = each, ground = '';
    while (under && (ground = getComputedStyle(under).backgroundColor).endsWith(', 0)'))
      under = under.parentElement;
    const {color, fontSize, fontWeight, textDecorationLine} = getComputedStyle(each);
    const kind = [each.tagName, color, fontSize, fontWeight, textDecorationLine, ground].join();
    if (!kinds.has(kind)) kinds.set(kind, each);
  }
  for (let each of kinds.values())
    for (; each; each = each.parentElement) kept.add(each);
  const exclude = all.filter(each => !kept.has(each) && kept.has(each.parentElement));
  const inks = {type: 'rule', values: ['color-contrast', 'link-in-text-block']};
  const faults = await report({exclude}, {runOnly: inks});
  const rules = Object.fromEntries(inks.values.map(rule => [rule, {enabled: false}]));
  rules['target-size'] = {enabled: true};  // as large as a finger needs
  return everything ? faults.concat(await report(document, {rules})) : faults;
}"""

# Formulas have thousands of parts. Seen once, a blank as wide takes their place.
BLANKS = """document.querySelectorAll('.katex, mjx-container').forEach(each => {
  const {width} = each.getBoundingClientRect();
  each.replaceChildren();
  each.style = `display: inline-block; width: ${width}px`;
})"""


@pytest.fixture(scope="module")
def visit(browser):
    """Return a function that opens a page, and returns what is on it and what is wrong with it."""
    page, wrong, asked = browser.new_page(), [], []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
    page.on(
        "console",
        lambda said: said.type == "error" and wrong.append(f"{said.text} {said.location}"),
    )
    page.on("request", lambda request: HOSTS.fullmatch(request.url) or wrong.append(request.url))
    page.on("request", lambda request: asked.append(request.url))

    def visit(url):
        wrong.clear()
        asked.clear()
        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto(url)
        seen = page.evaluate(LOOK)
        seen |= {"asked": asked[:], "overflow": 0, "barriers": []}
        for width in (375, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            seen["overflow"] = max(seen["overflow"], page.evaluate(OVERFLOW) - 1)
        page.evaluate(AXE)
        for width, scheme in ((1280, "light"), (1280, "dark"), (375, "dark"), (375, "light")):
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme)
            faults = page.evaluate(FAULTS, scheme == "light")
            seen["barriers"] += [f"{scheme}, {width} px, {fault}" for fault in faults]
            page.evaluate(BLANKS)
        return seen | {"complaints": wrong[:]}

    return visit


@pytest.fixture(scope="module")
def pages(site, visit, built):
    """Return what is on every page that the front page, or a page behind it, leads to."""
    start = ("index", "genindex", "py-modindex", "search", "404")
    seen, ahead = {}, [f"{site}{name}.html" for name in start]
    while ahead:
        if (url := ahead.pop()) not in seen:
            seen[url] = visit(url)
            links = {urldefrag(link).url for link in seen[url]["links"]}
            ahead += [link for link in links if link.startswith(site) and link.endswith(".html")]
    for page in seen.values():
        links = {unquote(link) for link in page["links"] if link.startswith(site)}
        page["broken links"] = []
        for url, anchor in map(urldefrag, links):
            there = (built / urlsplit(url).path[1:]).is_file()
            if not there or (anchor and anchor not in seen[url]["ids"]):
                page["broken links"].append(f"{url}#{anchor}")
        page["ids used twice"] = [id for id, times in Counter(page["ids"]).items() if times > 1]
        sizes = {url: (built / urlsplit(url).path[1:]).stat().st_size for url in page["asked"]}
        figures = sum(size for url, size in sizes.items() if "/_images/" in url)
        page["weight"] = (sum(sizes.values()) - figures, figures)
    return seen


def test_every_page_is_reached_and_looked_at(pages, site):
    docs = ROOT / "docs"
    written = {path.relative_to(docs) for path in [*docs.glob("*.md"), *docs.glob("api/*.md")]}
    assert {f"{site}{path.with_suffix('.html').as_posix()}" for path in written} <= set(pages)
    for what, least in {"pictures": 10, "formulas": 40, "solutions": 5}.items():
        assert sum(page[what] for page in pages.values()) >= least


@pytest.mark.parametrize(
    "what",
    [
        "complaints",
        "broken links",
        "pictures that do not load",
        "pictures that say nothing",
        "pictures of no size",
        "formulas not set",
        "open solutions",
        "overflow",
        "barriers",
        "ids used twice",
    ],
)
def test_no_page_has(pages, what):
    assert {url: page[what] for url, page in pages.items() if page[what]} == {}


def test_no_page_is_heavy(pages):
    weights = {url: page["weight"] for url, page in pages.items()}
    heavy = {url: w for url, w in weights.items() if w[0] > 1e6 or sum(w) > 3e6}
    assert heavy == {}


def test_a_page_opens_without_a_server(visit, built):
    seen = visit((built / "edges.html").as_uri())
    assert (seen["complaints"], seen["pictures that do not load"]) == ([], [])
    assert (seen["formulas not set"], seen["formulas"] > 0) == ([], True)


def clean_build(folder):
    """Build a copy of the project, and return the files of the site."""
    copied = shutil.ignore_patterns("_build", "__pycache__", "node_modules")
    for part in ("convdocs", "docs", "benchmarks"):
        shutil.copytree(ROOT / part, folder / part, ignore=copied, dirs_exist_ok=True)
    for name in ("LICENSE", "Makefile", "README.md", "pyproject.toml", "requirements.txt"):
        shutil.copy(ROOT / name, folder)
    (folder / "docs" / "web" / "node_modules").symlink_to(ROOT / "docs" / "web" / "node_modules")
    more = {"PYTHONPATH": str(folder), "GIT_DIR": str(ROOT / ".git")}  # for the commit's date
    command = ["make", "-C", folder, "-o", ".venv/ready", "html"]
    command.append(f"BIN={Path(sys.executable).parent}")
    done = subprocess.run(command, env=os.environ | more, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    site = folder / "docs" / "_build" / "html"
    return {
        str(path.relative_to(site)): path.read_bytes() for path in site.rglob("*") if path.is_file()
    }


def test_two_clean_builds_give_the_same_bytes(built, tmp_path):
    # The first shows what the cells gave when the book was built, the second runs them anew.
    results = Path("docs", "_build", "results")
    shutil.copytree(ROOT / results, tmp_path / "first" / results)
    first, second = clean_build(tmp_path / "first"), clean_build(tmp_path / "second")

    # The declared exceptions: chapters that read a clock, with their figures, as "How this book
    # is made" says; and Sphinx's own note of the folder that it was built in.
    docs = ROOT / "docs"
    timed = [path.stem for path in docs.glob("*.md") if "perf_counter" in path.read_text()]
    assert all(f"{{doc}}`{name}`" in (docs / "about.md").read_text() for name in timed)
    excused = {".buildinfo"}
    for name in timed:
        excused |= {f"{name}.html", f"downloads/{name}.ipynb", f"downloads/{name}-colab.ipynb"}
        for pages in (first, second):
            excused |= set(re.findall(r'"(_images/[^"]*)"', pages[f"{name}.html"].decode()))
    files = first.keys() | second.keys()
    assert {name for name in files if first.get(name) != second.get(name)} - excused == set()


@pytest.mark.parametrize("act", ["click", "Enter", "Space"])
def test_a_solution_opens_and_closes(site, browser, act):
    page = browser.new_page()
    page.goto(f"{site}edges.html")
    button, text = page.locator(".solution .toggle-button"), page.locator(".solution section p")
    for opened in ("true", "false"):
        button.first.click() if act == "click" else button.first.press(act)
        expect(button.first).to_have_attribute("aria-expanded", opened)
        expect(text.first).to_be_visible(visible=opened == "true")
    page.close()


@pytest.mark.parametrize(
    ("preferred", "clicks", "dark"),
    [("light", 0, False), ("dark", 0, True), ("light", 1, True), ("dark", 1, False)],
)
def test_the_ink_of_a_figure_follows_the_page(site, browser, preferred, clicks, dark):
    page = browser.new_page(color_scheme=preferred)
    page.goto(f"{site}edges.html")
    for _ in range(clicks):
        page.locator(".theme-toggle:visible").click()
    page.locator("#fig-row img").evaluate("picture => picture.decode()")
    png = page.locator("#fig-row img").screenshot()
    shades = np.asarray(Image.open(io.BytesIO(png)).convert("L")).astype(int)
    page.close()
    paper = np.median(shades)
    assert (paper < 50, paper > 220) == (dark, not dark)
    assert (shades.max() > 190) if dark else (shades.min() < 70)  # between them lie the curves


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("Scharr", "edges.html"),
        ("cords", "edges.html"),  # only in a caption and an alternative text
        ("max pooling", "pooling.html"),
        ("conv2d_backward", "api/conv.html#convdocs.conv.conv2d_backward"),
    ],
)
def test_the_search_finds(site, browser, words, found):
    page = browser.new_page()
    page.goto(f"{site}index.html")
    page.locator(".sidebar-search").fill(words)
    page.locator(".sidebar-search").press("Enter")
    results = page.locator("#search-results li")
    expect(results.locator(f"a[href*='{found}']").first).to_be_visible()
    expect(results.locator(".context").first).not_to_be_empty()
    page.close()


@pytest.mark.parametrize(
    ("name", "block", "copied"),
    [
        ("edges", ".cell_input", "import numpy as np\nfrom convdocs import"),
        ("api/conv", ".doctest", "image = [[[["),  # without prompt and answer
    ],
)
def test_a_button_copies_code_and_nothing_else(site, browser, name, block, copied):
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{site}{name}.html")
    expect(page.locator(".cell_output .copybtn")).to_have_count(0)
    page.locator(block).first.hover()
    page.locator(f"{block} .copybtn").first.click()
    expect(page.locator(f"{block} .copybtn").first).to_have_class(re.compile("success"))
    text = page.evaluate("navigator.clipboard.readText()")
    context.close()
    assert text.startswith(copied)
    assert ">>>" not in text
    assert "[[[[0. 2. 0.]" not in text


def test_the_contents_show_where_one_is(site, browser):
    page = browser.new_page()
    page.goto(f"{site}edges.html")
    page.locator("#the-laplacian").evaluate("section => section.scrollIntoView()")
    expect(page.locator(".toc-tree .scroll-current > a").last).to_have_text("The Laplacian")
    page.close()


def test_a_box_takes_the_focus_only_where_it_scrolls(site, browser):
    page = browser.new_page(viewport={"width": 375, "height": 800})
    page.goto(f"{site}edges.html")
    page.wait_for_function("document.querySelector('pre[tabindex]')")
    boxes = page.locator(".highlight pre")
    states = boxes.evaluate_all("""boxes => boxes.map(
      box => [box.scrollWidth > box.clientWidth, box.tabIndex === 0])""")
    page.close()
    assert {tuple(state) for state in states} == {(True, True), (False, False)}


def test_a_printed_page_has_its_figures_and_solutions(site, browser):
    page = browser.new_page()
    page.goto(f"{site}edges.html")
    assert page.locator("article img[loading='lazy']").count() > 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    expect(page.locator("article img[loading='lazy']")).to_have_count(0)
    expect(page.locator(".solution section p").first).to_be_visible()
    for hidden in (".sidebar-drawer", ".skip-to-content", ".copybtn", ".headerlink"):
        expect(page.locator(hidden).first).to_be_hidden()
    page.close()
