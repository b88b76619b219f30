"""Batch normalisation: each channel brought to mean 0 and variance 1, then scaled and shifted.

With the mean and the variance of channel c over a batch's images and places, or outside of
training their running means, the layer returns::

    y[n, c, i, j] = weight[c] xhat[n, c, i, j] + bias[c]
    xhat[n, c, i, j] = (x[n, c, i, j] - mean[c]) / sqrt(var[c] + eps)
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from . import _args, memory
from ._args import Array, Rng
from ._unbroken import unbroken
from .layer import Layer, new_array
from .windows import batch_first, batch_last

AXES = (0, 2, 3)  # images, rows and columns: what a channel's mean is over
SINGLE = np.finfo(np.float32)  # the narrower of the two kinds of parameters


class BatchNorm2d(Layer):
    """A layer that normalises each channel over the batch; formulas and defaults are PyTorch's.

    In training the statistics are those of the batch, and each call moves the running ones, in
    ``buffers``, a little towards them. Outside of training the running ones are used, so that the
    result for an image does not depend on its batch.

    Parameters
    ----------
    num_features : int
        Channels of the input.
    eps : float
        A small number that keeps the division safe: at least the smallest normal one of float32.
    momentum : float
        The share of a new batch in the running statistics, from 0 to 1.
    dtype : dtype
        Of the parameters and the running statistics, float32 or float64. Nothing is drawn: weights
        begin as 1 and biases as 0.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    References
    ----------
    S. Ioffe and C. Szegedy, "Batch normalization: accelerating deep network training by reducing
    internal covariate shift", ICML 2015, arXiv:1502.03167.

    Examples
    --------
    >>> x = np.array([1.0, 3.0]).reshape(2, 1, 1, 1)
    >>> layer = BatchNorm2d(1, dtype=float)
    >>> print(layer(x, train=True).ravel().round(3), layer.buffers["running_mean"])
    [-1.  1.] [0.2]
    """

    remembered = ("x", "used")
    named = ("weight", "bias")

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        dtype: DTypeLike = np.float32,
    ) -> None:
        C = _args.integer("num_features", num_features, 1)
        least, largest = float(SINGLE.tiny), float(SINGLE.max)
        eps = _args.number("eps", eps, least, largest, "a finite number above 0")
        share = _args.number("momentum", momentum, 0, 1, "a number from 0 to 1")
        kind = _args.parameter_dtype(dtype)
        super().__init__(num_features=C, eps=eps, momentum=share, dtype=kind.name)
        ones = functools.partial(np.ones, dtype=kind)
        zeros = functools.partial(np.zeros, dtype=kind)
        with _args.in_memory("num_features", (C,)):
            new_array((4, C), kind, zeros)  # refused at once, not half way
            for name, make in ("weight", ones), ("bias", zeros):
                self.params[name] = new_array((C,), kind, make)
            for name, make in ("running_mean", zeros), ("running_var", ones):
                self.buffers[name] = new_array((C,), kind, make)
        self.buffers["num_batches_tracked"] = np.zeros((), np.int64)
        self.used: tuple[Array, Array] | None = None  # mean and variance of the last call
        self.trained = False  # whether they came from the batch itself

    @_args.silent
    def __call__(self, x: ArrayLike, train: bool = False, rng: Rng = None) -> Array:
        """Return ``x`` normalised: by the batch if ``train``, else by the running statistics."""
        x = self._check(x)
        n = x.size // x.shape[1]
        train = _args.flag("train", train) and n > 0  # no numbers have no statistics
        if rng is not None:
            _args.generator(rng)
        if train and n < 2:
            need = "x must have at least two numbers in each channel to train"
            raise ValueError(f"{need}, got the shape {x.shape}")
        mean = x.mean(axis=AXES) if train else self._running("mean").copy()
        centred = _centred(x, mean)
        if train:
            var = np.square(centred, out=memory.empty_like(x)).mean(axis=AXES)
            self._follow(mean, var * (n / (n - 1)))
        else:
            var = self._running("var").copy()
        self.x = x
        self.used = mean, var
        self.trained = train
        return self._scaled(centred, var)

    @_args.silent
    def forward(self, x: Array) -> Array:
        """Return ``x`` normalised by the running statistics, as outside of training."""
        return self._scaled(_centred(self._check(x), self._running("mean")), self._running("var"))

    @_args.silent
    def gradients(self, dy: Array, x: Array) -> tuple[Array, ...]:
        """Return the gradients for the maps, the weight and the bias.

        In training, mean and variance depend on every number of the channel. That takes from the
        gradient its mean, and the part of it that is in proportion to ``xhat``.
        """
        _args.same_shape("dy", dy, x.shape)
        assert self.used is not None
        mean, var = self.used
        centred = _centred(x, mean)
        dy = batch_first(batch_last(dy, _args.floating(dy, centred)))
        dx = np.multiply(dy, centred, out=memory.empty_like(x, dy.dtype))
        deviation = np.sqrt(var + self.options["eps"])
        dbias, dweight = dy.sum(axis=AXES), dx.sum(axis=AXES) / deviation
        scale = _of_channels(self.params["weight"] / deviation)
        if not self.trained:
            return np.multiply(dy, scale, out=dx), dweight, dbias
        n = x.size // x.shape[1]
        np.subtract(dy, _of_channels(dbias / n), out=dx)
        centred *= _of_channels(dweight / deviation / n)
        dx -= centred
        dx *= scale
        return dx, dweight, dbias

    def least_images(self, x: Array) -> int:
        """Return 2 if an image has one number in each channel: one alone has no variance."""
        return 2 if x[0, 0].size == 1 else 1

    def _running(self, name: str) -> Array:
        """Return the live running statistic of this name."""
        return self.buffers[f"running_{name}"]

    def _follow(self, mean: Array, var: Array) -> None:
        """Move the running statistics towards those of a batch.

        The variance is the unbiased one, as in PyTorch: divided by n - 1 and not by n.
        """
        share = self.options["momentum"]
        with unbroken():
            for name, new in ("mean", mean), ("var", var):
                running = self._running(name)
                running[...] = (1 - share) * running + share * new
            self.buffers["num_batches_tracked"] += 1

    def _scaled(self, centred: Array, var: Array) -> Array:
        """Turn ``x`` less its mean into ``y``, where it lies."""
        centred *= _of_channels(self.params["weight"] / np.sqrt(var + self.options["eps"]))
        centred += _of_channels(self.params["bias"])
        return centred

    def _check(self, x: ArrayLike) -> Array:
        """Check the input; return it in the dtype to compute in."""
        array = _args.numbers("x", x, "N C H W")
        C = self.options["num_features"]
        if array.shape[1] != C:
            need = f"{C} channels (num_features)"
            raise ValueError(f"x must have {need}, got {array.shape[1]} in shape {array.shape}")
        running = {f"running_{name}": self._running(name) for name in ("mean", "var")}
        for name, each in {**self.params, **running}.items():
            if _args.numbers(name, each).shape != (C,):
                need = f"{name} must have the shape ({C},), one number a channel"
                raise ValueError(f"{need}, got {np.shape(each)}")
        dtype = _args.floating(array, *map(np.asarray, self.params.values()))
        # In this order a channel's numbers are neighbours, and their sums are exact for longer.
        return batch_first(batch_last(array, dtype))


def _centred(x: Array, mean: Array) -> Array:
    """Return ``x`` less the mean of its channel, in memory of its own."""
    return np.subtract(x, _of_channels(mean), out=memory.empty_like(x))


def _of_channels(numbers: Array) -> Array:
    """Return one number for each channel in the shape that meets (N, C, H, W)."""
    return numbers.reshape(-1, 1, 1)
