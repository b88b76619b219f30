"""Transposed convolution: the backward pass of a convolution for its images, used forward.

A convolution gathers: each place of its output sums what a kernel meets. This one spreads: each
place of its input, times the kernel, is added to a patch of the output, which therefore grows::

    y[n, f, i s + u d - p, j s + v d - p]  +=  w[c, f, u, v] x[n, c, i, j]

with stride s, padding p and dilation d. Its own backward pass is a convolution.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from . import _args, memory
from ._args import Array, Rng, Size
from .layer import Layer
from .patches import correlate_and_collect, spread
from .windows import Borders, Pair, Patch, Window, batch_first, batch_last, windows


def conv_transpose2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Array:
    """Add kernels up, each times the number at its place: `conv2d` backward, used forward.

    Parameters
    ----------
    x : array_like of shape (N, C, H, W)
        Images. Integers are computed in float64.
    weight : array_like of shape (C, F / groups, kH, kW)
        Kernels, for each input channel one for each output channel of its group. A convolution
        from F to C channels has weights of this shape.
    bias : array_like of shape (F,), optional
        A number to add to each output channel.
    stride : int or pair of int
        The distance in the output between neighbouring pixels of the input.
    padding : int or pair of int
        Rows and columns that are cut off at each border of the output.
    output_padding : int or pair of int
        Rows to add at the bottom and columns at the right, fewer than the stride or the dilation:
        with a stride, `conv2d` makes the same size of images of several sizes, and this says which
        of them to go back to.
    groups : int
        Channels and kernels fall into this many groups, each blind to the others.
    dilation : int or pair of int
        The distance of neighbouring kernel positions, in pixels.

    Returns
    -------
    ndarray of shape (N, F, oH, oW)
        ``oH = (H - 1) stride - 2 padding + dilation (kH - 1) + output_padding + 1``, ``oW`` alike.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    References
    ----------
    V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", 2016,
    arXiv:1603.07285.

    Examples
    --------
    >>> print(conv_transpose2d([[[[1, 10]]]], [[[[1, 2, 3]]]], stride=(1, 2)))
    [[[[ 1.  2. 13. 20. 30.]]]]
    """
    how = _how(stride, padding, output_padding, groups, dilation)
    return _forward(x, weight, bias, how)


def conv_transpose2d_backward(
    dy: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> tuple[Array, Array, Array]:
    """Return the gradients of `conv_transpose2d` for its input, weight and bias.

    That for the input is ``conv2d(dy, weight, None, stride, padding, dilation, groups)``, if the
    output padding is smaller than the stride.

    Parameters
    ----------
    dy : array_like of shape (N, F, oH, oW)
        The gradient of the loss for the output.
    x, weight, stride, padding, output_padding, groups, dilation
        As in the forward call.

    Returns
    -------
    dx : ndarray of shape (N, C, H, W)
    dweight : ndarray of shape (C, F / groups, kH, kW)
    dbias : ndarray of shape (F,)

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    Examples
    --------
    >>> dx, dweight, dbias = conv_transpose2d_backward([[[[1, 10]]]], [[[[3]]]], [[[[4, 5]]]])
    >>> print(dx, dweight, dbias)
    [[[[54.]]]] [[[[ 3. 30.]]]] [11.]
    """
    return _backward(dy, x, weight, _how(stride, padding, output_padding, groups, dilation))


class ConvTranspose2d(Layer):
    """A layer of kernels that spreads: `conv_transpose2d` with a weight and a bias of its own.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input, and of the output.
    kernel_size : int or pair of int
        Rows and columns of a kernel.
    stride, padding, output_padding, groups
        As for `conv_transpose2d`.
    bias : bool
        Whether each output channel adds a number of its own.
    dilation : int or pair of int
        As for `conv_transpose2d`.
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
    >>> layer = ConvTranspose2d(4, 2, kernel_size=2, stride=2, rng=0)
    >>> layer(np.ones((3, 4, 8, 8), np.float32)).shape
    (3, 2, 16, 16)
    """

    named = ("weight", "bias")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        C = _args.integer("in_channels", in_channels, 1)
        F = _args.integer("out_channels", out_channels, 1)
        kernel = _args.pair("kernel_size", kernel_size, 1)
        self.how = _how(stride, padding, output_padding, groups, dilation)
        groups = self.how.groups
        _args.in_groups(groups, in_channels=C, out_channels=F)
        super().__init__(in_channels=C, out_channels=F, kernel_size=kernel, **self.how._asdict())
        shape = (C, F // groups, *kernel)
        with _args.in_memory("in_channels, out_channels and kernel_size", shape):
            self.draw_parameters(shape, bias, dtype, rng, outputs=F)

    def forward(self, x: Array) -> Array:
        """Return the larger feature maps."""
        return _forward(x, self.params["weight"], self.params.get("bias"), self.how)

    def gradients(self, dy: Array, x: Array) -> tuple[Array, ...]:
        """Return the gradients for the maps, the weight and the bias."""
        dx, dweight, dbias = _backward(dy, x, self.params["weight"], self.how)
        return (dx, dweight, dbias) if "bias" in self.params else (dx, dweight)

    def sees(self, patch: Patch) -> Patch:
        """Return the patch of the input behind one of the output: a stride makes it smaller."""
        stride, dilation = self.how.stride, self.how.dilation
        sizes = self.options["kernel_size"], stride, dilation, self.how.padding
        rows, columns = map(_reaching, patch, *sizes)
        return rows, columns

    def phases(self) -> int:
        """Return after how many places other rows and columns of kernels meet again."""
        return math.lcm(*self.how.stride)

    def macs(self, x: Array, y: Array) -> int:
        """Return the multiply-accumulates: of each number of the input, those of its kernels."""
        weight = self.params["weight"]
        return weight.size // len(weight) * int(np.prod(x.shape[1:]))


def _reaching(patch: Pair, k: int, s: int, d: int, p: int) -> Pair:
    """Return the first and the last pixel of an axis that reach some of the output's."""
    first, last = patch[0] + p, patch[1] + p
    # Position u of the kernel leads pixel i to place s i + d u.
    ranges = [(-((d * u - first) // s), (last - d * u) // s) for u in range(k)]
    found = [(low, high) for low, high in ranges if low <= high] or [(0, -1)]
    return min(low for low, _ in found), max(high for _, high in found)


class _How(NamedTuple):
    """How kernels are spread; each size is (vertical, horizontal)."""

    stride: Pair
    padding: Pair
    output_padding: Pair
    groups: int
    dilation: Pair


@_args.silent
def _forward(x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None, how: _How) -> Array:
    """Return the output of `conv_transpose2d`."""
    x, w, window, sides, borders = _set_up(x, weight, how)
    F = w.shape[1] * how.groups
    b = _args.biases(bias, F)
    dtype = _args.floating(x, w, b)
    laid = batch_last(x, dtype)
    y = spread(laid, w, window, how.groups, sides, borders, _asking(how))
    if b is not None:
        y += b.reshape(F, 1, 1, 1)
    return batch_first(y)


def _asking(how: _How) -> str:
    """Name the arguments that make the output large."""
    large = {
        "weight": True,
        "stride": max(how.stride) > 1,
        "output_padding": max(how.output_padding) > 0,
        "dilation": max(how.dilation) > 1,
    }
    *names, last = (name for name, asks in large.items() if asks)
    return f"{', '.join(['x', *names])} and {last}"


@_args.silent
def _backward(
    dy: ArrayLike, x: ArrayLike, weight: ArrayLike, how: _How
) -> tuple[Array, Array, Array]:
    """Return the gradients of `conv_transpose2d`: what `conv2d` does to ``dy``."""
    x, w, window, sides, borders = _set_up(x, weight, how)
    H, W = x.shape[2:]
    dy = _args.numbers("dy", dy, "N F oH oW")
    (top, bottom), (left, right) = borders
    oH, oW = sides[0] - top - bottom, sides[1] - left - right
    _args.same_shape("dy", dy, (len(x), w.shape[1] * how.groups, oH, oW))
    dtype = _args.floating(dy, x, w)
    laid = batch_last(dy, dtype, borders)
    seen = windows(laid, window)[:, :, :, :H, :W]
    dx, dw = correlate_and_collect(batch_last(x, dtype), seen, w, how.groups)
    # Borders are zeros. A map's sums come side by side, else they would be added one by one.
    return batch_first(dx), dw, memory.copy(laid.sum(axis=(2, 3))).sum(axis=1)


def _set_up(
    x: ArrayLike, weight: ArrayLike, how: _How
) -> tuple[Array, Array, Window, Pair, Borders]:
    """Check the arrays; return images, kernels, their window, and how large the output is.

    That is its height and width before anything is cut off, and then what is.
    """
    x = _args.numbers("x", x, "N C H W")
    w = _args.numbers("weight", weight, "C F kH kW")
    if w.size == 0:
        raise ValueError(f"weight must hold a number, got shape {w.shape}")
    if len(w) % how.groups:
        need = f"kernels for a multiple of groups={how.groups} channels"
        raise ValueError(f"weight must have {need}, got {len(w)}")
    if x.shape[1] != len(w):
        need = f"{len(w)} channels (weight.shape[0])"
        raise ValueError(f"x must have {need}, got {x.shape[1]} in shape {x.shape}")
    if 0 in x.shape[2:]:
        raise ValueError(f"x must have at least one pixel, got shape {x.shape}")
    window = Window((w.shape[2], w.shape[3]), how.stride, how.dilation)
    height, width = (
        (n - 1) * s + span + more
        for n, s, span, more in zip(
            x.shape[2:], window.stride, window.span, how.output_padding, strict=True
        )
    )
    pH, pW = how.padding
    if height <= 2 * pH or width <= 2 * pW:
        need = f"padding must leave something of an output of {height} x {width}"
        raise ValueError(f"{need}, got {how.padding}")
    return x, w, window, (height, width), ((pH, pH), (pW, pW))


def _how(stride: Size, padding: Size, output_padding: Size, groups: int, dilation: Size) -> _How:
    """Check how kernels are spread, and write every size as a pair."""
    steps = _args.pair("stride", stride, 1)
    pads = _args.pair("padding", padding, 0)
    more = _args.pair("output_padding", output_padding, 0)
    number = _args.integer("groups", groups, 1)
    apart = _args.pair("dilation", dilation, 1)
    for added, step, distance in zip(more, steps, apart, strict=True):
        if added >= max(step, distance):
            need = f"output_padding must be smaller than stride {steps} or dilation {apart}"
            raise ValueError(f"{need}, got {_args.shown(output_padding)}")
    return _How(steps, pads, more, number, apart)
