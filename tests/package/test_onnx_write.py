"""ONNX Runtime computes what a network computes, and the file comes back as it went."""

import itertools
import os
import tracemalloc

import numpy as np
import onnx
import onnxruntime
import pytest
import reference
from exchanged import close, digits_network, networks, run, same, stirred
from hypothesis import given, settings

from convdocs import (
    CNN,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    ReLU,
    Residual,
    architecture,
)
from convdocs.architecture import KINDS, Kind
from convdocs.exchange import from_onnx, to_onnx, to_torch
from convdocs.layer import Layer
from convdocs.network import Network


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(BatchNorm2d(3), (3, 4, 4)), (Conv2d(3, 2, 3, rng=0), (3, 4, 4)), (Linear(5, 3, rng=0), (5,))],
    ids=["norm", "conv", "linear"],
)
def test_parameters_go_by_names_in_whatever_order_they_were_put(path, rng, layer, shape):
    for array in layer.params.values():
        array += rng.normal(size=array.shape).astype(array.dtype)
    layer.params = dict(reversed([*layer.params.items()]))
    model = CNN([layer])
    to_onnx(model, path, shape)
    x = rng.normal(size=(2, *shape)).astype(np.float32)
    close(run(path, x), model(x))
    close(from_onnx(path)(x), model(x))


@pytest.mark.slow
@settings(max_examples=200)
@given(networks())
def test_onnx_runtime_computes_the_same_and_the_network_comes_back(tmp_path_factory, drawn):
    model, shape = drawn
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    to_onnx(model, path, shape)
    onnx.checker.check_model(path, full_check=True)
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    expected = model(x)
    close(run(path, x), expected)
    back = from_onnx(path)
    same(back, model)
    np.testing.assert_array_equal(back(x), expected)


@pytest.mark.parametrize("kind", [each for each in KINDS if each.attributes is not None])
def test_a_kind_says_whether_onnx_runtime_computes_it_in_float32_alone(kind):
    options = kind.layer().options
    attributes = {kind.attributes[name]: value for name, value in options.items()}
    refused = onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented
    try:
        reference.onnx_run(kind.operator, np.ones((1, 2)), **attributes)
    except refused:
        assert kind.single
    else:
        assert not kind.single


def exported(path, layer, shape):
    """Check one layer against ONNX Runtime, and that it comes back as the same function."""
    model = CNN([layer])
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    try:
        expected = model(x)
    except ValueError:  # it asks for larger images
        return False
    to_onnx(model, path, shape)
    close(run(path, x), expected)
    np.testing.assert_array_equal(from_onnx(path)(x), expected)
    return True


SIZES = [(1, 1, 5), (1, 4, 6)]


@pytest.mark.slow
def test_every_option_of_maxima(path):
    count = 0
    for k, s, d, ceil_mode in itertools.product((1, 2, 3), (1, 3), (1, 2, 4), (False, True)):
        for p, shape in itertools.product(range((d * (k - 1) + 1) // 2 + 1), SIZES):
            count += exported(path, MaxPool2d((k, 1), (s, 1), (p, 0), (d, 1), ceil_mode), shape)
            count += exported(path, MaxPool2d((1, k), (2, s), (0, p), (1, d), ceil_mode), shape)
    assert count > 250


@pytest.mark.slow
def test_every_option_of_averages(path):
    flags = itertools.product((False, True), (False, True))
    for (ceil_mode, inside), k, s in itertools.product(flags, (1, 2, 3, 4), (1, 2, 4)):
        for p, shape in itertools.product(range(k // 2 + 1), SIZES):
            exported(path, AvgPool2d((k, 1), (s, 1), (p, 0), ceil_mode, inside), shape)
            exported(path, AvgPool2d((1, k), (2, s), (0, p), ceil_mode, inside), shape)


@pytest.mark.slow
def test_every_option_of_convolutions(path):
    paddings = [0, (0, 5), "same", "valid"]
    for k, d, p, bias in itertools.product((1, 2, 3), (1, 3), paddings, (False, True)):
        for s in (1,) if p == "same" else (1, 4):
            layer = Conv2d(2, 4, (1, k), (1, s), p, (1, d), 2 if bias else 1, bias, rng=0)
            exported(path, layer, (2, 3, 6))


@pytest.mark.parametrize(
    ("layer", "operators"),
    [
        (MaxPool2d(2, padding=1, dilation=4), ["MaxPool"]),
        (MaxPool2d(2, padding=2, dilation=4), ["Pad", "MaxPool"]),  # as wide as the window
        (MaxPool2d(3, padding=3, dilation=3), ["Pad", "MaxPool"]),
        (MaxPool2d((1, 2), padding=(0, 2), dilation=(1, 4)), ["Pad", "MaxPool"]),
    ],
)
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_padding_that_onnx_runtime_refuses_is_a_node_of_its_own(path, layer, operators, ceil_mode):
    layer = MaxPool2d(**layer.options | {"ceil_mode": ceil_mode, "stride": 3})
    assert exported(path, layer, (2, 7, 8))
    assert [node.op_type for node in onnx.load(path).graph.node] == operators


def test_a_window_of_padding_alone_is_minus_infinity_there_too(path):
    layer = MaxPool2d(2, padding=1, dilation=2)
    assert np.isinf(CNN([layer])(np.zeros((1, 1, 1, 1)))).all()
    assert exported(path, layer, (1, 1, 1))


def test_a_large_window_costs_no_more_memory_than_its_places(path):
    model = CNN([MaxPool2d(20_000, 1, 10_000)])
    tracemalloc.start()
    to_onnx(model, path, (1, 20_000, 20_000))
    assert tracemalloc.get_traced_memory()[1] < 16e6
    tracemalloc.stop()
    assert [node.op_type for node in onnx.load(path).graph.node] == ["MaxPool"]


def test_the_file_says_what_it_takes_and_gives(path):
    model = digits_network()
    to_onnx(model, path, (1, 8, 8), {"classes": "0 1 2 3 4 5 6 7 8 9"})
    proto = onnx.load(path)
    session = onnxruntime.InferenceSession(path)
    (x,), (y,) = session.get_inputs(), session.get_outputs()
    assert (x.name, x.shape, x.type) == ("x", ["N", 1, 8, 8], "tensor(float)")
    assert (y.name, y.shape, y.type) == ("y", ["N", 10], "tensor(float)")
    assert proto.producer_name == "convdocs"
    assert session.get_modelmeta().custom_metadata_map["classes"].split()[3] == "3"
    weights = {each.name: tuple(each.dims) for each in proto.graph.initializer}
    expected = {key: a.shape for key, a in model.state_dict().items() if "tracked" not in key}
    assert weights == expected | {"4.ratio": ()}
    inner = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in proto.graph.value_info
    }
    assert inner["3.y"] == [0, 4, 4, 4]
    for N in (0, 1, 7):
        assert run(path, np.zeros((N, 1, 8, 8), np.float32)).shape == (N, 10)


def test_a_network_without_layers(path):
    to_onnx(CNN([]), path, (1, 2, 2))
    assert from_onnx(path).layers == []
    x = np.ones((2, 1, 2, 2), np.float32)
    np.testing.assert_array_equal(run(path, x), x)


def test_a_network_that_is_no_classifier(path, rng):
    edges = Network([Conv2d(1, 2, 3, rng=0), ReLU()])
    to_onnx(edges, path, (1, 5, 6))
    x = rng.normal(size=(2, 1, 5, 6)).astype(np.float32)
    close(run(path, x), edges(x))


def test_float64_stays_float64(path):
    layers = [BatchNorm2d(1, dtype=float), ReLU(), MaxPool2d(1), Dropout(0.2), Flatten()]
    model = CNN([*layers, Linear(9, 4, dtype=float, rng=0)])
    to_onnx(model, path, (1, 3, 3))
    same(from_onnx(path), model)
    x = np.random.default_rng(0).normal(size=(2, 1, 3, 3))
    np.testing.assert_allclose(run(path, x), model(x), atol=1e-7)


@pytest.mark.parametrize("kernel", [2, 3])
def test_same_padding_with_a_dilation_comes_back_as_the_same_function(path, kernel, rng):
    model = CNN([Conv2d(1, 2, kernel, padding="same", dilation=(1, 3), rng=0)])
    to_onnx(model, path, (1, 8, 8))
    x = rng.normal(size=(2, 1, 8, 8)).astype(np.float32)
    close(run(path, x), model(x))
    np.testing.assert_array_equal(from_onnx(path)(x), model(x))


# --- A kind of layer that is new ------------------------------------------------------------------


class Tanh(Layer):
    """A layer whose operator has no attributes."""

    def __init__(self):
        super().__init__()

    def forward(self, x):
        """Return the hyperbolic tangent."""
        return np.tanh(x)


class LeakyReLU(Layer):
    """A layer with an option that ONNX calls otherwise."""

    def __init__(self, negative_slope=0.01):
        super().__init__(negative_slope=negative_slope)

    def forward(self, x):
        """Return positive numbers, and a share of the others."""
        return np.where(x > 0, x, x * x.dtype.type(self.options["negative_slope"]))


class Scaled(Tanh):
    """A layer with a parameter."""

    def __init__(self):
        super().__init__()
        self.params["weight"] = np.ones(1, np.float32)


@pytest.fixture
def kind(monkeypatch):
    """Return a function that adds a row to the table."""

    def add(*row):
        monkeypatch.setattr(architecture, "KINDS", (*architecture.KINDS, Kind(*row)))

    return add


def test_a_new_layer_needs_its_row_alone(path, kind, rng):
    kind(Tanh, "Tanh", {})
    kind(LeakyReLU, "LeakyRelu", {"negative_slope": "alpha"})
    model = CNN([Tanh(), LeakyReLU(0.3), LeakyReLU(), Flatten()])
    to_onnx(model, path, (1, 3, 3))
    x = rng.normal(size=(2, 1, 3, 3)).astype(np.float32)
    close(run(path, x), model(x))
    same(from_onnx(path), model)
    model.save(path)
    same(CNN.load(path), model)


def test_an_attribute_that_is_left_out_has_its_default_in_a_new_layer(path, kind):
    kind(LeakyReLU, "LeakyRelu", {"negative_slope": "alpha"})
    to_onnx(CNN([LeakyReLU(0.3)]), path, (1, 3, 3))
    proto = onnx.load(path)
    del proto.graph.node[0].attribute[:]
    onnx.save(proto, path)
    same(from_onnx(path), CNN([LeakyReLU(0.01)]))


def test_a_new_layer_is_one_of_pytorch_too(torch, kind, rng):
    kind(Tanh, "Tanh", {})
    kind(LeakyReLU, "LeakyRelu", {"negative_slope": "alpha"})
    model = CNN([LeakyReLU(0.3), Tanh()])
    x = rng.normal(size=(2, 3)).astype(np.float32)
    close(to_torch(model)(torch.from_numpy(x)).numpy(), model(x))


@pytest.mark.parametrize(
    ("row", "layer", "words"),
    [
        ((Tanh, "Tanh"), Tanh(), "a layer with a writer"),
        ((LeakyReLU, "LeakyRelu", {}), LeakyReLU(), "no more than the attributes"),
        ((Scaled, "Tanh", {}), Scaled(), "no more than the attributes"),
        (None, Tanh(), "a layer of convdocs"),
    ],
)
def test_a_kind_that_cannot_be_written_is_refused_by_name(path, kind, row, layer, words):
    if row:
        kind(*row)
    with pytest.raises(TypeError, match=rf"layers\[1\] must be {words}.*{type(layer).__name__}"):
        to_onnx(CNN([ReLU(), layer]), path, (1, 3, 3))
    assert not path.exists()


def test_attributes_that_a_row_does_not_know_are_refused(path, kind):
    kind(LeakyReLU, "LeakyRelu", {"negative_slope": "alpha"})
    to_onnx(CNN([LeakyReLU(0.3)]), path, (1, 3, 3))
    kind(Tanh, "Elu", {})
    proto = onnx.load(path)
    proto.graph.node[0].op_type = "Elu"  # its alpha is not in the row
    onnx.save(proto, path)
    with pytest.raises(ValueError, match=r"Elu \(0.LeakyReLU.LeakyRelu\).*'alpha'"):
        from_onnx(path)


# --- Wrong calls ----------------------------------------------------------------------------------


def wide():
    layer = Linear(2, 2, rng=0)
    layer.params["weight"] = np.broadcast_to(np.float32(0), (30_000, 30_000))
    return CNN([layer])


class Unshown:
    def __repr__(self):
        raise ZeroDivisionError


CALLS = {
    "no network": (lambda p: to_onnx([ReLU()], p, (1, 8, 8)), TypeError, "model must be a CNN"),
    "own layer": (lambda p: to_onnx(CNN([Tanh()]), p, (1, 8, 8)), TypeError, "of convdocs"),
    "no shape": (lambda p: to_onnx(digits_network(), p, 8), ValueError, "input_shape"),
    "a fraction": (lambda p: to_onnx(digits_network(), p, (1, 8, 0.5)), TypeError, "input_shape"),
    "images that do not fit": (
        lambda p: to_onnx(digits_network(), p, (3, 8, 8)),
        ValueError, "input_shape must fit layers"),
    "images without channels": (
        lambda p: to_onnx(digits_network(), p, (8, 8)),
        ValueError, r"layers\[0\].* \(N, C, H, W\), got \(N, 8, 8\)$"),
    "a batch": (
        lambda p: to_onnx(digits_network(), p, (5, 1, 8, 8)),
        ValueError, r"layers\[0\].* \(N, C, H, W\), got \(N, 5, 1, 8, 8\)$"),
    "other channels within a block": (
        lambda p: to_onnx(CNN([Residual([Conv2d(1, 2, 1)])]), p, (1, 8, 8)),
        ValueError, r"\(N, 2, 8, 8\) .* \(N, 1, 8, 8\)"),
    "two dtypes": (
        lambda p: to_onnx(CNN([Linear(2, 2), Linear(2, 2, dtype=float)]), p, (2,)),
        ValueError, "one dtype"),
    "convolution in float64": (
        lambda p: to_onnx(CNN([Conv2d(1, 1, 2, dtype=float)]), p, (1, 3, 3)),
        ValueError, r"layers\[0\] must be of a network of float32"),
    "an average in float64": (
        lambda p: to_onnx(CNN([AvgPool2d(2), Linear(1, 1, dtype=float)]), p, (1, 2, 2)),
        ValueError, r"layers\[0\] must be of a network of float32"),
    "all dropped": (
        lambda p: to_onnx(CNN([Dropout(1)]), p, (2,)), ValueError, r"layers\[0\].p must be"),
    "too many weights": (lambda p: to_onnx(wide(), p, (2,)), ValueError, "less than 2 GB"),
    "metadata": (lambda p: to_onnx(digits_network(), p, (1, 8, 8), 3), TypeError, "metadata"),
    "a shape beyond memory": (
        lambda p: to_onnx(CNN([ReLU()]), p, (1, 2**31, 2**31)), ValueError, "input_shape must ask"),
    "an empty list as metadata": (
        lambda p: to_onnx(CNN([ReLU()]), p, (1, 4, 4), []), TypeError, "metadata"),
    "an array as metadata": (
        lambda p: to_onnx(CNN([ReLU()]), p, (1, 4, 4), np.ones(2)), TypeError, "metadata"),
    "a network that cannot be shown": (
        lambda p: to_onnx(Unshown(), p, (1, 4, 4)), TypeError, "model must be a CNN"),
    "metadata of numbers": (
        lambda p: to_onnx(digits_network(), p, (1, 8, 8), {"a": 1}), TypeError, "metadata"),
    "metadata that is no text": (
        lambda p: to_onnx(digits_network(), p, (1, 8, 8), {"a": "\ud800"}), ValueError, "metadata"),
    "a buffer's name": (
        lambda p: to_onnx(digits_network(), p, (1, 8, 8), {"1.num_batches_tracked": "a"}),
        ValueError, "metadata must have other names"),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_call_is_refused_and_overwrites_nothing(path, name):
    call, error, words = CALLS[name]
    path.write_text("old")
    with pytest.raises(error, match=words):
        call(path)
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert path.read_text() == "old"


def test_an_interrupted_save_leaves_the_old_file(path, monkeypatch):
    path.write_text("old")

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        to_onnx(digits_network(), path, (1, 8, 8))
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert path.read_text() == "old"


def test_no_weights_are_drawn_to_write_and_to_read(path, monkeypatch):
    model = stirred(digits_network(), np.random.default_rng(0))
    monkeypatch.setattr("convdocs._args.generator", lambda rng: None)  # which draws nothing
    to_onnx(model, path, (1, 8, 8))
    same(from_onnx(path), model)
