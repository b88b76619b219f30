"""Networks come out of other libraries' hands as they went in, and what cannot is said at once."""

import os
import signal
import socket
import subprocess
import sys

import numpy as np
import onnx
import onnx.helper as make
import onnxruntime
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from places import ROOT

from convdocs import (
    CNN,
    SGD,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    ReLU,
    data,
)
from convdocs.exchange import from_onnx, load_safetensors, save_safetensors, to_onnx, to_torch
from convdocs.layer import Layer


def run(path, x):
    """Return what ONNX Runtime makes of images."""
    how = onnxruntime.SessionOptions()
    how.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, how, providers=["CPUExecutionProvider"])
    (name,) = (each.name for each in session.get_inputs())
    return session.run(None, {name: x})[0]


def close(one, two):
    """Check that results agree to 1e-5, relative to their size where that is above 1."""
    assert one.shape == two.shape
    np.testing.assert_allclose(one, two, rtol=0, atol=1e-5 * max(1, np.abs(two).max(initial=0)))


def same(one, two):
    """Check that two networks have the same layers and, to the last bit, the same weights."""
    assert repr(one) == repr(two)
    one, two = one.state_dict(), two.state_dict()
    assert one.keys() == two.keys()
    for key, array in one.items():
        assert array.dtype == two[key].dtype
        np.testing.assert_array_equal(array, two[key])


def stirred(model, rng):
    """Give batch normalisation statistics and weights as after training."""
    for layer in model.layers:
        if isinstance(layer, BatchNorm2d):
            for array in (*layer.params.values(), layer.buffers["running_mean"]):
                array[...] = rng.normal(size=array.shape)
            layer.buffers["running_var"][...] = rng.uniform(
                0.5, 2, layer.buffers["running_var"].shape
            )
            layer.buffers["num_batches_tracked"][...] = rng.integers(99)
    return model


def digits_network(seed=0):
    return CNN(
        [
            *(Conv2d(1, 4, 3, padding="same", rng=seed), BatchNorm2d(4), ReLU(), MaxPool2d(2)),
            *(Dropout(1 / 3), Flatten(), Linear(64, 10, rng=seed)),
        ]
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


# --- ONNX, there and back ------------------------------------------------------------------------


@st.composite
def networks(draw):
    """Draw a network, and the shape of its images."""
    C, H, W = shape = [draw(st.integers(1, high)) for high in (4, 12, 12)]
    layers, rng = [], np.random.default_rng(draw(st.integers(0, 999)))
    two = st.tuples(st.integers(1, 3), st.integers(1, 3))
    for _ in range(draw(st.integers(0, 5))):
        kind, size, stride, dilation = (draw(each) for each in (st.integers(0, 5), two, two, two))
        flag = draw(st.booleans())
        if kind == 0:
            groups = draw(st.sampled_from([g for g in (1, 2, 3, 4) if C % g == 0]))
            F = groups * draw(st.integers(1, 2))
            padding = draw(st.sampled_from([0, 1, (2, 0), "same", "valid"]))
            stride = 1 if padding == "same" else stride
            dilation = 1 if padding == "same" else dilation
            layer = Conv2d(C, F, size, stride, padding, dilation, groups, flag, rng=rng)
        elif kind == 1:
            padding = tuple(draw(st.integers(0, k // 2)) for k in size)
            layer = MaxPool2d(size, stride, padding, dilation, flag)
        elif kind == 2:
            padding = tuple(draw(st.integers(0, k // 2)) for k in size)
            layer = AvgPool2d(size, stride, padding, flag, draw(st.booleans()))
        else:
            layer = [BatchNorm2d(C), ReLU(), Dropout(draw(st.floats(0, 0.99)))][kind - 3]
        try:
            y = layer.forward(np.zeros((1, C, H, W), np.float32))
        except ValueError:  # the kernel is larger than what is left of the image
            continue
        if np.isinf(y).any():  # a window of padding alone, for which others have finite numbers
            continue
        layers.append(layer)
        _, C, H, W = y.shape
    end = draw(st.integers(0, 2))
    if end == 1:
        layers += [Flatten(), Linear(C * H * W, 3, draw(st.booleans()), rng=rng), ReLU()]
        layers += [Dropout(), Linear(3, 5, rng=rng)]
    elif end == 2:
        layers += [Linear(W, 3, draw(st.booleans()), rng=rng), ReLU()]
    return stirred(CNN(layers), rng), tuple(shape)


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


def test_float64_stays_float64(path):
    model = CNN([ReLU(), Flatten(), Linear(9, 4, dtype=float, rng=0)])
    to_onnx(model, path, (1, 3, 3))
    same(from_onnx(path), model)
    x = np.random.default_rng(0).normal(size=(2, 1, 3, 3))
    np.testing.assert_allclose(run(path, x), model(x), atol=1e-14)


@pytest.mark.parametrize("kernel", [2, 3])
def test_same_padding_with_a_dilation_comes_back_as_the_same_function(path, kernel, rng):
    model = CNN([Conv2d(1, 2, kernel, padding="same", dilation=(1, 3), rng=0)])
    to_onnx(model, path, (1, 8, 8))
    x = rng.normal(size=(2, 1, 8, 8)).astype(np.float32)
    close(run(path, x), model(x))
    np.testing.assert_array_equal(from_onnx(path)(x), model(x))


# --- Graphs of other programs --------------------------------------------------------------------


def graph(path, nodes, shape=("N", 2, 6, 6), opset=19, inputs=("x",), outputs=("y",), **arrays):
    """Write a graph by hand: nodes as (operator, inputs, output, attributes)."""
    made = [
        make.make_node(op, i.split(), o.split(), name=f"n{n}", **how)
        for n, (op, i, o, how) in enumerate(nodes)
    ]
    kind = onnx.TensorProto.FLOAT
    ends = [
        [make.make_tensor_value_info(name, kind, dims) for name in names]
        for names, dims in ((inputs, shape), (outputs, None))
    ]
    weights = [onnx.numpy_helper.from_array(np.asarray(a), name) for name, a in arrays.items()]
    proto = make.make_model(
        make.make_graph(made, "g", *ends, weights),
        ir_version=9,
        opset_imports=[make.make_opsetid("", opset), make.make_opsetid("org.example", 1)],
    )
    proto = onnx.shape_inference.infer_shapes(proto)
    for end in proto.graph.output:  # behind operators of no standard, of whatever shape
        end.type.tensor_type.shape.SetInParent()
    onnx.save(proto, path)
    return path


r = np.random.default_rng(5)
W, B = r.normal(size=(3, 2, 3, 3)).astype("f4"), r.normal(size=3).astype("f4")
V, D = r.normal(size=(72, 5)).astype("f4"), r.normal(size=5).astype("f4")
Q = r.normal(size=(6, 4)).astype("f4")
FOUR = [np.float32([1, 2]), np.float32([3, 4]), np.float32([5, 6]), np.float32([7, 8])]
SIZED = [
    ("Shape", "x", "s", {}),
    ("Constant", "", "i", {"value_int": 0}),
    ("Gather", "s i", "n", {}),
    ("Constant", "", "axes", {"value_ints": [0]}),
    ("Unsqueeze", "n axes", "row", {}),
    ("Constant", "", "rest", {"value_ints": [-1]}),
    ("Concat", "row rest", "to", {"axis": 0}),
    ("Reshape", "x to", "y", {}),
]
CONV = ("Conv", "x w", "y")
GRAPHS = {
    "a bias added": ([("Conv", "x w", "a", {}), ("Add", "a b", "y", {})],
                     {"w": W, "b": B.reshape(1, 3, 1, 1)}, "Conv2d(2, 3, 3)"),
    "a product and a sum": ([("Flatten", "x", "f", {}), ("MatMul", "f v", "m", {}),
                             ("Add", "d m", "y", {})],
                            {"v": V, "d": D}, "Flatten(), Linear(72, 5)"),
    "a product alone": ([("MatMul", "x q", "y", {})], {"q": Q}, "Linear(6, 4, bias=False)"),
    "weights turned in the graph": ([("Flatten", "x", "f", {}), ("Transpose", "v", "t", {}),
                                     ("Gemm", "f t d", "y", {"transB": 1})],
                                    {"v": V, "d": D}, "Flatten(), Linear(72, 5)"),
    "factors": ([("Flatten", "x", "f", {}), ("Gemm", "f v d", "y", {"alpha": 0.5, "beta": 2.0})],
                {"v": V, "d": D[None]}, "Flatten(), Linear(72, 5)"),
    "weights under another name": ([("Identity", "w", "u", {}), ("Identity", "x", "a", {}),
                                    ("Conv", "a u b", "y", {})],
                                   {"w": W, "b": B}, "Conv2d(2, 3, 3)"),
    "a computed size": (SIZED, {}, "Flatten()"),
    "a size with -1": ([("Reshape", "x to", "y", {})], {"to": [-1, 72]}, "Flatten()"),
    "a size with 0": ([("Reshape", "x to", "y", {})], {"to": [0, -1]}, "Flatten()"),
    "same, above": ([(*CONV, {"auto_pad": "SAME_UPPER"})], {"w": W[:, :, :2]},
                    "Conv2d(2, 3, (2, 3), padding='same', bias=False)"),
    "same, below, odd": ([(*CONV, {"auto_pad": "SAME_LOWER"})], {"w": W},
                         "Conv2d(2, 3, 3, padding=1, bias=False)"),
    "same, in numbers": ([(*CONV, {"pads": [0, 1, 1, 1]})], {"w": W[:, :, :2]},
                         "Conv2d(2, 3, (2, 3), padding='same', bias=False)"),
    "same, with a stride": ([(*CONV, {"auto_pad": "SAME_UPPER", "strides": [5, 5]})], {"w": W},
                            "Conv2d(2, 3, 3, 5, padding=1, bias=False)"),
    "not padded": ([(*CONV, {"auto_pad": "VALID", "strides": [2, 1]})], {"w": W},
                   "Conv2d(2, 3, 3, (2, 1), 'valid', bias=False)"),
    "a window's default stride": ([("MaxPool", "x", "y", {"kernel_shape": [2, 3]})], {},
                                  "MaxPool2d((2, 3), 1)"),
    "padding that does not count": ([("AveragePool", "x", "y", {
        "kernel_shape": [2, 2], "pads": [1] * 4, "strides": [2, 2]})], {},
        "AvgPool2d(2, padding=1, count_include_pad=False)"),
    "whole maps": ([("GlobalAveragePool", "x", "y", {})], {}, "AvgPool2d(6)"),
    "a mean": ([("ReduceMean", "x a", "y", {})], {"a": [-1, -2]}, "AvgPool2d(6)"),
    "statistics": ([("BatchNormalization", "x g h m v", "y", {"epsilon": 0.01, "momentum": 0.75})],
                   dict(zip("ghmv", FOUR, strict=True)), "BatchNorm2d(2, 0.01, 0.25)"),
    "dropout": ([("Dropout", "x r", "y", {})], {"r": np.float32(0.1)}, "Dropout(0.1)"),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("N", ["N", 2])
def test_a_graph_of_another_program_becomes_layers(path, name, N, rng):
    nodes, arrays, text = GRAPHS[name]
    to = arrays.get("to", [0])
    if N == 2 and to[0] == -1:
        arrays = {"to": [2, 72]}  # as written for a fixed number of images
    graph(path, nodes, (N, 2, 6, 6), **arrays)
    model = from_onnx(path)
    assert repr(model) == repr(CNN(eval(f"[{text}]")))
    x = rng.normal(size=(2, 2, 6, 6)).astype(np.float32)
    close(model(x), run(path, x))


def test_images_of_an_open_size(path, rng):
    graph(path, [("Conv", "x w b", "a", {}), ("Relu", "a", "y", {})], ("N", 2, "H", "W"), w=W, b=B)
    model = from_onnx(path)
    for side in (5, 8):
        x = rng.normal(size=(2, 2, side, side)).astype(np.float32)
        close(model(x), run(path, x))


def test_operators_of_older_files(path):
    graph(path, [("Dropout", "x", "y", {"ratio": 0.3})], opset=10)
    assert repr(from_onnx(path)) == repr(CNN([Dropout(0.3)]))
    graph(path, [("ReduceMean", "x", "y", {"axes": [2, 3]})], opset=13)
    assert repr(from_onnx(path)) == repr(CNN([AvgPool2d(6)]))
    graph(path, [("Flatten", "x", "y", {"axis": -3})], opset=11)
    assert repr(from_onnx(path)) == repr(CNN([Flatten()]))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the exporter that needs no more
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_what_pytorch_exports(torch, path, rng):
    nn = torch.nn
    torch.manual_seed(0)
    kinds = {"kernel_size": 3, "stride": 2, "padding": 1}
    nets = {
        "usual": [nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(),
                  nn.AvgPool2d(**kinds), nn.Flatten(), nn.Linear(16, 3)],
        "normalised": [nn.BatchNorm2d(1), nn.Conv2d(1, 2, 2, padding="same"), nn.ReLU()],
        "no maps": [nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 3, bias=False)],
        "global": [nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()],
    }  # fmt: skip
    x = torch.from_numpy(rng.normal(size=(3, 1, 8, 8)).astype(np.float32))
    for layers in nets.values():
        net = nn.Sequential(*layers).eval()
        how = {"input_names": ["input"], "dynamic_axes": {"input": {0: "N"}}}
        torch.onnx.export(net, (x,), path, dynamo=False, **how)
        close(from_onnx(path)(x.numpy()), net(x).detach().numpy())


# --- What there is no layer for, and damaged files -----------------------------------------------

REFUSED = {
    "every unknown operator at once": (
        [("Sigmoid", "x", "a", {}), ("Relu", "a", "b", {}), ("Softmax", "b", "c", {}),
         ("LSTM", "c w w", "y", {"hidden_size": 3})], {"w": W},
        ["Sigmoid (n0)", "Softmax (n2)", "LSTM (n3)"]),
    "a sum of two ways": (
        [("Relu", "x", "a", {}), ("Add", "x a", "y", {})], {}, ["Add (n1): it is not behind"]),
    "two ways": (
        [("Relu", "x", "a", {}), ("Relu", "x", "y", {})], {}, ["Relu (n1): it is not behind"]),
    "an end before the end": (
        [("Relu", "x", "y", {}), ("Flatten", "y", "z", {})], {}, ["the output y, not the last"]),
    "borders that differ": (
        [(*CONV, {"pads": [0, 0, 1, 1]})], {"w": W}, ["Conv (n0): borders [(0, 1), (0, 1)]"]),
    "windows' borders that differ": (
        [("MaxPool", "x", "y", {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER"})], {},
        ["MaxPool (n0): borders [(1, 0), (1, 0)]"]),
    "same, below, even": (
        [(*CONV, {"auto_pad": "SAME_LOWER"})], {"w": W[:, :, :2, :2]}, ["borders [(1, 0)"]),
    "another axis": ([("Flatten", "x", "y", {"axis": 2})], {}, ["axis=2, not 1"]),
    "another size": ([("Reshape", "x to", "y", {})], {"to": [-1, 36]}, ["the shape [-1, 36]"]),
    "half precision": ([("MatMul", "x q", "y", {})], {"q": Q.astype("f2")}, ["float16"]),
    "another mean": ([("ReduceMean", "x a", "y", {})], {"a": [1]}, ["other axes"]),
    "a sum without weights": ([("Add", "x b", "y", {})], {"b": FOUR[0]}, ["only a bias"]),
    "a sum of another shape": (
        [("Conv", "x w", "a", {}), ("Add", "a q", "y", {})],
        {"w": W, "q": np.float32([[1, 2, 3, 4]])},
        ["a bias of shape (1, 4) for 3 outputs"]),
    "training": (
        [("BatchNormalization", "x g h m v", "y a b", {"training_mode": 1})],
        dict(zip("ghmv", FOUR, strict=True)), ["training_mode; export the network for inference"]),
    "a function": (
        [("Conv", "x w", "y", {"domain": "org.example"})], {"w": W}, ["org.example.Conv (n0)"]),
    "a kernel that moves": (
        [("Relu", "x", "a", {}), ("MatMul", "a a", "y", {})], {}, ["MatMul (n1): it is not"]),
    "images that do not fit": ([(*CONV, {})], {"w": W[:, :1]}, ["Conv (n0): x must have 1"]),
    "other maps": ([("MaxPool", "x", "y", {"kernel_shape": [2]})], {}, ["MaxPool (n0)"]),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_there_is_no_layer_for_is_listed(path, name):
    nodes, arrays, words = REFUSED[name]
    graph(path, nodes, **arrays)
    with pytest.raises(ValueError, match="path must be a graph of the package's layers") as caught:
        from_onnx(path)
    for word in (*words, str(path)):
        assert word in str(caught.value)


def test_one_input_and_one_output(path):
    graph(path, [("Add", "x z", "y", {})], inputs=("x", "z"))
    with pytest.raises(ValueError, match="2 inputs"):
        from_onnx(path)
    graph(path, [("Relu", "x", "y", {}), ("Flatten", "y", "z", {})], outputs=("y", "z"))
    with pytest.raises(ValueError, match="the output y, z, not"):
        from_onnx(path)


def refusal(path):
    """Return what the error says, or nothing."""
    try:
        from_onnx(path)
    except ValueError as error:
        return str(error)


def test_a_file_cut_anywhere_is_refused_or_whole(path):
    model = CNN([Conv2d(1, 1, 2, rng=0), BatchNorm2d(1), Flatten(), Linear(4, 2, rng=0)])
    to_onnx(model, path, (1, 3, 3), {"classes": "a b"})
    content = path.read_bytes()
    whole = []
    for length in range(len(content)):
        path.write_bytes(content[:length])
        if error := refusal(path):
            assert "path must be a whole ONNX file" in error
        else:
            same(from_onnx(path), model)
            whole.append(length)
    assert len(whole) == 2  # behind the graph, with none or one of two metadata
    assert content[whole[0] :].count(b"classes") == 1


@pytest.mark.parametrize("content", [b"", b"\0", b"PK\3\4" + bytes(99), b"a line of text\n"])
def test_a_foreign_file_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match="path must be a whole ONNX file"):
        from_onnx(path)
    with pytest.raises(ValueError, match="path must be a whole safetensors file"):
        load_safetensors(digits_network(), path)


def test_a_flipped_bit_gives_a_network_or_a_clear_error(path):
    to_onnx(digits_network(), path, (1, 8, 8))
    content = path.read_bytes()
    rng, refused = np.random.default_rng(0), 0
    for _ in range(300):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        error = refusal(path)
        assert not error or error.startswith("path must be")
        refused += bool(error)
    assert refused


def test_weights_that_are_missing_beside_the_file(path):
    to_onnx(CNN([Flatten(), Linear(900, 9, rng=0)]), path, (1, 30, 30))
    proto = onnx.load(path)
    beside = path.with_name("weights")
    onnx.save(proto, path, save_as_external_data=True, location=beside.name)
    assert beside.exists()
    same(from_onnx(path), CNN([Flatten(), Linear(900, 9, rng=0)]))
    beside.unlink()
    with pytest.raises((ValueError, FileNotFoundError), match="weights"):
        from_onnx(path)


class Own(Layer):
    """A layer of the reader's own."""

    def forward(self, x):
        """Return ``x``."""
        return x


def wide():
    layer = Linear(2, 2, rng=0)
    layer.params["weight"] = np.broadcast_to(np.float32(0), (30_000, 30_000))
    return CNN([layer])


CALLS = {
    "no network": (lambda p: to_onnx([ReLU()], p, (1, 8, 8)), TypeError, "model must be a CNN"),
    "own layer": (lambda p: to_onnx(CNN([Own()]), p, (1, 8, 8)), TypeError, "of convdocs"),
    "no shape": (lambda p: to_onnx(digits_network(), p, 8), ValueError, "input_shape"),
    "a fraction": (lambda p: to_onnx(digits_network(), p, (1, 8, 0.5)), TypeError, "input_shape"),
    "images that do not fit": (
        lambda p: to_onnx(digits_network(), p, (3, 8, 8)),
        ValueError, "input_shape must fit layers"),
    "two dtypes": (
        lambda p: to_onnx(CNN([Linear(2, 2), Linear(2, 2, dtype=float)]), p, (2,)),
        ValueError, "one dtype"),
    "all dropped": (
        lambda p: to_onnx(CNN([Dropout(1)]), p, (2,)), ValueError, r"layers\[0\].p must be"),
    "too many weights": (lambda p: to_onnx(wide(), p, (2,)), ValueError, "less than 2 GB"),
    "metadata": (lambda p: to_onnx(digits_network(), p, (1, 8, 8), 3), TypeError, "metadata"),
    "metadata of numbers": (
        lambda p: to_onnx(digits_network(), p, (1, 8, 8), {"a": 1}), TypeError, "metadata"),
    "a buffer's name": (
        lambda p: to_onnx(digits_network(), p, (1, 8, 8), {"1.num_batches_tracked": "a"}),
        ValueError, "metadata must have other names"),
    "no network, safetensors": (lambda p: save_safetensors(3, p), TypeError, "model must be"),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_call_is_refused_and_overwrites_nothing(path, name):
    call, error, words = CALLS[name]
    path.write_text("old")
    with pytest.raises(error, match=words):
        call(path)
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert path.read_text() == "old"


@pytest.mark.parametrize("save", [lambda m, p: to_onnx(m, p, (1, 8, 8)), save_safetensors])
def test_an_interrupted_save_leaves_the_old_file(path, save, monkeypatch):
    path.write_text("old")

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(digits_network(), path)
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert path.read_text() == "old"


def test_a_file_that_is_not_there(path):
    for load in (from_onnx, lambda p: load_safetensors(digits_network(), p)):
        with pytest.raises(FileNotFoundError):
            load(path)
        with pytest.raises(TypeError, match="path must be"):
            load(3)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("onnx", lambda p: to_onnx(digits_network(), p, (1, 8, 8))),
        ("onnx", from_onnx),
        ("torch", lambda p: to_torch(digits_network())),
        ("safetensors", lambda p: save_safetensors(digits_network(), p)),
        ("safetensors", lambda p: load_safetensors(digits_network(), p)),
    ],
)
def test_a_library_that_is_missing_is_named_with_its_extra(path, name, call, monkeypatch):
    for module in [name, *(each for each in sys.modules if each.startswith(f"{name}."))]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"pip install 'convdocs\[{name}\]'"):
        call(path)
    assert not path.exists()


# --- Weights: PyTorch and safetensors ------------------------------------------------------------


@settings(max_examples=50)
@given(networks())
def test_the_same_network_in_pytorch(torch, drawn):
    model, shape = drawn
    net = to_torch(model)
    state = net.state_dict()
    assert {k: tuple(v.shape) for k, v in state.items()} == {
        key: array.shape for key, array in model.state_dict().items()
    }
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    with torch.no_grad():
        close(model(x), net(torch.from_numpy(x)).numpy())
    back = CNN([type(layer)(**layer.options) for layer in model.layers])
    back.load_state_dict(state)
    same(back, model)


def test_training_goes_on_in_pytorch_as_here(torch, rng):
    model, other = (stirred(digits_network(), np.random.default_rng(0)) for _ in range(2))
    model.layers[4] = other.layers[4] = Dropout(0)
    net = to_torch(model).train()
    X, y = rng.normal(size=(20, 1, 8, 8)).astype(np.float32), rng.integers(0, 10, 20)
    step = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(3):
        torch.nn.functional.cross_entropy(net(torch.from_numpy(X)), torch.from_numpy(y)).backward()
        step.step()
        step.zero_grad()
    other.load_state_dict(net.state_dict())
    model.fit(X, y, epochs=3, batch_size=20, optimizer=SGD(0.1), rng=0)
    for key, array in model.state_dict().items():
        np.testing.assert_allclose(other.state_dict()[key], array, atol=1e-5)


def test_safetensors_there_and_back(tmp_path):
    model = stirred(digits_network(), np.random.default_rng(3))
    save_safetensors(model, tmp_path / "weights")
    other = digits_network(seed=1)
    load_safetensors(other, tmp_path / "weights")
    same(other, model)
    plain = safetensors.numpy.load_file(tmp_path / "weights")
    assert plain.keys() == model.state_dict().keys()


def test_safetensors_of_pytorch(torch, tmp_path):
    from safetensors.torch import load_file, save_file

    model = stirred(digits_network(), np.random.default_rng(3))
    save_file(to_torch(model).state_dict(), tmp_path / "theirs")
    other = digits_network(seed=1)
    load_safetensors(other, tmp_path / "theirs")
    same(other, model)
    save_safetensors(model, tmp_path / "ours")
    net = to_torch(other)
    net.load_state_dict(load_file(tmp_path / "ours"))


def test_other_weights_are_refused_and_change_nothing(tmp_path):
    model, path = digits_network(), tmp_path / "weights"
    right = model.state_dict()
    wrong = {
        "it lacks": {key: right[key] for key in right if key != "0.bias"},
        "it has": right | {"9.bias": right["0.bias"]},
        "shape": right | {"0.bias": np.zeros(5, np.float32)},
    }
    for words, state in wrong.items():
        path.write_bytes(safetensors.numpy.save(state))
        with pytest.raises(ValueError, match=f"path must hold this network's weights.*{words}"):
            load_safetensors(model, path)
        same(model, digits_network())
    save_safetensors(model, path)
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="path must be a whole safetensors file"):
            load_safetensors(model, path)
    same(model, digits_network())


def test_state_of_pytorch_with_a_wrong_key(torch):
    model = digits_network()
    state = to_torch(model).state_dict()
    del state["0.bias"]
    with pytest.raises(ValueError, match=r"it lacks \['0.bias'\]"):
        model.load_state_dict(state)


# --- Several processes in PyTorch ----------------------------------------------------------------


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_two_processes_of_torchrun_give_the_weights_of_one(torch, tmp_path):
    model = CNN([Conv2d(1, 4, 3, rng=0), ReLU(), MaxPool2d(2), Flatten(), Linear(36, 10, rng=1)])
    model.save(tmp_path / "start.npz")
    script = ROOT / "docs" / "scripts" / "ddp.py"
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += ["--master-addr=127.0.0.1", f"--master-port={free_port()}", script]
    run = subprocess.Popen(
        [*command, tmp_path / "start.npz", tmp_path / "end.npz"],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = run.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)  # torchrun and all that it has started
        raise
    assert run.returncode == 0, said
    digits = data.digits()
    X, y = digits.X_train[:1200], digits.y_train[:1200]
    model.fit(X, y, epochs=5, batch_size=len(X), optimizer=SGD(0.5), rng=0)
    for key, array in CNN.load(tmp_path / "end.npz").state_dict().items():
        np.testing.assert_allclose(array, model.state_dict()[key], atol=1e-5)
    assert f"{model.score(digits.X_test, digits.y_test):.3f}" in said
