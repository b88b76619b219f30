"""Numeric gradients: right on functions whose gradient is known, and clear about wrong calls."""

import numpy as np
import pytest

from convdocs.book import numeric_gradient

KNOWN = {
    "sum": (np.sum, np.ones_like),
    "squares": (lambda x: (x**2).sum(), lambda x: 2 * x),
    "sines": (lambda x: np.sin(x).sum(), np.cos),
    "product": (np.prod, lambda x: np.prod(x) / x),
}


@pytest.mark.parametrize(("f", "gradient"), KNOWN.values(), ids=KNOWN)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 1, 3)])
def test_numeric_gradient_of_known_functions(f, gradient, shape, rng):
    x = rng.uniform(0.5, 2, shape)
    before = x.copy()
    slope = numeric_gradient(f, x)
    assert slope.shape == x.shape
    assert slope.dtype == np.float64
    np.testing.assert_allclose(slope, gradient(x), rtol=1e-8)
    np.testing.assert_array_equal(x, before)


def test_numeric_gradient_computes_in_float64_whatever_comes_in():
    for x in (np.arange(1, 4), np.arange(1, 4, dtype=np.float32), [1, 2, 3]):
        np.testing.assert_allclose(numeric_gradient(lambda x: (x**2).sum(), x), [2, 4, 6])


def test_numeric_gradient_gives_f_arrays_that_it_may_keep_and_change():
    kept = []

    def f(x):
        kept.append(x)
        total = x.sum()
        x += 100
        return total

    np.testing.assert_allclose(numeric_gradient(f, [1.0, 2.0], h=0.5), [1, 1])
    assert [list(x) for x in kept] == [[101.5, 102], [100.5, 102], [101, 102.5], [101, 101.5]]


def test_numeric_gradient_has_an_error_of_the_square_of_h():
    errors = [abs(numeric_gradient(np.exp, 0.0, h).item() - 1) for h in (0.1, 0.05)]
    assert 3.9 < errors[0] / errors[1] < 4.1


def test_numeric_gradient_takes_infinity_as_a_border():
    assert numeric_gradient(np.max, [1.0, -np.inf, 3.0]).round(6).tolist() == [0, 0, 1]


@pytest.mark.parametrize("large", [1e8, -1e9, 1e10])
def test_numeric_gradient_divides_by_the_move_that_a_large_number_really_makes(large):
    assert numeric_gradient(lambda x: x[0], [large, 1.0]).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((lambda x: x, [1.0, 2.0]), ValueError, "f must return one number"),
        ((lambda x: "one", [1.0]), TypeError, "what f returns"),
        ((lambda x: 1j, [1.0]), TypeError, "what f returns"),
        ((lambda x: None, [1.0]), TypeError, "what f returns"),
        ((None, [1.0]), TypeError, "f must be a function, got None"),
        ((3, [1.0]), TypeError, "f must be a function, got 3"),
        ((np.sum, ["a"]), TypeError, "x must"),
        ((np.sum, None), TypeError, "x must"),
        ((np.sum, [[1], [1, 2]]), ValueError, "x must"),
        ((np.sum, [1.0], 10**400), ValueError, "h must"),
        ((np.sum, [1.0], np.nan), ValueError, "h must"),
        ((np.sum, [1.0], 0), ValueError, "h must"),
        ((np.max, [1.0, -1e11]), ValueError, r"h must move .* which is 1e\+11, got 1e-06"),
        ((np.sum, [1.0], 1e-17), ValueError, "h must move"),
        ((np.sum, [1.0], -1e-6), (ValueError, TypeError), "h must"),
        ((np.sum, [1.0], "small"), TypeError, "h must"),
    ],
)
def test_numeric_gradient_names_a_wrong_argument(arguments, error, words):
    with pytest.raises(error, match=words):
        numeric_gradient(*arguments)
