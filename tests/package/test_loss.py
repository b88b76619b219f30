"""Softmax and cross-entropy equal their definitions, ONNX Runtime, SciPy and PyTorch."""

import math
from functools import partial

import numpy as np
import pytest
import reference
import scipy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

from convdocs import cross_entropy, cross_entropy_backward, softmax

SIZES = [(1, 1), (1, 4), (5, 2), (4, 7)]  # N, K
sizes = pytest.mark.parametrize(("N", "K"), SIZES)
layouts = pytest.mark.parametrize("layout", reference.LAYOUTS)
SCORES = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.floats(-300, 300),
)


def scores(rng, N, K, dtype=np.float64):
    """Return logits and labels."""
    return rng.normal(0, 3, (N, K)).astype(dtype), rng.integers(0, K, N)


# --- Softmax -------------------------------------------------------------------------------------


def test_softmax_by_hand():
    assert_allclose(softmax(np.log([1, 2, 5])), [1 / 8, 2 / 8, 5 / 8], rtol=1e-15)
    assert_array_equal(softmax([7, 7, 7, 7]), [0.25, 0.25, 0.25, 0.25])


@sizes
def test_softmax_equals_its_definition_and_scipy(rng, N, K):
    x, _ = scores(rng, N, K)
    assert_allclose(softmax(x), [reference.softmax(row) for row in x], rtol=1e-14)
    assert_allclose(softmax(x), scipy.special.softmax(x, axis=1), rtol=1e-14)


@pytest.mark.parametrize("axis", [-4, -3, -2, -1, 0, 1, 2, 3, np.int8(1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_along_any_axis_equals_onnx_runtime(rng, axis, dtype):
    x = rng.normal(0, 3, (2, 3, 4, 5)).astype(dtype)
    expected = reference.onnx_run("Softmax", x, axis=int(axis))
    assert_allclose(softmax(x, axis=axis), expected, rtol=1e-6, strict=True)


@given(SCORES)
def test_softmax_is_a_distribution_in_the_order_of_the_scores(x):
    y = softmax(x)
    assert (y >= 0).all()
    assert_allclose(y.sum(axis=1), 1, rtol=1e-14)
    assert (np.diff(np.take_along_axis(y, x.argsort(axis=1), axis=1)) >= 0).all()


@given(SCORES, st.floats(-1e6, 1e6))
def test_a_shift_of_all_scores_changes_nothing(x, shift):
    x, shift = np.round(x), round(shift)  # whole numbers: the shift itself is exact
    labels = np.arange(len(x)) % x.shape[1]
    assert_array_equal(softmax(x + shift), softmax(x))
    assert cross_entropy(x + shift, labels) == cross_entropy(x, labels)
    assert_array_equal(cross_entropy_backward(x + shift, labels), cross_entropy_backward(x, labels))


SPECIALS = [
    [1e308, -1e308, 0],
    [-1e308, -1e308, -1e308],
    [710, 0, -710],
    [-np.inf, 0, 1],
    [-np.inf, -np.inf, 1],
    [-np.inf, -np.inf, -np.inf],
    [np.inf, 0, 1],
    [np.inf, np.inf, 1],
    [np.nan, 0, 1],
]


@pytest.mark.parametrize("row", SPECIALS, ids=str)
def test_extremes_travel_as_in_torch(torch, row):
    x = np.array([row, [0.0, 1.0, 2.0]])
    assert_allclose(softmax(x), torch.softmax(torch.tensor(x), 1).numpy(), rtol=1e-14)
    for label in range(3):
        labels = np.array([label, 1])
        loss, (dx,) = reference.autograd(
            torch, lambda a, k=labels: torch.nn.functional.cross_entropy(a, torch.tensor(k)), [x]
        )
        assert_allclose(cross_entropy(x, labels), loss, rtol=1e-14)
        assert_allclose(cross_entropy_backward(x, labels), dx, rtol=1e-14, atol=1e-16)


def test_huge_scores_by_hand():
    assert_array_equal(softmax([1e300, 0.0]), [1, 0])
    assert cross_entropy([[1000.0, 0.0]], [1]) == 1000
    assert cross_entropy([[1000.0, 0.0]], [0]) == 0
    assert_array_equal(cross_entropy_backward([[1000.0, 0.0]], [1]), [[1, -1]])


def test_infinite_scores_by_hand():
    assert_array_equal(softmax([-np.inf, 3.0, 3.0]), [0, 0.5, 0.5])
    assert np.isnan(softmax([np.inf, 3.0, 3.0])).any()
    assert np.isnan(softmax([np.nan, 3.0, 3.0])).all()
    assert cross_entropy([[-np.inf, 3.0]], [0]) == np.inf
    assert cross_entropy([[-np.inf, 3.0]], [1]) == 0
    assert_array_equal(cross_entropy_backward([[-np.inf, 3.0]], [0]), [[-1, 1]])


# --- Cross-entropy -------------------------------------------------------------------------------


def test_cross_entropy_by_hand():
    logits = np.log([[1, 2, 5], [6, 1, 1]])  # probabilities 1/8 2/8 5/8 and 6/8 1/8 1/8
    assert_allclose(cross_entropy(logits, [1, 0]), (math.log(4) + math.log(8 / 6)) / 2, rtol=1e-15)
    expected = np.array([[1, 2 - 8, 5], [6 - 8, 1, 1]]) / 8 / 2
    assert_allclose(cross_entropy_backward(logits, [1, 0]), expected, rtol=1e-14)


@sizes
def test_cross_entropy_equals_its_definition_and_scipy(rng, N, K):
    logits, labels = scores(rng, N, K)
    loss = cross_entropy(logits, labels)
    assert type(loss) is float
    assert_allclose(loss, reference.cross_entropy(logits, labels), rtol=1e-13, atol=1e-15)
    picked = scipy.special.log_softmax(logits, axis=1)[np.arange(N), labels]
    assert_allclose(loss, -picked.mean(), rtol=1e-13, atol=1e-15)


@sizes
def test_the_gradient_of_cross_entropy_equals_differences(rng, N, K):
    logits, labels = scores(rng, N, K)
    gradient = cross_entropy_backward(logits, labels)
    loss = partial(cross_entropy, labels=labels)
    if K == 1:
        assert_array_equal(gradient, np.zeros((N, 1)))
    assert reference.gradient_error(loss, [gradient], [logits]) <= reference.EXACT


def test_the_check_by_differences_catches_a_wrong_gradient(rng):
    logits, labels = scores(rng, 4, 5)
    gradient = cross_entropy_backward(logits, labels)
    loss = partial(cross_entropy, labels=labels)
    wrong = -gradient, 4 * gradient, softmax(logits) / 4, np.roll(gradient, 1, axis=1)
    for spoilt in wrong:
        assert reference.gradient_error(loss, [spoilt], [logits]) > 1e-2
    single = gradient.astype(np.float32)
    assert reference.gradient_error(loss, [single], [logits]) > reference.EXACT


@sizes
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_equals_torch(torch, rng, N, K, dtype):
    logits, labels = scores(rng, N, K, dtype)
    loss, (gradient,) = reference.autograd(
        torch, lambda a: torch.nn.functional.cross_entropy(a, torch.tensor(labels)), [logits]
    )
    close = {"rtol": 1e-5, "atol": 1e-7} if dtype == np.float32 else {"rtol": 1e-13, "atol": 1e-15}
    assert_allclose(cross_entropy(logits, labels), loss, **close)
    assert_allclose(cross_entropy_backward(logits, labels), gradient, **close, strict=True)


@pytest.mark.parametrize("places", [(1,), (3,), (2, 3), (2, 1, 3)])
@pytest.mark.parametrize("layout", ["C order", "batch innermost", "reversed"])
def test_a_label_for_each_place_is_an_example_of_its_own(rng, places, layout):
    logits, labels = rng.normal(0, 3, (4, 5, *places)), rng.integers(0, 5, (4, *places))
    rows, flat = np.moveaxis(logits, 1, -1).reshape(-1, 5), labels.ravel()
    laid = reference.LAYOUTS[layout](logits)
    assert_allclose(cross_entropy(laid, labels), cross_entropy(rows, flat), rtol=1e-13)
    expected = np.moveaxis(cross_entropy_backward(rows, flat).reshape(4, *places, 5), -1, 1)
    assert_allclose(cross_entropy_backward(laid, labels), expected, rtol=1e-13)
    gradient = cross_entropy_backward(logits, labels)
    loss = lambda a: np.float64(cross_entropy(a, labels))  # noqa: E731
    assert reference.gradient_error(loss, [gradient], [logits]) <= reference.EXACT


@pytest.mark.parametrize("places", [(3,), (2, 3), (2, 1, 3)])
def test_a_label_for_each_place_equals_torch(torch, rng, places):
    logits, labels = rng.normal(0, 3, (4, 5, *places)), rng.integers(0, 5, (4, *places))
    loss, (gradient,) = reference.autograd(
        torch, lambda a: torch.nn.functional.cross_entropy(a, torch.tensor(labels)), [logits]
    )
    assert_allclose(cross_entropy(logits, labels), loss, rtol=1e-13)
    assert_allclose(cross_entropy_backward(logits, labels), gradient, rtol=1e-13, strict=True)


def test_no_places_are_like_no_examples():
    logits, labels = np.ones((2, 3, 0), np.float32), np.ones((2, 0), int)
    assert math.isnan(cross_entropy(logits, labels))
    reference.same_results(cross_entropy_backward(logits, labels), logits)


@given(SCORES)
def test_the_gradients_of_each_example_sum_to_zero(logits):
    labels = np.arange(len(logits)) % logits.shape[1]
    gradient = cross_entropy_backward(logits, labels)
    assert_allclose(gradient.sum(axis=1), 0, atol=1e-14)
    assert (gradient[np.arange(len(labels)), labels] <= 0).all()


# --- Dtypes, memory orders, empty batches, labels ------------------------------------------------


@pytest.mark.parametrize(
    ("given_type", "dtype"),
    [("float32", "float32"), ("float64", "float64"), ("float16", "float32"), ("int8", "float64")],
)
def test_dtypes(given_type, dtype):
    logits = np.array([[100, -100], [3, 4]], given_type)
    assert softmax(logits).dtype == cross_entropy_backward(logits, [0, 1]).dtype == dtype
    assert_allclose(softmax(logits), softmax(logits.astype(float)), rtol=1e-6, atol=1e-40)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
def test_labels_of_any_integer_dtype(rng, dtype):
    logits, labels = scores(rng, 6, 4)
    assert cross_entropy(logits, labels.astype(dtype)) == cross_entropy(logits, labels.tolist())


@layouts
def test_memory_layout_changes_nothing(rng, layout):
    logits, labels = scores(rng, 4, 5)
    reference.layout_changes_nothing(softmax, [reference.whole(rng, 2, 3, 4)], layout)
    reference.layout_changes_nothing(
        lambda a: cross_entropy_backward(a, reference.LAYOUTS[layout](labels)), [logits], layout
    )
    loss = cross_entropy(reference.LAYOUTS[layout](logits), reference.LAYOUTS[layout](labels))
    assert_allclose(loss, cross_entropy(logits, labels), rtol=1e-15)


def test_broadcast_views_are_read_as_what_they_show():
    logits, labels = np.broadcast_to([1.0, 2.0, 3.0], (4, 3)), np.broadcast_to(1, 4)
    for _ in range(2):
        assert_array_equal(softmax(logits), softmax(logits.copy()))
        gradient = cross_entropy_backward(logits.copy(), labels.copy())
        assert_array_equal(cross_entropy_backward(logits, labels), gradient)


def test_an_empty_batch():
    logits, labels = np.ones((0, 3), np.float32), np.ones(0, int)
    assert math.isnan(cross_entropy(logits, labels))
    reference.same_results(cross_entropy_backward(logits, labels), logits)
    reference.same_results(softmax(logits), logits)
    assert softmax(np.ones((2, 0))).shape == (2, 0)


WRONG_LABELS = [
    ([0, 3], ValueError, "labels must be below the 3 classes, got 3"),
    ([0, -1], ValueError, "labels must be at least 0, got -1"),
    ([0], ValueError, r"labels must have the shape \(2,\), got \(1,\)"),
    ([[0], [1]], ValueError, r"labels must have the shape \(2,\)"),
    ([0.0, 1.0], TypeError, "labels must be integers"),
    ([True, False], TypeError, "labels must be integers"),
]


@pytest.mark.parametrize(("labels", "error", "message"), WRONG_LABELS)
@pytest.mark.parametrize("function", [cross_entropy, cross_entropy_backward])
def test_wrong_labels_are_refused(function, labels, error, message):
    with pytest.raises(error, match=message):
        function(np.ones((2, 3)), labels)


class Raising:
    """Something that becomes no array."""

    def __array__(self, *how, **more):
        raise RuntimeError("no")


@pytest.mark.parametrize("function", [cross_entropy, cross_entropy_backward])
@pytest.mark.parametrize("shape", [(1, 2), (1, 2, 2), (1, 2, 2, 2)])
@pytest.mark.parametrize("labels", [[[0], [0, 1]], [[[0], [1, 0]]], Raising(), [Raising()]])
def test_labels_that_are_no_array_are_named(function, shape, labels):
    with pytest.raises((ValueError, TypeError), match="labels must be a rectangular array, got"):
        function(np.zeros(shape), labels)


def test_infinity_travels_in_silence():
    logits = np.array([[3e38, 0], [3e38, 0]], np.float32)
    assert cross_entropy(logits, [1, 1]) == np.inf
