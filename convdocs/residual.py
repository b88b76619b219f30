"""Residual blocks: layers that learn what to add to their input."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from . import _args, memory
from ._args import Array, Rng
from .layer import Layer, all_of, check_rows, fitting, in_a_row, made, unmoved_by_errors
from .windows import Pair, Patch, batch_first, batch_last

Group = Literal["params", "grads", "buffers"]


class Residual(Layer):
    """A block that adds its input to what its layers make of it: ``x + f(x)``.

    On the way back, the gradient reaches the input by both ways, and on the shorter one unchanged.

    Its parameters have the names that PyTorch gives them where such a block holds two rows of
    layers: ``'body.0.weight'`` and, of the shortcut, ``'shortcut.0.weight'``.

    Parameters
    ----------
    layers : iterable of layers
        In a row; they are ``body``.
    shortcut : iterable of layers, optional
        What brings the input into the shape of the sum, where ``layers`` change it: mostly a 1 x 1
        convolution. By default nothing.

    Attributes
    ----------
    body, shortcut : list of layers

    Raises
    ------
    ValueError, TypeError
        If something in them is not a layer, or one stands there twice, or ``layers`` is empty.

    References
    ----------
    K. He, X. Zhang, S. Ren and J. Sun, "Deep residual learning for image recognition", CVPR 2016,
    arXiv:1512.03385.

    Examples
    --------
    >>> from convdocs import Conv2d, ReLU
    >>> block = Residual([Conv2d(4, 4, 3, padding=1, rng=0), ReLU()])
    >>> block(np.zeros((2, 4, 8, 8), np.float32)).shape
    (2, 4, 8, 8)
    >>> list(block.params)
    ['body.0.weight', 'body.0.bias']
    """

    def __init__(self, layers: Iterable[Layer], shortcut: Iterable[Layer] | None = None) -> None:
        super().__init__()
        body = in_a_row(layers)
        if not body:
            raise ValueError("layers must hold at least one layer, got []")
        other = [] if shortcut is None else in_a_row(shortcut, "shortcut")
        check_rows(layers=body, shortcut=other)
        self.body, self.shortcut = body, other

    @property
    def options(self) -> dict[str, Any]:
        """The arguments that build the block again."""
        return {"layers": self.body, "shortcut": self.shortcut or None}

    @options.setter
    def options(self, options: Mapping[str, Any]) -> None:
        self.body = list(options.get("layers") or ())
        self.shortcut = list(options.get("shortcut") or ())

    def inner(self) -> Sequence[Layer]:
        """Return all layers of the block."""
        return [*self.body, *self.shortcut]

    def __call__(self, x: ArrayLike, train: bool = False, rng: Rng = None) -> Array:
        """Return the sum of both ways; each layer remembers what it saw."""
        x, train = _args.numbers("x", x), _args.flag("train", train)
        if rng is not None:
            rng = _args.generator(rng)  # one stream for all layers
        check_rows(layers=self.body, shortcut=self.shortcut)
        ends = []
        with _unchanged_by_errors(list(all_of(self.inner()))):
            for row in (self.body, self.shortcut):
                y = x
                for number, layer in enumerate(row):
                    with fitting("x", number, layer, self._called(row)):
                        y = layer(y, train=train, rng=rng)
                ends.append(y)
            y = self._sum(*ends)
        self.x = x
        return y

    def forward(self, x: Array) -> Array:
        """Return the sum of both ways, as outside of training."""
        return self._sum(*(self._through(row, x) for row in (self.body, self.shortcut)))

    def backward(self, dy: ArrayLike) -> Array:
        """Return the sum of what comes back by both ways; every layer's ``grads`` are set."""
        x = self.seen()
        dy = _args.numbers("dy", dy)
        ends = []
        for row in (self.body, self.shortcut):
            dx = dy
            for layer in reversed(row):
                dx = layer.backward(dx)
            self._same_shape("the input", dx, x)
            ends.append(dx)
        return _added(*ends)

    def least_images(self, x: Array) -> int:
        """Return the most that any of the layers needs."""
        least = 1
        for row in (self.body, self.shortcut):
            y = x
            for layer in row:
                least = max(least, layer.least_images(y))
                y = layer.forward(y)
        return least

    def sees(self, patch: Patch) -> Patch:
        """Return the patch around those that both ways see."""
        ends = []
        for row in (self.body, self.shortcut):
            seen = patch
            for layer in reversed(row):
                seen = layer.sees(seen)
            ends.append(seen)
        rows, columns = map(_around, *ends)
        return rows, columns

    def learned(self) -> int:
        """Return how many numbers of all layers training can change."""
        return sum(layer.learned() for layer in self.inner())

    def macs(self, x: Array, y: Array) -> int:
        """Return the multiply-accumulates of all layers."""
        total = 0
        for row in (self.body, self.shortcut):
            here = x
            for layer in row:
                there = layer.forward(here)
                total += layer.macs(here, there)
                here = there
        return total

    @property
    def params(self) -> MutableMapping[str, Array]:
        """The live parameters of all layers."""
        return Joined(self, "params")

    @params.setter
    def params(self, arrays: MutableMapping[str, Array]) -> None:
        Joined(self, "params").replace(arrays)

    @property
    def grads(self) -> MutableMapping[str, Array]:
        """The gradients of all layers."""
        return Joined(self, "grads")

    @grads.setter
    def grads(self, arrays: MutableMapping[str, Array]) -> None:
        Joined(self, "grads").replace(arrays)

    @property
    def buffers(self) -> MutableMapping[str, Array]:
        """The buffers of all layers."""
        return Joined(self, "buffers")

    @buffers.setter
    def buffers(self, arrays: MutableMapping[str, Array]) -> None:
        Joined(self, "buffers").replace(arrays)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle holds: copies of the layers, and nothing of a call."""
        body, shortcut = ([copy.copy(layer) for layer in row] for row in (self.body, self.shortcut))
        return {**vars(self), "body": body, "shortcut": shortcut, "x": None}

    def _called(self, row: Sequence[Layer]) -> str:
        """Return the argument by which a row of layers came here."""
        return "shortcut" if row is self.shortcut else "layers"

    def _through(self, row: Sequence[Layer], x: Array) -> Array:
        """Return what layers in a row make of ``x``; none of them remembers it."""
        for number, layer in enumerate(row):
            with fitting("x", number, layer, self._called(row)):
                x = made(layer, x)
        return x

    def _sum(self, y: Array, past: Array) -> Array:
        """Return the sum of the ends of both ways, if they have one shape."""
        if y.shape != past.shape:
            need = f"x must get one shape by both ways through {self!r}"
            raise ValueError(f"{need}, got {y.shape} by layers and {past.shape} by the shortcut")
        return _added(y, past)


class Joined(MutableMapping[str, Array]):
    """The dictionaries of a block's layers as one: what is set here is set there.

    Parameters
    ----------
    block : Residual
    group : str
        Which of their dictionaries: ``'params'``, ``'grads'`` or ``'buffers'``.
    """

    def __init__(self, block: Residual, group: Group) -> None:
        self.group = group
        self.homes: dict[str, MutableMapping[str, Array]] = {
            f"{way}.{number}": getattr(layer, group)
            for way, row in (("body", block.body), ("shortcut", block.shortcut))
            for number, layer in enumerate(row)
        }

    def __iter__(self) -> Iterator[str]:
        """Go through all names, in the order of the layers."""
        return (f"{place}.{name}" for place, home in self.homes.items() for name in home)

    def __len__(self) -> int:
        """Return how many arrays there are."""
        return sum(map(len, self.homes.values()))

    def __getitem__(self, key: str) -> Array:
        """Return the array of this name."""
        home, name = self._home(key)
        if name not in home:
            raise KeyError(key)
        return home[name]

    def __setitem__(self, key: str, array: Array) -> None:
        """Put an array into the dictionary of its layer."""
        home, name = self._home(key)
        home[name] = array

    def __delitem__(self, key: str) -> None:
        """Take an array out of the dictionary of its layer."""
        home, name = self._home(key)
        if name not in home:
            raise KeyError(key)
        del home[name]

    def __repr__(self) -> str:
        """Show it as the dictionary that it stands for."""
        return repr(dict(self))

    def __reversed__(self) -> Iterator[str]:
        """Go through all names from the last."""
        return reversed(list(self))

    def __or__(self, other: Any) -> dict[str, Array]:
        """Return a dictionary of these arrays and others, as a dictionary's own sign does."""
        return {**self, **other} if isinstance(other, Mapping) else NotImplemented

    def __ror__(self, other: Any) -> dict[str, Array]:
        """Return a dictionary of others and these arrays."""
        return {**other, **self} if isinstance(other, Mapping) else NotImplemented

    def __ior__(self, other: Any) -> Joined:
        """Put arrays into the dictionaries of their layers."""
        self.update(other)
        return self

    def copy(self) -> dict[str, Array]:
        """Return a dictionary of the same arrays, as a dictionary's own method does."""
        return dict(self)

    def replace(self, arrays: MutableMapping[str, Array]) -> None:
        """Hold these arrays and no others."""
        new = dict(arrays)
        for key in new:
            self._home(key)  # refused before anything is taken out
        self.clear()
        self.update(new)

    def _home(self, key: str) -> tuple[MutableMapping[str, Array], str]:
        """Return the dictionary of a layer, and a name in it."""
        way, _, rest = str(key).partition(".")
        number, _, name = rest.partition(".")
        home = self.homes.get(f"{way}.{number}")
        if home is None or not name:
            raise KeyError(key)
        if not isinstance(home, Joined):
            return home, name
        try:  # of a block within the block
            return home._home(name)
        except KeyError:
            raise KeyError(key) from None


@contextlib.contextmanager
def _unchanged_by_errors(layers: Sequence[Layer]) -> Iterator[None]:
    """Give layers back what they held, if one of them refuses what the others took."""
    held = [(layer, vars(layer).copy()) for layer in layers]
    try:
        with unmoved_by_errors(layers):
            yield
    except BaseException:
        for layer, attributes in held:
            vars(layer).update(attributes)
        raise


def _around(one: Pair, other: Pair) -> Pair:
    """Return the first and the last of two ranges, one of which may be empty."""
    ranges = [(first, last) for first, last in (one, other) if first <= last] or [one]
    return min(first for first, _ in ranges), max(last for _, last in ranges)


@_args.silent
def _added(one: Array, other: Array) -> Array:
    """Return the sum of two arrays of one shape, on memory that was used before."""
    dtype = _args.floating(one, other)
    if one.ndim == 4:  # in one order, since adding numbers across it is slow
        one, other = (batch_first(batch_last(array, dtype)) for array in (one, other))
    return np.add(one, other, out=memory.empty_like(one, dtype), dtype=dtype)
