"""Batches from anywhere: any iterable, and files larger than the memory that a training may use."""

import subprocess
import sys

import numpy as np
import pytest

from convdocs import CNN, Dropout, Flatten, Linear

X = np.random.default_rng(0).normal(size=(23, 1, 4, 4)).astype("f4")
Y = np.arange(23) % 3


def net():
    return CNN([Flatten(), Dropout(0.2), Linear(16, 3, rng=0)])


def result(model):
    return {key: p.tobytes() for key, p in model.state_dict().items()}, model.history


class Shuffled:
    """Batches in an order that is drawn anew each time."""

    def __init__(self, rng, size):
        self.rng, self.size = rng, size

    def __iter__(self):
        order = self.rng.permutation(23)
        for start in range(0, 23, self.size):
            yield X[order[start : start + self.size]], list(Y[order[start : start + self.size]])


@pytest.mark.parametrize("size", [1, 5, 23, 99])
def test_batches_train_as_the_same_arrays_do(size):
    rng = np.random.default_rng(1)
    arrays = net().fit(X, Y, 3, size, rng=1, validation=(X, Y))
    assert result(net().fit(Shuffled(rng, size), epochs=3, rng=rng, validation=(X, Y))) == result(
        arrays
    )


def test_a_list_keeps_its_order_and_a_generator_serves_for_one_epoch():
    pairs = [(X[:10], Y[:10]), [X[10:], Y[10:]]]
    once = result(net().fit(pairs, epochs=1, rng=0))
    assert result(net().fit(iter(pairs), epochs=1, rng=0)) == once
    assert result(net().fit((pair for pair in pairs), epochs=1, rng=0)) == once
    assert result(net().fit(pairs[::-1], epochs=1, rng=0)) != once
    assert len(net().fit(pairs, epochs=3, rng=0).history) == 3


WRONG = {
    "a generator twice": (lambda: iter([(X, Y)]), TypeError, "X must start anew.*list_iterator"),
    "an array": (lambda: X, TypeError, r"y must be given.*pairs \(X, y\), got ndarray"),
    "a number": (lambda: 5, TypeError, "y must be given.*got int"),
    "text": (lambda: "digits", TypeError, "y must be given.*got str"),
    "no pairs": (lambda: [X[:5], X[5:]], TypeError, r"batch 0 of X must be a pair.*got ndarray"),
    "triples": (lambda: [(X, Y, Y)], TypeError, "batch 0 of X must be a pair"),
    "no batches": (lambda: [], ValueError, "X must give at least one batch"),
    "no images": (lambda: [(X[:0], Y[:0])], ValueError, "X of batch 0 must hold at least one"),
    "labels": (lambda: [(X, Y), (X, Y + 1)], ValueError, "y of batch 1 must .*3 classes, got 3"),
    "too few labels": (
        lambda: [(X, Y[:5])],
        ValueError,
        r"y of batch 0 must .*\(23,\), got \(5,\)",
    ),
    "other images": (lambda: [(X[:, :, 1:], Y)], ValueError, "X of batch 0"),
}


@pytest.mark.parametrize(("data", "error", "match"), WRONG.values(), ids=WRONG)
def test_what_is_no_batches_is_refused(data, error, match):
    with pytest.raises(error, match=match):
        net().fit(data(), epochs=2)


@pytest.mark.parametrize("known", [True, False])
def test_the_bar_shows_how_far_it_is_or_the_step(known, capsys):
    pairs = [(X[:10], Y[:10]), (X[10:], Y[10:])]

    class Unknown:
        def __iter__(self):
            return iter(pairs)

    net().fit(pairs if known else Unknown(), epochs=2, rng=0, progress=True)
    shown = capsys.readouterr().err
    assert ("epoch 2/2 [##########          ] loss" in shown) == known
    assert ("epoch 2/2 step 1 loss" in shown) != known


@pytest.mark.parametrize("dtype", ["f4", "f8", "u1"])
def test_a_mapped_file_trains_as_the_array_in_memory(dtype, tmp_path):
    images = (100 + 50 * X).astype(dtype)
    np.save(tmp_path / "X.npy", images)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert isinstance(mapped, np.memmap)
    model = net().fit(mapped, Y, 2, 5, rng=0, validation=(mapped, Y))
    assert result(model) == result(net().fit(images, Y, 2, 5, rng=0, validation=(images, Y)))
    assert model.score(mapped, Y) == model.score(images, Y)


LIMITED = """
import resource, sys
import numpy as np
from convdocs import CNN, Flatten, Linear, MaxPool2d
path, how, bound = sys.argv[1], sys.argv[2], int(sys.argv[3])
X = np.load(path, mmap_mode="r")
y = np.arange(len(X)) % 3
model = CNN([MaxPool2d(16), Flatten(), Linear(3 * 8 * 8, 3, rng=0)])
np.ones((500, 500), "f4") @ np.ones((500, 500), "f4")  # BLAS takes memory for good
private = int(open("/proc/self/status").read().split("VmData:")[1].split()[0]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (private + bound,) * 2)
if how == "copied":
    X = np.array(X)
if how == "batches":
    class Batches:
        def __iter__(self):
            for start in range(0, len(X), 4):
                yield X[start:start + 4], y[start:start + 4]
    model.fit(Batches(), epochs=1, rng=0)
else:
    model.fit(X, y, epochs=1, batch_size=4, rng=0, validation=(X[:64], y[:64]))
print(len(model.history), X.nbytes)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of private memory is Linux's")
@pytest.mark.parametrize("how", ["mapped", "batches", "copied"])
def test_a_file_of_eight_times_the_memory_trains_within_it(how, tmp_path):
    path, shape, bound = tmp_path / "X.npy", (4096, 3, 128, 128), 24 * 2**20
    file = np.lib.format.open_memmap(path, "w+", "u1", shape)
    file[::64, :, 64] = 200  # the rest stays a hole
    file.flush()
    assert file.nbytes >= 8 * bound
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, path, how, str(bound)], capture_output=True, text=True
    )
    if how == "copied":  # the limit is one: with all images in memory it ends in an error
        assert "MemoryError" in done.stderr
    else:
        assert done.stdout.split() == ["1", str(file.nbytes)], done.stderr
