"""The lecture's networks: as large as the book says, and measured each in the same way."""

import numpy as np
import pytest

from convdocs import CNN, Flatten, Linear
from convdocs.book import lecture, trained
from convdocs.data import Parts

SIZES = {
    lecture.normal: (103_510, 103_400),
    lecture.local: (56_458, 54_880),
    lecture.shared: (15_898, 54_880),
    lecture.pooled: (15_898, 172_480),
    lecture.deep: (7_434, 480_800),
}


@pytest.mark.parametrize("network", SIZES)
def test_a_network_has_the_parameters_of_the_lecture(network, rng):
    summary = network(0).summary((1, 32, 32))
    assert (summary.parameters, summary.macs) == SIZES[network]
    assert summary[-1].output_shape == (10,)
    one, other = network(3).state_dict(), network(np.random.default_rng(3)).state_dict()
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert set(SIZES) == lecture.NAMES.keys()


def test_pictures_are_those_of_mnist_with_a_border():
    parts = lecture.pictures()
    assert [images.shape for images in parts[::2]] == [
        (3500, 1, 32, 32),
        (500, 1, 32, 32),
        (1000, 1, 32, 32),
    ]
    for images in parts[::2]:
        inside = np.zeros((32, 32), bool)
        inside[2:-2, 2:-2] = True
        assert not images[..., ~inside].any()
        assert images.dtype == np.float32
    assert (np.bincount(parts.y_train[:500]) == 50).all()


@pytest.mark.parametrize("down", [-3, -2, 0, 1, 5, -6])
@pytest.mark.parametrize("right", [0, 2, -1])
def test_a_picture_is_moved_and_black_comes_in(rng, down, right):
    X = rng.integers(1, 9, (2, 4, 5))
    expected = np.zeros_like(X)
    for n, i, j in np.ndindex(X.shape):
        if 0 <= i + down < 4 and 0 <= j + right < 5:
            expected[n, i + down, j + right] = X[n, i, j]
    assert np.array_equal(lecture.moved(X, down, right), expected)


@pytest.mark.parametrize("argument", ["down", "right"])
@pytest.mark.parametrize("wrong", [1.5, "a", [1], None, True])
def test_what_is_no_number_of_pixels_is_refused(argument, wrong):
    with pytest.raises(TypeError, match=f"{argument} must be an integer"):
        lecture.moved(np.zeros((3, 3)), **{argument: wrong})


@pytest.mark.parametrize("X", [3, [1, 2, 3]])
def test_what_has_no_rows_is_not_moved(X):
    with pytest.raises(ValueError, match=r"^X must have the shape \(\.\.\., H, W\), got \("):
        lecture.moved(X, right=1)


def test_digits_moved_by_two_are_whole():
    X = lecture.pictures().X_test
    for direction in lecture.DIRECTIONS:
        assert np.allclose(lecture.moved(X, *direction).sum(), X.sum())


def small(rng):
    return CNN([Flatten(), Linear(1024, 10, rng=rng)])


@pytest.fixture
def few(monkeypatch):
    """Return pictures that are quickly learned from: each class is one bright line."""
    monkeypatch.setattr(lecture, "EPOCHS", {50: 3, 100: 2})

    def images(count, seed):
        y = np.arange(count) % 10
        X = np.random.default_rng(seed).random((count, 1, 32, 32), np.float32) / 9
        X[np.arange(count), 0, 4 + 2 * y] += 1
        return X, y

    return Parts(*images(100, 0), *images(30, 1), *images(40, 2))


def test_measuring_chooses_in_the_open_and_gives_the_same_each_time(few):
    (row,), (again,) = (lecture.measure(small, parts=few) for _ in range(2))
    assert row == again
    assert (row.name, row.parameters, row.macs) == ("small", 10_250, 10_240)
    for trial, (images, epochs) in zip(row[3:], lecture.EPOCHS.items(), strict=True):
        assert trial.images == images
        assert tuple(trial.tried) == lecture.RATES
        assert {len(accuracies) for accuracies in trial.tried.values()} == {epochs}
        best = max(max(accuracies) for accuracies in trial.tried.values())
        assert trial.tried[trial.rate][trial.epochs - 1] == best
        for accuracies in (trial.train, trial.test, trial.moved):
            assert len(accuracies) == len(lecture.SEEDS)
        assert np.mean(trial.test) > 0.9
        assert np.mean(trial.moved) < np.mean(trial.test)


def test_what_is_reported_is_a_plain_training(few):
    (row,) = lecture.measure(small, parts=few)
    rng = np.random.default_rng(lecture.SEEDS[1])
    model, trial = small(rng), row.many
    optimizer = lecture.Adam(lr=trial.rate)
    model.fit(few.X_train, few.y_train, trial.epochs, lecture.BATCH, rng, optimizer)
    assert trial.train[1] == model.score(few.X_train, few.y_train)
    assert trial.test[1] == model.score(few.X_test, few.y_test)
    moves = [lecture.moved(few.X_test, *direction) for direction in lecture.DIRECTIONS]
    assert trial.moved[1] == np.mean([model.score(X, few.y_test) for X in moves])


def test_few_pictures_are_measured_once(few):
    parts = few._replace(X_train=few.X_train[:50], y_train=few.y_train[:50])
    (row,) = lecture.measure(small, parts=parts)
    (usual,) = lecture.measure(small, parts=few)
    assert row.many == row.few
    for rate, accuracies in row.few.tried.items():  # the same training, and a longer one
        assert len(accuracies) == lecture.LONGER > len(usual.few.tried[rate])
        assert accuracies[: len(usual.few.tried[rate])] == usual.few.tried[rate]


def test_a_build_measures_once(few, tmp_path, monkeypatch):
    monkeypatch.setenv(trained.FOLDER, str(tmp_path))
    (row,) = lecture.measure(small, parts=few)
    (path,) = tmp_path.glob("*.npz")
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(CNN, "fit", None)
    assert lecture.measure(small, parts=few) == [row]
    with pytest.raises(TypeError, match="NoneType"):
        lecture.measure(small, parts=few._replace(X_test=1 - few.X_test))


def test_rows_and_choices_are_tables(few):
    rows = lecture.measure(small, parts=few)
    text = str(lecture.table(rows))
    assert "10,250" in text
    assert "100 pictures" in text
    assert "seconds" not in text
    assert "2.5" in str(lecture.table(rows, seconds=[2.5]))
    assert str(rows[0].few.rate) in str(lecture.choices(rows))
    assert len(lecture.choices(rows).columns) == 1 + 2 * (2 + len(lecture.RATES))


def test_what_cannot_be_right_is_named(few):
    with pytest.raises(TypeError, match=r"networks\[1\] must be a function of a generator"):
        lecture.measure(small, small(0), parts=few)
    with pytest.raises(TypeError, match=r"networks\[0\] must be a function of a generator"):
        lecture.measure(lambda rng: None, parts=few)
    with pytest.raises(ValueError, match="seconds must be 0, one a row, got 1"):
        lecture.table([], seconds=[1])
