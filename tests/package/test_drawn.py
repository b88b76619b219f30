"""The network that reads drawings: what it learns from, and that wrong pictures are refused."""

import re

import numpy as np
import pytest

from convdocs import data
from convdocs.book import drawn, lecture

SAME = np.ones((2, 2))
STILL = np.zeros((2, 2))


@pytest.fixture
def pictures(rng):
    X = np.zeros((2, 1, 9, 9), np.float32)
    X[:, :, 2:7, 3:6] = rng.integers(0, 256, (2, 1, 5, 3)) / 255
    return X


def test_what_is_not_changed_stays(pictures):
    same = drawn.changed(pictures, [0, 0], SAME, STILL)
    np.testing.assert_allclose(same, pictures, atol=1e-6)
    assert same.dtype == np.float32


@pytest.mark.parametrize(("across", "down"), [(1, 0), (0, 2), (-2, -1)])
def test_pictures_move(pictures, across, down):
    shifts = np.array([[across, down]] * 2)
    moved = drawn.changed(pictures, [0, 0], SAME, shifts)
    np.testing.assert_allclose(moved, lecture.moved(pictures, down, across), atol=1e-6)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_pictures_turn_around_their_middle(pictures, quarters):
    turned = drawn.changed(pictures, [90 * quarters] * 2, SAME, STILL)
    np.testing.assert_allclose(turned, np.rot90(pictures, -quarters, axes=(2, 3)), atol=1e-6)


def test_pictures_get_larger_around_their_middle():
    X = np.zeros((1, 1, 12, 12))
    X[0, 0, 4:8, 5:7] = 1
    large = drawn.changed(X, [0], [[2, 1]], [[0, 0]])[0, 0]
    assert large[4:8, 4:8].min() > 0.5  # twice as wide
    assert large[:4].max() == large[8:].max() == 0  # and as high as it was


def test_copies_are_alike_and_others_with_another_seed():
    X = data.mnist().X_test[:20]
    copies = drawn.at_random(X, 1)
    assert np.array_equal(copies, drawn.at_random(X, 1))
    assert not np.array_equal(copies, drawn.at_random(X, 2))
    assert copies.shape == X.shape
    np.testing.assert_allclose(255 * copies, np.round(255 * copies), atol=1e-4)
    assert 0.5 < copies.sum() / X.sum() < 1.5


@pytest.mark.slow
def test_a_network_learns_from_few_pictures():
    X, y = data.mnist()[:2]
    net = drawn.trained(X[:200], y[:200], epochs=8)
    assert net.score(X[:200], y[:200]) > 0.8
    assert net.summary((1, 28, 28)).parameters == 208 + 3216 + 2570


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((2, 9, 9)), [0, 0], SAME, STILL), "X must have the shape (N, C, H, W)"),
        ((np.zeros((2, 3, 9, 9)), [0, 0], SAME, STILL), "X must have the shape (N, 1, H, H)"),
        ((np.zeros((2, 1, 9, 8)), [0, 0], SAME, STILL), "X must have the shape (N, 1, H, H)"),
        ((np.zeros((2, 1, 9, 9)), [0], SAME, STILL), "angles must have the shape (2,), got (1,)"),
        ((np.zeros((2, 1, 9, 9)), [0, 0], [1, 1], STILL), "sizes must have the shape (2, 2)"),
        ((np.zeros((2, 1, 9, 9)), [0, 0], SAME, 0), "shifts must have the shape (2, 2), got ()"),
        ((np.zeros((2, 1, 9, 9)), ["a", 0], SAME, STILL), "angles must hold real numbers"),
    ],
)
def test_what_cannot_be_changed_is_refused(arguments, message):
    with pytest.raises((ValueError, TypeError), match="^" + re.escape(message)):
        drawn.changed(*arguments)


@pytest.mark.parametrize("name", ["angles", "sizes", "shifts"])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_change_that_is_not_finite_is_refused(pictures, name, number):
    given = {"angles": np.zeros(2), "sizes": SAME.copy(), "shifts": STILL.copy()}
    given[name].flat[1] = number
    with pytest.raises(ValueError, match=f"{name} must be finite, got"):
        drawn.changed(pictures, **given)


def test_a_picture_cannot_be_made_nothing(pictures):
    with pytest.raises(ValueError, match="sizes must be other than 0, got"):
        drawn.changed(pictures, [0, 0], [[1, 0], [1, 1]], STILL)


@pytest.mark.parametrize(
    ("X", "seed", "message"),
    [
        (3, 0, "X must have the shape"),
        ("abc", 0, "X must hold real numbers"),
        (np.ones((1, 1, 4, 4)), "x", "seed must be an integer"),
        (np.ones((1, 1, 4, 4)), -1, "seed must be at least 0"),
    ],
)
def test_what_cannot_be_changed_at_random_is_refused(X, seed, message):
    with pytest.raises((ValueError, TypeError), match=message):
        drawn.at_random(X, seed)
