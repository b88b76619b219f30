"""The built book in a real browser: whole, self-contained, readable on a phone and in the dark."""

import io
import itertools
import re
from html import unescape
from urllib.parse import unquote, urljoin, urlsplit

import numpy as np
import pytest
from pages import AXE, HOSTS, OVERFLOW, barriers
from PIL import Image
from places import ROOT, SITE
from playwright.sync_api import expect

LOOK = r"""async () => {
  const all = selector => [...document.querySelectorAll(selector)];
  const pictures = all('article img:not(.toggler)');
  await Promise.allSettled(pictures.map(each => (each.loading = 'eager', each.decode())));
  const ids = all('[id]').map(each => each.id);
  const seen = {
    'ids used twice': ids.filter((id, place) => ids.indexOf(id) !== place),
    'pictures that do not load': pictures.filter(each => !each.naturalWidth).map(each => each.src),
    'pictures that say nothing': pictures.map(each => each.alt).filter(
      alt => alt.length < 15 || /^\S*$|\.(svg|png|jpe?g|gif|webp)$/.test(alt)),
    'pictures of no size': pictures.filter(
      each => !each.hasAttribute('width') || !each.hasAttribute('height')).map(each => each.src),
    'formulas not set': all('.math:not(:has(.katex-html)):not(:has(.math))').map(
      each => each.outerHTML),
    'what moves for ever': all('progress:not([value])').filter(each => each.checkVisibility()).map(
      each => each.outerHTML),
    'open solutions': all('.solution:not(.toggle-hidden)').map(each => each.id),
  };
  all('.toggle-button').forEach(each => each.click());
  const folds = all('details:not([open])');
  folds.forEach(each => each.open = true);
  seen['code and formulas that are cut'] = all('article pre, article .formula').filter(
    each => each.checkVisibility() && each.scrollWidth > each.clientWidth + 4).map(
    each => each.textContent.slice(0, 80));
  folds.forEach(each => each.open = false);
  return seen;
}"""
# What is a thousand times on a page and alike to all that is asked of it: three formulas stay, of
# the others a letter on a blank as wide takes the place. Of buttons at cells, and of words that are
# set off, by the classes of all around them, the first of each kind stays. Icons lose their lines.
LIGHTEN = r"""() => {
  const all = selector => [...document.querySelectorAll(selector)].filter(
    each => !each.closest('.lab'));  // whose script may look for any part of it
  all('.katex').slice(3).forEach(each => {
    const {width} = each.getBoundingClientRect();
    each.replaceChildren('x');
    each.style = `display: inline-block; width: ${width}px; overflow: hidden`;
  });
  const kinds = new Set();
  const repeated = kind => kinds.has(kind) || !kinds.add(kind);
  all('.live-bar, .copybtn').forEach(each => {
    if (repeated(each.outerHTML.replaceAll(/\d/g, ''))) each.remove();
  });
  all('body :is(span, em, strong, code):not([id])').forEach(each => {
    const told = [...each.attributes].some(({name}) => name !== 'class');
    if (told || each.querySelector('a, [id], button, svg, .katex-html')) return;
    let kind = '';
    for (let at = each; at; at = at.parentElement) kind += `${at.localName}.${at.className}<`;
    if (repeated(kind)) each.replaceWith(each.textContent);
  });
  all('svg :is(path, rect, circle, line, polyline, polygon, use)').forEach(each => each.remove());
  document.body.normalize();
}"""
# What axe finds of contrast takes it long, so it looks at each kind of ink on each ground once,
# and at no kind that it has seen on another page. The first of each new kind is marked for it.
INKS = r"""async known => {
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
  document.querySelectorAll('[data-ink]').forEach(each => { delete each.dataset.ink; });
  const kinds = new Set(known), grounds = new Map([[null, '']]), found = [];
  const words = each => [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim());
  const ground = each => {
    if (!grounds.has(each)) {
      const {backgroundColor, backgroundImage, opacity} = getComputedStyle(each);
      const own = [backgroundColor, backgroundImage, opacity].join();
      const clear = own === 'rgba(0, 0, 0, 0),none,1', whole = /^rgb\(.*,none,1$/.test(own);
      grounds.set(each, whole ? own : (clear ? '' : own) + ground(each.parentElement));
    }
    return grounds.get(each);
  };
  for (const each of document.querySelectorAll('body *')) {
    if (!words(each) || !each.checkVisibility()) continue;
    const {color, fontSize, fontWeight, textDecorationLine, textShadow} = getComputedStyle(each);
    const large = parseFloat(fontSize) >= (fontWeight >= 700 ? 18.66 : 24);
    const link = each.closest('a[href]'), around = link?.parentElement;
    const told = link && [textDecorationLine, words(around), getComputedStyle(around).color];
    const kind = [told, color, large, textShadow, ground(each)].join();
    if (kinds.has(kind)) continue;
    kinds.add(kind);
    found.push(kind);
    each.dataset.ink = '';
    if (link) link.dataset.ink = '';
  }
  return found;
}"""
# What each element in view is, where it stands, and whether it has words and what else a rule asks
# for.
PARTS = """() => {
  const told = ['aria-hidden', 'class', 'role', 'tabindex', 'type'];
  const own = each => each.localName + [...each.attributes].map(({name, value}) =>
    ` ${name}=${told.includes(name) ? value : Boolean(value)}`).sort().join('');
  const all = document.querySelectorAll('body, body :not(.highlight pre span:not([id]))');
  const seen = [...all].filter(each => each.checkVisibility({visibilityProperty: true}));
  return [...new Set(seen.map(each =>
    [own(each.parentElement), own(each), Boolean(each.textContent.trim())].join(' > ')))];
}"""
INK = ["color-contrast", "link-in-text-block"]  # what depends on colours
LAID = [*INK, "scrollable-region-focusable", "target-size"]  # or on the width
FAULTS = """async rules => {
  axe.configure({rules: [
    {id: 'color-contrast', selector: '[data-ink]'},
    {id: 'link-in-text-block', selector: 'a[href][data-ink]'},
  ]});
  const options = {resultTypes: ['violations'], preload: false};
  options.checks = {'color-contrast': {options: {ignoreLength: true}}};  // of one letter, too
  if (rules) options.runOnly = {type: 'rule', values: rules};
  else options.rules = {'target-size': {enabled: true}};  // as large as a finger needs
  const {violations} = await axe.run(document, options);
  return violations.flatMap(
    rule => rule.nodes.map(node => `${rule.id}: ${node.html.slice(0, 200)}`));
}"""


# All laid out, and nothing on its way: what moves where nobody sees it never arrives.
AT_REST = """document.adoptedStyleSheets = [new CSSStyleSheet()];
document.adoptedStyleSheets[0].replaceSync(`
  #exercises { content-visibility: visible !important } * { transition: none !important }`);"""


# Widths and schemes, in an order in which neither changes more often than it must.
LIGHTS = [(375, "light"), (375, "dark"), (1280, "dark"), (1280, "light")]


# What no page need link to: the browser, the server or Sphinx itself leads there.
GENERATED = "404.html", "genindex.html", "py-modindex.html", "search.html", "_modules/index.html"


def written():
    """Return the pages of the site as it lies there, or else those that have a source."""
    if SITE.is_dir():
        return sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
    sources = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "api").glob("*.md")]
    return sorted(p.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for p in sources)


PAGES = written()


def watched(browser):
    """Return a new page, and lists of what goes wrong on it and of what it asks for."""
    page, wrong, asked = browser.new_page(), [], []
    page.add_init_script(AT_REST)  # before anything is laid out
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
    page.on(
        "console",
        lambda said: said.type == "error" and wrong.append(f"{said.text} {said.location}"),
    )
    page.on("request", lambda request: HOSTS.fullmatch(request.url) or wrong.append(request.url))
    page.on("request", lambda request: asked.append(request.url))
    return page, wrong, asked


@pytest.fixture(scope="module")
def visit(browser):
    """Return a function that opens a page, and returns what is wrong with it and what it asked."""
    page, wrong, asked = watched(browser)
    inks, parts, now = set(), set(), {}

    def light(width, scheme):
        if now.get("width") != width:
            page.set_viewport_size({"width": width, "height": 800})
        if now.get("scheme") != scheme:
            page.emulate_media(color_scheme=scheme)
        now.update(width=width, scheme=scheme)

    def visit(url):
        wrong.clear()
        asked.clear()
        light(1280, "light")
        page.goto(url)
        seen = page.evaluate(LOOK)
        seen |= {"asked": asked[:], "overflow": [], "barriers": []}
        for width in (1280, 375):
            light(width, "light")
            if (beyond := page.evaluate(OVERFLOW)) > 1:
                seen["overflow"].append(f"{beyond} px at {width}")
        page.keyboard.press("Tab")
        page.evaluate(LIGHTEN)
        generated = "/_modules/" in url or "/api/" in url  # of one template, from code
        for width, scheme in LIGHTS:
            light(width, scheme)
            new = page.evaluate(INKS, sorted(inks))
            inks.update(new)
            rules = INK if new else []
            if scheme == "light":
                found = set(page.evaluate(PARTS))
                # A wider page shows little else; of that, what another page has is known.
                known = found <= parts if generated or width > 375 else False
                rules = None if not known else rules if generated else LAID
                parts.update(found)
            if rules != []:
                if not page.evaluate("'axe' in window"):
                    page.evaluate(AXE)
                faults = page.evaluate(FAULTS, rules)
                seen["barriers"] += [f"{scheme}, {width} px, {fault}" for fault in faults]
        return seen | {"complaints": wrong[:]}

    return visit


@pytest.mark.xdist_group("pages")  # what one page has taught of colours and parts serves the next
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_readable_and_light(site, visit, built, name):
    seen = visit(f"{site}{name}")
    asked = seen.pop("asked")
    assert {what: found for what, found in seen.items() if found} == {}
    kinds = [urlsplit(url).path.rpartition(".")[2] for url in asked]
    # Scripts that search alone, and its index; the first photograph, once all else is there
    own = {"search.html": 3, "try.html": 1}.get(name, 0)
    assert (kinds.count("css"), kinds.count("js")) == (1, 1 + own)
    sizes = {url: (built / urlsplit(url).path[1:]).stat().st_size for url in asked}
    figures = sum(size for url, size in sizes.items() if "/_images/" in url)
    assert sum(sizes.values()) - figures < 1e6
    assert sum(sizes.values()) < 3e6


@pytest.fixture(scope="module")
def texts(built):
    """Return every page of the site as it is written, by its path."""
    paths = built.rglob("*.html")
    return {path.relative_to(built).as_posix(): path.read_text("utf-8") for path in paths}


def test_every_link_leads_somewhere_and_every_page_can_be_reached(texts, built):
    ids = {name: set(re.findall(r'\sid="([^"]+)"', text)) for name, text in texts.items()}
    broken, reached = [], set()
    ahead = ["index.html", *GENERATED]
    while ahead:
        if (name := ahead.pop()) in reached:
            continue
        reached.add(name)
        for link in re.findall(r'<a\s[^>]*?href="([^"]*)"', texts[name]):
            address = urlsplit(urljoin(name, unescape(link)))
            if address.scheme or address.netloc:
                continue
            path, anchor = unquote(address.path), unquote(address.fragment)
            if path in texts and (not anchor or anchor in ids[path]):
                ahead.append(path)
            elif path in texts or not (built / path).is_file():
                broken.append(f"{name} -> {link}")
    assert broken == []
    assert sorted(texts.keys() - reached) == []


def test_the_site_holds_what_the_tests_look_for(texts):
    counts = {"<img ": 10, 'class="katex"': 40, 'class="solution': 5}
    for what, least in counts.items():
        assert sum(text.count(what) for text in texts.values()) >= least
    assert len(PAGES) >= 30


def test_a_page_opens_without_a_server(browser, built):
    page, wrong, _ = watched(browser)
    page.goto((built / "edges.html").as_uri())
    seen = page.evaluate(LOOK)
    page.close()
    assert (wrong, seen["pictures that do not load"], seen["formulas not set"]) == ([], [], [])


def test_a_solution_opens_and_closes(site, browser):
    page = browser.new_page()
    page.goto(f"{site}edges.html")
    button, text = page.locator(".solution .toggle-button"), page.locator(".solution section p")
    for act, opened in itertools.product(["click", "Enter", "Space"], ["true", "false"]):
        button.first.click() if act == "click" else button.first.press(act)
        expect(button.first).to_have_attribute("aria-expanded", opened)
        expect(text.first).to_be_visible(visible=opened == "true")
    page.close()


@pytest.mark.parametrize("preferred", ["light", "dark"])
def test_the_ink_of_a_figure_follows_the_page(site, browser, preferred):
    page = browser.new_page(color_scheme=preferred)
    page.goto(f"{site}edges.html")
    for dark in (preferred == "dark", preferred != "dark"):  # as preferred, and after a click
        page.locator("#fig-row img").evaluate("picture => picture.decode()")
        png = page.locator("#fig-row img").screenshot()
        shades = np.asarray(Image.open(io.BytesIO(png)).convert("L")).astype(int)
        paper = np.median(shades)
        assert (paper < 50, paper > 220) == (dark, not dark)
        assert (shades.max() > 190) if dark else (shades.min() < 70)  # between them lie the curves
        page.locator(".theme-toggle:visible").click()
    page.close()


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


REFERENCES = {  # on one page, what it leads to and words of that
    "#term-weighted-sum": "weighted sum",
    "two-dimensions.html#equation-": "(5.1)",
    "bibliography.html#": "U.S. Navy",
    "#fig-hand": "Fig. 7.3",
    "#ex-sum": "Exercise 7.1",
}


@pytest.mark.parametrize(("target", "words"), REFERENCES.items())
def test_a_reference_shows_what_it_leads_to(site, browser, target, words):
    page = browser.new_page(viewport={"width": 1280, "height": 350})  # in which no target is whole
    page.goto(f"{site}edges.html")
    link = page.locator(f"article a.internal[href*='{target}']").first
    preview = page.locator("#preview")

    def shown():
        expect(preview).to_contain_text(words)
        for picture in preview.locator("img").all():
            assert picture.evaluate("image => image.decode().then(() => image.naturalWidth > 0)")
        expect(link).to_have_attribute("aria-describedby", "preview")

    page.keyboard.press("Tab")  # so that the focus comes from the keyboard
    link.focus()
    shown()
    page.keyboard.press("Escape")
    expect(preview).to_be_hidden()
    link.blur()
    link.hover()
    shown()
    preview.hover()
    page.wait_for_timeout(500)
    expect(preview).to_be_visible()
    page.keyboard.press("Escape")
    expect(preview).to_be_hidden()
    link.hover()
    shown()
    assert page.url == f"{site}edges.html"
    link.focus()  # from here on the preview stays, wherever the pointer is
    page.mouse.move(0, 0)
    page.wait_for_timeout(500)
    link.evaluate("each => each.id ||= 'previewed'")
    assert barriers(page, f"#preview, #{link.get_attribute('id')}") == []
    expect(preview).to_be_visible()
    page.close()


def test_a_finger_follows_a_reference_and_a_file_shows_what_its_own_page_holds(
    site, browser, built
):
    context = browser.new_context(has_touch=True)
    page = context.new_page()
    page.goto(f"{site}edges.html")
    page.locator("article a[href*='#term-weighted-sum']").first.tap()
    page.wait_for_url("**/glossary.html#term-weighted-sum")
    page.goto((built / "edges.html").as_uri())
    page.set_viewport_size({"width": 1280, "height": 350})
    page.locator("article a[href*='#term-weighted-sum']").first.hover()
    page.wait_for_timeout(500)
    expect(page.locator("#preview")).to_be_hidden()
    page.locator("article a.internal[href='#fig-hand']").first.hover()
    expect(page.locator("#preview")).to_contain_text("Fig. 7.3")
    context.close()


def test_without_javascript_the_front_page_shows_what_its_network_reads(built, browser):
    page = browser.new_page(java_script_enabled=False)
    page.goto((built / "index.html").as_uri())
    picture = page.locator(".lab img")
    expect(picture).to_be_visible()
    said = picture.get_attribute("alt")
    assert said.startswith("A handwritten 3. The network says that it is a 3")
    expect(page.locator(".lab")).to_contain_text("the browser needs JavaScript")
    page.close()


def test_the_contents_show_where_one_is(site, browser):
    page = browser.new_page()
    page.goto(f"{site}edges.html")
    page.locator("#vertical-and-horizontal-edges").evaluate("each => each.scrollIntoView()")
    current = page.locator(".toc-tree .scroll-current > a").last
    expect(current).to_have_text("Vertical and horizontal edges")
    page.close()


# A page that is still on its way to a target goes on. Once it rests at the place, the browser hears
# of it by a timer of a second.
LEAVE = """async () => {
  do {
    scrollTo({top: 1000, behavior: 'instant'});
    await new Promise(done => setTimeout(done, 1500));
  } while (Math.abs(scrollY - 1000) > 1);
}"""


def test_whoever_comes_back_finds_the_place_that_was_left(site, browser):
    page, wrong = browser.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{site}edges.html#id5")  # in a fold, which opens
    led = "Math.abs(document.getElementById('id5').getBoundingClientRect().top) < 100"
    page.wait_for_function(led)

    def comes_back_after(go):
        page.evaluate(LEAVE)
        go()
        there = "Math.abs(scrollY - 1000) < 100"
        page.wait_for_function(there)
        page.wait_for_timeout(300)  # and no script leads away from it
        assert page.evaluate(there)

    comes_back_after(page.reload)
    comes_back_after(lambda: (page.goto(f"{site}index.html"), page.go_back()))
    page.evaluate("document.documentElement.style.scrollBehavior = 'auto'")
    away = "location.hash = 'exercises'"
    comes_back_after(lambda: (page.evaluate(away), page.go_back()))
    page.evaluate("document.querySelector('details:has(#id5)').open = false")
    page.evaluate(away)
    page.go_back()
    page.wait_for_function(led)  # of a fold that was closed meanwhile
    page.goto(f"{site}edges.html#50%25%")
    page.close()
    assert wrong == []


def test_the_sidebar_shows_the_open_page_at_once(site, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 600})
    page.goto(f"{site}bibliography.html")
    tree = page.locator(".sidebar-scroll").bounding_box()
    link = page.locator(".sidebar-scroll .current-page > a").bounding_box()
    page.close()
    assert tree["y"] <= link["y"]
    assert link["y"] + link["height"] <= tree["y"] + tree["height"]


def test_a_finger_hits_the_button_that_copies_and_writes_without_a_zoom(site, browser):
    context = browser.new_context(has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(f"{site}edges.html")
    copy = page.locator(".cell_input .copybtn").first
    expect(copy).to_have_css("opacity", "1")
    assert min(copy.bounding_box()[side] for side in ("width", "height")) >= 24
    page.get_by_role("button", name="Edit: cell 1", exact=True).tap()
    expect(page.locator(".cm-content").first).to_have_css("font-size", "16px")
    context.close()


def test_paper_in_a_picture_does_not_glare_in_the_dark(site, browser):
    lightest = {}
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(f"{site}edges.html")
        picture = page.locator("#fig-magnitude img")
        picture.evaluate("picture => (picture.loading = 'eager', picture.decode())")
        png = picture.screenshot()
        lightest[scheme] = np.median(np.asarray(Image.open(io.BytesIO(png)).convert("L")))
        page.close()
    assert lightest["dark"] < 220 < 240 < lightest["light"]


def chunks(line):
    """Return the parts of a line between wider gaps: start, end and text."""
    return [(each.start(), each.end(), each[0]) for each in re.finditer(r"\S+(?: \S+)*", line)]


def tables(page):
    """Return what cells print under headings: these, and the rows that have as wide gaps."""
    for printed in re.findall(r'class="output stream.*?<pre>(.*?)</pre>', page, re.DOTALL):
        lines = unescape(re.sub(r"<[^>]*>", "", printed)).splitlines()
        for start, line in enumerate(lines):
            if len(chunks(line)) > 1 and not re.search(r"[\d\[\]]", line):
                rows = map(chunks, lines[start + 1 :])
                yield chunks(line), list(itertools.takewhile(lambda row: len(row) > 1, rows))


def test_on_a_phone_every_label_of_a_figure_can_be_read(texts, built):
    found = 0
    for name, text in texts.items():
        for figure in re.findall(r"<figure.*?</figure>", text, re.DOTALL):
            if not (image := re.search(r'<img [^>]*src="([^"]*\.svg)"', figure)):
                continue
            narrow = re.search(r'<source [^>]*srcset="([^"]*)"', figure)
            svg = (built / (narrow or image)[1]).read_text("utf-8")
            (wide,) = re.findall(r'<svg [^>]*width="([\d.]+)pt"', svg)
            sizes = re.findall(r"font-size: ([\d.]+)px", svg)
            # A point is a pixel, or nearly, where figures of the widest fill a phone's page.
            assert float(wide) < 335, (name, image[1])
            assert min(map(float, sizes), default=9) >= 9, (name, image[1])
            found += 1
    assert found > 100


def test_headings_of_printed_tables_stand_over_their_columns(texts):
    looked, wrong = 0, []
    for name, text in texts.items():
        for (first, *headings), rows in tables(text):
            left = first[1]
            for start, end, title in headings:
                for row in rows:
                    under = [each for each in row if left <= each[0] < end and each[1] > start]
                    if not under:
                        continue
                    looked += 1
                    if under[0][0] != start and under[-1][1] != end:
                        wrong.append((name, title, under))
                left = end
    assert looked > 100
    assert wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_name_in_code_looks_like_a_link(site, browser, scheme):
    page = browser.new_page(color_scheme=scheme)
    page.goto(f"{site}edges.html")
    names = page.locator(".highlight :is(.nn, .nc)")
    assert names.count() > 5
    looks = "all => all.map(each => getComputedStyle(each).textDecorationLine)"
    assert set(names.evaluate_all(looks)) == {"none"}
    page.close()


def test_a_box_takes_the_focus_only_where_it_scrolls(site, browser):
    page = browser.new_page(viewport={"width": 375, "height": 800})
    page.goto(f"{site}edges.html")
    states = """[...document.querySelectorAll('.highlight pre')].map(
      box => [box.scrollWidth > box.clientWidth, box.tabIndex === 0])"""
    page.keyboard.press("Tab")
    assert {tuple(state) for state in page.evaluate(states)} == {(True, True), (False, False)}
    page.close()


def test_a_fold_opens_for_a_link_into_it_and_on_paper_alone(site, browser):
    page = browser.new_page()
    page.goto(f"{site}edges.html")
    fold = page.locator("#the-laplacian > details.depth")
    expect(fold.locator("p").first).to_be_hidden()
    page.evaluate("location.hash = '#the-laplacian'")
    expect(fold.locator("p").first).to_be_visible()
    closed = page.locator("details:is(.depth, .aside):not([open])")
    before = closed.count()
    assert before > 0
    for _ in range(2):  # a browser may say it twice
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        expect(closed).to_have_count(0)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(closed).to_have_count(before)
    expect(fold.locator("p").first).to_be_visible()  # the reader had opened it
    fold.evaluate("fold => { fold.open = false; }")
    page.locator(".toc-tree a[href='#the-laplacian']").evaluate("link => link.click()")
    expect(fold.locator("p").first).to_be_visible()  # again, by the address that is there
    page.close()


def test_a_link_leads_to_its_section_while_the_page_is_still_being_laid_out(site, browser):
    page = browser.new_page(viewport={"width": 412, "height": 823})
    page.goto(f"{site}backpropagation.html")
    later = page.locator("article section ~ section:not(#exercises) > :not(section)")
    assert later.count() > 20
    page.locator(".toc-tree a[href='#exercises']").evaluate("link => link.click()")
    top = "() => document.getElementById('exercises').getBoundingClientRect().top"
    page.wait_for_function(f"0 <= ({top})() && ({top})() < 200")
    page.wait_for_timeout(500)
    assert 0 <= page.evaluate(top) < 200
    veiled = "all => all.filter(each => getComputedStyle(each).contentVisibility !== 'visible')"
    assert later.evaluate_all(f"all => ({veiled})(all).length") == 0
    page.close()


def test_no_line_breaks_anew_when_the_letters_of_a_formula_come(site, browser):
    page = browser.new_page(viewport={"width": 412, "height": 823})  # which has no letters yet
    page.goto(f"{site}descent.html")
    moved = """() => new Promise(done => {
      let sum = 0;
      new PerformanceObserver(list => { for (const {value} of list.getEntries()) sum += value; })
        .observe({type: 'layout-shift', buffered: true});
      setTimeout(() => done(sum), 800);
    })"""
    assert page.evaluate(moved) < 0.05
    page.close()


@pytest.mark.parametrize(
    ("width", "label", "drawer"),
    [(600, ".nav-overlay-icon", ".sidebar-drawer"), (1280, ".toc-content-icon", ".toc-drawer")],
)
def test_a_drawer_is_opened_by_keys_and_holds_no_focus_while_it_is_closed(
    site, browser, width, label, drawer
):
    page = browser.new_page(viewport={"width": width, "height": 700})
    page.goto(f"{site}edges.html")
    button, inside = page.locator(f"{label} button"), page.locator(f"{drawer} a").nth(3)
    for _ in range(25):
        page.keyboard.press("Tab")
        left, right, visible = page.evaluate("""() => {
          const {left, right} = document.activeElement.getBoundingClientRect();
          return [left, right, document.activeElement.checkVisibility({visibilityProperty: true})];
        }""")
        assert visible
        assert right > 0
        assert left < width
    expect(inside).not_to_be_visible()
    expect(button).to_have_attribute("aria-expanded", "false")
    button.press("Enter")
    expect(inside).to_be_visible()
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(page.locator(f"{drawer} a").locator("visible=true").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(inside).not_to_be_visible()
    expect(button).to_be_focused()
    page.close()


def test_the_contents_go_away_when_one_of_their_links_is_followed(site, browser):
    page = browser.new_page(viewport={"width": 375, "height": 700})
    page.goto(f"{site}edges.html")
    page.locator(".toc-overlay-icon button").locator("visible=true").click()
    link = page.locator(".toc-drawer a").nth(2)
    link.click()
    expect(link).not_to_be_visible()
    page.close()


@pytest.mark.parametrize("address", ["edges.html#fig-colour", "symmetry.html#fig-symmetry-average"])
def test_a_link_into_a_solution_opens_it_and_so_does_coming_back(site, browser, address):
    page = browser.new_page()
    page.goto(f"{site}{address}")
    figure = page.locator(f"#{address.partition('#')[2]}")
    expect(figure).to_be_visible()
    expect(figure).to_be_in_viewport()
    page.reload()
    expect(figure).to_be_in_viewport()
    page.goto(f"{site}404.html")
    page.go_back()
    expect(figure).to_be_in_viewport()
    page.close()


def test_whoever_copies_a_formula_gets_its_tex(site, browser):
    page = browser.new_page()
    page.goto(f"{site}problem.html")
    copied = page.locator("div.math").first.evaluate("""math => {
      getSelection().selectAllChildren(math);
      const data = new DataTransfer();
      math.dispatchEvent(new ClipboardEvent('copy', {clipboardData: data, bubbles: true}));
      return data.getData('text/plain');
    }""")
    assert "y_i = b_i + " in copied
    assert copied.count("$$") == 2
    page.close()


def test_no_jump_flies_where_motion_is_unwelcome(site, browser):
    page = browser.new_page(reduced_motion="reduce")
    page.goto(f"{site}edges.html")
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    page.close()


def test_words_of_the_themes_icons_are_not_marked(site, browser):
    page, wrong = browser.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{site}hyperparameters.html?highlight=mode")
    assert page.locator("article .highlighted").count() > 0
    assert wrong == []
    page.close()


def test_ink_is_seen_in_the_systems_own_colours(site, browser):
    page = browser.new_page(forced_colors="active", color_scheme="dark")
    page.goto(f"{site}draw.html")
    sheet = page.locator(".lab .sheet")
    assert sheet.evaluate("s => getComputedStyle(s).backgroundColor") == "rgb(255, 255, 255)"
    page.close()


def test_on_paper_the_network_has_its_maps(site, browser):
    page = browser.new_page()
    page.goto(f"{site}pixels.html")
    expect(page.locator(".tiles button").first).to_be_visible()
    page.emulate_media(media="print")
    expect(page.locator(".tiles button").first).to_be_visible()
    expect(page.locator(".lab .examples")).to_be_hidden()
    page.close()


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


@pytest.mark.parametrize("name", ["index", "search", "pixels", "draw", "try", "edges"])
def test_letters_of_twice_the_size_fit_a_phone(site, browser, name):
    page = browser.new_page(viewport={"width": 375, "height": 800})
    page.goto(f"{site}{name}.html")
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate(OVERFLOW) <= 1
    page.close()


def test_where_nothing_more_can_be_kept_the_search_finds_and_the_theme_changes(site, browser):
    page, wrong = browser.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.add_init_script(
        "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); }"
    )
    page.goto(f"{site}search.html?q=padding")
    expect(page.locator("#search-results li").first).to_be_visible()
    page.locator(".theme-toggle").locator("visible=true").first.click()
    assert page.evaluate("document.body.dataset.theme") != "auto"
    page.close()
    assert wrong == []


def test_on_paper_nothing_fades_in_and_long_lists_begin_where_they_stand(site, browser):
    page = browser.new_page()
    page.goto(f"{site}glossary.html")
    page.emulate_media(media="print")
    breaks = "each => getComputedStyle(each).breakInside"
    assert page.locator("dl.glossary").evaluate(breaks) == "auto"
    page.goto(f"{site}try.html")
    folds = page.locator("details:has(> summary)")
    assert folds.count()
    folds.evaluate_all("all => all.forEach(each => { each.open = false; each.open = true; })")
    assert page.evaluate("document.getAnimations().length") == 0
    page.close()
