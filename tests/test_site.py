"""The built book in a real browser: whole, self-contained, readable on a phone and in the dark."""

import io
import re
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

ROOT = Path(__file__).parent.parent
LOOK = r"""async () => {
  const all = selector => [...document.querySelectorAll(selector)];
  await (window.MathJax && MathJax.startup.promise);
  const pictures = all('article img:not(.toggler)');
  await Promise.allSettled(pictures.map(each => (each.loading = 'eager', each.decode())));
  const seen = {
    links: [...document.links].map(each => each.href),
    ids: all('[id]').map(each => each.id),
    pictures: pictures.length, formulas: all('.math').length, solutions: all('.solution').length,
    'pictures that do not load': pictures.filter(each => !each.naturalWidth).map(each => each.src),
    'pictures that say nothing': pictures.map(each => each.alt).filter(
      alt => alt.length < 15 || /^\S*$|\.(svg|png|jpe?g|gif|webp)$/.test(alt)),
    'formulas not set': all('.math:not(:has(mjx-container)), mjx-merror').map(
      each => each.outerHTML),
    'open solutions': all('.solution:not(.toggle-hidden)').map(each => each.id),
  };
  all('.toggle-button').forEach(each => each.click());
  return seen;
}"""
HOSTS = re.compile(r"http://127\.0\.0\.1:.*|file:.*|data:.*|blob:.*", re.DOTALL)
OVERFLOW = """Math.max(...[document.documentElement, document.querySelector('.content')].map(
  each => each.scrollWidth - each.clientWidth))"""  # the theme makes its content scroll instead

@pytest.fixture(scope="module")
def visit(browser):
    """Return a function that opens a page, and returns what is on it and what is wrong with it."""
    page, wrong = browser.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
    page.on(
        "console",
        lambda said: said.type == "error" and wrong.append(f"{said.text} {said.location}"),
    )
    page.on("request", lambda request: HOSTS.fullmatch(request.url) or wrong.append(request.url))

    def visit(url):
        wrong.clear()
        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto(url)
        seen = page.evaluate(LOOK)
        page.set_viewport_size({"width": 375, "height": 800})
        return seen | {"overflow": max(page.evaluate(OVERFLOW) - 1, 0), "complaints": wrong[:]}

    return visit


@pytest.fixture(scope="module")
def pages(built, site, visit):
    """Return what is on every page that the front page, or a page behind it, leads to."""
    seen, ahead = (
        {},
        [f"{site}{name}.html" for name in ("index", "genindex", "py-modindex", "search")],
    )
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
    return seen


def test_every_page_is_reached_and_looked_at(pages, site):
    docs = ROOT / "docs"
    written = {path.relative_to(docs) for path in docs.rglob("*.md") if "_build" not in path.parts}
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
        "formulas not set",
        "open solutions",
        "overflow",
    ],
)
def test_no_page_has(pages, what):
    assert {url: page[what] for url, page in pages.items() if page[what]} == {}


def test_a_page_opens_without_a_server(built, visit):
    seen = visit((built / "edges.html").as_uri())
    assert (seen["complaints"], seen["pictures that do not load"]) == ([], [])
    assert (seen["formulas not set"], seen["formulas"] > 0) == ([], True)


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


def test_the_search_finds_a_word_and_leads_to_its_page(site, browser):
    page = browser.new_page()
    page.goto(f"{site}index.html")
    page.locator(".sidebar-search").fill("Scharr")
    page.locator(".sidebar-search").press("Enter")
    page.locator("#search-results a[href*='edges.html']").first.click()
    expect(page.locator("h1")).to_contain_text("edge detection")
    page.close()
