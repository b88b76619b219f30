"""The network that reads what is drawn: it has learned from changed copies of the digits as well.

Needs ``pip install 'convdocs[data]'``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .. import _args, data
from .._args import Array
from .._extras import extra
from ..activation import ReLU
from ..cnn import CNN
from ..conv import Conv2d
from ..fc import Flatten, Linear
from ..optim import Adam
from ..pool import MaxPool2d
from .trained import fit

COPIES = 3  # changed ones of each digit, beside the digit as it is


@_args.silent
def changed(X: ArrayLike, angles: ArrayLike, sizes: ArrayLike, shifts: ArrayLike) -> Array:
    """Turn pictures by degrees, scale them, and move them.

    Parameters
    ----------
    X : array_like of shape (N, 1, H, H)
        Square pictures, from 0 to 1.
    angles : array_like of shape (N,)
        In degrees.
    sizes, shifts : array_like of shape (N, 2)
        Factors, and numbers of pixels, across and down.

    Returns
    -------
    ndarray of shape (N, 1, H, H)
        In float32, each pixel one of 256 values; black is what comes in from beyond the border.

    Raises
    ------
    ValueError, TypeError
        If an argument has another shape, or no finite numbers, or a factor is 0.

    Examples
    --------
    >>> X = np.eye(3)[None, None]
    >>> print(changed(X, [0], [[1, 1]], [[1, 0]])[0, 0])
    [[0. 1. 0.]
     [0. 0. 1.]
     [0. 0. 0.]]
    """
    with extra("data"):
        from PIL.Image import Resampling, Transform, fromarray
    X = _args.numbers("X", X, "N C H W").astype(np.float32)
    n, C, H, W = X.shape
    if C != 1 or H != W:
        raise ValueError(f"X must have the shape (N, 1, H, H), got {X.shape}")
    angles = _each("angles", angles, (n,))
    sizes, shifts = _each("sizes", sizes, (n, 2)), _each("shifts", shifts, (n, 2))
    if not sizes.all():
        raise ValueError(f"sizes must be other than 0, got {_args.shown(sizes)}")
    pictures, middle = [], H / 2
    for x, angle, size, shift in zip(X[:, 0], np.radians(angles), sizes, shifts, strict=True):
        c, s = np.cos(angle), np.sin(angle)
        turn = np.array([[c, -s], [s, c]])
        back = (turn / size).T  # from a place in the new picture to one in the old
        start = middle - back @ (middle + shift)
        how = *back[0], start[0], *back[1], start[1]
        image = fromarray(x).transform(x.shape, Transform.AFFINE, how, Resampling.BILINEAR)
        pictures.append(np.round(255 * np.asarray(image)) / 255)
    return np.array(pictures, np.float32).reshape(X.shape)


def _each(name: str, value: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Return one number or one pair for each picture."""
    array = _args.numbers(name, value)
    if array.shape != shape:
        raise ValueError(f"{name} must have the shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {_args.shown(array)}")
    return array


def at_random(X: ArrayLike, seed: int) -> Array:
    """Turn pictures by up to 20 degrees, scale them by up to a fifth, move them by up to 3 pixels.

    Parameters
    ----------
    X : array_like of shape (N, 1, H, H)
        Square pictures, from 0 to 1.
    seed : int
        Of the generator.

    Returns
    -------
    ndarray of shape (N, 1, H, H)
        As `changed` returns them.

    Examples
    --------
    >>> at_random(np.ones((2, 1, 28, 28)), seed=0).shape
    (2, 1, 28, 28)
    """
    X = _args.numbers("X", X, "N C H W")
    rng, n = np.random.default_rng(_args.integer("seed", seed, 0)), len(X)
    return changed(
        X, rng.uniform(-20, 20, n), rng.uniform(0.8, 1.2, (n, 2)), rng.uniform(-3, 3, (n, 2))
    )


def trained(X: ArrayLike, y: ArrayLike, epochs: int) -> CNN:
    """Return the page's network, which has learned from these pictures.

    Parameters
    ----------
    X : array_like of shape (N, 1, 28, 28)
        Pictures.
    y : array_like of shape (N,)
        The digits that they show.
    epochs : int
        How often to go through them.

    Returns
    -------
    CNN
        With two convolutions, two poolings and a fully connected layer, as `fit` trains it.
    """
    rng = np.random.default_rng(0)
    first = [Conv2d(1, 8, 5, rng=rng), ReLU(), MaxPool2d(2)]
    second = [Conv2d(8, 16, 5, rng=rng), ReLU(), MaxPool2d(2)]
    net = CNN([*first, *second, Flatten(), Linear(16 * 4 * 4, 10, rng=rng)])
    return fit(net, X, y, epochs, 50, rng, Adam(0.003))


def reader() -> CNN:
    """Return the network that reads what is drawn: it has learned from changed digits as well.

    Returns
    -------
    CNN
        What the build of a page has trained, the page takes from there.
    """
    X, y, *_ = data.mnist()
    more = np.concatenate([X, *(at_random(X, seed) for seed in range(COPIES))])
    return trained(more, np.tile(y, 1 + COPIES), epochs=3)
