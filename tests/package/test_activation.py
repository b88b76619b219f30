"""Activations equal their definitions, ONNX Runtime and PyTorch, and so do their gradients."""

import math

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

from convdocs import LeakyReLU, ReLU, Sigmoid, Tanh, leaky_relu, relu, sigmoid, tanh


def squashed(z):
    """Return the sigmoid of one number, without overflow."""
    return 1 / (1 + math.exp(-z)) if z > -700 else math.exp(z)


KINDS = {  # the function, the layer, ONNX's name and attributes, PyTorch's name, the definition
    "leaky ReLU": (
        lambda x: leaky_relu(x, 0.1),
        LeakyReLU(0.1),
        ("LeakyRelu", {"alpha": 0.1}),
        "leaky_relu",
        lambda z: z if z > 0 else 0.1 * z,
    ),
    "sigmoid": (sigmoid, Sigmoid(), ("Sigmoid", {}), "sigmoid", squashed),
    "tanh": (tanh, Tanh(), ("Tanh", {}), "tanh", math.tanh),
}
kinds = pytest.mark.parametrize(
    ("function", "layer", "onnx", "name", "definition"), KINDS.values(), ids=KINDS
)
NUMBERS = hnp.arrays(np.float64, hnp.array_shapes(max_dims=4), elements=st.floats(-800, 800))
SPECIAL = np.array([-np.inf, -1e30, -100, -1, -0.0, 0.0, 1e-30, 1, 100, 1e30, np.inf, np.nan])


@kinds
def test_by_definition(function, layer, onnx, name, definition):
    @given(NUMBERS)
    def equals(x):
        y = function(x)
        assert y.shape == x.shape
        expected = [definition(z) for z in x.ravel().tolist()]
        assert_allclose(y.ravel(), expected, rtol=1e-14, atol=1e-300)

    equals()


@kinds
def test_equals_onnx_runtime(rng, function, layer, onnx, name, definition):
    x = rng.normal(0, 3, (2, 3, 4)).astype(np.float32)
    operator, attributes = onnx
    expected = reference.onnx_run(operator, x, **attributes)
    assert_allclose(function(x), expected, rtol=2e-6, atol=1e-7, strict=True)


@kinds
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_torch_with_specials(torch, rng, function, layer, onnx, name, definition, dtype):
    theirs = {"negative_slope": 0.1} if name == "leaky_relu" else {}
    f = getattr(torch.nn.functional if theirs else torch, name)
    x = np.concatenate([SPECIAL, rng.normal(0, 5, 50)]).astype(dtype)
    dy = rng.normal(size=x.shape).astype(dtype)
    y, (dx,) = reference.autograd(torch, lambda a: f(a, **theirs), [x], dy)
    tiny = {"rtol": 1e-5, "atol": 1e-6} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-15}
    assert_allclose(layer(x), y, **tiny, strict=True)
    assert_allclose(layer.backward(dy), dx, **tiny, strict=True)


@kinds
def test_the_gradient_equals_differences(rng, function, layer, onnx, name, definition):
    x = reference.apart(rng, 3, 4) / 4
    dy = rng.normal(size=x.shape)
    layer(x)
    dx = layer.backward(dy)
    assert reference.gradient_error(function, [dx], [x], dy) <= reference.EXACT


@kinds
def test_an_infinite_gradient_stays_where_it_is(function, layer, onnx, name, definition):
    layer(np.ones(3))
    dx = layer.backward(np.array([np.inf, 1.0, -np.inf]))
    assert_array_equal(np.isinf(dx), [True, False, True])


@kinds
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, bool])
def test_integers_are_computed_in_float64(function, layer, onnx, name, definition, dtype):
    x = np.array([[0, 1], [100, 5]]).astype(dtype)
    assert_array_equal(function(x), function(x.astype(float)), strict=True)
    assert_array_equal(function(x.tolist()), function(x.astype(float)), strict=True)


@kinds
@pytest.mark.parametrize(("x", "dy"), [("f4", "f8"), ("f8", "f4"), ("g", "f4"), ("i4", "f4")])
def test_mixed_dtypes_promote(rng, function, layer, onnx, name, definition, x, dy):
    x, dy = rng.normal(0, 3, 20).astype(x), rng.normal(size=20).astype(dy)
    dtype = np.result_type(dy, function(x))
    layer(x)
    dx = layer.backward(dy)
    layer(x.astype(dtype))
    tight = 4 * np.finfo(function(x).dtype).eps
    assert_allclose(dx, layer.backward(dy.astype(dtype)), rtol=tight, atol=tight, strict=True)


@kinds
@pytest.mark.parametrize("layout", reference.LAYOUTS)
def test_memory_layout_changes_nothing(rng, function, layer, onnx, name, definition, layout):
    reference.layout_changes_nothing(function, [reference.whole(rng, 2, 3, 4, 5)], layout)


@pytest.mark.parametrize("slope", [0.0, 1e-45, 0.01, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_leaky_relu_of_any_slope_equals_torch_with_specials(torch, slope, dtype):
    x, dy = SPECIAL.astype(dtype), np.resize([1.0, -2.0, np.inf], SPECIAL.size).astype(dtype)
    theirs = lambda a: torch.nn.functional.leaky_relu(a, slope)  # noqa: E731
    y, (dx,) = reference.autograd(torch, theirs, [x], dy)
    layer = LeakyReLU(slope)
    assert_array_equal(layer(x), y, strict=True)
    assert_array_equal(layer.backward(dy), dx, strict=True)


def test_the_slope_of_a_sigmoid_near_one_is_as_exact_as_in_torch(torch):
    x = np.linspace(5, 18, 500, dtype=np.float32)
    _, (dx,) = reference.autograd(torch, torch.sigmoid, [x], np.ones_like(x))
    layer = Sigmoid()
    y = layer(x)
    assert_array_equal(layer.backward(np.ones_like(x)), (1 - y) * y)
    assert_allclose(layer.backward(np.ones_like(x)), dx, rtol=1e-6, atol=2e-7)


def test_gradients_of_long_doubles_pass_where_the_input_is_above_zero(rng):
    x, dy = rng.normal(size=(2, 3, 400)).astype(np.longdouble)
    layer = ReLU()
    layer(x)
    for _ in range(2):
        assert_array_equal(layer.backward(dy), np.where(x > 0, dy, 0), strict=True)


def test_leaky_relu_of_a_slope_of_zero_and_one(rng):
    x = reference.whole(rng, 20)
    assert_array_equal(leaky_relu(x, 0), np.maximum(x, 0))
    assert_array_equal(leaky_relu(x, 1), x)


def test_numbers_of_another_library_that_call_themselves_floating_are_refused():
    kinds = pytest.importorskip("ml_dtypes")
    for kind in (kinds.float8_e5m2, kinds.float8_e4m3fn, kinds.bfloat16):
        with pytest.raises(TypeError, match=r"^x must hold real numbers"):
            relu(np.ones(20_000, kind))
