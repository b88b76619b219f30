"""Batches from anywhere: any iterable, and files of which a training reads a batch at a time."""

import tracemalloc

import numpy as np
import pytest

from convdocs import CNN, Dropout, Flatten, Linear, MaxPool2d
from convdocs.training import batches
from convdocs.training.batches import digest

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
    "triples": (lambda: [(X, Y, Y)], TypeError, "batch 0 of X must be a pair.*, got tuple of 3"),
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


def refuses():
    raise RuntimeError("no length")


@pytest.mark.parametrize("length", [lambda: 0, lambda: 1, lambda: 9, lambda: 2**70, refuses])
@pytest.mark.parametrize("progress", [True, False])
def test_a_length_that_is_wrong_or_not_told_changes_no_training(length, progress, capsys):
    pairs = [(X[:10], Y[:10]), (X[10:], Y[10:])]

    class Stream:
        def __len__(self):
            return length()

        def __iter__(self):
            return iter(pairs)

    trained = net().fit(Stream(), epochs=2, rng=0, progress=progress)
    assert result(trained) == result(net().fit(pairs, epochs=2, rng=0))
    assert "#" * 21 not in capsys.readouterr().err


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


class Parts:
    """Batches of four, in order."""

    def __init__(self, X, y):
        self.X, self.y = X, y

    def __iter__(self):
        for start in range(0, len(self.X), 4):
            yield self.X[start : start + 4], self.y[start : start + 4]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["mapped", "batches", "checkpoint", "copied"])
def test_a_large_file_trains_in_the_memory_of_a_few_images(how, tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "SAMPLE", 2**18)
    path, shape = tmp_path / "X.npy", (512, 3, 64, 64)
    file = np.lib.format.open_memmap(path, "w+", "u1", shape)
    file[::64, :, 32] = 200  # the rest stays a hole
    file.flush()
    X, y = np.load(path, mmap_mode="r"), np.arange(len(file)) % 3
    model = CNN([MaxPool2d(4), MaxPool2d(4), Flatten(), Linear(3 * 4 * 4, 3, rng=0)])
    tracemalloc.start()
    if how == "batches":
        model.fit(Parts(X, y), epochs=1, rng=0)
    elif how == "checkpoint":
        model.fit(X, y, 1, 4, 0, checkpoint=tmp_path / "file")
    else:
        images = X if how == "mapped" else np.array(X)
        model.fit(images, y, 1, 4, 0, validation=(X[:16], y[:16]))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(model.history) == 1
    assert (most > X.nbytes) == (how == "copied")  # with all in memory it would show
    assert (most < X.nbytes / 10) == (how != "copied")


# What tells images from others


def test_a_digest_tells_images_and_labels_from_others():
    images, labels = (100 + 50 * X).astype("u1"), Y.astype("i1")
    own = digest(images, labels)
    assert own == digest(images.copy(order="F"), Y) == digest(images[::1], labels.astype("i8"))
    assert own == digest(images.astype(">u1"), labels)
    assert digest(X, Y) == digest(X.astype(">f4"), Y)
    for place in [(0, 0, 0, 0), (11, 0, 2, 3), (22, 0, 3, 3)]:
        others = images.copy()
        others[place] += 1
        assert digest(others, labels) != own
    assert digest(images[:22], labels[:22]) != own
    assert digest(images.astype("f4"), labels) != own
    assert digest(images[:, :, :, ::-1], labels) != own
    assert digest(images[::-1], labels[::-1]) != own
    assert digest(images.reshape(23, 1, 2, 8), labels) != own
    labels[7] ^= 1
    assert digest(images, labels) != own


@pytest.mark.parametrize("count", [1, 2, 3, 1000])
def test_of_many_images_a_digest_reads_some_from_the_first_to_the_last(count, monkeypatch):
    class Watched(np.ndarray):
        """Images that take down which of them are read."""

        def __getitem__(self, places):
            if isinstance(places, np.ndarray):
                read.extend(places)
            return super().__getitem__(places)

    read, images = [], np.zeros((count, 1, 4, 4), "u1").view(Watched)
    monkeypatch.setattr(batches, "SAMPLE", 10 * 16)
    own = digest(images, np.zeros(count, int))
    if count == 1000:
        assert read == [0, 111, 222, 333, 444, 555, 666, 777, 888, 999]
        images[555] = 1
        assert digest(images, np.zeros(count, int)) != own
    else:
        assert not read  # all of them
