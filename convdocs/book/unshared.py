"""A layer that is local and shares nothing: what a convolution is before its weights become one.

Each place of the output sees a window of the image, as in a convolution, but has kernels of its
own. No other library is missed by leaving it out, so it stands here and not among the layers.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .. import _args
from .._args import Array, Rng, Size
from ..layer import Layer
from ..windows import Window, batch_first, batch_last, must_fit, windows


class LocallyConnected2d(Layer):
    """A layer of windows with kernels of their own at each place.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the images, and numbers at each place of the output.
    kernel_size : int or pair of int
        Rows and columns that an output sees.
    image_size : int or pair of int
        Rows and columns of an image: they say how many places there are.
    stride : int or pair of int
        How far apart the windows of neighbouring outputs are.
    bias : bool
        Whether each output adds a number of its own.
    dtype : dtype
        Of the parameters, float32 or float64.
    rng : int or numpy.random.Generator, optional
        What the initial parameters are drawn with.

    Attributes
    ----------
    params : dict of str to ndarray
        ``'weight'`` of shape (oH * oW * out_channels, in_channels, kH, kW), a kernel for each
        output, place by place, and ``'bias'``, a number for each.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    Examples
    --------
    >>> layer = LocallyConnected2d(1, 8, kernel_size=5, image_size=32, stride=2, rng=0)
    >>> layer(np.zeros((3, 1, 32, 32), np.float32)).shape
    (3, 8, 14, 14)
    >>> layer.params["weight"].size + layer.params["bias"].size  # a convolution has 208
    40768
    """

    named = ("weight", "bias")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        image_size: Size,
        stride: Size = 1,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        C = _args.integer("in_channels", in_channels, 1)
        F = _args.integer("out_channels", out_channels, 1)
        kernel = _args.pair("kernel_size", kernel_size, 1)
        image = _args.pair("image_size", image_size, 1)
        steps = _args.pair("stride", stride, 1)
        must_fit("kernel_size", kernel, image)
        super().__init__(
            in_channels=C, out_channels=F, kernel_size=kernel, image_size=image, stride=steps
        )
        self.image = C, *image
        self.window = Window(kernel, steps, (1, 1))
        oH, oW = ((n - k) // s + 1 for n, k, s in zip(image, kernel, steps, strict=True))
        self.places = oH, oW, F
        shape = (oH * oW * F, C, *kernel)
        with _args.in_memory("out_channels, kernel_size and image_size", shape):
            self.draw_parameters(shape, bias, dtype, rng)

    @_args.silent
    def forward(self, x: Array) -> Array:
        """Return at each place the weighted sums of what its window sees."""
        patches = self._patches(self._laid(x))
        y = self._kernels() @ patches  # a product of matrices at each place
        if "bias" in self.params:
            y += self.params["bias"].reshape(*self.places, 1)
        return y.transpose(3, 2, 0, 1)

    @_args.silent
    def gradients(self, dy: Array, x: Array) -> tuple[Array, ...]:
        """Return the gradients for the images, the weight and the bias."""
        laid = self._laid(x)
        dy = self._by_places(dy, x)
        dpatches = self._kernels().swapaxes(2, 3) @ dy
        dlaid = np.zeros_like(laid, dtype=dpatches.dtype)
        dseen = windows(dlaid, self.window)
        oH, oW, _ = self.places
        dpatches = dpatches.reshape(oH, oW, *dseen.shape[:3], len(x)).transpose(2, 3, 4, 0, 1, 5)
        for u, v in np.ndindex(self.window.kernel):  # windows overlap: gradients add up
            dseen[:, u, v] += dpatches[:, u, v]
        return batch_first(dlaid), *self._for_parameters(dy, laid)

    @_args.silent
    def learn(self, dy: ArrayLike) -> None:
        """Set `grads`, and leave out the gradient for the images."""
        if not self.returns_as(LocallyConnected2d):
            super().learn(dy)
            return
        x = self.seen()
        dy = self._by_places(_args.numbers("dy", dy), x)
        self.set_grads(self._for_parameters(dy, self._laid(x)))

    def _for_parameters(self, dy: Array, laid: Array) -> list[Array]:
        """Return the gradients for the weight and the bias."""
        dweight = dy @ self._patches(laid).swapaxes(2, 3)
        grads = [dweight.reshape(self.params["weight"].shape)]
        if "bias" in self.params:
            grads.append(dy.sum(axis=3).ravel())
        return grads

    def _by_places(self, dy: Array, x: Array) -> Array:
        """Return the gradient for the output as at each place a matrix, an image a column."""
        oH, oW, F = self.places
        _args.same_shape("dy", dy, (len(x), F, oH, oW))
        return np.ascontiguousarray(dy.transpose(2, 3, 1, 0))

    def _laid(self, x: Array) -> Array:
        """Return images as (C, H, W, N), in the numbers to compute with."""
        x = _args.numbers("x", x, "N C H W")
        if x.shape[1:] != self.image:
            C, H, W = self.image
            raise ValueError(f"x must have the shape (N, {C}, {H}, {W}), got {x.shape}")
        return batch_last(x, _args.floating(x, self.params["weight"]))

    def _patches(self, laid: Array) -> Array:
        """Return at each place a matrix of what its window sees, an image a column."""
        seen = windows(laid, self.window).transpose(3, 4, 0, 1, 2, 5)  # (oH, oW, C, kH, kW, N)
        return seen.reshape(*seen.shape[:2], math.prod(seen.shape[2:5]), seen.shape[5])

    def _kernels(self) -> Array:
        """Return at each place a matrix of its kernels, one a row."""
        weight = self.params["weight"]
        return weight.reshape(*self.places, weight[0].size)
