"""Where the batches of a training come from: arrays, of memory or of a file, or any iterable."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .. import _args, memory
from .._args import Array
from ..layer import Layer
from ..network import least_images, of_one

SAMPLE = 2**24  # bytes of images that a digest looks at


class Batch(NamedTuple):
    """The images of one step: those at ``places`` of ``X``; none is read before it is asked for."""

    X: Array  #: All images.
    y: Array  #: All labels.
    places: Array  #: Which images are the batch's.

    def read(self, share: slice) -> tuple[Array, Array]:
        """Return images and labels of a share of the batch."""
        X, places = self.X, self.places[share]
        if not X.flags.c_contiguous:
            return X[places], self.y[places]
        x = memory.empty((len(places), *X.shape[1:]), X.dtype)
        X.take(places, axis=0, out=x, mode="clip")  # other modes write elsewhere first
        return x, self.y[places]


class FromArrays:
    """Images in a new order each epoch, ``batch_size`` a step.

    Parameters
    ----------
    layers : list of layers
        What the images must fit.
    X : array_like of shape (N, C, H, W)
        In memory, or mapped from a file that is larger than it.
    y : array_like of shape (N,), or (N, ...) with one label for each place of the scores
    batch_size : int
        Images a batch; the last may have fewer.
    ranks : int
        How many processes share a batch.
    """

    def __init__(
        self, layers: Sequence[Layer], X: ArrayLike, y: ArrayLike, batch_size: int, ranks: int
    ) -> None:
        self.X, self.y = examples(layers, "X", X, "y", y)
        self.batch_size = batch_size
        self._refuse_small_batches(layers, ranks)
        self.steps: int | None = math.ceil(len(self.X) / batch_size)
        self.settings: dict[str, Any] = {"images": len(self.X), "batch_size": batch_size}

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield the batches of an epoch."""
        order = rng.permutation(len(self.X))
        for start in range(0, len(order), self.batch_size):
            yield Batch(self.X, self.y, order[start : start + self.batch_size])

    def digest(self) -> str | None:
        """Return what tells these images and labels from others."""
        return digest(self.X, self.y)

    def _refuse_small_batches(self, layers: Sequence[Layer], ranks: int) -> None:
        """Raise an error if a step has too few images: it would fail in the middle of an epoch."""
        least, why = least_images(layers, self.X, ranks)
        N, size = len(self.X), self.batch_size
        if N < least:
            raise ValueError(f"X must hold at least {least} images for {why}, got {N}")
        last = N % size or size
        if min(size, last) < least:
            need = f"batch_size must give each step at least {least} images for {why}"
            found = f", which leaves {last} of {N} images to the last step" if size > last else ""
            raise ValueError(f"{need}, got {size}{found}")


class FromIterable:
    """Batches as an iterable gives them, each checked when it comes.

    Parameters
    ----------
    layers : list of layers
        What the images must fit.
    pairs : iterable of pairs (X, y)
        Gone through once an epoch, from its start.
    epochs : int
        How often it will be asked to.
    ranks : int
        How many processes share a batch.
    """

    def __init__(self, layers: Sequence[Layer], pairs: Any, epochs: int, ranks: int) -> None:
        if isinstance(pairs, np.ndarray | str | bytes) or not isinstance(pairs, Iterable):
            need = "y must be given with images, X alone must be an iterable of batches"
            raise TypeError(f"{need}, pairs (X, y), got {type(pairs).__name__}")
        if isinstance(pairs, Iterator) and epochs > 1:
            need = "X must start anew in each epoch, as a list or an object with __iter__ does"
            name = type(pairs).__name__
            raise TypeError(f"{need}; a {name} can be gone through once, and epochs is {epochs}")
        self.layers, self.pairs, self.ranks = layers, pairs, ranks
        self.steps = _length(pairs)
        self.settings: dict[str, Any] = {"images": None, "batch_size": None}

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield the batches of an epoch; the iterable draws for itself, and not with ``rng``."""
        number = -1
        for number, pair in enumerate(self.pairs):
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                kind = type(pair).__name__
                size = f" of {len(pair)}" if isinstance(pair, tuple | list) else ""
                raise TypeError(f"batch {number} of X must be a pair (X, y), got {kind}{size}")
            names = f"X of batch {number}", f"y of batch {number}"
            X, y = examples(self.layers, names[0], pair[0], names[1], pair[1])
            least, why = least_images(self.layers, X, self.ranks)
            if len(X) < least:
                need = f"{names[0]} must hold at least {least} images for {why}"
                raise ValueError(f"{need}, got {len(X)}")
            yield Batch(X, y, np.arange(len(X)))
        if number < 0:
            raise ValueError("X must give at least one batch in each epoch, got none")

    def digest(self) -> str | None:
        """Return None: what an iterable will give is not known."""
        return None


def _length(pairs: Any) -> int | None:
    """Return how many pairs will come, or None: a stream may have a length that it cannot tell."""
    try:
        return len(pairs) or None
    except Exception:
        return None


Source = FromArrays | FromIterable


def source(
    layers: Sequence[Layer], X: Any, y: Any, batch_size: int, epochs: int, ranks: int
) -> Source:
    """Return where the batches come from that the arguments of `CNN.fit` mean."""
    batch_size = _args.integer("batch_size", batch_size, 1)
    if y is None:
        return FromIterable(layers, X, epochs, ranks)
    return FromArrays(layers, X, y, batch_size, ranks)


def examples(
    layers: Sequence[Layer], X_name: str, X: ArrayLike, y_name: str, y: ArrayLike
) -> tuple[Array, Array]:
    """Return images and labels as arrays, checked against each other and against the layers."""
    images = _args.numbers(X_name, X)
    scores = of_one(layers, X_name, images)
    refuse_no_scores(scores)
    if scores.ndim > 2 and np.ndim(_args.as_array(y_name, y)) == 1:  # one label an image
        raise _no_scores(scores)
    _, K, *places = scores.shape
    return images, _args.labels(y_name, y, (len(images), *places), K)


def refuse_no_scores(scores: Array) -> None:
    """Raise an error if a network's output has no axis for the classes."""
    if scores.ndim < 2 or scores.shape[1] == 0:
        raise _no_scores(scores)


def _no_scores(scores: Array) -> ValueError:
    """Return the error for an output that gives an image no scores."""
    need = "layers must end in scores of shape (N, K), as Flatten and Linear give them"
    return ValueError(f"{need}, got {scores.shape}")


@_args.silent
def digest(X: Array, y: Array) -> str:
    """Return a short text that tells these images and labels from others.

    It is made of the number of images, their shape and type, all labels, and images of together
    up to 16 MiB, evenly spread from the first to the last: of a large file the rest is not read,
    and two files that differ in the rest alone are taken for one.
    """
    import hashlib

    seen = max(2, SAMPLE // max(1, X[:1].nbytes))
    places = np.linspace(0, len(X) - 1, seen).astype(int) if seen < len(X) else slice(None)
    text = hashlib.blake2b(repr((X.shape, X.dtype.kind, X.dtype.itemsize)).encode(), digest_size=16)
    text.update(np.ascontiguousarray(y, np.int64))
    images = np.ascontiguousarray(X[places], X.dtype.newbyteorder("="))
    if images.dtype.itemsize > 8:  # a long double has bytes that say nothing
        coarse = images.astype(float)
        images = np.stack([coarse, (images - coarse).astype(float)])
    text.update(images)
    return text.hexdigest()
