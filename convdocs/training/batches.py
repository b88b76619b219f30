"""Where the batches of a training come from: arrays, of memory or of a file, or any iterable."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _args

if TYPE_CHECKING:
    from .._args import Array

    Batch = tuple[Array, Array, Array]  # images, labels, and which of them make the batch


class Arrays:
    """Images in a new order each epoch, ``size`` a batch; none is read before its turn.

    Parameters
    ----------
    X : ndarray of shape (N, C, H, W)
        In memory, or mapped from a file that is larger than it.
    y : ndarray of shape (N,)
    size : int
        Images a batch; the last may have fewer.
    """

    def __init__(self, X: Array, y: Array, size: int) -> None:
        self.X, self.y, self.size = X, y, size
        self.steps: int | None = math.ceil(len(X) / size)
        self.settings = {"images": len(X), "batch_size": size}

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield the arrays with the places of each batch in them."""
        order = rng.permutation(len(self.X))
        for start in range(0, len(order), self.size):
            yield self.X, self.y, order[start : start + self.size]


class Given:
    """Batches as an iterable gives them, each checked when it comes.

    Parameters
    ----------
    batches : iterable of pairs (X, y)
        Gone through once an epoch, from its start.
    epochs : int
        How often it will be asked to.
    check : callable
        Takes names and arrays, as ``check("X", X, "y", y)``, and returns the arrays.
    """

    def __init__(self, batches: Any, epochs: int, check: Callable[..., Any]) -> None:
        if isinstance(batches, np.ndarray | str | bytes) or not isinstance(batches, Iterable):
            need = "y must be given with images, X alone must be an iterable of batches"
            raise TypeError(f"{need}, pairs (X, y), got {type(batches).__name__}")
        if isinstance(batches, Iterator) and epochs > 1:
            need = "X must start anew in each epoch, as a list or an object with __iter__ does"
            name = type(batches).__name__
            raise TypeError(f"{need}; a {name} can be gone through once, and epochs is {epochs}")
        self.batches, self.check = batches, check
        self.settings = {"images": None, "batch_size": None}
        self.steps = len(batches) if isinstance(batches, Sized) else None

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield each batch, with the places of all its images."""
        number = -1
        for number, batch in enumerate(self.batches):
            if not isinstance(batch, tuple | list) or len(batch) != 2:
                kind = type(batch).__name__
                raise TypeError(f"batch {number} of X must be a pair (X, y), got {kind}")
            names = f"X of batch {number}", f"y of batch {number}"
            X, y = self.check(names[0], batch[0], names[1], batch[1])
            yield X, y, np.arange(len(X))
        if number < 0:
            raise ValueError("X must give at least one batch in each epoch, got none")


def of(X: Any, y: Any, size: Any, epochs: int, check: Callable[..., Any]) -> Arrays | Given:
    """Return the source of batches that the arguments of `CNN.fit` mean."""
    size = _args.integer("batch_size", size, 1)
    if y is None:
        return Given(X, epochs, check)
    X, y = check("X", X, "y", y)
    return Arrays(X, y, size)
