"""A training that was stopped anywhere ends as if it had not been; a wrong file changes nothing."""

import collections
import json
import random
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

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
    store,
)
from convdocs.training import loop

X = np.random.default_rng(0).normal(size=(23, 1, 4, 4)).astype("f4")
Y = np.arange(23) % 3
BATCHES = [(X[i : i + 5], Y[i : i + 5]) for i in range(0, 23, 5)]
OPTIMIZERS = {
    "Adam": Adam,
    "SGD": SGD,
    "momentum": lambda: SGD(0.1, 0.9, 0.01),
}


def net(width=4):
    rng = np.random.default_rng(1)
    return CNN(
        [
            *(Conv2d(1, width, 3, rng=rng), BatchNorm2d(width), ReLU(), Flatten(), Dropout(0.3)),
            Linear(4 * width, 3, rng=rng),
        ]
    )


def train(path=None, model=None, rng=2, optimizer=Adam, data=(X, Y), epochs=4, **more):
    """Make the call that all tests make."""
    model = net() if model is None else model
    options = {"batch_size": 5, "validation": (X[:7], Y[:7]), "optimizer": optimizer(), **more}
    return model.fit(*data, epochs=epochs, rng=rng, checkpoint=path, **options)


def result(model):
    return {key: p.tobytes() for key, p in model.state_dict().items()}, model.history


class Stopped(Exception):
    """What ends a training in these tests."""


@pytest.fixture
def stop(monkeypatch):
    """Return a function that lets the next training end after so many steps."""
    honest = loop.Training.advance

    def after(steps):
        left = iter(range(steps))

        def advance(self, *sums):
            honest(self, *sums)
            if next(left, None) is None:
                raise Stopped

        monkeypatch.setattr(loop.Training, "advance", advance)

    return after


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("data", [(X, Y), (BATCHES,)], ids=["arrays", "batches"])
@pytest.mark.parametrize("seconds", [-1, 60])
def test_stopped_anywhere_it_ends_at_the_same_bits(
    optimizer, data, seconds, tmp_path, monkeypatch, stop
):
    want = result(train(optimizer=optimizer, data=data))
    for steps in (0, 1, 3, 4, 5, 11, 19):  # an epoch has five
        path = tmp_path / f"{steps}.npz"
        with monkeypatch.context() as patched:
            patched.setattr(loop, "SECONDS", seconds)
            stop(steps)
            with pytest.raises(Stopped):
                train(path, optimizer=optimizer, data=data)
        stop(99)
        description, _ = store.read(path)
        done = 5 * description["epoch"] + description["step"]
        assert done == (steps + 1 if seconds < 0 else 5 * (steps // 5))  # what was not lost
        assert result(train(path, optimizer=optimizer, data=data)) == want


def test_without_a_stop_a_checkpoint_changes_nothing(tmp_path):
    assert result(train(tmp_path / "file")) == result(train())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


class Scheduled(SGD):
    """Steps whose size a function tells: one with an address."""

    def __init__(self, schedule):
        super().__init__(0.1)
        self.schedule = schedule


def test_a_function_among_the_settings_is_the_same_one_in_another_process(tmp_path):
    path = tmp_path / "file"
    one, two = ((lambda t: 0.1) for _ in range(2))
    assert repr(one) != repr(two)
    train(path, epochs=1, optimizer=lambda: Scheduled(one))
    train(path, epochs=2, optimizer=lambda: Scheduled(two))


class Counting(SGD):
    """A rate that falls by a count, which the class begins, or the first step."""

    made = 0

    def __init__(self):
        super().__init__(0.1)

    def step(self, layers):
        self.made += 1
        self.more = getattr(self, "more", 1) * 0.9
        self.lr = 0.1 * self.more / self.made
        super().step(layers)


def test_a_setting_that_comes_with_the_first_step_goes_on_too(tmp_path):
    path = tmp_path / "file"
    whole = result(train(epochs=3, optimizer=Counting))
    train(path, epochs=1, optimizer=Counting)
    assert result(train(path, epochs=3, optimizer=Counting)) == whole


class Cosine:
    """A schedule that counts its calls."""

    calls = 0

    def __call__(self):
        self.calls += 1
        return 0.1 / self.calls


@pytest.mark.parametrize(
    "schedule",
    [Cosine(), Cosine().__call__, {5: 0.1}, [{(1, 2): 0}], collections.deque([0.1]), {1, 2}],
    ids=["object", "method", "numbers", "pairs", "deque", "set"],
)
def test_a_setting_that_no_file_can_hold_is_refused(schedule, tmp_path):
    path = tmp_path / "file"
    with pytest.raises(TypeError, match=r"^optimizer\.schedule must be made of numbers"):
        train(path, optimizer=lambda: Scheduled(schedule))
    assert not path.exists()
    train(epochs=1, optimizer=lambda: Scheduled(schedule))  # without a file it may be anything


def test_settings_that_a_file_can_hold_are_taken(tmp_path):
    held = {"a": [0.1, (2, None)], "b": np.ones(2), "c": np.float32(3)}
    for n, schedule in enumerate([held, len, partial(max, 1), Cosine]):
        train(tmp_path / str(n), epochs=1, optimizer=lambda each=schedule: Scheduled(each))
        train(tmp_path / str(n), epochs=2, optimizer=lambda each=schedule: Scheduled(each))


def test_a_finished_training_is_restored_and_a_longer_one_goes_on(tmp_path):
    path = tmp_path / "file"
    short = result(train(path, epochs=2))
    bytes_ = path.read_bytes()
    assert result(train(path, epochs=2)) == short
    assert path.read_bytes() == bytes_
    assert result(train(path, epochs=4)) == result(train(epochs=4))


def test_an_epoch_that_has_begun_is_one_of_the_epochs(tmp_path, monkeypatch, stop):
    monkeypatch.setattr(loop, "SECONDS", -1)
    stop(11)  # two epochs of five steps, and two steps
    with pytest.raises(Stopped):
        train(tmp_path / "file", epochs=4)
    stop(99)
    before = (tmp_path / "file").read_bytes()
    with pytest.raises(ValueError, match=r"epochs must be at least those .* begun, 3, got 2"):
        train(tmp_path / "file", epochs=2)
    assert (tmp_path / "file").read_bytes() == before
    assert result(train(tmp_path / "file", epochs=3)) == result(train(epochs=3))


@pytest.mark.parametrize("kind", ["PCG64", "MT19937", "Philox", "SFC64"])
def test_any_generator_goes_on_where_it_was(kind, tmp_path, stop):
    def generator():
        rng = np.random.Generator(getattr(np.random, kind)(3))
        rng.integers(5, dtype="u4")  # half of a number is kept for the next call
        return rng

    whole, resumed = generator(), generator()
    want = result(train(rng=whole))
    stop(12)
    with pytest.raises(Stopped):
        train(tmp_path / "file", rng=generator())
    stop(99)
    assert result(train(tmp_path / "file", rng=resumed)) == want
    assert resumed.random() == whole.random()


class Falling(SGD):
    """A schedule of one's own: each step is smaller than the one before."""

    def __init__(self):
        super().__init__(0.5, 0.9)
        self.share, self.told, self.whatever = 0.9, [], Path

    def step(self, layers):
        super().step(layers)
        self.lr *= self.share
        self.told.append(round(self.lr, 3))
        if len(self.told) == 7:
            self.momentum = 0


class Halving(list):
    """Batches that halve the rate as an epoch begins."""

    def __iter__(self):
        self.optimizer.lr /= 2
        return super().__iter__()


@pytest.mark.parametrize("kind", ["optimiser", "batches"])
@pytest.mark.parametrize("steps", [1, 4, 5, 7, 12])
def test_a_rate_that_falls_goes_on_where_it_was(kind, steps, tmp_path, monkeypatch, stop):
    monkeypatch.setattr(loop, "SECONDS", -1)

    def call(path=None):
        optimizer, data = Falling() if kind == "optimiser" else SGD(0.5), Halving(BATCHES)
        data.optimizer = SGD() if kind == "optimiser" else optimizer
        return result(train(path, optimizer=lambda: optimizer, data=(data,))), optimizer

    want, optimizer = call()
    stop(steps)
    with pytest.raises(Stopped):
        call(tmp_path / "file")
    stop(99)
    got, again = call(tmp_path / "file")
    assert got == want
    assert again.lr == optimizer.lr
    assert getattr(again, "told", None) == getattr(optimizer, "told", None)


@pytest.mark.parametrize("settings", [{"lr": -1}, {"lr": "a"}, {"betas": [0.9]}, {"eps": None}])
def test_settings_that_no_optimiser_has_are_refused(settings, saved):
    description, arrays = store.read(saved)
    description["optimizer_settings"][1] |= settings
    store.write(saved, description, arrays)
    with pytest.raises(ValueError, match=r"^checkpoint must be a whole one"):
        train(saved)


def test_a_setting_that_ours_lacks_is_left_alone(saved):
    want = result(train(saved))
    description, arrays = store.read(saved)
    description["optimizer_settings"] = [{"step": 1, "memory": 2, "__dict__": {}}] * 2
    store.write(saved, description, arrays)
    assert result(train(saved)) == want
    del description["optimizer_settings"]  # as in older files
    store.write(saved, description, arrays)
    assert result(train(saved)) == want


STATES = {  # what NumPy takes without a word, or refuses by an error that names no file
    "PCG64": [
        ("state", "state", -1),
        ("state", "inc", 2**128),
        ("has_uint32", 2**64),
        ("uinteger", -1),
        ("state", "state", 1.5),
        ("state", 3),
    ],
    "MT19937": [
        ("state", "pos", -(10**8)),
        ("state", "pos", 10**8),
        ("state", "key", []),
        ("state", "pos", True),
        ("state", "key", 7),
    ],
    "Philox": [("buffer_pos", -5), ("buffer_pos", 99), ("buffer", []), ("state", "key", [1])],
    "SFC64": [("state", "state", [1, 2]), ("has_uint32", -1)],
}


@pytest.mark.parametrize("where", ["rng", "begun"])
@pytest.mark.parametrize(
    ("kind", "place"), [(k, place) for k, ps in STATES.items() for place in ps]
)
def test_a_generator_that_cannot_be_is_refused(kind, place, where, tmp_path):
    generator = getattr(np.random, kind)
    path = tmp_path / "file"
    train(path, rng=np.random.Generator(generator(5)), epochs=1)
    description, arrays = store.read(path)
    *keys, last, value = place
    part = description[where]
    for key in keys:
        part = part[key]
    part[last] = value
    store.write(path, description, arrays)
    model, rng = net(), np.random.Generator(generator(5))
    before = result(model), repr(rng.bit_generator.state)
    with pytest.raises(ValueError, match=r"^checkpoint must be a whole one"):
        train(path, model, rng)
    assert (result(model), repr(rng.bit_generator.state)) == before


def test_without_a_seed_it_goes_on_as_well(tmp_path, stop):
    path = tmp_path / "file"
    stop(7)
    with pytest.raises(Stopped):
        train(path, rng=None)
    before, weights = store.read(path)  # the first epoch is done
    assert (before["epoch"], len(before["history"])) == (1, 1)
    steps = []

    class Counting(Adam):
        def step(self, layers):
            if not steps:
                for key, p in model.state_dict().items():
                    if key.split(".")[1] in ("weight", "bias"):  # running means have moved
                        np.testing.assert_array_equal(p, weights[key])
            steps.append(len(steps))
            super().step(layers)

    Counting.__name__ = "Adam"  # the file says which optimiser it is of
    stop(99)
    model = net()
    train(path, model, rng=None, optimizer=Counting)
    assert len(steps) == 15
    assert model.history[:1] == before["history"]
    assert len(model.history) == 4


class Drawn:
    """Batches that draw their order with the training's own generator, as arrays do."""

    def __init__(self, rng):
        self.rng = rng

    def __iter__(self):
        order = self.rng.permutation(23)
        for start in range(0, 23, 5):
            yield X[order[start : start + 5]], Y[order[start : start + 5]]


def test_batches_that_draw_with_the_same_generator_go_on_as_well(tmp_path, monkeypatch, stop):
    want = result(train())
    rng = np.random.default_rng(2)
    assert result(train(data=(Drawn(rng),), rng=rng)) == want
    monkeypatch.setattr(loop, "SECONDS", -1)
    stop(12)
    for _ in range(2):
        rng = np.random.default_rng(2)
        with pytest.raises(Stopped):
            train(tmp_path / "file", data=(Drawn(rng),), rng=rng)
        stop(3)
    stop(99)
    rng = np.random.default_rng(2)
    assert result(train(tmp_path / "file", data=(Drawn(rng),), rng=rng)) == want


PROGRAM = """
import sys
sys.path[:0] = [{tests!r}]
import test_checkpoint as t
from convdocs.training import loop
loop.SECONDS = -1  # save after each step
honest = loop.Training.advance
def advance(self, *sums):
    honest(self, *sums)
    print(5 * self.epoch + self.step, flush=True)
loop.Training.advance = advance
t.train(sys.argv[1], epochs=12).save(sys.argv[2])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_killed_again_and_again_it_loses_only_the_step_it_was_in(tmp_path):
    file, end = tmp_path / "file", tmp_path / "end"
    command = [sys.executable, "-c", PROGRAM.format(tests=str(Path(__file__).parent)), file, end]
    chance, done, kills = random.Random(0), 0, 0
    while not end.exists():
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            stopped, lines = chance.randint(1, 20), []
            for line in child.stdout:
                lines.append(int(line))
                if len(lines) == stopped:
                    time.sleep(chance.uniform(0, 0.004))  # somewhere in a step, or in a save
                    child.kill()
                    kills += 1
            code = child.wait(60)
        assert code == -9 or (code == 0 and end.exists())
        assert not lines or done + 1 <= lines[0] <= done + 2  # perhaps saved, and not yet printed
        done = lines[-1] if lines else done
    assert kills >= 3
    assert result(CNN.load(end))[0] == result(train(epochs=12))[0]


# Wrong files


@pytest.fixture
def saved(tmp_path):
    train(tmp_path / "saved.npz", epochs=2)
    return tmp_path / "saved.npz"


def refused(path, error, match, **call):
    """Check that a call is refused, and that neither file nor model nor generator is changed."""
    before = {file: file.read_bytes() for file in path.parent.iterdir()}
    model = call.pop("model", None) or net()
    was, optimizer = result(model), call.pop("optimizer", Adam)()
    rng = np.random.default_rng(call.pop("rng", 2))
    state = str(rng.bit_generator.state)
    with pytest.raises(error, match=match):
        train(path, model=model, rng=rng, optimizer=lambda: optimizer, **call)
    assert str(rng.bit_generator.state) == state
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == before
    assert result(model) == was
    assert (optimizer.memory, optimizer.steps) == ({}, 0)


CHANGED = X.copy()
CHANGED[11, 0, 2, 2] += 1
OTHERS = {
    "width": ({"model": net(5)}, r"layers .*Conv2d\(in_channels=1, out_channels=4.*, got .*=5"),
    "layer": ({"model": CNN(net().layers[:-2] + net().layers[-1:])}, r"layers .*Dropout.*got"),
    "kind of optimiser": ({"optimizer": SGD}, r"optimizer Adam\(.*, got SGD\(lr=0.001"),
    "its settings": ({"optimizer": lambda: Adam(0.1)}, r"optimizer .*lr=0.001.*, got .*lr=0.1"),
    "batch size": ({"batch_size": 4}, "batch_size 5, got 4"),
    "images": ({"data": (X[:22], Y[:22])}, "images 23, got 22"),
    "batches": ({"data": (BATCHES,)}, "images 23, got None"),
    "pixel": ({"data": (CHANGED, Y)}, "other images or labels"),
    "order": ({"data": (X[::-1], Y[::-1])}, "other images or labels"),
    "type": ({"data": (X.astype(float), Y)}, "other images or labels"),
    "labels": ({"data": (X, Y[::-1])}, "other images or labels"),
    "validation": ({"validation": (X[:8], Y[:8])}, "another validation set, or none"),
    "no validation": ({"validation": None}, "another validation set, or none"),
    "seed": ({"rng": 3}, "another rng"),
    "generator": ({"rng": np.random.Generator(np.random.MT19937(2))}, "another rng"),
    "fewer epochs": ({"epochs": 1}, "epochs must be at least .*got 1"),
}


@pytest.mark.parametrize("epochs", [2, 4])  # finished, and to go on with
@pytest.mark.parametrize(("call", "match"), OTHERS.values(), ids=OTHERS)
def test_the_checkpoint_of_another_training_is_refused(call, match, epochs, saved):
    refused(saved, ValueError, match, **{"epochs": epochs, **call})


def test_the_same_images_from_elsewhere_are_the_same(saved, tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    want = result(train())
    assert result(train(saved, data=(mapped, Y.astype("u1").tolist()))) == want


@pytest.mark.skipif(np.dtype("g").itemsize == 8, reason="a long double is a double here")
def test_equal_long_doubles_are_the_same_images(tmp_path):
    path, wide = tmp_path / "saved.npz", [X.astype("g") for _ in range(3)]
    wide[1].view("u1").reshape(-1, wide[1].itemsize)[:, 10:] = 7  # bytes that say nothing
    wide[2][3, 0, 0, 0] *= 1 + np.finfo("g").eps
    train(path, data=(wide[0], Y), epochs=2)
    resumed = train(path, data=(wide[1], Y))
    assert result(resumed) == result(train(data=(wide[0], Y)))
    refused(path, ValueError, "other images or labels", data=(wide[2], Y))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_parameters_in_the_other_order_of_bytes_go_on(tmp_path, optimizer):
    def swapped():
        model = net()
        for layer in model.layers:
            for name, array in layer.params.items():
                layer.params[name] = array.astype(array.dtype.newbyteorder())
        return model

    path, how = tmp_path / "saved.npz", {"optimizer": OPTIMIZERS[optimizer]}
    train(path, model=swapped(), epochs=2, **how)
    resumed, whole = train(path, model=swapped(), **how), train(model=swapped(), **how)
    assert resumed.history == whole.history
    for key, array in whole.state_dict().items():
        np.testing.assert_array_equal(resumed.state_dict()[key], array)


def test_a_file_from_before_there_was_a_digest_is_read(saved):
    description, arrays = store.read(saved)
    del description["settings"]["data"]
    store.write(saved, description, arrays)
    assert result(train(saved)) == result(train())


def test_any_truncated_file_is_refused(saved):
    whole, path = saved.read_bytes(), saved.parent / "cut.npz"
    for length in {*range(0, len(whole), 499), len(whole) - 1}:
        path.write_bytes(whole[:length])
        refused(path, ValueError, r"checkpoint must .*cut\.npz")


def foreign(path, description, arrays=None):
    store.write(path, description, arrays or {})


@pytest.mark.parametrize(
    "description", [None, 1, [], {}, {"format": 2}, {"format": "checkpoint 2"}]
)
def test_a_file_of_another_kind_is_refused(description, saved):
    foreign(saved, description)
    refused(saved, ValueError, r"checkpoint must .*saved\.npz")


def test_text_a_model_file_and_a_folder_are_refused(saved):
    saved.write_text("hello, world\n" * 20)
    refused(saved, ValueError, r"checkpoint must .*saved\.npz")
    net().save(saved)
    refused(saved, ValueError, r"checkpoint must .*saved\.npz.* 1$")
    with pytest.raises(IsADirectoryError):
        train(saved.parent)


@pytest.mark.parametrize("key", ["0.weight", "memory.0.weight.1", "1.running_var"])
def test_a_file_that_lacks_an_array_is_refused(key, saved):
    description, arrays = store.read(saved)
    del arrays[key]
    store.write(saved, description, arrays)
    refused(saved, ValueError, f"checkpoint must .*{key}")


ODD = {  # what a file could not hold
    "epoch": [-1, 1.5, "1", [1]],
    "step": [-1, 0.5, "0"],
    "sums": [[1, 2], [1, "much", 3], [-1, 0.0, 0], 3],
    "history": [[1], {"loss": 1}, [["loss", 1]], [{"loss": "low"}]],
    "optimizer": [[1], [1, [[0, "weight"]]], [-1, []], [1, [[9, "weight", 1]]], [1, [["0", 0, 0]]]],
    "rng": [{}, {"bit_generator": "PCG64"}, {"bit_generator": "MT19937"}, []],
    "begun": [{}, {"bit_generator": "PCG64", "state": {"state": "x"}}, 7],
}


@pytest.mark.parametrize(("key", "value"), [(key, v) for key, vs in ODD.items() for v in vs])
def test_a_file_with_an_odd_description_is_refused(key, value, saved):
    description, arrays = store.read(saved)
    store.write(saved, {**description, key: value}, arrays)
    refused(saved, ValueError, "checkpoint must ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("memory.0.weight.1", np.zeros((4, 1, 3, 3))),  # of another type
        ("memory.0.weight.1", np.zeros((4, 1, 3), "f4")),
        ("memory.0.bias.0", np.array(["a"] * 4)),
        ("0.weight", np.zeros((4, 1, 3), "f4")),
        ("0.weight", np.full((4, 1, 3, 3), "a")),
        ("9.weight", np.zeros(3)),
    ],
)
def test_a_file_with_an_odd_array_is_refused(key, value, saved):
    description, arrays = store.read(saved)
    store.write(saved, description, {**arrays, key: value})
    refused(saved, ValueError, "checkpoint must ")


@pytest.mark.parametrize("key", ["settings", "epoch", "step", "sums", "begun", "rng", "optimizer"])
def test_a_file_that_lacks_a_part_of_its_description_is_refused(key, saved):
    description, arrays = store.read(saved)
    for wrong in ({k: v for k, v in description.items() if k != key}, {**description, key: None}):
        store.write(saved, wrong, arrays)
        refused(saved, ValueError, "checkpoint must ")


def test_a_path_that_cannot_be_written_says_so_before_any_work(tmp_path):
    model = net()
    was = result(model)
    with pytest.raises(FileNotFoundError, match="checkpoint must lie in a directory"):
        train(tmp_path / "no" / "file", model=model)
    with pytest.raises(IsADirectoryError, match="checkpoint must be"):
        train(tmp_path, model=model)
    with pytest.raises(ValueError, match=r"must be a file's name, got '\\ud800'"):
        train("\ud800", model=model)
    with pytest.raises(TypeError, match=r"checkpoint must .*got 5"):
        train(5, model=model)
    assert result(model) == was


def test_a_checkpoint_is_no_model_file(saved):
    with pytest.raises(ValueError, match=r"path must be a model file .*checkpoint 1"):
        CNN.load(saved)


def test_the_description_is_plain(saved):
    description, _ = store.read(saved)
    assert json.loads(json.dumps(description)) == description
    assert description["settings"]["optimizer"] == repr(Adam())
