"""Patches of images side by side, as the columns of a matrix: then a convolution is a product.

Kernels are the rows of another matrix, and numbers at the places of the output those of a third.
Each of the three comes from a product of the two others::

    places         = kernels @ patches        what kernels see
    gradient of it = places @ patches.T       for the kernels
    gradient of it = kernels.T @ places       for the patches, which `add_patches` adds up

All come in blocks of places, since the patches of a whole image would fill the memory.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from . import memory, products
from ._args import Array
from .products import matmul

BLOCK = 1 << 21  # bytes of patches laid out at a time: near the cache, whatever the image's size
SMALL_PRODUCT = 1_000_000  # multiplications that BLAS makes without rearranging its matrices
FEW_WEIGHTS = 4096  # of a group of kernels: above, rearranging pays

Block = tuple[slice, slice]


def blocks(seen: Array) -> Iterator[Block]:
    """Cut the output into rows, or parts of one row, whose patches take at most `BLOCK` bytes."""
    height, width = seen.shape[3:5]
    place = seen[..., 0, 0, :].nbytes  # the patches at one place, of the whole batch
    places = max(1, BLOCK // place) if place else height * width  # an empty batch is one block
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
    for some in _pieces(places, kernels):
        matmul(kernels, places[:, :, some], out=out[:, :, some])


def add_gradient(dkernels: Array, places: Array, patches: Array) -> None:
    """Add to the gradient of the kernels what a block gives: places times patches.

    With the larger matrix first, BLAS is up to twice as fast.
    """
    for some in _pieces(patches, dkernels):
        gradient = matmul(patches[:, :, some], places[:, :, some].swapaxes(1, 2))
        dkernels += gradient.swapaxes(1, 2)


def add_patches(seen: Array, kernels: Array, places: Array, alone: bool) -> None:
    """Add to images, through a view of windows, each kernel times the number at its place.

    Parameters
    ----------
    seen : ndarray of shape (C, kH, kW, h, w, N)
        The view of a block, as `windows` returns it.
    kernels : ndarray of shape (groups, F / groups, C / groups kH kW)
    places : ndarray of shape (groups, F / groups, h w N)
    alone : bool
        Whether no two windows overlap, so that nothing is there to be added to.
    """
    patches = memory.empty(seen.shape, seen.dtype)
    rows = kernels.swapaxes(1, 2)
    multiply(rows, places, out=patches.reshape(*rows.shape[:2], places.shape[2]))
    for u, v in np.ndindex(seen.shape[1:3]):
        if alone:
            seen[:, u, v] = patches[:, u, v]
        else:
            seen[:, u, v] += patches[:, u, v]


def _evenly(n: int, most: int) -> Iterator[slice]:
    """Cut n things into as few parts as possible, of about one size, of at most so many."""
    parts = math.ceil(n / most)
    size = math.ceil(n / parts)
    return (slice(start, start + size) for start in range(0, n, size))


def _pieces(places: Array, kernels: Array) -> Iterator[slice]:
    """Cut the columns of a matrix into pieces that BLAS multiplies by few kernels quickly.

    In a product of up to a million multiplications it takes both matrices as they are; in a larger
    one it rearranges them first, which many kernels repay and few do not.
    """
    columns = places.shape[2]
    weights = kernels[0].size
    few = products.BLAS and weights <= FEW_WEIGHTS
    size = SMALL_PRODUCT // weights if few else max(1, columns)
    return (slice(left, left + size) for left in range(0, columns, size))
