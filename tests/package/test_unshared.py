"""A layer that is local and shares nothing, beside loops, finite differences and a convolution."""

import numpy as np
import pytest
import reference

from convdocs import CNN, Conv2d
from convdocs.book.unshared import LocallyConnected2d

SETTINGS = [
    {"in_channels": 1, "out_channels": 1, "kernel_size": 1, "image_size": 1},
    {"in_channels": 2, "out_channels": 3, "kernel_size": (2, 3), "image_size": (5, 6)},
    {"in_channels": 2, "out_channels": 3, "kernel_size": 3, "image_size": (7, 6), "stride": (2, 1)},
    {"in_channels": 1, "out_channels": 2, "kernel_size": 2, "image_size": 5, "bias": False},
]


def by_loops(layer, x):
    """Return the output off the definition."""
    oH, oW, F = layer.places
    (kH, kW), (sH, sW), _ = layer.window
    y = np.zeros((len(x), F, oH, oW))
    weight = layer.params["weight"]
    bias = layer.params.get("bias", np.zeros(len(weight)))
    for n, f, i, j in np.ndindex(y.shape):
        patch = x[n, :, i * sH : i * sH + kH, j * sW : j * sW + kW]
        output = (i * oW + j) * F + f
        y[n, f, i, j] = (weight[output] * patch).sum() + bias[output]
    return y


@pytest.fixture(params=SETTINGS)
def layer(request):
    return LocallyConnected2d(**request.param, dtype=np.float64, rng=0)


@pytest.mark.parametrize("N", [0, 1, 4])
def test_each_output_is_a_sum_of_its_own(layer, rng, N):
    x = rng.normal(size=(N, *layer.image))
    np.testing.assert_allclose(layer(x), by_loops(layer, x), rtol=1e-12, atol=1e-12)


def test_gradients_agree_with_finite_differences(layer, rng):
    x = rng.normal(size=(3, *layer.image))
    dy = rng.normal(size=layer(x).shape)
    assert reference.layer_error(layer, x, dy) <= reference.EXACT


def test_learning_gives_the_same_gradients_for_the_parameters(layer, rng):
    dy = rng.normal(size=layer(rng.normal(size=(3, *layer.image))).shape)
    layer.backward(dy)
    grads = layer.grads
    layer.learn(dy)
    assert grads.keys() == layer.grads.keys() == layer.params.keys()
    assert all(np.array_equal(grads[name], layer.grads[name]) for name in grads)


def test_with_equal_weights_at_all_places_it_is_a_convolution(rng):
    conv = Conv2d(2, 3, kernel_size=(3, 2), stride=(1, 2), rng=0)
    layer = LocallyConnected2d(2, 3, kernel_size=(3, 2), image_size=(6, 8), stride=(1, 2))
    oH, oW, _ = layer.places
    layer.params["weight"][...] = np.tile(conv.params["weight"], (oH * oW, 1, 1, 1))
    layer.params["bias"][...] = np.tile(conv.params["bias"], oH * oW)
    x = rng.random((5, 2, 6, 8), np.float32)
    np.testing.assert_allclose(layer(x), conv(x), rtol=1e-5, atol=1e-6)
    assert layer(x).dtype == np.float32
    assert layer(x.astype(float)).dtype == np.float64


def test_the_summary_counts_it():
    layer = LocallyConnected2d(1, 8, kernel_size=5, image_size=32, stride=2)
    (row,) = CNN([layer]).summary((1, 32, 32))
    assert (row.output_shape, row.receptive_field) == ((8, 14, 14), (5, 5))
    assert row.parameters == 14 * 14 * 8 * (25 + 1)
    assert row.macs == 14 * 14 * 8 * 25
    assert "image_size=(32, 32)" in repr(layer)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"in_channels": 0}, "in_channels must be at least 1"),
        ({"out_channels": "8"}, "out_channels must be an integer"),
        ({"kernel_size": 7}, "kernel_size must fit into x"),
        ({"image_size": (5,)}, "image_size must be an integer or a pair"),
        ({"stride": 0}, "stride must be at least 1"),
        ({"bias": 1}, "bias must be True or False"),
        ({"dtype": int}, "dtype must be float32 or float64"),
        ({"out_channels": 10**15}, "must ask for no more than fits in memory"),
    ],
)
def test_what_cannot_be_right_is_named(change, named):
    with pytest.raises((ValueError, TypeError), match=named):
        LocallyConnected2d(
            **{"in_channels": 1, "out_channels": 2, "kernel_size": 3, "image_size": 6} | change
        )


def test_images_of_another_size_are_refused(rng):
    layer = LocallyConnected2d(1, 2, kernel_size=3, image_size=6)
    with pytest.raises(ValueError, match=r"x must have the shape \(N, 1, 6, 6\), got \(2, 1, 6, 5"):
        layer(np.zeros((2, 1, 6, 5)))
    layer(np.zeros((2, 1, 6, 6)))
    with pytest.raises(ValueError, match="dy must have the output's shape"):
        layer.backward(np.zeros((2, 2, 4, 5)))
