"""Layers in a row: what they make of images, what comes back, and their weights by name."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from . import _args
from ._args import Array, Rng
from ._unbroken import unbroken
from .architecture import agreeing, named_arrays, writable
from .layer import Layer, check_rows, fitting, forget, in_a_row, made, unmoved_by_errors
from .summary import Summary

MANY = 256  # images at a time, where nothing is learned from them


class Network:
    """Layers in a row: the output of each is the input of the next.

    Parameters
    ----------
    layers : iterable of layers
        From the image to whatever the last one returns.

    Attributes
    ----------
    layers : list of layers

    Raises
    ------
    ValueError, TypeError
        If something in ``layers`` is not a layer, or one stands there twice.

    Examples
    --------
    >>> from convdocs import AvgPool2d, Conv2d, ReLU
    >>> edges = Network([Conv2d(1, 2, 3, rng=0), ReLU(), AvgPool2d(2)])
    >>> edges(np.zeros((5, 1, 8, 8))).shape
    (5, 2, 3, 3)
    """

    def __init__(self, layers: Iterable[Layer]) -> None:
        self.layers = in_a_row(layers)

    def __call__(self, x: ArrayLike, train: bool = False, rng: Rng = None) -> Array:
        """Return the output for images ``x``; each layer remembers what it saw.

        Parameters
        ----------
        x : array_like of shape (N, C, H, W)
            Images.
        train : bool
            Whether layers behave as in training (dropout, batch normalisation).
        rng : int or numpy.random.Generator, optional
            What dropout is drawn with.

        Returns
        -------
        ndarray
            The last layer's output; for a classifier, scores of shape (N, K).

        Raises
        ------
        ValueError, TypeError
            If the images do not fit the layers, and which they do not fit.
        """
        x, train = _args.numbers("x", x), _args.flag("train", train)
        if rng is not None:
            rng = _args.generator(rng)  # one stream for all layers
        check_rows(layers=self.layers)
        y, number = x, 0
        try:
            with unmoved_by_errors(self.layers if train else []), _advised(self.layers, "x", x):
                for number, layer in enumerate(self.layers):
                    with fitting("x", number, layer):
                        y = layer(y, train=train, rng=rng)
                        if not isinstance(y, np.ndarray):
                            need = f"{type(layer).__name__}.__call__ must return an array"
                            raise TypeError(f"{need}, got {_args.shown(y)}")
        except BaseException as error:
            if number > 0 or not isinstance(error, Exception):
                forget(self.layers)  # no way back leads through layers that saw different inputs
            raise
        return y

    def backward(self, dy: ArrayLike) -> Array:
        """Return the gradient for the last images, and set every layer's ``grads``.

        Parameters
        ----------
        dy : array_like
            The gradient of the loss for the output.

        Returns
        -------
        ndarray of the shape of the images

        Raises
        ------
        RuntimeError
            If the network has not been called yet, or a layer behind the first has refused the
            last call. What the first one refuses changes nothing.
        ValueError, TypeError
            If ``dy`` is not such a gradient.
        """
        check_rows(layers=self.layers)
        dx = _args.numbers("dy", dy)
        for layer in reversed(self.layers):
            dx = layer.backward(dx)
        return dx

    def summary(self, input_shape: tuple[int, ...]) -> Summary:
        """Return what each layer makes of an image: a table to print, and a list to compute with.

        Parameters
        ----------
        input_shape : tuple of int
            (C, H, W) of one image.

        Returns
        -------
        Summary
            One `Row` a layer. Multiply-accumulates are for one image and without biases. The
            receptive field is the patch of the image that one output sees, borders not cut off;
            it can be too small behind layers that make maps more than 256 times as large, and too
            large where a dilated kernel passes over numbers between the places of others.

        Raises
        ------
        ValueError, TypeError
            If ``input_shape`` is not a shape, or does not fit the first layer.

        Examples
        --------
        >>> from convdocs import CNN, Conv2d, MaxPool2d, ReLU
        >>> print(CNN([Conv2d(1, 6, 5), ReLU(), MaxPool2d(2)]).summary((1, 28, 28)))
        layer      output shape  parameters  multiply-accumulates  receptive field
        --------------------------------------------------------------------------
        Conv2d     6 x 24 x 24          156                86,400            5 x 5
        ReLU       6 x 24 x 24            0                     0            5 x 5
        MaxPool2d  6 x 12 x 12            0                     0            6 x 6
        --------------------------------------------------------------------------
        total                           156                86,400
        """
        return Summary.of(self.layers, input_shape)

    def state_dict(self) -> dict[str, Array]:
        """Return copies of all parameters and buffers under ``torch.nn.Sequential``'s names.

        Returns
        -------
        dict of str to ndarray
            ``'0.weight'``, ``'0.bias'`` and so on: the layer's number and the parameter's name;
            of batch normalisation also ``'1.running_mean'`` and so on.
        """
        return {key: array.copy() for key, array in named_arrays(self.layers).items()}

    def load_state_dict(self, state: Mapping[str, ArrayLike]) -> None:
        """Overwrite all parameters and buffers, in place and in their dtype.

        Parameters
        ----------
        state : dict of str to array_like
            As `state_dict` returns it. Where old versions of PyTorch counted no batches, the
            counter stays as it is.

        Raises
        ------
        ValueError, TypeError
            If a key is missing or superfluous, an array has another shape or no real numbers, or
            one of the network's own is for reading alone; nothing is changed then.
        """
        ours = named_arrays(self.layers)
        copies = {key: array.copy() for key, array in agreeing(ours, state).items()}
        writable(ours)
        with unbroken():
            for key, array in copies.items():
                ours[key][...] = array

    def __repr__(self) -> str:
        """Show the layers, one a line."""
        name, lines = type(self).__name__, "".join(f"    {layer!r},\n" for layer in self.layers)
        return f"{name}([\n{lines}])" if lines else f"{name}([])"


def inferred(layers: Sequence[Layer], name: str, X: Array) -> Array:
    """Return the output for all images as outside of training; no layer remembers anything.

    Parameters
    ----------
    layers : list of layers
    name : str
        What the caller calls the images, for errors.
    X : ndarray of shape (N, C, H, W)
        In memory or mapped from a file: `MANY` at a time are computed with.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError, TypeError
        If the images do not fit the layers; the message speaks of ``X`` as a whole.
    """
    if X.ndim < 2:
        raise ValueError(f"{name} must have the shape (N, C, H, W), got {X.shape}")
    starts = range(0, max(1, len(X)), MANY)
    return np.concatenate([_of_part(layers, name, X, slice(at, at + MANY)) for at in starts])


def of_one(layers: Sequence[Layer], name: str, X: Array) -> Array:
    """Return the output for the first image alone, with the errors that all would give."""
    if X.ndim == 0 or X.size == 0:
        raise ValueError(f"{name} must hold at least one image, got shape {X.shape}")
    return _of_part(layers, name, X, slice(1))


def least_images(layers: Sequence[Layer], X: Array, ranks: int) -> tuple[int, str]:
    """Return how many images a batch must have for all layers to train, and which one says so."""
    x, least, why = X[:1], 1, "a step"
    for number, layer in enumerate(layers):
        if (needed := ranks * layer.least_images(x)) > max(least, ranks):
            least, why = needed, f"layers[{number}], {layer!r}"
        x = layer.forward(x)
    return least, why


def learn(layers: Sequence[Layer], dy: Array) -> None:
    """Set every layer's ``grads``, as `Network.backward` does, and go no further than needed."""
    first = next((number for number, layer in enumerate(layers) if layer.params), 0)
    for layer in reversed(layers[first + 1 :]):
        dy = layer.backward(dy)
    if layers:
        layers[first].learn(dy)


def _of_part(layers: Sequence[Layer], name: str, X: Array, part: slice) -> Array:
    """Return the output for some of the images; an error gives the number of them all."""
    check_rows(layers=layers)
    y = X[part]
    with _advised(layers, name, X):
        for number, layer in enumerate(layers):
            with fitting(name, number, layer):
                try:
                    y = made(layer, y)
                except (ValueError, TypeError):
                    layer.forward(np.broadcast_to(y[:1], (len(X), *y.shape[1:])))  # refused, too
                    raise
    return y


@contextlib.contextmanager
def _advised(layers: Sequence[Layer], name: str, X: Array) -> Iterator[None]:
    """Say in an error how the images would fit, if it is only their axes that are amiss."""
    try:
        yield
    except (ValueError, TypeError) as error:
        # Else it is something that training alone needs.
        amiss = X.ndim == 0 or not (_has_channels(layers, X) or _fit(layers, X[:1]))
        for change, changed in _other_axes(X) if amiss else ():
            if _fit(layers, changed[:1]):
                need = f"{name} must have the shape (N, C, H, W), got {X.shape}"
                raise ValueError(f"{need}; {name.split()[0]}{change} fits") from None
        text = str(error).partition(_args.ADVICE)[0]  # which would not fit
        raise _args.retold(error, text) from error.__cause__


def _has_channels(layers: Sequence[Layer], X: Array) -> bool:
    """Tell whether images (N, C, H, W) have the channels that the first layer asks for."""
    options = layers[0].options if layers else {}
    return X.ndim == 4 and X.shape[1] == options.get("in_channels", options.get("num_features"))


def _other_axes(X: Array) -> Iterator[tuple[str, Array]]:
    """Yield what the same images could be meant as, and how to say so in Python."""
    if X.ndim == 3:
        yield "[:, None]", X[:, None]  # grey images
        yield "[None]", X[None]  # a single one
    if X.ndim == 2:
        yield "[None, None]", X[None, None]
        side = math.isqrt(X.shape[1])
        if 0 < side * side == X.shape[1]:  # pixels in a row
            yield f".reshape(-1, 1, {side}, {side})", X[:1].reshape(-1, 1, side, side)
    if X.ndim == 4:
        yield ".transpose(0, 3, 1, 2)", X.transpose(0, 3, 1, 2)  # channels last


def _fit(layers: Sequence[Layer], x: Array) -> bool:
    """Tell whether images get through all layers."""
    try:
        for layer in layers:
            x = layer.forward(x)
    except Exception:
        return False
    return True
