"""Windows: every patch of an image that a sliding kernel sees, as one view that copies nothing.

Convolution and pooling differ only in what they do with a window, so both start here. Inside the
package a batch lies in memory as (C, H, W, N), the batch innermost: a kernel position then touches
long runs of neighbouring numbers, which is what NumPy is fast at. Callers see (N, C, H, W)
throughout; `batch_last` and `batch_first` lead from one to the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from . import _args
from ._args import Array

Pair = tuple[int, int]  # vertical, horizontal
Borders = tuple[Pair, Pair]  # (top, bottom), (left, right)

NO_BORDERS = ((0, 0), (0, 0))


class Window(NamedTuple):
    """A window that slides over images; each size is (vertical, horizontal)."""

    kernel: Pair  #: How many pixels it sees.
    stride: Pair  #: How far it moves at a time, in pixels.
    dilation: Pair  #: The distance of neighbouring pixels that it sees.

    @property
    def span(self) -> Pair:
        """Rows and columns from the first pixel that the window sees to the last."""
        (kH, kW), (dH, dW) = self.kernel, self.dilation
        return dH * (kH - 1) + 1, dW * (kW - 1) + 1


def windows(laid: Array, window: Window) -> Array:
    """Return the view (C, kH, kW, oH, oW, N) of all windows of an array (C, H, W, N).

    ``windows(...)[:, u, v]`` is what kernel position (u, v) meets as the kernel slides. Writing
    through the view writes to ``laid``: that is how the backward passes return to the image.
    """
    must_fit("the window", window.span, laid.shape[1:3])
    (sH, sW), (dH, dW) = window.stride, window.dilation
    view = sliding_window_view(laid, window.span, axis=(1, 2), writeable=True)
    return view[:, ::sH, ::sW, :, ::dH, ::dW].transpose(0, 4, 5, 1, 2, 3)


def must_fit(name: str, span: Sequence[int], sides: Sequence[int]) -> None:
    """Refuse windows that are larger than the images; ``name`` is what says their size."""
    if any(k > side for k, side in zip(span, sides, strict=True)):
        theirs, ours = (" x ".join(map(str, lengths)) for lengths in (span, sides))
        raise ValueError(
            f"{name} must fit into x, got a span of {theirs} (with dilation) "
            f"in images of {ours} (with padding)"
        )


def same_borders(kernel: Pair, dilation: Pair) -> Borders:
    """Return the borders that keep an image's size at stride 1; an odd pixel comes last."""
    height, width = Window(kernel, (1, 1), dilation).span
    top, left = (height - 1) // 2, (width - 1) // 2
    return (top, height - 1 - top), (left, width - 1 - left)


def batch_last(x: Array, dtype: Any, borders: Borders = NO_BORDERS, fill: Any = 0) -> Array:
    """Lay (N, C, H, W) out as (C, H, W, N), with borders of ``fill``; copy only if needed."""
    if borders == NO_BORDERS:
        with _args.in_memory("x", x.shape):
            return np.ascontiguousarray(x.transpose(1, 2, 3, 0), dtype)
    N, C, H, W = x.shape
    (top, bottom), (left, right) = borders
    shape = C, top + H + bottom, left + W + right, N
    with _args.in_memory("x and padding", shape):
        laid = np.full(shape, fill, dtype)
    laid[:, top : top + H, left : left + W] = x.transpose(1, 2, 3, 0)
    return laid


def batch_first(laid: Array, borders: Borders = NO_BORDERS) -> Array:
    """Show (C, H, W, N) as (N, C, H, W), without its borders; a view."""
    (top, bottom), (left, right) = borders
    H, W = laid.shape[1:3]
    return laid[:, top : H - bottom, left : W - right].transpose(3, 0, 1, 2)
