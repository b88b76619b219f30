"""The product of matrices: BLAS makes it, or NumPy alone where it has no BLAS, as in a browser.

Its `matmul` then reads the second matrix down the columns, from one end of the memory to the other.
Its `einsum` reads along the rows, and makes several numbers at once: there, networks answer some
four times as fast, and learn two to four times as fast.
"""

from __future__ import annotations

import math
import sys

import numpy as np

from ._args import Array

BLAS = sys.platform != "emscripten"
MOST = 1 << 30  # multiplications at a time: a browser's NumPy counts them in 31 bits


def matmul(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return ``a @ b``, or write it into ``out``."""
    if BLAS:
        return np.matmul(a, b, out=out)
    if a.strides[-1] != a.itemsize and b.strides[-1] != b.itemsize:
        b = np.ascontiguousarray(b)  # where neither lies in rows, it takes ten times as long
    columns = b.shape[-1]
    if out is None:
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        out = np.empty((*stack, a.shape[-2], columns), np.result_type(a, b))
    size = max(1, MOST // max(1, math.prod(out.shape[:-1]) * a.shape[-1]))
    for start in range(0, columns, size):
        some = slice(start, start + size)
        np.einsum("...ij,...jk->...ik", a, b[..., some], out=out[..., some])
    return out
