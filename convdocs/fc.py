"""Fully connected layers, and what stands around them: flattening and dropout."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from . import _args, memory
from ._args import Array, Rng
from .layer import Layer
from .products import matmul
from .windows import Patch


@_args.silent
def linear(x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None) -> Array:
    """Return ``x @ weight.T + bias``: each output is a weighted sum of all inputs.

    Parameters
    ----------
    x : array_like of shape (..., in)
        Inputs; integers are computed in float64.
    weight : array_like of shape (out, in)
        One row of weights for each output.
    bias : array_like of shape (out,), optional
        A number to add to each output.

    Returns
    -------
    ndarray of shape (..., out)

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    Examples
    --------
    >>> print(linear([1, 2], [[3, 4], [5, 6]], bias=[0, 1]))
    [11. 18.]
    """
    x, w, flat = _check(x, weight)
    b = _args.biases(bias, len(w))
    dtype = _args.floating(x, w, b)
    # Transposed, so that the batch lies innermost in memory, as everywhere in the package.
    with _args.in_memory("x and weight", (len(w), len(flat))):
        y = product(w, flat.T, dtype).T
    if b is not None:
        y += b
    return y.reshape(*x.shape[:-1], len(w))


@_args.silent
def linear_backward(dy: ArrayLike, x: ArrayLike, weight: ArrayLike) -> tuple[Array, Array, Array]:
    """Return the gradients of `linear` for its input, weight and bias.

    Parameters
    ----------
    dy : array_like of shape (..., out)
        The gradient of the loss for the output.
    x, weight
        As in the forward call.

    Returns
    -------
    dx : ndarray of shape (..., in)
    dweight : ndarray of shape (out, in)
    dbias : ndarray of shape (out,)

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    Examples
    --------
    >>> dx, dweight, dbias = linear_backward([[1, 10]], [[1, 2]], [[3, 4], [5, 6]])
    >>> print(dx, dweight, dbias)
    [[53. 64.]] [[ 1.  2.]
     [10. 20.]] [ 1. 10.]
    """
    x, w, flat = _check(x, weight)
    dy = _args.numbers("dy", dy)
    _args.same_shape("dy", dy, (*x.shape[:-1], len(w)))
    dtype = _args.floating(dy, x, w)
    dflat = dy.reshape(len(flat), len(w)).astype(dtype, copy=False)
    with _args.in_memory("x and weight", x.shape):
        dx = product(w.T, dflat.T, dtype).T
        dweight = product(dflat.T, flat, dtype)
    # Down the rows NumPy adds one number after another: in float32 too few digits for many of them.
    dbias = dflat.sum(axis=0, dtype=np.result_type(dtype, np.float64)).astype(dtype)
    return dx.reshape(x.shape), dweight, dbias


def product(a: Array, b: Array, dtype: np.dtype[Any]) -> Array:
    """Return the matrix product, computed in this dtype."""
    c = memory.empty((len(a), b.shape[1]), dtype)
    return matmul(a.astype(dtype, copy=False), b.astype(dtype, copy=False), out=c)


def _check(x: ArrayLike, weight: ArrayLike) -> tuple[Array, Array, Array]:
    """Check the arguments; return the inputs, the weights, and the inputs one a row."""
    x = _args.numbers("x", x)
    w = _args.numbers("weight", weight, "out in")
    if w.size == 0:
        raise ValueError(f"weight must hold a number, got shape {w.shape}")
    if x.ndim == 0 or x.shape[-1] != w.shape[1]:
        raise ValueError(f"x must have the shape (..., {w.shape[1]}), got {x.shape}")
    return x, w, x.reshape(-1, w.shape[1])


class Linear(Layer):
    """A fully connected layer: `linear` with a weight and a bias of its own.

    Parameters
    ----------
    in_features, out_features : int
        Numbers that go in, and that come out.
    bias : bool
        Whether each output adds a number of its own.
    dtype : dtype
        Of the parameters, float32 or float64.
    rng : int or numpy.random.Generator, optional
        What the initial parameters are drawn with.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    Examples
    --------
    >>> layer = Linear(3 * 32 * 32, 100, rng=0)
    >>> layer.params["weight"].size + layer.params["bias"].size
    307300
    """

    named = ("weight", "bias")

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        n_in = _args.integer("in_features", in_features, 1)
        n_out = _args.integer("out_features", out_features, 1)
        super().__init__(in_features=n_in, out_features=n_out)
        with _args.in_memory("in_features and out_features", (n_out, n_in)):
            self.draw_parameters((n_out, n_in), bias, dtype, rng)

    def forward(self, x: Array) -> Array:
        """Return the weighted sums of the inputs."""
        return linear(x, self.params["weight"], self.params.get("bias"))

    def gradients(self, dy: Array, x: Array) -> tuple[Array, ...]:
        """Return the gradients for the inputs, the weight and the bias."""
        dx, dweight, dbias = linear_backward(dy, x, self.params["weight"])
        return (dx, dweight, dbias) if "bias" in self.params else (dx, dweight)

    def sees(self, patch: Patch) -> Patch:
        """Return the patch of maps behind one of the output: of their rows, which it sums, all."""
        return patch[0], (0, self.options["in_features"] - 1)


class Flatten(Layer):
    """A layer that writes the maps of each image as one row: (N, C, H, W) to (N, C H W).

    Examples
    --------
    >>> Flatten()(np.ones((2, 3, 4, 4))).shape
    (2, 48)
    """

    def __init__(self) -> None:
        super().__init__()

    def forward(self, x: Array) -> Array:
        """Return the maps as rows, channel by channel and row by row."""
        if x.ndim < 2:
            raise ValueError(f"x must have the shape (N, C, H, W), got {x.shape}")
        rows = np.moveaxis(x, 0, -1)  # the batch innermost: then nothing is copied
        return rows.reshape(math.prod(x.shape[1:]), len(x)).T

    def gradients(self, dy: Array, x: Array) -> tuple[Array, ...]:
        """Return the rows' gradients in the shape of the maps."""
        _args.same_shape("dy", dy, (len(x), math.prod(x.shape[1:])))
        return (np.moveaxis(dy.T.reshape(*x.shape[1:], len(x)), -1, 0),)


class Dropout(Layer):
    """A layer that, in training, sets each number to 0 with probability ``p``.

    The others grow by ``1 / (1 - p)``, so that the expected value stays; outside of training
    nothing changes.

    Parameters
    ----------
    p : float
        A probability, from 0 to 1.
    rng : int or numpy.random.Generator, optional
        What the choice is drawn with, when the call brings no generator.

    Raises
    ------
    ValueError, TypeError
        If ``p`` is not a probability, or ``rng`` not a generator or a seed.

    References
    ----------
    N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting",
    Journal of Machine Learning Research 15 (2014), 1929-1958.

    Examples
    --------
    >>> print(Dropout(0.5, rng=0)(np.ones(6), train=True))
    [0. 2. 2. 2. 0. 0.]
    """

    remembered = ("x", "mask")

    def __init__(self, p: float = 0.5, rng: Rng = None) -> None:
        super().__init__(p=_args.number("p", p, 0, 1, "a probability from 0 to 1"))
        self.rng = _args.generator(rng)
        self.mask: Array | None = None

    @_args.silent
    def __call__(self, x: ArrayLike, train: bool = False, rng: Rng = None) -> Array:
        """Return ``x``, thinned out if ``train``."""
        x = _args.numbers("x", x)
        generator = self.rng if rng is None else _args.generator(rng)
        train = _args.flag("train", train)
        self.x = x
        self.mask = None
        if not train:
            return x
        with _args.in_memory("x", x.shape):
            draw = generator.random(out=memory.empty(x.shape, np.float64))
        keep = 1 - self.options["p"]
        dtype = _args.floating(x)
        self.mask = np.less(draw, keep, out=memory.empty(x.shape, dtype))
        if keep:
            self.mask /= dtype.type(keep)
        return np.multiply(x, self.mask, out=memory.empty_like(x, dtype))

    def forward(self, x: Array) -> Array:
        """Return ``x``: outside of training, dropout does nothing."""
        return x

    @_args.silent
    def gradients(self, dy: Array, x: Array) -> tuple[Array, ...]:
        """Return the gradient through what was let through."""
        _args.same_shape("dy", dy, x.shape)
        if self.mask is None:
            return (dy,)
        out = memory.empty_like(dy, _args.floating(dy, self.mask))
        return (np.multiply(dy, self.mask, out=out),)
