"""Windows: every patch of an image that a sliding kernel sees, as one view that copies nothing.

Convolution and pooling differ only in what they do with a window, so both start here. Inside the
package a batch lies in memory as (C, H, W, N), the batch innermost: a kernel position then touches
long runs of neighbouring numbers, which is what NumPy is fast at. Callers see (N, C, H, W)
throughout; `batch_last` and `batch_first` lead from one to the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from numpy.lib.stride_tricks import as_strided

from . import _args, memory
from ._args import Array

Pair = tuple[int, int]  # vertical, horizontal
Borders = tuple[Pair, Pair]  # (top, bottom), (left, right)
Patch = tuple[Pair, Pair]  # first and last row, first and last column; none if last < first

NO_BORDERS = ((0, 0), (0, 0))
PAGE, WAYS = 4096, 8  # bytes of memory, and how many lines a cache keeps of one place in a page


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
    window = _shortened(window, laid.shape[1:3])
    (kH, kW), (sH, sW), (dH, dW) = window
    (hH, hW), (C, H, W, N) = window.span, laid.shape
    channel, row, column, image = laid.strides
    shape = C, kH, kW, (H - hH) // sH + 1, (W - hW) // sW + 1, N
    return as_strided(laid, shape, (channel, dH * row, dW * column, sH * row, sW * column, image))


def windows_of(x: Array, window: Window) -> Array:
    """Return the view (kH, kW, oH, oW) of all windows of one picture (H, W)."""
    return windows(x[None, :, :, None], window)[0, ..., 0]


def _shortened(window: Window, sides: Sequence[int]) -> Window:
    """Return the same window with no step longer than the images, which no array could take.

    Where it fits, it has a single place with such a stride, and one pixel with such a dilation.
    """
    (sH, sW), (dH, dW), (H, W) = window.stride, window.dilation, sides
    return window._replace(stride=(min(sH, H), min(sW, W)), dilation=(min(dH, H), min(dW, W)))


def tile(sides: Sequence[int], window: Window) -> bool:
    """Tell whether windows meet every pixel of images of this height and width just once."""
    rest = any(side % k for side, k in zip(sides, window.kernel, strict=True))
    return window.kernel == window.span == window.stride and not rest


def must_fit(name: str, span: Sequence[int], sides: Sequence[int]) -> None:
    """Refuse windows that are larger than the images; ``name`` is what says their size."""
    if any(k > side for k, side in zip(span, sides, strict=True)):
        theirs, ours = (" x ".join(map(str, lengths)) for lengths in (span, sides))
        raise ValueError(
            f"{name} must fit into x, got a span of {theirs} (with dilation) "
            f"in images of {ours} (with padding)"
        )


def ends(sides: Sequence[int], window: Window, padding: Pair, ceil_mode: bool) -> Borders:
    """Return the padding with what a last window hangs over, in ``ceil_mode``."""

    def of(side: int, span: int, s: int, p: int) -> Pair:
        room = side + 2 * p - span  # how far the window can travel
        left_over = room % s
        # A last window may hang over the border, if it begins before it.
        hangs = ceil_mode and left_over and room - left_over + s < side + p
        return p, p + s - left_over if hangs else p

    rows, columns = map(of, sides, window.span, window.stride, padding)
    return rows, columns


def that_sees(sides: Sequence[int], window: Window, borders: Borders) -> tuple[Window, Borders]:
    """Return the part of a window that ever sees the image, and the borders to add for it.

    Of a window that is much larger than the image, that is only as much as the image has pixels.
    """

    def of(side: int, k: int, s: int, d: int, span: int, border: Pair) -> tuple[int, Pair]:
        before, after = border
        room = before + side + after - span
        # Even the last window sees nothing by the positions before this one, and the first by
        # those behind that one.
        first = max(0, before - room // s * s) // d
        last = min(k - 1, -((1 - side - before) // d))  # rounded up, exactly
        return last - first + 1, (before - first * d, after - (k - 1 - last) * d)

    (kH, rows), (kW, columns) = map(of, sides, *window, window.span, borders)
    return window._replace(kernel=(kH, kW)), (rows, columns)


def same_borders(kernel: Pair, dilation: Pair) -> Borders:
    """Return the borders that keep an image's size at stride 1; an odd pixel comes last."""
    height, width = Window(kernel, (1, 1), dilation).span
    top, left = (height - 1) // 2, (width - 1) // 2
    return (top, height - 1 - top), (left, width - 1 - left)


def batch_last(x: Array, dtype: Any, borders: Borders = NO_BORDERS, fill: Any = 0) -> Array:
    """Lay (N, C, H, W) out as (C, H, W, N), with borders of ``fill``; copy only if needed.

    With borders, which ask for a copy, the numbers lie as (H, C, W, N): see `rows`.
    """
    N, C, H, W = x.shape
    if borders == NO_BORDERS:
        laid = x.transpose(1, 2, 3, 0)
        if not (laid.flags.c_contiguous and laid.dtype == dtype):
            with _args.in_memory("x", x.shape):
                laid = memory.empty((C, H, W, N), dtype)
            _turn(x, laid)
        return laid
    (top, bottom), (left, right) = borders
    shape = top + H + bottom, C, left + W + right, N
    with _args.in_memory("x and padding", shape):
        laid = memory.empty(shape, dtype).swapaxes(0, 1)
    for border in laid[:, :top], laid[:, top + H :]:
        border.fill(fill)
    rows = laid[:, top : top + H]
    for border in rows[:, :, :left], rows[:, :, left + W :]:
        border.fill(fill)
    _turn(x, rows[:, :, left : left + W])
    return laid


def _turn(x: Array, laid: Array) -> None:
    """Copy (N, C, H, W) into (C, H, W, N), of whole pages a few images at a time.

    Of lines of memory that are whole pages apart, a cache keeps `WAYS`. One number of each image
    would push the lines of the first images out, before their next numbers are read.
    """
    some = len(x) if x.strides[0] % PAGE else WAYS
    for start in range(0, len(x), max(1, some)):
        few = slice(start, start + some)
        laid[..., few] = x[few].transpose(1, 2, 3, 0)


def batch_first(laid: Array, borders: Borders = NO_BORDERS) -> Array:
    """Show (C, H, W, N) as (N, C, H, W), without its borders; a view."""
    (top, bottom), (left, right) = borders
    H, W = laid.shape[1:3]
    return laid[:, top : H - bottom, left : W - right].transpose(3, 0, 1, 2)
