"""The training loop: epochs, their batches, and for each a step against the loss's gradient."""

from __future__ import annotations

import itertools
import os
import time
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .. import _args
from ..architecture import agreeing, named_arrays
from ..loss import cross_entropy, cross_entropy_backward
from ..network import Network, inferred, learn
from ..optim import Adam, Optimizer
from . import batches, checkpoint
from .batches import Batch
from .checkpoint import State
from .parallel import Communicator, Ranks
from .progress import Bar

if TYPE_CHECKING:
    from .._args import Array, Rng

SECONDS = 60.0  # how much work of a long epoch a kill may cost


class Sums(NamedTuple):
    """What is counted over many images: how many they are, their loss, and those that are right."""

    images: int = 0
    loss: float = 0.0
    hits: int = 0

    @classmethod
    def of(cls, scores: Array, labels: Array, counted: int) -> Sums:
        """Return the sums over all images of a rank's share, or over none of them."""
        hits = (scores.argmax(axis=1) == labels)[:counted].sum()
        return cls(counted, counted * cross_entropy(scores, labels), int(hits))

    @classmethod
    def total(cls, parts: Iterable[Sums]) -> Sums:
        """Return the sums over the images of all parts."""
        images, losses, hits = zip(*parts, strict=True)
        return cls(sum(images), sum(losses), sum(hits))

    def mean_loss(self) -> float:
        """Return the loss of an image; of none, it is not a number."""
        return self.loss / self.images if self.images else float("nan")

    def accuracy(self) -> float:
        """Return the share of images that are right."""
        return self.hits / self.images if self.images else float("nan")


def train(
    model: Network,
    history: list[dict[str, float]],
    X: ArrayLike | Iterable[tuple[ArrayLike, ArrayLike]],
    y: ArrayLike | None,
    epochs: int,
    batch_size: int,
    rng: Rng,
    optimizer: Optimizer | None,
    validation: tuple[ArrayLike, ArrayLike] | None,
    progress: bool | None,
    path: str | os.PathLike[str] | None,
    comm: Communicator | None,
) -> None:
    """Train a network as `CNN.fit` says, and write down in ``history`` how each epoch went."""
    ranks, epochs = Ranks(comm), _args.integer("epochs", epochs, 0)
    source = batches.source(model.layers, X, y, batch_size, epochs)
    held = None if validation is None else _validation(model, validation)
    seeded, rng = rng is not None, _args.generator(rng)
    optimizer = Adam(lr=3e-3) if optimizer is None else optimizer
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer must be one of convdocs.optim, got {optimizer!r}")
    shown = progress if progress is None else _args.flag("progress", progress)
    training = Training(model, history, source, optimizer, rng, seeded, ranks, path)
    training.begin(epochs)
    bar = Bar(epochs, source.steps, shown if ranks.rank == 0 else False)
    try:
        with ranks, bar.line():
            while training.epoch < epochs:
                for batch in training.batches():
                    training.learn(batch)
                    bar.step(training.epoch + 1, training.step, training.sums.mean_loss())
                entry = training.measured(held)
                bar.epoch(training.epoch + 1, entry["loss"])
                training.end_epoch(entry)
    except KeyboardInterrupt:
        message = f"training interrupted: {training.made} steps were made"
        warnings.warn(message, stacklevel=3)


class Training:
    """A training at some place: so many epochs done, so many steps into the next.

    Parameters
    ----------
    model : Network
    history : list of dict
        What each epoch came to.
    source : FromArrays or FromIterable
        Where the batches come from.
    optimizer : Optimizer
    rng : numpy.random.Generator
        What order and dropout are drawn with; its state is part of the training's.
    seeded : bool
        Whether the caller chose ``rng``, so that it says which training this is.
    ranks : Ranks
        Who trains; the first of them saves.
    path : path-like or None
        The file to go on from, and to save to.

    Attributes
    ----------
    epoch, step : int
        What is done: epochs, and steps of the next.
    sums : Sums
        Over this rank's shares of the steps in the epoch that has begun.
    made : int
        Steps that this call made.
    """

    def __init__(
        self,
        model: Network,
        history: list[dict[str, float]],
        source: batches.Source,
        optimizer: Optimizer,
        rng: np.random.Generator,
        seeded: bool,
        ranks: Ranks,
        path: str | os.PathLike[str] | None,
    ) -> None:
        self.model, self.history, self.source = model, history, source
        self.optimizer, self.rng, self.ranks = optimizer, rng, ranks
        self.path = path if ranks.rank == 0 else None
        self.saved = time.monotonic()
        self.epoch, self.step, self.made = 0, 0, 0
        self.sums = Sums()
        self.begun = checkpoint.plain(rng.bit_generator.state)
        self.settings: dict[str, Any] = {
            "layers": [repr(layer) for layer in model.layers],
            "optimizer": repr(optimizer),
            "rng": self.begun if seeded else None,
            **source.settings,
        }

    def begin(self, epochs: int) -> None:
        """Go to where the file ends, or else write one; and bring all ranks to the same place.

        Raises
        ------
        ValueError, TypeError
            If the file is of another training, or damaged, or a rank was called differently;
            nothing is changed then.
        """
        ranks = self.ranks
        state = ranks.together(lambda: self._read(epochs))
        new = ranks.from_first(state is None)
        if ranks.size > 1:
            calls = {"epochs": epochs, **self.settings}
            first, state = ranks.from_first((calls, state or self.state()))
            need = "fit must be called alike on every rank: rank 0 has"
            ranks.together(lambda: checkpoint.compare(need, first, calls))
        if state is not None:
            self._restore(state)
        if new:
            ranks.together(self.save)  # before any work: a path that cannot be written says so now

    def batches(self) -> Iterator[Batch]:
        """Yield the batches of the epoch that has begun, without those that were done before."""
        if self.step == 0:
            self.begun = checkpoint.plain(self.rng.bit_generator.state)
        resumed = self.rng.bit_generator.state
        self.rng.bit_generator.state = self.begun  # the same order again
        left = self.source.epoch(self.rng)
        for _ in itertools.islice(left, self.step):
            pass
        if self.step:
            self.rng.bit_generator.state = resumed
        yield from left

    def learn(self, batch: Batch) -> None:
        """Make one step: forward, loss, backward, and against the gradient."""
        ranks, layers = self.ranks, self.model.layers
        share, counted = ranks.share(len(batch.places))
        x, labels = batch.read(share)
        scores = self.model(x, train=True, rng=ranks.noise(self.rng, self.epoch, self.step))
        learn(layers, cross_entropy_backward(scores, labels))
        saving = self.path is not None and time.monotonic() > self.saved + SECONDS
        saving = ranks.average(layers, counted, len(batch.places), saving)
        self.optimizer.step(layers)
        self.advance(Sums.of(scores, labels, counted), saving)

    def advance(self, sums: Sums, saving: bool) -> None:
        """Count a step, and save if it is time to."""
        self.made += 1
        self.step += 1
        self.sums = Sums.total([self.sums, sums])
        if saving:
            self.add_up()
            self.save()

    def add_up(self) -> Sums:
        """Return the sums of all ranks, and leave them to the first."""
        sums = Sums.total(self.ranks.gathered(self.sums))
        self.sums = sums if self.ranks.rank == 0 else Sums()
        return sums

    def measured(self, held: tuple[Array, Array] | None) -> dict[str, float]:
        """Return what the epoch came to, in training and for images that are not learned from."""
        self.ranks.agree_that_the_epoch_ends(self.model.layers)
        sums = self.add_up()
        entry = {"loss": sums.mean_loss(), "accuracy": sums.accuracy()}
        if held is not None:
            X, y = held
            share, counted = self.ranks.share(len(X))
            scores = inferred(self.model.layers, "validation[0]", X[share])
            sums = Sums.total(self.ranks.gathered(Sums.of(scores, y[share], counted)))
            entry |= {"val_loss": sums.mean_loss(), "val_accuracy": sums.accuracy()}
        return entry

    def end_epoch(self, entry: dict[str, float]) -> None:
        """Write the epoch into the history, count it, and save."""
        self.history.append(entry)
        self.epoch += 1
        self.step = 0
        self.sums = Sums()
        self.save()

    def save(self) -> None:
        """Write the file, whole or not at all, if there is to be one."""
        if self.path is not None:
            checkpoint.write(self.path, self.state())
        self.saved = time.monotonic()

    def state(self) -> State:
        """Return all that `_restore` makes the same training of."""
        return State(
            settings=self.settings,
            epoch=self.epoch,
            step=self.step,
            sums=self.sums,
            begun=self.begun,
            rng=checkpoint.plain(self.rng.bit_generator.state),
            optimizer_steps=self.optimizer.steps,
            memory=self.optimizer.memory,
            history=self.history,
            weights=self.model.state_dict(),
        )

    def _restore(self, state: State) -> None:
        """Take up a state."""
        self.model.load_state_dict(state.weights)
        self.rng.bit_generator.state = state.rng
        self.optimizer.memory = state.memory
        self.optimizer.steps = state.optimizer_steps
        self.history[:] = state.history
        self.epoch, self.step, self.begun = state.epoch, state.step, state.begun
        self.sums = Sums(*state.sums) if self.ranks.rank == 0 else Sums()

    def _read(self, epochs: int) -> State | None:
        """Return what the file holds, if it is of this training; None if there is none yet."""
        if self.path is None:
            return None
        state = checkpoint.read(self.path)
        if state is None:
            return None
        self._check(state, self.path, epochs)
        return state

    def _check(self, state: State, path: str | os.PathLike[str], epochs: int) -> None:
        """Raise an error if a file is of another training, or this one could not go on with it."""
        theirs = {**self.settings, **state.settings}
        if not (theirs["rng"] and self.settings["rng"]):  # one was not chosen
            theirs["rng"] = self.settings["rng"]
        need = f"checkpoint must be of this training; {path!r} has"
        checkpoint.compare(need, theirs, self.settings)
        if state.epoch > epochs:
            raise ValueError(f"epochs must be at least those of the checkpoint, got {epochs}")
        before = self.rng.bit_generator.state
        ours = named_arrays(self.model.layers)
        try:
            for each in state.begun, state.rng:
                self.rng.bit_generator.state = each
            agreeing(ours, state.weights)
            for (layer, name), memory in state.memory.items():
                like = ours[f"{layer}.{name}"]
                wanted = [(array.dtype, array.shape) for array in self.optimizer.blank(like)]
                if [(array.dtype, array.shape) for array in memory] != wanted:
                    raise ValueError(f"the optimiser cannot have remembered {name!r} so")
        except (KeyError, TypeError, ValueError) as error:
            raise checkpoint.damaged(path, error) from error
        finally:
            self.rng.bit_generator.state = before


def _validation(model: Network, validation: Any) -> tuple[Array, Array]:
    """Return images and labels that are not learned from."""
    if not isinstance(validation, tuple | list) or len(validation) != 2:
        raise TypeError(f"validation must be a pair (X, y), got {validation!r}")
    X, y = validation
    return batches.examples(model.layers, "validation[0]", X, "validation[1]", y)
