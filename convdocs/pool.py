"""Pooling: one number for each window, its maximum or its average, channel by channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _args
from .layer import Layer, let_through
from .windows import NO_BORDERS, batch_first, batch_last, windows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ._args import Array, Size
    from .windows import Borders


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
    x, slide, _, borders = _check(x, kernel_size, stride, padding, dilation, ceil_mode)
    seen = windows(batch_last(x, x.dtype, borders, _lowest(x.dtype)), **slide)
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
    x, slide, _, borders = _check(x, kernel_size, stride, padding, dilation, ceil_mode)
    dy = _args.numbers("dy", dy, "N C oH oW")
    laid = batch_last(x, x.dtype, borders, _lowest(x.dtype))
    dlaid = np.zeros(laid.shape, _args.floating(dy, x))
    seen, dseen = windows(laid, **slide), windows(dlaid, **slide)
    _args.same_shape("dy", dy, (*x.shape[:2], *seen.shape[3:5]))
    dy, y = batch_last(dy, dlaid.dtype), _maxima(seen)
    spoilt = bool((y != y).any())
    waiting = np.ones(y.shape, bool)  # windows whose first maximum is yet to come
    inside = batch_last(np.ones((1, 1, *x.shape[2:]), bool), bool, borders)
    real = windows(inside, **slide)
    for u, v in np.ndindex(*slide["kernel"]):
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
    x, slide, pads, borders = _check(x, kernel_size, stride, padding, 1, ceil_mode)
    seen = windows(batch_last(x, _args.floating(x), borders), **slide)
    y = np.zeros(seen[:, 0, 0].shape, seen.dtype)
    for u, v in np.ndindex(*slide["kernel"]):
        y += seen[:, u, v]
    y /= _counts(x, slide, pads, borders, count_include_pad)
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
    x, slide, pads, borders = _check(x, kernel_size, stride, padding, 1, ceil_mode)
    dy = _args.numbers("dy", dy, "N C oH oW")
    dlaid = np.zeros_like(batch_last(x, _args.floating(dy, x), borders))
    dseen = windows(dlaid, **slide)
    _args.same_shape("dy", dy, (*x.shape[:2], *dseen.shape[3:5]))
    share = batch_last(dy, dlaid.dtype) / _counts(x, slide, pads, borders, count_include_pad)
    for u, v in np.ndindex(*slide["kernel"]):
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
        how = _how(kernel_size, stride, padding, dilation, ceil_mode)
        super().__init__(**how)

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
        how = _how(kernel_size, stride, padding, 1, ceil_mode)
        del how["dilation"]
        super().__init__(
            **how, count_include_pad=_args.flag("count_include_pad", count_include_pad)
        )

    def forward(self, x: Array) -> Array:
        """Return the pooled maps."""
        return avg_pool2d(x, **self.options)

    def gradients(self, dy: Array, x: Array) -> tuple[Array, ...]:
        """Return the gradient for the maps."""
        return (avg_pool2d_backward(dy, x, **self.options),)


def _how(
    kernel_size: Size, stride: Size | None, padding: Size, dilation: Size, ceil_mode: bool
) -> dict[str, Any]:
    """Check how a window slides, and write every size as a pair."""
    kernel = _args.pair("kernel_size", kernel_size, 1)
    pads, dilation = _args.pair("padding", padding, 0), _args.pair("dilation", dilation, 1)
    for p, k, d in zip(pads, kernel, dilation, strict=True):
        span = d * (k - 1) + 1
        if p > span // 2:
            need = f"at most half the window of {span} pixels"
            raise ValueError(f"padding must be {need}, got {padding!r}")
    return {
        "kernel_size": kernel,
        "stride": kernel if stride is None else _args.pair("stride", stride, 1),
        "padding": pads,
        "dilation": dilation,
        "ceil_mode": _args.flag("ceil_mode", ceil_mode),
    }


def _check(
    x: ArrayLike,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    dilation: Size,
    ceil_mode: bool,
) -> tuple[Array, dict[str, Any], Borders, Borders]:
    """Check the arguments; return images, how the window slides, padding, and all borders."""
    x = _args.numbers("x", x, "N C H W")
    if 0 in x.shape[2:]:
        raise ValueError(f"x must have pixels, got the shape {x.shape}")
    how = _how(kernel_size, stride, padding, dilation, ceil_mode)
    slide = {"kernel": how["kernel_size"], "stride": how["stride"], "dilation": how["dilation"]}
    borders = []
    for size, p, k, s, d in zip(x.shape[2:], how["padding"], *slide.values(), strict=True):
        room = size + 2 * p - d * (k - 1) - 1  # how far the window can travel
        left_over = room % s
        # In ceil_mode a last window may hang over the border, if it begins before it.
        hangs = ceil_mode and left_over and room - left_over + s < size + p
        borders.append((p, p + s - left_over if hangs else p))
    pads = [(p, p) for p in how["padding"]]
    return x, slide, (pads[0], pads[1]), (borders[0], borders[1])


def _maxima(seen: Array) -> Array:
    """Return the maximum of each window."""
    y = seen[:, 0, 0].copy()
    for u, v in np.ndindex(*seen.shape[1:3]):
        if u or v:
            np.maximum(y, seen[:, u, v], out=y)
    return y


def _lowest(dtype: np.dtype[Any]) -> Any:
    """Return a number that no other number of this type is below: the padding of a maximum."""
    if dtype.kind == "f":
        return -np.inf
    return False if dtype.kind == "b" else np.iinfo(dtype).min


def _counts(
    x: Array, slide: dict[str, Any], pads: Borders, borders: Borders, count_include_pad: bool
) -> Array:
    """Return how many numbers each window averages, (1, oH, oW, 1)."""
    # Ones where a number counts. What ceil_mode hangs over the border never does.
    reach = pads if _args.flag("count_include_pad", count_include_pad) else NO_BORDERS
    ones = batch_last(np.ones((1, 1, *x.shape[2:])), _args.floating(x), reach, 1)
    rest = [
        (all_[0] - ours[0], all_[1] - ours[1]) for all_, ours in zip(borders, reach, strict=True)
    ]
    counted = batch_last(batch_first(ones), ones.dtype, (rest[0], rest[1]))
    return windows(counted, **slide).sum(axis=(1, 2))
