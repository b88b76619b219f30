"""Networks: nodes and connections, volumes and what is in them, and the graph of an ONNX file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from matplotlib.typing import LineStyleType
from numpy.typing import ArrayLike

from ... import _args
from ..ink import BLUE, COLORS, RED
from . import answers, arguments
from .arguments import Floats, Integers
from .picture import (
    DASHES,
    INK,
    WIDE,
    Box,
    Picture,
    answer,
    canvas,
    fitting,
    narrow,
    outline,
    plotted,
    signed,
    subplots,
    tint,
    widest,
    wrapped,
)

LOOKS = len(COLORS) * len(DASHES)  # weights that are told apart
SLANT = 0.35  # how far back and up a pixel of depth goes
ROWS = 8  # of maps in a column
LEAST = 0.22  # inches from node to node
Layers = ArrayLike | Sequence[ArrayLike]  # one (out, in), or several from below


@plotted
def connections(
    masks: Mapping[str, Layers] | Layers,
    weights: Mapping[str, Layers] | Layers | None = None,
    names: Sequence[str] = (),
    columns: int = 2,
    bias: bool = False,
) -> Picture:
    """Draw layers as rows of nodes, the input below, with a line for each connection.

    Parameters
    ----------
    masks : array_like of shape (out, in), or a list of them, or a dict of either
        Where there is a connection, not 0, and where there is none, 0. A list draws layers on top
        of one another; a dict draws networks side by side, each under its title.
    weights : as masks, optional
        For each connection which weight it has, 0, 1, 2 and so on to 15, so that equal weights
        look alike; a faint line in the text's colour where it is -1. A legend names them where
        there are two or more. A dict may leave networks out, whose lines are then all alike.
    names : sequence of str
        What to write to the left of each row, from below.
    columns : int
        Networks in a row of the figure.
    bias : bool
        Whether the last column of each mask belongs to a node of its own, marked 1: the bias.

    Returns
    -------
    Picture

    Examples
    --------
    >>> picture = connections(np.eye(3), weights=np.arange(9).reshape(3, 3))
    """
    one = int(_args.flag("bias", bias))
    nets = arguments.titled("masks", masks, 3, lambda name, net: _stack(name, net, one))
    numbered: list[list[Integers] | None] = [None] * len(nets)
    if weights is not None:
        titles = [title for title, _ in nets]
        numbered = arguments.beside("weights", weights, 3, _numbers, titles)
        for (_, net), numbers in zip(nets, numbered, strict=True):
            _same_shapes(net, numbers)
    columns = min(_args.integer("columns", columns, 1), len(nets))
    high = max(len(net) for _, net in nets)  # layers
    rows = arguments.words("names", names, range(high + 2))
    most = max(nodes for _, net in nets for nodes in _nodes(net, one))
    beside = (2 if narrow() else 1) * bool(rows)  # room for names, in cells
    left, right = -most / 2 - beside, most / 2 + one  # in cells, from the middle
    columns = fitting(columns, [title for title, _ in nets], LEAST * (right - left))
    cell = (widest() / columns - 0.1) / (right - left)  # inches from node to node
    gap = 1.2 / cell  # from row to row, in cells
    tall = 0.35 + cell * (gap * high + 1)
    figure, every = subplots((widest(), -(-len(nets) // columns) * tall), len(nets), columns)
    for axes, (title, net), numbers in zip(every, nets, numbered, strict=True):
        axes.set(aspect="equal", ylim=(-0.5, gap * len(net) + 0.5))
        axes.set(xlim=(left, right), title=title)
        axes.set_axis_off()
        _network(axes, net, numbers, gap, min(0.3, 0.13 / cell), one)
        _fields(axes, net, gap, one, min(0.5, 0.2 / cell))
        for row, name in enumerate(rows[: len(net) + 1]):
            axes.text(left + 0.5, gap * row, name, ha="center", va="center", size=12)
    _name_weights(figure, [layer for numbers in numbered if numbers for layer in numbers])
    return figure


def _layers(name: str, value: Any) -> list[tuple[str, ArrayLike]]:
    """Return the matrices of one network, from below, each with what an error calls it."""
    parts = None if isinstance(value, np.ndarray) else arguments.listed(value)
    if parts and arguments.depth(parts[0]) >= 2:
        return [(f"{name}[{number}]", layer) for number, layer in enumerate(parts)]
    return [(name, value)]


def _stack(name: str, value: Layers, one: int) -> list[Floats]:
    """Return layers that fit on top of one another; ``one`` column of each is the bias."""
    net = [arguments.grid(called, layer) for called, layer in _layers(name, value)]
    for below, above in pairwise(net):
        if above.shape[1] != len(below) + one:
            need = f"{name} must fit on top of one another"
            raise ValueError(f"{need}, got a layer {above.shape} over {len(below)} nodes")
    if net[0].shape[1] == one:
        raise ValueError(f"{name} must have a column beside the bias, got {net[0].shape}")
    return net


def _numbers(name: str, value: Layers) -> list[Integers]:
    """Return the number of each connection's weight, -1 where it is not told apart."""
    return [
        arguments.integers(called, layer, "out in", -1, LOOKS - 1)
        for called, layer in _layers(name, value)
    ]


def _same_shapes(net: list[Floats], numbers: list[Integers] | None) -> None:
    """Refuse numbers of weights that belong to other layers."""
    need, got = ([layer.shape for layer in layers] for layers in (net, numbers or net))
    if need != got:
        raise ValueError(f"weights must have the shapes of masks, {need}, got {got}")


def _nodes(net: list[Floats], one: int) -> list[int]:
    """Return how many nodes each row has, from below, without those that are always 1."""
    return [net[0].shape[1] - one, *map(len, net)]


def _network(
    axes: Axes,
    net: list[Floats],
    numbers: list[Integers] | None,
    gap: float,
    radius: float,
    one: int,
) -> None:
    """Draw the nodes of one network and the lines between them."""
    plain = 0.55 if numbers is None else 0.3
    nodes = _nodes(net, one)
    _circles(axes, _in_a_row(nodes[0]), 0, radius)
    for row, mask in enumerate(net):
        end = _in_a_row(nodes[row + 1])
        start = np.arange(mask.shape[1]) + _in_a_row(nodes[row])[0]
        if one:
            _circles(axes, start[-1:], row * gap, radius, "1")
        for j, i in np.argwhere(mask):
            number = -1 if numbers is None else numbers[row][j, i]
            way = np.array([end[j] - start[i], gap])
            way *= radius / np.hypot(*way)  # a line begins and ends at a circle, not in it
            axes.plot(
                [start[i] + way[0], end[j] - way[0]],
                [row * gap + way[1], (row + 1) * gap - way[1]],
                color=COLORS[number % 4] if number >= 0 else INK,
                linestyle=_dashes(number) if number >= 0 else "-",
                linewidth=1.6 if number >= 0 else 0.7,
                alpha=1 if number >= 0 else plain,
                zorder=2 if number >= 0 else 1,
            )
        _circles(axes, end, (row + 1) * gap, radius)


def _fields(axes: Axes, net: list[Floats], gap: float, one: int, reach: float) -> None:
    """Let each node answer what it sees of the row below, and through it of the input."""
    nodes = _nodes(net, one)

    def boxes(row: int, chosen: Iterable[int]) -> list[Box]:
        middle, side = _in_a_row(nodes[row]), 2 * reach
        return [(middle[node] - reach, row * gap - reach, side, side) for node in chosen]

    field = np.eye(nodes[0], dtype=int)  # of each node of a row: which inputs it sees
    for row, layer in enumerate(net):
        mask = (layer[:, : nodes[row]] != 0).astype(int)
        field = mask @ field
        for node in range(nodes[row + 1]):
            below, inputs = (np.flatnonzero(part[node]).tolist() for part in (mask, field))
            words = f"Node {node} of this row, from the left, sees {_nodes_said(below)} below"
            sources = boxes(row, below)
            if row:
                words += f", and through them {len(inputs)} of the lowest row"
                sources += boxes(0, inputs)
            answer(axes, boxes(row + 1, [node])[0], words, *sources)


def _nodes_said(nodes: list[int]) -> str:
    """Name some nodes."""
    many = "s" if len(nodes) > 1 else ""
    return f"node{many} {answers.in_words(nodes)}" if nodes else "no node"


def _in_a_row(count: int) -> Floats:
    """Return the places of nodes in a row, around the middle."""
    return np.arange(count, dtype=float) - (count - 1) / 2


def _dashes(number: int) -> LineStyleType:
    """Return a weight's dashes: with its colour, 16 looks."""
    return DASHES[(number + number // 4) % 4]


def _circles(axes: Axes, places: Iterable[float], y: float, radius: float, text: str = "") -> None:
    for x in places:
        axes.add_patch(Circle((x, y), radius, fill=False, ec=INK, lw=1.1))
        axes.text(x, y, text, ha="center", va="center_baseline")


def _name_weights(figure: Picture, layers: list[Integers]) -> None:
    """Say below a figure which weight looks how, if there are two or more."""
    told = sorted({int(number) for layer in layers for number in layer.flat if number >= 0})
    if len(told) > 1:
        lines = [
            Line2D([], [], lw=2, color=COLORS[n % 4], linestyle=_dashes(n), label=f"$w_{{{n}}}$")
            for n in told
        ]
        columns = min(int(widest() / 0.85), len(told))
        figure.legend(handles=lines, loc="outside lower center", ncols=columns, handlelength=2.6)


@plotted
def volumes(shapes: Mapping[str, tuple[int, ...]] | Sequence[tuple[int, ...]]) -> Picture:
    """Draw volumes as boxes in a row: as tall and as deep as their pictures, as wide as channels.

    Parameters
    ----------
    shapes : dict of str to tuple of int, or a list of them without titles
        Shapes (C, H, W) or (K,), under titles with a line break between two words if need be.

    Returns
    -------
    Picture
        Pixels are drawn to scale; one channel is drawn as wide as a quarter of a pixel.
    """
    drawn = arguments.titled("shapes", shapes, 1, _volume)
    columns = fitting(len(drawn), [volume.said for _, volume in drawn], 0.9)
    rows = [drawn[i : i + columns] for i in range(0, len(drawn), columns)]
    tall = max(volume.H for _, volume in drawn)
    total = max(sum(_room(volume, tall) for _, volume in row) for row in rows)
    scale = widest() / total
    below, above = 0.3 / scale, 0.6 / scale
    talls = [max(volume.H for _, volume in row) for row in rows]
    down = [(1 + SLANT) * high + below + above for high in talls]  # that a row takes
    figure, axes = canvas((widest(), scale * sum(down)), (0, total), (-sum(down), 0))
    for number, row in enumerate(rows):
        x, y, high = 0.0, below - sum(down[: number + 1]), (1 + SLANT) * talls[number]
        for title, volume in row:
            wide, H, back = box = _sides(volume, tall)
            place = _room(volume, tall)
            _box(axes, x + (place - wide - back) / 2, y + (talls[number] - H) / 2, *box)
            middle = x + place / 2
            axes.text(middle, y - 0.25 * below, volume.said, ha="center", va="top", size=11)
            axes.text(middle, y + high + 0.1 * above, title, ha="center", va="bottom", size=11)
            x += place
    return figure


class _Volume(NamedTuple):
    """How a shape is written, and its sides."""

    said: str
    C: int
    H: int
    W: int


def _volume(name: str, value: tuple[int, ...]) -> _Volume:
    sizes = arguments.integers(name, value, "axes", 1, 10**6).tolist()
    if len(sizes) not in (1, 3):
        raise ValueError(f"{name} must be (C, H, W) or (K,), got {value}")
    C, H, W = sizes if len(sizes) == 3 else (*sizes, 1, 1)
    return _Volume(" × ".join(map(str, sizes)), C, H, W)


def _sides(volume: _Volume, tall: int) -> tuple[float, float, float]:
    """Return how wide and high a box is, and how far back it reaches."""
    return max(0.25 * volume.C, 0.02 * tall), volume.H, SLANT * volume.W


def _room(volume: _Volume, tall: int) -> float:
    """Return how wide a box and the writing under it are, with the gap to the next."""
    wide, _, back = _sides(volume, tall)
    return max(wide + back, 0.55 * tall) + 0.1 * tall


def _box(axes: Axes, left: float, bottom: float, wide: float, high: float, back: float) -> None:
    """Draw a box, its near lower left corner at (left, bottom); it reaches back and up."""
    right, top = left + wide, bottom + high
    front = [(left, bottom), (right, bottom), (right, top), (left, top)]
    lid = [(left, top), (right, top), (right + back, top + back), (left + back, top + back)]
    side = [(right, bottom), (right, top), (right + back, top + back)]
    side.append((right + back, bottom + back))
    for face, strength in ((front, 0.45), (lid, 0.2), (side, 0.3)):
        axes.fill(*zip(*face, strict=True), fc=(BLUE, strength), ec=INK, lw=0.8)


@plotted
def maps(volumes: Mapping[str, ArrayLike] | Sequence[ArrayLike]) -> Picture:
    """Draw all maps of volumes, from left to right, as a network makes one from the other.

    Parameters
    ----------
    volumes : dict of str to array_like, or a list of them without titles
        Volumes (C, H, W), or lists of numbers (K,), such as scores, of which each is written.

    Returns
    -------
    Picture
        Numbers are blue above zero and red below; zero is the page's ground. Each volume has a
        scale of its own.

    Examples
    --------
    >>> picture = maps({"picture": np.eye(3)[None], "scores": [0.5, -2]})
    """
    drawn = arguments.titled("volumes", volumes, 1, _values)
    wide = [_wide(values) for _, values in drawn]
    gap, rim, high = 0.8 if narrow() else 0.4, 0.05, ROWS * 1.1
    over, points = (0.5, 9.5) if narrow() else (0.3, 8)  # inches for the titles, and their size
    scale = widest() / (sum(wide) + gap * (len(wide) - 1) + 2 * rim)
    sides, ends = (-rim, widest() / scale - rim), (high + rim, (0.05 - over) / scale)
    figure, axes = canvas((widest(), scale * high + over), sides, ends)
    left = 0.0
    for (title, values), width in zip(drawn, wide, strict=True):
        shade = signed(values)
        said = wrapped(title, 5)
        axes.text(left + width / 2, -0.08 / scale, said, ha="center", va="bottom", size=points)
        for number in range(len(values)):
            box = _place(values, number, left)
            if values.ndim == 3:
                x, y, side, _ = box
                extent = (x, x + side, y + side, y)
                axes.imshow(shade[number], extent=extent, interpolation="none")
            else:
                color = RED if values[number] < 0 else BLUE
                tint(axes, box, color, float(shade[number, 3]) / 2)
                said = f"{number}:  {values[number]:.2f}".replace("-", "\N{MINUS SIGN}")
                axes.text(
                    box[0] + 0.1, box[1] + box[3] / 2, said, va="center_baseline", size=points
                )
            outline(axes, box, INK, 0.4)
        left += width + gap
    return figure


def _values(name: str, value: ArrayLike) -> Floats:
    """Return a volume (C, H, W), or a list of numbers."""
    array = arguments.numbers(name, value)
    if array.ndim not in (1, 3) or len(array) > LOOKS * ROWS:
        need = f"{name} must be (C, H, W) or (K,), with at most {LOOKS * ROWS} of C or K"
        raise ValueError(f"{need}, got {array.shape}")
    return array


def _wide(values: Floats) -> float:
    """Return how wide the maps of a volume are together; a lone picture is large."""
    if values.ndim == 1:
        return 3.0 if narrow() else 1.7
    return 2.0 if len(values) == 1 else 1.1 * -(-len(values) // ROWS) - 0.1


def _place(values: Floats, number: int, left: float) -> tuple[float, float, float, float]:
    """Return where a map or a number is: its left, its top, its width and its height."""
    if values.ndim == 1:
        row = (1.1 * ROWS - 0.1) / max(len(values), ROWS)
        return left, number * row, _wide(values), row - 0.1 * row
    if len(values) == 1:
        return left, 0, 2, 2
    column, row = divmod(number, ROWS)
    return left + 1.1 * column, 1.1 * row, 1, 1


@plotted
def onnx_graph(model: Any) -> Picture:
    """Draw an ONNX graph from top to bottom: operators, their weights, and what flows between them.

    Parameters
    ----------
    model : onnx.ModelProto
        With operators in a row, from one input. Shapes are written where the model tells them.

    Returns
    -------
    Picture
    """
    if type(model).__name__ != "ModelProto":
        raise TypeError(f"model must be an onnx.ModelProto, got {_args.shown(model)}")
    graph = model.graph
    weights = {each.name: tuple(each.dims) for each in graph.initializer}
    shapes = weights | {
        each.name: [d.dim_param or d.dim_value for d in each.type.tensor_type.shape.dim]
        for each in (*graph.input, *graph.value_info, *graph.output)
    }

    def told(name: str) -> str:
        return f"{name}:  {' × '.join(map(str, shapes[name]))}" if name in shapes else name

    flow = _flow(graph, weights)
    figure, (axes,) = subplots((min(0.85 * WIDE, widest()), 0.62 * len(graph.node) + 0.5))
    axes.set(xlim=(-2.9, 2.9), ylim=(len(graph.node) - 0.2, -0.65))
    axes.set_axis_off()
    axes.text(0.15, -0.45, told(flow[0]), va="center", size=9)
    half = 0.95 if narrow() else 0.75  # of an operator's box
    for row, (node, name) in enumerate(zip(graph.node, flow[1:], strict=True)):
        _arrow(axes, (0, row - 0.7), (0, row - 0.22))
        tint(axes, (-half, row - 0.2, 2 * half, 0.4), BLUE, 0.25)
        axes.text(0, row, node.op_type, ha="center", va="center_baseline", size=10)
        axes.text(0.15, row + 0.5, told(name), va="center", size=9)
        held = [told(name) for name in node.input if name in weights]
        for line, text in enumerate(held):  # one by one: several lines in one are not flush right
            high = row + 0.27 * (line - (len(held) - 1) / 2)
            axes.text(-half - 0.45, high, text, ha="right", va="center", size=9, color=INK)
        if held:
            _arrow(axes, (-half - 0.4, row), (-half - 0.02, row))
    end = len(graph.node) - 0.3
    _arrow(axes, (0, end - 0.48), (0, end))
    return figure


def _flow(graph: Any, weights: Mapping[str, object]) -> list[str]:
    """Return what flows into the first operator and out of each, if they stand in a row."""
    flow = [each.name for each in graph.input if each.name not in weights]
    need = "model must have operators in a row, from one input"
    if len(flow) != 1 or not graph.node:
        raise ValueError(f"{need}, got {len(flow)} inputs and {len(graph.node)} operators")
    for node in graph.node:
        taken = [name for name in node.input if name and name not in weights]
        if taken != flow[-1:]:
            raise ValueError(f"{need}, got {node.op_type} of {', '.join(taken) or 'nothing'}")
        flow.append(node.output[0])
    return flow


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": INK})
