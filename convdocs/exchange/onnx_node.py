"""What is known of an ONNX node and of the maps that it takes, as a reader of nodes asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import onnx

from .._args import Array
from ..layer import Layer
from ..windows import Borders, Pair, Window, same_borders

AUTO = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")  # what auto_pad may be


class Side(NamedTuple):
    """How long an axis of the maps is.

    If the file leaves it open, it is some multiple of ``multiple``, and ``size`` stands for it.
    """

    size: int
    multiple: int = 0


class Maps(NamedTuple):
    """What comes in: how many images, the shape of one, and the layer that gives it."""

    images: int
    shape: tuple[Side, ...]
    dtype: np.dtype[Any]
    behind: Layer | None

    def known(self) -> Pair:
        """Return height and width, or refuse what leaves them open."""
        if len(self.shape) != 3 or any(side.multiple for side in self.shape):
            raise ValueError("no size of the maps that come in")
        return self.shape[1].size, self.shape[2].size


class Pad(NamedTuple):
    """What a node adds around the maps for the node behind it."""

    value: float
    borders: Borders


class Node:
    """A node as its reader sees it.

    Parameters
    ----------
    proto : onnx.NodeProto
    opset : int
        The version of the standard, which says what an attribute is that is left out.
    constants : mapping of str to ndarray
        What is known without an image.
    pad : Pad or None
        What the node before it adds.

    Attributes
    ----------
    since : int
        The first version of the standard whose operator this is.
    given, attributes : dict
        The attributes that stand in the file, and the same with the standard's defaults.
    results : list of str
        The names of the outputs that are asked for.
    """

    def __init__(
        self,
        proto: onnx.NodeProto,
        opset: int,
        constants: Mapping[str, Array],
        pad: Pad | None = None,
    ) -> None:
        schema = onnx.defs.get_schema(proto.op_type, max_inclusive_version=opset, domain="")
        value = onnx.helper.get_attribute_value
        defaults = {
            name: value(attribute.default_value)
            for name, attribute in schema.attributes.items()
            if attribute.default_value.name
        }
        self.since = schema.since_version
        self.given: dict[str, Any] = {each.name: value(each) for each in proto.attribute}
        self.attributes: dict[str, Any] = defaults | self.given
        self.results = [name for name in proto.output if name]
        self.pad = pad
        self._arrays = [constants.get(name) if name else None for name in proto.input]

    def optional(self, number: int) -> Array | None:
        """Return an input beside the maps, if it is there."""
        return self._arrays[number] if number < len(self._arrays) else None

    def array(self, number: int) -> Array:
        """Return an input beside the maps that is always there."""
        array = self.optional(number)
        if array is None:
            raise ValueError(f"its input number {number} is missing")
        return array

    def summand(self) -> Array:
        """Return the input that is not the maps, which may be the first."""
        return self.array(1 if self._arrays[0] is None else 0)

    def flag(self, name: str, default: int) -> bool:
        """Return an attribute that is 0 or 1; the default is for versions without it."""
        return bool(self.attributes.get(name, default))

    def pair(self, name: str) -> Pair:
        """Return an attribute of two numbers from 1, which both are by default."""
        first, *rest = self.attributes.get(name, (1, 1))
        if len(rest) != 1 or min(first, *rest) < 1:
            raise ValueError(f"{name}={[first, *rest]}")
        return first, rest[0]


class Sliding(NamedTuple):
    """A window, and what is added at the borders before it slides."""

    window: Window
    borders: Borders

    @classmethod
    def of(cls, node: Node, maps: Maps, kernel: Pair, value: float) -> Sliding:
        """Return how a node's window slides; what a node before it added must have this value."""
        window = Window(kernel, node.pair("strides"), node.pair("dilations"))
        auto = node.attributes.get("auto_pad", b"NOTSET").decode()
        pads = node.attributes.get("pads", (0, 0, 0, 0))
        if auto not in AUTO or len(pads) != 4 or (auto != "NOTSET" and any(pads)):
            raise ValueError(f"pads={list(pads)} with auto_pad={auto}")
        borders = (pads[0], pads[2]), (pads[1], pads[3])
        if auto.startswith("SAME"):
            borders = _same(maps, window, upper=auto == "SAME_UPPER")
        if node.pad is not None:
            if node.pad.value != value or auto.startswith("SAME"):
                raise ValueError(f"a border of {node.pad.value} before it")
            (top, bottom), (left, right) = node.pad.borders
            borders = (
                (borders[0][0] + top, borders[0][1] + bottom),
                (borders[1][0] + left, borders[1][1] + right),
            )
        return cls(window, borders)

    @property
    def even(self) -> bool:
        """Whether opposite borders are equal."""
        return all(low == high for low, high in self.borders)

    @property
    def low(self) -> Pair:
        """The borders above and on the left."""
        return self.borders[0][0], self.borders[1][0]

    @property
    def keeps_size(self) -> bool:
        """Whether the borders are those of ``padding='same'``."""
        window = self.window
        same = same_borders(window.kernel, window.dilation)
        return window.stride == (1, 1) and self.borders == same

    def padding(self) -> Pair:
        """Return the borders as a layer's padding, or refuse them."""
        if not self.even:
            raise self.uneven()
        return self.low

    def uneven(self) -> ValueError:
        """Return the error of borders that no layer has."""
        return ValueError(f"borders {list(self.borders)}, but a layer pads both sides alike")

    def places(self, sides: Pair) -> list[int]:
        """Return how many places the window has in maps of this height and width."""
        return [
            (n + low + high - span) // step + 1
            for n, (low, high), span, step in zip(
                sides, self.borders, self.window.span, self.window.stride, strict=True
            )
        ]


def _same(maps: Maps, window: Window, upper: bool) -> Borders:
    """Return the borders of auto_pad: an output a stride, the odd pixel at the end if ``upper``."""
    if window.stride == (1, 1):
        (top, bottom), (left, right) = same_borders(window.kernel, window.dilation)
    else:
        borders = []
        for n, span, step in zip(maps.known(), window.span, window.stride, strict=True):
            total = (n - 1) // step * step + span - n
            if total < 0:  # programs differ in what they make of it
                raise ValueError(f"a border of {total} pixels, as auto_pad works it out")
            borders.append((total // 2, total - total // 2))
        (top, bottom), (left, right) = borders
    return ((top, bottom), (left, right)) if upper else ((bottom, top), (right, left))
