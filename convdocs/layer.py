"""What every layer shares: it remembers its input, and holds parameters and gradients."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from contextvars import ContextVar, copy_context
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from . import _args, memory
from ._args import Array, Rng
from .windows import NO_BORDERS, Patch, Window, same_borders

SLIDING = "kernel_size", "stride", "dilation", "padding"  # the options of a window
T = TypeVar("T")
BLANK = ContextVar("BLANK", default=False)  # whether layers are built without their numbers


def blank(build: Callable[[], T]) -> T:
    """Return the layers that a call builds for their shapes alone: no numbers, and no memory.

    In a context of its own, so that no interrupt leaves later layers without numbers.
    """

    def built() -> T:
        BLANK.set(True)
        return build()

    return copy_context().run(built)


def new_array(
    shape: tuple[int, ...], dtype: np.dtype[Any], make: Callable[[tuple[int, ...]], Array]
) -> Array:
    """Return what ``make(shape)`` returns, as ``dtype``; within `blank` a view of a single 0."""
    if BLANK.get():
        return np.broadcast_to(np.zeros((), dtype), shape)
    return make(shape).astype(dtype, copy=False)


class Layer:
    """A function with a memory: call it, then ask for the gradient.

    A subclass defines two methods: ``forward(x)``, which returns the output, and
    ``gradients(dy, x)``, which returns the gradient for the input, followed by one gradient for
    each parameter, in the order of ``params``, or of the names in ``named``. It may also override
    others: ``__call__``, where training differs from inference, ``learn``, where the gradients for
    the parameters alone take less work, ``least_images``, where one image is too few to train on,
    and what a summary asks, ``sees``, ``phases``, ``macs`` and ``learned``. What its calls keep
    beside the input, it names in ``remembered``.

    Only what is in ``params`` is trained, counted and saved. A layer made of others returns these
    from ``inner``, and has their arrays among its own ``params``, as `Residual` does; weights that
    are to stay as they are it holds as arrays, and not in a layer.

    A layer remembers its last call, and no other: the input itself, not a copy, so change nothing
    in it before `backward`. Where two networks share a layer, or two threads a network, each call
    is followed by its own `backward` before the next one.

    A copy of a layer, or a pickle, holds its parameters, buffers and options, and nothing that the
    layer saw: `backward` needs a new call.

    Parameters
    ----------
    **options
        The arguments that build the same layer again; `CNN.save` stores them. A checkpoint
        compares the layer's ``repr``, which shows them, but for the addresses of objects.

    Attributes
    ----------
    params : dict of str to ndarray
        The live parameters, ``'weight'`` and ``'bias'``; empty for a layer without any.
    grads : dict of str to ndarray
        The gradients of the last `backward`, overwritten and not accumulated.
    buffers : dict of str to ndarray
        What the layer keeps and saves beside its parameters, such as running means; no gradient
        moves it.

    Examples
    --------
    A layer with one weight for each channel:

    >>> class Scale(Layer):
    ...     def __init__(self, channels):
    ...         super().__init__(channels=channels)
    ...         self.params["weight"] = np.ones(channels)
    ...     def forward(self, x):
    ...         return x * self.params["weight"][:, None, None]
    ...     def gradients(self, dy, x):
    ...         dx = dy * self.params["weight"][:, None, None]
    ...         return dx, (dy * x).sum(axis=(0, 2, 3))
    >>> layer = Scale(2)
    >>> y = layer(np.ones((1, 2, 3, 3)))
    >>> print(layer.backward(y).shape, layer.grads["weight"])
    (1, 2, 3, 3) [9. 9.]
    """

    remembered: ClassVar[tuple[str, ...]] = ("x",)  # attributes that are the last call's
    named: ClassVar[tuple[str, ...]] = ()  # parameters whose gradients have this order

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.params: MutableMapping[str, Array] = {}
        self.grads: MutableMapping[str, Array] = {}
        self.buffers: MutableMapping[str, Array] = {}
        self.x: Array | None = None

    def __call__(self, x: ArrayLike, train: bool = False, rng: Rng = None) -> Array:
        """Return the layer's output, and remember ``x`` for `backward`."""
        x = _args.numbers("x", x)
        _args.flag("train", train)
        if rng is not None:
            _args.generator(rng)
        y = made(self, x)
        self.x = x
        return y

    def backward(self, dy: ArrayLike) -> Array:
        """Return the gradient for the last input, and set `grads`.

        Parameters
        ----------
        dy : ndarray
            The gradient of the loss for the layer's output, of that output's shape.

        Returns
        -------
        ndarray
            The gradient of the loss for the layer's input, of that input's shape.

        Raises
        ------
        RuntimeError
            If the layer has not been called yet.
        ValueError, TypeError
            If ``dy`` is not such a gradient, or a subclass does not return the gradients it should.
        NotImplementedError
            If a subclass does not say what comes back.
        """
        x = self.seen()
        result = self.gradients(_args.numbers("dy", dy), x)
        if not isinstance(result, tuple | list) or not result:
            need = "must return the gradients for the input and the parameters as a tuple"
            raise TypeError(f"{type(self).__name__}.gradients {need}, got {_args.shown(result)}")
        dx, *grads = result
        self._same_shape("the input", dx, x)
        self.set_grads(grads)
        return dx

    def learn(self, dy: ArrayLike) -> None:
        """Set `grads` alone, as the first layer with parameters needs it in training."""
        self.backward(dy)

    def returns_as(self, kind: type[Layer]) -> bool:
        """Tell whether the way back is that of a class: a shortcut of it knows no other."""
        own = type(self)
        return own.gradients is kind.gradients and own.backward is kind.backward

    def set_grads(self, grads: Sequence[Array]) -> None:
        """Set `grads` to one gradient for each parameter, in their order."""
        names = names_of(self)
        if len(grads) != len(names):
            need = f"must return {1 + len(names)} gradients ({', '.join(['the input', *names])})"
            raise TypeError(f"{type(self).__name__}.gradients {need}, got {1 + len(grads)}")
        for name, gradient in zip(names, grads, strict=True):
            self._same_shape(name, gradient, self.params[name])
        self.grads = {name: np.asarray(each) for name, each in zip(names, grads, strict=True)}

    def _same_shape(self, name: str, gradient: Any, array: ArrayLike) -> None:
        """Check one of the gradients that a subclass returns."""
        shape = np.shape(array)
        if not isinstance(gradient, np.ndarray | np.generic) or gradient.shape != shape:
            need = f"must return a gradient of shape {shape} for {name}"
            got = getattr(gradient, "shape", _args.shown(gradient))
            raise TypeError(f"{type(self).__name__}.gradients {need}, got {got}")
        if gradient.dtype.kind not in "biuf":
            need = f"must return a gradient of real numbers for {name}"
            raise TypeError(f"{type(self).__name__}.gradients {need}, got dtype {gradient.dtype}")
        if _args.hides(gradient):
            need = f"must return a gradient without masked numbers for {name}"
            raise TypeError(f"{type(self).__name__}.gradients {need}, got {_args.shown(gradient)}")

    def seen(self) -> Array:
        """Return the last input."""
        if self.x is None:
            raise RuntimeError(f"{type(self).__name__}.backward needs a forward pass before it")
        return self.x

    def forward(self, x: Array) -> Array:
        """Return the output for ``x``."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(x)")

    def gradients(self, dy: Array, x: Array) -> tuple[Array, ...]:
        """Return the gradients for the input and for each parameter."""
        raise NotImplementedError(f"{type(self).__name__} must define gradients(dy, x)")

    def least_images(self, x: Array) -> int:
        """Return how many images like those of ``x`` a batch must have for the layer to train."""
        return 1

    def inner(self) -> Sequence[Layer]:
        """Return the layers that this one is made of: of most, none."""
        return ()

    def sees(self, patch: Patch) -> Patch:
        """Return the patch of the input, without borders, that one of the output depends on."""
        if self.options.keys().isdisjoint(SLIDING):
            return patch
        kernel, stride, dilation = (
            _args.pair(name, self.options.get(name, 1), 1) for name in SLIDING[:3]
        )
        padding = self.options.get("padding", 0)
        if isinstance(padding, str):
            borders = same_borders(kernel, dilation) if padding == "same" else NO_BORDERS
            padding = borders[0][0], borders[1][0]
        spans, before = Window(kernel, stride, dilation).span, _args.pair("padding", padding, 0)
        rows, columns = (
            (first * s - p, last * s - p + span - 1) if first <= last else (first, last)
            for (first, last), span, s, p in zip(patch, spans, stride, before, strict=True)
        )
        return rows, columns

    def phases(self) -> int:
        """Return after how many places of the output, each way, its patches begin again."""
        return 1

    def learned(self) -> int:
        """Return how many numbers training can change."""
        return sum(parameter.size for parameter in self.params.values())

    def macs(self, x: Array, y: Array) -> int:
        """Return the multiply-accumulates for an image of the shape of those of ``x``.

        Each number of the output ``y`` takes one for each weight of its kernel.
        """
        weight = self.params.get("weight")
        if weight is None:
            return 0
        return weight.size // (len(weight) if weight.ndim else 1) * math.prod(y.shape[1:])

    def draw_parameters(
        self,
        shape: tuple[int, ...],
        bias: bool,
        dtype: DTypeLike,
        rng: Rng,
        outputs: int | None = None,
    ) -> None:
        """Draw weight and bias uniformly within one over the root of the fan-in.

        That is PyTorch's default for convolution and fully connected layers alike; the fan-in is
        the number of inputs that one output sums, the weights of ``shape[1:]``. There is a bias for
        each of ``outputs``, by default ``shape[0]``. Drawn in float64, so that one seed means the
        same parameters in either precision.
        """
        generator = _args.generator(rng)
        dtype = _args.parameter_dtype(dtype)
        self.options |= {"bias": _args.flag("bias", bias), "dtype": dtype.name}
        bound = 1 / math.sqrt(math.prod(shape[1:]))

        def draw(shape: tuple[int, ...]) -> Array:
            np.empty((2, *shape))  # what is drawn, and a copy: refused at once, not half way
            return generator.uniform(-bound, bound, shape)

        self.params["weight"] = new_array(shape, dtype, draw)
        if bias:
            self.params["bias"] = new_array((outputs or shape[0],), dtype, draw)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle holds: nothing of the last call."""
        return {**vars(self), **dict.fromkeys(self.remembered), "grads": {}}

    def __repr__(self) -> str:
        """Show the call that builds the layer."""
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return f"{type(self).__name__}({options})"


def made(layer: Layer, x: Array) -> Array:
    """Return what a layer makes of its input, and refuse what is no array."""
    y = layer.forward(x)
    if isinstance(y, np.generic):
        y = np.asarray(y)
    if not isinstance(y, np.ndarray):
        need = f"{type(layer).__name__}.forward must return an array"
        raise TypeError(f"{need}, got {_args.shown(y)}")
    if y.dtype.kind not in "biuf" or _args.hides(y):
        need = f"{type(layer).__name__}.forward must return real numbers, none masked"
        raise TypeError(f"{need}, got {_args.what_came(y, y)}")
    if x.ndim > 1 and (not y.ndim or len(y) != len(x)):
        need = f"{type(layer).__name__}.forward must return something for each of {len(x)} images"
        raise TypeError(f"{need}, got the shape {y.shape}")
    return y


def made_of_none(layer: Layer, x: Array) -> Array:
    """Return what a layer makes of no images at all; an error calls their number N."""
    try:
        return made(layer, x)
    except (ValueError, TypeError) as error:
        text = str(error).partition(_args.ADVICE)[0]  # for who has an image at hand
        text = re.sub(r"(\bx must [^:]* got|\bin shape|\bby layers and) \(0(?=,)", r"\1 (N", text)
        told = _args.retold(error, text).with_traceback(error.__traceback__)
        raise told from error.__cause__


def shut(dy: Array, closed: Array, out: Array | None = None) -> Array:
    """Return 0 where ``closed`` is true, else ``dy``: `numpy.where`, several times faster.

    A closed gate, 1, becomes a number all of whose bits are 0, an open one, 0, less 1 all of whose
    bits are 1, and a bitwise "and" does the rest. A product would do as well, were it not that 0
    times infinity is NaN.
    """
    if out is None:
        out = memory.empty_like(closed, dy.dtype)
    if dy.dtype.itemsize > 8:  # a long double: no integer has as many bits
        np.copyto(out, np.where(closed, dy.dtype.type(0), dy))
        return out
    bits = np.dtype(f"i{dy.dtype.itemsize}")
    mask = memory.empty_like(closed, bits)
    np.subtract(closed.view(np.int8), np.int8(1), out=mask)
    np.bitwise_and(mask, dy.view(bits), out=out.view(bits))
    return out


def names_of(layer: Layer) -> list[str]:
    """Return the names of a layer's parameters in the order of their gradients.

    ``params`` has the order in which somebody put them there, who may have sorted them.
    """
    known = [name for name in layer.named if name in layer.params]
    return known + [name for name in layer.params if name not in known]


def in_a_row(layers: Iterable[Layer], name: str = "layers") -> list[Layer]:
    """Return layers as a list, and refuse anything else; ``name`` is what errors call them."""
    try:
        row = list(layers)
    except ValueError:  # of a layer that a generator builds
        raise
    except Exception as error:
        need = f"{name} must be a list of layers, got {_args.shown(layers)}"
        raise TypeError(f"{need}: {_args.shown(error, str)}") from error
    check_rows(**{name: row})
    for number, layer in enumerate(row):
        refuse_untrained(f"{name}[{number}]", layer)
    return row


def refuse_untrained(place: str, layer: Layer) -> None:
    """Refuse a layer that holds another one, but not its parameters among its own."""
    trained = set(map(id, layer.params.values()))
    for name, held in vars(layer).items():
        if isinstance(held, Layer) and not trained.issuperset(map(id, held.params.values())):
            kind = type(layer).__name__
            need = f"the parameters of {kind}.{name} must be among {kind}.params to be trained"
            raise TypeError(f"{place}: {need}, got {', '.join(layer.params) or 'none'}")


def check_rows(**rows: Iterable[Layer]) -> None:
    """Refuse what is no layer, and a layer that stands in two places: it has one memory.

    Rows are lists, which may have changed since they were checked; layers may hold others.
    """
    seen: set[int] = set()
    for name, layers in rows.items():
        for number, layer in enumerate(layers):
            place = f"{name}[{number}]"
            left = [layer]
            while left:
                each = left.pop()
                if not isinstance(each, Layer):
                    raise TypeError(f"{place} must be a layer, got {_args.shown(each)}")
                if not hasattr(each, "x"):
                    kind = type(each).__name__
                    raise TypeError(f"{place}: {kind}.__init__ must call super().__init__()")
                if id(each) in seen:
                    raise ValueError(f"{place} must be a layer of its own, got one twice")
                seen.add(id(each))
                left += each.inner()


def all_of(layers: Iterable[Layer]) -> Iterator[Layer]:
    """Go through layers, and those that they are made of."""
    for layer in layers:
        if not isinstance(layer, Layer):  # a row that has changed since it was checked
            raise TypeError(f"layers must be a list of layers, got {_args.shown(layer)} in it")
        yield layer
        yield from all_of(layer.inner())


def forget(layers: Iterable[Layer]) -> None:
    """Let layers forget what they saw."""
    for layer in all_of(layers):
        vars(layer).update(dict.fromkeys(layer.remembered))


@contextlib.contextmanager
def unmoved_by_errors(layers: Iterable[Layer]) -> Iterator[None]:
    """Give buffers back their numbers, if a layer refuses what others have learned from."""
    held = [(array, array.copy()) for layer in layers for array in layer.buffers.values()]
    try:
        yield
    except BaseException:
        for array, copied in held:
            array[...] = copied
        raise


@contextlib.contextmanager
def fitting(name: str, number: int, layer: Layer, row: str = "layers") -> Iterator[None]:
    """Say in an error which argument did not get through which layer of a row."""
    try:
        yield
    except (ValueError, TypeError) as error:
        ours = type(layer).__module__.startswith(f"{__package__}.")
        # In a layer of one's own the mistake may be anywhere: its traceback is kept.
        text = f"{name} must fit {row}[{number}], {layer!r}: {error}"
        raise _args.retold(error, text) from (error.__cause__ if ours else error)
