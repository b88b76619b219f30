"""Convolution, in deep learning's sense of the word: cross-correlation with learned kernels.

The whole module is one equation::

    y[n, f, i, j] = b[f] + sum over c, u, v of w[f, c, u, v] x[n, c, i s + u d - p, j s + v d - p]

with stride s, padding p and dilation d. Laid side by side, the patches of ``x`` are the columns of
a matrix; then the sum over (c, u, v) is one matrix product, forward and backward.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from . import _args
from ._args import Array, Rng, Size
from .layer import Layer
from .patches import collect, correlate, spread
from .windows import (
    NO_BORDERS,
    Borders,
    Window,
    batch_first,
    batch_last,
    must_fit,
    same_borders,
    windows,
)


def conv2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Array:
    """Slide kernels over images; each place of the output is the weighted sum of its patch.

    Parameters
    ----------
    x : array_like of shape (N, C, H, W)
        Images. Integers are computed in float64.
    weight : array_like of shape (F, C / groups, kH, kW)
        Kernels; they are not flipped (cross-correlation).
    bias : array_like of shape (F,), optional
        A number to add to each output channel.
    stride : int or pair of int
        The kernel's step, in pixels.
    padding : int, pair of int, 'valid' or 'same'
        Rows and columns of zeros at each border. ``'same'`` keeps the size (stride 1 only); an odd
        one goes to the bottom and the right.
    dilation : int or pair of int
        The distance of neighbouring kernel positions, in pixels.
    groups : int
        Channels and kernels fall into this many groups, each blind to the others.

    Returns
    -------
    ndarray of shape (N, F, oH, oW)
        ``oH = floor((H + 2 padding - dilation (kH - 1) - 1) / stride) + 1``, and ``oW`` alike.

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
    >>> image = [[[[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]]]]
    >>> print(conv2d(image, [[[[-1, 1], [-1, 1]]]]))
    [[[[0. 2. 0.]
       [0. 2. 0.]]]]
    """
    return _forward(x, weight, bias, _slide(stride, padding, dilation, groups, axes=2))


def conv2d_backward(
    dy: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> tuple[Array, Array, Array]:
    """Return the gradients of `conv2d` for its input, weight and bias.

    Parameters
    ----------
    dy : array_like of shape (N, F, oH, oW)
        The gradient of the loss for the output.
    x, weight, stride, padding, dilation, groups
        As in the forward call.

    Returns
    -------
    dx : ndarray of shape (N, C, H, W)
    dweight : ndarray of shape (F, C / groups, kH, kW)
    dbias : ndarray of shape (F,)

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    Examples
    --------
    >>> dx, dweight, dbias = conv2d_backward([[[[1, 10]]]], [[[[1, 2, 3]]]], [[[[4, 5]]]])
    >>> print(dx, dweight, dbias)
    [[[[ 4. 45. 50.]]]] [[[[21. 32.]]]] [11.]
    """
    slide = _slide(stride, padding, dilation, groups, axes=2)
    dx, dweight, dbias = _backward(dy, x, weight, slide)
    assert dx is not None
    assert dbias is not None
    return dx, dweight, dbias


def conv1d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: int | tuple[int] = 1,
    padding: int | tuple[int] | str = 0,
    dilation: int | tuple[int] = 1,
    groups: int = 1,
) -> Array:
    """Slide kernels over signals: `conv2d` on images of one row.

    Parameters
    ----------
    x : array_like of shape (N, C, L)
        Signals.
    weight : array_like of shape (F, C / groups, k)
        Kernels; they are not flipped (cross-correlation).
    bias, stride, padding, dilation, groups
        As for `conv2d`, along the one axis: a size is an integer or a tuple of one.

    Returns
    -------
    ndarray of shape (N, F, oL)

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    Examples
    --------
    >>> print(conv1d([[[1, 2, 4, 8]]], [[[-1, 1]]]))
    [[[1. 2. 4.]]]
    """
    slide = _slide(stride, padding, dilation, groups, axes=1)
    x, w = _checked(x, weight, slide)
    (step,), (apart,) = slide.stride, slide.dilation
    border = slide.padding if isinstance(slide.padding, str) else (0, slide.padding[0])
    y = conv2d(x[:, :, None], w[:, :, None], bias, (1, step), border, (1, apart), slide.groups)
    return y[:, :, 0]


class Conv2d(Layer):
    """A layer of kernels to learn: `conv2d` with a weight and a bias of its own.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input, and of the output: the number of kernels.
    kernel_size : int or pair of int
        Rows and columns of a kernel.
    stride, padding, dilation, groups
        As for `conv2d`.
    bias : bool
        Whether each output channel adds a number of its own.
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
    >>> layer = Conv2d(1, 4, kernel_size=3, padding=1, rng=0)
    >>> layer(np.ones((2, 1, 8, 8), np.float32)).shape
    (2, 4, 8, 8)
    """

    named = ("weight", "bias")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        C = _args.integer("in_channels", in_channels, 1)
        F = _args.integer("out_channels", out_channels, 1)
        kernel = _args.pair("kernel_size", kernel_size, 1)
        self.slide = _slide(stride, padding, dilation, groups, axes=2)
        groups = self.slide.groups
        _args.in_groups(groups, in_channels=C, out_channels=F)
        super().__init__(in_channels=C, out_channels=F, kernel_size=kernel, **self.slide._asdict())
        shape = (F, C // groups, *kernel)
        with _args.in_memory("in_channels, out_channels and kernel_size", shape):
            self.draw_parameters(shape, bias, dtype, rng)

    def forward(self, x: Array) -> Array:
        """Return the feature maps of images."""
        return _forward(x, self.params["weight"], self.params.get("bias"), self.slide)

    def gradients(self, dy: Array, x: Array) -> tuple[Array, ...]:
        """Return the gradients for the images, the weight and the bias."""
        weight, to_bias = self.params["weight"], "bias" in self.params
        found = _backward(dy, x, weight, self.slide, to_bias=to_bias)
        return tuple(gradient for gradient in found if gradient is not None)

    def learn(self, dy: ArrayLike) -> None:
        """Set `grads`, and leave out the gradient for the images."""
        if not self.returns_as(Conv2d):
            super().learn(dy)
            return
        weight, to_bias = self.params["weight"], "bias" in self.params
        found = _backward(dy, self.seen(), weight, self.slide, False, to_bias)
        self.set_grads([gradient for gradient in found if gradient is not None])


class _Slide(NamedTuple):
    """How kernels slide: a size for each axis, unless the padding has a name."""

    stride: tuple[int, ...]
    padding: tuple[int, ...] | str
    dilation: tuple[int, ...]
    groups: int


@_args.silent
def _forward(x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None, slide: _Slide) -> Array:
    """Return the output of `conv2d`."""
    x, w, window, borders = _set_up(x, weight, slide)
    b = _args.biases(bias, len(w))
    dtype = _args.floating(x, w, b)
    seen = windows(batch_last(x, dtype, borders), window)
    return batch_first(correlate(seen, w, slide.groups, b))


@_args.silent
def _backward(
    dy: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    slide: _Slide,
    to_images: bool = True,
    to_bias: bool = True,
) -> tuple[Array | None, Array, Array | None]:
    """Return the gradients of `conv2d`; the images' one, half of the work, only if asked for."""
    x, w, window, borders = _set_up(x, weight, slide)
    dy = _args.numbers("dy", dy, "N F oH oW")
    dtype = _args.floating(dy, x, w)
    seen = windows(batch_last(x, dtype, borders), window)
    _args.same_shape("dy", dy, (len(x), len(w), *seen.shape[3:5]))
    dy = batch_last(dy, dtype)
    dw = collect(dy, seen, slide.groups)
    dx = None
    if to_images:
        sides = x.shape[2] + sum(borders[0]), x.shape[3] + sum(borders[1])
        dx = batch_first(spread(dy, w, window, slide.groups, sides, borders))
    return dx, dw, dy.reshape(len(dy), -1).sum(axis=1) if to_bias else None


def _set_up(x: ArrayLike, weight: ArrayLike, slide: _Slide) -> tuple[Array, Array, Window, Borders]:
    """Check the arrays; return images, kernels, their window, and borders to add."""
    x, w = _checked(x, weight, slide)
    (kH, kW), (sH, sW), (dH, dW) = w.shape[2:], slide.stride, slide.dilation
    window = Window((kH, kW), (sH, sW), (dH, dW))
    if slide.padding == "same":
        borders = same_borders(window.kernel, window.dilation)
    elif isinstance(slide.padding, str):
        borders = NO_BORDERS
    else:
        pH, pW = slide.padding
        borders = (pH, pH), (pW, pW)
    return x, w, window, borders


def _checked(x: ArrayLike, weight: ArrayLike, slide: _Slide) -> tuple[Array, Array]:
    """Check arrays with as many axes beside N and C as kernels slide along."""
    axes = len(slide.stride)
    x = _args.numbers("x", x, "N C H W" if axes == 2 else "N C L")
    w = _args.numbers("weight", weight, "F C kH kW" if axes == 2 else "F C k")
    groups = slide.groups
    if w.size == 0:
        raise ValueError(f"weight must hold a number, got shape {w.shape}")
    if len(w) % groups:
        raise ValueError(f"weight must have a multiple of groups={groups} kernels, got {len(w)}")
    if x.shape[1] != w.shape[1] * groups:
        need = f"{w.shape[1] * groups} channels (weight.shape[1] * groups)"
        raise ValueError(f"x must have {need}, got {x.shape[1]} in shape {x.shape}")
    span = [d * (k - 1) + 1 for k, d in zip(w.shape[2:], slide.dilation, strict=True)]
    if slide.padding == "same":
        both_ends = [k - 1 for k in span]
    elif isinstance(slide.padding, str):
        both_ends = [0] * axes
    else:
        both_ends = [2 * p for p in slide.padding]
    must_fit("weight", span, [n + p for n, p in zip(x.shape[2:], both_ends, strict=True)])
    return x, w


def _slide(
    stride: Size | tuple[int],
    padding: Size | tuple[int] | str,
    dilation: Size | tuple[int],
    groups: int,
    axes: int,
) -> _Slide:
    """Check how kernels slide, and write every size as one for each axis."""
    steps = _args.sizes("stride", stride, 1, axes)
    if not isinstance(padding, str):
        pads = _args.sizes("padding", padding, 0, axes)
    elif padding not in ("valid", "same"):
        need = "padding must be a size, 'valid' or 'same'"
        raise ValueError(f"{need}, got {_args.shown(padding)}")
    elif padding == "same" and set(steps) != {1}:
        raise ValueError(f"stride must be 1 with padding='same', got {_args.shown(stride)}")
    return _Slide(
        steps,
        padding if isinstance(padding, str) else pads,
        _args.sizes("dilation", dilation, 1, axes),
        _args.integer("groups", groups, 1),
    )
