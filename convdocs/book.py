"""What the book's cells need: numbers for its text and scripts, checks of answers and gradients."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, SupportsFloat

import numpy as np

from . import _args

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from ._args import Array


def note(**numbers: SupportsFloat) -> None:
    """Give the text around a cell its numbers, under the names that it calls them by.

    Without MyST-NB, as in a notebook of one's own, nothing happens.

    Parameters
    ----------
    **numbers : int or float
        Names and numbers, such as ``note(width=w)`` for ``{glue:text}`width``` in the text.

    Examples
    --------
    >>> note(width=512)
    """
    try:
        from IPython import get_ipython
        from myst_nb import glue
    except ImportError:
        return
    if get_ipython() is not None:
        for name, number in numbers.items():
            glue(name, np.asarray(number).item(), display=False)


def embed(name: str, value: Any) -> None:
    """Give a script of the page what a cell has computed, as JSON in an element of this name.

    Without IPython nothing happens.

    Parameters
    ----------
    name : str
        The element's id.
    value : anything that JSON can hold, and arrays
        An array becomes its shape and its numbers as float32, in base64.

    Examples
    --------
    >>> embed("kernels", {"identity": [[1]]})
    """
    try:
        from IPython import get_ipython
        from IPython.display import HTML, display
    except ImportError:
        return
    if get_ipython() is not None:
        text = json.dumps(value, default=_packed).replace("<", "\\u003c")  # no tag can end it
        element = f'<script type="application/json" id="{name}">{text}</script>'
        display(HTML(element))  # type: ignore[no-untyped-call]


def _packed(array: Any) -> dict[str, Any]:
    """Return an array as something that JSON can hold."""
    array = _args.numbers("value", array)
    numbers = base64.b64encode(array.astype("<f4").tobytes()).decode()
    return {"shape": array.shape, "float32": numbers}


def check(yours: Any, right: Any, tolerance: float = 1e-6) -> None:
    """Print whether an answer is right and, if it is not, how it differs; never the right one.

    Parameters
    ----------
    yours : number or array_like
        Your answer; ``...`` stands for none yet.
    right : number or array_like
        The right answer, as the package computes it.
    tolerance : float
        How far apart two numbers may be, relative to the largest right one.

    Examples
    --------
    >>> check(..., 24)
    Put your answer in the place of the dots.
    >>> check(24, 24)
    Right.
    >>> check([[1, 2]], [[-1, -2]])
    Not yet: every sign is the other way round.
    >>> check([[1, 2, 9]], [[1, 2, 3]])
    Not yet: 1 of 3 numbers is wrong, the first at [0, 2], which is too large.
    """
    if yours is Ellipsis:
        print("Put your answer in the place of the dots.")
        return
    a, b = np.asarray(yours, float), np.asarray(right, float)
    size = tolerance * max(1.0, float(np.abs(b).max(initial=0)))

    def same(one: Any, other: Any) -> bool:
        return one.shape == other.shape and bool((np.abs(one - other) <= size).all())

    if same(a, b):
        print("Right.")
        return
    print("Not yet:", _difference(a, b, same))


def _difference(a: Any, b: Any, same: Any) -> str:
    """Say how the answer ``a`` differs from the right one, ``b``."""
    if a.ndim == 2 and same(a.T, b):
        return "the numbers are right, but rows and columns are exchanged."
    if a.shape != b.shape:
        if a.size == b.size and same(a.ravel(), b.ravel()):
            return f"the numbers are right, but the shape is {a.shape}."
        return f"the shape is {a.shape}, and that is not the right one."
    if same(-a, b):
        return (
            "every sign is the other way round." if a.ndim else "the sign is the other way round."
        )
    if a.ndim and same(np.flip(a), b):
        return "the order is reversed; was the kernel turned, or should it have been?"
    where = np.argwhere(~np.isclose(a, b, rtol=0, atol=1e-6 * max(1.0, np.abs(b).max())))
    off = a - b
    if a.ndim and len(where) == a.size > 1:
        if same(off - off.flat[0], np.zeros_like(b)):
            return "all numbers are off by the same amount; a bias, perhaps?"
        ratio = a.flat[np.abs(b).argmax()] / b.flat[np.abs(b).argmax()]
        if same(a, ratio * b):
            return f"all numbers are {ratio:.4g} times what they should be."
    if a.ndim == 0:
        way = "too large" if off > 0 else "too small"
        if same(np.abs(off), np.ones_like(b)):
            return f"{way} by exactly one; count the ends again."
        close = np.abs(off) <= 0.05 * np.abs(b)
        return f"{way}{', but close; look for what was left out or rounded' if close else ''}."
    first = tuple(where[0])
    way = "too large" if off[first] > 0 else "too small"
    verb = "is" if len(where) == 1 else "are"
    place = list(map(int, first))
    return f"{len(where)} of {a.size} numbers {verb} wrong, the first at {place}, which is {way}."


def numeric_gradient(f: Callable[[Array], Any], x: ArrayLike, h: float = 1e-6) -> Array:
    """Return the gradient of a function by central differences, to check another one against.

    Each number of ``x`` is moved up and down by ``h`` in turn, so ``f`` is called twice for each.

    Parameters
    ----------
    f : callable
        Takes an array of the shape of ``x``, in float64, and returns one number.
    x : array_like
        Where to take the gradient; it is not changed.
    h : float
        The step, above 0.

    Returns
    -------
    ndarray of the shape of x
        In float64.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right, or ``f`` returns more than one number; the message says so.

    Examples
    --------
    >>> print(numeric_gradient(lambda x: (x**2).sum(), [1, 2, 3]).round(6))
    [2. 4. 6.]
    """
    point = _args.numbers("x", x).astype(float)  # a copy, which f may see but the caller does not
    h = _args.fraction("h", h, np.finfo(float).tiny, np.finfo(float).max, "a number above 0")
    slope = np.empty(point.shape)
    for place in np.ndindex(point.shape):
        here, ends = point[place], []
        for there in (here + h, here - h):
            point[place] = there
            value = _args.numbers("what f returns", f(point.copy()))
            if value.size != 1:
                raise ValueError(f"f must return one number, got the shape {value.shape}")
            ends.append(value.item())
        point[place] = here
        slope[place] = (ends[0] - ends[1]) / (2 * h)
    return slope
