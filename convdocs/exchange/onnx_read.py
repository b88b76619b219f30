"""A graph of operators, read as layers: a walk from its input to its output.

Programs write the same layer in different ways: a fully connected one as a product and a sum, a
flattening as a new shape that other nodes compute. So the walk computes what is constant, and asks
of every other node which layer it is. What is not one of the package's layers, it lists.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _extras
from ..conv import Conv2d
from ..fc import Dropout, Flatten, Linear, ReLU
from ..norm import BatchNorm2d
from ..pool import AvgPool2d, MaxPool2d
from ..windows import same_borders

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._args import Array
    from ..layer import Layer

FOLDED = set("Add Cast Concat Constant Gather Identity Mul Reshape Slice Squeeze Sub".split())
FOLDED |= set("Transpose Unsqueeze".split())  # what exporters compute constants with
MANY = 8191  # stands for a number of images that the file leaves open
TRACKED = "num_batches_tracked"  # the one buffer that no operator takes: it is in the metadata


def layers_of(proto: Any) -> tuple[list[Layer], list[str]]:
    """Return the layers of an ONNX model.

    Parameters
    ----------
    proto : onnx.ModelProto
        A valid one.

    Returns
    -------
    layers : list of layers
        In a row from the input to the output.
    problems : list of str
        What there is no layer for. If there is anything, the layers are not the whole network.
    """
    walk = _Walk(proto)
    for node in proto.graph.node:
        walk.step(node)
    for prop in proto.metadata_props:
        number, _, buffer = prop.key.partition(".")
        if buffer == TRACKED and number.isdecimal() and prop.value.isdecimal():
            for layer in walk.layers[int(number) : int(number) + 1]:
                if buffer in layer.buffers:
                    layer.buffers[buffer][...] = int(prop.value)
    return walk.layers, list(dict.fromkeys([*walk.problems, *walk.ends(proto.graph)]))


class _Walk:
    """A walk along a graph: the layers so far, and what there is no layer for.

    ``constants`` are the arrays whose values the file tells, ``here`` is the name of the maps that
    the next layer takes, and ``shape`` that of one image there, or None if the file does not say.
    """

    def __init__(self, proto: Any) -> None:
        to_array, graph = _extras.library("onnx.numpy_helper").to_array, proto.graph
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
        make = _extras.library("onnx.helper")
        names = [name for name in node.input if name]
        feeds = dict(zip(names, data or [self.constants[name] for name in names], strict=True))
        values = [
            [make.make_empty_tensor_value_info(name) for name in each]
            for each in (feeds, node.output)
        ]
        graph = make.make_graph([node], "constant", *values)
        proto = make.make_model(graph, opset_imports=self.opsets)
        results = _extras.library("onnx.reference").ReferenceEvaluator(proto).run(None, feeds)
        self.constants |= dict(zip(node.output, results, strict=True))

    def take(self, op: str, node: Any, open_: list[str]) -> None:
        """Make a layer of a node that takes the last layer's output and constants."""
        first = node.input[0] if op != "Add" else self.here  # a sum may begin with the bias
        if open_ != [self.here] or first != self.here:
            raise ValueError("it is not behind the node before it, in a row")
        value = _extras.library("onnx.helper").get_attribute_value
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
        same = stride == (1, 1) and borders == list(same_borders(size, dilation))
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
            borders = list(same_borders(size, dilation))
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
        return _filled(Linear(w.shape[0], w.shape[1], False, _kind(w), 0), weight=w.T)

    def add(self, how: Any, b: Array) -> None:
        """Give the layer before a bias."""
        layer = self.layers[-1] if self.layers else None
        if not isinstance(layer, Conv2d | Linear) or layer.options["bias"]:
            raise ValueError("only a bias behind weights can be added")
        F = len(layer.params["weight"])
        need = (F,) if isinstance(layer, Linear) else (F, 1, 1)
        if b.size != F or b.shape[-len(need) :] != need:
            raise ValueError(f"a bias of shape {b.shape} for {F} outputs")
        layer.options["bias"] = True
        layer.params["bias"] = b.reshape(F).astype(layer.params["weight"].dtype)

    def dropout(self, how: Any, ratio: Array | None = None, train: Array | None = None) -> Layer:
        if train is not None and train:
            raise ValueError("training_mode; export the network for inference")
        p = np.float32(how.get("ratio", 0.5)) if ratio is None else ratio[()]
        return Dropout(float(p) if p.dtype == np.float64 else _short(p))

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
