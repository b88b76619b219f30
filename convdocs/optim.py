"""Optimisers: how a gradient becomes a step. Formulas and defaults are PyTorch's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import ref

import numpy as np

from . import _args, memory
from ._args import Array
from ._unbroken import unbroken
from .layer import Layer, in_a_row

UNSHOWN = "memory", "steps", "_places"
AT_LEAST_0 = "a finite number of at least 0"


class Optimizer:
    """What optimisers share: one step for each parameter, and a memory of each.

    Parameters
    ----------
    lr : float
        The learning rate: the size of a step.
    weight_decay : float
        How strongly parameters are drawn towards 0: this times the parameter joins its gradient.
    """

    def __init__(self, lr: float, weight_decay: float) -> None:
        self.lr = lr
        self.weight_decay = weight_decay
        self.memory: dict[tuple[int, str], list[Array]] = {}
        self.steps = 0
        self._places: dict[tuple[int, str], ref[Array]] = {}
        Optimizer.check(self)

    def check(self) -> None:
        """Refuse settings that cannot be right: they may be changed between steps."""
        for name in ("lr", "weight_decay"):
            number = _args.number(name, getattr(self, name), 0, _args.LARGEST, AT_LEAST_0)
            setattr(self, name, number)

    def __repr__(self) -> str:
        """Show the settings, but not what is remembered."""
        settings = ", ".join(f"{name}={value!r}" for name, value in self.settings().items())
        return f"{type(self).__name__}({settings})"

    @unbroken()
    @_args.silent
    def step(self, layers: Iterable[Layer]) -> None:
        """Change every parameter of the layers, in place, by its last gradient.

        Parameters
        ----------
        layers : iterable of layers
            ``model.layers``, after `CNN.backward`. An optimiser remembers the parameters that it
            has moved: use one for each model.

        Raises
        ------
        RuntimeError
            If a layer with parameters has no gradients yet.
        ValueError, TypeError
            If a gradient, or what is remembered, does not have the parameter's shape or holds no
            real numbers, or a layer stands in another place than in the steps before, or a
            parameter cannot be changed in place, or a setting has been made one that cannot be
            right; nothing is changed then.
        """
        self.check()
        jobs, row = [], in_a_row(layers)
        self.keeps_places(row)
        for number, layer in enumerate(row):
            for name, parameter in layer.params.items():
                movable(f"'{number}.{name}' of layers", parameter)
                if name not in layer.grads:
                    raise RuntimeError(f"step needs a backward pass before it: {layer!r}")
                remembered = self.memory.get((number, name)) or self.blank(parameter)
                gradient = moving(f"the gradient of '{number}.{name}'", layer.grads[name])
                for array in (gradient, *remembered):
                    if array.shape != parameter.shape:
                        need = f"{type(layer).__name__}.{name} must keep its shape {array.shape}"
                        raise ValueError(f"{need}, got {parameter.shape}")
                jobs.append((number, name, parameter, gradient, remembered))
        self.steps += 1
        for number, name, parameter, gradient, remembered in jobs:
            self.memory[number, name] = remembered
            self._places[number, name] = ref(parameter)
            if self.weight_decay:
                gradient = gradient + self.weight_decay * parameter
            self.move(parameter, gradient, *remembered)

    def keeps_places(self, layers: Iterable[Layer]) -> None:
        """Refuse layers in other places than before: what is remembered is kept by place."""
        before: dict[int, list[tuple[int, str]]] = {}  # several places, if layers share a parameter
        for place, parameter in self.moved():
            before.setdefault(id(parameter), []).append(place)
        for number, layer in enumerate(layers):
            for name, parameter in layer.params.items():
                places = before.get(id(parameter), [(number, name)])
                if (number, name) in places:
                    continue
                (then, called), *_ = places
                here, there = f"layers[{number}]", str(then)
                if then == number:  # within a block
                    here, there = f"{here}.{name}", called
                need = f"{here} must stand where it stood in the steps before, at {there}"
                raise ValueError(f"{need}, got {layer!r}: take a new optimiser")

    def moved(self) -> list[tuple[tuple[int, str], Array]]:
        """Return the parameters that it has moved and that are still there, by their places."""
        seen = ((place, parameter()) for place, parameter in self._places.items())
        return [(place, parameter) for place, parameter in seen if parameter is not None]

    def has_moved_others(self, arrays: Iterable[Array]) -> bool:
        """Tell whether it has moved something, but none of these; others may be gone by now."""
        ours = set(map(id, arrays))
        return bool(self._places) and ours.isdisjoint(id(array) for _, array in self.moved())

    def settings(self) -> dict[str, Any]:
        """Return what may be changed between steps."""
        return {name: value for name, value in vars(self).items() if name not in UNSHOWN}

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle holds: its layers are others."""
        return {**vars(self), "_places": {}}

    def blank(self, parameter: Array) -> list[Array]:
        """Return what is remembered of a parameter before the first step."""
        raise NotImplementedError(f"{type(self).__name__} must define blank(parameter)")

    def move(self, parameter: Array, gradient: Array, *remembered: Array) -> None:
        """Change one parameter, and what is remembered of it, in place."""
        raise NotImplementedError(f"{type(self).__name__} must define move(parameter, gradient)")


def movable(name: str, parameter: Any) -> None:
    """Refuse a parameter that no step can change in place."""
    if not isinstance(parameter, np.ndarray) or parameter.dtype.kind != "f":
        got = getattr(parameter, "dtype", _args.shown(parameter))
        raise TypeError(f"{name} must be an array of floating-point numbers, got {got}")
    if not parameter.flags.writeable:
        raise ValueError(f"{name} must be an array to write to, got one for reading alone")


def moving(name: str, gradient: Any) -> Array:
    """Return a gradient as floating-point numbers, and refuse what holds no real ones."""
    if not isinstance(gradient, np.ndarray) or gradient.dtype.kind not in "biuf":
        got = getattr(gradient, "dtype", _args.shown(gradient))
        raise TypeError(f"{name} must be an array of real numbers, got {got}")
    return gradient if gradient.dtype.kind == "f" else gradient.astype(float)


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if asked for.

    Parameters
    ----------
    lr : float
        The learning rate: the size of a step.
    momentum : float
        The share of the velocity that goes on, from 0 to 1. The velocity sums gradients, and a
        step is the rate times it, as in PyTorch; in the reference the rate is inside of the sum,
        which is the same as long as it does not change.
    weight_decay : float
        How strongly parameters are drawn towards 0: this times the parameter joins its gradient.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    References
    ----------
    I. Sutskever et al., "On the importance of initialization and momentum in deep learning",
    ICML 2013.

    Examples
    --------
    >>> SGD(lr=0.1, momentum=0.9).momentum
    0.9
    """

    def __init__(self, lr: float = 1e-3, momentum: float = 0.0, weight_decay: float = 0.0) -> None:
        super().__init__(lr, weight_decay)
        self.momentum = momentum
        self.check()

    def check(self) -> None:
        """Refuse settings that cannot be right."""
        super().check()
        self.momentum = _args.number("momentum", self.momentum, 0, 1, "a number from 0 to 1")

    def blank(self, parameter: Array) -> list[Array]:
        """Return a velocity of zero, if there is momentum."""
        return [np.zeros_like(parameter)] if self.momentum else []

    def move(self, parameter: Array, gradient: Array, *remembered: Array) -> None:
        """Step against the gradient, or along the velocity that it adds to."""
        if not remembered:
            parameter -= np.multiply(gradient, self.lr, out=memory.empty_like(gradient))
            return
        (velocity,) = remembered
        velocity *= self.momentum
        velocity += gradient
        parameter -= np.multiply(velocity, self.lr, out=memory.empty_like(velocity))


class Adam(Optimizer):
    """Adam: steps scaled by running means of the gradient and of its square.

    Parameters
    ----------
    lr : float
        The learning rate: about the size of a step.
    betas : pair of float
        How long the two means remember, from 0 to below 1.
    eps : float
        A small number that keeps the division safe.
    weight_decay : float
        How strongly parameters are drawn towards 0: this times the parameter joins its gradient.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    References
    ----------
    D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015,
    arXiv:1412.6980.

    Examples
    --------
    >>> Adam().lr
    0.001
    """

    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(lr, weight_decay)
        self.betas: tuple[float, ...] = betas
        self.eps = eps
        self.check()

    def check(self) -> None:
        """Refuse settings that cannot be right."""
        super().check()
        below_one = np.nextafter(1, 0)
        need = "a pair of numbers from 0 to below 1"
        pair = _args.several("betas", self.betas, 2, need)
        self.betas = tuple(_args.number("betas", b, 0, below_one, need) for b in pair)
        self.eps = _args.number("eps", self.eps, 0, _args.LARGEST, AT_LEAST_0)

    def blank(self, parameter: Array) -> list[Array]:
        """Return means of zero."""
        return [np.zeros_like(parameter), np.zeros_like(parameter)]

    def move(self, parameter: Array, gradient: Array, *remembered: Array) -> None:
        """Update both means, and step by their ratio, corrected for their start at zero."""
        mean, square = remembered
        b1, b2 = self.betas
        part = np.multiply(gradient, 1 - b1, out=memory.empty_like(gradient))
        mean *= b1
        mean += part
        np.multiply(gradient, 1 - b2, out=part)
        part *= gradient
        square *= b2
        square += part
        scale = np.divide(square, 1 - b2**self.steps, out=memory.empty_like(square))
        np.sqrt(scale, out=scale)
        scale += self.eps
        step = np.multiply(mean, self.lr / (1 - b1**self.steps), out=memory.empty_like(mean))
        step /= scale
        parameter -= step
