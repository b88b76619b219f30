"""Gradients by finite differences, to check those of a backward pass against."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from .. import _args
from .._args import Array


def numeric_gradient(f: Callable[[Array], ArrayLike], x: ArrayLike, h: float = 1e-6) -> Array:
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
        If an argument cannot be right, such as an ``h`` that is lost beside a large number, or
        ``f`` returns more than one number; the message says so.

    Examples
    --------
    >>> print(numeric_gradient(lambda x: (x**2).sum(), [1, 2, 3]).round(6))
    [2. 4. 6.]
    """
    if not callable(f):
        raise TypeError(f"f must be a function, got {_args.shown(f)}")
    point = _args.numbers("x", x).astype(float)  # a copy, which f may see but the caller does not
    h = _args.number("h", h, sys.float_info.min, _args.LARGEST, "a number above 0")
    with np.errstate(all="ignore"):
        made = (point + h) - (point - h)  # of large numbers not quite 2 h
    moves = np.where(np.isfinite(made), made, 2 * h)
    if not moves.all():
        need = f"h must move each number of x, the largest of which is {np.abs(point).max():g}"
        raise ValueError(f"{need}, got {h:g}")
    slope = np.empty(point.shape)
    for place in np.ndindex(point.shape):
        here = point[place]
        ends = []
        for there in (here + h, here - h):
            point[place] = there
            value = _args.numbers("what f returns", f(point.copy()))
            if value.size != 1:
                raise ValueError(f"f must return one number, got the shape {value.shape}")
            ends.append(value.item())
        point[place] = here
        slope[place] = (ends[0] - ends[1]) / moves[place]
    return slope
