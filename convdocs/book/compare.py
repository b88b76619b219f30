"""How two answers to an exercise differ, in words that do not give the right one away."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Iterator
from decimal import Decimal
from numbers import Complex, Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _args

Floats = NDArray[np.float64]

DEPTH = 16  # of lists in lists that are looked into
USUAL = 1e-6  # the tolerance that nobody has chosen
HINTS = {
    "None": "; does your function return its result?",
    "a function": "; call it, and give what it returns.",
    "a text": "; write numbers without quotes.",
}


def unanswered(yours: object) -> bool:
    """Tell whether an answer still holds dots in the place of a number."""
    return any(leaf is ... for leaf in _leaves(yours))


def fault(value: object, truth: bool = False) -> str:
    """Say what ``value`` is or holds if that is no numbers; ``truth`` lets booleans pass."""
    for leaf in _leaves(value):
        if (kind := _kind(leaf)) and not (truth and kind == "True or False"):
            verb = "is" if leaf is value else "holds"
            return f"that {verb} {kind}{HINTS.get(kind, ', and numbers are wanted.')}"
    try:
        _floats(value)
    except OverflowError:
        return "that holds a number too large to compare."
    except Exception:
        if isinstance(value, list | tuple):
            return "that is a list whose parts have different shapes."
        return f"that is {_a(type(value).__name__)}, and numbers are wanted."
    return ""


def difference(yours: object, right: ArrayLike, tolerance: float, choice: bool = False) -> str:
    """Say what is wrong with an answer; nothing if it is right.

    The numbers of a ``choice`` stand for words, as True and False do: none is too large.
    """
    truth = np.asarray(right).dtype == bool
    with np.errstate(all="ignore"):  # NaN and infinities are told
        return fault(yours, truth) or _difference(
            _floats(yours), _floats(right), tolerance, choice or truth
        )


def _floats(value: object) -> Floats:
    return np.asarray(value, float)


def _leaves(value: object, depth: int = DEPTH) -> Iterator[object]:
    """Yield what lies in lists and tuples, however deep, and in arrays of objects."""
    if isinstance(value, np.ndarray) and value.dtype == object:
        value = value.tolist()
    try:
        parts = list(value) if depth and isinstance(value, list | tuple) else None
    except Exception:  # of a class of one's own
        parts = None
    if parts is None:
        yield value
    else:
        for each in parts:
            yield from _leaves(each, depth - 1)


def _kind(leaf: object) -> str:
    """Say what something is; nothing of numbers and arrays of them."""
    if leaf is None:
        return "None"
    if inspect.isroutine(leaf) or isinstance(leaf, np.ufunc | functools.partial):
        return "a function"
    if isinstance(leaf, type):
        return "a class"
    if isinstance(leaf, Real | Decimal) and not isinstance(leaf, bool):
        return ""
    try:
        array = _args.as_array("yours", leaf)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return _a(type(leaf).__name__)
    letter = array.dtype.kind
    if letter == "b":
        return "True or False"
    if letter in "SU":
        return "a text"
    if letter == "c" or isinstance(leaf, Complex):
        return "a complex number"
    if letter in "iuf":
        return ""
    if letter == "O" and array.ndim:
        return next(filter(None, map(_kind, array.flat)), "")
    return _a(type(leaf).__name__ if letter == "O" else array.dtype.type.__name__)


def _a(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def _difference(a: Floats, b: Floats, tolerance: float, choice: bool) -> str:
    """Say how the answer ``a`` differs from the right one, ``b``; nothing if it does not."""
    size = np.abs(b[np.isfinite(b)]).max(initial=0)
    counts = tolerance <= USUAL and bool((b == np.rint(b)).all())
    near = functools.partial(_near, within=tolerance * float(size or 1), counts=counts)

    def same(one: Floats, other: Floats) -> bool:
        return one.shape == other.shape and bool(near(one, other).all())

    if same(a, b):
        return ""
    if not np.isfinite(a).all() and np.isfinite(b).all():
        return _infinite(a)
    if a.ndim == 2 and same(a.T, b):
        return "the numbers are right, but rows and columns are exchanged."
    if a.shape != b.shape:
        return _misshapen(a, b, same(a.ravel(), b.ravel()))
    wrong = ~near(a, b)
    verb = "is" if wrong.sum() == 1 else "are"
    first = tuple(np.argwhere(wrong)[0])
    if choice and a.ndim == 0:
        return "that is not the right choice."
    if choice:
        return f"{wrong.sum()} of {a.size} {verb} wrong, the first at {_place(first)}."
    if same(-a, b):
        return f"{'every' if a.ndim else 'the'} sign is the other way round."
    if a.ndim == 0:
        one, other = a.item(), b.item()
        by_one = counts and abs(one - other) == 1
        return f"{_way(one, other)} by exactly one." if by_one else f"{_about(one, other)}."
    if same(np.flip(a), b):
        kernel = "; was the kernel turned, or should it have been?" if a.ndim > 1 else "."
        return f"the numbers are right, but their order is reversed{kernel}"
    if wrong.all() and a.size > 1:
        off = a - b
        if a.size > 2 and same(off - off.flat[0], np.zeros_like(b)):
            return "all numbers are off by the same amount; a bias, perhaps?"
        largest = np.abs(b).argmax()
        ratio = a.flat[largest] / b.flat[largest]
        if ratio and same(a, ratio * b):
            return f"all numbers are {ratio:.4g} times what they should be."
    which = f"the first at {_place(first)}, which is {_about(a[first], b[first])}"
    return f"{wrong.sum()} of {a.size} numbers {verb} wrong, {which}."


def _near(one: Floats, other: Floats, within: float, counts: bool) -> NDArray[np.bool_]:
    """Return where two arrays are near each other; NaN is near NaN, and infinity infinity.

    Of counts, a small one beside a large one must be right, too; float32 holds 24 bits.
    """
    both = np.isnan(one) & np.isnan(other)
    limit = np.minimum(within, np.maximum(0.4, np.abs(other) * 2**-24)) if counts else within
    near: NDArray[np.bool_] = (one == other) | (np.abs(one - other) <= limit) | both
    return near


def _infinite(a: Floats) -> str:
    """Say where numbers are NaN or infinite."""
    kinds = {"NaN": np.isnan(a).any(), "infinite": np.isinf(a).any()}
    what = " or ".join(kind for kind, there in kinds.items() if there)
    if a.ndim == 0:
        return f"that is {what}; was something divided by zero?"
    places = np.argwhere(~np.isfinite(a))
    verb = "is" if len(places) == 1 else "are"
    return f"{len(places)} of {a.size} numbers {verb} {what}, the first at {_place(places[0])}."


def _misshapen(a: Floats, b: Floats, right: bool) -> str:
    """Say how the shape of an answer differs, whose numbers in a row are ``right`` or not."""
    if right and a.ndim == 0:
        return "the number is right, but a list is wanted; write it in square brackets."
    if right and b.ndim == 0:
        return "the number is right, but it should stand alone, without a list."
    if right:
        return f"the numbers are right, but the shape is {a.shape}."
    if a.size == 0:
        return "that is empty."
    if a.ndim < 2 and b.ndim < 2 and a.size != b.size:
        came = "one number" if a.size == 1 else f"{a.size} numbers"
        return f"{came} came, and that is too {'many' if a.size > b.size else 'few'}."
    return f"the shape is {a.shape}, and that is not the right one."


def _about(a: float, b: float) -> str:
    """Say how one number differs, and whether by little."""
    close = math.isfinite(b) and abs(a - b) <= 0.05 * abs(b)
    return f"{_way(a, b)}{', but close; look for what was left out or rounded' if close else ''}"


def _way(a: float, b: float) -> str:
    return "too large" if a > b else "too small" if a < b else "not the right one"


def _place(place: NDArray[np.intp] | tuple[int, ...]) -> list[int]:
    return [int(index) for index in place]
