"""Pooling: one number for each window, its maximum or its average, channel by channel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from . import _args, memory
from ._args import Array, Rng, Size
from .layer import Layer, shut
from .windows import (
    NO_BORDERS,
    Borders,
    Pair,
    Window,
    batch_first,
    batch_last,
    ends,
    must_fit,
    that_sees,
    tile,
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
        Keep a last window that begins inside the image, or in the padding before it, and ends
        outside.

    Returns
    -------
    ndarray of shape (N, C, oH, oW)
        ``oH = floor((H + 2 padding - dilation (kH - 1) - 1) / stride) + 1``, rounded up in
        ``ceil_mode`` unless that window would begin behind the image, and ``oW`` alike.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    Examples
    --------
    >>> print(max_pool2d([[[[1, 2, 0, 0], [4, 3, 0, 5]]]], kernel_size=2))
    [[[[4 5]]]]
    """
    checked = _check(x, _slide(kernel_size, stride, padding, dilation, ceil_mode))
    return batch_first(_maxima(_seen(*checked)))


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
    checked = _check(x, _slide(kernel_size, stride, padding, dilation, ceil_mode))
    return _to_maxima(dy, *checked, _winners(*checked))


@_args.silent
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
    slide = _slide(kernel_size, stride, padding, 1, ceil_mode)
    x, window, borders = _check(x, slide)
    seen = windows(batch_last(x, _args.floating(x), borders), window)
    y = _sums(seen)
    y /= _counts(x, slide, seen, count_include_pad)
    return batch_first(y)


@_args.silent
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
    slide = _slide(kernel_size, stride, padding, 1, ceil_mode)
    x, window, borders = _check(x, slide)
    dy = _args.numbers("dy", dy, "N C oH oW")
    dlaid, dseen, tiles = _blank(x, _args.floating(dy, x), window, borders)
    _args.same_shape("dy", dy, (*x.shape[:2], *dseen.shape[3:5]))
    share = memory.empty(dseen[:, 0, 0].shape, dlaid.dtype)
    np.divide(batch_last(dy, share.dtype), _counts(x, slide, dseen, count_include_pad), out=share)
    if _wide(dseen):
        for i, j in np.ndindex(*share.shape[1:3]):
            dseen[:, :, :, i, j] += share[:, None, None, i, j]
    else:
        for u, v in _positions(dseen):
            np.add(0 if tiles else dseen[:, u, v], share, out=dseen[:, u, v])
    return batch_first(dlaid, borders)


class MaxPool2d(Layer):
    """A layer that keeps the largest number of each window.

    Parameters
    ----------
    kernel_size, stride, padding, dilation, ceil_mode
        As for `max_pool2d`.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    Examples
    --------
    >>> MaxPool2d(2)(np.ones((1, 3, 8, 8))).shape
    (1, 3, 4, 4)
    """

    remembered = ("x", "winners")

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
    ) -> None:
        self.slide = _slide(kernel_size, stride, padding, dilation, ceil_mode)
        super().__init__(**self.slide._asdict())
        self.winners: Array | None = None

    def __call__(self, x: ArrayLike, train: bool = False, rng: Rng = None) -> Array:
        """Return the pooled maps, and remember in training which pixels won."""
        y = super().__call__(x, train, rng)
        ours = type(self).forward is MaxPool2d.forward  # and not of a subclass
        self.winners = _winners(*_check(self.seen(), self.slide), y) if train and ours else None
        return y

    def forward(self, x: Array) -> Array:
        """Return the pooled maps."""
        return batch_first(_maxima(_seen(*_check(x, self.slide))))

    def gradients(self, dy: Array, x: Array) -> tuple[Array, ...]:
        """Return the gradient for the maps."""
        checked = _check(x, self.slide)
        known = self.winners if x is self.x else None
        return (_to_maxima(dy, *checked, _winners(*checked) if known is None else known),)


class AvgPool2d(Layer):
    """A layer that averages each window.

    Parameters
    ----------
    kernel_size, stride, padding, ceil_mode, count_include_pad
        As for `avg_pool2d`.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

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
    spans = Window(kernel, slide.stride, slide.dilation).span
    for p, span in zip(slide.padding, spans, strict=True):
        if p > span // 2:
            pixels = f"{span} pixel{'s' * (span > 1)}"
            need = f"at most half of what kernel_size spans (with dilation), here {pixels}"
            raise ValueError(f"padding must be {need}, got {_args.shown(padding)}")
    return slide


def _check(x: ArrayLike, slide: _Slide) -> tuple[Array, Window, Borders]:
    """Check the images; return them, and what is enough to pool them: window and borders."""
    x = _args.numbers("x", x, "N C H W")
    if 0 in x.shape[2:]:
        raise ValueError(f"x must have pixels, got the shape {x.shape}")
    window = Window(slide.kernel_size, slide.stride, slide.dilation)
    borders = ends(x.shape[2:], window, slide.padding, slide.ceil_mode)
    sides = [n + sum(both) for n, both in zip(x.shape[2:], borders, strict=True)]
    must_fit("kernel_size", window.span, sides)
    return x, *that_sees(x.shape[2:], window, borders)


def _seen(x: Array, window: Window, borders: Borders) -> Array:
    """Return the view of all windows of the images, whose borders no maximum comes from."""
    return windows(batch_last(x, x.dtype, borders, _lowest(x.dtype)), window)


def _blank(
    x: Array, dtype: np.dtype[Any], window: Window, borders: Borders
) -> tuple[Array, Array, bool]:
    """Return a gradient of zeros for the images, and the view of its windows, to add to.

    Where windows tile the image they write every number once, and no zeros are needed; the last
    thing returned tells.
    """
    N, C, H, W = x.shape
    sides = H + sum(borders[0]), W + sum(borders[1])
    dlaid = memory.empty((C, *sides, N), dtype)
    dseen = windows(dlaid, window)
    if not (tiles := tile(sides, window) and not _wide(dseen)):
        dlaid.fill(0)
    return dlaid, dseen, tiles


def _positions(seen: Array) -> Iterator[tuple[int, int]]:
    """Return the positions in a window, row by row; none if there is no image."""
    return np.ndindex(*(seen.shape[1:3] if seen.size else (0, 0)))


def _numbered(seen: Array) -> Iterator[tuple[int, int, int]]:
    """Return the positions in a window, row by row, each after its number: the last one has 0."""
    last = seen.shape[1] * seen.shape[2] - 1
    return ((last - k, u, v) for k, (u, v) in enumerate(_positions(seen)))


def _maxima(seen: Array) -> Array:
    """Return the maximum of each window."""
    if _wide(seen):
        return _by_window(np.max, seen)
    y = memory.copy(seen[:, 0, 0])
    for u, v in _positions(seen):
        if u or v:
            np.maximum(y, seen[:, u, v], out=y)
    return y


def _sums(seen: Array) -> Array:
    """Return the sum of each window."""
    if _wide(seen):
        return _by_window(np.sum, seen)
    y = memory.zeros(seen[:, 0, 0].shape, seen.dtype)
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


def _winners(x: Array, window: Window, borders: Borders, y: Array | None = None) -> Array:
    """Return the number of each window's maximum, of several the first; a byte if that is enough.

    A NaN is its window's maximum, and padding is none. Positions in a window are numbered from the
    last, 0, to the first.
    """
    seen = _seen(x, window, borders)
    y = _maxima(seen) if y is None else batch_last(y, y.dtype)
    real = windows(batch_last(np.ones_like(x[:1, :1], bool), bool, borders), window)
    spoilt = bool((y != y).any())

    def found(pixels: Array, maxima: Array, real: Array) -> Array:
        found = np.equal(pixels, maxima, out=memory.empty(pixels.shape, bool))
        if spoilt:
            found |= pixels != pixels
        if borders != NO_BORDERS:
            found &= real
        return found

    C, kH, kW, *_, N = seen.shape
    winners = memory.zeros(y.shape, np.min_scalar_type(kH * kW))
    if _wide(seen):
        for i, j in np.ndindex(y.shape[1:3]):
            best = found(seen[:, :, :, i, j], y[:, None, None, i, j], real[:, :, :, i, j])
            winners[:, i, j] = kH * kW - 1 - best.reshape(C, kH * kW, N).argmax(axis=1)
        return winners
    for number, u, v in _numbered(seen):
        best = found(seen[:, u, v], y, real[:, u, v])
        np.maximum(winners, best.view(np.uint8) * winners.dtype.type(number), out=winners)
    return winners


@_args.silent
def _to_maxima(dy: ArrayLike, x: Array, window: Window, borders: Borders, winners: Array) -> Array:
    """Return the gradient for the images: that of each window goes to its maximum."""
    dy = _args.numbers("dy", dy, "N C oH oW")
    dlaid, dseen, tiles = _blank(x, _args.floating(dy, x), window, borders)
    _args.same_shape("dy", dy, (*x.shape[:2], *dseen.shape[3:5]))
    dy = batch_last(dy, dlaid.dtype)
    C, kH, kW, *_, N = dseen.shape
    if _wide(dseen):
        channels, images = np.indices((C, N))
        for i, j in np.ndindex(winners.shape[1:3]):
            u, v = np.divmod(kH * kW - 1 - winners[:, i, j].astype(np.intp), kW)
            dseen[channels, u, v, i, j, images] += dy[:, i, j]
        return batch_first(dlaid, borders)
    for number, u, v in _numbered(dseen):
        if tiles:
            shut(dy, winners != number, out=dseen[:, u, v])
        else:
            dseen[:, u, v] += shut(dy, winners != number)
    return batch_first(dlaid, borders)


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
    rows, columns = (each.astype(float) for each in counts)  # their products may be large
    return np.multiply.outer(rows, columns)[None, :, :, None].astype(seen.dtype)
