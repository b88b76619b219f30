"""Batch normalisation equals its definition, finite differences and PyTorch, and is saved whole."""

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal

from convdocs import CNN, BatchNorm2d, Conv2d, Flatten, Linear, ReLU

SHAPE = 4, 3, 5, 2


def layer_of(rng, channels=3, **how):
    """Return a layer in float64 whose numbers are all unlike."""
    layer = BatchNorm2d(channels, dtype=float, **how)
    for array in (*layer.params.values(), layer.buffers["running_mean"]):
        array[...] = rng.normal(size=channels)
    layer.buffers["running_var"][...] = rng.uniform(0.5, 2, channels)
    return layer


def network():
    """Return a small network with batch normalisation in it."""
    layers = Conv2d(1, 2, 3, rng=0), BatchNorm2d(2), ReLU(), Flatten(), Linear(8, 3, rng=1)
    return CNN(layers)


def test_it_is_the_definition_place_by_place(rng):
    layer, x = layer_of(rng, momentum=0.25), rng.normal(size=SHAPE)
    weight, bias = layer.params.values()
    before = {name: array.copy() for name, array in layer.buffers.items()}
    y = layer(x, train=True)
    for c in range(3):
        numbers = [x[n, c, i, j] for n in range(4) for i in range(5) for j in range(2)]
        mean = sum(numbers) / 40
        squares = sum((number - mean) ** 2 for number in numbers)
        expected = [
            weight[c] * (number - mean) / (squares / 40 + 1e-5) ** 0.5 + bias[c]
            for number in numbers
        ]
        assert_allclose(y[:, c].ravel(), expected, rtol=1e-12)
        for name, new in ("running_mean", mean), ("running_var", squares / 39):
            assert_allclose(layer.buffers[name][c], 0.75 * before[name][c] + 0.25 * new)
    assert layer.buffers["num_batches_tracked"] == 1


@pytest.mark.parametrize("train", [True, False])
def test_gradients_equal_differences(rng, train):
    layer, x, dy = layer_of(rng), rng.normal(size=SHAPE), rng.normal(size=SHAPE)
    layer(x, train=train)
    gradients = [layer.backward(dy), layer.grads["weight"], layer.grads["bias"]]
    start = {name: array.copy() for name, array in layer.buffers.items()}

    def function(x, weight, bias):
        layer.params = {"weight": weight, "bias": bias}
        layer.buffers = {name: array.copy() for name, array in start.items()}
        return layer(x, train=train)

    arrays = [x, *(array.copy() for array in layer.params.values())]
    assert reference.gradient_error(function, gradients, arrays, dy) <= reference.EXACT


@pytest.mark.parametrize(("eps", "momentum"), [(1e-5, 0.1), (0.1, 0.7), (1e-3, 0), (1e-3, 1)])
def test_it_is_that_of_torch(torch, rng, eps, momentum):
    ours, theirs = layer_of(rng, eps=eps, momentum=momentum), torch.nn.BatchNorm2d(3, eps, momentum)
    model, net = CNN([ours]), torch.nn.Sequential(theirs.double())
    net.load_state_dict({key: torch.from_numpy(v) for key, v in model.state_dict().items()})
    for train in (True, True, False):
        net.train(train)
        x, dy = rng.normal(size=(2, *SHAPE))
        net.zero_grad()
        y, (dx,) = reference.autograd(torch, net, [x], dy)
        assert_allclose(model(x, train=train), y, rtol=1e-11, atol=1e-12)
        assert_allclose(model.backward(dy), dx, rtol=1e-10, atol=1e-12)
        for name, parameter in theirs.named_parameters():
            assert_allclose(ours.grads[name], parameter.grad.numpy(), rtol=1e-11, atol=1e-12)
        state = model.state_dict()
        assert list(state) == list(net.state_dict())
        for key, tensor in net.state_dict().items():
            assert state[key].shape == tuple(tensor.shape)
            assert_allclose(state[key], tensor.numpy(), rtol=1e-12)
    model.load_state_dict({key: tensor.numpy() for key, tensor in net.state_dict().items()})


def test_outside_of_training_an_image_does_not_depend_on_its_batch(rng):
    layer, x = layer_of(rng), rng.normal(size=SHAPE)
    state = {name: array.copy() for name, array in layer.buffers.items()}
    assert_array_equal(layer(x)[:1], layer(x[:1]))
    assert layer(x[:0]).shape == (0, 3, 5, 2)
    for name, array in layer.buffers.items():
        assert_array_equal(array, state[name])
    assert abs(layer(x, train=True)[:1] - layer(x[:2], train=True)[:1]).max() > 0.01


def test_backward_belongs_to_the_last_call(rng):
    layer, x, dy = layer_of(rng), rng.normal(size=SHAPE), rng.normal(size=SHAPE)
    layer(x)
    expected = layer.backward(dy), *layer.grads.values()
    for array in layer.buffers.values():  # what came after the call does not count
        array += 1
    for gradient, before in zip((layer.backward(dy), *layer.grads.values()), expected, strict=True):
        assert_array_equal(gradient, before)
    layer(x, train=True)
    dx = layer.backward(dy)
    assert_allclose(dx.sum(axis=(0, 2, 3)), 0, atol=1e-12)  # the batch's mean does not matter


def test_training_moves_it_and_a_file_keeps_it(tmp_path, rng):
    x = rng.normal(3, 2, size=(20, 1, 4, 4)).astype(np.float32)
    model = network().fit(x, rng.integers(0, 3, 20), epochs=3, batch_size=10, rng=0)
    state = model.state_dict()
    assert state["1.num_batches_tracked"] == 6
    assert (state["1.running_mean"] != 0).all()
    model.save(tmp_path / "model.npz")
    again = CNN.load(tmp_path / "model.npz")
    assert repr(again) == repr(model)
    assert_array_equal(again.predict_proba(x), model.predict_proba(x), strict=True)
    for key, array in again.state_dict().items():
        assert_array_equal(array, state[key], strict=True)


def test_an_empty_batch_changes_nothing(torch):
    layer, theirs = BatchNorm2d(2), torch.nn.BatchNorm2d(2)
    y = layer(np.ones((0, 2, 4, 4)), train=True)
    assert y.shape == tuple(theirs(torch.ones((0, 2, 4, 4))).shape)
    assert layer.backward(y).shape == y.shape
    assert not layer.grads["weight"].any()
    np.testing.assert_array_equal(layer.buffers["running_mean"], theirs.running_mean)
    np.testing.assert_array_equal(layer.buffers["running_var"], theirs.running_var)


def test_the_summary_counts_what_is_learned():
    row = network().summary((1, 4, 4))[1]
    assert (row.layer, row.output_shape, row.parameters) == ("BatchNorm2d", (2, 2, 2), 4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_types_are_kept_and_integers_are_computed_in_float64(rng, dtype):
    layer, x = BatchNorm2d(3, dtype=dtype), reference.whole(rng, *SHAPE, dtype=dtype)
    for train in (True, False):
        assert layer(x, train=train).dtype == layer.backward(x).dtype == dtype
        assert layer(x.astype(np.int8), train=train).dtype == np.float64
    assert layer.grads["weight"].dtype == dtype


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: BatchNorm2d(0), ValueError, "num_features must be at least 1, got 0"),
        (lambda: BatchNorm2d(2, eps=0), ValueError, "eps must be a finite number above 0"),
        (lambda: BatchNorm2d(2, momentum=2), ValueError, "momentum must be a number from 0 to 1"),
        (lambda: BatchNorm2d(2, dtype=int), TypeError, "dtype must be float32 or float64"),
        (lambda: BatchNorm2d(2)(np.ones((1, 3, 2, 2))), ValueError, "x must have 2 channels"),
        (lambda: BatchNorm2d(2)(np.ones((2, 2))), ValueError, "x must have the shape"),
        (
            lambda: BatchNorm2d(2)(np.ones((1, 2, 1, 1)), train=True),
            ValueError,
            "x must have at least two numbers in each channel to train",
        ),
        (lambda: BatchNorm2d(2)(np.ones((1, 2, 2, 2)), train=1), TypeError, "train must be True"),
        (lambda: BatchNorm2d(2).backward(np.ones(1)), RuntimeError, "needs a forward pass"),
    ],
)
def test_a_wrong_call_is_answered(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("name", ["weight", "bias", "running_mean", "running_var"])
@pytest.mark.parametrize("wrong", [np.ones(3, "f4"), np.ones((2, 1)), np.float32(1), [1.0]])
def test_arrays_of_another_shape_are_refused_before_anything_moves(rng, train, name, wrong):
    layer = BatchNorm2d(2)
    (layer.buffers if "running" in name else layer.params)[name] = wrong
    before = {key: np.copy(array) for key, array in layer.buffers.items()}
    with pytest.raises(ValueError, match=rf"^{name} must have the shape \(2,\), one number a "):
        layer(rng.normal(size=(4, 2, 3, 3)) + 5, train=train)
    for key, array in before.items():
        np.testing.assert_array_equal(layer.buffers[key], array)


@pytest.mark.parametrize("layout", ["images first", "images last"])
@pytest.mark.parametrize("shape", [(20_000, 16, 2, 2), (100_000, 4, 1, 1), (32, 8, 16, 16)])
def test_sums_over_many_images_are_exact_in_any_order_in_memory(rng, shape, layout):
    x, dy = rng.normal(5, 1, shape), rng.normal(1, 1, shape)
    if layout == "images last":
        x, dy = (
            np.ascontiguousarray(a.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2) for a in (x, dy)
        )
    channels = shape[1]
    results = []
    for dtype in np.float32, np.float64:
        layer = BatchNorm2d(channels, dtype=dtype)
        y = layer(x.astype(np.float32).astype(dtype), train=True)
        dx = layer.backward(dy.astype(np.float32).astype(dtype))
        results.append([y, dx, layer.grads["bias"], *layer.buffers.values()])
    for short, long in zip(*results, strict=True):
        assert_allclose(short, long, rtol=1e-6, atol=3e-6 * abs(long).max())


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_spoils_its_own_channel_alone(torch, rng, train, number):
    x, dy = rng.normal(size=(2, *SHAPE))
    x[1, 1, 2, 1] = number
    dy[0, 2, 1, 1] = number
    ours, theirs = BatchNorm2d(3, dtype=float), torch.nn.BatchNorm2d(3).double().train(train)
    y, (dx,) = reference.autograd(torch, theirs, [x], dy)
    assert_allclose(ours(x, train=train), y, rtol=1e-11, atol=1e-12)  # without a warning
    assert_allclose(ours.backward(dy), dx, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.int8, np.int64, bool])
def test_a_gradient_of_integers_is_computed_in_float64(rng, dtype):
    layer = BatchNorm2d(3)
    layer(rng.normal(size=SHAPE).astype(np.float32), train=True)
    dy = rng.integers(0, 2, SHAPE).astype(dtype)
    assert_array_equal(layer.backward(dy), layer.backward(dy.astype(float)), strict=True)


def test_images_far_from_zero_keep_their_variance(rng):
    x = rng.normal(1000, 1, (8, 3, 5, 5)).astype(np.float32)
    single, double = BatchNorm2d(3), BatchNorm2d(3, dtype=float)
    expected = double(x.astype(float), train=True)
    assert_allclose(single(x, train=True), expected, rtol=1e-4, atol=1e-3)


def test_the_widest_dtype_decides():
    x = np.ones((2, 1, 2, 2), np.float32)
    layer = BatchNorm2d(1)
    layer(x, train=True)
    assert layer.backward(x.astype(float)).dtype == np.float64
    assert BatchNorm2d(1, dtype=float)(x).dtype == np.float64


def test_infinity_travels_in_silence():
    x = np.array([np.inf, 1, -np.inf, 3e38], np.float32).reshape(4, 1, 1, 1)
    layer = BatchNorm2d(1)
    layer.buffers["running_mean"][...] = np.inf
    for use in (layer, layer.forward):
        assert np.isnan(use(x)).any()
