"""A graph of operators, read as layers: a walk from its input to its output.

Programs write the same layer in different ways: a fully connected one as a product and a sum, a
flattening as a new shape that other nodes compute. So the walk computes what is constant, and asks
of every other node which layers it is. Where two ways from one place meet in a sum, they are a
residual block. What is not one of the package's layers, it lists.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx

from ..architecture import named_arrays
from ..conv import Conv2d
from ..fc import Linear
from ..layer import Layer
from ..norm import BatchNorm2d
from ..residual import Residual
from ..transposed import ConvTranspose2d
from .onnx_constants import Constants
from .onnx_layers import PADDED, Reader, reader_of
from .onnx_node import Maps, Node, Pad, Side

STANDARD = ("", "ai.onnx")  # the two names of the domain of the standard's operators
# Stand for sizes that the file leaves open: images, channels, rows, columns. What a file says of
# one of these numbers by chance, it does not say of all. Where a block halves maps and doubles them
# again, the sum of both ways fits for even sizes alone, or for odd ones: two rows hold each kind.
OPEN_SIZES = (
    (8191, 8179, 64 * 127, 64 * 113),
    (8161, 8147, 8123, 8117),
    (8111, 8101, 64 * 131, 64 * 109),
    (8093, 8089, 8087, 8081),
)
# The axis on which a layer asks for a size, and the option that says which.
ASKED = {
    Conv2d: (0, "in_channels"),
    ConvTranspose2d: (0, "in_channels"),
    BatchNorm2d: (0, "num_features"),
    Linear: (-1, "in_features"),
}

Shape = tuple[Side, ...]


class Point(NamedTuple):
    """Where maps stand: behind a layer, which stands behind others."""

    shape: Shape
    layer: Layer | None = None
    before: Point | None = None
    depth: int = 0  # how many layers lead here
    alone: bool = False  # whether nothing else takes what the layer makes
    pad: Pad | None = None  # what a node adds around the maps, for the one behind it


def layers_of(proto: onnx.ModelProto) -> tuple[list[Layer], list[str], Exception | None]:
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
    cause : Exception, optional
        The first error of a reader of nodes; where it is a mistake of the reader's own, its
        traceback says where.

    Raises
    ------
    ValueError
        If a tensor is damaged.
    """
    walk = Walk(proto, OPEN_SIZES[0])
    if not walk.open or not (walk.problems or walk.measured):
        return walk.layers, walk.problems, walk.cause
    walks = [walk, *(Walk(proto, sizes) for sizes in OPEN_SIZES[1:])]
    problems = [each.problems for each in walks if each.problems]
    whole = [each for each in walks if not each.problems]
    if not whole or (whole[0].measured and len(whole) == 1):  # that one fitted by chance
        return walk.layers, problems[0], walk.cause
    first, *others = whole
    if first.measured and not all(_equal(first.layers, other.layers) for other in others):
        problem = "layers that depend on the number of images or on their size"
        return first.layers, [problem], None
    return first.layers, [], None


class Walk:
    """A walk along a graph.

    Parameters
    ----------
    proto : onnx.ModelProto
        A valid one.
    open_sizes : sequence of int
        What stands for sizes that the file leaves open.

    Attributes
    ----------
    layers : list of layers
    problems : list of str
        What there is no layer for. Behind such a node, only further ones are looked for.
    cause : Exception or None
        The first error behind them.
    open : bool
        Whether the file leaves sizes open.
    measured : bool
        Whether the graph asks for sizes, so that the layers may depend on ``open_sizes``.
    """

    def __init__(self, proto: onnx.ModelProto, open_sizes: Sequence[int]) -> None:
        self.layers: list[Layer] = []
        self.problems: list[str] = []
        self.cause: Exception | None = None
        self.open = False
        self.measured = False
        self._constants = Constants(proto)
        self._opset = _opset(proto)
        self._functions = {each.name for each in proto.functions if each.domain in STANDARD}
        self._sparse = {each.values.name for each in proto.graph.sparse_initializer}
        self._open_sizes = open_sizes
        self._images = open_sizes[0]
        self._dtype: np.dtype[Any] = np.dtype(np.float32)
        self._points: dict[str, Point] = {}  # of all maps on the way, by their name
        self._last = ""  # the name of the newest of them
        self._takers = Counter(  # how many nodes take maps to compute with
            name
            for node in proto.graph.node
            for name in node.input
            if node.op_type not in ("Shape", "Size")
        )
        self._sizes: dict[str, list[int]] = {}  # of all maps without a border to come
        self._vague: set[str] = set()  # what would be constant, were it not for a problem
        self._begin(proto.graph)
        for node in proto.graph.node:
            self._step(node)
        outputs = [str(each.name) for each in proto.graph.output]
        if self.problems:
            return
        end = self._points[self._last]
        if outputs != [self._last] or end.pad:
            self.problems.append(f"the output {', '.join(outputs)}, not the last node's")
        self.layers = _row(None, end)

    def _begin(self, graph: onnx.GraphProto) -> None:
        """Take the graph's input."""
        inputs = [each for each in graph.input if each.name not in self._constants]
        if len(inputs) != 1:
            self.problems.append(f"{len(inputs)} inputs")
            return
        name = inputs[0].name
        kind = inputs[0].type.tensor_type
        dtypes = {onnx.TensorProto.FLOAT: np.float32, onnx.TensorProto.DOUBLE: np.float64}
        if kind.elem_type not in dtypes:
            self.problems.append(f"the input {name}, not of float32 or float64")
            return
        self._dtype = np.dtype(dtypes[kind.elem_type])
        if not 1 <= len(kind.shape.dim) <= len(self._open_sizes):
            self.problems.append(f"the input {name} of {len(kind.shape.dim)} axes")
            return
        self.open = any(dim.dim_value <= 0 for dim in kind.shape.dim)
        images, *sides = (
            Side(dim.dim_value) if dim.dim_value > 0 else Side(size, multiple=1)
            for dim, size in zip(kind.shape.dim, self._open_sizes, strict=False)
        )
        self._images = images.size
        self._move(name, Point(tuple(sides)))

    def _move(self, name: str, point: Point) -> None:
        """Go on to the maps of this name."""
        self._points[name] = point
        self._last = name
        if point.pad is None:
            self._sizes[name] = [self._images, *(side.size for side in point.shape)]

    def _step(self, node: onnx.NodeProto) -> None:
        """Take one node: compute it if it is constant, or make layers of it."""
        operator = node.op_type
        standard = node.domain in STANDARD
        label = str(operator) if standard else f"{node.domain}.{operator}"
        if node.name:
            label = f"{label} ({node.name})"
        unknown = [name for name in node.input if name and name not in self._constants]
        reader = reader_of(operator)
        try:
            if not standard or operator in self._functions:
                self.problems.append(label)
            elif not unknown:
                self._constants.compute(node)
            elif operator in ("Shape", "Size") and unknown[0] in self._sizes:
                self._measure(node, self._sizes[unknown[0]])
            elif self.problems and (operator in ("Shape", "Size") or self._vague >= {*unknown}):
                self._vague.update(node.output)
            elif reader is None:
                self.problems.append(label)
            elif not self.problems:
                self._read(reader, node, unknown)
        except Exception as error:  # a strange graph can fail in any way
            self.problems.append(f"{label}: {error}")
            self.cause = self.cause or error
            self._vague.update(node.output)

    def _measure(self, node: onnx.NodeProto, sizes: list[int]) -> None:
        """Compute the size of maps on the way."""
        self.measured = True
        if node.op_type == "Size":
            result = np.array(math.prod(sizes), np.int64)
        else:
            ends = {each.name: each.i for each in node.attribute}
            result = np.array(sizes[ends.get("start", 0) : ends.get("end")], np.int64)
        self._constants[node.output[0]] = result

    def _read(self, reader: Reader, proto: onnx.NodeProto, unknown: list[str]) -> None:
        """Make layers of a node that takes maps on the way, and constants."""
        operator = proto.op_type
        if sparse := self._sparse.intersection(unknown):
            raise ValueError(f"the tensor {sparse.pop()!r} is sparse")
        if not self._points.keys() >= {*unknown}:
            raise ValueError("it is not behind the nodes before it")
        if operator == "Add" and len(unknown) == 2:
            self._move(proto.output[0], _sum(*(self._points[name] for name in unknown)))
            return
        if len(unknown) > 1:
            raise ValueError("it takes more maps than one")
        if proto.input[0] != unknown[0] and operator != "Add":  # a sum may begin with the bias
            raise ValueError("its first input is a constant, not what is before it")
        point = self._points[unknown[0]]
        if point.pad and operator not in PADDED:
            raise ValueError("it does not take the border before it")
        self.measured |= operator == "Reshape"
        alone = self._takers[unknown[0]] == 1
        behind = point.layer if alone and point.alone else None
        node = Node(proto, self._opset, self._constants, point.pad)
        found = reader(node, Maps(self._images, point.shape, self._dtype, behind))
        pad = found if isinstance(found, Pad) else None
        point = point._replace(pad=pad, alone=alone and point.alone)
        for layer in [] if isinstance(found, Pad) else found:
            shape = _behind(layer, point.shape)
            point = Point(shape, layer, point, point.depth + 1, alone=True)
        self._move(proto.output[0], point)


def _row(start: Point | None, end: Point) -> list[Layer]:
    """Return the layers from one point to another, or from the input."""
    row = []
    least = start.depth if start else 0
    while end.depth > least and end.before and end.layer:
        row.append(end.layer)
        end = end.before
    return row[::-1]


def _sum(one: Point, other: Point) -> Point:
    """Return where two ways meet: behind a residual block, which begins where they part."""
    if one.pad or other.pad:
        raise ValueError("it does not take the border before it")
    sizes = [[side.size for side in point.shape] for point in (one, other)]
    if sizes[0] != sizes[1]:
        raise ValueError(f"a sum of maps of {sizes[0]} and {sizes[1]}")
    fork, end = one, other
    while fork.layer is not end.layer:
        if fork.depth < end.depth:
            fork, end = end, fork
        assert fork.before  # the input is at depth 0
        fork = fork.before
    rows = _row(fork, one), _row(fork, other)
    if not any(rows):
        raise ValueError("a sum of maps with themselves")
    body, shortcut = rows if rows[0] else rows[::-1]
    return Point(one.shape, Residual(body, shortcut), fork, fork.depth + 1, alone=True)


def _behind(layer: Layer, shape: Shape) -> Shape:
    """Return the shape of one image's maps behind a layer, or raise an error if it takes none."""
    sides = list(shape)
    if sides and type(layer) in ASKED:
        axis, option = ASKED[type(layer)]
        if sides[axis].multiple:
            sides[axis] = _settled(sides[axis], option, layer.options[option])
    y = layer.forward(np.empty((0, *(side.size for side in sides)), np.float32))
    if y.ndim - 1 != len(sides):  # flattened
        multiple = math.prod(side.multiple or side.size for side in sides)
        is_open = any(side.multiple for side in sides)
        return (Side(y.shape[1], multiple if is_open else 0),)
    behind = []
    for size, side in zip(y.shape[1:], sides, strict=True):
        if not side.multiple or size == side.size:
            behind.append(Side(size, side.multiple))
        else:
            behind.append(Side(size, multiple=1))
    return tuple(behind)


def _settled(side: Side, option: str, size: int) -> Side:
    """Return a side that the file leaves open as the size that a layer asks for."""
    if size % side.multiple:
        raise ValueError(f"{option}={size}, but what comes in is a multiple of {side.multiple}")
    return Side(size)


def _equal(some: list[Layer], others: list[Layer]) -> bool:
    """Return whether two rows of layers compute the same."""
    one, other = named_arrays(some), named_arrays(others)
    return repr(some) == repr(others) and all(
        np.array_equal(one[key], other[key], equal_nan=True) for key in one
    )


def _opset(proto: onnx.ModelProto) -> int:
    """Return the version of the standard that a model is written in."""
    versions = {each.version for each in proto.opset_import if each.domain in STANDARD}
    if len(versions) != 1:
        raise ValueError(f"opsets {sorted(versions)}, not one")
    version = versions.pop()
    if version > (newest := onnx.defs.onnx_opset_version()):
        raise ValueError(f"opset {version}, but onnx knows operators up to {newest}")
    return version
