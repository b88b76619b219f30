"""Patches of images side by side, as the columns of a matrix: then a convolution is a product.

Kernels are the rows of another matrix, and numbers at the places of the output those of a third.
Each of the three comes from a product of the two others::

    places  = kernels @ patches        `correlate`: what kernels see
    kernels = places @ patches.T       `collect`: their gradient
    patches = kernels.T @ places       `spread`: the images' gradient, where patches are added up

All come in blocks of places, since the patches of a whole image would fill the memory.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from . import _args, memory, products, rows
from ._args import Array
from .products import matmul
from .windows import Borders, Pair, Window, batch_first, batch_last, tile, windows

BLOCK = 1 << 21  # bytes of patches laid out at a time: near the cache, whatever the image's size
SMALL_PRODUCT = 1_000_000  # multiplications that BLAS makes without rearranging its matrices
FEW_WEIGHTS = 4096  # of a group of kernels: above, rearranging pays
MANY_KERNELS = 256  # in a group: above, their gradients take long to turn
TALL, TALLEST = 384, 8  # numbers in a patch, from where blocks are larger, and how many times

Block = tuple[slice, slice]


def correlate(seen: Array, weight: Array, groups: int, bias: Array | None = None) -> Array:
    """Return what kernels see at each place: its patch, weighted and added up.

    Parameters
    ----------
    seen : ndarray of shape (C, kH, kW, h, w, N)
        A view of all windows, as `windows` returns it.
    weight : ndarray of shape (F, C / groups, kH, kW)
    groups : int
    bias : ndarray of shape (F,), optional

    Returns
    -------
    ndarray of shape (F, h, w, N)
    """
    F = len(weight)
    with _args.in_memory("x and weight", (F, *seen.shape[3:])):
        y = memory.empty((F, *seen.shape[3:]), seen.dtype)
    if (lying := rows.rows_of(seen, F, groups)) is not None:
        rows.correlate(lying, weight, bias, out=y)
        return y
    kernels = weight.reshape(groups, F // groups, -1).astype(y.dtype, copy=False)
    for block in blocks(seen, kernels):
        patches = patches_of(seen, block, groups)
        places = y[:, *block]
        multiply(kernels, patches, out=places.reshape(groups, F // groups, -1))  # a view
        if bias is not None:
            places += bias.reshape(F, 1, 1, 1)
    return y


def collect(places: Array, seen: Array, groups: int) -> Array:
    """Return the gradient of kernels: all patches, weighted by numbers at their places.

    Parameters
    ----------
    places : ndarray of shape (F, h, w, N)
    seen : ndarray of shape (C, kH, kW, h, w, N)
    groups : int

    Returns
    -------
    ndarray of shape (F, C / groups, kH, kW)
    """
    F, (C, kH, kW) = len(places), seen.shape[:3]
    if (lying := rows.rows_of(seen, F, groups)) is not None:
        return rows.collect(places, lying, (kH, kW))
    dkernels = np.zeros((groups, F // groups, C // groups * kH * kW), seen.dtype)
    for block in blocks(seen, dkernels):
        patches = patches_of(seen, block, groups)
        add_product(dkernels, places[:, *block].reshape(groups, F // groups, -1), patches)
    return dkernels.reshape(F, C // groups, kH, kW)


def correlate_and_collect(
    places: Array, seen: Array, weight: Array, groups: int
) -> tuple[Array, Array]:
    """Return what `correlate` and `collect` do, for which the patches are laid out once.

    Parameters
    ----------
    places : ndarray of shape (F, h, w, N)
    seen : ndarray of shape (C, kH, kW, h, w, N)
    weight : ndarray of shape (F, C / groups, kH, kW)
    groups : int

    Returns
    -------
    ndarray of shape (F, h, w, N)
    ndarray of shape (F, C / groups, kH, kW)
    """
    F = len(weight)
    if rows.rows_of(seen, F, groups) is not None:
        return correlate(seen, weight, groups), collect(places, seen, groups)
    y = memory.empty(places.shape, seen.dtype)
    kernels = weight.reshape(groups, F // groups, -1).astype(y.dtype, copy=False)
    dkernels = np.zeros(kernels.shape, kernels.dtype)
    for block in blocks(seen, kernels):
        patches = patches_of(seen, block, groups)
        multiply(kernels, patches, out=y[:, *block].reshape(groups, F // groups, -1))
        add_product(dkernels, places[:, *block].reshape(groups, F // groups, -1), patches)
    return y, dkernels.reshape(weight.shape)


def spread(
    places: Array,
    weight: Array,
    window: Window,
    groups: int,
    sides: Pair,
    borders: Borders,
    asking: str = "x and weight",
) -> Array:
    """Return images to which each place has added the kernels times its numbers.

    Parameters
    ----------
    places : ndarray of shape (F, h, w, N)
    weight : ndarray of shape (F, C / groups, kH, kW)
    window : Window
    groups : int
    sides : pair of int
        Height and width of the images.
    borders : pair of pair of int
        What is cut off of them at the end.
    asking : str
        The arguments that say how large the images are.

    Returns
    -------
    ndarray of shape (C, H, W, N)
    """
    (h, w, N), C = places.shape[1:], weight.shape[1] * groups
    by_groups = weight.reshape(groups, -1, *weight.shape[1:]).astype(places.dtype, copy=False)
    (top, bottom), (left, right) = borders
    above, before = window.span[0] - 1 - top, window.span[1] - 1 - left
    margins = (above, sides[0] - h - bottom), (before, sides[1] - w - right)
    area = (sides[0] - top - bottom) * (sides[1] - left - right)
    # With a stride of 1, pixels can read from the places that they belong to, by a convolution: the
    # quicker way where pixels are about as many as places, and maps not many more than channels. To
    # no pixels at all, nothing is read.
    about = 0 < 4 * area <= 5 * h * w and len(weight) <= 2 * C
    if about and window.stride == (1, 1) and _readable(weight, margins):
        turned = by_groups.swapaxes(1, 2)[..., ::-1, ::-1].reshape(C, -1, *window.kernel)
        laid = batch_last(batch_first(places), places.dtype, margins)
        return correlate(windows(laid, window), turned, groups)
    alone = tile(sides, window) and (h * window.stride[0], w * window.stride[1]) == sides
    with _args.in_memory(asking, (C, *sides, N)):
        images = (memory.empty if alone else memory.zeros)((C, *sides, N), places.dtype)
    seen = windows(images, window)[:, :, :, :h, :w]
    kernels = by_groups.reshape(*by_groups.shape[:2], -1)
    rows = kernels.swapaxes(1, 2)
    for block in blocks(seen, kernels):
        numbers = places[:, *block].reshape(*kernels.shape[:2], -1)
        pixels = seen[:, :, :, *block]
        patches = memory.empty(pixels.shape, pixels.dtype)
        multiply(rows, numbers, out=patches.reshape(*rows.shape[:2], -1))
        for u, v in np.ndindex(window.kernel):
            if alone:
                pixels[:, u, v] = patches[:, u, v]
            else:
                pixels[:, u, v] += patches[:, u, v]
    return images[:, top : sides[0] - bottom, left : sides[1] - right]


def blocks(seen: Array, kernels: Array) -> Iterator[Block]:
    """Cut the output into rows, or parts of one row, whose patches take at most `BLOCK` bytes.

    BLAS rearranges many kernels once for each block, so a block of tall patches is larger.
    """
    height, width = seen.shape[3:5]
    tall = 1.0 if _few(kernels) else min(max(1, math.prod(seen.shape[:3]) / TALL), TALLEST)
    place = seen[..., 0, 0, :].nbytes  # the patches at one place, of the whole batch
    # An empty batch is one block.
    places = max(1, int(tall * BLOCK) // place) if place else height * width
    return itertools.product(_evenly(height, max(1, places // width)), _evenly(width, places))


def patches_of(seen: Array, block: Block, groups: int) -> Array:
    """Return the patches of a block side by side, as the columns of a matrix for each group."""
    C, kH, kW, *_ = seen.shape
    patches = seen[:, :, :, *block]
    shape = groups, C // groups * kH * kW, patches[0, 0, 0].size
    try:
        return patches.reshape(shape, copy=False)  # of single pixels they lie so already
    except ValueError:
        return memory.copy(patches).reshape(shape)


def multiply(kernels: Array, places: Array, out: Array) -> None:
    """Write the matrix product into ``out``, by pieces."""
    for some, size in _pieces(places, kernels):
        pieces = _side_by_side(places[:, :, some], size)
        matmul(kernels[:, None], pieces, out=_side_by_side(out[:, :, some], size))


def add_product(dkernels: Array, places: Array, patches: Array) -> None:
    """Add to the gradient of the kernels what a block gives: places times patches.

    With the larger matrix first, BLAS is up to twice as fast. The result is then to be turned,
    which takes longer if the kernels are many.
    """
    many = dkernels.shape[1] >= MANY_KERNELS
    for some, size in _pieces(patches, dkernels):
        numbers = _side_by_side(places[:, :, some], size)
        columns = _side_by_side(patches[:, :, some], size)
        if many:
            gradients = matmul(numbers, columns.swapaxes(2, 3))
        else:
            gradients = matmul(columns, numbers.swapaxes(2, 3)).swapaxes(2, 3)
        for piece in gradients.swapaxes(0, 1):
            dkernels += piece


def _readable(weight: Array, margins: Borders) -> bool:
    """Tell whether pixels may read what places add to them, and zeros beyond the margins.

    There must be margins, and zero times an infinite weight would be wrong.
    """
    return min(map(min, margins)) >= 0 and bool(np.isfinite(weight).all())


def _evenly(n: int, most: int) -> Iterator[slice]:
    """Cut n things into as few parts as possible, of about one size, of at most so many."""
    parts = math.ceil(n / most)
    size = math.ceil(n / parts)
    return (slice(start, start + size) for start in range(0, n, size))


def _pieces(places: Array, kernels: Array) -> Iterator[tuple[slice, int]]:
    """Cut the columns of a matrix into pieces that BLAS multiplies by few kernels quickly.

    In a product of up to a million multiplications it takes both matrices as they are; in a larger
    one it rearranges them first, which many kernels repay and few do not. The pieces of one size
    come at once, and then what is left.
    """
    columns = places.shape[2]
    size = min(columns, max(1, SMALL_PRODUCT // kernels[0].size)) if _few(kernels) else columns
    whole = columns - columns % max(1, size)
    for some in slice(0, whole), slice(whole, columns):
        if (length := some.stop - some.start) > 0:
            yield some, min(size, length)


def _few(kernels: Array) -> bool:
    """Tell whether a group has so few weights that BLAS shall multiply by them as they are."""
    return products.BLAS and kernels[0].size <= FEW_WEIGHTS


def _side_by_side(matrices: Array, size: int) -> Array:
    """Show a matrix of each group as pieces of its columns: (groups, pieces, rows, size)."""
    groups, rows, columns = matrices.shape
    return matrices.reshape(groups, rows, columns // size, size).swapaxes(1, 2)
