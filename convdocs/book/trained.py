"""A training that the build has made is not made again: by another page, or in a browser.

While the book is built, results are kept in a folder under a key, which is a digest of all that
they depend on. A page that asks for the same again takes them from there, and the site carries
them. In a reader's browser an unedited cell has the key of the build and finds them on the site;
an edited one has another and trains for real. Elsewhere nothing is kept, and `fit` is `CNN.fit`.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import io
import itertools
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from .. import _args, store
from .._args import Array, Rng
from ..cnn import CNN
from ..layer import all_of
from ..optim import Optimizer
from ..training import batches, checkpoint
from ..training.loop import validation_set
from .notes import glued

try:
    import fcntl
except ImportError:  # Windows: two processes may then make the same twice
    fcntl = None  # type: ignore[assignment]

FOLDER = "CONVDOCS_TRAINED"  # the variable that names a build's folder of results
PACKAGE = __package__.partition(".")[0]
ENDING = ".npz"
RECORD = "trained "  # what begins the name under which a page says that it needs a result
PAUSE = 0.2  # seconds before a page is told again
TRAINED = "Trained when this page was built; change the cell to train anew."


class Interrupted(Exception):
    """Half a training, which is not to be kept."""


class Site(Protocol):
    """How a page in a browser asks its site."""

    def read(self, name: str) -> bytes | None:
        """Return a file of results, or None if the site has none of this name."""

    def say(self, text: str) -> None:
        """Tell the reader something beside the cell's output."""

    def tell(self, done: float, text: str) -> None:
        """Show which share of a training is done, and how long the rest may take."""


SITE: Site | None = None  # that of the page, where there is one

Result = tuple[Any, dict[str, Array]]  # something that JSON can hold, and arrays


class Task(NamedTuple):
    """What is to be made, unless it is kept."""

    key: str  #: What it depends on, as `key` returns it.
    make: Callable[[], Result]  #: Makes it.
    said: str  #: What a reader is told where it is taken from the site.


class Progress:
    """What a page shows of a long task: how much of it is done, and how long the rest may take.

    Elsewhere nothing is shown.

    Parameters
    ----------
    whole : float
        How much there is to do, in any unit.
    """

    def __init__(self, whole: float) -> None:
        self.whole = whole
        self.done = 0.0
        self.begun = self.told = time.monotonic()

    def advance(self, part: float) -> None:
        """Say that so much more is done."""
        self.reach(self.done + part)

    def reach(self, done: float) -> None:
        """Say that so much is done."""
        self.done = done
        now = time.monotonic()
        over = done >= self.whole
        if SITE is None or (now < self.told + PAUSE and not over):
            return
        self.told = now
        left = (now - self.begun) * (self.whole / done - 1)
        words = f"about {left:.0f} s left" if left < 99 else f"about {left / 60:.0f} min left"
        SITE.tell(done / self.whole, "" if over else words)


def fit(
    model: CNN,
    X: ArrayLike,
    y: ArrayLike,
    epochs: int = 10,
    batch_size: int = 32,
    rng: Rng = None,
    optimizer: Optimizer | None = None,
    validation: tuple[ArrayLike, ArrayLike] | None = None,
    progress: bool | None = None,
) -> CNN:
    """Train as ``model.fit`` does; on a page of the book, take what its build has trained.

    On your machine the two are the same. On a page, a call that the build made ends at once, with
    the build's weights and history, and says so. A call with another seed, rate, layer or picture
    trains. So does one without ``rng``, and one with a layer or an optimiser of your own, whose
    code may have changed.

    Parameters
    ----------
    model : CNN
        What to train.
    X, y : array_like
        Images of shape (N, C, H, W), and their labels.
    epochs, batch_size, rng, validation, progress
        As for `CNN.fit`. A generator ends in the same state, however the weights came.
    optimizer : optimiser, optional
        A new one. Its settings count; it is left as it is.

    Returns
    -------
    CNN
        The model itself.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it, and nothing is changed.

    Examples
    --------
    >>> from convdocs import CNN, Flatten, Linear
    >>> X, y = np.eye(4).reshape(4, 1, 2, 2), [0, 1, 0, 1]
    >>> model = fit(CNN([Flatten(), Linear(4, 2, rng=0)]), X, y, epochs=3, rng=1)
    >>> len(model.history)
    3
    """
    if not isinstance(model, CNN):
        raise TypeError(f"model must be a CNN, got {_args.shown(model)}")
    _refuse_used(optimizer)
    generator = _args.generator(rng)
    before = len(model.history)

    def train() -> Result:
        how = copy.deepcopy(optimizer)
        model.fit(X, y, epochs, batch_size, generator, how, validation, progress)
        if len(model.history) < before + epochs:
            raise Interrupted
        state = checkpoint.plain(generator.bit_generator.state)
        return {"history": model.history[before:], "rng": state}, model.state_dict()

    with contextlib.suppress(Interrupted):  # of which `CNN.fit` has warned
        if rng is None or not keeps() or not _is_ours(optimizer):
            train()
            return model
        facts, arrays_of = _call(model, X, y, epochs, batch_size, generator, optimizer, validation)
        task = Task(key("fit", model, facts, *arrays_of), train, TRAINED)
        ((description, arrays),) = kept([task])
        model.load_state_dict(arrays)
        model.history[before:] = description["history"]
        generator.bit_generator.state = description["rng"]
    return model


class Outcome(NamedTuple):
    """What came of a training, without the network."""

    history: list[dict[str, float]]  #: What each epoch came to, as in `CNN.history`.
    scores: list[float]  #: The accuracy on each of the sets that were asked for.


def outcome(
    model: CNN,
    X: ArrayLike,
    y: ArrayLike,
    on: Sequence[tuple[ArrayLike, ArrayLike]],
    epochs: int = 10,
    batch_size: int = 32,
    rng: Rng = None,
    optimizer: Optimizer | None = None,
    validation: tuple[ArrayLike, ArrayLike] | None = None,
) -> Outcome:
    """Return what comes of training a network as `fit` does, where the network is not needed.

    The site then carries a few numbers instead of all weights.

    Parameters
    ----------
    model : CNN
        What to train; whether it is trained afterwards is not said.
    on : list of pairs (X, y)
        Images and labels to score it on in the end.
    X, y, epochs, batch_size, rng, optimizer, validation
        As for `fit`.

    Returns
    -------
    Outcome

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    Examples
    --------
    >>> from convdocs import CNN, Flatten, Linear
    >>> X, y = np.eye(4).reshape(4, 1, 2, 2), [0, 1, 0, 1]
    >>> model = CNN([Flatten(), Linear(4, 2, rng=0)])
    >>> outcome(model, X, y, on=[(X, y)], epochs=200, rng=1).scores
    [1.0]
    """
    if not isinstance(model, CNN):
        raise TypeError(f"model must be a CNN, got {_args.shown(model)}")
    _refuse_used(optimizer)
    generator = _args.generator(rng)
    facts, arrays_of = _call(model, X, y, epochs, batch_size, generator, optimizer, validation)
    if not isinstance(on, list | tuple):
        raise TypeError(f"on must be a list of pairs (X, y), got {_args.shown(on)}")
    pairs = [
        batches.examples(model.layers, f"on[{i}][0]", images, f"on[{i}][1]", labels)
        for i, pair in enumerate(on)
        for images, labels in [_args.several(f"on[{i}]", pair, 2, "a pair (X, y)")]
    ]

    def train() -> Result:
        before, how = len(model.history), copy.deepcopy(optimizer)
        model.fit(X, y, epochs, batch_size, generator, how, validation)
        if len(model.history) < before + epochs:
            raise KeyboardInterrupt
        scores = [model.score(*pair) for pair in pairs]
        state = checkpoint.plain(generator.bit_generator.state)
        return {"history": model.history[before:], "scores": scores, "rng": state}, {}

    seeded = rng is not None and _is_ours(optimizer)
    held = itertools.chain(*pairs)
    name = key("outcome", model, [facts, len(pairs)], *arrays_of, *held) if seeded else ""
    ((description, _),) = kept([Task(name, train, TRAINED)])
    generator.bit_generator.state = description["rng"]
    return Outcome(description["history"], description["scores"])


def _refuse_used(optimizer: object) -> None:
    """Refuse an optimiser that has made steps: what it remembers is no part of a key."""
    if isinstance(optimizer, Optimizer) and optimizer.steps:
        raise ValueError(f"optimizer must be a new one, got {optimizer!r} after {optimizer.steps}")


def _call(
    model: CNN,
    X: ArrayLike,
    y: ArrayLike,
    epochs: int,
    batch_size: int,
    generator: np.random.Generator,
    optimizer: Optimizer | None,
    validation: tuple[ArrayLike, ArrayLike] | None,
) -> tuple[list[Any], list[Array]]:
    """Return the settings of a training and the arrays it depends on, all checked."""
    count = _args.integer("epochs", epochs, 0)
    size = _args.integer("batch_size", batch_size, 1)
    learned = batches.examples(model.layers, "X", X, "y", y)
    others = () if validation is None else validation_set(model, validation)
    state = checkpoint.plain(generator.bit_generator.state)
    return [count, size, repr(optimizer), state], [*learned, *others]


def keeps() -> bool:
    """Return whether results are kept here, or may be found."""
    return SITE is not None or bool(os.environ.get(FOLDER))


def key(kind: str, model: CNN, facts: Any, *values: ArrayLike) -> str:
    """Return a short text that is another one if anything is that a result depends on.

    Parameters
    ----------
    kind : str
        What kind of result it is.
    model : CNN
        Its layers and weights count.
    facts : object
        Anything that JSON can hold.
    *values : array_like
        Their shapes, types and numbers count. Integers of any size are the same ones: Python in a
        browser has smaller ones.

    Returns
    -------
    str
        The package's own code counts as well. Empty if nothing is kept here, or a layer is not of
        the package: its code may change, and nothing tells.
    """
    if not keeps() or not all(map(_is_ours, all_of(model.layers))):
        return ""
    text = hashlib.blake2b(digest_size=16)
    text.update(json.dumps([_code(), kind, [*map(repr, model.layers)], facts]).encode())
    for value in (*model.state_dict().values(), *values):
        array = np.asarray(value)
        array = array.astype(np.int64) if array.dtype.kind in "iu" else array
        text.update(repr((array.shape, array.dtype.str)).encode())
        text.update(np.ascontiguousarray(array).data)
    return text.hexdigest()


def kept(tasks: Iterable[Task]) -> list[Result]:
    """Return what each task comes to, made now or before.

    What another process is making is left to it: first comes all else.
    """
    left = list(tasks)
    results: dict[int, Result] = {}
    for wait in (False, True):
        for number, task in enumerate(left):
            if number not in results:
                with _alone(task.key, wait) as mine:
                    if mine:
                        results[number] = _found(task) or _made(task)
    return [results[number] for number in range(len(left))]


@contextlib.contextmanager
def _alone(key: str, wait: bool) -> Iterator[bool]:
    """Keep other processes from the same task, and tell whether this one may do it.

    The lock ends with the process, however that ends.
    """
    folder = os.environ.get(FOLDER)
    if SITE is not None or not folder or not key or fcntl is None:
        yield True
        return
    with open(os.path.join(folder, f"{key}.lock"), "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def _found(task: Task) -> Result | None:
    """Return what is kept of a task; what is damaged is not there."""
    if not task.key:
        return None
    try:
        if SITE is not None:
            content = SITE.read(task.key + ENDING)
            result = None if content is None else store.unpacked(io.BytesIO(content))
        elif folder := os.environ.get(FOLDER):
            result = store.read(os.path.join(folder, task.key + ENDING))
            _record(task.key)
        else:
            return None
    except Exception:  # a damaged file can fail in any way
        return None
    if SITE is not None and result is not None:
        SITE.say(task.said)
    return result


def _made(task: Task) -> Result:
    """Make what a task asks for, and keep it if the book is being built."""
    result = task.make()
    folder = os.environ.get(FOLDER)
    if SITE is None and folder and task.key:
        store.write(os.path.join(folder, task.key + ENDING), *result)
        _record(task.key)
    return result


@functools.cache
def _record(key: str) -> None:
    """Say to the build, once, that this page needs a result, so that the site carries it."""
    glued(f"{RECORD}{key}", key)


def _is_ours(thing: Any) -> bool:
    """Return whether a layer or an optimiser is of this package, whose code the key covers."""
    return thing is None or type(thing).__module__.startswith(f"{PACKAGE}.")


@functools.cache
def _code() -> str:
    """Return a digest of the package's modules."""
    home = os.path.dirname(store.__file__)
    found = hashlib.blake2b(digest_size=16)
    for folder, folders, files in os.walk(home):
        folders.sort()
        for name in sorted(files):
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    content = file.read()
                place = os.path.relpath(path, home).replace(os.sep, "/")
                found.update(f"{place} {len(content)}\n".encode() + content)
    return found.hexdigest()
