"""Models and weights to and from other libraries: ONNX, PyTorch and safetensors.

An ONNX file holds a graph of named operators with its weights. `to_onnx` writes one node or a few
for each layer; `from_onnx` walks a graph from its input to its output and makes layers of it. Weights
alone travel as a state dictionary, whose keys and shapes are those of ``torch.nn.Sequential``:
`CNN.load_state_dict` takes PyTorch's as it is, and safetensors files hold nothing else.

Each function imports the library that it needs when it is called, and says which if it is missing.
"""

from __future__ import annotations

import importlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from . import __version__, _args, store
from .cnn import CNN, described
from .conv import Conv2d
from .fc import Dropout, Flatten, Linear, ReLU
from .norm import BatchNorm2d
from .pool import AvgPool2d, MaxPool2d
from .summary import fitting

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from ._args import Array
    from .layer import Layer

    Path = str | os.PathLike[str]

OPSET, IR = 19, 9  # of 2023; later readers read them, too
LARGEST = 2**31 - 1  # bytes of a protocol buffer, which an ONNX file is
TRACKED = "num_batches_tracked"  # the one buffer that no operator takes: it goes into the metadata
STATISTICS = "running_mean", "running_var"


def to_onnx(
    model: CNN, path: Path, input_shape: tuple[int, ...], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a network as an ONNX file, which other programs run.

    The graph takes ``x``, any number of images, and gives ``y``. Weights have the names of
    `CNN.state_dict`, and nodes the numbers of their layers. Numbers stay in the dtype of the weights;
    ONNX Runtime convolves in float32 only.

    Parameters
    ----------
    model : CNN
        Of the package's own layers.
    path : path-like
        Exactly this file is written, whole or not at all; ``.onnx`` is a fitting ending.
    input_shape : tuple of int
        (C, H, W) of one image.
    metadata : dict of str to str, optional
        What else a user of the file must know, such as the names of the classes.

    Raises
    ------
    ImportError
        If onnx is not installed.
    ValueError, TypeError
        If an argument cannot be right; the message names it, and nothing is written.

    Examples
    --------
    >>> import tempfile
    >>> model = CNN([Conv2d(1, 4, 3, rng=0), ReLU(), Flatten(), Linear(144, 10, rng=1)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_onnx(model, f"{folder}/model.onnx", (1, 8, 8))
    ...     print(from_onnx(f"{folder}/model.onnx").layers[0].options == model.layers[0].options)
    True
    """
    onnx, make = _need("onnx"), _need("onnx.helper")
    layers, dtype, notes = _checked(model).layers, _dtype(model), _texts(metadata, model)
    kind = make.np_dtype_to_tensor_dtype(dtype)
    if not isinstance(input_shape, tuple | list) or not input_shape:
        raise ValueError(f"input_shape must be (C, H, W), got {input_shape!r}")
    y = np.empty((0, *(_args.integer("input_shape", n, 1) for n in input_shape)), dtype)
    values = [make.make_tensor_value_info("x", kind, ["N", *y.shape[1:]])]
    nodes, here = [], "x"
    for number, layer in enumerate(layers):
        rank = y.ndim
        with fitting("input_shape", number, layer):
            y = layer.forward(y)
        there = "y" if number == len(layers) - 1 else f"{number}.y"
        for op, inputs, output, how in _written(layer, f"{number}.", here, there, rank):
            name = f"{number}.{type(layer).__name__}.{op}"
            nodes.append(make.make_node(op, inputs, [output], name, **how))
        values.append(make.make_tensor_value_info(there, kind, ["N", *y.shape[1:]]))
        here = there
    if not layers:
        nodes.append(make.make_node("Identity", ["x"], ["y"]))
        values.append(make.make_tensor_value_info("y", kind, ["N", *y.shape[1:]]))
    arrays = {key: array for key, array in model.state_dict().items() if TRACKED not in key}
    for number, layer in enumerate(layers):
        if isinstance(layer, Dropout):
            arrays[f"{number}.ratio"] = np.array(layer.options["p"])
    weights = [onnx.numpy_helper.from_array(array, key) for key, array in arrays.items()]
    graph = make.make_graph(nodes, "CNN", values[:1], values[-1:], weights, value_info=values[1:-1])
    proto = make.make_model(
        graph,
        producer_name="convdocs",
        producer_version=__version__,
        opset_imports=[make.make_opsetid("", OPSET)],
        ir_version=IR,
    )
    make.set_model_props(proto, notes)
    onnx.checker.check_model(proto, full_check=True)
    content = proto.SerializeToString()
    with store.whole(path) as file:
        file.write(content)


def from_onnx(path: Path) -> CNN:
    """Return the network that an ONNX file holds, from whichever program it comes.

    It may be made of the operators of the package's layers, in a row from one input to one output.

    Parameters
    ----------
    path : path-like
        The file; weights may lie in another one beside it, as PyTorch writes large ones.

    Returns
    -------
    CNN

    Raises
    ------
    ImportError
        If onnx is not installed.
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged or of another kind, or has what the package has no layer for; the
        message lists all of it.
    """
    onnx, name = _need("onnx"), store.name_of(path)
    try:
        proto = onnx.load(name, format="protobuf")
        onnx.checker.check_model(proto)
    except OSError:
        raise
    except Exception as error:  # a damaged file can fail in any way
        raise ValueError(f"path must be a whole ONNX file, got {name!r}: {error}") from error
    walk = _Walk(proto)
    for node in proto.graph.node:
        walk.step(node)
    problems = list(dict.fromkeys([*walk.problems, *walk.ends(proto.graph)]))
    if problems:
        need = "path must be a graph of the package's layers in a row"
        raise ValueError(f"{need}, got {name!r}, which has {'; '.join(problems)}")
    for prop in proto.metadata_props:
        number, _, buffer = prop.key.partition(".")
        if buffer == TRACKED and number.isdecimal() and prop.value.isdecimal():
            for layer in walk.layers[int(number) : int(number) + 1]:
                if buffer in layer.buffers:
                    layer.buffers[buffer][...] = int(prop.value)
    return CNN(walk.layers)


def to_torch(model: CNN) -> Any:
    """Return the same network in PyTorch, with a copy of the weights, ready for inference.

    The way back is ``model.load_state_dict(net.state_dict())``; from a GPU, ``net.cpu()`` first.

    Parameters
    ----------
    model : CNN
        Of the package's own layers.

    Returns
    -------
    torch.nn.Sequential
        Call its ``train()`` before you train it.

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    """
    torch, layers = _need("torch"), []
    for kind, options in described(_checked(model).layers):
        dtype = {"dtype": getattr(torch, options["dtype"])} if "dtype" in options else {}
        layers.append(getattr(torch.nn, kind)(**options | dtype))
    net = torch.nn.Sequential(*layers)
    net.load_state_dict({key: torch.from_numpy(a) for key, a in model.state_dict().items()})
    return net.eval()


def save_safetensors(model: CNN, path: Path) -> None:
    """Write the weights alone as a safetensors file, under the names of `CNN.state_dict`.

    Parameters
    ----------
    model : CNN
        The network.
    path : path-like
        Exactly this file is written, whole or not at all.

    Raises
    ------
    ImportError
        If safetensors is not installed.
    """
    content = _need("safetensors.numpy").save(_checked(model).state_dict())
    with store.whole(path) as file:
        file.write(content)


def load_safetensors(model: CNN, path: Path) -> None:
    """Overwrite all weights of a network by those of a safetensors file.

    Parameters
    ----------
    model : CNN
        A network of the same architecture.
    path : path-like
        The file, of `save_safetensors` or of PyTorch.

    Raises
    ------
    ImportError
        If safetensors is not installed.
    FileNotFoundError
        If there is no such file.
    ValueError, TypeError
        If the file is damaged, or lacks a weight, or has one too many or of another shape;
        nothing is changed then.
    """
    library, name = _need("safetensors.numpy"), store.name_of(path)
    with open(name, "rb") as file:
        content = file.read()
    try:
        state = library.load(content)
    except Exception as error:  # a damaged file can fail in any way
        raise ValueError(f"path must be a whole safetensors file, got {name!r}: {error}") from error
    try:
        _checked(model).load_state_dict(state)
    except ValueError as error:
        raise ValueError(f"path must hold this network's weights, got {name!r}: {error}") from None


def _need(module: str) -> Any:
    """Import a library, or say how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        message = f"this needs {name}: pip install 'convdocs[{name}]'"
        raise ImportError(message, name=name) from error


# --- Writing a graph -----------------------------------------------------------------------------


def _checked(model: CNN) -> CNN:
    if not isinstance(model, CNN):
        raise TypeError(f"model must be a CNN, got {model!r}")
    return model


def _dtype(model: CNN) -> np.dtype[Any]:
    """Return the one dtype of all weights, which may not be too many for a file."""
    every = [array for layer in model.layers for array in layer.params.values()]
    size = sum(array.nbytes for array in every)
    if size > LARGEST:
        raise ValueError(f"model must have less than 2 GB of weights for ONNX, got {size:,} bytes")
    described(model.layers)
    kinds = sorted({array.dtype.name for array in every}) or ["float32"]
    if len(kinds) > 1:
        raise ValueError(f"model must have weights of one dtype for ONNX, got {kinds}")
    return np.dtype(kinds[0])


def _texts(metadata: Mapping[str, str] | None, model: CNN) -> dict[str, str]:
    """Return all metadata: the caller's, and the buffers that no operator takes."""
    try:
        given = dict(metadata or {})
    except (TypeError, ValueError):
        raise TypeError(f"metadata must be a dictionary, got {metadata!r}") from None
    for item in given.items():
        if not all(isinstance(each, str) for each in item):
            raise TypeError(f"metadata must hold text under names, got {item!r}")
    state = model.state_dict()
    ours = {key: str(array) for key, array in state.items() if TRACKED in key}
    if both := ours.keys() & given.keys():
        raise ValueError(f"metadata must have other names than buffers, got {sorted(both)}")
    return given | ours


def _written(
    layer: Layer, prefix: str, here: str, there: str, rank: int
) -> list[tuple[str, list[str], str, dict[str, Any]]]:
    """Return a layer's nodes: operator, inputs, output and attributes."""
    o, keys = layer.options, [prefix + name for name in layer.params]
    slide = {}
    if "kernel_size" in o:
        top, left = o["padding"] if isinstance(o["padding"], tuple) else (0, 0)
        slide = {"kernel_shape": o["kernel_size"], "strides": o["stride"]}
        slide["pads"] = (top, left, top, left)
    match layer:
        case Conv2d():
            how = slide | {"dilations": o["dilation"], "group": o["groups"]}
            if o["padding"] == "same" and o["dilation"] != (1, 1):  # ONNX Runtime wants numbers
                (top, bottom), (left, right) = _same(o["kernel_size"], o["dilation"])
                how["pads"] = top, left, bottom, right
            elif isinstance(o["padding"], str):
                how["auto_pad"] = {"same": "SAME_UPPER", "valid": "VALID"}[o["padding"]]
                del how["pads"]
            return [("Conv", [here, *keys], there, how)]
        case MaxPool2d():
            how = slide | {"dilations": o["dilation"], "ceil_mode": int(o["ceil_mode"])}
            return [("MaxPool", [here], there, how)]
        case AvgPool2d():
            how = {name: int(o[name]) for name in ("ceil_mode", "count_include_pad")}
            return [("AveragePool", [here], there, slide | how)]
        case BatchNorm2d():
            inputs = [here, *keys, *(prefix + name for name in STATISTICS)]
            how = {"epsilon": o["eps"], "momentum": 1 - o["momentum"]}  # ONNX: the old one's share
            return [("BatchNormalization", inputs, there, how)]
        case Linear() if rank == 2:
            return [("Gemm", [here, *keys], there, {"transB": 1})]
        case Linear():  # along the last of more axes
            turned, product = prefix + "turned", prefix + "product" if o["bias"] else there
            nodes = [("Transpose", keys[:1], turned, {"perm": (1, 0)})]
            nodes.append(("MatMul", [here, turned], product, {}))
            return nodes + [("Add", [product, key], there, {}) for key in keys[1:]]
        case Dropout():
            return [("Dropout", [here, prefix + "ratio"], there, {})]
        case Flatten():
            return [("Flatten", [here], there, {"axis": 1})]
    return [("Relu", [here], there, {})]


def _same(size: Any, dilation: Any) -> list[tuple[int, int]]:
    """Return the borders that keep the size at stride 1; the odd pixel comes last."""
    total = [d * (k - 1) for k, d in zip(size, dilation, strict=True)]
    return [(t // 2, t - t // 2) for t in total]


# --- Reading a graph -----------------------------------------------------------------------------

FOLDED = set("Add Cast Concat Constant Gather Identity Mul Reshape Slice Squeeze Sub".split())
FOLDED |= set("Transpose Unsqueeze".split())  # what exporters compute constants with
MANY = 8191  # stands for a number of images that the file leaves open


class _Walk:
    """A walk along a graph: the layers so far, and what there is no layer for.

    ``constants`` are the arrays whose values the file tells, ``here`` is the name of the maps that
    the next layer takes, and ``shape`` that of one image there, or None where the file does not say.
    """

    def __init__(self, proto: Any) -> None:
        to_array, graph = _need("onnx.numpy_helper").to_array, proto.graph
        self.opsets = proto.opset_import
        self.constants: dict[str, Array] = {each.name: to_array(each) for each in graph.initializer}
        self.layers: list[Layer] = []
        self.problems: list[str] = []
        self.lost = False  # behind an unknown operator only further ones are looked for
        inputs = [each for each in graph.input if each.name not in self.constants]
        if len(inputs) != 1:
            self.fail(f"{len(inputs)} inputs")
            return
        dims = inputs[0].type.tensor_type.shape.dim
        sides = [each.dim_value for each in dims]
        self.here, self.many = inputs[0].name, (sides or [0])[0] or MANY
        self.shape = tuple(sides[1:]) if len(sides) > 1 and all(sides[1:]) else None

    def fail(self, problem: str) -> None:
        """Note a problem."""
        self.problems.append(problem)
        self.lost = True

    def step(self, node: Any) -> None:
        """Take one node: fold it if it is constant, or make a layer of it."""
        op = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
        label = f"{op} ({node.name})" if node.name else op
        given = [name for name in node.input if name]
        open_ = [name for name in given if name not in self.constants]
        try:
            if op in FOLDED and not open_:
                self.fold(node)
            elif op == "Shape" and not self.lost and open_ == [self.here] and self.shape:
                self.fold(node, np.broadcast_to(np.float32(0), (self.many, *self.shape)))
            elif op not in READERS:
                self.fail(label)
            elif not self.lost:
                self.take(op, node, open_)
        except Exception as error:  # a strange graph can fail in any way
            self.fail(f"{label}: {error}")

    def fold(self, node: Any, *data: Array) -> None:
        """Compute a node whose inputs are known."""
        make = _need("onnx.helper")
        names = [name for name in node.input if name]
        feeds = dict(zip(names, data or [self.constants[name] for name in names], strict=True))
        values = [
            [make.make_empty_tensor_value_info(name) for name in each]
            for each in (feeds, node.output)
        ]
        graph = make.make_graph([node], "constant", *values)
        proto = make.make_model(graph, opset_imports=self.opsets)
        results = _need("onnx.reference").ReferenceEvaluator(proto).run(None, feeds)
        self.constants |= dict(zip(node.output, results, strict=True))

    def take(self, op: str, node: Any, open_: list[str]) -> None:
        """Make a layer of a node that takes the last layer's output and constants."""
        first = node.input[0] if op != "Add" else self.here  # a sum may begin with the bias
        if open_ != [self.here] or first != self.here:
            raise ValueError("it is not behind the node before it, in a row")
        value = _need("onnx.helper").get_attribute_value
        how = {each.name: value(each) for each in node.attribute}
        known = [self.constants.get(name) for name in node.input]
        if op == "Add":
            known = [each for each in known if each is not None]
        else:
            known = known[1:]
        layer = READERS[op](self, how, *known)
        if layer is not None:
            self.layers.append(layer)
            if self.shape:
                self.shape = layer.forward(np.empty((0, *self.shape), np.float32)).shape[1:]
        self.here = node.output[0]

    def ends(self, graph: Any) -> list[str]:
        """Return what is wrong with the end of the graph."""
        if self.lost or [each.name for each in graph.output] == [self.here]:
            return []
        return [f"the output {', '.join(each.name for each in graph.output)}, not the last node's"]

    # One method for each operator. It gets the attributes and the inputs beside the maps, and
    # returns a layer, or nothing where no layer is needed.

    def conv(self, how: Any, w: Array, b: Array | None = None) -> Layer:
        if w.ndim != 4:
            raise ValueError(f"weights of shape {w.shape}, not (F, C, kH, kW)")
        size, groups = w.shape[2:], how.get("group", 1)
        stride, dilation, borders = self.slide(how, size)
        auto = how.get("auto_pad", b"NOTSET")
        same = stride == (1, 1) and borders == _same(size, dilation)
        padding: Any = tuple(low for low, _ in borders)
        if auto == b"VALID":
            padding = "valid"
        elif same and (auto == b"SAME_UPPER" or any(low != high for low, high in borders)):
            padding = "same"
        elif any(low != high for low, high in borders):
            raise ValueError(f"borders {borders}, but a layer pads both sides alike")
        channels = w.shape[1] * groups
        options = (stride, padding, dilation, groups, b is not None, _kind(w), 0)
        return _filled(Conv2d(channels, len(w), size, *options), weight=w, bias=b)

    def slide(self, how: Any, size: Any) -> tuple[Any, Any, list[tuple[int, int]]]:
        """Return stride, dilation and borders ((top, bottom), (left, right))."""
        stride, dilation = (tuple(how.get(name, (1, 1))) for name in ("strides", "dilations"))
        auto, pads = how.get("auto_pad", b"NOTSET"), how.get("pads", (0, 0, 0, 0))
        if auto == b"NOTSET":
            return stride, dilation, [(pads[0], pads[2]), (pads[1], pads[3])]
        borders = [(0, 0), (0, 0)]
        if auto != b"VALID":
            borders = _same(size, dilation)
            if stride != (1, 1):
                if not self.shape:
                    raise ValueError("auto_pad with a stride, but no size of the images")
                borders = []
                for n, k, s, d in zip(self.shape[1:], size, stride, dilation, strict=True):
                    total = max(0, (math.ceil(n / s) - 1) * s + d * (k - 1) + 1 - n)
                    borders.append((total // 2, total - total // 2))
            if auto == b"SAME_LOWER":
                borders = [(high, low) for low, high in borders]
        return stride, dilation, borders

    def pool(self, how: Any) -> dict[str, Any]:
        """Return the options that both kinds of pooling share."""
        size = tuple(how["kernel_shape"])
        stride, dilation, borders = self.slide(how, size)
        if any(low != high for low, high in borders):
            raise ValueError(f"borders {borders}, but a layer pads both sides alike")
        padding = tuple(low for low, _ in borders)
        options = {"kernel_size": size, "stride": stride, "padding": padding, "dilation": dilation}
        return options | {"ceil_mode": bool(how.get("ceil_mode", 0))}

    def max_pool(self, how: Any) -> Layer:
        return MaxPool2d(**self.pool(how))

    def average_pool(self, how: Any) -> Layer:
        options = self.pool(how)
        if options.pop("dilation") != (1, 1):
            raise ValueError("dilations, which AvgPool2d has none of")
        return AvgPool2d(**options, count_include_pad=bool(how.get("count_include_pad", 0)))

    def global_pool(self, how: Any, axes: Array | None = None) -> Layer:
        """Average whole maps: a window of their size. ReduceMean says which axes."""
        where = how.get("axes", (2, 3)) if axes is None else axes
        if not self.shape or len(self.shape) != 3:
            raise ValueError("no size of the maps to average")
        if {int(axis) % 4 for axis in where} != {2, 3} or not how.get("keepdims", 1):
            raise ValueError("a mean over other axes than rows and columns")
        return AvgPool2d(self.shape[1:])

    def norm(self, how: Any, w: Array, b: Array, mean: Array, var: Array) -> Layer:
        if how.get("training_mode", 0) or not how.get("spatial", 1):
            raise ValueError("training_mode; export the network for inference")
        eps, kept = (_short(how.get(*each)) for each in (("epsilon", 1e-5), ("momentum", 0.9)))
        layer = BatchNorm2d(len(w), eps, round(1 - kept, 9), _kind(w))
        return _filled(layer, weight=w, bias=b, running_mean=mean, running_var=var)

    def gemm(self, how: Any, w: Array, b: Array | None = None) -> Layer:
        if how.get("transA", 0):
            raise ValueError("transA=1")
        w = w if how.get("transB", 0) else w.T
        if how.get("alpha", 1.0) != 1:
            w = w * w.dtype.type(how["alpha"])
        if b is not None:
            b = np.broadcast_to(b, (1, len(w)))[0] * b.dtype.type(how.get("beta", 1.0))
        layer = Linear(w.shape[1], len(w), b is not None, _kind(w), 0)
        return _filled(layer, weight=w, bias=b)

    def matmul(self, how: Any, w: Array) -> Layer:
        if w.ndim != 2:
            raise ValueError(f"weights of shape {w.shape}, not (in, out)")
        return _filled(Linear(*w.shape, False, _kind(w), 0), weight=w.T)

    def add(self, how: Any, b: Array) -> None:
        """Give the layer before a bias."""
        layer = self.layers[-1] if self.layers else None
        if not isinstance(layer, Conv2d | Linear) or layer.options["bias"]:
            raise ValueError("only a bias behind weights can be added")
        F = len(layer.params["weight"])
        if b.size != F or b.shape[-1 if isinstance(layer, Linear) else -3 :] not in (
            (F,),
            (F, 1, 1),
        ):
            raise ValueError(f"a bias of shape {b.shape} for {F} outputs")
        layer.options["bias"] = True
        layer.params["bias"] = b.reshape(F).astype(layer.params["weight"].dtype)

    def dropout(self, how: Any, ratio: Array | None = None, train: Array | None = None) -> Layer:
        if train is not None and train:
            raise ValueError("training_mode; export the network for inference")
        if ratio is None:
            ratio = np.float32(how.get("ratio", 0.5))
        return Dropout(_short(ratio) if ratio.dtype != np.float64 else float(ratio))

    def flatten(self, how: Any) -> Layer:
        axis = how.get("axis", 1)
        if axis != 1 and not (axis < 0 and self.shape and axis == -len(self.shape)):
            raise ValueError(f"axis={axis}, not 1")
        return Flatten()

    def reshape(self, how: Any, sides: Array | None = None) -> Layer:
        """See whether a new shape is one row for each image."""
        new = [int(side) for side in (how["shape"] if sides is None else sides)]
        if not self.shape:
            if new not in ([0, -1], [self.many, -1]):
                raise ValueError(f"the shape {new} of images of unknown size")
            return Flatten()
        old = [self.many, *self.shape]
        size = [old[i] if n == 0 and i < len(old) else n for i, n in enumerate(new)]
        if -1 in size and (rest := -math.prod(size)):
            size[size.index(-1)] = math.prod(old) // rest
        if size != [self.many, math.prod(self.shape)]:
            raise ValueError(f"the shape {new}, not one row for each image")
        return Flatten()


READERS: dict[str, Callable[..., Layer | None]] = {
    "Conv": _Walk.conv,
    "MaxPool": _Walk.max_pool,
    "AveragePool": _Walk.average_pool,
    "GlobalAveragePool": _Walk.global_pool,
    "ReduceMean": _Walk.global_pool,
    "BatchNormalization": _Walk.norm,
    "Gemm": _Walk.gemm,
    "MatMul": _Walk.matmul,
    "Add": _Walk.add,
    "Dropout": _Walk.dropout,
    "Flatten": _Walk.flatten,
    "Reshape": _Walk.reshape,
    "Relu": lambda walk, how: ReLU(),
    "Identity": lambda walk, how: None,
}


def _kind(w: Array) -> np.dtype[Any]:
    if w.dtype not in (np.float32, np.float64):
        raise ValueError(f"weights of {w.dtype}, not of float32 or float64")
    return w.dtype


def _filled(layer: Layer, **arrays: Array | None) -> Layer:
    """Return the layer with these parameters and buffers."""
    ours = layer.params | layer.buffers
    for name, array in arrays.items():
        if array is None:
            continue
        if array.shape != ours[name].shape:
            raise ValueError(f"{name} of shape {array.shape}, not {ours[name].shape}")
        ours[name][...] = array
    return layer


def _short(number: Any) -> float:
    """Return the shortest decimal that a float32 stands for: 0.1, not 0.10000000149."""
    return float(str(np.float32(number)))
