"""Memory that is used again: an array that nobody holds any more gives its block to the next one.

New memory is slow. The kernel hands it out page by page, each at its first touch, and clears it
before; that takes longer than most of a layer's arithmetic. A step of training needs the same
arrays as the step before, so their blocks are kept. `empty` makes an array on a *loan*, a block
that NumPy holds as long as the array or a view of it lives. When the last one dies, the loan ends,
and its block is free for the next array of about that size. No array is ever overwritten while
somebody holds it, and those who hold it notice nothing.

At most `KEPT` bytes, 128 MiB, lie free. Before more would, all of them go back to the system.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ._args import Array

LEAST, MOST = 1 << 14, 1 << 25  # bytes: smaller arrays are quick to make, larger ones are rare
KEPT = 1 << 27

Block = tuple[Array, int]  # bytes, and their address


class Pool:
    """Free blocks by their size, and how many bytes they are.

    Threads share it without a lock, so that no fork can leave one closed: what happens to a list
    happens at once. Two threads may miscount the bytes by a block, until all are given back.
    """

    def __init__(self, kept: int) -> None:
        self.kept = kept
        self.clear()

    def clear(self) -> None:
        """Give all blocks back to the system."""
        self.blocks: dict[int, list[Block]] = {}
        self.bytes = 0

    def take(self, size: int) -> Block:
        """Return a free block of this size, or a new one."""
        try:
            block = self.blocks[size].pop()
        except LookupError:
            new = np.empty(size, np.uint8)
            return new, new.ctypes.data
        self.bytes -= size
        return block

    def give(self, block: Block) -> None:
        """Take a block back."""
        size = block[0].size
        if self.bytes + size > self.kept:
            self.clear()
        self.blocks.setdefault(size, []).append(block)
        self.bytes += size


POOL = Pool(KEPT)


class Loan:
    """A block of memory, for as long as an array lies on it."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], block: Block) -> None:
        self.pool = POOL  # a module's names may be gone before an array is
        self.block = block
        interface = {"version": 3, "shape": shape, "typestr": dtype.str, "data": (block[1], False)}
        self.__array_interface__ = interface

    def __del__(self) -> None:
        """End: the last view of the array is gone."""
        self.pool.give(self.block)


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return a new array to fill, as `numpy.empty` does, on memory that was used before.

    Only numbers lie on such memory: what was there before is no object.
    """
    dtype = np.dtype(dtype)
    needed = math.prod(shape) * dtype.itemsize
    if dtype.kind not in "biufc" or not LEAST < needed <= MOST:
        return np.empty(shape, dtype)
    step = 1 << (needed.bit_length() - 4)  # a block is at most an eighth too large
    return np.asarray(Loan(shape, dtype, POOL.take(-(-needed // step) * step)))


def zeros(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return a new array of zeros, as `numpy.zeros` does."""
    new = empty(shape, dtype)
    new.fill(0)
    return new


def empty_like(array: Array, dtype: DTypeLike | None = None) -> Array:
    """Return a new array to fill, of the shape and the order in memory of another."""
    if array.flags.c_contiguous:
        return empty(array.shape, dtype or array.dtype)
    order = sorted(range(array.ndim), key=array.strides.__getitem__, reverse=True)
    laid = empty(tuple(array.shape[axis] for axis in order), dtype or array.dtype)
    return laid.transpose(sorted(range(array.ndim), key=order.__getitem__))


def copy(array: Array, dtype: DTypeLike | None = None) -> Array:
    """Return a copy whose numbers lie row after row, as `numpy.ascontiguousarray` makes it."""
    new = empty(array.shape, dtype or array.dtype)
    np.copyto(new, array)
    return new
