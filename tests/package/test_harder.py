"""The lecture's pictures made harder: nothing of a digit is lost that should be there."""

import numpy as np
import pytest

from convdocs.book import harder, lecture


def test_a_shrunk_pixel_is_the_mean_of_sixteen():
    X = lecture.pictures().X_test[:20].astype(float)
    small = harder.shrunk(X)
    for n, i, j in np.ndindex(len(X), 8, 8):
        block = X[n, 0, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4]
        assert np.isclose(small[n, 0, i, j], block.mean(), atol=1e-7)


def test_a_frame_is_noise_around_the_small_digit():
    X = lecture.pictures().X_test[:20]
    wide, again = harder.framed(X, 3), harder.framed(X, np.random.default_rng(3))
    assert wide.dtype == np.float32
    assert np.array_equal(wide, again)
    assert np.allclose(wide[:, :, 12:20, 12:20], harder.shrunk(X))
    inside = np.zeros((32, 32), bool)
    inside[12:20, 12:20] = True
    noise = wide[..., ~inside]
    assert abs(noise.mean() - 1 / 2) < 0.01
    assert abs(noise.var() - 1 / 12) < 0.01
    assert np.unique(noise).size > 0.99 * noise.size


def test_all_pictures_are_scrambled_alike():
    parts = lecture.pictures()
    X, before = parts.X_test[:50], parts.X_test[:50].copy()
    mixed = harder.scrambled(X)
    assert np.array_equal(X, before)
    number = harder.scrambled(np.arange(1024).reshape(1, 1, 32, 32)).ravel()
    assert sorted(number) == list(range(1024))
    assert (number != np.arange(1024)).sum() > 700
    assert np.array_equal(mixed.reshape(50, -1), X.reshape(50, -1)[:, number])
    border = np.ones((32, 32), bool)
    border[2:-2, 2:-2] = False
    assert (number.reshape(32, 32)[border] == np.arange(1024).reshape(32, 32)[border]).all()


@pytest.mark.slow
def test_parts_keep_their_labels():
    parts = lecture.pictures()
    wide, mixed = harder.in_frames(), harder.in_new_order(parts)
    assert len(wide.X_train) == 500
    assert np.allclose(wide.X_valid[:, :, 12:20, 12:20], harder.shrunk(parts.X_valid))
    for one, other in zip(mixed[::2], parts[::2], strict=True):
        assert np.array_equal(one, harder.scrambled(other))
    for labels, mine, others in zip(parts[1::2], wide[1::2], mixed[1::2], strict=True):
        assert np.array_equal(others, labels)
        assert np.array_equal(mine, labels[: len(mine)])


@pytest.mark.parametrize("change", [harder.shrunk, harder.framed, harder.scrambled])
def test_other_pictures_are_refused(change):
    with pytest.raises(ValueError, match=r"X must have the shape \(N, 1, 32, 32\), got"):
        change(np.zeros((2, 1, 28, 28)))
    with pytest.raises(ValueError, match="X must have the shape"):
        change(np.zeros((32, 32)))
    with pytest.raises(TypeError, match="X must hold real numbers"):
        change(np.zeros((1, 1, 32, 32), complex))


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.uint64])
def test_integers_are_shrunk_in_float64(rng, dtype):
    X = rng.integers(0, 256, (3, 1, 32, 32)).astype(dtype)
    np.testing.assert_array_equal(harder.shrunk(X), harder.shrunk(X.astype(float)), strict=True)


def test_no_pictures_are_made_harder_as_well():
    none = np.zeros((0, 1, 32, 32), np.float32)
    assert harder.shrunk(none).shape == (0, 1, 8, 8)
    assert harder.framed(none, 0).shape == harder.scrambled(none).shape == none.shape
