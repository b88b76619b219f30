"""From scores to probabilities, and how wrong they are: softmax and cross-entropy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from . import _args
from ._args import Array


@_args.silent
def softmax(x: ArrayLike, axis: int = -1) -> Array:
    """Return positive numbers that sum to 1, in the order of the scores ``x``.

    Parameters
    ----------
    x : array_like
        Scores; integers are computed in float64.
    axis : int
        The axis along which the result sums to 1.

    Returns
    -------
    ndarray of the shape of x

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    Examples
    --------
    >>> print(softmax([0, np.log(3)]))
    [0.25 0.75]
    """
    x = _args.numbers("x", x)
    if x.ndim == 0:
        raise ValueError(f"x must have at least one axis, got the number {x}")
    if not -x.ndim <= (axis := _args.integer("axis", axis, -x.ndim)) < x.ndim:
        raise ValueError(f"axis must be one of x's {x.ndim} axes, got {axis}")
    y = np.exp(_shifted(x, axis))
    y /= y.sum(axis=axis, keepdims=True)
    return y


@_args.silent
def cross_entropy(logits: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean of -log(probability that softmax gives to the label).

    Parameters
    ----------
    logits : array_like of shape (N, K) or (N, K, ...)
        Scores of K classes for each of N examples, or for each place of each, such as its pixels.
    labels : array_like of shape (N,) or (N, ...)
        Class numbers from 0 to K - 1, of an integer dtype: one for each place.

    Returns
    -------
    float
        In nats; NaN for an empty batch.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    Examples
    --------
    >>> print(round(cross_entropy([[0, 0]], [1]), 4), round(float(np.log(2)), 4))
    0.6931 0.6931
    """
    logits, labels = _check(logits, labels)
    if labels.size == 0:
        return float("nan")
    z = _shifted(logits, 1)
    right = np.take_along_axis(z, labels[:, None], axis=1)[:, 0]
    losses = np.log(np.exp(z).sum(axis=1)) - right
    return float(losses.mean())


@_args.silent
def cross_entropy_backward(logits: ArrayLike, labels: ArrayLike) -> Array:
    """Return the gradient of `cross_entropy` for the logits.

    It is ``(softmax(logits) - onehot(labels)) / N``: the probabilities, less 1 at the label; with
    several places in an example, N is the number of all of them.

    Parameters
    ----------
    logits, labels
        As in the forward call.

    Returns
    -------
    ndarray of the shape of logits

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    Examples
    --------
    >>> print(cross_entropy_backward([[0, 0]], [1]))
    [[ 0.5 -0.5]]
    """
    logits, labels = _check(logits, labels)
    dlogits = softmax(logits, axis=1)
    at = labels[:, None]
    np.put_along_axis(dlogits, at, np.take_along_axis(dlogits, at, axis=1) - 1, axis=1)
    dlogits /= max(1, labels.size)
    return dlogits


def _check(logits: ArrayLike, labels: ArrayLike) -> tuple[Array, Array]:
    """Check the arguments; return them as arrays."""
    logits = _args.numbers("logits", logits)
    if logits.ndim < 2 or logits.shape[1] == 0:
        need = "the shape (N, K) or (N, K, ...), of at least one class"
        raise ValueError(f"logits must have {need}, got {logits.shape}")
    N, K, *places = logits.shape
    shape = _args.as_array("labels", labels).shape
    if places and len(shape) != logits.ndim - 1:
        need = f"logits of shape {logits.shape} must meet labels of shape {(N, *places)}"
        raise ValueError(f"{need}, got {shape}")
    return logits, _args.labels("labels", labels, (N, *places), K).astype(np.intp, copy=False)


def _shifted(x: Array, axis: int) -> Array:
    """Return ``x`` less its maximum, in a floating dtype: exp of it cannot overflow."""
    x = x.astype(_args.floating(x), copy=False)
    return x - x.max(axis=axis, keepdims=True, initial=-np.inf)  # inf - inf is NaN
