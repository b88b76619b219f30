"""Whether an answer to an exercise is right and, if it is not, how it differs."""

from __future__ import annotations

from typing import Any

import numpy as np


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
