"""The lecture's network, mended step by step, and how well each step does on the same pictures.

Five small networks for pictures of 32 x 32 pixels. `measure` treats each of them, or one of your
own, in the same way: a learning rate and a number of epochs are chosen by pictures that nothing
else is done with, then the network is trained from several seeds, with few pictures and with all.
`table` shows what came of it.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .. import _args, data
from .._args import Array, Rng
from ..activation import ReLU
from ..cnn import CNN
from ..conv import Conv2d
from ..data import Parts
from ..fc import Flatten, Linear
from ..optim import Adam
from ..pool import MaxPool2d
from . import trained
from .tables import Column, Table
from .trained import Progress, Result, Task
from .unshared import LocallyConnected2d

SIDE = 32  # pixels, as LeNet-5 and the lecture have them
BATCH = 50
RATES = 0.003, 0.01, 0.03  # of which the best is taken
SEEDS = 1, 2, 3  # the rate and the epochs are chosen with the first
EPOCHS = {500: 10, 3_500: 5}  # at most, with so many pictures
LONGER = 30  # at most, where 500 pictures are all that there are: noise takes long to learn
DIRECTIONS = (2, 0), (-2, 0), (0, 2), (0, -2)  # how far a picture is moved down and to the right
MEASURED = "Measured when this page was built; change the cell to measure anew."

Maker = Callable[[np.random.Generator], CNN]


def normal(rng: Rng = None) -> CNN:
    """Return the network that the lecture begins with: 1,024 pixels, 100 nodes, 10 classes."""
    rng = _args.generator(rng)
    layers = [Flatten(), Linear(SIDE * SIDE, 100, rng=rng), ReLU(), Linear(100, 10, rng=rng)]
    return CNN(layers)


def local(rng: Rng = None) -> CNN:
    """Return one whose nodes see 5 x 5 pixels each, with weights of their own."""
    rng = _args.generator(rng)
    first = LocallyConnected2d(1, 8, kernel_size=5, image_size=SIDE, stride=2, rng=rng)
    return CNN([first, ReLU(), Flatten(), Linear(8 * 14 * 14, 10, rng=rng)])


def shared(rng: Rng = None) -> CNN:
    """Return one whose nodes share their weights: a convolution, of stride 2."""
    rng = _args.generator(rng)
    first = Conv2d(1, 8, kernel_size=5, stride=2, rng=rng)
    return CNN([first, ReLU(), Flatten(), Linear(8 * 14 * 14, 10, rng=rng)])


def pooled(rng: Rng = None) -> CNN:
    """Return one that convolves at every place, and keeps the largest of 2 x 2 places."""
    rng = _args.generator(rng)
    first = Conv2d(1, 8, kernel_size=5, rng=rng)
    return CNN([first, ReLU(), MaxPool2d(2), Flatten(), Linear(8 * 14 * 14, 10, rng=rng)])


def deep(rng: Rng = None) -> CNN:
    """Return one that convolves and pools twice."""
    rng = _args.generator(rng)
    first = [Conv2d(1, 8, kernel_size=5, rng=rng), ReLU(), MaxPool2d(2)]
    second = [Conv2d(8, 16, kernel_size=5, rng=rng), ReLU(), MaxPool2d(2)]
    return CNN([*first, *second, Flatten(), Linear(16 * 5 * 5, 10, rng=rng)])


NAMES: dict[Maker, str] = {
    normal: "normal, 100 nodes",
    local: "local, 5 × 5",
    shared: "shared: a convolution",
    pooled: "with max pooling",
    deep: "two convolutions, two poolings",
}


def pictures() -> Parts:
    """Return `data.mnist` with two pixels of border: 32 x 32, as the lecture has them."""
    X, y, X_valid, y_valid, X_test, y_test = data.mnist()
    wider = (np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2))) for images in (X, X_valid, X_test))
    X, X_valid, X_test = wider
    return Parts(X, y, X_valid, y_valid, X_test, y_test)


def moved(X: ArrayLike, down: int = 0, right: int = 0) -> Array:
    """Return pictures moved by so many pixels; what leaves is lost, and black comes in.

    Parameters
    ----------
    X : array_like of shape (..., H, W)
        Pictures.
    down, right : int
        How far; negative ones lead up and to the left.

    Returns
    -------
    ndarray
        Of the shape of ``X``.

    Examples
    --------
    >>> print(moved([[1, 2], [3, 4]], right=1))
    [[0 1]
     [0 3]]
    """
    images = _args.numbers("X", X)
    if images.ndim < 2:
        raise ValueError(f"X must have the shape (..., H, W), got {images.shape}")
    down = _args.integer("down", down, -sys.maxsize)
    right = _args.integer("right", right, -sys.maxsize)
    result = np.zeros_like(images)
    (to_row, from_row), (to_column, from_column) = map(_shifted, (down, right))
    result[..., to_row, to_column] = images[..., from_row, from_column]
    return result


def _shifted(steps: int) -> tuple[slice, slice]:
    """Return where pixels of an axis go, and where they come from."""
    ahead, behind = slice(abs(steps), None), slice(-abs(steps) or None)
    return (ahead, behind) if steps >= 0 else (behind, ahead)


class Trial(NamedTuple):
    """A network trained with so many pictures: how that was chosen, and how well it then did.

    Accuracies are shares from 0 to 1.
    """

    images: int  #: How many pictures it learned from.
    rate: float  #: The learning rate that was chosen.
    epochs: int  #: The number of epochs that was chosen.
    tried: dict[float, list[float]]  #: By rate: the accuracy in choosing, epoch by epoch.
    train: list[float]  #: Accuracy on the pictures that were learned from, one a seed.
    test: list[float]  #: Accuracy on those to test with, one a seed.
    moved: list[float]  #: The same pictures moved by two pixels, the mean of four directions.


class Row(NamedTuple):
    """What `measure` finds of one network."""

    name: str  #: What it is called.
    parameters: int  #: How many numbers it learns.
    macs: int  #: Multiply-accumulates for one picture.
    few: Trial  #: With 500 pictures.
    many: Trial  #: With 3,500.


def measure(*networks: Maker, parts: Parts | None = None) -> list[Row]:
    """Return how well networks do, each treated as fairly as the others.

    For each number of pictures, 500 and 3,500, a network is trained with each of three learning
    rates, by Adam in steps of 50 pictures. After each epoch it is scored on the pictures that are
    there for choosing. The rate and the number of epochs that did best are taken, the network is
    trained so from two seeds more, and only the three networks of these are tested.

    Parameters
    ----------
    *networks : callable
        Those of this module, or your own: a function of a generator that returns a new `CNN`.
    parts : Parts, optional
        By default `pictures`. Of others, what a move by two pixels takes out of the picture is
        lost. Where there are no more than 500 to learn from, there is one trial, of up to 30
        epochs, under both names.

    Returns
    -------
    list of Row
        One for each network. What the build of a page has measured, the page takes from there.

    Raises
    ------
    TypeError
        If a network is no function that returns one.
    """
    parts = pictures() if parts is None else parts
    models = [_first(number, network) for number, network in enumerate(networks)]
    pairs = list(zip(networks, models, strict=True))
    results = trained.kept(_task(network, model, parts) for network, model in pairs)
    rows = []
    for (network, model), result in zip(pairs, results, strict=True):
        few, many = map(_restored, result[0])
        summary = model.summary(parts.X_train.shape[1:])
        name = NAMES.get(network, getattr(network, "__name__", "your own").replace("_", " "))
        rows.append(Row(name, summary.parameters, summary.macs, few, many))
    return rows


def table(rows: Sequence[Row], seconds: Sequence[float] | None = None) -> Table:
    """Return what was measured as a table that a page shows.

    Parameters
    ----------
    rows : sequence of Row
        As `measure` returns them.
    seconds : sequence of float, optional
        What a network took, measured by the page itself, for a column more.

    Raises
    ------
    ValueError
        If there are not as many seconds as rows.
    """
    if seconds is not None and len(seconds) != len(rows):
        raise ValueError(f"seconds must be {len(rows)}, one a row, got {len(seconds)}")
    columns = [Column("network"), Column("parameters"), Column("multiply-accumulates")]
    for images in EPOCHS:
        group = f"{images:,} pictures"
        columns += [Column("training", group), Column("test", group), Column("moved by 2", group)]
    texts = []
    for row in rows:
        line = [row.name, f"{row.parameters:,}", f"{row.macs:,}"]
        for trial in (row.few, row.many):
            line += [
                str(percent(trial.train)),
                _with_deviation(trial.test),
                _with_deviation(trial.moved),
            ]
        texts.append(line)
    if seconds is not None:
        columns.append(Column("seconds"))
        texts = [[*line, f"{time:.1f}"] for line, time in zip(texts, seconds, strict=True)]
    caption = (
        "Accuracy in percent, in the test also with each picture moved by two pixels: mean and "
        f"standard deviation of {len(SEEDS)} seeds."
    )
    return Table(columns, texts, caption)


def percent(accuracies: Sequence[float]) -> float:
    """Return the mean of accuracies in percent, rounded as in `table`.

    Differences that a page tells fit its table only if they are taken after rounding.

    Parameters
    ----------
    accuracies : sequence of float
        Those of a `Trial`, from 0 to 1.

    Examples
    --------
    >>> percent([0.5, 0.75, 0.75])
    66.7
    """
    return round(float(100 * np.mean(accuracies)), 1)


def choices(rows: Sequence[Row]) -> Table:
    """Return which learning rates and numbers of epochs were chosen, and how near others came.

    Parameters
    ----------
    rows : sequence of Row
        As `measure` returns them.
    """
    columns = [Column("network")]
    for images in EPOCHS:
        group = f"{images:,} pictures"
        columns += [Column("rate", group), Column("epochs", group)]
        columns += [Column(f"best at {rate}", group) for rate in RATES]
    texts = []
    for row in rows:
        line = [row.name]
        for trial in (row.few, row.many):
            line += [str(trial.rate), str(trial.epochs)]
            line += [f"{100 * max(accuracies):.1f}" for accuracies in trial.tried.values()]
        texts.append(line)
    caption = "What was chosen, and the accuracy in choosing, in percent, after the best epoch."
    return Table(columns, texts, caption)


def _with_deviation(accuracies: Sequence[float]) -> str:
    """Return the mean and the standard deviation of accuracies, in percent."""
    return f"{percent(accuracies)} ± {100 * np.std(accuracies, ddof=1):.1f}"


def _first(number: int, network: Maker) -> CNN:
    """Return what one of several functions makes, and refuse what is no network."""
    function = callable(network) and not isinstance(network, CNN)
    made = network(np.random.default_rng(SEEDS[0])) if function else None
    if not isinstance(made, CNN):
        need = f"networks[{number}] must be a function of a generator that returns a CNN"
        raise TypeError(f"{need}, got {_args.shown(network)}")
    return made


def _task(network: Maker, model: CNN, parts: Parts) -> Task:
    """Return what is to be measured of a network."""
    settings = BATCH, RATES, SEEDS, sorted(EPOCHS.items()), LONGER, DIRECTIONS

    def make() -> Result:
        few, many = sorted(EPOCHS.items())
        sizes = [few, many] if len(parts.X_train) > few[0] else [(few[0], LONGER)]
        learned = sum(images * epochs for images, epochs in sizes)
        progress = Progress(learned * (len(RATES) + len(SEEDS) - 1))  # at most
        trials = [_trial(network, parts, *each, progress) for each in sizes]
        progress.reach(progress.whole)
        return [_plain(trial) for trial in (trials[0], trials[-1])], {}

    return Task(trained.key("measure", model, settings, *parts), make, MEASURED)


def _plain(trial: Trial) -> list[Any]:
    """Return a trial as JSON can hold it, whose dictionaries have texts for keys."""
    return [*trial[:3], [*trial.tried.items()], *trial[4:]]


def _restored(plain: list[Any]) -> Trial:
    """Return the trial that `_plain` was given."""
    images, rate, epochs, tried, *accuracies = plain
    return Trial(images, rate, epochs, dict(tried), *accuracies)


def _trial(network: Maker, parts: Parts, images: int, epochs: int, progress: Progress) -> Trial:
    """Return how well a network does with so many pictures, after at most so many epochs."""
    X, y, X_valid, y_valid, X_test, y_test = parts
    X, y = X[:images], y[:images]
    tried = {rate: _stages(network, X, y, SEEDS[0], rate, epochs, progress) for rate in RATES}
    valid = {rate: [m.score(X_valid, y_valid) for m in stages] for rate, stages in tried.items()}
    rate = max(valid, key=lambda rate: max(valid[rate]))  # of equals the first
    chosen = 1 + valid[rate].index(max(valid[rate]))
    others = [_stages(network, X, y, seed, rate, chosen, progress)[-1] for seed in SEEDS[1:]]
    models = [tried[rate][chosen - 1], *others]
    moves = [moved(X_test, *direction) for direction in DIRECTIONS]
    return Trial(
        images,
        rate,
        chosen,
        valid,
        [model.score(X, y) for model in models],
        [model.score(X_test, y_test) for model in models],
        [float(np.mean([model.score(move, y_test) for move in moves])) for model in models],
    )


def _stages(
    network: Maker, X: Array, y: Array, seed: int, rate: float, epochs: int, progress: Progress
) -> list[CNN]:
    """Return a network trained from one seed as it is after each epoch."""
    rng = np.random.default_rng(seed)
    model, optimizer, stages = network(rng), Adam(lr=rate), []
    for _ in range(epochs):
        model.fit(X, y, 1, BATCH, rng, optimizer, progress=False)
        stages.append(copy.deepcopy(model))
        progress.advance(len(X))
    return stages
