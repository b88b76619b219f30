"""Activations: functions of each number by itself, which stand between layers of weights.

Without them, layers in a row would be one. What comes back through one of them is multiplied by its
slope at the number that went in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from . import _args, memory
from ._args import Array
from .layer import Layer, shut


def relu(x: ArrayLike) -> Array:
    """Return the larger of ``x`` and 0, element by element.

    Parameters
    ----------
    x : array_like
        Numbers of any shape; the result has their dtype, integers included.

    Returns
    -------
    ndarray of the shape of x

    Raises
    ------
    ValueError, TypeError
        If ``x`` does not hold real numbers, or hides some behind a mask.

    Examples
    --------
    >>> print(relu([-1.5, 0, 2]))
    [0. 0. 2.]
    """
    x = _args.numbers("x", x)
    with _args.in_memory("x", x.shape):
        y = memory.empty_like(x)
    y.fill(0)  # a maximum of two arrays is several times faster than one of an array and a number
    return np.maximum(x, y, out=y)


@_args.silent
def leaky_relu(x: ArrayLike, negative_slope: float = 0.01) -> Array:
    """Return ``x`` where it is positive, and ``negative_slope`` times ``x`` elsewhere.

    Parameters
    ----------
    x : array_like
        Numbers of any shape; integers are computed in float64.
    negative_slope : float
        The slope below zero, from 0 to 1.

    Returns
    -------
    ndarray of the shape of x

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    References
    ----------
    A. L. Maas, A. Y. Hannun and A. Y. Ng, "Rectifier nonlinearities improve neural network acoustic
    models", ICML 2013.

    Examples
    --------
    >>> print(leaky_relu([-1.5, 0, 2], 0.1))
    [-0.15  0.    2.  ]
    """
    x = _floating(x)
    slope = _slope(negative_slope)
    y = memory.empty_like(x)
    y.fill(0)
    np.minimum(x, y, out=y)  # what is negative alone: 0 times infinity would be NaN
    y *= slope
    return np.maximum(x, y, out=y)


@_args.silent
def sigmoid(x: ArrayLike) -> Array:
    """Return ``1 / (1 + exp(-x))``, element by element: a number between 0 and 1.

    Parameters
    ----------
    x : array_like
        Numbers of any shape; integers are computed in float64.

    Returns
    -------
    ndarray of the shape of x

    Raises
    ------
    ValueError, TypeError
        If ``x`` does not hold real numbers.

    Examples
    --------
    >>> print(sigmoid([-1000, 0, np.log(3)]))
    [0.   0.5  0.75]
    """
    x = _floating(x)
    y = np.negative(x, out=memory.empty_like(x))
    np.exp(y, out=y)  # 1 / inf is 0, as it should be
    y += 1
    return np.reciprocal(y, out=y)


@_args.silent
def tanh(x: ArrayLike) -> Array:
    """Return the hyperbolic tangent, element by element: a number between -1 and 1.

    Parameters
    ----------
    x : array_like
        Numbers of any shape; integers are computed in float64.

    Returns
    -------
    ndarray of the shape of x

    Raises
    ------
    ValueError, TypeError
        If ``x`` does not hold real numbers.

    Examples
    --------
    >>> print(tanh([-1000, 0, np.log(2)]))
    [-1.   0.   0.6]
    """
    x = _floating(x)
    return np.tanh(x, out=memory.empty_like(x))


def _floating(x: ArrayLike) -> Array:
    """Return numbers in the dtype to compute in."""
    array = _args.numbers("x", x)
    with _args.in_memory("x", array.shape):
        return array.astype(_args.floating(array), copy=False)


@_args.silent
def _times(dy: Array, slope: Array) -> Array:
    """Return a gradient times the slope, an array even of a single number."""
    return np.multiply(dy, slope, out=memory.empty_like(slope, _args.floating(dy, slope)))


def _slope(value: float) -> float:
    """Return ``value`` as the slope of a leaky ReLU."""
    return _args.number("negative_slope", value, 0, 1, "a number from 0 to 1")


class ReLU(Layer):
    """A layer that lets positive numbers through and sets all others to 0, its gradient alike.

    Examples
    --------
    >>> print(ReLU()(np.array([-1.0, 2.0])))
    [0. 2.]
    """

    def __init__(self) -> None:
        super().__init__()

    def forward(self, x: Array) -> Array:
        """Return the larger of ``x`` and 0."""
        return relu(x)

    def gradients(self, dy: Array, x: Array) -> tuple[Array, ...]:
        """Return ``dy`` where the input was positive, and 0 elsewhere."""
        _args.same_shape("dy", dy, x.shape)
        return (shut(dy, x <= 0),)  # as in PyTorch, a NaN lets dy through


class LeakyReLU(Layer):
    """A layer that lets positive numbers through, and all others with a smaller slope.

    Parameters
    ----------
    negative_slope : float
        The slope below zero, from 0 to 1.

    Raises
    ------
    ValueError, TypeError
        If ``negative_slope`` is no such number.

    Examples
    --------
    >>> print(LeakyReLU(0.1)(np.array([-1.0, 2.0])))
    [-0.1  2. ]
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__(negative_slope=_slope(negative_slope))

    def forward(self, x: Array) -> Array:
        """Return ``x``, less steep below 0."""
        return leaky_relu(x, self.options["negative_slope"])

    def gradients(self, dy: Array, x: Array) -> tuple[Array, ...]:
        """Return ``dy`` where the input was positive, and a share of it elsewhere."""
        _args.same_shape("dy", dy, x.shape)
        slope = memory.empty_like(x, _args.floating(dy, x))
        np.greater(x, 0, out=slope)  # as in PyTorch, a NaN counts as negative
        np.maximum(slope, self.options["negative_slope"], out=slope)
        return (_times(dy, slope),)


class Sigmoid(Layer):
    """A layer that squashes numbers between 0 and 1: ``1 / (1 + exp(-x))``.

    Examples
    --------
    >>> print(Sigmoid()(np.array([-1000.0, 0.0])))
    [0.  0.5]
    """

    def __init__(self) -> None:
        super().__init__()

    def forward(self, x: Array) -> Array:
        """Return the squashed numbers."""
        return sigmoid(x)

    @_args.silent
    def gradients(self, dy: Array, x: Array) -> tuple[Array, ...]:
        """Return the gradient for the numbers: with ``y``, the slope is ``y (1 - y)``."""
        _args.same_shape("dy", dy, x.shape)
        y = sigmoid(x)
        slope = np.subtract(1, y, out=memory.empty_like(y))  # exact near 1, as y - y y is not
        slope *= y
        return (_times(dy, slope),)


class Tanh(Layer):
    """A layer that squashes numbers between -1 and 1 by the hyperbolic tangent.

    Examples
    --------
    >>> print(Tanh()(np.array([-1000.0, 0.0])))
    [-1.  0.]
    """

    def __init__(self) -> None:
        super().__init__()

    def forward(self, x: Array) -> Array:
        """Return the squashed numbers."""
        return tanh(x)

    @_args.silent
    def gradients(self, dy: Array, x: Array) -> tuple[Array, ...]:
        """Return the gradient for the numbers: with ``y``, the slope is ``1 - y y``."""
        _args.same_shape("dy", dy, x.shape)
        y = tanh(x)
        np.multiply(y, y, out=y)
        np.subtract(1, y, out=y)
        return (_times(dy, y),)
