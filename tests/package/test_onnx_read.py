"""Graphs of other programs become layers, or what there is no layer for is said, by its name."""

import tracemalloc

import numpy as np
import onnx
import onnx.helper as make
import pytest
from exchanged import close, digits_network, graph, run, same

import convdocs
from convdocs import CNN, BatchNorm2d, Conv2d, Flatten, Linear, ReLU
from convdocs.exchange import from_onnx, onnx_constants, onnx_graph, to_onnx


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


def network(text):
    """Return the network of these layers."""
    return CNN(eval(f"[{text}]", dict(vars(convdocs))))


def refusal(path):
    """Return what the error says, or nothing."""
    try:
        from_onnx(path)
    except ValueError as error:
        return str(error)


r = np.random.default_rng(5)
W, B = r.normal(size=(3, 2, 3, 3)).astype("f4"), r.normal(size=3).astype("f4")
V, D = r.normal(size=(72, 5)).astype("f4"), r.normal(size=5).astype("f4")
Q, G = r.normal(size=(6, 4)).astype("f4"), r.normal(size=(2, 5)).astype("f4")
FOUR = dict(
    zip("ghmv", (np.float32(each) for each in ([1, 2], [3, 4], [5, 6], [7, 8])), strict=True)
)
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
FLAT = ("Flatten", "x", "f", {})
NORM = ("BatchNormalization", "x g h m v", "y")
OLD, NEW = (7, 22), (13, 22)  # the opsets in which a graph is read alike

# Nodes, arrays, first and last opset, and the layers that they are.
GRAPHS = {
    "a bias added": ([("Conv", "x w", "a", {}), ("Add", "a b", "y", {})],
                     {"w": W, "b": B.reshape(1, 3, 1, 1)}, OLD, "Conv2d(2, 3, 3)"),
    "a product and a sum": ([FLAT, ("MatMul", "f v", "m", {}), ("Add", "d m", "y", {})],
                            {"v": V, "d": D}, OLD, "Flatten(), Linear(72, 5)"),
    "a product alone": ([("MatMul", "x q", "y", {})], {"q": Q}, OLD, "Linear(6, 4, bias=False)"),
    "weights turned in the graph": ([FLAT, ("Transpose", "v", "t", {}),
                                     ("Gemm", "f t d", "y", {"transB": 1})],
                                    {"v": V, "d": D}, OLD, "Flatten(), Linear(72, 5)"),
    "no summand": ([FLAT, ("Gemm", "f v", "y", {"alpha": 0.25})],
                   {"v": V}, (11, 22), "Flatten(), Linear(72, 5, bias=False)"),
    "factors": ([FLAT, ("Gemm", "f v d", "y", {"alpha": 0.5, "beta": 2.0})],
                {"v": V, "d": D[None]}, OLD, "Flatten(), Linear(72, 5)"),
    "one summand for all": ([FLAT, ("Gemm", "f v d", "y", {"transB": 1})],
                            {"v": V.T.copy(), "d": np.float32(2)}, OLD, "Flatten(), Linear(72, 5)"),
    "weights under another name": ([("Identity", "w", "u", {}), ("Identity", "x", "a", {}),
                                    ("Conv", "a u b", "y", {})],
                                   {"w": W, "b": B}, OLD, "Conv2d(2, 3, 3)"),
    "a computed size": (SIZED, {}, NEW, "Flatten()"),
    "a size with -1": ([("Reshape", "x to", "y", {})], {"to": [-1, 72]}, OLD, "Flatten()"),
    "a size with 0": ([("Reshape", "x to", "y", {})], {"to": [0, -1]}, OLD, "Flatten()"),
    "the same size": ([("Reshape", "x to", "a", {}), ("Relu", "a", "y", {})],
                      {"to": [0, 2, -1, 6]}, OLD, "ReLU()"),
    "another axis": ([("Flatten", "x", "y", {"axis": -3})], {}, (11, 22), "Flatten()"),
    "same, above": ([(*CONV, {"auto_pad": "SAME_UPPER"})], {"w": W[:, :, :2]}, OLD,
                    "Conv2d(2, 3, (2, 3), padding='same', bias=False)"),
    "same, below, odd": ([(*CONV, {"auto_pad": "SAME_LOWER"})], {"w": W}, OLD,
                         "Conv2d(2, 3, 3, padding=1, bias=False)"),
    "same, in numbers": ([(*CONV, {"pads": [0, 1, 1, 1]})], {"w": W[:, :, :2]}, OLD,
                         "Conv2d(2, 3, (2, 3), padding='same', bias=False)"),
    "same, with a stride": ([(*CONV, {"auto_pad": "SAME_UPPER", "strides": [5, 5]})], {"w": W},
                            OLD, "Conv2d(2, 3, 3, 5, padding=1, bias=False)"),
    "not padded": ([(*CONV, {"auto_pad": "VALID", "strides": [2, 1]})], {"w": W}, OLD,
                   "Conv2d(2, 3, 3, (2, 1), 'valid', bias=False)"),
    "padded by another node": ([("Pad", "x p", "a", {}), ("Conv", "a w", "y", {})],
                               {"w": W, "p": [0, 0, 1, 2, 0, 0, 1, 2]}, (11, 22),
                               "Conv2d(2, 3, 3, padding=(1, 2), bias=False)"),
    "padded by an older one": ([("Pad", "x", "a", {"pads": [0, 0, 1, 2, 0, 0, 1, 2]}),
                                ("Conv", "a w", "y", {"pads": [1, 0, 1, 0]})], {"w": W}, (7, 10),
                               "Conv2d(2, 3, 3, padding=(2, 2), bias=False)"),
    "a window's default stride": ([("MaxPool", "x", "y", {"kernel_shape": [2, 3]})], {}, OLD,
                                  "MaxPool2d((2, 3), 1)"),
    "a last window over the border": ([("MaxPool", "x", "y", {
        "kernel_shape": [2, 2], "strides": [4, 5], "pads": [1] * 4, "ceil_mode": 1})], {}, (10, 22),
        "MaxPool2d(2, (4, 5), 1, ceil_mode=True)"),
    "a border at the end alone": ([("MaxPool", "x", "y", {
        "kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"})], {}, OLD,
        "MaxPool2d(3, 2, ceil_mode=True)"),
    "a border of minus infinity": ([("Pad", "x p low", "a", {}), ("MaxPool", "a", "y", {
        "kernel_shape": [2, 2]})], {"p": [0, 0, 1, 1, 0, 0, 1, 1], "low": np.float32(-np.inf)},
        (11, 22), "MaxPool2d(2, 1, 1)"),
    "padding that does not count": ([("AveragePool", "x", "y", {
        "kernel_shape": [2, 2], "pads": [1] * 4, "strides": [2, 2]})], {}, OLD,
        "AvgPool2d(2, padding=1, count_include_pad=False)"),
    "padding that counts": ([("AveragePool", "x", "y", {
        "kernel_shape": [3, 3], "pads": [1] * 4, "strides": [2, 2], "ceil_mode": 1,
        "count_include_pad": 1})], {}, (10, 22), "AvgPool2d(3, 2, 1, True)"),
    "whole maps": ([("GlobalAveragePool", "x", "y", {})], {}, OLD, "AvgPool2d(6)"),
    "largest of whole maps": ([("GlobalMaxPool", "x", "y", {})], {}, OLD, "MaxPool2d(6)"),
    "whole maps as rows": ([("GlobalAveragePool", "x", "a", {}), ("Squeeze", "a s", "y", {})],
                           {"s": [3, -2]}, NEW, "AvgPool2d(6), Flatten()"),
    "whole maps as rows, older": ([("GlobalAveragePool", "x", "a", {}),
                                   ("Squeeze", "a", "y", {"axes": [2, 3]})], {}, (7, 12),
                                  "AvgPool2d(6), Flatten()"),
    "a mean": ([("ReduceMean", "x a", "y", {})], {"a": [-1, -2]}, (18, 22), "AvgPool2d(6)"),
    "a mean, older": ([("ReduceMean", "x", "y", {"axes": [3, 2]})], {}, (7, 17), "AvgPool2d(6)"),
    "a mean of columns": ([("ReduceMean", "x a", "y", {"keepdims": 1})], {"a": [-1]}, (18, 22),
                          "AvgPool2d((1, 6))"),
    "a mean without its axes": ([("ReduceMean", "x a", "f", {"keepdims": 0}),
                                 ("Gemm", "f q d", "y", {})], {"a": [2, 3], "q": G, "d": D},
                                (18, 22), "AvgPool2d(6), Flatten(), Linear(2, 5)"),
    "a mean without its axes, older": ([("ReduceMean", "x", "f", {"axes": [2, -1], "keepdims": 0}),
                                        ("Gemm", "f q d", "y", {})], {"q": G, "d": D}, (11, 17),
                                       "AvgPool2d(6), Flatten(), Linear(2, 5)"),
    "a maximum without its axes": ([("ReduceMax", "x a", "y", {"keepdims": 0})], {"a": [2, 3]},
                                   (18, 22), "MaxPool2d(6), Flatten()"),
    "a mean over nothing": ([("ReduceMean", "x", "a", {"noop_with_empty_axes": 1}),
                             ("Relu", "a", "y", {})], {}, (18, 22), "ReLU()"),
    "a mean that would be nothing without its axes": (
        [("ReduceMean", "x a", "y", {"noop_with_empty_axes": 1})], {"a": [2, 3]}, (18, 22),
        "AvgPool2d(6)"),
    "statistics": ([(*NORM, {"epsilon": 0.01, "momentum": 0.75})], FOUR, OLD,
                   "BatchNorm2d(2, 0.01, 0.25)"),
    "statistics by default": ([(*NORM, {})], FOUR, OLD, "BatchNorm2d(2)"),
    "dropout": ([("Dropout", "x r", "y", {})], {"r": np.float32(0.1)}, (12, 22), "Dropout(0.1)"),
    "dropout, older": ([("Dropout", "x", "y", {"ratio": 0.3})], {}, (7, 11), "Dropout(0.3)"),
    "dropout by default": ([("Dropout", "x", "y mask", {})], {}, OLD, "Dropout(0.5)"),
    "dropout for inference": ([("Dropout", "x r t", "y", {})],
                              {"r": np.float32(0.25), "t": np.array(False)}, (12, 22),
                              "Dropout(0.25)"),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("N", ["N", 2])
def test_a_graph_of_another_program_becomes_layers(path, name, N, rng):
    nodes, arrays, (first, last), text = GRAPHS[name]
    to = arrays.get("to", [0])
    if N == 2 and to[0] == -1:
        arrays = {"to": [2, 72]}  # as written for a fixed number of images
    x = rng.normal(size=(2, 2, 6, 6)).astype(np.float32)
    for opset in range(first, last + 1):
        graph(path, nodes, (N, 2, 6, 6), opset, **arrays)
        model = from_onnx(path)
        assert repr(model) == repr(network(text)), opset
        close(model(x), run(path, x))


SUMMANDS = [(), (1,), (5,), (1, 5), (1, 1), (1, 1, 1, 5)]


@pytest.mark.parametrize("shape", SUMMANDS)
@pytest.mark.parametrize("order", ["m d", "d m"])
def test_a_summand_is_a_bias_if_it_keeps_the_shape(path, shape, order, rng):
    arrays = {"d": rng.normal(size=shape).astype(np.float32)}
    x = rng.normal(size=(2, 2, 6, 6)).astype(np.float32)
    for maps in (False, True):  # rows, or the last axis of maps
        if not maps and len(shape) > 2:
            continue
        arrays["v"] = rng.normal(size=(6 if maps else 72, 5)).astype(np.float32)
        nodes = [("MatMul", f"{'x' if maps else 'f'} v", "m", {}), ("Add", order, "y", {})]
        graph(path, nodes if maps else [FLAT, *nodes], **arrays)
        model = from_onnx(path)
        assert model.layers[-1].params["bias"].shape == (5,)
        close(model(x), run(path, x))


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (3, 1, 1), (1, 3, 1, 1), (1, 1, 1, 1)])
def test_a_summand_of_maps_is_a_bias_if_it_is_one_number_a_channel(path, shape, rng):
    nodes = [("Conv", "x w", "m", {}), ("Add", "m d", "y", {})]
    graph(path, nodes, w=W, d=rng.normal(size=shape).astype(np.float32))
    x = rng.normal(size=(2, 2, 6, 6)).astype(np.float32)
    close(from_onnx(path)(x), run(path, x))


@pytest.mark.parametrize(
    ("nodes", "shapes"),
    [
        ([FLAT, ("MatMul", "f v", "m", {}), ("Add", "m d", "y", {})],
         [(1, 1, 5), (1, 1, 1), (2, 5), (2, 1), (1, 1, 1, 5), (4,), (0,)]),
        ([FLAT, ("Gemm", "f v d", "y", {})], [(2, 5), (2, 1), (1, 1, 5), (4,)]),
        ([("Conv", "x w", "m", {}), ("Add", "m d", "y", {})],
         [(4,), (1, 4), (3, 4, 4), (2, 3, 1, 1), (1, 1, 3, 1, 1), (3,), (3, 1)]),
        ([("MatMul", "x q", "m", {}), ("Add", "m d", "y", {})],
         [(6, 1), (2, 1, 1), (2, 6, 4), (1, 1, 1, 1, 4)]),
    ],
)  # fmt: skip
def test_a_summand_that_is_no_bias_is_refused(path, nodes, shapes):
    weights = {"v": V, "w": W, "q": Q}
    for shape in shapes:
        graph(path, nodes, (2, 2, 6, 6), d=np.ones(shape, np.float32), **weights)
        assert f"(n{len(nodes) - 1}): a bias of shape {shape}" in refusal(path)


def test_axes_of_one_number_before_a_row_make_no_difference(path, rng):
    x = rng.normal(size=(2, 1, 1, 6)).astype(np.float32)
    for axis in range(-5, 6):
        graph(path, [("Flatten", "x", "y", {"axis": axis})], ("N", 1, 1, 6))
        if axis in (-3, -2, -1, 1, 2, 3):
            close(from_onnx(path)(x), run(path, x))
        else:
            assert f"axis={axis}, not 1" in refusal(path)


def test_images_of_an_open_size(path, rng):
    graph(path, [("Conv", "x w b", "a", {}), ("Relu", "a", "y", {})], ("N", 2, "H", "W"), w=W, b=B)
    model = from_onnx(path)
    for side in (5, 8):
        x = rng.normal(size=(2, 2, side, side)).astype(np.float32)
        close(model(x), run(path, x))


SMALLER = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
BLOCKS = {  # nodes that halve maps and double them, their weights, and a size that comes back
    "even": (
        [("MaxPool", "z", "h", {"kernel_shape": [2, 2], "strides": [2, 2]}),
         ("ConvTranspose", "h w", "d", {"strides": [2, 2]})], W[:2, :, :2, :2], 6),
    "odd": ([("Conv", "z w", "h", SMALLER), ("ConvTranspose", "h w", "d", SMALLER)], W, 5),
}  # fmt: skip


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize(
    "before", [[("Relu", "x", "z", {})], [("Shape", "x", "s", {}), ("Reshape", "x s", "z", {})]]
)
def test_a_block_that_halves_images_of_an_open_size_and_doubles_them(path, name, before, rng):
    nodes, weight, side = BLOCKS[name]
    graph(path, [*before, *nodes, ("Add", "d z", "y", {})], ("N", 2, "H", "W"), w=weight)
    model = from_onnx(path)
    x = rng.normal(size=(2, 2, side, side + 4)).astype(np.float32)
    close(model(x), run(path, x))
    with pytest.raises(ValueError, match="x must get one shape by both ways"):
        model(x[:, :, 1:])


def test_a_border_that_depends_on_an_open_size_is_refused(path):
    odd = [("Shape", "x", "s", {"start": 2}), ("Mod", "s two", "r", {})]
    pad = [("Concat", "none r none r", "p", {"axis": 0}), ("Pad", "x p", "a", {})]
    arrays = {"two": np.array([2, 2]), "none": np.zeros(2, int), "w": W}
    graph(path, [*odd, *pad, ("Conv", "a w", "y", {})], ("N", 2, "H", "W"), opset=18, **arrays)
    assert "layers that depend on the number of images or on their size" in refusal(path)


@pytest.mark.parametrize("shape", [("N", 2, "H", "W"), ("N", "C", "H", 6), (1, 2, 6, "W")])
def test_rows_of_images_of_an_open_size(path, shape, rng):
    nodes = [("Conv", "x w", "a", {}), *SIZED[:-1], ("Reshape", "a to", "f", {})]
    graph(
        path,
        [*nodes, ("Gemm", "f v", "y", {})],
        shape,
        w=W,
        v=rng.normal(size=(48, 5)).astype("f4"),
    )
    model = from_onnx(path)
    x = rng.normal(size=(1, 2, 6, 6)).astype(np.float32)
    close(model(x), run(path, x))


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


# --- What is constant -----------------------------------------------------------------------------

P = np.abs(Q) + 1
I8 = np.int64
CONSTANTS = {  # nodes that compute weights q of shape (6, 4) from p and others
    "negated": [("Neg", "p", "q", {})],
    "a quotient": [("Div", "p two", "q", {})],
    "powers and roots": [("Pow", "p two", "a", {}), ("Sqrt", "a", "q", {})],
    "chosen": [("Greater", "p two", "c", {}), ("Where", "c p two", "q", {})],
    "filled": [("ConstantOfShape", "size", "q", {"value": make.make_tensor("v", 1, [1], [0.5])})],
    "counted": [("Range", "zero most one", "a", {}), ("Reshape", "a size", "q", {})],
    "stretched": [("Expand", "two size", "q", {})],
    "repeated": [("Slice", "p start stop", "a", {}), ("Tile", "a times", "q", {})],
    "clipped": [("Clip", "p one two", "q", {})],
    "normalised": [("Softmax", "p", "q", {"axis": -1})],
    "summed": [("ReduceSum", "p last", "a", {}), ("Div", "p a", "q", {})],
    "cast": [("Cast", "p", "a", {"to": 11}), ("Cast", "a", "q", {"to": 1})],
    "multiplied": [("Transpose", "p", "t", {}), ("MatMul", "p t", "a", {}),
                   ("Gemm", "a p", "q", {})],
    "convolved": [("Unsqueeze", "p axes", "a", {}), ("Conv", "a kernel", "b", {}),
                  ("Squeeze", "b axes", "q", {})],
    "joined": [("Split", "p", "a b", {"axis": 1, "num_outputs": 2}),
               ("Concat", "b a", "q", {"axis": 1})],
    "of the size of maps": [("Shape", "x", "s", {"start": 2, "end": 3}),
                            ("Concat", "s four", "t", {"axis": 0}), ("Expand", "two t", "q", {})],
    "gathered where it is not 0": [("NonZero", "p", "a", {}), ("Cast", "a", "b", {"to": 1}),
                                   ("ReduceSum", "b", "c", {}), ("Mul", "p c", "q", {})],
}  # fmt: skip


@pytest.mark.parametrize("name", CONSTANTS)
def test_what_does_not_depend_on_the_image_is_computed(path, name, rng):
    known = {
        "p": P,
        "two": np.float32(2),
        "zero": np.float32(0),
        "one": np.float32(1),
        "most": np.float32(24),
        "size": [6, 4],
        "start": [0, 0],
        "stop": [3, 4],
        "times": [2, 1],
        "last": [1],
        "axes": [0, 1],
        "kernel": np.full((1, 1, 1, 1), 3, np.float32),
        "four": [4],
    }
    nodes = CONSTANTS[name]
    used = {each for _, inputs, _, _ in nodes for each in inputs.split()}
    graph(
        path,
        [*nodes, ("MatMul", "x q", "y", {})],
        opset=19,
        **{key: known[key] for key in known if key in used},
    )
    model = from_onnx(path)
    assert repr(model) == repr(network("Linear(6, 4, bias=False)"))
    x = rng.normal(size=(2, 2, 6, 6)).astype(np.float32)
    close(model(x), run(path, x))


OLD = [  # what an operator was in an old version of the standard
    (9, ("Softmax", "w", "q", {})),
    (12, ("Softmax", "w", "q", {"axis": 2})),
    (11, ("LogSoftmax", "w", "q", {})),
    (7, ("BatchNormalization", "w g h m v", "q", {})),
    (13, ("BatchNormalization", "w g h m v", "q", {})),
    (9, ("Upsample", "w scales", "q", {})),
    (10, ("Resize", "w scales", "q", {})),
    (13, ("DequantizeLinear", "w8 half", "q", {})),
    (10, ("Clip", "w", "q", {"min": -0.5, "max": 0.5})),
    (7, ("Selu", "w", "q", {})),
]


@pytest.mark.parametrize(("opset", "node"), OLD)
def test_a_constant_of_an_old_operator_is_what_it_was_then(path, opset, node, rng):
    known = FOUR | {"w": W[:1], "w8": np.int8(9 * W[:1]), "half": np.float32(0.5)}
    known["scales"] = np.float32([1, 1, 2, 2])
    used = {key: known[key] for key in node[1].split()}
    graph(path, [node, ("Conv", f"x {node[2]}", "y", {})], opset=opset, **used)
    x = rng.normal(size=(2, 2, 6, 6)).astype(np.float32)
    close(from_onnx(path)(x), run(path, x))


@pytest.mark.parametrize(
    ("opset", "node"),
    [
        (11, ("Hardmax", "w", "q", {})),
        (13, ("LRN", "w", "q", {"size": 3})),
        (13, ("LpNormalization", "w", "q", {"p": 1})),
        (18, ("LpPool", "w", "q", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1})),
        (12, ("MaxPool", "w", "q", {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER"})),
        (17, ("MaxPool", "w", "q", {"kernel_shape": [2, 2], "pads": [0, 0, 1, 0]})),
        (17, ("MaxPool", "w", "q", {"kernel_shape": [3, 3], "pads": [1, 0, 1, 0]})),
        (18, ("MaxPool", "w", "q", {"kernel_shape": [3, 3], "pads": [1] * 4, "ceil_mode": 1})),
        (19, ("ConvTranspose", "w k", "q", {"group": 2})),
        (9, ("Upsample", "w scales", "q", {"mode": "linear"})),
        (10, ("Resize", "w scales", "q", {"mode": "linear"})),
        (13, ("LogSoftmax", "far", "q", {"axis": 1})),
    ],
)
def test_a_constant_that_onnx_computes_wrongly_is_refused(path, opset, node):
    known = dict(w=W[:1], k=W[:2, :1], scales=np.float32([1, 1, 2, 2]))
    known["far"] = np.float32([0, 200]).reshape(1, 2, 1, 1).repeat(2, axis=3)
    used = {key: known[key] for key in node[1].split()}
    graph(path, [node, ("Conv", "x q", "y", {})], opset=opset, **used)
    error = refusal(path)
    assert f"{node[0]} (n0): " in error
    assert "computes this constant wrongly" in error or "not finite" in error


def test_a_pooling_that_rounds_up_behind_a_border_is_refused(path):
    pool = ("MaxPool", "a", "y", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1})
    borders = dict(p=[0, 0, 1, 1, 0, 0, 1, 1], low=np.float32(-np.inf))
    graph(path, [("Pad", "x p low", "a", {}), pool], ("N", 2, 5, 5), 22, **borders)
    assert "ceil_mode=1 behind a Pad" in refusal(path)


def test_the_size_of_maps_with_a_known_number_of_images(path, rng):
    nodes = [
        ("Relu", "x", "a", {}),
        ("Shape", "x", "s", {}),
        ("ReduceProd", "s", "all", {}),
        ("Size", "x", "n", {}),
        ("Div", "all n", "one", {}),
        ("Concat", "two one", "t", {"axis": 0}),
        ("Mul", "t factors", "to", {}),
        ("Reshape", "a to", "y", {}),
    ]
    graph(path, nodes, (2, 2, 6, 6), two=[2], factors=[1, 72])
    assert repr(from_onnx(path)) == repr(network("ReLU(), Flatten()"))


def test_what_depends_on_the_number_of_images_is_refused(path):
    nodes = [*SIZED[:3], ("Cast", "n", "c", {"to": 1}), ("Mul", "q c", "m", {})]
    graph(path, [*nodes, ("MatMul", "x m", "y", {})], q=Q)
    assert "depend on the number of images" in refusal(path)
    for N in (8191, 8161):  # whatever may stand for it
        graph(path, [("Reshape", "x to", "y", {})], to=[N, 72])
        assert f"Reshape (n0): the shape [{N}, 72]" in refusal(path)


MATMUL = ("MatMul", "x q", "y", {})
HOSTILE = {
    "doubled": ([("Concat", f"a{n} a{n}", f"a{n + 1}", {"axis": 0}) for n in range(50)],
                {"a0": Q}),
    "filled": ([("ConstantOfShape", "s", "q", {})], {"s": [10**6, 10**6]}),
    "stretched": ([("Expand", "v s", "q", {})], {"v": np.float32(1), "s": [10**6, 10**6]}),
    "repeated": ([("Tile", "v s", "q", {})], {"v": Q, "s": [10**6, 10**6]}),
    "enlarged": ([("Resize", "v - s", "q", {})],
                 {"v": Q[None, None], "s": np.float32([1, 1, 1e5, 1e5])}),
    "counted": ([("Range", "a b c", "q", {})], {"a": I8(0), "b": I8(10**13), "c": I8(1)}),
    "padded": ([("Pad", "v s", "q", {})], {"v": Q, "s": [0, 0, 10**9, 10**9]}),
    "spread": ([("OneHot", "i d v", "q", {})],
               {"i": [1], "d": I8(10**12), "v": np.float32([0, 1])}),
    "a product of columns": ([("MatMul", "v w", "q", {})],
                             {"v": np.ones((10**5, 1), "f4"), "w": np.ones((1, 10**5), "f4")}),
    "a sum of columns": ([("Add", "v w", "q", {})],
                         {"v": np.ones((10**5, 1), "f4"), "w": np.ones((1, 10**5), "f4")}),
    "a large window": ([("MaxPool", "v", "q", {
        "kernel_shape": [10**5] * 2, "pads": [5 * 10**4] * 4})], {"v": Q[None, None]}),
    "many sums": ([("Einsum", " ".join("v" * 6), "q", {"equation": "ab,cd,ef,gh,ij,kl->"})],
                  {"v": np.ones((100, 100), "f4")}),
    "spread from few": ([("Constant", "", "q", {"sparse_value": make.make_sparse_tensor(
        make.make_tensor("q", 1, [1], [1.0]), make.make_tensor("i", 7, [1], [3]),
        [10**6, 10**6])})], {}),
}  # fmt: skip


@pytest.mark.parametrize(("nodes", "arrays"), HOSTILE.values(), ids=HOSTILE)
def test_a_constant_out_of_all_proportion_is_refused_before_it_is_made(path, nodes, arrays):
    last = nodes[-1][2]
    graph(path, [*nodes, ("MatMul", f"x {last}", "y", {})], **arrays)
    tracemalloc.start()
    error = refusal(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert f"got {str(path)!r}, which has {nodes[0][0]} (n" in error
    assert "out of all proportion" in error or "takes too long" in error
    assert peak < 64e6
    assert ";" not in error  # what would follow from the constant is not listed


def test_many_constants_of_a_few_numbers_are_refused_too(path, monkeypatch):
    monkeypatch.setattr(onnx_constants, "LEAST", 8 * onnx_constants.NODE)
    for count, refused in {8: False, 9: True}.items():
        nodes = [("Identity", f"a{n}", f"a{n + 1}", {}) for n in range(count)]
        graph(path, [*nodes, ("MatMul", f"x a{count}", "y", {})], (2, 6), a0=Q)
        if refused:
            assert "which has Identity (n8): it makes constants out of all prop" in refusal(path)
        else:
            from_onnx(path)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (("RandomNormal", "", "q", {"shape": [6, 4]}), "no constant that can be computed"),
        (("Bernoulli", "p", "q", {}), "no constant that can be computed"),
        (("Dropout", "p", "q", {}), "no constant that can be computed"),
        (("Constant", "", "q", {"value_string": "text"}), "no array of numbers"),
        (("SequenceConstruct", "p p", "q", {}), "cannot be told beforehand"),
        (("MatMul", "p p", "q", {}), "MatMul"),
    ],
)
def test_a_constant_that_cannot_be_computed_is_refused(path, node, words):
    graph(path, [node, MATMUL], p=P)
    error = refusal(path)
    assert f"{node[0]} (n0): " in error
    assert words in error


SIDE = 2**40
LARGE = {
    "a window": ([("MaxPool", "x", "y", {"kernel_shape": [30_000] * 2, "pads": [15_000] * 4})],
                 (1, 2, 6, 6)),
    "an average": ([("AveragePool", "x", "y", {"kernel_shape": [1, 1]})], (1, 1, SIDE, 4096)),
    "whole maps": ([("GlobalAveragePool", "x", "y", {})], (1, 1, 30_000, 30_000)),
    "images": ([(*CONV, {})], (1, 2, SIDE, 4096)),
    "rows": ([("Flatten", "x", "y", {})], (1, 1, SIDE, 4096)),
}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_large_images_and_windows_cost_nothing_to_read(path, name):
    nodes, shape = LARGE[name]
    graph(path, nodes, shape, **({"w": W} if name == "images" else {}))
    tracemalloc.start()
    assert len(from_onnx(path).layers) == 1
    assert tracemalloc.get_traced_memory()[1] < 4e6
    tracemalloc.stop()


# --- What there is no layer for -------------------------------------------------------------------

REFUSED = {
    "every unknown operator at once": (
        [("Softplus", "x", "a", {}), ("Relu", "a", "b", {}), ("Softmax", "b", "c", {}),
         ("Shape", "c", "s", {}), ("Gather", "s i", "n", {}),
         ("LSTM", "c w w", "y", {"hidden_size": 3})], {"w": W, "i": I8(0)},
        ["which has Softplus (n0); Softmax (n2); LSTM (n5)"]),
    "a sum of maps and themselves": (
        [("Relu", "x", "a", {}), ("Add", "a a", "y", {})], {}, ["Add (n1): a sum of maps with"]),
    "a sum of maps of two sizes": (
        [("MaxPool", "x", "a", {"kernel_shape": [2, 2]}), ("Add", "x a", "y", {})], {},
        ["Add (n1): a sum of maps of [2, 6, 6] and [2, 5, 5]"]),
    "ways that share a layer and do not part there": (
        [("Relu", "x", "a", {}), ("Tanh", "a", "b", {}), ("Relu", "b", "c", {}),
         ("Add", "c a", "d", {}), ("Relu", "b", "e", {}), ("Add", "d e", "y", {})], {},
        ["Add (n5): ", "a layer of its own, got one twice"]),
    "a product of two ways": (
        [("Relu", "x", "a", {}), ("Mul", "x a", "y", {})], {}, ["which has Mul (n1)"]),
    "a bias of maps that others take, too": (
        [("Conv", "x w", "a", {}), ("Identity", "a", "i", {}), ("Add", "i c", "b", {}),
         ("Add", "a b", "y", {})], {"w": W, "c": B[:, None, None]}, ["Add (n2): only a bias"]),
    "a bias of maps that others take before they are passed on": (
        [("Conv", "x w", "a", {}), ("Identity", "a", "i", {}), ("Identity", "i", "j", {}),
         ("Add", "j c", "b", {}), ("Relu", "b", "d", {}), ("Add", "a d", "y", {})],
        {"w": W, "c": B[:, None, None]}, ["Add (n3): only a bias"]),
    "a border of channels at their end": (
        [("Pad", "x p low", "a", {}), ("MaxPool", "a", "y", {"kernel_shape": [2, 2]})],
        {"p": [0, 0, 1, 1, 0, 1, 1, 1], "low": np.float32(-np.inf)}, ["Pad (n0): pads=[0, 0, 1"]),
    "a border that is cut off and added again": (
        [("Pad", "x p", "a", {}), ("Conv", "a w", "y", {"pads": [1] * 4})],
        {"w": W, "p": [0, 0, -1, -1, 0, 0, -1, -1]}, ["Pad (n0): pads=[0, 0, -1"]),
    "a border whose axes are given": (
        [("Pad", "x p v e", "a", {}), ("Conv", "a w", "y", {})],
        {"w": W, "p": [0, 0, 1, 2, 0, 0, 1, 2], "v": np.float32(0), "e": [0, 1, 3, 2]},
        ["Pad (n0): only a border of one number, of all axes"]),
    "a way that ends beside the output": (
        [("Relu", "x", "y", {}), ("Relu", "x", "a", {})], {}, ["the output y, not the last"]),
    "a border that a sum does not take": (
        [("Relu", "x", "a", {}), ("Pad", "a p", "b", {}), ("Add", "b x", "y", {})],
        {"p": [0, 0, 1, 1, 0, 0, 1, 1]}, ["Add (n2): it does not take the border"]),
    "an output of a size that is said": (
        [("ConvTranspose", "x u", "y", {"output_shape": [9, 9]})], {"u": W.swapaxes(0, 1)},
        ["ConvTranspose (n0): output_shape"]),
    "borders of an output that programs work out": (
        [("ConvTranspose", "x u", "y", {"auto_pad": "SAME_UPPER"})], {"u": W.swapaxes(0, 1)},
        ["ConvTranspose (n0): output_shape or auto_pad"]),
    "an added border that is too wide": (
        [("ConvTranspose", "x u", "y", {"output_padding": [1, 1]})], {"u": W.swapaxes(0, 1)},
        ["ConvTranspose (n0): output_padding must be smaller"]),
    "a second output": (
        [("MaxPool", "x", "a b", {"kernel_shape": [2, 2]}), ("Relu", "b", "y", {})], {},
        ["Relu (n1): it is not behind"]),
    "an end before the end": (
        [("Relu", "x", "y", {}), ("Flatten", "y", "z", {})], {}, ["the output y, not the last"]),
    "an end that is constant": (
        [("Relu", "x", "a", {}), ("Neg", "q", "y", {})], {"q": Q}, ["the output y, not the last"]),
    "borders that differ": (
        [(*CONV, {"pads": [0, 0, 1, 1]})], {"w": W}, ["Conv (n0): borders [(0, 1), (0, 1)]"]),
    "windows' borders that differ": (
        [("MaxPool", "x", "y", {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER"})], {},
        ["MaxPool (n0): borders [(1, 0), (1, 0)]"]),
    "averages' borders that differ": (
        [("AveragePool", "x", "y", {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER"})], {},
        ["AveragePool (n0): borders [(0, 1), (0, 1)]"]),
    "same, below, even": (
        [(*CONV, {"auto_pad": "SAME_LOWER"})], {"w": W[:, :, :2, :2]}, ["borders [(1, 0)"]),
    "a border that is lost": (
        [("Pad", "x p", "y", {})], {"p": [0, 0, 1, 1, 0, 0, 1, 1]}, ["the output y, not the last"]),
    "a border of zeros for a maximum": (
        [("Pad", "x p", "a", {}), ("MaxPool", "a", "y", {"kernel_shape": [2, 2]})],
        {"p": [0, 0, 1, 1, 0, 0, 1, 1]}, ["MaxPool (n1): a border of 0.0 before it"]),
    "a border before what takes none": (
        [("Pad", "x p", "a", {}), ("Relu", "a", "y", {})],
        {"p": [0, 0, 1, 1, 0, 0, 1, 1]}, ["Relu (n1): it does not take the border"]),
    "a border of channels": (
        [("Pad", "x p", "a", {}), ("Conv", "a w", "y", {})],
        {"p": [0, 1, 0, 0, 0, 1, 0, 0], "w": W}, ["Pad (n0): pads=[0, 1,"]),
    "a border that mirrors": (
        [("Pad", "x p", "a", {"mode": "reflect"}), ("Conv", "a w", "y", {})],
        {"p": [0, 0, 1, 1, 0, 0, 1, 1], "w": W}, ["Pad (n0): only a border of one number"]),
    "a border of whole numbers": (
        [("Pad", "x p v", "a", {}), ("Conv", "a w", "y", {})],
        {"p": [0, 0, 1, 1, 0, 0, 1, 1], "v": I8(0), "w": W}, ["Pad (n0): a border of int64"]),
    "borders of half a pixel": (
        [("Pad", "x p", "a", {}), ("Conv", "a w", "y", {})],
        {"p": np.full(8, 0.5), "w": W}, ["Pad (n0): float64 of shape (8,), not a list"]),
    "axes in a table": ([("ReduceMean", "x a", "y", {})], {"a": [[2, 3]]},
                        ["ReduceMean (n0): int64 of shape (1, 2), not a list of integers"]),
    "another axis": ([("Flatten", "x", "y", {"axis": 2})], {}, ["axis=2, not 1"]),
    "no axis": ([("Flatten", "x", "y", {"axis": 0})], {}, ["axis=0, not 1"]),
    "another size": ([("Reshape", "x to", "y", {})], {"to": [-1, 36]}, ["the shape [-1, 36]"]),
    "a size of no numbers": (
        [("Reshape", "x to", "y", {"allowzero": 1})], {"to": [0, 72]}, ["the shape [0, 72]"]),
    "two open sizes": (
        [("Reshape", "x to", "y", {})], {"to": [-1, -1]}, ["the shape [-1, -1]"]),
    "an axis left out that is none": (
        [("Squeeze", "x s", "y", {})], {"s": [2, 3]}, ["Squeeze (n0): axes=[2, 3]"]),
    "whichever axes of one number": (
        [("GlobalMaxPool", "x", "a", {}), ("Squeeze", "a", "y", {})], {},
        ["Squeeze (n1): no axes", "the images among them"]),
    "half precision": ([MATMUL], {"q": Q.astype("f2")}, ["MatMul (n0): weight of float16"]),
    "double precision": ([MATMUL], {"q": Q.astype("f8")}, ["MatMul (n0): weight of float64"]),
    "whole numbers": ([MATMUL], {"q": Q.astype("i8")}, ["MatMul (n0): weight of int64"]),
    "weights of one axis": ([MATMUL], {"q": Q[:, 0]}, ["weights of shape (6,), not (in, out)"]),
    "weights of three axes": ([MATMUL], {"q": Q[None]}, ["weights of shape (1, 6, 4)"]),
    "weights before the maps": (
        [("MatMul", "q x", "y", {})], {"q": np.ones((6, 6), "f4")},
        ["MatMul (n0): its first input is a constant"]),
    "a product of maps that takes rows": ([("Gemm", "x q", "y", {})], {"q": Q},
                                          ["Gemm (n0): maps of 3 axes"]),
    "images turned": ([FLAT, ("Gemm", "f v", "y", {"transA": 1})], {"v": V}, ["transA=1"]),
    "another mean": ([("ReduceMean", "x a", "y", {})], {"a": [1]}, ["axes=[1], other axes"]),
    "a mean of one axis that goes": (
        [("ReduceMean", "x a", "y", {"keepdims": 0})], {"a": [3]}, ["keepdims=0 with axes=[3]"]),
    "an axis twice": ([("ReduceMean", "x a", "y", {})], {"a": [3, -1]}, ["axes=[3, -1]"]),
    "an axis that there is not": ([("ReduceMax", "x a", "y", {})], {"a": [2, 7]}, ["axes=[2, 7]"]),
    "a mean of all": (
        [("ReduceMean", "x", "y", {})], {}, ["no axes, which stands for all, the images among"]),
    "a sum without weights": ([("Add", "x d", "y", {})], {"d": D}, ["only a bias"]),
    "a second bias": (
        [("Conv", "x w b", "a", {}), ("Add", "a c", "y", {})],
        {"w": W, "b": B, "c": B[:, None, None]}, ["Add (n1): only a bias"]),
    "a sum behind an activation": (
        [("Conv", "x w", "a", {}), ("Relu", "a", "r", {}), ("Add", "r c", "y", {})],
        {"w": W, "c": B[:, None, None]}, ["Add (n2): only a bias"]),
    "training": (
        [("BatchNormalization", "x g h m v", "y a b", {"training_mode": 1})], FOUR,
        ["training_mode; export the network for inference"]),
    "training that is computed": (
        [("Not", "no", "t", {}), ("Dropout", "x r t", "y", {})],
        {"r": np.float32(0.5), "no": np.array(False)}, ["Dropout (n1): training_mode"]),
    "a ratio that is none": (
        [("Dropout", "x r", "y", {})], {"r": np.float32(2)}, ["Dropout (n0): p must be"]),
    "a ratio of two": (
        [("Dropout", "x r", "y", {})], {"r": np.float32([0.1, 0.2])}, ["a ratio of float32"]),
    "statistics of another size": ([(*NORM, {})], FOUR | {"m": B}, ["running_mean of shape (3,)"]),
    "a function": (
        [("Conv", "x w", "y", {"domain": "org.example"})], {"w": W}, ["org.example.Conv (n0)"]),
    "a kernel that moves": (
        [("Relu", "x", "a", {}), ("MatMul", "a a", "y", {})], {}, ["MatMul (n1): it takes more"]),
    "images that do not fit": ([(*CONV, {})], {"w": W[:, :1]}, ["Conv (n0): x must have 1"]),
    "maps that do not fit": (
        [("Conv", "x w", "a", {}), ("Conv", "a w", "y", {})], {"w": W}, ["Conv (n1): x must have"]),
    "a kernel of another shape": (
        [(*CONV, {"kernel_shape": [5, 5]})], {"w": W}, ["Conv (n0): kernel_shape=[5, 5]"]),
    "groups that do not divide": (
        [(*CONV, {"group": 2})], {"w": W[:, :1]}, ["Conv (n0): out_channels must be a multiple"]),
    "no groups": ([(*CONV, {"group": 0})], {"w": W}, ["Conv (n0): in_channels"]),
    "groups without number": ([(*CONV, {"group": 2**62})], {"w": W}, ["Conv (n0): in_channels"]),
    "a kernel of one axis": ([(*CONV, {})], {"w": W[:, :, 0]}, ["weights of shape (3, 2, 3)"]),
    "no kernel": ([(*CONV, {})], {"w": W[:, :, :0]}, ["weights of shape (3, 2, 0, 3)"]),
    "a bias of another size": (
        [("Conv", "x w b", "y", {})], {"w": W, "b": D}, ["bias of shape (5,), not (3,)"]),
    "a kernel that is too large": (
        [(*CONV, {"dilations": [2**62, 1]})], {"w": W}, ["Conv (n0): weight must fit"]),
    "no step": ([(*CONV, {"strides": [0, 1]})], {"w": W}, ["Conv (n0): strides=[0, 1]"]),
    "no dilation": ([(*CONV, {"dilations": [1, 0]})], {"w": W}, ["Conv (n0): dilations=[1, 0]"]),
    "steps for one axis": ([(*CONV, {"strides": [1]})], {"w": W}, ["Conv (n0): strides=[1]"]),
    "borders below 0": ([(*CONV, {"pads": [-1] * 4})], {"w": W}, ["Conv (n0): padding must be"]),
    "borders without end": (
        [(*CONV, {"pads": [2**62] * 4})], {"w": W}, ["Conv (n0): x and padding"]),
    "same of a window with a dilation": (
        [("MaxPool", "x", "y", {
            "kernel_shape": [3, 3], "dilations": [1, 2], "auto_pad": "SAME_UPPER"})], {},
        ["MaxPool (n0): dilations with auto_pad"]),
    "steps so wide that same is less": (
        [("AveragePool", "x", "y", {
            "kernel_shape": [3, 2], "strides": [1, 6], "auto_pad": "SAME_UPPER"})], {},
        ["AveragePool (n0): a border of -4 pixels"]),
    "two borders": ([(*CONV, {"pads": [1, 1]})], {"w": W}, ["Conv (n0): pads=[1, 1]"]),
    "borders twice": (
        [(*CONV, {"pads": [1] * 4, "auto_pad": "SAME_UPPER"})], {"w": W}, ["pads=[1, 1,"]),
    "no such borders": ([(*CONV, {"auto_pad": "SAME"})], {"w": W}, ["auto_pad=SAME"]),
    "no window": ([("MaxPool", "x", "y", {"kernel_shape": [0, 2]})], {}, ["kernel_shape=[0, 2]"]),
    "other maps": ([("MaxPool", "x", "y", {"kernel_shape": [2]})], {}, ["kernel_shape=[2]"]),
    "an average with a dilation": (
        [("AveragePool", "x", "y", {"kernel_shape": [2, 2], "dilations": [2, 2]})], {},
        ["AveragePool (n0): dilations=[2, 2]"]),
}  # fmt: skip


def test_a_mistake_in_a_reader_of_ours_keeps_its_traceback(path, monkeypatch):
    def broken(*_):
        raise AttributeError("of the reader")

    monkeypatch.setattr(onnx_graph, "reader_of", lambda operator: broken)
    to_onnx(CNN([ReLU()]), path, (1, 2, 2))
    with pytest.raises(ValueError, match="of the reader") as told:
        from_onnx(path)
    assert isinstance(told.value.__cause__, AttributeError)
    assert told.value.__cause__.__traceback__.tb_next.tb_frame.f_code.co_name != "layers_of"


@pytest.mark.parametrize("name", REFUSED)
def test_what_there_is_no_layer_for_is_listed(path, name):
    nodes, arrays, words = REFUSED[name]
    graph(path, nodes, **arrays)
    with pytest.raises(ValueError, match="path must be a graph of the package's layers") as caught:
        from_onnx(path)
    for word in (*words, str(path)):
        assert word in str(caught.value)


OLDER = {  # training, and other things that newer operators say otherwise
    "dropout by default": ([("Dropout", "x", "y", {})], {}, (1, 6), "training_mode"),
    "dropout": ([("Dropout", "x", "y", {"is_test": 0})], {}, (1, 6), "training_mode"),
    "statistics by default": ([(*NORM, {})], FOUR, (6, 6), "training_mode"),
    "statistics": ([(*NORM, {"is_test": 0})], FOUR, (6, 6), "training_mode"),
    "statistics of pixels": ([(*NORM, {"spatial": 0})], FOUR, (7, 8), "spatial=0"),
    "statistics that come out": ([("BatchNormalization", "x g h m v", "y a b c d", {})], FOUR,
                                 (7, 13), "training_mode"),
    "a sum": ([("Conv", "x w", "a", {}), ("Add", "a b", "y", {"broadcast": 1, "axis": 1})],
              {"w": W, "b": B}, (6, 6), "before opset 7"),
    "a product": ([FLAT, ("Gemm", "f v d", "y", {})], {"v": V, "d": D}, (6, 6), "broadcast=0"),
    "axes from the end": ([("Flatten", "x", "y", {"axis": -3})], {}, (7, 10), "axis=-3, not 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", OLDER)
def test_what_older_operators_mean_is_refused_where_it_is_something_else(path, name):
    nodes, arrays, (first, last), words = OLDER[name]
    for opset in range(first, last + 1):
        graph(path, nodes, opset=opset, **arrays)
        assert words in refusal(path), opset


def test_inference_of_older_operators_is_read(path):
    graph(path, [("Dropout", "x", "y", {"is_test": 1, "ratio": 0.25})], opset=6)
    assert repr(from_onnx(path)) == repr(network("Dropout(0.25)"))
    graph(path, [(*NORM, {"is_test": 1})], opset=6, **FOUR)
    assert repr(from_onnx(path)) == repr(network("BatchNorm2d(2)"))


def test_an_operator_that_the_opset_does_not_have_is_refused(path):
    for opset in (0, 99):
        graph(path, [("Relu", "x", "y", {})], opset=opset)
        assert f"got {str(path)!r}" in refusal(path)
    graph(path, [("Gelu", "x", "y", {})], opset=19)
    assert f"got {str(path)!r}" in refusal(path)


NO_IMAGE = {
    "channels": ([("Conv", "x w", "a", {}), ("Conv", "a w", "y", {})], "Conv (n1)"),
    "statistics": ([("Conv", "x w", "a", {}), ("BatchNormalization", "a g h m v", "y", {})],
                   "BatchNormalization (n1)"),
    "rows": ([("Conv", "x w", "a", {}), ("Flatten", "a", "f", {}), ("Gemm", "f t", "y", {})],
             "Gemm (n2): in_features=70, but what comes in is a multiple of 3"),
    "rows of rows": ([("Flatten", "x", "f", {}), ("Gemm", "f v", "a", {}),
                      ("Gemm", "a v", "y", {})], "Gemm (n2)"),
    "rows for maps": ([("Gemm", "x v", "y", {})], "Gemm (n0)"),
    "maps of rows": ([("Flatten", "x", "f", {}), ("Conv", "f w", "y", {})], "Conv (n1)"),
    "maxima of rows": ([("Flatten", "x", "f", {}), ("MaxPool", "f", "y", {"kernel_shape": [1, 1]})],
                       "MaxPool (n1)"),
    "whole maps": ([("GlobalAveragePool", "x", "y", {})], "no size of the maps"),
    "same with a stride": ([(*CONV, {"auto_pad": "SAME_UPPER", "strides": [2, 2]})],
                           "no size of the maps"),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_IMAGE)
def test_a_graph_that_fits_no_image_of_an_open_size_is_refused(path, name):
    nodes, words = NO_IMAGE[name]
    arrays = FOUR | {"w": W, "v": V, "t": V[:70]}
    used = {each for _, inputs, _, _ in nodes for each in inputs.split()}
    graph(path, nodes, ("N", 2, "H", "W"), **{key: arrays[key] for key in arrays if key in used})
    assert words in refusal(path)


def test_one_input_and_one_output(path):
    graph(path, [("Add", "x z", "y", {})], inputs=("x", "z"))
    with pytest.raises(ValueError, match="2 inputs"):
        from_onnx(path)
    graph(path, [("Relu", "x", "y", {}), ("Flatten", "y", "z", {})], outputs=("y", "z"))
    with pytest.raises(ValueError, match="the output y, z, not"):
        from_onnx(path)


# --- Damaged files --------------------------------------------------------------------------------


@pytest.mark.slow
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


@pytest.mark.slow
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


def changed(**how):
    """Return a function that gives the first weight of a file these fields."""

    def change(proto):
        for name, value in how.items():
            if isinstance(value, list):
                getattr(proto.graph.initializer[0], name)[:] = value
            else:
                setattr(proto.graph.initializer[0], name, value)

    return change


def batches(text):
    """Return a function that makes the number of batches this text."""

    def change(proto):
        (prop,) = (each for each in proto.metadata_props if "tracked" in each.key)
        prop.value = text

    return change


def beside(**entries):
    """Return a function that puts the first weight into another file."""

    def change(proto):
        tensor = proto.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in entries.items():
            tensor.external_data.add(key=key, value=value)

    return change


def sparse(proto):
    tensor = proto.graph.initializer.pop(0)
    values = make.make_tensor(tensor.name, 1, [1], [1.0])
    indices = make.make_tensor("i", 7, [1], [3])
    proto.graph.sparse_initializer.append(
        make.make_sparse_tensor(values, indices, list(tensor.dims))
    )


def nested(proto):
    inner = make.make_graph(
        [make.make_node("Relu", ["x"], ["z"])],
        "inner",
        [],
        [make.make_tensor_value_info("z", 1, None)],
    )
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array(True), "c"))
    branches = {"then_branch": inner, "else_branch": inner}
    proto.graph.node.append(make.make_node("If", ["c"], ["w"], "choice", **branches))


def of_the_file(proto):
    nodes = [make.make_node("Neg", ["a"], ["b"])]
    opsets = [make.make_opsetid("", 22)]
    proto.functions.append(make.make_function("", "Relu", ["a"], ["b"], nodes, opsets))


def do(statement):
    """Return a function that does something to a file's graph ``g``, first node ``n``."""

    def change(proto):
        exec(statement, {"p": proto, "g": proto.graph, "n": proto.graph.node[0], "make": make})

    return change


CHANGED = {
    "no such dtype": (changed(data_type=99), "the tensor '0.weight'"),
    "another width": (changed(data_type=onnx.TensorProto.BFLOAT16), "0.weight"),
    "text": (changed(data_type=onnx.TensorProto.STRING), "0.weight"),
    "a size too large": (changed(dims=[10**12, 2, 3, 3]), "0.weight"),
    "a size below 0": (changed(dims=[-3, -2, 3, 3]), "0.weight"),
    "25 digits": (batches("9" * 25), "1.num_batches_tracked must be a number"),
    "5000 digits": (batches("9" * 5000), "1.num_batches_tracked must be a number"),
    "one more than there can be": (batches(str(2**63)), "1.num_batches_tracked must be a number"),
    "less than none": (batches("-1"), "1.num_batches_tracked must be a number"),
    "half a batch": (batches("0.5"), "1.num_batches_tracked must be a number"),
    "no number": (batches(""), "1.num_batches_tracked must be a number"),
    "weights above the folder": (beside(location="../weights"), "../weights"),
    "weights elsewhere": (beside(location="/etc/hostname"), "/etc/hostname"),
    "weights nowhere": (beside(offset="0"), "0.weight"),
    "weights before the file": (beside(location="model.onnx", offset="-5"), "0.weight"),
    "weights behind the file": (beside(location="model.onnx", offset="9999999"), "0.weight"),
    "weights at no number": (beside(location="model.onnx", offset="x"), "'x'"),
    "sparse weights": (sparse, "Conv (0.Conv2d.Conv): the tensor '0.weight' is sparse"),
    "a choice": (nested, "If (choice)"),
    "a function of the file": (of_the_file, "Relu (2.ReLU.Relu)"),
    "another domain": (do("n.domain = 'org'; p.opset_import.append(make.make_opsetid('org', 1))"),
                       "org.Conv (0.Conv2d.Conv)"),
    "a circle": (do("n.input[0] = 'y'"), "0.Conv2d.Conv"),
    "a weight twice": (do("g.initializer.append(g.initializer[0])"), "0.weight"),
    "a name twice": (do("g.node[2].output[0] = '0.y'"), "0.y"),
    "no weight": (do("del n.input[1:]"), "0.Conv2d.Conv"),
    "an empty weight": (do("n.input[1] = ''"), "0.Conv2d.Conv"),
    "an unknown weight": (do("n.input[1] = 'w'"), "0.Conv2d.Conv"),
    "no input": (do("del g.input[:]"), "x"),
    "no output": (do("del g.output[:]"), "the output"),
    "no nodes": (do("del g.node[:]"), "y"),
    "no opset": (do("del p.opset_import[:]"), "opset"),
    "two opsets": (do("p.opset_import.append(make.make_opsetid('ai.onnx', 7))"), "opset"),
    "no such version": (do("p.ir_version = 999"), "999"),
    "images of another dtype": (do("g.input[0].type.tensor_type.elem_type = 10"), "the input x"),
    "images of twice the width": (do("g.input[0].type.tensor_type.elem_type = 11"),
                                  "weight of float32 for maps of float64"),
    "images of five axes": (do("g.input[0].type.tensor_type.shape.dim.add()"), "of 5 axes"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGED)
def test_a_damaged_file_is_refused_by_its_name(path, name):
    change, words = CHANGED[name]
    model = CNN([Conv2d(2, 3, 3, rng=0), BatchNorm2d(3), ReLU(), Flatten(), Linear(48, 5, rng=0)])
    to_onnx(model, path, (2, 6, 6))
    proto = onnx.load(path)
    change(proto)
    path.write_bytes(proto.SerializeToString())
    error = refusal(path)
    assert error.startswith("path must be")
    assert f"got {str(path)!r}" in error
    assert words in error
    assert len(error) < 1000


@pytest.mark.parametrize(("old", "new"), [(b"classes", b"class\xff\xfe"), (b"a b", b"a\xffb")])
def test_metadata_that_are_no_text_are_refused(path, old, new):
    to_onnx(CNN([ReLU()]), path, (2, 6, 6), {"classes": "a b"})
    path.write_bytes(path.read_bytes().replace(old, new))
    assert f"got {str(path)!r}: the metadata" in refusal(path)


@pytest.mark.parametrize("name", [b"0.Conv2d.Conv", b"0.weight", b"Conv", b"x"])
def test_a_name_that_is_no_text_makes_a_network_or_a_clear_error(path, name):
    model = CNN([Conv2d(2, 3, 3, rng=0), ReLU()])
    to_onnx(model, path, (2, 6, 6))
    length = bytes([len(name)])
    path.write_bytes(path.read_bytes().replace(length + name, length + name[:-1] + b"\xff"))
    if error := refusal(path):
        assert error.startswith("path must be")
    else:
        same(from_onnx(path), model)


def test_the_number_of_batches_is_read_and_other_metadata_are_left_alone(path):
    model = CNN([BatchNorm2d(2), ReLU()])
    model.layers[0].buffers["num_batches_tracked"][...] = 2**63 - 1
    theirs = {"1.num_batches_tracked": "9" * 25, "7.num_batches_tracked": "x", "about": "9" * 25}
    to_onnx(model, path, (2, 6, 6), theirs)
    same(from_onnx(path), model)


@pytest.mark.slow
def test_many_problems_make_no_long_message(path):
    graph(path, [("Sin", f"{n or 'x'}", f"{n + 1}", {}) for n in range(3000)], outputs=("3000",))
    error = refusal(path)
    assert "Sin (n49); 2950 more" in error
    graph(path, [("Sin", "x", "y" * 10**6, {})], outputs=("y" * 10**6,))
    assert len(refusal(path)) < 1000
    graph(path, [("Relu", "z" * 10**6, "y", {})])  # which is nowhere
    assert len(refusal(path)) < 1000
    graph(path, [("Relu", "x", "y", {})], outputs=[f"y{n}" for n in range(10**5)])
    assert len(refusal(path)) < 1000


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


def test_layers_that_share_a_weight_in_the_file_have_one_each_here(path):
    nodes = [("Identity", "q", "p", {}), ("MatMul", "x q", "a", {}), ("MatMul", "a p", "y", {})]
    graph(path, nodes, q=np.ones((6, 6), np.float32))
    first, second = from_onnx(path).layers
    assert not np.shares_memory(first.params["weight"], second.params["weight"])
    first.params["weight"][...] = 0  # they can be learned
