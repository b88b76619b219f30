"""Checkpoints: all that a training is made of, so that it can stop anywhere and go on elsewhere.

What a step depends on is the weights, the running statistics, what the optimiser remembers, the
state of the random generator, and the place in the epoch. Whoever restores all of that makes the
same next step, to the last bit: after a kill, from a file; on other ranks, from a message.
"""

from __future__ import annotations

import itertools
import json
import time
from operator import index
from typing import TYPE_CHECKING, Any

from .. import store

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    import numpy as np

    from .._args import Array
    from ..cnn import CNN
    from ..optim import Optimizer
    from .batches import Arrays, Batch, Given
    from .parallel import Ranks

    State = tuple[dict[str, Any], dict[str, Array]]

FORMAT = "checkpoint 1"
SECONDS = 60.0  # how much work of a long epoch a kill may cost


class Training:
    """A training at some place: so many epochs done, so many steps into the next.

    Parameters
    ----------
    model : CNN
    optimizer : Optimizer
    rng : numpy.random.Generator
        What order and dropout are drawn with; its state is part of the training's.
    source : Arrays or Given
        Where the batches come from.
    seeded : bool
        Whether the caller chose ``rng``, so that it says which training this is.
    path : path-like or None
        The file to save to, on the rank that saves.

    Attributes
    ----------
    epoch, step : int
        What is done: epochs, and steps of the next.
    sums : list
        Images, loss and hits in the steps of the epoch that has begun.
    """

    def __init__(
        self,
        model: CNN,
        optimizer: Optimizer,
        rng: np.random.Generator,
        source: Arrays | Given,
        seeded: bool,
        path: str | os.PathLike[str] | None,
    ) -> None:
        self.model, self.optimizer, self.rng = model, optimizer, rng
        self.source, self.path, self.saved = source, path, time.monotonic()
        self.epoch, self.step, self.sums = 0, 0, [0, 0.0, 0]
        self.begun = _plain(rng.bit_generator.state)
        self.settings = {
            "layers": [repr(layer) for layer in model.layers],
            "optimizer": repr(optimizer),
            "rng": self.begun if seeded else None,
            **source.settings,
        }

    def begin(self, ranks: Ranks, epochs: int) -> None:
        """Go to where the file ends, or else write one; and bring all ranks to the same place.

        Raises
        ------
        ValueError, TypeError
            If the file is of another training, or damaged, or a rank was called differently;
            nothing is changed then.
        """
        state = ranks.together(lambda: self._read(epochs))
        new = ranks.from_first(state is None)
        if ranks.size > 1:
            calls = {"epochs": epochs, **self.settings}
            first, state = ranks.from_first((calls, state or self.state()))
            need = "fit must be called alike on every rank: rank 0 has"
            ranks.together(lambda: _compare(need, first, calls))
        if state is not None:
            self._restore(*state)
        if new:
            ranks.together(self.save)  # before any work: a path that cannot be written says so now

    def batches(self) -> Iterator[Batch]:
        """Yield the batches of the epoch that has begun, without those that were done before."""
        if self.step == 0:
            self.begun = _plain(self.rng.bit_generator.state)
        resumed = _plain(self.rng.bit_generator.state)
        self.rng.bit_generator.state = self.begun  # the same order again
        batches = self.source.epoch(self.rng)
        for _ in itertools.islice(batches, self.step):
            pass
        if self.step:
            self.rng.bit_generator.state = resumed
        yield from batches

    def advance(self, *sums: float) -> None:
        """Count a step, and save when the last time is long ago."""
        self.step += 1
        self.sums = [before + more for before, more in zip(self.sums, sums, strict=True)]
        if time.monotonic() > self.saved + SECONDS:
            self.save()

    def turn(self) -> None:
        """Count an epoch, and save."""
        self.epoch, self.step, self.sums = self.epoch + 1, 0, [0, 0.0, 0]
        self.save()

    def save(self) -> None:
        """Write the file, whole or not at all, if there is to be one."""
        if self.path is not None:
            store.write(self.path, *self.state())
        self.saved = time.monotonic()

    def state(self) -> State:
        """Return a description and arrays, from which `_restore` makes the same training."""
        optimizer, arrays = self.optimizer, dict(self.model.state_dict())
        remembered = optimizer.memory.items()
        for (layer, name), memory in remembered:
            arrays |= {f"memory.{layer}.{name}.{i}": array for i, array in enumerate(memory)}
        description = {
            "format": FORMAT,
            "settings": self.settings,
            "epoch": self.epoch,
            "step": self.step,
            "sums": self.sums,
            "begun": self.begun,
            "rng": _plain(self.rng.bit_generator.state),
            "optimizer": [optimizer.steps, [[*key, len(memory)] for key, memory in remembered]],
            "history": self.model.history,
        }
        return description, arrays

    def _restore(self, description: dict[str, Any], arrays: dict[str, Array]) -> None:
        """Take up a state, or raise an error before anything is changed."""
        before, arrays = self.rng.bit_generator.state, dict(arrays)
        try:
            steps, remembered = description["optimizer"]
            memory = {
                (layer, name): [arrays.pop(f"memory.{layer}.{name}.{i}") for i in range(count)]
                for layer, name, count in remembered
            }
            epoch, step = index(description["epoch"]), index(description["step"])
            history, (n, loss, hits) = list(description["history"]), description["sums"]
            for state in (begun := description["begun"]), description["rng"]:
                self.rng.bit_generator.state = state
            self.model.load_state_dict(arrays)
        except (KeyError, TypeError, ValueError) as error:
            self.rng.bit_generator.state = before
            need = f"checkpoint must be a whole one, {self.path!r} is not"
            raise ValueError(f"{need}: {error!r}") from error
        self.optimizer.memory, self.optimizer.steps = memory, steps
        self.model.history, self.sums = history, [n, loss, hits]
        self.epoch, self.step, self.begun = epoch, step, begun

    def _read(self, epochs: int) -> State | None:
        """Return what the file holds, or None if there is none yet."""
        if self.path is None:
            return None
        try:
            description, arrays = store.read(self.path)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise type(error)(
                f"checkpoint must be a file that fit wrote, or none: {error}"
            ) from None
        kind = description.get("format") if isinstance(description, dict) else None
        if kind != FORMAT:
            need = f"checkpoint must be a file that fit wrote ({FORMAT})"
            raise ValueError(f"{need}, got {self.path!r} with the format {kind!r}")
        need = f"checkpoint must be of this training; {self.path!r} has"
        settings = {**self.settings, **(description.get("settings") or {"layers": None})}
        if not (settings["rng"] and self.settings["rng"]):  # one was not chosen
            settings["rng"] = self.settings["rng"]
        _compare(need, settings, self.settings)
        if (description.get("epoch") or 0) > epochs:
            raise ValueError(f"epochs must be at least those of the checkpoint, got {epochs}")
        return description, arrays


def _compare(need: str, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    """Raise an error that names the first thing in which two trainings differ."""
    for name, value in ours.items():
        if theirs.get(name) != value:
            if name == "rng":
                raise ValueError(f"{need} another rng")
            raise ValueError(f"{need} {name} {theirs.get(name)}, got {value}")


def _plain(state: Any) -> Any:
    """Return a generator's state as JSON gives it back, to store and to compare."""
    return json.loads(json.dumps(state, default=lambda array: array.tolist()))
