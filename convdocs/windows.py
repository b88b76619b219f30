"""Windows: every patch of an image that a sliding kernel sees, as one view that copies nothing.

Convolution and pooling differ only in what they do with a window, so both start here. Inside the
package a batch lies in memory as (C, H, W, N), the batch innermost: a kernel position then touches
long runs of neighbouring numbers, which is what NumPy is fast at. Callers see (N, C, H, W)
throughout; `batch_last` and `batch_first` lead from one to the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from ._args import Array

    Pair = tuple[int, int]
    Borders = tuple[Pair, Pair]

NO_BORDERS = ((0, 0), (0, 0))


def windows(laid: Array, kernel: Pair, stride: Pair, dilation: Pair) -> Array:
    """Return the view (C, kH, kW, oH, oW, N) of all windows of an array (C, H, W, N).

    ``windows(...)[:, u, v]`` is what kernel position (u, v) meets as the kernel slides. Writing
    through the view writes to ``laid``: that is how the backward passes return to the image.
    """
    (kH, kW), (sH, sW), (dH, dW) = kernel, stride, dilation
    span = (dH * (kH - 1) + 1, dW * (kW - 1) + 1)
    H, W = laid.shape[1:3]
    if span[0] > H or span[1] > W:
        raise ValueError(
            f"x must be at least as large as the kernel, got {H} x {W} pixels (with padding) "
            f"for a kernel that spans {span[0]} x {span[1]} (with dilation)"
        )
    view = sliding_window_view(laid, span, axis=(1, 2), writeable=True)
    return view[:, ::sH, ::sW, :, ::dH, ::dW].transpose(0, 4, 5, 1, 2, 3)


def batch_last(x: Array, dtype: Any, borders: Borders = NO_BORDERS, fill: Any = 0) -> Array:
    """Lay (N, C, H, W) out as (C, H, W, N), with borders of ``fill``; copy only if needed."""
    if borders == NO_BORDERS:
        return np.ascontiguousarray(x.transpose(1, 2, 3, 0), dtype)
    N, C, H, W = x.shape
    (top, bottom), (left, right) = borders
    height, width = top + H + bottom, left + W + right
    try:
        laid = np.full((C, height, width, N), fill, dtype)
    except (ValueError, MemoryError):
        need = "padding must leave images that fit in memory"
        raise ValueError(f"{need}, got {C} x {height} x {width} pixels") from None
    laid[:, top : top + H, left : left + W] = x.transpose(1, 2, 3, 0)
    return laid


def batch_first(laid: Array, borders: Borders = NO_BORDERS) -> Array:
    """Show (C, H, W, N) as (N, C, H, W), without its borders; a view."""
    (top, bottom), (left, right) = borders
    H, W = laid.shape[1:3]
    return laid[:, top : H - bottom, left : W - right].transpose(3, 0, 1, 2)
