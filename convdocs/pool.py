"""Pooling: one number for each window, its maximum or its average, channel by channel."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from . import _args
from ._args import Array, Size
from .layer import Layer, let_through
from .windows import (
    NO_BORDERS,
    Borders,
    Pair,
    Window,
    batch_first,
    batch_last,
    must_fit,
    windows,
)

MANY = 1 << 16  # positions in a window: a loop over more takes too long


def max_pool2d(
    x: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Array:
    """Return the largest number of each window.

    Parameters
    ----------
    x : array_like of shape (N, C, H, W)
        Images; the result has their dtype, integers included.
    kernel_size : int or pair of int
        Rows and columns of the window.
    stride : int or pair of int, optional
        The window's step; by default its size, so that windows tile the image.
    padding : int or pair of int
        Rows and columns of minus infinity at each border, at most half the window.
    dilation : int or pair of int
        The distance of neighbouring window positions, in pixels.
    ceil_mode : bool
        Keep a last window that only begins inside the image.

    Returns
    -------
    ndarray of shape (N, C, oH, oW)
        ``oH = floor((H + 2 padding - dilation (kH - 1) - 1) / stride) + 1``, rounded up in
        ``ceil_mode``, and ``oW`` alike.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    Examples
    --------
    >>> print(max_pool2d([[[[1, 2, 0, 0], [4, 3, 0, 5]]]], kernel_size=2))
    [[[[4 5]]]]
    """
    x, _, window, borders = _check(x, kernel_size, stride, padding, dilation, ceil_mode)
    seen = windows(batch_last(x, x.dtype, borders, _lowest(x.dtype)), window)
    return batch_first(_maxima(seen))


def max_pool2d_backward(
    dy: ArrayLike,
    x: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Array:
    """Return the gradient of `max_pool2d` for its input.

    Each window hands its gradient to its maximum; at a tie, to the first in row-major order.

    Parameters
    ----------
    dy : array_like of shape (N, C, oH, oW)
        The gradient of the loss for the output.
    x, kernel_size, stride, padding, dilation, ceil_mode
        As in the forward call.

    Returns
    -------
    ndarray of shape (N, C, H, W)

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    Examples
    --------
    >>> print(max_pool2d_backward([[[[10, 20]]]], [[[[1, 4, 5, 0], [4, 3, 0, 5]]]], 2))
    [[[[ 0. 10. 20.  0.]
       [ 0.  0.  0.  0.]]]]
    """
    x, _, window, borders = _check(x, kernel_size, stride, padding, dilation, ceil_mode)
    dy = _args.numbers("dy", dy, "N C oH oW")
    laid = batch_last(x, x.dtype, borders, _lowest(x.dtype))
    dlaid = np.zeros(laid.shape, _args.floating(dy, x))
    seen = windows(laid, window)
    dseen = windows(dlaid, window)
    _args.same_shape("dy", dy, (*x.shape[:2], *seen.shape[3:5]))
    dy = batch_last(dy, dlaid.dtype)
    y = _maxima(seen)
    inside = batch_last(np.ones_like(x[:1, :1], bool), bool, borders)
    real = windows(inside, window)
    if _wide(seen):
        _hand_to_maxima(dy, y, seen, real, dseen)
        return batch_first(dlaid, borders)
    spoilt = bool((y != y).any())
    waiting = np.ones(y.shape, bool)  # windows whose first maximum is yet to come
    for u, v in _positions(seen):
        pixel = seen[:, u, v]
        found = pixel == y
        if spoilt:
            found |= pixel != pixel  # a NaN is its window's maximum
        found &= waiting
        if borders != NO_BORDERS:
            found &= real[:, u, v]
        waiting ^= found
        dseen[:, u, v] += let_through(dy, found)
    return batch_first(dlaid, borders)


def avg_pool2d(
    x: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """Return the average of each window.

    Parameters
    ----------
    x : array_like of shape (N, C, H, W)
        Images. Integers are computed in float64.
    kernel_size, stride, padding, ceil_mode
        As for `max_pool2d`, but the padding is zeros.
    count_include_pad : bool
        Whether the padding's zeros count in the average.

    Returns
    -------
    ndarray of shape (N, C, oH, oW)

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    Examples
    --------
    >>> print(avg_pool2d([[[[1, 2, 0, 0], [4, 3, 0, 5]]]], kernel_size=2))
    [[[[2.5  1.25]]]]
    """
    x, slide, window, borders = _check(x, kernel_size, stride, padding, 1, ceil_mode)
    seen = windows(batch_last(x, _args.floating(x), borders), window)
    y = _sums(seen)
    y /= _counts(x, slide, seen, count_include_pad)
    return batch_first(y)


def avg_pool2d_backward(
    dy: ArrayLike,
    x: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """Return the gradient of `avg_pool2d` for its input.

    Each window spreads its gradient evenly over the numbers that it averaged.

    Parameters
    ----------
    dy : array_like of shape (N, C, oH, oW)
        The gradient of the loss for the output.
    x, kernel_size, stride, padding, ceil_mode, count_include_pad
        As in the forward call.

    Returns
    -------
    ndarray of shape (N, C, H, W)

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    Examples
    --------
    >>> print(avg_pool2d_backward([[[[4, 8]]]], np.ones((1, 1, 2, 4)), 2))
    [[[[1. 1. 2. 2.]
       [1. 1. 2. 2.]]]]
    """
    x, slide, window, borders = _check(x, kernel_size, stride, padding, 1, ceil_mode)
    dy = _args.numbers("dy", dy, "N C oH oW")
    dlaid = np.zeros_like(batch_last(x, _args.floating(dy, x), borders))
    dseen = windows(dlaid, window)
    _args.same_shape("dy", dy, (*x.shape[:2], *dseen.shape[3:5]))
    share = batch_last(dy, dlaid.dtype) / _counts(x, slide, dseen, count_include_pad)
    if _wide(dseen):
        for i, j in np.ndindex(*share.shape[1:3]):
            dseen[:, :, :, i, j] += share[:, None, None, i, j]
    else:
        for u, v in _positions(dseen):
            dseen[:, u, v] += share
    return batch_first(dlaid, borders)


class MaxPool2d(Layer):
    """A layer that keeps the largest number of each window.

    Parameters
    ----------
    kernel_size, stride, padding, dilation, ceil_mode
        As for `max_pool2d`.

    Examples
    --------
    >>> MaxPool2d(2)(np.ones((1, 3, 8, 8))).shape
    (1, 3, 4, 4)
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
    ) -> None:
        slide = _slide(kernel_size, stride, padding, dilation, ceil_mode)
        super().__init__(**slide._asdict())

    def forward(self, x: Array) -> Array:
        """Return the pooled maps."""
        return max_pool2d(x, **self.options)

    def gradients(self, dy: Array, x: Array) -> tuple[Array, ...]:
        """Return the gradient for the maps."""
        return (max_pool2d_backward(dy, x, **self.options),)


class AvgPool2d(Layer):
    """A layer that averages each window.

    Parameters
    ----------
    kernel_size, stride, padding, ceil_mode, count_include_pad
        As for `avg_pool2d`.

    Examples
    --------
    >>> AvgPool2d(2)(np.ones((1, 3, 8, 8))).shape
    (1, 3, 4, 4)
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        options = _slide(kernel_size, stride, padding, 1, ceil_mode)._asdict()
        del options["dilation"]  # there is no such argument
        options["count_include_pad"] = _args.flag("count_include_pad", count_include_pad)
        super().__init__(**options)

    def forward(self, x: Array) -> Array:
        """Return the pooled maps."""
        return avg_pool2d(x, **self.options)

    def gradients(self, dy: Array, x: Array) -> tuple[Array, ...]:
        """Return the gradient for the maps."""
        return (avg_pool2d_backward(dy, x, **self.options),)


class _Slide(NamedTuple):
    """How a window slides, each size (vertical, horizontal)."""

    kernel_size: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    ceil_mode: bool

    @property
    def span(self) -> Pair:
        """Rows and columns from the window's first pixel to its last."""
        return Window(self.kernel_size, self.stride, self.dilation).span


def _slide(
    kernel_size: Size, stride: Size | None, padding: Size, dilation: Size, ceil_mode: bool
) -> _Slide:
    """Check how a window slides, and write every size as a pair."""
    kernel = _args.pair("kernel_size", kernel_size, 1)
    slide = _Slide(
        kernel,
        kernel if stride is None else _args.pair("stride", stride, 1),
        _args.pair("padding", padding, 0),
        _args.pair("dilation", dilation, 1),
        _args.flag("ceil_mode", ceil_mode),
    )
    for p, span in zip(slide.padding, slide.span, strict=True):
        if p > span // 2:
            pixels = f"{span} pixel{'s' * (span > 1)}"
            need = f"at most half of what kernel_size spans (with dilation), here {pixels}"
            raise ValueError(f"padding must be {need}, got {_args.shown(padding)}")
    return slide


def _check(
    x: ArrayLike,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    dilation: Size,
    ceil_mode: bool,
) -> tuple[Array, _Slide, Window, Borders]:
    """Check the arguments; return images, how the window slides, and what is enough to compute.

    That is the part of the window that ever sees the image, and the borders to add for it: of a
    window that is much larger than the image, only as much as the image has pixels.
    """
    x = _args.numbers("x", x, "N C H W")
    if 0 in x.shape[2:]:
        raise ValueError(f"x must have pixels, got the shape {x.shape}")
    slide = _slide(kernel_size, stride, padding, dilation, ceil_mode)
    H, W = x.shape[2:]
    rows = _borders(slide, 0, H)
    columns = _borders(slide, 1, W)
    must_fit("kernel_size", slide.span, (H + sum(rows), W + sum(columns)))
    kH, rows = _part(slide, 0, H, rows)
    kW, columns = _part(slide, 1, W, columns)
    return x, slide, Window((kH, kW), slide.stride, slide.dilation), (rows, columns)


def _borders(slide: _Slide, axis: int, side: int) -> Pair:
    """Return the padding at both ends of an axis, with what the last window hangs over."""
    s, p = slide.stride[axis], slide.padding[axis]
    room = side + 2 * p - slide.span[axis]  # how far the window can travel
    left_over = room % s
    # In ceil_mode a last window may hang over the border, if it begins before it.
    hangs = slide.ceil_mode and left_over and room - left_over + s < side + p
    return p, p + s - left_over if hangs else p


def _part(slide: _Slide, axis: int, side: int, borders: Pair) -> tuple[int, Pair]:
    """Return how many positions in a window see the image at all, and the borders for these."""
    k, s, d = slide.kernel_size[axis], slide.stride[axis], slide.dilation[axis]
    before, after = borders
    room = before + side + after - slide.span[axis]
    # Even the last window sees nothing by the positions before this one, and the first by those
    # behind that one.
    first = max(0, before - room // s * s) // d
    last = min(k - 1, math.ceil((before + side - 1) / d))
    return last - first + 1, (before - first * d, after - (k - 1 - last) * d)


def _positions(seen: Array) -> Iterator[tuple[int, ...]]:
    """Return the positions in a window, row by row; none if there is no image."""
    return np.ndindex(*(seen.shape[1:3] if seen.size else (0, 0)))


def _maxima(seen: Array) -> Array:
    """Return the maximum of each window."""
    if _wide(seen):
        return _by_window(np.max, seen)
    y = seen[:, 0, 0].copy()
    for u, v in _positions(seen):
        if u or v:
            np.maximum(y, seen[:, u, v], out=y)
    return y


def _sums(seen: Array) -> Array:
    """Return the sum of each window."""
    if _wide(seen):
        return _by_window(np.sum, seen)
    y = np.zeros(seen[:, 0, 0].shape, seen.dtype)
    for u, v in _positions(seen):
        y += seen[:, u, v]
    return y


def _wide(seen: Array) -> bool:
    """Tell whether windows are few and have so many positions that each is looked at by itself."""
    _, kH, kW, oH, oW, _ = seen.shape
    return seen.size > 0 and kH * kW > max(MANY, oH * oW)


def _by_window(function: Callable[..., Array], seen: Array) -> Array:
    """Return what a function makes of each window."""
    y = np.empty(seen[:, 0, 0].shape, seen.dtype)
    for i, j in np.ndindex(*y.shape[1:3]):
        y[:, i, j] = function(seen[:, :, :, i, j], axis=(1, 2))
    return y


def _hand_to_maxima(dy: Array, y: Array, seen: Array, real: Array, dseen: Array) -> None:
    """Add the gradient of each window to that of its first maximum."""
    C, kH, kW, oH, oW, N = seen.shape
    channels, images = np.indices((C, N))
    for i, j in np.ndindex(oH, oW):
        pixels = seen[:, :, :, i, j]
        found = (pixels == y[:, None, None, i, j]) | (pixels != pixels)  # a NaN is a maximum
        found &= real[:, :, :, i, j]
        u, v = np.divmod(found.reshape(C, kH * kW, N).argmax(axis=1), kW)
        dseen[channels, u, v, i, j, images] += dy[:, i, j]


def _lowest(dtype: np.dtype[Any]) -> Any:
    """Return a number that no other number of this type is below: the padding of a maximum."""
    if dtype.kind == "f":
        return -np.inf
    return False if dtype.kind == "b" else np.iinfo(dtype).min


def _counts(x: Array, slide: _Slide, seen: Array, count_include_pad: bool) -> Array:
    """Return how many numbers each window averages, (1, oH, oW, 1)."""
    # Padding counts if asked for. What ceil_mode hangs over the border never does.
    padded = _args.flag("count_include_pad", count_include_pad)
    if seen.size == 0:  # no images, however large they would be
        return np.ones((1, 1, 1, 1), seen.dtype)
    counts = []
    for axis in (0, 1):
        side, p = x.shape[2 + axis], slide.padding[axis]
        begins = np.arange(seen.shape[3 + axis]) * slide.stride[axis] - p
        ends = begins + slide.kernel_size[axis]
        low, high = (-p, side + p) if padded else (0, side)
        counts.append(np.minimum(ends, high) - np.maximum(begins, low))
    rows, columns = counts
    return np.multiply.outer(rows, columns)[None, :, :, None].astype(seen.dtype)
