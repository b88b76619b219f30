"""Python's side of a live cell: run it as a notebook would, and hand over what it shows."""

import ast
import base64
import io
import sys
import traceback
import warnings

from pyodide.code import CodeRunner

import convdocs.data

# The digits as they lie beside the page, so that a run need not fetch scikit-learn for them.
convdocs.data.digits = lambda: convdocs.data.Split(*_digits.values())


def _load(path):
    import numpy as np

    global _digits
    with np.load(path) as file:
        _digits = dict(file)


class Out(io.TextIOBase):
    """A stream that gives what is printed to the page at once."""

    def __init__(self, send):
        self.send = send

    def write(self, text):
        self.send("text", text)
        return len(text)


def show(value, send):
    """Give the richest form of a cell's last value that the page can show."""
    if value is None:
        return
    for form, kind in {"_repr_svg_": "svg", "_repr_html_": "html", "_repr_png_": "png"}.items():
        method = None if isinstance(value, type) else getattr(value, form, None)
        shown = method and method()
        if shown is not None:
            send(kind, base64.b64encode(shown).decode() if kind == "png" else shown)
            return
    send("text", repr(value) + "\n")


async def evaluate(source, name, space):
    """Run a cell, which may await, and return its last value, if no semicolon ends it."""
    with warnings.catch_warnings(action="ignore"):
        runner = CodeRunner(source, filename=name, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    # It has read the cell without the blanks of empty lines, which count in a string.
    runner.ast = ast.parse(source, name)
    return await runner.compile().run_async(space)


async def run(source, name, space, send):
    """Run one cell in ``space``; return the error's name, or nothing."""
    sys.stdout = sys.stderr = Out(send)
    try:
        show(await evaluate(source, name, space), send)
    except BaseException as error:
        ours = error.__traceback__
        while ours and ours.tb_frame.f_code.co_filename != name:
            ours = ours.tb_next
        send("error", "".join(traceback.format_exception(type(error), error, ours)))
        return type(error).__name__
    finally:
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
