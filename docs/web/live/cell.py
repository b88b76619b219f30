"""Python's side of a live cell: run it as a notebook would, and hand over what it shows."""

import ast
import base64
import io
import linecache
import sys
import traceback

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
        shown = getattr(value, form, lambda: None)()
        if shown is not None:
            send(kind, base64.b64encode(shown).decode() if kind == "png" else shown)
            return
    send("text", repr(value) + "\n")


def run(source, name, space, send):
    """Run one cell in ``space``; return the error's name, or nothing."""
    sys.stdout = sys.stderr = Out(send)
    linecache.cache[name] = len(source), None, source.splitlines(True), name
    try:
        tree = ast.parse(source, name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec"), space)
        if last is not None and not source.rstrip().endswith(";"):
            show(eval(compile(ast.Expression(last.value), name, "eval"), space), send)
    except BaseException as error:
        ours = error.__traceback__ and error.__traceback__.tb_next  # without this function's line
        send("error", "".join(traceback.format_exception(type(error), error, ours)))
        return type(error).__name__
    finally:
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
