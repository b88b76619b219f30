"""Linear, ReLU, flattening and dropout equal their definitions, ONNX Runtime and PyTorch."""

from functools import partial

import numpy as np
import pytest
import reference
import scipy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

from convdocs import Dropout, Flatten, ReLU, linear, linear_backward, products, relu

SIZES = [(1, 1, 1), (3, 4, 5), (1, 7, 2), (6, 1, 3), (2, 5, 1)]  # N, in, out
sizes = pytest.mark.parametrize(("N", "n_in", "n_out"), SIZES)
layouts = pytest.mark.parametrize("layout", reference.LAYOUTS)


def arrays_for(rng, N, n_in, n_out, dtype=np.float64):
    """Return x, weight, bias and dy of whole numbers: in any order, their sums are exact."""
    shapes = (N, n_in), (n_out, n_in), (n_out,), (N, n_out)
    return tuple(reference.whole(rng, *shape, dtype=dtype) for shape in shapes)


# --- Linear --------------------------------------------------------------------------------------


def test_linear_by_hand():
    assert_array_equal(linear([1, 10], [[2, 3], [4, 5], [6, 7]], [100, 200, 300]), [132, 254, 376])


def test_linear_backward_by_hand():
    dx, dw, db = linear_backward([[1, 10], [100, 0]], [[1, 2], [3, 4]], [[5, 6], [7, 8]])
    assert_array_equal(dx, [[75, 86], [500, 600]])
    assert_array_equal(dw, [[301, 402], [10, 20]])
    assert_array_equal(db, [101, 10])


@sizes
def test_linear_equals_loops(rng, N, n_in, n_out):
    x, w, b, dy = arrays_for(rng, N, n_in, n_out)
    assert_array_equal(linear(x, w, b), reference.linear(x, w, b), strict=True)
    assert_array_equal(linear(x, w), reference.linear(x, w, 0 * b), strict=True)
    reference.same_results(linear_backward(dy, x, w), reference.linear_backward(dy, x, w))


@sizes
@pytest.mark.parametrize("most", [1, 20, products.MOST])
@pytest.mark.parametrize("order", ["C", "F"])
def test_linear_without_blas_gives_the_same(monkeypatch, rng, N, n_in, n_out, most, order):
    x, w, b, dy = (np.asarray(array, order=order) for array in arrays_for(rng, N, n_in, n_out))
    monkeypatch.setattr(products, "BLAS", False)
    monkeypatch.setattr(products, "MOST", most)
    monkeypatch.setattr(np, "matmul", None)  # nothing of it is left
    assert_array_equal(linear(x, w, b), reference.linear(x, w, b), strict=True)
    reference.same_results(linear_backward(dy, x, w), reference.linear_backward(dy, x, w))


@sizes
def test_linear_gradients_equal_differences(rng, N, n_in, n_out):
    x, w, b, dy = (rng.normal(size=array.shape) for array in arrays_for(rng, N, n_in, n_out))
    gradients = linear_backward(dy, x, w)
    assert reference.gradient_error(linear, gradients, (x, w, b), dy) <= reference.EXACT


def test_the_gradient_of_the_bias_adds_up_a_million_rows_in_float32():
    dy = np.full((10**6, 4), 0.1, np.float32)
    x, w = np.ones((10**6, 1), np.float32), np.ones((4, 1), np.float32)
    np.testing.assert_allclose(linear_backward(dy, x, w)[2], 1e5, rtol=1e-6)


def test_the_check_by_differences_catches_a_wrong_gradient(rng):
    x, w, b, dy = (rng.normal(size=array.shape) for array in arrays_for(rng, 4, 4, 4))
    dx, dw, db = linear_backward(dy, x, w)
    for wrong in (-dx, dw, db), (dx, dw.T, db), (dx, dw, db / 4), (dy @ w.T, dw, db):
        assert reference.gradient_error(linear, wrong, (x, w, b), dy) > 1e-2


@sizes
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_linear_equals_onnx_runtime(rng, N, n_in, n_out, dtype):
    x, w, b, _ = arrays_for(rng, N, n_in, n_out, dtype)
    expected = reference.onnx_run("Gemm", x, w, b, transB=1)
    assert_array_equal(linear(x, w, b), expected, strict=True)


@pytest.mark.parametrize("leading", [(), (3,), (2, 3), (2, 1, 4), (0,), (2, 0)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_linear_takes_any_leading_axes_as_torch(torch, rng, leading, dtype):
    shapes = (*leading, 4), (3, 4), (3,), (*leading, 3)
    x, w, b, dy = (reference.whole(rng, *shape, dtype=dtype) for shape in shapes)
    y, gradients = reference.autograd(torch, torch.nn.functional.linear, (x, w, b), dy)
    reference.same_results(linear(x, w, b), y)
    reference.same_results(linear_backward(dy, x, w), tuple(gradients))


@pytest.mark.parametrize("leading", [(0,), (2, 0)])
def test_linear_of_an_empty_batch_is_empty(leading):
    x, w = np.ones((*leading, 4), np.float32), np.ones((3, 4), np.float32)
    y = np.ones((*leading, 3), np.float32)
    reference.same_results(linear(x, w), y)
    zeros = np.zeros_like(w), np.zeros(3, np.float32)
    reference.same_results(linear_backward(y, x, w), (x, *zeros))


@given(st.tuples(st.integers(0, 5), st.integers(1, 5), st.integers(1, 5)), st.integers(0, 999))
def test_any_linear_equals_loops_and_its_adjoint(size, seed):
    x, w, b, dy = arrays_for(np.random.default_rng(seed), *size)
    y, (dx, dw, db) = linear(x, w, b), linear_backward(dy, x, w)
    assert_array_equal(y, reference.linear(x, w, b))
    reference.same_results((dx, dw, db), reference.linear_backward(dy, x, w))
    assert (dy * linear(x, w)).sum() == (dx * x).sum() == (dw * w).sum()


DTYPES = [  # x, weight and bias, result
    ("float32", "float32", "float32"),
    ("float64", "float64", "float64"),
    ("float32", "float64", "float64"),
    ("float16", "float16", "float32"),
    ("uint8", "uint8", "float64"),
    ("int64", "float32", "float64"),
    ("bool", "float64", "float64"),
]


@pytest.mark.parametrize(("x_type", "w_type", "y_type"), DTYPES)
def test_linear_dtypes(rng, x_type, w_type, y_type):
    x, w = rng.integers(0, 9, (2, 3)).astype(x_type), rng.integers(0, 9, (4, 3)).astype(w_type)
    b, dy = np.arange(4).astype(w_type), np.ones((2, 4), w_type)
    y, gradients = linear(x, w, b), linear_backward(dy, x, w)
    assert {y.dtype, *(gradient.dtype for gradient in gradients)} == {np.dtype(y_type)}
    assert_array_equal(y, reference.linear(*(array.astype(float) for array in (x, w, b))))


def test_eight_bit_and_half_precision_do_not_overflow():
    assert linear(np.full(9, 255, np.uint8), np.full((1, 9), 255, np.uint8)) == 9 * 255**2
    assert linear(np.full(9, 999, np.float16), np.full((1, 9), 999, np.float16)) == 9 * 999**2


@layouts
def test_linear_memory_layout_changes_nothing(rng, layout):
    x, w, b, dy = arrays_for(rng, 4, 5, 3)
    reference.layout_changes_nothing(linear, (x, w, b), layout)
    reference.layout_changes_nothing(linear_backward, (dy, x, w), layout)
    x, dy = reference.whole(rng, 2, 3, 5), reference.whole(rng, 2, 3, 3)
    reference.layout_changes_nothing(linear, (x, w, b), layout)
    reference.layout_changes_nothing(linear_backward, (dy, x, w), layout)


def test_broadcast_views_are_read_as_what_they_show(rng):
    row = reference.whole(rng, 5)
    x, w, b = np.broadcast_to(row, (4, 5)), np.broadcast_to(row, (3, 5)), np.broadcast_to(2.0, 3)
    dy = np.broadcast_to(3.0, (4, 3))
    for _ in range(2):
        assert_array_equal(linear(x, w, b), reference.linear(x, w, b))
        reference.same_results(linear_backward(dy, x, w), reference.linear_backward(dy, x, w))


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_travel_as_in_torch(torch, rng, special):
    x, w, b, _ = arrays_for(rng, 3, 4, 5)
    x[1, 2] = special
    w[3] = 0
    expected = torch.nn.functional.linear(*map(torch.tensor, (x, w, b))).numpy()
    assert np.isnan(expected[1, 3])
    with np.errstate(invalid="ignore"):  # as everywhere in NumPy, 0 * inf warns
        assert_array_equal(linear(x, w, b), expected)


def test_refused():
    with pytest.raises(ValueError, match=r"x must have the shape \(\.\.\., 4\), got \(2, 3\)"):
        linear(np.ones((2, 3)), np.ones((5, 4)))
    with pytest.raises(ValueError, match=r"bias must have the shape \(5,\)"):
        linear(np.ones((2, 4)), np.ones((5, 4)), np.ones(1))
    with pytest.raises(ValueError, match="dy must have the output's shape"):
        linear_backward(np.ones((2, 1)), np.ones((2, 4)), np.ones((5, 4)))


# --- ReLU ----------------------------------------------------------------------------------------

ANY_ARRAY = hnp.arrays(
    st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.uint8, np.int64]),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)


def test_relu_by_hand():
    layer = ReLU()
    assert_array_equal(layer([-2.0, -0.0, 0.0, 3.0]), [0, 0, 0, 3])
    assert_array_equal(layer.backward([10.0, 20.0, 30.0, 40.0]), [0, 0, 0, 40])  # 0 at 0


def test_nan_and_infinity_travel_through_relu_by_hand():
    layer = ReLU()
    assert_array_equal(layer([np.nan, np.inf, -np.inf]), [np.nan, np.inf, 0])
    assert_array_equal(layer.backward([1.0, 2.0, 3.0]), [1, 2, 0])


@given(ANY_ARRAY)
def test_relu_equals_its_definition_in_any_dtype(x):
    y = relu(x)
    expected = [value if value > 0 or value != value else 0 for value in x.ravel().tolist()]
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    assert_array_equal(y.ravel(), np.array(expected, x.dtype))


def test_relu_keeps_booleans_and_takes_lists():
    assert_array_equal(relu(np.array([True, False])), np.array([True, False]), strict=True)
    assert_array_equal(relu([[-1, 2]]), np.array([[0, 2]]), strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_relu_equals_onnx_runtime(rng, dtype):
    x = rng.normal(size=(2, 3, 4, 5)).astype(dtype)
    assert_array_equal(relu(x), reference.onnx_run("Relu", x), strict=True)


def test_the_gradient_of_relu_equals_differences(rng):
    layer, x, dy = ReLU(), reference.apart(rng, 3, 4, 5), rng.normal(size=(3, 4, 5))
    layer(x)
    dx = layer.backward(dy)
    assert reference.gradient_error(relu, [dx], [x], dy) <= reference.EXACT
    assert reference.gradient_error(relu, [dy], [x], dy) > 1e-2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_relu_equals_torch_with_specials(torch, rng, dtype):
    x, dy = reference.whole(rng, 4, 9, dtype=dtype), reference.whole(rng, 4, 9, dtype=dtype)
    x[0, :5] = np.nan, np.inf, -np.inf, 0.0, -0.0
    y, (dx,) = reference.autograd(torch, torch.relu, [x], dy)
    layer = ReLU()
    reference.same_results(layer(x), y)
    reference.same_results(layer.backward(dy), dx)


@layouts
def test_relu_memory_layout_changes_nothing(rng, layout):
    reference.layout_changes_nothing(relu, [reference.whole(rng, 2, 3, 4, 5)], layout)


def test_relu_returns_a_new_array():
    x = np.ones(3)
    relu(x)[:] = 7
    assert_array_equal(x, [1, 1, 1])


# --- Flatten -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 1, 1, 1), (3, 4), (0, 2, 3, 3), (5, 2, 3)])
@layouts
def test_flatten_there_and_back(rng, shape, layout):
    layer, x = Flatten(), reference.whole(rng, *shape)
    y = layer(reference.LAYOUTS[layout](x)) if x.size else layer(x)
    assert_array_equal(y, x.reshape(len(x), int(np.prod(shape[1:]))), strict=True)
    assert_array_equal(layer.backward(y), x, strict=True)


def test_flatten_goes_channel_by_channel_and_row_by_row():
    x = np.array([[[[1, 2], [3, 4]], [[5, 6], [7, 8]]]])
    assert_array_equal(Flatten()(x), [[1, 2, 3, 4, 5, 6, 7, 8]])


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, bool])
def test_flatten_keeps_the_dtype(dtype):
    assert Flatten()(np.ones((2, 3, 4, 5), dtype)).dtype == dtype


# --- Dropout -------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.75])
def test_dropout_zeroes_a_share_p_and_scales_up_the_others(p):
    y = Dropout(p, rng=3)(np.full(20000, 6.0), train=True)
    assert_allclose(y[y != 0], 6 / (1 - p), rtol=1e-15)
    dropped = int((y == 0).sum())
    assert scipy.stats.binomtest(dropped, y.size, p).pvalue > 0.01
    assert abs(y.mean() - 6) < 0.2


def test_dropout_drops_each_number_by_itself():
    y = Dropout(0.5, rng=0)(np.ones((64, 8, 8, 8)), train=True)
    for axis in range(4):  # no axis shares its mask
        assert (y.take(0, axis) != y.take(1, axis)).any()


@pytest.mark.parametrize("p", [0, 0.5, 1])
def test_dropout_outside_of_training_is_the_identity(rng, p):
    layer, x, dy = Dropout(p, rng=0), rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    layer(x, train=True)
    assert_array_equal(layer(x), x, strict=True)
    assert_array_equal(layer.backward(dy), dy, strict=True)


def test_dropout_of_probability_0_and_1(rng):
    x, dy = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    for layer, factor in (Dropout(0), 1), (Dropout(1), 0):
        assert_array_equal(layer(x, train=True), factor * x)
        assert_array_equal(layer.backward(dy), factor * dy)


def test_the_backward_pass_of_dropout_uses_the_same_mask(rng):
    layer, x, dy = Dropout(0.4, rng=0), np.ones((20, 30)), rng.normal(size=(20, 30))
    for _ in range(2):
        y = layer(x, train=True)
        assert 0 < (y == 0).sum() < y.size
        assert_array_equal(layer.backward(dy), dy * y)


def test_the_gradient_of_dropout_equals_differences(rng):
    layer, x, dy = Dropout(0.4), rng.normal(size=(4, 5)), rng.normal(size=(4, 5))
    layer(x, train=True, rng=1)
    dx = layer.backward(dy)
    again = partial(layer, train=True, rng=1)
    assert reference.gradient_error(again, [dx], [x], dy) <= reference.EXACT
    assert reference.gradient_error(again, [dy], [x], dy) > 1e-2


def test_the_same_seed_drops_the_same():
    x = np.ones((40, 50))
    once, twice = (Dropout(0.5, rng=7)(x, train=True) for _ in range(2))
    assert_array_equal(once, twice)
    assert_array_equal(Dropout(0.5)(x, train=True, rng=7), once)
    assert_array_equal(Dropout(0.5)(x, train=True, rng=np.random.default_rng(7)), once)
    assert (Dropout(0.5, rng=8)(x, train=True) != once).any()


def test_one_layer_drops_anew_each_time():
    layer, x = Dropout(0.5, rng=7), np.ones((40, 50))
    assert (layer(x, train=True) != layer(x, train=True)).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dropout_keeps_the_dtype(dtype):
    layer, x = Dropout(0.5, rng=0), np.ones((3, 4), dtype)
    assert layer(x, train=True).dtype == dtype
    assert layer.backward(x).dtype == dtype


def test_dropout_of_an_eight_bit_image_scales_it_in_float64():
    y = Dropout(0.5, rng=0)(np.full((10, 10), 200, np.uint8), train=True)
    assert y.dtype == np.float64
    assert set(np.unique(y)) == {0.0, 400.0}


@layouts
def test_dropout_memory_layout_changes_nothing(rng, layout):
    dropout = partial(Dropout(0.5), train=True, rng=4)
    reference.layout_changes_nothing(dropout, [reference.whole(rng, 2, 3, 4, 5)], layout)


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_dropout_refuses_what_is_no_probability(p):
    with pytest.raises(ValueError, match="p must be a probability from 0 to 1"):
        Dropout(p)


def test_the_average_over_many_draws_is_the_input():
    x, layer = np.array([1.0, -2.0, 5.0]), Dropout(0.3, rng=0)
    mean = np.mean([layer(x, train=True) for _ in range(4000)], axis=0)
    assert_allclose(mean, x, rtol=0.05)
