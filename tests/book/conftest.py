"""A page to look at; and for live cells Pyodide, and one Python for many pages."""

import json

import live_python
import pytest
from pages import served, unfold
from playwright.sync_api import Error

# A page keeps the worker in which Python runs, and hands on what other pages ask of it.
KEEP = """address => {
  const here = document.querySelector('script[data-python]');
  const beside = name => new URL(name, here.src).href;
  window.from = {
    python: address, wheel: beside(here.dataset.wheel), digits: beside('digits.npz'),
    mnist: beside('mnist.npz'), trained: beside('trained/'),
  };
  window.python = new Worker(beside('worker.js'), {type: 'module'});
  const channel = new BroadcastChannel('python');
  channel.onmessage = ({data}) => python.postMessage(data);
  python.addEventListener('message', ({data}) => channel.postMessage(data));
}"""
ASK = """window.Worker = class extends BroadcastChannel {
  constructor() { super('python'); }
  terminate() { this.close(); }
};"""
RUN = """([source, name]) => new Promise((resolve, reject) => {
  const shown = [];
  setTimeout(() => reject(new Error('Python does not answer')), 100_000);
  const hear = ({data: {kind, text, error}}) => {
    if (['progress', 'begin', 'training'].includes(kind)) return;
    if (!['done', 'lost', 'unreachable'].includes(kind)) return shown.push([kind, text]);
    python.removeEventListener('message', hear);
    resolve([error ?? text ?? null, shown]);
  };
  python.addEventListener('message', hear);
  python.postMessage({source, name, from});
})"""

NEAR = """new MutationObserver((_, observer) => {
  const script = document.querySelector('script[data-python]');
  if (!script) return;
  script.dataset.python = %s;
  observer.disconnect();
}).observe(document, {childList: true, subtree: true});"""

# What a page leaves behind is names, files, figures, and at worst a changed package.
START = """
import sys
import convdocs.book.plot
sys.start = {name: (module, dict(vars(module)))
             for name, module in sys.modules.items() if name.split(".")[0] == "convdocs"}
"""
RESET = """
def reset(space):
    import gc, os, sys, tempfile
    import matplotlib.pyplot
    for name in [name for name in sys.modules if name.split(".")[0] == "convdocs"]:
        if name not in sys.start:
            del sys.modules[name]
    for module, names in sys.start.values():
        vars(module).clear()
        vars(module).update(names)
    matplotlib.pyplot.close("all")
    matplotlib.rcdefaults()
    os.chdir(tempfile.mkdtemp())
    space.clear()
    space["__name__"] = "__main__"
    gc.collect()
reset(globals())
"""


@pytest.fixture
def visit(site, browser):
    """Return a function that opens a page in a context of its own, which is closed at the end."""
    contexts = []

    def visit(name, **how):
        contexts.append(browser.new_context(**how))
        unfold(contexts[-1])
        page = contexts[-1].new_page()
        page.goto(f"{site}{name}.html")
        return page

    yield visit
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def pyodide():
    """Return the address of a Pyodide on this machine."""
    if not live_python.WHEELS.is_dir():
        pytest.skip("no Pyodide: python tests/live_python.py fetches it")
    assert live_python.missing() == []
    with served(live_python.CORE, live_python.WHEELS) as address:
        yield address


@pytest.fixture(scope="session")
def near(pyodide):
    """Return a function that lets the pages of a browser context take Python from this machine.

    They read another address: a test that stood between them and the network could not answer what
    their worker asks while it waits.
    """
    return lambda context: context.add_init_script(NEAR % json.dumps(pyodide))


class Python:
    """One Python for many pages, each of which finds it as if it had just been started."""

    def __init__(self, context, site, address):
        self.context, self.site, self.address, self.page = context, site, address, None
        self.start()

    def start(self):
        """Start Python in a page that keeps it."""
        self.keeper = self.context.new_page()
        self.keeper.goto(f"{self.site}edges.html")
        self.keeper.evaluate(KEEP, self.address)
        assert self.run(START) == (None, [])

    def restart(self):
        """Start Python anew."""
        self.keeper.close()
        self.start()

    def run(self, source, name="cell of a test"):
        """Run a cell; return its error's name or None, and what it showed, each with its kind."""
        error, shown = self.keeper.evaluate(RUN, [source, name])
        return error, [tuple(each) for each in shown]

    def open(self, chapter):
        """Return the page of a chapter, which a test closes unless it fails."""
        if self.page and not self.page.is_closed():  # what runs there may never end
            self.page.close()
            self.restart()
        try:
            assert self.run(RESET) == (None, [])
        except Error:  # the browser has lost it
            self.restart()
        page = self.page = self.context.new_page()
        page.add_init_script(ASK)
        page.add_init_script("localStorage.clear()")  # no edits of the page before
        page.wrong = []
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.goto(f"{self.site}{chapter}.html")
        return page


@pytest.fixture(scope="session")
def python(browser, site, pyodide):
    """Return the Python of this browser."""
    context = browser.new_context()
    unfold(context)
    yield Python(context, site, pyodide)
    context.close()
