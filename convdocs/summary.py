"""What a network makes of an image: shapes, parameters, work and receptive field of each layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from . import _args
from .fc import Linear
from .layer import Layer, all_of, check_rows, fitting, made_of_none
from .windows import Pair, Patch

PHASES = 256  # places of an output that are looked at, at most


class Row(NamedTuple):
    """What `CNN.summary` says of one layer."""

    layer: str  #: The name of its class.
    output_shape: tuple[int, ...]  #: That of its output for one image.
    parameters: int  #: How many numbers it learns.
    macs: int  #: How many multiply-accumulates it makes for one image, biases not counted.
    #: Rows and columns of the image that one output sees; the most, where outputs differ.
    receptive_field: tuple[int, int]


class Summary(list[Row]):
    """The rows of `CNN.summary`; printed, they are a table with totals."""

    @classmethod
    def of(cls, layers: Iterable[Layer], input_shape: tuple[int, ...]) -> Summary:
        """Return the summary of layers in a row, for images of the shape (C, H, W)."""
        sides = _args.several("input_shape", input_shape, 3, "(C, H, W)")
        shape = tuple(_args.integer("input_shape", side, 1) for side in sides)
        with _args.in_memory("input_shape", shape):
            y = np.empty((0, *shape), np.float32)  # an empty batch: shapes, no numbers
        layers = list(layers)
        check_rows(layers=layers)
        rows = []
        maps: Pair = (shape[1], shape[2])
        steps: list[Callable[[Patch], Patch]] = []  # from what a layer makes to what it sees of it
        phases = 1  # after how many places of the output patches begin again
        for number, layer in enumerate(layers):
            x = y
            with fitting("input_shape", number, layer):
                y = made_of_none(layer, x)
            sees_all = y.ndim == 2 and any(isinstance(one, Linear) for one in all_of([layer]))
            steps.append(partial(_all, maps) if sees_all else layer.sees)
            if y.ndim == 4:
                maps = (y.shape[2], y.shape[3])
            for each in all_of([layer]):
                phases = min(PHASES, phases * each.phases())
            patches = [_behind((place, place), steps) for place in range(phases)]
            axes = zip(*patches, strict=True)
            height, width = (max(last - first + 1 for first, last in axis) for axis in axes)
            name, macs = type(layer).__name__, layer.macs(x, y)
            rows.append(Row(name, y.shape[1:], layer.learned(), macs, (height, width)))
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


def _behind(place: Pair, steps: Sequence[Callable[[Patch], Patch]]) -> Patch:
    """Return the patch of the image that one output sees."""
    patch: Patch = ((place[0], place[0]), (place[1], place[1]))
    for step in reversed(steps):
        patch = step(patch)
    return patch


def _all(maps: Pair, patch: Patch) -> Patch:
    """Return whole maps, whatever patch of the output depends on them."""
    return (0, maps[0] - 1), (0, maps[1] - 1)
