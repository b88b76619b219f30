"""Layers do what the functions do, remember what they must, and start as PyTorch's do."""

import copy
import pickle
import traceback

import numpy as np
import pytest
import reference
import samples
import scipy
from numpy.testing import assert_array_equal

import convdocs
from convdocs import (
    CNN,
    Adam,
    AvgPool2d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    LeakyReLU,
    Linear,
    MaxPool2d,
    ReLU,
    Residual,
    Sigmoid,
    Tanh,
    architecture,
    avg_pool2d,
    avg_pool2d_backward,
    conv2d,
    conv2d_backward,
    conv_transpose2d,
    conv_transpose2d_backward,
    cross_entropy,
    cross_entropy_backward,
    leaky_relu,
    linear,
    linear_backward,
    max_pool2d,
    max_pool2d_backward,
    relu,
    sigmoid,
    tanh,
)
from convdocs.book.unshared import LocallyConnected2d
from convdocs.layer import Layer
from convdocs.network import learn

CONV = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2}
SPREAD = {"stride": (2, 3), "padding": 1, "output_padding": (0, 2), "dilation": (1, 2), "groups": 2}
SAME = {"padding": "same"}
MAX = {"stride": (2, 1), "padding": 1, "dilation": (1, 2), "ceil_mode": True}
AVERAGE = {"stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}
DOUBLE = {"dtype": np.float64, "rng": 0}


def added(dx, gradients):
    """Return gradients, the first of them with another added."""
    return (dx + gradients[0], *gradients[1:])


LAYERS = {  # a maker, the input, and the functions forward and backward
    "Conv2d": (
        lambda **how: Conv2d(4, 6, (2, 3), **CONV, **how),
        (2, 4, 7, 6),
        lambda x, *params: conv2d(x, *params, **CONV),
        lambda dy, x, w, *b: conv2d_backward(dy, x, w, **CONV),
    ),
    "Conv2d without bias": (
        lambda **how: Conv2d(2, 3, 2, bias=False, **SAME, **how),
        (2, 2, 5, 6),
        lambda x, *params: conv2d(x, *params, **SAME),
        lambda dy, x, w: conv2d_backward(dy, x, w, **SAME)[:2],
    ),
    "ConvTranspose2d": (
        lambda **how: ConvTranspose2d(4, 6, (2, 3), **SPREAD, **how),
        (2, 4, 5, 3),
        lambda x, *params: conv_transpose2d(x, *params, **SPREAD),
        lambda dy, x, w, b: conv_transpose2d_backward(dy, x, w, **SPREAD),
    ),
    "ConvTranspose2d without bias": (
        lambda **how: ConvTranspose2d(2, 3, 2, 2, bias=False, **how),
        (2, 2, 3, 4),
        lambda x, *params: conv_transpose2d(x, *params, stride=2),
        lambda dy, x, w: conv_transpose2d_backward(dy, x, w, stride=2)[:2],
    ),
    "Residual": (
        lambda **how: Residual([Conv2d(3, 3, 3, padding=1, **how)]),
        (2, 3, 5, 4),
        lambda x, *params: x + conv2d(x, *params, padding=1),
        lambda dy, x, w, b: added(dy, conv2d_backward(dy, x, w, padding=1)),
    ),
    "Linear": (
        lambda **how: Linear(5, 3, **how),
        (4, 5),
        linear,
        lambda dy, x, w, b: linear_backward(dy, x, w),
    ),
    "Linear without bias": (
        lambda **how: Linear(5, 3, bias=False, **how),
        (2, 4, 5),
        linear,
        lambda dy, x, w: linear_backward(dy, x, w)[:2],
    ),
    "MaxPool2d": (
        lambda **how: MaxPool2d((3, 2), **MAX),
        (2, 3, 7, 8),
        lambda x: max_pool2d(x, (3, 2), **MAX),
        lambda dy, x: (max_pool2d_backward(dy, x, (3, 2), **MAX),),
    ),
    "MaxPool2d of tiles": (
        lambda **how: MaxPool2d(2),
        (2, 3, 7, 8),
        lambda x: max_pool2d(x, 2),
        lambda dy, x: (max_pool2d_backward(dy, x, 2),),
    ),
    "AvgPool2d": (
        lambda **how: AvgPool2d((3, 2), **AVERAGE),
        (2, 3, 7, 8),
        lambda x: avg_pool2d(x, (3, 2), **AVERAGE),
        lambda dy, x: (avg_pool2d_backward(dy, x, (3, 2), **AVERAGE),),
    ),
    "ReLU": (lambda **how: ReLU(), (2, 3, 4), relu, lambda dy, x: (dy * (x > 0),)),
    "LeakyReLU": (
        lambda **how: LeakyReLU(0.25),
        (2, 3, 4),
        lambda x: leaky_relu(x, 0.25),
        lambda dy, x: (np.where(x > 0, dy, dy / 4),),
    ),
    "Sigmoid": (
        lambda **how: Sigmoid(),
        (2, 3, 4),
        sigmoid,
        lambda dy, x: (dy * ((1 - sigmoid(x)) * sigmoid(x)),),
    ),
    "Tanh": (lambda **how: Tanh(), (2, 3), tanh, lambda dy, x: (dy * (1 - tanh(x) * tanh(x)),)),
    "Flatten": (
        lambda **how: Flatten(),
        (2, 3, 4, 5),
        lambda x: x.reshape(2, 60),
        lambda dy, x: (dy.reshape(x.shape),),
    ),
    "Dropout": (lambda **how: Dropout(0.5), (2, 3), np.copy, lambda dy, x: (dy,)),
}
every = pytest.mark.parametrize(
    ("make", "shape", "forward", "backward"), LAYERS.values(), ids=LAYERS
)
with_parameters = pytest.mark.parametrize(
    "name", ["Conv2d", "Conv2d without bias", "ConvTranspose2d", "Residual", "Linear"]
)


# --- Layers and functions ------------------------------------------------------------------------


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_layer_equals_its_functions(rng, make, shape, forward, backward, dtype):
    layer, x = make(dtype=dtype, rng=0), reference.whole(rng, *shape, dtype=dtype)
    params = tuple(layer.params.values())
    y = layer(x)
    reference.same_results(y, forward(x, *params))
    dy = reference.whole(rng, *y.shape, dtype=dtype)
    got = layer.backward(dy), *layer.grads.values()
    reference.same_results(got, tuple(backward(dy, x, *params)))
    assert list(layer.grads) == list(layer.params)
    for name, parameter in layer.params.items():
        assert layer.grads[name].shape == parameter.shape


@every
def test_backward_before_forward_is_refused(make, shape, forward, backward):
    layer = make(**DOUBLE)
    with pytest.raises(RuntimeError, match="backward needs a forward pass before it"):
        layer.backward(np.ones(shape))
    assert layer.grads == {}


@every
def test_a_gradient_of_the_wrong_shape_is_refused(make, shape, forward, backward):
    layer = make(**DOUBLE)
    y = layer(np.ones(shape))
    with pytest.raises(ValueError, match="dy must have"):
        layer.backward(np.ones((*y.shape[:-1], y.shape[-1] + 1)))


@every
def test_inputs_are_left_alone(rng, make, shape, forward, backward):
    layer, x = make(**DOUBLE), reference.read_only(reference.whole(rng, *shape))
    for train in (True, False):
        y = layer(x, train=train)
        dy = reference.read_only(np.ones(y.shape))
        first = layer.backward(dy).copy()
        assert_array_equal(layer.backward(dy), first)


@with_parameters
def test_gradients_are_overwritten_and_not_accumulated(rng, name):
    make, shape, _, backward = LAYERS[name]
    layer = make(**DOUBLE)
    for _ in range(3):
        x = reference.whole(rng, *shape)
        dy = reference.whole(rng, *layer(x).shape)
        for _ in range(2):
            layer.backward(dy)
            expected = backward(dy, x, *layer.params.values())[1:]
            reference.same_results(tuple(layer.grads.values()), tuple(expected))


@with_parameters
def test_gradients_go_by_names_in_whatever_order_parameters_were_put(rng, name):
    make, shape, _, _ = LAYERS[name]
    layer, other = make(**DOUBLE), make(**DOUBLE)
    other.params = dict(reversed([*other.params.items()]))
    x = reference.whole(rng, *shape)
    dy = reference.whole(rng, *layer(x, train=True).shape)
    other(x, train=True)
    assert_array_equal(other.backward(dy), layer.backward(dy))
    assert layer.grads.keys() == other.grads.keys()
    for key, gradient in layer.grads.items():
        assert_array_equal(other.grads[key], gradient)
    block = Residual([other], shortcut=[layer])
    block.params = dict(sorted(block.params.items()))
    block(x, train=True)
    block.backward(dy)
    for key in layer.params:
        assert_array_equal(block.grads[f"body.0.{key}"], block.grads[f"shortcut.0.{key}"])


@with_parameters
def test_parameters_are_live(rng, name):
    make, shape, forward, backward = LAYERS[name]
    layer, x = make(**DOUBLE), reference.whole(rng, *shape)
    before = layer(x)
    for parameter in layer.params.values():
        parameter += 1
    after = layer(x)
    assert (after != before).any()
    assert_array_equal(after, forward(x, *layer.params.values()))
    dx = layer.backward(before)
    assert_array_equal(dx, backward(before, x, *layer.params.values())[0])


def test_backward_is_for_the_last_input(rng):
    layer, x = Linear(3, 2, **DOUBLE), reference.whole(rng, 4, 3)
    layer(reference.whole(rng, 7, 3))
    layer(x)
    layer.backward(np.ones((4, 2)))
    assert_array_equal(layer.grads["weight"], np.tile(x.sum(axis=0), (2, 1)))


def test_a_refused_input_is_not_remembered(rng):
    layer, x = Linear(3, 2, **DOUBLE), reference.whole(rng, 4, 3)
    layer(x)
    with pytest.raises(ValueError, match="x must have the shape"):
        layer(np.ones((4, 5)))
    assert layer.backward(np.ones((4, 2))).shape == x.shape


@pytest.mark.parametrize("name", ["MaxPool2d", "AvgPool2d", "ReLU", "Flatten", "Dropout"])
def test_a_layer_without_parameters_has_none(rng, name):
    make, shape, _, _ = LAYERS[name]
    layer = make()
    layer.backward(layer(reference.whole(rng, *shape)))
    assert layer.params == layer.grads == {}


def test_numpy_integers_serve_as_sizes():
    layer = Conv2d(
        np.int64(4), np.uint8(6), np.array([2, 3]), stride=np.int8(2), groups=np.int32(2)
    )
    assert layer(np.ones((1, 4, 5, 7), np.float32)).shape == (1, 6, 2, 3)
    assert Linear(np.int16(3), np.int8(2))(np.ones((1, 3))).shape == (1, 2)
    assert MaxPool2d(np.int64(2))(np.ones((1, 1, 4, 6))).shape == (1, 1, 2, 3)


@pytest.mark.parametrize("layer", [Conv2d, ConvTranspose2d])
def test_channels_must_split_into_groups(layer):
    with pytest.raises(ValueError, match="in_channels must be a multiple of groups=2, got 3"):
        layer(3, 4, 2, groups=2)
    with pytest.raises(ValueError, match="out_channels must be a multiple of groups=2, got 3"):
        layer(4, 3, 2, groups=2)


# --- Layers in a row -----------------------------------------------------------------------------


def run(layers, x):
    """Return the output of layers in a row."""
    for layer in layers:
        x = layer(x)
    return x


def network():
    """Return a small network that is smooth enough for differences."""
    return [
        Conv2d(1, 2, (3, 2), stride=(1, 2), padding=1, **DOUBLE),
        AvgPool2d(2, stride=1, count_include_pad=False, padding=1),
        Conv2d(2, 4, 2, groups=2, dilation=2, **DOUBLE),
        Flatten(),
        Linear(4 * 4 * 3, 3, **DOUBLE),
    ]


@pytest.mark.slow
def test_the_gradients_of_a_whole_network_equal_differences(rng):
    layers, x, labels = network(), rng.normal(size=(2, 1, 5, 6)), np.array([2, 0])
    dx = cross_entropy_backward(run(layers, x), labels)
    for layer in reversed(layers):
        dx = layer.backward(dx)
    named = [(layer, name) for layer in layers for name in layer.params]
    params = [layer.params[name] for layer, name in named]

    def loss(x, *values):
        for (layer, name), value in zip(named, values, strict=True):
            layer.params[name] = value
        return cross_entropy(run(layers, x), labels)

    gradients = [dx, *(layer.grads[name] for layer, name in named)]
    assert reference.gradient_error(loss, gradients, [x, *params]) <= reference.EXACT


def test_a_network_equals_torch(torch, rng):
    ours = [
        Conv2d(2, 4, 3, padding=1, **DOUBLE),
        ReLU(),
        MaxPool2d(2),
        Conv2d(4, 4, 3, groups=4, padding="same", **DOUBLE),
        ReLU(),
        AvgPool2d(3, 2, 1),
        Flatten(),
        Linear(4 * 2 * 2, 3, **DOUBLE),
    ]
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(4, 4, 3, groups=4, padding="same"),
        torch.nn.ReLU(),
        torch.nn.AvgPool2d(3, 2, 1),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * 2 * 2, 3),
    ).double()
    state = {
        f"{number}.{name}": torch.tensor(parameter)
        for number, layer in enumerate(ours)
        for name, parameter in layer.params.items()
    }
    theirs.load_state_dict(state)
    x, dy = rng.normal(size=(3, 2, 8, 7)), rng.normal(size=(3, 3))
    y, (dx,) = reference.autograd(torch, theirs, [x], dy)
    np.testing.assert_allclose(run(ours, x), y, rtol=1e-11, atol=1e-13)
    for layer in reversed(ours):
        dy = layer.backward(dy)
    np.testing.assert_allclose(dy, dx, rtol=1e-11, atol=1e-13)
    for key, parameter in theirs.named_parameters():
        number, name = key.split(".")
        gradient = ours[int(number)].grads[name]
        np.testing.assert_allclose(gradient, parameter.grad.numpy(), rtol=1e-11, atol=1e-13)


# --- The first parameters ------------------------------------------------------------------------

DRAWN = {  # a layer with many parameters, and its fan-in
    "Linear": (lambda **how: Linear(50, 2000, **how), 50),
    "Conv2d": (lambda **how: Conv2d(6, 500, (3, 5), **how), 6 * 3 * 5),
    "Conv2d of groups": (lambda **how: Conv2d(20, 1000, (4, 3), groups=4, **how), 5 * 4 * 3),
    "ConvTranspose2d": (lambda **how: ConvTranspose2d(20, 500, 3, groups=2, **how), 250 * 9),
}
drawn = pytest.mark.parametrize(("make", "fan_in"), DRAWN.values(), ids=DRAWN)


@drawn
def test_parameters_start_uniform_within_one_over_the_root_of_the_fan_in(make, fan_in):
    bound = 1 / np.sqrt(fan_in)
    for parameter in make(dtype=np.float64, rng=5).params.values():
        assert abs(parameter).max() <= bound
        assert parameter.min() < -0.98 * bound
        assert parameter.max() > 0.98 * bound
        uniform = scipy.stats.uniform(-bound, 2 * bound)
        assert scipy.stats.kstest(parameter.ravel(), uniform.cdf).pvalue > 0.01


@drawn
def test_parameters_start_in_the_range_of_torch(torch, make, fan_in):
    torch.manual_seed(0)
    ours = make(rng=0)
    if isinstance(ours, Linear):
        theirs = torch.nn.Linear(50, 2000)
    else:
        options = ("in_channels", "out_channels", "kernel_size", "groups")
        kind = getattr(torch.nn, type(ours).__name__)
        theirs = kind(**{name: ours.options[name] for name in options})
    for name, parameter in theirs.named_parameters():
        assert ours.params[name].shape == tuple(parameter.shape)
        largest = abs(parameter.detach().numpy()).max()
        np.testing.assert_allclose(abs(ours.params[name]).max(), largest, rtol=0.02)


@drawn
def test_the_same_seed_gives_the_same_bits(make, fan_in):
    first, second, other = make(rng=3), make(rng=np.random.default_rng(3)), make(rng=4)
    for name, parameter in first.params.items():
        assert_array_equal(parameter, second.params[name], strict=True)
        assert (parameter != other.params[name]).mean() > 0.99


@drawn
def test_no_seed_gives_other_parameters_each_time(make, fan_in):
    assert (make().params["weight"] != make().params["weight"]).any()


@drawn
def test_single_precision_is_the_rounded_double(make, fan_in):
    single, double = make(rng=3), make(rng=3, dtype=np.float64)
    for name, parameter in double.params.items():
        assert_array_equal(single.params[name], parameter.astype(np.float32), strict=True)


def test_weight_and_bias_differ():
    layer = Linear(1, 5, dtype=np.float64, rng=0)
    assert not set(layer.params["weight"].ravel()) & set(layer.params["bias"])


@pytest.mark.parametrize("dtype", [np.float16, int, "complex128", "text"])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(TypeError, match="dtype must be float32 or float64"):
        Linear(2, 2, dtype=dtype)
    with pytest.raises(TypeError, match="dtype must be float32 or float64"):
        Conv2d(2, 2, 2, dtype=dtype)


@pytest.mark.parametrize("rng", ["seed", -1, 0.5])
def test_what_is_no_seed_is_refused(rng):
    for make in (lambda: Linear(2, 2, rng=rng), lambda: Dropout(rng=rng)):
        with pytest.raises(TypeError, match="rng must be"):
            make()


# --- Layers of one's own -------------------------------------------------------------------------


class Scale(Layer):
    """A number for each channel to multiply by; ``returned`` says what its gradients are."""

    def __init__(self, returned):
        super().__init__()
        self.returned = returned
        self.params["weight"] = np.array([2.0, 3.0])

    def forward(self, x):
        return x * self.params["weight"]

    def gradients(self, dy, x):
        return self.returned(dy * self.params["weight"], (dy * x).sum(axis=0))


def test_a_layer_of_ones_own_needs_two_methods(rng):
    layer, x, dy = Scale(lambda dx, dw: (dx, dw)), rng.normal(size=(4, 2)), rng.normal(size=(4, 2))
    assert_array_equal(layer(x), x * [2, 3])
    assert_array_equal(layer.backward(dy), dy * [2, 3])
    assert_array_equal(layer.grads["weight"], (dy * x).sum(axis=0))
    layer.grads = {}
    layer.learn(dy)
    assert_array_equal(layer.grads["weight"], (dy * x).sum(axis=0))


@pytest.mark.parametrize("use", [Layer.__call__, Layer.backward])
def test_what_a_layer_of_ones_own_lacks_is_named(use):
    layer = type("Half", (Layer,), {})()
    layer.x = np.ones((4, 2))
    with pytest.raises(NotImplementedError, match=r"^Half must define (forward|gradients)\("):
        use(layer, layer.x)


class Block(Layer):
    """A layer that holds another one."""

    def __init__(self, adopts):
        super().__init__()
        self.inside = Linear(2, 2, rng=0)
        if adopts:
            self.params |= self.inside.params

    def forward(self, x):
        return self.inside(x)

    def gradients(self, dy, x):
        return (self.inside.backward(dy), *self.inside.grads.values())


def test_a_layer_that_holds_another_one_must_have_its_parameters():
    with pytest.raises(TypeError, match=r"^layers\[1\]: the parameters of Block.inside must be"):
        CNN([ReLU(), Block(False)])
    net = CNN([Block(True)])
    before = net.state_dict()
    net.fit(np.eye(2), [1, 0], epochs=1)
    assert any((before[key] != array).any() for key, array in net.state_dict().items())


@pytest.mark.parametrize(
    ("forward", "pattern"),
    [
        (lambda x: x.mean(axis=0, keepdims=True), r"each of 4 images, got the shape \(1, 2\)"),
        (lambda x: x[:-1], r"each of 4 images, got the shape \(3, 2\)"),
        (lambda x: np.concatenate([x, x]), r"each of 4 images, got the shape \(8, 2\)"),
        (lambda x: x.sum(), r"each of 4 images, got the shape \(\)"),
        (lambda x: x * 1j, "real numbers, none masked, got dtype complex128"),
        (lambda x: x.astype(object), "real numbers, none masked, got dtype object"),
        (lambda x: np.ma.array(x, mask=x > 0), "real numbers, none masked, got"),
        (lambda x: None, "an array, got None"),
    ],
)
def test_a_wrong_output_is_an_error_that_names_the_layer(forward, pattern):
    kind = type("Odd", (Layer,), {"forward": lambda self, x: forward(x)})
    for use in (CNN([kind(), Linear(2, 2)]), CNN([kind(), Linear(2, 2)]).predict, kind()):
        with pytest.raises(TypeError, match=f"Odd.forward must return .*{pattern}"):
            use(np.ones((4, 2)))


def test_a_call_of_ones_own_that_returns_nothing_is_named():
    kind = type("Odd", (ReLU,), {"__call__": lambda self, *args, **options: None})
    with pytest.raises(
        TypeError, match=r"layers\[0\].*Odd.__call__ must return an array, got None"
    ):
        CNN([kind(), Flatten()])(np.ones((4, 2)))


WRONG_GRADIENTS = {
    "too few": (lambda dx, dw: (dx,), r"2 gradients \(the input, weight\), got 1"),
    "too many": (lambda dx, dw: (dx, dw, dw), "2 gradients .*, got 3"),
    "none at all": (lambda dx, dw: (), r"as a tuple, got \(\)"),
    "no tuple": (lambda dx, dw: dx, "as a tuple, got array"),
    "nothing": (lambda dx, dw: None, "as a tuple, got None"),
    "a generator": (lambda dx, dw: (each for each in (dx, dw)), "as a tuple, got <generator"),
    "in the wrong order": (lambda dx, dw: (dw, dx), r"\(4, 2\) for the input, got \(2,\)"),
    "of another shape": (lambda dx, dw: (dx, dw[:1]), r"\(2,\) for weight, got \(1,\)"),
    "a number": (lambda dx, dw: (dx, 1.0), r"\(2,\) for weight, got 1.0"),
    "a gap": (lambda dx, dw: (dx, None), r"\(2,\) for weight, got None"),
    "a gap before": (lambda dx, dw: (None, dw), r"\(4, 2\) for the input, got None"),
    "objects": (
        lambda dx, dw: (dx, dw.astype(object)),
        "real numbers for weight, got dtype object",
    ),
    "masked": (
        lambda dx, dw: (dx, np.ma.array(dw, mask=[0, 1])),
        "a gradient without masked numbers for weight, got masked",
    ),
}


@pytest.mark.parametrize(("returned", "pattern"), WRONG_GRADIENTS.values(), ids=WRONG_GRADIENTS)
@pytest.mark.parametrize("method", ["backward", "learn"])
def test_wrong_gradients_are_an_error_that_names_the_layer(returned, pattern, method):
    layer = Scale(returned)
    layer(np.ones((4, 2)))
    with pytest.raises(TypeError, match=rf"Scale\.gradients must return .*{pattern}"):
        getattr(layer, method)(np.ones((4, 2)))
    assert layer.grads == {}


class Gained(Conv2d):
    """A convolution with one parameter more."""

    def __init__(self, bias):
        super().__init__(1, 2, 3, bias=bias, **DOUBLE)
        self.params["gain"] = np.array(2.0)

    def forward(self, x):
        return self.params["gain"] * super().forward(x)


class Learned(Gained):
    """The same, with all its gradients."""

    def gradients(self, dy, x):
        gain = self.params["gain"]
        dx, dweight, *dbias = conv2d_backward(dy * gain, x, self.params["weight"])
        dbias = dbias if "bias" in self.params else []
        dgain = (dy * conv2d(x, self.params["weight"], self.params.get("bias"))).sum()
        return dx, dweight, *dbias, np.asarray(dgain)


def in_training(layer, dy):
    """Set a layer's gradients as training does where it is the first one that learns."""
    learn([layer], dy)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("back", [Layer.backward, in_training])
def test_a_convolution_of_ones_own_is_asked_for_its_own_gradients(rng, bias, back):
    x, dy = rng.normal(size=(2, 1, 5, 5)), rng.normal(size=(2, 2, 3, 3))
    forgetful = Gained(bias)
    forgetful(x)
    with pytest.raises(TypeError, match=r"Gained\.gradients must return . gradients .*gain\), got"):
        back(forgetful, dy)
    layer = Learned(bias)
    layer(x)
    back(layer, dy)
    assert list(layer.grads) == list(layer.params)

    def loss(*values):
        layer.params = dict(zip(layer.params, values, strict=True))
        return layer.forward(x)

    gradients = list(layer.grads.values())
    found = reference.gradient_error(loss, gradients, list(layer.params.values()), dy)
    assert found <= reference.EXACT


class Still(Conv2d):
    """A convolution that does not learn."""

    def backward(self, dy):
        dx = super().backward(dy)
        self.grads = {name: np.zeros_like(grad) for name, grad in self.grads.items()}
        return dx


class StillLocal(LocallyConnected2d):
    """The same of a layer that shares nothing."""

    def gradients(self, dy, x):
        dx, *grads = super().gradients(dy, x)
        return dx, *(np.zeros_like(grad) for grad in grads)


class Told:
    """Says what it learns: a mixin with a learn of its own."""

    def learn(self, dy):
        super().learn(dy)
        assert set(self.grads) == set(self.params)


class StillTold(Told, Still):
    """A convolution that does not learn, and says so."""


STILL = Still(1, 1, 3, rng=0), StillLocal(1, 1, 3, 5, rng=0), StillTold(1, 1, 3, rng=0)


@pytest.mark.parametrize("still", STILL)
@pytest.mark.parametrize("before", [0, 1])
def test_a_way_back_of_ones_own_is_gone_in_training_wherever_the_layer_stands(rng, still, before):
    first = [Conv2d(1, 1, 1, rng=0)][:before]
    model = CNN([*first, still, Flatten(), Linear(9, 2, rng=0)])
    weight = still.params["weight"].copy()
    model.fit(rng.normal(size=(4, 1, 5, 5)), [0, 1, 0, 1], 1, rng=0)
    assert_array_equal(still.params["weight"], weight)


class Own(Layer):
    """A layer of a reader's, as yet unfinished: what it does is given."""

    def __init__(self, forward):
        super().__init__()
        self.forward = forward
        self.params = {"weight": np.array(0.25)}  # one number for all

    def gradients(self, dy, x):
        return dy, (dy * x).sum()  # a scalar of NumPy's


def test_a_parameter_may_be_one_number():
    layer = Own(lambda x: 0.25 * x)
    model = CNN([layer, Flatten(), Linear(4, 2, rng=0)])
    assert model.summary((1, 2, 2))[0][2:4] == (1, 4)
    model.fit(np.ones((2, 1, 2, 2)), [0, 1], 1)
    assert isinstance(layer.grads["weight"], np.ndarray)


@pytest.mark.parametrize(
    ("forward", "words"),
    [
        (lambda x: x @ np.ones((3, 3)), "mismatch in its core dimension"),
        (lambda x: np.add(x, 0.5, out=np.zeros(x.shape, int)), "Cannot cast ufunc 'add'"),
        (lambda x: b"\xff".decode() and x, "can't decode byte 0xff"),
        (lambda x: None, r"must return an array, got None"),
    ],
)
@pytest.mark.parametrize("inside", [lambda layer: layer, lambda layer: Residual([layer])])
def test_a_mistake_in_a_layer_of_ones_own_keeps_its_words_and_its_traceback(forward, words, inside):
    model, x = CNN([inside(Own(forward))]), np.ones((2, 1, 4, 4))
    for use in (lambda: model(x), lambda: model.summary((1, 4, 4))):
        with pytest.raises((ValueError, TypeError), match=words) as told:
            use()
        assert "None" in words or "in <lambda>" in "".join(traceback.format_exception(told.value))


def test_an_error_of_a_layer_of_the_package_is_told_once():
    model = CNN([Conv2d(1, 2, 3)])
    for use in (lambda: model(np.ones((1, 1, 2, 2))), lambda: model.summary((1, 2, 2))):
        with pytest.raises(ValueError, match="must fit into x") as told:
            use()
        assert "".join(traceback.format_exception(told.value)).count("Traceback") == 1


def test_a_layer_of_ones_own_that_does_not_begin_as_a_layer_is_named():
    class Bare(Layer):
        def __init__(self):
            pass

    with pytest.raises(TypeError, match=r"layers\[0\]: Bare.__init__ must call super"):
        CNN([Bare()])


class Doubled(Layer):
    """Doubles pixels: each output sees one, and neighbours see others."""

    def forward(self, x):
        return x.repeat(2, axis=2).repeat(2, axis=3)

    def sees(self, patch):
        return tuple((first // 2, last // 2) for first, last in patch)

    def phases(self):
        return 2


def test_a_layer_of_ones_own_takes_part_in_receptive_fields():
    field = CNN([Doubled(), Conv2d(1, 1, 2)]).summary((1, 8, 8))[-1].receptive_field
    up = ConvTranspose2d(1, 1, 2, stride=2)
    assert field == CNN([up, Conv2d(1, 1, 2)]).summary((1, 8, 8))[-1].receptive_field == (2, 2)


def test_errors_of_a_summary_call_no_border_a_number_of_images():
    with pytest.raises(ValueError, match=r"padding=\(0, 0\).* got \(N, 2, 6, 6\)"):
        CNN([Residual([Conv2d(1, 2, 3)])]).summary((1, 8, 8))
    for inputs, got in (100, r"got \(N, 192\)$"), (192, r"got \(N, 10\) by layers and \(N, 3"):
        with pytest.raises(ValueError, match=got):
            CNN([Residual([Flatten(), Linear(inputs, 10)])]).summary((3, 8, 8))
    with pytest.raises(ValueError, match=r"padding=\(0, 4\)"):
        CNN([Flatten(), Residual([Conv2d(1, 1, 3, padding=(0, 4))])]).summary((1, 2, 2))
    with pytest.raises(ValueError, match=r"padding must leave .* got \(0, 3\)"):
        CNN([ConvTranspose2d(1, 1, 1, padding=(0, 3))]).summary((1, 2, 2))


# --- What a layer keeps --------------------------------------------------------------------------

COPIES = {
    "pickle": lambda layer: pickle.loads(pickle.dumps(layer)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}
every_sample = pytest.mark.parametrize(
    ("make", "shape"), samples.LAYERS, ids=[repr(make("f4")) for make, _ in samples.LAYERS]
)


def arrays(value, seen=None):
    """Return all arrays that an object holds, wherever."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return []
    seen.add(id(value))
    if isinstance(value, np.ndarray):
        return [value]
    held = list(getattr(value, "__dict__", {}).values())
    if isinstance(value, dict | tuple | list):
        held += value.values() if isinstance(value, dict) else value
    return [array for each in held for array in arrays(each, seen)]


@every_sample
@pytest.mark.parametrize("how", COPIES.values(), ids=COPIES)
def test_a_copy_holds_weights_buffers_and_options_alone(how, make, shape):
    layer = make("f8")
    x = np.ones((100, *shape[1:]))
    y = layer(x, train=True, rng=0)
    dx = layer.backward(np.ones(y.shape))
    twin = how(layer)
    assert repr(twin) == repr(layer)
    parts = layer.inner() or [layer]
    kept = [array for part in parts for array in (*part.params.values(), *part.buffers.values())]
    for one, other in zip(arrays(twin), kept, strict=True):
        assert_array_equal(one, other, strict=True)
    with pytest.raises(RuntimeError, match="backward needs a forward pass before it"):
        twin.backward(np.ones(y.shape))
    with pytest.raises(RuntimeError, match="backward needs a forward pass before it"):
        twin.learn(np.ones(y.shape))
    # The layer itself goes on as before, and the copy works as a new one does.
    assert_array_equal(layer.backward(np.ones(y.shape)), dx)
    assert_array_equal(twin(x), layer(x))
    assert_array_equal(twin.backward(np.ones(y.shape)), layer.backward(np.ones(y.shape)))
    for name, gradient in layer.grads.items():
        assert_array_equal(twin.grads[name], gradient)


@every_sample
def test_a_pickle_is_as_large_after_a_call_as_before(make, shape):
    layer = make("f4")
    before = len(pickle.dumps(layer))
    layer.backward(layer(np.ones((100, *shape[1:]), "f4"), train=True, rng=0))
    assert len(pickle.dumps(layer)) <= before + 16


@every_sample
def test_the_gradient_of_every_layer_equals_differences(rng, make, shape):
    layer = make("f8")
    x = reference.apart(rng, *shape)
    y = layer(x)
    dy = rng.normal(size=y.shape)
    dx = layer.backward(dy)
    assert reference.gradient_error(layer.forward, [dx], [x], dy) <= reference.EXACT


def test_every_kind_of_layer_is_tried():
    public = [getattr(convdocs, name) for name in convdocs.__all__]
    kinds = {what for what in public if isinstance(what, type) and issubclass(what, Layer)}
    assert {kind.layer for kind in architecture.KINDS} == kinds
    assert {type(make("f4")) for make, _ in samples.LAYERS} == kinds


ONE_BY_ONE = [make(np.float64) for make, _ in samples.LAYERS]
ONE_BY_ONE = [layer for layer in ONE_BY_ONE if isinstance(layer, samples.ANY_SHAPE)]


@pytest.mark.parametrize("layer", ONE_BY_ONE, ids=repr)
@pytest.mark.parametrize("train", [False, True])
def test_a_single_number_is_an_array_forward_and_backward(layer, train):
    for one in (layer, Residual([layer])):
        y = one(0.5, train=train, rng=0)
        dx = one.backward(2.0)
        for result in (y, dx):
            assert type(result) is np.ndarray
            assert result.shape == ()
        row = one([0.5], train=train, rng=0)
        assert_array_equal(row, [y])
        assert_array_equal(one.backward([2.0]), [dx])


@pytest.mark.parametrize("layer", [LeakyReLU(), Sigmoid(), Tanh(), Dropout()], ids=repr)
@pytest.mark.parametrize("dtype", [np.int8, np.int64, bool])
def test_a_gradient_of_integers_is_computed_in_float64(layer, dtype):
    layer(np.linspace(-1, 1, 4, dtype=np.float32), train=True, rng=0)
    dy = np.array([1, 0, 1, 1]).astype(dtype)
    assert_array_equal(layer.backward(dy), layer.backward(dy.astype(float)), strict=True)


@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan, 3e38, -3e38, "both"])
@pytest.mark.parametrize("kind", samples.FIRST)
@pytest.mark.parametrize("train", [False, True])
def test_what_is_not_finite_or_too_large_travels_in_silence(kind, number, train):
    layer, x = samples.one_of(kind)  # NumPy's warnings are errors here

    def spoiled(array):
        array = array.astype(np.float32)
        if number == "both":
            array[0] = np.inf
            array.flat[1::3] = -np.inf
        elif np.isfinite(number):
            array[...] = number
        else:
            array.flat[array.size // 2] = number
        return array

    y = layer(spoiled(x), train=train)
    layer.backward(spoiled(np.ones_like(y)))
    if layer.params:
        layer.params = {name: spoiled(array) for name, array in layer.params.items()}
        layer.backward(spoiled(np.ones_like(layer(spoiled(x), train=train))))
        Adam(weight_decay=1e3).step([layer])
