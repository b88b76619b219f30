"""Networks as ONNX files: a node for each layer, or a few.

The table of `convdocs.architecture` says which operator a layer is. Where an operator takes more
than the maps that come in, a function here writes it, found in `WRITERS` by the operator's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import __version__, _args, _extras, store
from .._args import Array, Path
from ..architecture import COUNTER, described, kind_of, named_arrays
from ..layer import Layer, fitting, made_of_none, names_of
from ..network import Network
from ..residual import Residual
from ..windows import Pair, same_borders
from .weights import native, network

OPSET = 22  # of 2024: the first whose pooling with ceil_mode is that of PyTorch
IR = 10  # the version of the file format that came with it
LARGEST = 2**31 - 1  # bytes of a protocol buffer, which an ONNX file is
STATISTICS = ("running_mean", "running_var")

Attribute = int | float | str | Sequence[int]


class Node(NamedTuple):
    """A node of a graph: what it computes, from what, and the name of its result."""

    operator: str
    inputs: list[str]
    output: str
    attributes: Mapping[str, Attribute]
    name: str


class Place(NamedTuple):
    """Where a layer stands: the names of the maps before and behind it, and their shapes."""

    name: str  # such as "3", or "3.body.0" within a block
    here: str
    there: str
    shape_here: tuple[int, ...]
    shape_there: tuple[int, ...]

    @property
    def where(self) -> str:
        """The place as Python writes it, for errors."""
        number, *steps = self.name.split(".")
        pairs = zip(steps[::2], steps[1::2], strict=True)
        return f"layers[{number}]" + "".join(f".{way}[{n}]" for way, n in pairs)

    def key(self, name: str) -> str:
        """Return the name that a state dictionary gives to an array of the layer."""
        return f"{self.name}.{name}"


class Graph:
    """A graph as it grows: nodes, and the arrays that they take.

    Parameters
    ----------
    dtype : numpy.dtype
        Of everything that flows.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.nodes: list[Node] = []
        self.arrays: dict[str, Array] = {}
        self.maps: dict[str, tuple[int, ...]] = {}  # the shape of one image's maps, by their name

    def node(
        self,
        layer: Layer,
        place: Place,
        operator: str,
        inputs: Iterable[str],
        output: str,
        **attributes: Attribute,
    ) -> None:
        """Append a node of a layer."""
        name = f"{place.name}.{type(layer).__name__}.{operator}"
        self.nodes.append(Node(operator, list(inputs), output, attributes, name))

    def array(self, name: str, array: Array) -> str:
        """Keep an array; return its name."""
        self.arrays[name] = array
        return name


def to_onnx(
    model: Network,
    path: Path,
    input_shape: tuple[int, ...],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a network as an ONNX file, which other programs run.

    The graph takes ``x``, any number of images, and gives ``y``. Weights have the names of
    `CNN.state_dict`, and nodes the numbers of their layers. What ONNX Runtime would not run is
    refused: convolution, transposed or not, average pooling and the leaky ReLU in float64, an
    output padding as wide as the stride, and dropout of everything. With a dilation,
    ``padding='same'`` is written in numbers, and the padding of a maximum that is as wide as the
    window, or fills one, as a node of its own. A residual block is its two ways and their sum.

    Parameters
    ----------
    model : CNN or another Network
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
    OSError
        If no file can be written there.

    Examples
    --------
    >>> import tempfile
    >>> from convdocs import CNN, Conv2d, Flatten, Linear, ReLU
    >>> from convdocs.exchange import from_onnx
    >>> model = CNN([Conv2d(1, 4, 3, rng=0), ReLU(), Flatten(), Linear(144, 10, rng=1)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_onnx(model, f"{folder}/model.onnx", (1, 8, 8))
    ...     print(from_onnx(f"{folder}/model.onnx").layers[0].options == model.layers[0].options)
    True
    """
    onnx = _extras.library("onnx")
    make = _extras.library("onnx.helper")
    graph = Graph(_dtype(network(model)))
    notes = _texts(metadata, model)
    if not isinstance(input_shape, tuple | list) or not input_shape:
        raise ValueError(f"input_shape must be (C, H, W), got {_args.shown(input_shape)}")
    shape = tuple(_args.integer("input_shape", side, 1) for side in input_shape)

    _write(graph, model.layers, shape)
    element = make.np_dtype_to_tensor_dtype(graph.dtype)
    values = [
        make.make_tensor_value_info(name, element, ["N", *sides])
        for name, sides in graph.maps.items()
    ]
    nodes = [
        make.make_node(node.operator, node.inputs, [node.output], node.name, **node.attributes)
        for node in graph.nodes
    ]
    arrays = [
        onnx.numpy_helper.from_array(native(array), name) for name, array in graph.arrays.items()
    ]
    proto = make.make_model(
        make.make_graph(nodes, "CNN", values[:1], values[-1:], arrays, value_info=values[1:-1]),
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


def _write(graph: Graph, layers: list[Layer], shape: tuple[int, ...]) -> None:
    """Write all layers, from ``x`` to ``y``."""
    for key, array in named_arrays(layers).items():
        if COUNTER not in key:
            graph.array(key, array)
    graph.maps["x"] = shape
    _write_row(graph, layers, "", "x", "y", (0, *shape))
    if not layers:
        graph.nodes.append(Node("Identity", ["x"], "y", {}, ""))
        graph.maps["y"] = shape


def _write_row(
    graph: Graph,
    layers: Sequence[Layer],
    before: str,
    here: str,
    end: str,
    shape: tuple[int, ...],
) -> None:
    """Write layers in a row, from the maps ``here`` to those called ``end``.

    Before each layer's number in the row stands, in all names, what leads to the row.
    """
    with _args.in_memory("input_shape", shape):
        y = np.empty(shape, graph.dtype)
    for number, layer in enumerate(layers):
        there = end if number == len(layers) - 1 else f"{before}{number}.y"
        x = y
        with fitting("input_shape", number, layer):
            y = made_of_none(layer, x)
        _write_layer(graph, layer, Place(f"{before}{number}", here, there, x.shape, y.shape))
        graph.maps[there] = y.shape[1:]
        here = there


def _write_layer(graph: Graph, layer: Layer, place: Place) -> None:
    """Write one layer, as its row in the table says."""
    kind = kind_of(place.where, layer)
    if kind.single and graph.dtype != np.float32:
        need = f"{place.where} must be of a network of float32 for ONNX Runtime"
        raise ValueError(f"{need}, got {layer!r} in one of {graph.dtype}")
    if kind.attributes is None:
        if kind.operator not in WRITERS:
            need = f"{place.where} must be a layer with a writer for ONNX"
            raise TypeError(f"{need}, got {layer!r}")
        WRITERS[kind.operator](graph, layer, place)
        return
    if layer.options.keys() - kind.attributes.keys() or layer.params or layer.buffers:
        need = f"{place.where} must be no more than the attributes in its row of the table"
        raise TypeError(f"{need}, {dict(kind.attributes)}, got {layer!r}")
    attributes = {kind.attributes[option]: value for option, value in layer.options.items()}
    graph.node(layer, place, kind.operator, [place.here], place.there, **attributes)


# One function for each operator that takes more than maps, or attributes of another form.


def _conv(graph: Graph, layer: Layer, place: Place) -> None:
    options = layer.options
    attributes = _window(options) | {"dilations": options["dilation"], "group": options["groups"]}
    if options["padding"] == "same" and options["dilation"] != (1, 1):
        # ONNX Runtime wants numbers here.
        (top, bottom), (left, right) = same_borders(options["kernel_size"], options["dilation"])
        attributes["pads"] = (top, left, bottom, right)
    elif isinstance(options["padding"], str):
        attributes["auto_pad"] = {"same": "SAME_UPPER", "valid": "VALID"}[options["padding"]]
    else:
        attributes["pads"] = options["padding"] * 2
    graph.node(layer, place, "Conv", _inputs(layer, place), place.there, **attributes)


def _conv_transpose(graph: Graph, layer: Layer, place: Place) -> None:
    options = layer.options
    if any(more >= s for more, s in zip(options["output_padding"], options["stride"], strict=True)):
        need = f"{place.where}.output_padding must be smaller than the stride for ONNX Runtime"
        raise ValueError(f"{need}, got {layer!r}")
    attributes = _window(options) | {"dilations": options["dilation"], "group": options["groups"]}
    attributes |= {"pads": options["padding"] * 2, "output_padding": options["output_padding"]}
    graph.node(layer, place, "ConvTranspose", _inputs(layer, place), place.there, **attributes)


def _max_pool(graph: Graph, layer: Layer, place: Place) -> None:
    options = layer.options
    attributes = _window(options) | {"dilations": options["dilation"]}
    here = place.here
    if _pads_within_windows(options, place):
        attributes |= {"pads": options["padding"] * 2, "ceil_mode": int(options["ceil_mode"])}
    else:
        pads = graph.array(place.key("pads"), _all_borders(options, place))
        lowest = graph.array(place.key("lowest"), np.array(-np.inf, graph.dtype))
        here = place.key("padded")
        graph.node(layer, place, "Pad", [place.here, pads, lowest], here)
    graph.node(layer, place, "MaxPool", [here], place.there, **attributes)


def _average_pool(graph: Graph, layer: Layer, place: Place) -> None:
    attributes = _window(layer.options) | {"pads": layer.options["padding"] * 2}
    attributes |= {name: int(layer.options[name]) for name in ("ceil_mode", "count_include_pad")}
    graph.node(layer, place, "AveragePool", [place.here], place.there, **attributes)


def _norm(graph: Graph, layer: Layer, place: Place) -> None:
    inputs = [*_inputs(layer, place), *map(place.key, STATISTICS)]
    kept = 1 - layer.options["momentum"]  # ONNX's momentum is the old statistics' share
    attributes = {"epsilon": layer.options["eps"], "momentum": kept}
    graph.node(layer, place, "BatchNormalization", inputs, place.there, **attributes)


def _linear(graph: Graph, layer: Layer, place: Place) -> None:
    if len(place.shape_here) == 2:
        graph.node(layer, place, "Gemm", _inputs(layer, place), place.there, transB=1)
        return
    # Gemm takes rows alone; of more axes, MatMul takes the last.
    weight, turned = place.key("weight"), place.key("turned")
    product = place.key("product") if layer.options["bias"] else place.there
    graph.node(layer, place, "Transpose", [weight], turned, perm=(1, 0))
    graph.node(layer, place, "MatMul", [place.here, turned], product)
    if layer.options["bias"]:
        graph.node(layer, place, "Add", [product, place.key("bias")], place.there)


def _dropout(graph: Graph, layer: Layer, place: Place) -> None:
    p = layer.options["p"]
    if np.float32(p) == 1:
        raise ValueError(f"{place.where}.p must be below 1 for ONNX, got {layer!r}")
    ratio = graph.array(place.key("ratio"), np.array(p))
    graph.node(layer, place, "Dropout", [place.here, ratio], place.there)


def _flatten(graph: Graph, layer: Layer, place: Place) -> None:
    graph.node(layer, place, "Flatten", [place.here], place.there, axis=1)


def _residual(graph: Graph, layer: Layer, place: Place) -> None:
    assert isinstance(layer, Residual)
    ends = []
    for way, row in (("body", layer.body), ("shortcut", layer.shortcut)):
        end = place.key(f"{way}.y") if row else place.here
        _write_row(graph, row, place.key(f"{way}."), place.here, end, place.shape_here)
        ends.append(end)
    graph.node(layer, place, "Add", ends, place.there)


WRITERS: dict[str, Callable[[Graph, Layer, Place], None]] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "BatchNormalization": _norm,
    "Gemm": _linear,
    "Dropout": _dropout,
    "Flatten": _flatten,
    "Add": _residual,
}


def _inputs(layer: Layer, place: Place) -> list[str]:
    """Return the names of the maps and of the layer's parameters."""
    return [place.here, *map(place.key, names_of(layer))]


def _window(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of how a window slides."""
    return {"kernel_shape": options["kernel_size"], "strides": options["stride"]}


def _pads_within_windows(options: Mapping[str, Any], place: Place) -> bool:
    """Return whether ONNX Runtime pads a maximum as we do.

    It takes no padding as wide as the window, not counting a dilation; and a window of padding
    alone is the lowest finite number there, and minus infinity here.
    """
    for axis, (k, p, s, d) in enumerate(zip(*_sides(options), strict=True), start=2):
        begins = np.arange(place.shape_there[axis] if p else 0) * s - p
        before = np.maximum(0, -(begins // d))  # positions in the padding, at the beginning
        inside = (before < k) & (begins + d * before < place.shape_here[axis])
        if p >= k or not inside.all():
            return False
    return True


def _all_borders(options: Mapping[str, Any], place: Place) -> Array:
    """Return how far windows reach over each border, for Pad: all beginnings, then all ends."""
    before = [0, 0]
    after = [0, 0]
    for axis, (k, p, s, d) in enumerate(zip(*_sides(options), strict=True), start=2):
        end = (place.shape_there[axis] - 1) * s + d * (k - 1) + 1  # with ceil_mode, perhaps beyond
        before.append(p)
        after.append(max(p, end - p - place.shape_here[axis]))
    return np.array(before + after, np.int64)


def _sides(options: Mapping[str, Any]) -> list[Pair]:
    """Return kernel, padding, stride and dilation, each (vertical, horizontal)."""
    return [options[name] for name in ("kernel_size", "padding", "stride", "dilation")]


def _dtype(model: Network) -> np.dtype[Any]:
    """Return the one dtype of all weights, which may not be too many for a file."""
    arrays = named_arrays(model.layers)
    size = sum(array.nbytes for array in arrays.values())
    if size > LARGEST:
        raise ValueError(f"model must have less than 2 GB of weights for ONNX, got {size:,} bytes")
    described(model.layers)  # refuses what is not of the package
    dtypes = {array.dtype.newbyteorder("=") for key, array in arrays.items() if COUNTER not in key}
    if len(dtypes) > 1:
        names = sorted(dtype.name for dtype in dtypes)
        raise ValueError(f"model must have weights of one dtype for ONNX, got {names}")
    return dtypes.pop() if dtypes else np.dtype(np.float32)


def _texts(metadata: Mapping[str, str] | None, model: Network) -> dict[str, str]:
    """Return all metadata: the caller's, and the buffers that no operator takes."""
    if not isinstance(metadata, Mapping | None):
        raise TypeError(f"metadata must be a dictionary, got {_args.shown(metadata)}")
    given = dict(metadata or {})
    for item in given.items():
        if not all(isinstance(each, str) for each in item):
            raise TypeError(f"metadata must hold text under names, got {_args.shown(item)}")
        try:
            "".join(item).encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"metadata must hold text, got {_args.shown(item)}: {error}") from None
    arrays = named_arrays(model.layers)
    ours = {key: str(array) for key, array in arrays.items() if COUNTER in key}
    if both := ours.keys() & given.keys():
        raise ValueError(f"metadata must have other names than buffers, got {sorted(both)}")
    return given | ours
