"""Python's side of a live cell: run it as a notebook would, and hand over what it shows."""

import ast
import asyncio
import base64
import builtins
import contextlib
import functools
import io
import os
import sys
import traceback
import warnings

from js import XMLHttpRequest
from pyodide.code import CodeRunner
from pyodide.ffi import JsException

import convdocs.data
from convdocs.book import trained
from convdocs.book.ink import FIGURES
from convdocs.training import loop

# The digits as they lie beside the page, so that a run need not fetch scikit-learn for them.
convdocs.data.digits = lambda: convdocs.data.Split(*_digits.values())


def _load(path, mnist, results):
    global _digits, _mnist
    _digits = _arrays(path)
    _mnist = mnist
    trained.SITE = Site(results)


def _arrays(file):
    import numpy as np

    with np.load(file) as arrays:
        return dict(arrays)


def _fetched(address):
    """Return what lies at an address; a worker may wait for it, and its cell has to."""
    request = XMLHttpRequest.new()
    request.open("GET", address, False)
    request.responseType = "arraybuffer"
    try:
        request.send()
    except JsException as error:
        raise OSError(f"{address}: {error}") from None
    if request.status != 200:
        raise OSError(f"{address}: {request.status}")
    return request.response.to_bytes()


@functools.cache
def five_thousand():
    """Fetch the images of MNIST from where they lie beside the page, once one asks for them."""
    return tuple(_arrays(io.BytesIO(_fetched(_mnist))).values())


convdocs.data.five_thousand = five_thousand


class Site:
    """What the build of the pages has trained, and what a page says of a training."""

    def __init__(self, folder):
        self.folder = folder
        self.out = None  # which leads to the page, while a cell runs

    def read(self, name):
        try:
            return _fetched(self.folder + name)
        except OSError:
            return None

    def say(self, text):
        self.out.send("note", text)

    def tell(self, done, text):
        self.out.send("training", f"{done:.3f} {text}")


class Bar:
    """What stands for the terminal's bar of a training: the page has one of its own."""

    def __init__(self, epochs, steps, progress):
        self.steps = steps
        self.shown = progress is not False and bool(steps)
        self.progress = trained.Progress(epochs)

    def step(self, epoch, step, loss):
        if self.shown:
            self.progress.reach(epoch - 1 + step / self.steps)

    def epoch(self, epoch, loss):
        pass

    def end_line(self):
        pass

    @contextlib.contextmanager
    def line(self):
        yield


loop.Bar = Bar


def draw_what_is_open():
    """Show the figures that pyplot has open."""
    if backend := sys.modules.get("page_figures"):  # which pyplot has loaded
        backend.FigureManager.pyplot_show()


def no_keyboard(prompt=""):
    """Say what a page lacks, in the place of `input`."""
    raise RuntimeError("a page has no keyboard for input(): write the value into the cell")


builtins.input = no_keyboard
NETWORK = ("urllib.error", "http.client", "socket", "requests.exceptions")
NO_NETWORK = (
    "Python in a browser cannot fetch from other sites as this asks for. On your own machine the "
    "cell can."
)

MOST = 100_000  # characters of one cell: more would keep the page busy, and Stop out of reach
MORE = "\n… and more, which is not shown.\n"


class Out(io.TextIOBase):
    """A stream that gives what is printed to the page, line by line."""

    def __init__(self, send):
        self.send, self.line, self.left = send, "", MOST

    def write(self, text):
        room = self.left
        self.left -= len(text)
        if room >= 0:
            self.line += text[:room] if self.left >= 0 else text[:room] + MORE
        if "\n" in self.line or "\r" in self.line:
            self.flush()
        return len(text)

    def flush(self):
        if self.line:
            self.send("text", self.line)
        self.line = ""


def show(value, out):
    """Give the richest form of a cell's last value that the page can show."""
    if value is None:
        return
    for form, kind in {"_repr_svg_": "svg", "_repr_html_": "html", "_repr_png_": "png"}.items():
        method = None if isinstance(value, type) else getattr(value, form, None)
        shown = method and method()
        if shown is not None:
            out.flush()
            out.send(kind, base64.b64encode(shown).decode() if kind == "png" else shown)
            return
    out.write(repr(value) + "\n")


async def evaluate(source, name, space):
    """Run a cell, which may await, and return its last value, if no semicolon ends it."""
    with warnings.catch_warnings(action="ignore"):
        runner = CodeRunner(source, filename=name, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    # It has read the cell without the blanks of empty lines, which count in a string.
    runner.ast = ast.parse(source, name)
    return await runner.compile().run_async(space)


def told(error, name):
    """Return an error and its traceback from where the cell begins."""
    ours = error.__traceback__
    while ours and ours.tb_frame.f_code.co_filename != name:
        ours = ours.tb_next
    text = "".join(traceback.format_exception(type(error), error, ours))
    return text if len(text) <= MOST else text[: MOST // 2] + MORE + text[-MOST // 2 :]


async def respond(source, name, space, send, phone=False):
    """Run one cell in ``space``, and hand over what it shows; return its error's name, or None."""
    out = sys.stdout = sys.stderr = Out(send)
    trained.SITE.out = out
    os.environ[FIGURES] = "phone" if phone else ""
    try:
        show(await evaluate(source, name, space), out)
        out.flush()
        draw_what_is_open()
    except BaseException as error:
        out.flush()
        with contextlib.suppress(Exception):  # else it would be taken for that of the next cell
            draw_what_is_open()
        send("error", told(error, name))
        if type(error).__module__ in NETWORK or "TLS not supported" in str(error):
            send("note", NO_NETWORK)
        return type(error).__name__
    finally:
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__


def run(*cell):
    """Start on a cell at once, so that the caller hears of an end of Python itself."""
    return asyncio.Task(respond(*cell), loop=asyncio.get_running_loop(), eager_start=True)
