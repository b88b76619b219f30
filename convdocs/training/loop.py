"""The training loop: epochs, their batches, and for each a step against the loss's gradient."""

from __future__ import annotations

import copy
import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .. import _args
from .._args import Array, Path, Rng
from .._unbroken import heard, unbroken
from ..architecture import COUNTER, agreeing, named_arrays, writable
from ..loss import cross_entropy, cross_entropy_backward
from ..network import Network, inferred, learn
from ..optim import Adam, Optimizer, movable
from . import batches, checkpoint
from .batches import Batch, Source
from .checkpoint import Moment, State
from .parallel import Communicator, Ranks
from .progress import Bar, warn

SECONDS = 60.0  # how much work of a long epoch a kill may cost


class Sums(NamedTuple):
    """What is counted over many labels: how many they are, their loss, and those that are met.

    An image has one label, or one for each of its places.
    """

    labels: int = 0  #: How many there are.
    loss: float = 0.0  #: Of all of them together.
    hits: int = 0  #: How many of them the network met.

    @classmethod
    def of(cls, scores: Array, labels: Array, counted: int) -> Sums:
        """Return the sums over all images of a rank's share, or over none of them."""
        hits = (scores.argmax(axis=1) == labels)[:counted].sum()
        number = counted * math.prod(labels.shape[1:])
        return cls(number, number * cross_entropy(scores, labels), int(hits))

    @classmethod
    def total(cls, parts: Iterable[Sums]) -> Sums:
        """Return the sums over the labels of all parts."""
        labels, losses, hits = zip(*parts, strict=True)
        return cls(sum(labels), sum(losses), sum(hits))

    def mean_loss(self) -> float:
        """Return the loss of a label; of none, it is not a number."""
        return self.loss / self.labels if self.labels else float("nan")

    def accuracy(self) -> float:
        """Return the share of labels that are met."""
        return self.hits / self.labels if self.labels else float("nan")


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
    path: Path | None,
    comm: Communicator | None,
) -> None:
    """Train a network as `CNN.fit` says, and write down in ``history`` how each epoch went."""
    ranks = Ranks(comm)

    def checked() -> Training:
        count = _args.integer("epochs", epochs, 0)
        source = batches.source(model.layers, X, y, batch_size, count, ranks.size)
        shown = progress if progress is None else _args.flag("progress", progress)
        return Training(
            model=model,
            history=history,
            source=source,
            validation=None if validation is None else validation_set(model, validation),
            optimizer=_able(model, Adam(lr=3e-3) if optimizer is None else optimizer),
            rng=_args.generator(rng),
            seeded=rng is not None,
            epochs=count,
            ranks=ranks,
            path=path,
            bar=Bar(count, source.steps, shown if ranks.rank == 0 else False),
        )

    training = ranks.together(checked)
    training.begin()
    try:
        with ranks, training.bar.line(), heard() as training.check:
            while training.epoch < training.epochs:
                for batch in training.batches():
                    training.learn(batch)
                training.end_epoch()
    except KeyboardInterrupt:
        warn(f"training interrupted: {training.made} steps were made")


@dataclass
class Training:
    """A training at some place: so many epochs done, so many steps into the next.

    Parameters
    ----------
    model : Network
    history : list of dict
        What each epoch came to.
    source : FromArrays or FromIterable
        Where the batches come from.
    validation : pair of ndarray, or None
        Images and labels that are not learned from.
    optimizer : Optimizer
    rng : numpy.random.Generator
        What order and dropout are drawn with; its state is part of the training's.
    seeded : bool
        Whether the caller chose ``rng``, so that it says which training this is.
    epochs : int
        How many there are to be.
    ranks : Ranks
        Who trains; the first of them saves.
    path : path-like or None
        The file to go on from, and to save to.
    bar : Bar
        What is shown of it.

    Attributes
    ----------
    epoch, step : int
        What is done: epochs, and steps of the next.
    sums : Sums
        Over this rank's shares of the steps in the epoch that has begun.
    made : int
        Steps that this call made.
    check : callable
        Raises KeyboardInterrupt where Ctrl-C would have been lost.
    """

    model: Network
    history: list[dict[str, float]]
    source: Source
    validation: tuple[Array, Array] | None
    optimizer: Optimizer
    rng: np.random.Generator
    seeded: bool
    epochs: int
    ranks: Ranks
    path: Path | None
    bar: Bar
    epoch: int = 0
    step: int = 0
    sums: Sums = field(default_factory=Sums)
    made: int = 0
    saved: float = field(default_factory=time.monotonic)
    warned: bool = False
    check: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        """Take down what tells this training from others."""
        self.begun = self._now()
        self.settings: dict[str, Any] = {
            "layers": [checkpoint.called(layer) for layer in self.model.layers],
            "optimizer": checkpoint.called(self.optimizer),
            "rng": self.begun.rng if self.seeded else None,
            **self.source.settings,
        }
        if self.path is not None or self.ranks.size > 1:
            self.settings["data"] = self.source.digest()
            unlearned = None if self.validation is None else batches.digest(*self.validation)
            self.settings["validation"] = unlearned

    def begin(self) -> None:
        """Go to where the file ends, or else write one; and bring all ranks to the same place.

        Raises
        ------
        ValueError, TypeError
            If the file is of another training, or damaged, or a rank was called differently;
            nothing is changed then.
        """
        ranks = self.ranks
        state = ranks.together(self._read)
        new = ranks.from_first(state is None)
        if ranks.size > 1:
            call = {"epochs": self.epochs, **self.settings}
            first, state = ranks.from_first((call, state or self.state()))
            need = "fit must be called alike on every rank: rank 0 has"
            ranks.together(lambda: checkpoint.compare(need, first, call))
        if state is not None:
            self._restore(state)
        if new:
            ranks.together(self.save)  # before any work: a path that cannot be written says so now

    def batches(self) -> Iterator[Batch]:
        """Yield the batches of the epoch that has begun, without those that were done before."""
        if self.step == 0:
            self.begun = self._now()
        resumed = self._now()
        self._go_to(self.begun)  # the same order again
        left = self.source.epoch(self.rng)
        for _ in itertools.islice(left, self.step):
            pass
        if self.step:
            self._go_to(resumed)
        for batch in left:
            self.check()
            yield batch

    def learn(self, batch: Batch) -> None:
        """Make one step: forward, loss, backward, and against the gradient."""
        ranks, layers = self.ranks, self.model.layers
        share, counted = ranks.share(len(batch.places))
        x, labels = batch.read(share)
        scores = self.model(x, train=True, rng=ranks.noise(self.rng, self.epoch, self.step))
        sums = Sums.of(scores, labels, counted)
        learn(layers, cross_entropy_backward(scores, labels))
        saving = self.path is not None and time.monotonic() > self.saved + SECONDS
        saving = ranks.average(layers, counted, len(batch.places), saving)
        with unbroken():
            self.optimizer.step(layers)
            self.made += 1
        self.advance(sums, saving)
        self._warn_of_loss(sums, x)

    def advance(self, sums: Sums, saving: bool) -> None:
        """Count a step, and save if it is time to."""
        self.step += 1
        self.sums = Sums.total([self.sums, sums])
        self.bar.step(self.epoch + 1, self.step, self.sums.mean_loss())
        if saving:
            self._add_up()
            self.save()

    def end_epoch(self) -> None:
        """Write into the history what the epoch came to, count it, and save."""
        self.ranks.agree_that_the_epoch_ends(self.model.layers)
        sums = self._add_up()
        entry = {"loss": sums.mean_loss(), "accuracy": sums.accuracy()}
        if self.validation is not None:
            sums = self._validated(*self.validation)
            entry |= {"val_loss": sums.mean_loss(), "val_accuracy": sums.accuracy()}
        self._warn_of_weights(entry)
        self.history.append(entry)
        self.epoch += 1
        self.step = 0
        self.sums = Sums()
        self.bar.epoch(self.epoch, entry["loss"])
        self.save()

    def save(self) -> None:
        """Write the file, whole or not at all, if there is to be one."""
        if self.path is not None:
            checkpoint.refuse_unheld(self.optimizer)
            if self.ranks.rank == 0:
                checkpoint.write(self.path, self.state())
        self.saved = time.monotonic()

    def state(self) -> State:
        """Return all that `begin` makes the same training of."""
        return State(
            settings=self.settings,
            epoch=self.epoch,
            step=self.step,
            sums=self.sums,
            begun=self.begun,
            now=self._now(),
            optimizer_steps=self.optimizer.steps,
            memory=self.optimizer.memory,
            history=self.history,
            weights=self.model.state_dict(),
        )

    def _now(self) -> Moment:
        """Return what may have changed between two steps."""
        settings = checkpoint.plain_settings(self.optimizer)
        return Moment(checkpoint.plain(self.rng.bit_generator.state), settings)

    def _go_to(self, moment: Moment) -> None:
        """Go back to a moment, or on to it."""
        self.rng.bit_generator.state = moment.rng
        checkpoint.take_up(self.optimizer, moment.settings)

    def _add_up(self) -> Sums:
        """Return the sums of all ranks, and leave them to the first."""
        sums = Sums.total(self.ranks.gathered(self.sums))
        self.sums = sums if self.ranks.rank == 0 else Sums()
        return sums

    def _validated(self, X: Array, y: Array) -> Sums:
        """Return what all ranks count over images that are not learned from."""
        share, counted = self.ranks.share(len(X))
        scores = inferred(self.model.layers, "validation[0]", X[share])
        return Sums.total(self.ranks.gathered(Sums.of(scores, y[share], counted)))

    def _warn_of_loss(self, sums: Sums, x: Array) -> None:
        """Warn, once, of a loss that is no number, and say whether the images are to blame."""
        if math.isfinite(sums.loss) or self.warned:
            return
        what = f"the loss is {sums.loss} in step {self.step} of epoch {self.epoch + 1}"
        if not np.isfinite(x).all():
            self._warn(f"{what}: images of X are NaN or infinite there")
        elif self.ranks.rank == 0:
            self._warn(
                f"{what}, of finite images: weights, or steps of the optimizer, are too large"
            )

    def _warn_of_weights(self, entry: dict[str, float]) -> None:
        """Warn, once, of weights or of a mean that are no numbers at the end of an epoch."""
        if self.warned or self.ranks.rank > 0:
            return
        numbers: dict[str, Any] = {**named_arrays(self.model.layers), **entry}
        wrong = [name for name, number in numbers.items() if not np.isfinite(number).all()]
        if wrong:
            names = ", ".join(wrong[:4] + ["..."] * (len(wrong) > 4))
            self._warn(f"{names}: NaN or infinite after epoch {self.epoch + 1}")

    def _warn(self, text: str) -> None:
        """Warn, below the bar."""
        self.warned = True
        self.bar.end_line()
        warn(text)

    def _read(self) -> State | None:
        """Return what the file holds, if it is of this training; None if there is none yet."""
        if self.path is None or self.ranks.rank > 0:
            return None
        state = checkpoint.read(self.path)
        if state is not None:
            self._check(state, self.path)
        return state

    def _check(self, state: State, path: Path) -> None:
        """Raise an error if a file is of another training, or this one could not go on with it."""
        theirs = {**self.settings, **state.settings}
        if not (theirs["rng"] and self.settings["rng"]):  # one was not chosen
            theirs["rng"] = self.settings["rng"]
        need = f"checkpoint must be of this training; {path!r} has"
        checkpoint.compare(need, theirs, self.settings)
        if (state.epoch, state.step) > (self.epochs, 0):
            need = "epochs must be at least those that the checkpoint has begun"
            raise ValueError(f"{need}, {state.epoch + (state.step > 0)}, got {self.epochs}")
        before = self.rng.bit_generator.state
        ours = named_arrays(self.model.layers)
        then = [self.optimizer]  # what it remembers may be from before a setting changed
        try:
            for each in state.begun, state.now:
                checkpoint.alike(self.begun.rng, each.rng)
                self.rng.bit_generator.state = each.rng
                then.append(copy.copy(self.optimizer))
                checkpoint.take_up(then[-1], each.settings)
            agreeing(ours, state.weights)
            for (layer, name), memory in state.memory.items():
                like = ours[f"{layer}.{name}"]
                wanted = [[_kind(array) for array in each.blank(like)] for each in then]
                if [_kind(array) for array in memory] not in wanted:
                    raise ValueError(f"the optimiser cannot have remembered {name!r} so")
        except Exception as error:  # of any kind: a generator raises its own
            raise checkpoint.damaged(path, error) from error
        finally:
            self.rng.bit_generator.state = before

    @unbroken()
    def _restore(self, state: State) -> None:
        """Take up a state."""
        self.model.load_state_dict(state.weights)
        self._go_to(state.now)
        self.optimizer.memory = state.memory
        self.optimizer.steps = state.optimizer_steps
        self.history[:] = state.history
        self.epoch, self.step, self.begun = state.epoch, state.step, state.begun
        self.sums = Sums(*state.sums) if self.ranks.rank == 0 else Sums()


def _kind(array: Array) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return what an array is like; the order of its bytes does not matter."""
    return array.dtype.newbyteorder("="), array.shape


def validation_set(model: Network, validation: Any) -> tuple[Array, Array]:
    """Return images and labels that are not learned from."""
    X, y = _args.several("validation", validation, 2, "a pair (X, y)")
    return batches.examples(model.layers, "validation[0]", X, "validation[1]", y)


def _able(model: Network, optimizer: Any) -> Optimizer:
    """Return an optimiser that can move this network, and has moved no other."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer must be one of convdocs.optim, got {_args.shown(optimizer)}")
    optimizer.check()
    ours = named_arrays(model.layers)
    writable(ours)
    for name, array in ours.items():
        if not name.endswith(COUNTER):
            movable(f"{name!r} of layers", array)
    optimizer.keeps_places(model.layers)
    need = "optimizer must be a new one, or have moved this network alone"
    if optimizer.has_moved_others(ours.values()):
        raise ValueError(f"{need}, got {optimizer!r}: it has moved another one")
    for (number, name), memory in optimizer.memory.items():
        like = ours.get(f"{number}.{name}")
        for array in memory:
            if like is None or array.shape != like.shape:
                found = f"it remembers layers[{number}].{name} of shape {array.shape}"
                raise ValueError(f"{need}, got {optimizer!r}: {found}")
    return optimizer
