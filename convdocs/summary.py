"""What a network makes of an image: shapes, parameters, work and receptive field of each layer."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from . import _args
from ._args import Array
from .fc import Linear
from .layer import Layer, fitting
from .windows import Pair, Window


class Row(NamedTuple):
    """What `CNN.summary` says of one layer."""

    layer: str  #: The name of its class.
    output_shape: tuple[int, ...]  #: That of its output for one image.
    parameters: int  #: How many numbers it learns.
    macs: int  #: How many multiply-accumulates it makes for one image, biases not counted.
    receptive_field: tuple[int, int]  #: Rows and columns of the image that one output sees.


class Summary(list[Row]):
    """The rows of `CNN.summary`; printed, they are a table with totals."""

    @classmethod
    def of(cls, layers: Iterable[Layer], input_shape: tuple[int, int, int]) -> Summary:
        """Return the summary of layers in a row, for images of the shape (C, H, W)."""
        sides = _args.several("input_shape", input_shape, 3, "(C, H, W)")
        shape = tuple(_args.integer("input_shape", side, 1) for side in sides)
        with _args.in_memory("input_shape", shape):
            y = np.empty((0, *shape), np.float32)  # an empty batch: shapes, no numbers
        rows = []
        maps: Pair = (shape[1], shape[2])
        field, jump = (1, 1), (1, 1)
        for number, layer in enumerate(layers):
            window = _window(layer)
            if isinstance(layer, Linear) and y.ndim == 2:  # it sees whole maps at once
                window = Window(maps, (1, 1), (1, 1))
                maps = (1, 1)
            with fitting("input_shape", number, layer):
                y = _output(layer, y)
            if y.ndim == 4:
                maps = (y.shape[2], y.shape[3])
            (height, width), (sH, sW) = window.span, window.stride
            field = field[0] + jump[0] * (height - 1), field[1] + jump[1] * (width - 1)
            jump = jump[0] * sH, jump[1] * sW
            parameters = sum(p.size for p in layer.params.values())
            weight = layer.params.get("weight")
            macs = 0 if weight is None else weight.size // len(weight) * math.prod(y.shape[1:])
            rows.append(Row(type(layer).__name__, y.shape[1:], parameters, macs, field))
        return cls(rows)

    @property
    def parameters(self) -> int:
        """The number of parameters of all layers."""
        return sum(row.parameters for row in self)

    @property
    def macs(self) -> int:
        """The multiply-accumulates of all layers, for one image."""
        return sum(row.macs for row in self)

    def __repr__(self) -> str:
        """Return the table."""
        head = ("layer", "output shape", "parameters", "multiply-accumulates", "receptive field")
        cells = [head]
        for row in self:
            shape, field = (" x ".join(map(str, sides)) for sides in (row[1], row[4]))
            cells.append((row.layer, shape, f"{row.parameters:,}", f"{row.macs:,}", field))
        cells.append(("total", "", f"{self.parameters:,}", f"{self.macs:,}", ""))
        widths = [max(len(line[i]) for line in cells) for i in range(len(head))]
        form = "  ".join(f"{{:{'<' if i < 2 else '>'}{width}}}" for i, width in enumerate(widths))
        lines = [form.format(*line).rstrip() for line in cells]
        rule = "-" * (sum(widths) + 2 * len(widths) - 2)
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _output(layer: Layer, x: Array) -> Array:
    """Return what a layer makes of no images at all; an error calls their number N."""
    try:
        return layer.forward(x)
    except (ValueError, TypeError) as error:
        raise type(error)(str(error).replace("(0, ", "(N, ")) from None


def _window(layer: Layer) -> Window:
    """Return the window that a layer slides over its input; most see one pixel at a time."""
    kernel, stride, dilation = (
        _args.pair(name, layer.options.get(name, 1), 1)
        for name in ("kernel_size", "stride", "dilation")
    )
    return Window(kernel, stride, dilation)
