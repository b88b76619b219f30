"""The lecture's pictures made harder: a small digit in a frame of noise, or pixels in a new order.

Both changes ask what an idea of the lecture rests on. In a frame a place has a meaning of its own;
in a new order neighbours have none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .. import _args
from .._args import Array, Rng
from ..data import Parts
from .lecture import SIDE, pictures

SMALL = 8  # pixels on a side of a shrunk digit
BORDER = 2  # pixels on each side, which are black in every picture


@_args.silent
def shrunk(X: ArrayLike) -> Array:
    """Return pictures in which each pixel is the mean of 4 x 4.

    Parameters
    ----------
    X : array_like of shape (N, 1, 32, 32)
        Pictures as `lecture.pictures` returns them.

    Returns
    -------
    ndarray of shape (N, 1, 8, 8)
        The sums are made of whole numbers, so they are the same on every machine.

    Raises
    ------
    ValueError, TypeError
        If the pictures have another shape, or are no numbers.

    Examples
    --------
    >>> shrunk(np.ones((1, 1, 32, 32))).min()
    np.float64(1.0)
    """
    X, step = _images(X), SIDE // SMALL
    X = X.astype(_args.floating(X), copy=False)  # 255 times a byte does not fit into one
    sums = np.rint(255 * X).reshape(len(X), 1, SMALL, step, SMALL, step).sum(axis=(3, 5))
    return np.asarray(sums / (255 * step**2))


def framed(X: ArrayLike, rng: Rng = None) -> Array:
    """Return shrunk pictures in the middle of random numbers.

    Parameters
    ----------
    X : array_like of shape (N, 1, 32, 32)
        Pictures as `lecture.pictures` returns them.
    rng : int or numpy.random.Generator, optional
        Draws the numbers around them, evenly from 0 to 1.

    Returns
    -------
    ndarray of shape (N, 1, 32, 32)

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    Examples
    --------
    >>> framed(np.ones((1, 1, 32, 32)), rng=0)[0, 0, 12:20, 12:20].min()
    np.float32(1.0)
    """
    small = shrunk(X)
    wide = _args.generator(rng).random((len(small), 1, SIDE, SIDE), dtype=np.float32)
    start = (SIDE - SMALL) // 2
    wide[:, :, start : start + SMALL, start : start + SMALL] = small
    return wide


def scrambled(X: ArrayLike) -> Array:
    """Return pictures whose pixels have changed places, in the same way in all of them.

    The black border stays where it is.

    Parameters
    ----------
    X : array_like of shape (N, 1, 32, 32)
        Pictures.

    Returns
    -------
    ndarray of shape (N, 1, 32, 32)

    Raises
    ------
    ValueError, TypeError
        If the pictures have another shape, or are no numbers.

    Examples
    --------
    >>> X = np.random.default_rng(0).random((1, 1, 32, 32))
    >>> bool((scrambled(X) == X).all()), bool(np.isclose(scrambled(X).sum(), X.sum()))
    (False, True)
    """
    mixed = np.array(_images(X))
    inner = mixed[:, :, BORDER:-BORDER, BORDER:-BORDER]
    order = np.random.default_rng(0).permutation((SIDE - 2 * BORDER) ** 2)
    inner[...] = inner.reshape(len(mixed), order.size)[:, order].reshape(inner.shape)
    return mixed


def in_frames() -> Parts:
    """Return the first 500 digits to learn from, and those to choose and to test, `framed`."""
    X, y, X_valid, y_valid, X_test, y_test = pictures()
    rng = np.random.default_rng(1)
    learn, choose, test = (framed(images, rng) for images in (X[:500], X_valid, X_test))
    return Parts(learn, y[:500], choose, y_valid, test, y_test)


def in_new_order(parts: Parts) -> Parts:
    """Return the same parts with all their pictures `scrambled`.

    Parameters
    ----------
    parts : Parts
        Of pictures of 32 x 32 pixels.
    """
    X, y, X_valid, y_valid, X_test, y_test = parts
    return Parts(scrambled(X), y, scrambled(X_valid), y_valid, scrambled(X_test), y_test)


def _images(X: ArrayLike) -> Array:
    """Return pictures of 32 x 32 pixels as an array; others are an error."""
    images = _args.numbers("X", X, "N C H W")
    if images.shape[1:] != (1, SIDE, SIDE):
        raise ValueError(f"X must have the shape (N, 1, {SIDE}, {SIDE}), got {images.shape}")
    return images
