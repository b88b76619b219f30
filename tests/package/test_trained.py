"""What a build has trained: taken again where nothing has changed, else made anew."""

import functools
import subprocess
import sys

import numpy as np
import pytest

from convdocs import (
    CNN,
    SGD,
    Adam,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    ReLU,
    Residual,
    Tanh,
)
from convdocs.book import fit, outcome, trained


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the folder where a build would keep results."""
    monkeypatch.setenv(trained.FOLDER, str(tmp_path))
    return tmp_path


@pytest.fixture
def fits(monkeypatch):
    """Return a list that grows by each real training."""
    made, real = [], CNN.fit

    def fit(model, *args, **options):
        made.append(model)
        return real(model, *args, **options)

    monkeypatch.setattr(CNN, "fit", fit)
    return made


def images(rng):
    return rng.random((40, 1, 6, 6), np.float32), rng.integers(0, 3, 40)


def network(seed=0, *more):
    layers = [Conv2d(1, 2, 3, rng=seed), BatchNorm2d(2), ReLU(), Dropout(0.2), Flatten()]
    return CNN([*layers, *more, Linear(32, 3, rng=seed)])


def alike(model, other):
    ours, theirs = model.state_dict(), other.state_dict()
    return model.history == other.history and all(
        np.array_equal(ours[name], theirs[name]) for name in ours
    )


HOW = {"epochs": 2, "batch_size": 10, "rng": 5}


def test_elsewhere_it_is_the_fit_of_the_model(rng, fits):
    X, y = images(rng)
    model, other = network(), network()
    assert fit(model, X, y, **HOW) is model
    assert alike(model, other.fit(X, y, **HOW))
    assert len(fits) == 2
    assert not trained.keeps()


def test_the_same_call_is_made_once_and_ends_alike(rng, folder, fits):
    X, y = images(rng)
    optimizer = Adam(lr=0.01)
    how = HOW | {"optimizer": optimizer, "validation": (X[:5], y[:5])}
    first, second = (fit(network(), X, y, **how) for _ in range(2))
    assert len(fits) == 1
    assert optimizer.steps == 0
    assert alike(first, second)
    assert alike(first, network().fit(X, y, **how))
    assert [path.suffix for path in sorted(folder.iterdir())] == [".lock", ".npz"]


def test_a_generator_and_a_second_training_go_on_alike(rng, folder, fits):
    X, y = images(rng)
    ends = []
    for _ in range(2):
        model, generator = network(), np.random.default_rng(3)
        for _ in range(2):
            fit(model, X, y, epochs=1, rng=generator)
        ends.append((model, generator.random()))
    assert len(fits) == 2
    assert alike(ends[0][0], ends[1][0])
    assert ends[0][1] == ends[1][1]
    assert len(ends[0][0].history) == 2


def changed(X, place=(7, 0, 2, 2)):
    other = X.copy()
    other[place] += 1
    return other


@pytest.mark.parametrize(
    "change",
    [
        lambda X, y: (network(1), X, y, HOW),
        lambda X, y: (network(0, Dropout(0.1)), X, y, HOW),
        lambda X, y: (network(), changed(X), y, HOW),
        lambda X, y: (network(), X, (y + 1) % 3, HOW),
        lambda X, y: (network(), X[:-1], y[:-1], HOW),
        lambda X, y: (network(), X.astype(float), y, HOW),
        lambda X, y: (network(), X, y, HOW | {"epochs": 1}),
        lambda X, y: (network(), X, y, HOW | {"batch_size": 20}),
        lambda X, y: (network(), X, y, HOW | {"rng": 6}),
        lambda X, y: (network(), X, y, HOW | {"optimizer": Adam(lr=0.01)}),
        lambda X, y: (network(), X, y, HOW | {"optimizer": SGD(lr=0.01)}),
        lambda X, y: (network(), X, y, HOW | {"validation": (X, y)}),
    ],
)
@pytest.mark.parametrize("call", [fit, functools.partial(outcome, on=[])])
def test_whatever_is_changed_it_is_trained_anew(rng, folder, fits, change, call):
    X, y = images(rng)
    call(network(), X, y, **HOW)
    model, X, y, how = change(X, y)
    call(model, X, y, **how)
    assert len(fits) == 2


def test_an_outcome_is_that_of_fit_and_is_kept_without_the_weights(rng, folder, fits):
    X, y = images(rng)
    how = HOW | {"optimizer": Adam(lr=0.01), "validation": (X[:5], y[:5])}
    first, second = (outcome(network(), X, y, [(X, y), (X[:9], y[:9])], **how) for _ in range(2))
    assert len(fits) == 1
    assert first == second
    model = network().fit(X, y, **how)
    assert first.history == model.history
    assert first.scores == [model.score(X, y), model.score(X[:9], y[:9])]
    (kept,) = folder.glob("*.npz")
    assert kept.stat().st_size < 2500
    other = outcome(network(), X, y, [(X, y), (X[:9], (y[:9] + 1) % 3)], **HOW)
    assert other != first
    assert len(fits) == 3
    assert len(outcome(network(), X, y, [(X, y)], epochs=1).scores) == 1  # without a seed
    assert len(fits) == 4
    assert len(list(folder.glob("*.npz"))) == 2


def test_after_an_outcome_a_generator_goes_on_alike(rng, folder, fits):
    X, y = images(rng)
    ends = []
    for _ in range(2):
        generator = np.random.default_rng(3)
        results = [outcome(network(), X, y, [(X, y)], epochs=1, rng=generator) for _ in range(2)]
        ends.append((results, generator.random()))
    assert len(fits) == 2
    assert ends[0] == ends[1]


def test_integers_of_numpy_are_settings_of_an_outcome_as_well(rng, folder, fits):
    X, y = images(rng)
    how = HOW | {"epochs": np.int64(2), "batch_size": np.uint8(10)}
    assert outcome(network(), X, y, [(X, y)], **how) == outcome(network(), X, y, [(X, y)], **HOW)
    assert len(fits) == 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model": "net"}, "model must be a CNN"),
        ({"X": [[1], [1, 2]]}, "X must be a rectangular array"),
        ({"y": [0]}, "y must have the shape"),
        ({"on": 3}, "on must be a list of pairs"),
        ({"on": [3]}, r"on\[0\] must be a pair"),
        ({"on": [np.zeros((40, 1, 6, 6))]}, r"on\[0\] must be a pair"),
        ({"on": [([], [])]}, r"on\[0\]\[0\] must hold at least one image"),
        ({"epochs": "2"}, "epochs must be an integer"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"validation": 3}, "validation must be a pair"),
        ({"validation": np.zeros((2, 3))}, "validation must be a pair"),
        ({"validation": (np.zeros((1, 1, 6, 6)), [[0], [0, 1]])}, r"validation\[1\] must be"),
        ({"optimizer": "Adam"}, "optimizer must be one of"),
    ],
)
def test_an_outcome_names_what_cannot_be_right(rng, folder, change, named):
    X, y = images(rng)
    given = {"model": network(), "X": X, "y": y, "on": [(X, y)], **HOW} | change
    with pytest.raises((ValueError, TypeError), match=named):
        outcome(**given)
    assert not list(folder.glob("*.npz"))


def test_an_interrupted_outcome_is_none(rng, folder, monkeypatch):
    X, y = images(rng)
    monkeypatch.setattr(CNN, "fit", lambda model, *_: model)  # ended by Ctrl-C at once
    with pytest.raises(KeyboardInterrupt):
        outcome(network(), X, y, [(X, y)], **HOW)
    assert not list(folder.glob("*.npz"))


def test_another_version_of_the_package_trains_anew(rng, folder, fits, monkeypatch):
    X, y = images(rng)
    fit(network(), X, y, **HOW)
    monkeypatch.setattr(trained, "_code", lambda: "another")
    fit(network(), X, y, **HOW)
    assert len(fits) == 2


def test_integers_of_another_size_are_the_same(rng, folder, fits):
    X, y = images(rng)
    fit(network(), X, y, **HOW)
    fit(network(), X, y.astype(np.int32), **HOW)
    fit(network(), X, y.tolist(), **HOW)
    assert len(fits) == 1


class Own(ReLU):
    """A layer whose code nobody knows."""


class OwnSteps(Adam):
    """An optimiser of the same kind."""


@pytest.mark.parametrize(
    ("model", "how"),
    [
        (lambda: network(), {"epochs": 1}),
        (lambda: network(0, Own()), HOW),
        (lambda: network(0, Residual([Residual([Tanh()], [Own()])])), HOW),
        (lambda: network(), HOW | {"optimizer": OwnSteps()}),
    ],
)
def test_what_cannot_be_known_again_is_always_trained(rng, folder, fits, model, how):
    X, y = images(rng)
    for _ in range(2):
        fit(model(), X, y, **how)
    assert len(fits) == 2
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model": "net"}, "model must be a CNN"),
        ({"X": np.zeros((40, 1, 5, 5))}, "X must fit"),
        ({"y": [0]}, "y must have the shape"),
        ({"epochs": -1}, "epochs must be at least 0"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"rng": "five"}, "rng must be a seed of at least 0"),
        ({"optimizer": "Adam"}, "optimizer must be one of"),
        ({"validation": 3}, "validation must be"),
        ({"validation": (np.zeros((1, 1, 6, 6)), [[0], [0, 1]])}, r"validation\[1\] must be"),
        ({"progress": 2}, "progress must be"),
    ],
)
@pytest.mark.parametrize("building", [False, True])
def test_what_cannot_be_right_is_named_and_changes_nothing(
    rng, monkeypatch, tmp_path, change, named, building
):
    if building:
        monkeypatch.setenv(trained.FOLDER, str(tmp_path))
    X, y = images(rng)
    model = network()
    before = model.state_dict()
    with pytest.raises((ValueError, TypeError), match=named):
        fit(**({"model": model, "X": X, "y": y} | HOW | change))
    assert all(np.array_equal(array, before[name]) for name, array in model.state_dict().items())
    assert not list(tmp_path.glob("*.npz"))


def test_an_optimiser_that_has_made_steps_is_refused_for_an_outcome(rng, folder):
    X, y = images(rng)
    optimizer = Adam(lr=0.01)
    network().fit(X, y, 1, optimizer=optimizer)
    with pytest.raises(ValueError, match="optimizer must be a new one, got Adam"):
        outcome(network(), X, y, [(X, y)], **HOW, optimizer=optimizer)


def test_an_optimiser_that_has_made_steps_is_refused(rng):
    X, y = images(rng)
    used = Adam()
    network().fit(X, y, epochs=1, optimizer=used)
    with pytest.raises(ValueError, match="optimizer must be a new one"):
        fit(network(), X, y, optimizer=used)


@pytest.mark.parametrize("left", [0, 1, 500, -1])
def test_a_damaged_file_is_made_anew(rng, folder, fits, left):
    X, y = images(rng)
    first = fit(network(), X, y, **HOW)
    (path,) = folder.glob("*.npz")
    whole = path.read_bytes()
    path.write_bytes(whole[:left])
    assert alike(first, fit(network(), X, y, **HOW))
    assert len(fits) == 2
    assert path.read_bytes() == whole


def test_half_a_training_is_not_kept(rng, folder, fits, monkeypatch):
    X, y = images(rng)

    def stop(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as change:
        change.setattr(Adam, "move", stop)
        with pytest.warns(UserWarning, match="training interrupted"):
            fit(network(), X, y, **HOW)
    assert not list(folder.glob("*.npz"))
    fit(network(), X, y, **HOW)
    assert len(fits) == 2


TRAINS = """
import os, sys, time
import numpy as np
from convdocs import CNN, Flatten, Linear
from convdocs.book import fit
real = CNN.fit
def slow(*args, **options):
    print("trains", flush=True)
    time.sleep(float(sys.argv[1]))
    return real(*args, **options)
CNN.fit = slow
X = np.eye(4, dtype=np.float32).reshape(4, 1, 2, 2)
fit(CNN([Flatten(), Linear(4, 2, rng=0)]), X, [0, 1, 0, 1], epochs=1, rng=0)
print("done")
"""


def started(seconds):
    command = [sys.executable, "-c", TRAINS, str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_of_two_processes_one_trains_and_the_other_waits(folder):
    first = started(1.5)
    assert first.stdout.readline() == "trains\n"
    second = started(0)
    assert second.communicate(timeout=60)[0] == "done\n"
    assert first.communicate(timeout=60)[0] == "done\n"


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_the_training_to_the_next(folder):
    first = started(60)
    assert first.stdout.readline() == "trains\n"
    second = started(0)
    first.kill()
    assert second.communicate(timeout=60)[0] == "trains\ndone\n"
    first.communicate()
    assert len(list(folder.glob("*.npz"))) == 1


def test_of_many_tasks_those_that_nobody_else_is_at_come_first(folder):
    made = []

    def task(key):
        def make():
            made.append(key)
            return key, {}

        return trained.Task(key, make, "")

    import fcntl

    with open(folder / "a.lock", "wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        def last():
            made.append("b")
            fcntl.flock(other, fcntl.LOCK_UN)
            return "b", {}

        results = trained.kept([task("a"), trained.Task("b", last, "")])
    assert made == ["b", "a"]
    assert [description for description, _ in results] == ["a", "b"]


class Page:
    """A page in a browser, whose site has the files of a folder."""

    def __init__(self, folder):
        self.folder, self.said, self.told, self.asked = folder, [], [], []

    def read(self, name):
        self.asked.append(name)
        path = self.folder / name
        return path.read_bytes() if path.exists() else None

    def say(self, text):
        self.said.append(text)

    def tell(self, done, text):
        self.told.append((done, text))


@pytest.fixture
def page(folder, monkeypatch):
    """Return a page whose site carries what lies in the folder; it is not the build any more."""

    def page():
        monkeypatch.delenv(trained.FOLDER)
        monkeypatch.setattr(trained, "SITE", Page(folder))
        return trained.SITE

    return page


def test_a_page_takes_what_the_build_has_trained_and_says_so(rng, fits, page):
    X, y = images(rng)
    built = fit(network(), X, y, **HOW)
    reader = page()
    assert alike(built, fit(network(), X, y, **HOW))
    assert len(fits) == 1
    assert reader.said == [trained.TRAINED]
    fit(network(), X, y, **HOW | {"epochs": 3})
    assert len(fits) == 2
    assert len(reader.asked) == 2
    assert len(reader.said) == 1


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>"])
def test_a_page_whose_site_sends_something_else_trains(rng, folder, fits, page, content):
    X, y = images(rng)
    fit(network(), X, y, **HOW)
    (path,) = folder.glob("*.npz")
    path.write_bytes(content)
    reader = page()
    fit(network(), X, y, **HOW)
    assert len(fits) == 2
    assert reader.said == []


def test_a_page_is_told_how_long_a_task_may_take(page, monkeypatch):
    reader = page()
    now = [0.0]
    monkeypatch.setattr(trained.time, "monotonic", lambda: now[0])
    progress = trained.Progress(10)
    for part in (1, 1, 3, 5):
        now[0] += 100 * part if part < 5 else 0.1
        progress.advance(part)
    assert reader.told == [
        (0.1, "about 15 min left"),
        (0.2, "about 13 min left"),
        (0.5, "about 8 min left"),
        (1, ""),
    ]


def test_a_page_is_not_told_too_often(page):
    reader = page()
    progress = trained.Progress(1000)
    for _ in range(1000):
        progress.advance(1)
    assert len(reader.told) < 10
    assert reader.told[-1] == (1, "")
