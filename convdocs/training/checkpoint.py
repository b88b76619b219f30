"""Checkpoint files: all that a training is made of, so that it can stop and go on elsewhere.

What a step depends on is the weights, the running statistics, what the optimiser remembers and how
it is set, the state of the random generator, and the place in the epoch. Whoever restores all of
that makes the same next step, to the last bit.
"""

from __future__ import annotations

import contextlib
import copy
import json
import re
from functools import partial
from operator import index
from types import BuiltinFunctionType, FunctionType
from typing import Any, NamedTuple

import numpy as np

from .. import store
from .._args import Array, Path, shown
from ..optim import UNSHOWN, Optimizer

FORMAT = "checkpoint 1"
PLACES = {"pos": 624, "buffer_pos": 4}  # of MT19937 and of Philox
WORDS = {  # how to say that settings differ which are too long to show
    "rng": "another rng",
    "data": "other images or labels",
    "validation": "another validation set, or none",
}


class Moment(NamedTuple):
    """What may change between two steps, beside weights: all of it as JSON gives it back."""

    rng: dict[str, Any]  #: The state of the random generator.
    settings: dict[str, Any]  #: Of the optimiser, such as a learning rate that falls.


class State(NamedTuple):
    """A training at some place: so many epochs done, so many steps into the next."""

    settings: dict[str, Any]  #: What the training was asked for, which must not change.
    epoch: int  #: How many epochs are done.
    step: int  #: How many steps of the next one are done.
    sums: tuple[int, float, int]  #: Labels, their loss and hits in the epoch that has begun.
    begun: Moment  #: At the beginning of the epoch.
    now: Moment  #: At this place.
    optimizer_steps: int  #: How many steps the optimiser has made.
    memory: dict[tuple[int, str], list[Array]]  #: Its arrays for each parameter of each layer.
    history: list[dict[str, float]]  #: Of the epochs that are done.
    weights: dict[str, Array]  #: The network's, as in `state_dict`.


def write(path: Path, state: State) -> None:
    """Write a state to a file, whole or not at all."""
    arrays = dict(state.weights)
    for (layer, name), memory in state.memory.items():
        arrays |= {f"memory.{layer}.{name}.{i}": array for i, array in enumerate(memory)}
    counts = [[*key, len(memory)] for key, memory in state.memory.items()]
    description = {
        "format": FORMAT,
        "settings": state.settings,
        "epoch": state.epoch,
        "step": state.step,
        "sums": state.sums,
        "begun": state.begun.rng,
        "rng": state.now.rng,
        "optimizer": [state.optimizer_steps, counts],
        "optimizer_settings": [state.begun.settings, state.now.settings],
        "history": state.history,
    }
    try:
        store.write(path, description, arrays)
    except OSError as error:  # which speaks of a path
        need = (error.strerror or "").replace("path", "checkpoint", 1)
        raise OSError(error.errno, need, error.filename) from None
    except ValueError as error:
        raise ValueError(str(error).replace("path", "checkpoint", 1)) from None


def read(path: Path) -> State | None:
    """Return what a file holds, or None if there is none.

    Raises
    ------
    ValueError, TypeError
        If it is not a whole file of `write`; the message names it.
    OSError
        If there is something else, or what there is may not be read.
    """
    try:
        description, arrays = store.read(path)
    except FileNotFoundError:
        return None
    except OSError as error:  # of what is no file, or is not for us
        need = f"checkpoint must be a file that fit wrote, or none ({error.strerror})"
        raise OSError(error.errno, need, path) from None
    except (ValueError, TypeError) as error:
        raise type(error)(f"checkpoint must be a file that fit wrote, or none: {error}") from None
    kind = description.get("format") if isinstance(description, dict) else None
    if kind != FORMAT:
        need = f"checkpoint must be a file that fit wrote ({FORMAT})"
        raise ValueError(f"{need}, got {path!r} with the format {kind!r}")
    try:
        optimizer_steps, counts = description["optimizer"]
        begun, now = description.get("optimizer_settings", ({}, {}))  # older files have none
        labels, loss, hits = description["sums"]
        return State(
            settings=dict(description["settings"]),
            epoch=_count(description["epoch"]),
            step=_count(description["step"]),
            sums=(_count(labels), float(loss), _count(hits)),
            begun=Moment(dict(description["begun"]), dict(begun)),
            now=Moment(dict(description["rng"]), dict(now)),
            optimizer_steps=_count(optimizer_steps),
            memory={
                (layer, name): [arrays.pop(f"memory.{layer}.{name}.{i}") for i in range(count)]
                for layer, name, count in counts
            },
            history=[
                {str(name): float(value) for name, value in entry.items()}
                for entry in description["history"]
            ],
            weights=arrays,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> ValueError:
    """Return the error for a file that holds something else than a training."""
    return ValueError(f"checkpoint must be a whole one, {path!r} is not: {error!r}")


def compare(need: str, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    """Raise an error that names the first thing in which the settings of two trainings differ."""
    for name, value in ours.items():
        if theirs.get(name) != value:
            difference = f"{name} {theirs.get(name)}, got {value}"
            raise ValueError(f"{need} {WORDS.get(name, difference)}")


def called(thing: object) -> str:
    """Return the call that builds something, without addresses: they differ in each process."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(thing))


def plain(state: Any) -> Any:
    """Return a generator's state as JSON gives it back, to store and to compare."""
    return json.loads(json.dumps(state, default=lambda array: array.tolist()))


def plain_settings(optimizer: Optimizer) -> dict[str, Any]:
    """Return an optimiser's settings as JSON gives them back, without those that it cannot hold."""
    held = {}
    for name, value in optimizer.settings().items():
        with contextlib.suppress(AttributeError, TypeError, ValueError, RecursionError):
            if holdable(value):
                held[name] = plain(value)
    return held


def holdable(value: Any) -> bool:
    """Return whether JSON gives a setting back: of a dictionary it makes the keys texts."""
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(holdable, value.values()))
    if isinstance(value, list | tuple):
        return all(map(holdable, value))
    return value is None or isinstance(value, bool | int | float | str | np.generic | np.ndarray)


def refuse_unheld(optimizer: Optimizer) -> None:
    """Refuse a setting that a file cannot hold: it may change, but for a function."""
    held = plain_settings(optimizer)
    functions = (FunctionType, BuiltinFunctionType, partial, type)
    for name, value in optimizer.settings().items():
        if name not in held and not isinstance(value, functions):
            need = "must be made of numbers, texts and lists, or be a function, for a checkpoint"
            raise TypeError(f"optimizer.{name} {need}, got {shown(value)}")


def take_up(optimizer: Optimizer, settings: dict[str, Any]) -> None:
    """Give an optimiser the settings of a moment; one that is as it was keeps its type.

    One that it has not yet, it may get by its next step, as a count that its class begins.
    """
    ours = plain_settings(optimizer)
    for name, value in settings.items():
        if name in ours:
            other = ours[name] != value
        else:  # but not what is no setting: a method, or what Python itself keeps
            own = callable(getattr(type(optimizer), name, None)) or name.startswith("__")
            other = not own and name not in UNSHOWN
        if other:
            setattr(optimizer, name, copy.deepcopy(value))
    optimizer.check()


def alike(ours: Any, theirs: Any, name: str = "rng") -> None:
    """Refuse the state of a generator that ours could not have: NumPy takes what it is given.

    A place beyond the numbers that were drawn in advance would end Python.
    """
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        for key, value in ours.items():
            alike(value, theirs[key], key)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for one, other in zip(ours, theirs, strict=True):
            alike(one, other, name)
    elif type(ours) is not type(theirs) or isinstance(ours, dict | list):
        raise ValueError(f"{name} must be like {ours!r}, got {theirs!r}")
    elif isinstance(ours, int) and not 0 <= theirs <= PLACES.get(name, theirs):
        raise ValueError(f"{name} cannot be {theirs}")


def _count(value: Any) -> int:
    """Return a number of things."""
    count = index(value)
    if count < 0:
        raise ValueError(f"{count} is no number of things")
    return count
