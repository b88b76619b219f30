"""Convolution by rows: a product of matrices for which no patch has to be written down.

Where images lie in memory as (H, C, W, N), the kH rows that kernels see lie one below the other,
all channels of each: they are a matrix already. One column of the kernels is multiplied by it. The
next column meets the same matrix, read from one pixel further on::

    places = sum over v of kernels[v] @ rows[v]         `correlate`
    kernels[v] = places @ rows[v].T                     `collect`

Nothing is copied, but each sum is written and read again for every column of the kernels. So this
is the quicker way unless the maps are more than the channels, or a row is short.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from . import memory, products
from ._args import Array
from .products import matmul
from .windows import Pair

FEWEST = 12  # numbers in a column of a kernel: with fewer, BLAS has too little to multiply
HIGHEST = 1.5  # times as high as wide: what is higher, BLAS rearranges for too few columns
BLOCK = 1 << 20  # bytes of sums made at a time: they stay in the cache until the last column
MOST = 128  # rows whose gradients are added one by one


def rows_of(seen: Array, F: int, groups: int) -> Array | None:
    """Return what each column of the kernels meets in each row of the output, where it is quicker.

    Parameters
    ----------
    seen : ndarray of shape (C, kH, kW, h, w, N)
        A view of all windows, as `windows` returns it.
    F, groups : int
        How many kernels there are, and how many groups of them.

    Returns
    -------
    ndarray of shape (kW, h, kH C, w N), or None
        A view.
    """
    C, kH, kW, h, w, N = seen.shape
    quick = F <= C and FEWEST <= kH * C <= HIGHEST * w * N and kW > 1
    if not (products.BLAS and groups == 1 and quick):
        return None
    try:
        return seen.transpose(2, 3, 1, 0, 4, 5).reshape(kW, h, kH * C, w * N, copy=False)
    except ValueError:
        return None  # they do not lie so


def correlate(rows: Array, weight: Array, bias: Array | None, out: Array) -> None:
    """Write what kernels see at each place: each of their columns times its rows, added up.

    Parameters
    ----------
    rows : ndarray of shape (kW, h, kH C, w N)
        As `rows_of` returns it.
    weight : ndarray of shape (F, C, kH, kW)
    bias : ndarray of shape (F,), or None
    out : ndarray of shape (F, h, w, N)
        Where to.
    """
    F, kW = len(weight), len(rows)
    kernels = weight.transpose(3, 0, 2, 1).reshape(kW, F, -1).astype(out.dtype, copy=False)
    for block in blocks(out):
        places = by_rows(out[:, block])
        sums, more = memory.empty((2, *places.shape), out.dtype)
        matmul(kernels[0], rows[0, block], out=sums)
        if bias is not None:
            sums += bias[:, None]
        for v in range(1, kW):
            matmul(kernels[v], rows[v, block], out=more)
            np.add(sums, more, out=sums if v < kW - 1 else places)


def collect(places: Array, rows: Array, kernel: Pair) -> Array:
    """Return the gradient of kernels: the rows, weighted by numbers at their places.

    Parameters
    ----------
    places : ndarray of shape (F, h, w, N)
    rows : ndarray of shape (kW, h, kH C, w N)
    kernel : pair of int
        Its height and width.

    Returns
    -------
    ndarray of shape (F, C, kH, kW)
    """
    (kH, kW), F = kernel, len(places)
    exact = np.result_type(rows, np.float64)  # of however many blocks
    dkernels = np.zeros((kW, rows.shape[2], F), exact)
    for block in blocks(places, MOST):
        numbers = by_rows(places[:, block]).swapaxes(1, 2)
        for v in range(kW):
            dkernels[v] += matmul(rows[v, block], numbers).sum(axis=0)
    return memory.copy(dkernels.reshape(kW, kH, -1, F).transpose(3, 2, 1, 0), rows.dtype)


def blocks(places: Array, most: int = sys.maxsize) -> Iterator[slice]:
    """Cut the output into rows that take at most `BLOCK` bytes, and are not too many."""
    size = min(most, max(1, BLOCK // max(1, places[:, :1].nbytes)))
    return (slice(start, start + size) for start in range(0, places.shape[1], size))


def by_rows(places: Array) -> Array:
    """Show (F, h, w, N) as a matrix for each row: (h, F, w N)."""
    return places.swapaxes(0, 1).reshape(places.shape[1], len(places), -1, copy=False)
