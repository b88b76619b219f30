"""What the tests of built pages share: a server, where pages may ask, axe, and cells in use."""

import contextlib
import functools
import re
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import axe_playwright_python
from places import ROOT
from playwright.sync_api import expect

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
BARRIERS = """async ([context, keep]) => {
  for (const each of keep ? [] : document.querySelectorAll('body :not(script, style, link)'))
    if (each.isConnected && !each.closest(context) && !each.querySelector(context)) each.remove();
  const found = await axe.run(context, {resultTypes: ['violations'], preload: false});
  return [found.passes.length, found.violations.flatMap(
    rule => rule.nodes.map(node => `${rule.id}: ${node.html.slice(0, 200)}`))];
}"""
POINTED = """(cover, places) => places.map(([left, top]) => {
  const picture = cover.querySelector(':scope > svg') ?? cover;  // one that is drawn anew each time
  const at = (side, size, share) =>
    picture.getBoundingClientRect()[side] + share * picture.getBoundingClientRect()[size];
  scrollBy({top: at('top', 'height', top) - innerHeight / 2, behavior: 'instant'});
  const [clientX, clientY] = [at('left', 'width', left), at('top', 'height', top)];
  document.elementFromPoint(clientX, clientY).dispatchEvent(
    new PointerEvent('pointermove', {clientX, clientY, bubbles: true, pointerType: 'mouse'}));
  return (SEEN)(cover);
})"""
CROWDED = """within => [...document.querySelectorAll(
  `${within} :is(svg, p, dl, button, input)`)].filter(each => {
  const {left, right, width, height} = each.getBoundingClientRect();
  const beyond = left < 0 || right > document.documentElement.clientWidth;
  const small = each.matches('button, input') && Math.min(width, height) < 24;  // for a finger
  return each.checkVisibility() && (beyond || small);
}).map(each => each.outerHTML.slice(0, 200))"""
HOSTS = re.compile(r"http://127\.0\.0\.1:.*|file:.*|data:.*|blob:.*", re.DOTALL)
OVERFLOW = """Math.max(...[document.documentElement, document.querySelector('.content')].map(
  each => each.scrollWidth - each.clientWidth))"""  # the theme makes its content scroll instead

SOURCES = {path.stem: path.read_text("utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
NATIVE = [  # no cell of these runs in a browser
    name
    for name, text in SOURCES.items()
    if re.search("^needs: ", text, re.MULTILINE) and not re.search(r"tags: \[.*\bnative\b", text)
]
LIVE = [name for name, text in SOURCES.items() if "{code-cell}" in text and name not in NATIVE]
CELL = "[id^=cell-]:not(script)"  # with its code; scripts hold the cells that serve the build


class Quiet(SimpleHTTPRequestHandler):
    """A server that says nothing, and lets pages of other addresses read its files."""

    def __init__(self, *args, folders, **how):
        self.folders = folders
        super().__init__(*args, **how)

    def translate_path(self, path):
        """Return the file in the first folder that has it."""
        for folder in self.folders:
            self.directory = folder
            found = super().translate_path(path)
            if Path(found).exists():
                break
        return found

    def copyfile(self, source, outputfile):
        """Send a file; a page that has been closed wants no more of it."""
        with contextlib.suppress(ConnectionError):
            super().copyfile(source, outputfile)

    def log_message(self, *args):
        """Say nothing."""

    def end_headers(self):
        """Let others read."""
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()


@contextlib.contextmanager
def served(*folders):
    """Serve folders to this machine alone, as if they were one; return its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, folders=folders))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def barriers(page, context="body", keep=False):
    """Return what axe finds wrong within a part of a page.

    It would go through all the rest, too, which is taken out for good, unless it is to be kept.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    passes, violations = page.evaluate(BARRIERS, [context, keep])
    assert passes > 5  # it has looked at something
    return violations


def pointed(cover, places, seen):
    """Point at places, shares of a cover's width and height; return what is seen after each.

    All in the page itself: a pointer that moves from here takes a hundred times as long.
    """
    return cover.evaluate(POINTED.replace("SEEN", seen), places)


def crowded(page, within):
    """Return what is wider than the page, or too small to be hit."""
    assert page.locator(f"{within} svg").count()
    return page.evaluate(CROWDED, within)


def holding(page, text):
    """Return the cell whose code holds a text."""
    cell = page.locator(CELL).filter(has=page.locator(".highlight pre", has_text=text))
    expect(cell).to_have_count(1)
    return cell


def press(cell, what):
    """Press a button of a cell; return the cell."""
    cell.get_by_role("button", name=re.compile(f"^{what}: ")).click()
    return cell


def write(cell, source):
    """Write a cell's code anew; return its editor."""
    editor = cell.locator(".cm-content")
    if not editor.count():
        press(cell, "Edit")
    editor.press("Control+a")
    editor.page.keyboard.insert_text(source)
    return editor


def running(cell):
    """Wait until a cell runs, once Python is there."""
    expect(cell.locator(".live-state")).to_contain_text("running for", timeout=300_000)


def finished(cell, state="done"):
    """Wait until a cell has run; return what it shows."""
    expect(cell).to_have_attribute("data-live", state, timeout=300_000)
    return cell.locator(".cell_output")


def unfold(context):
    """Open the folds of every page that this context will show, as a reader may."""
    context.add_init_script("""addEventListener("DOMContentLoaded", () => {
      for (const fold of document.querySelectorAll(".depth, .aside")) fold.open = true;
    })""")
