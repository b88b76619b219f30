"""Grids: numbers in cells, the windows that slide over them, and pairs of rows and columns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from ... import _args
from ...windows import Window, windows
from ..ink import BLUE, COLORS, ORANGE, written
from . import answers, arguments
from .answers import Placed
from .arguments import Arrays, Floats, Integers
from .picture import (
    INK,
    READ,
    Box,
    Pair,
    Picture,
    answer,
    canvas,
    mark,
    narrow,
    outline,
    plotted,
    subplots,
    tint,
    widest,
)

CELL = 0.62  # inches at most: the side of a number's cell
GAP = 1.2  # between two grids, in cells
FILLED = 95  # points of type that a letter may have for each inch of its cell
PIXELS = 200  # of a row that windows slide over, at most


@plotted
def numbers(arrays: Arrays, signs: str = "", place: tuple[int, int] | None = None) -> Picture:
    """Show small arrays as grids of their numbers, in a row.

    Parameters
    ----------
    arrays : dict of str to array_like, or a list of them without titles
        Arrays (H, W).
    signs : str
        One character between each two grids, such as ``'⋆='``. Where they make a formula that
        holds, each number of the result answers who points at it on a page.
    place : (row, column), optional
        A place of the third grid to mark, with the patch of the second and the kernel, the first,
        whose products sum to it.

    Returns
    -------
    Picture
    """
    grids = arguments.titled("arrays", arrays, 2, arguments.grid)
    marks = {} if place is None else _products([grid.shape for _, grid in grids], place)
    figure, corners = _beside(grids, signs, marks)
    answers.sums(figure.axes[0], _placed(grids, corners), signs)
    return figure


def _placed(grids: list[tuple[str, Floats]], corners: list[Pair]) -> list[Placed]:
    """Return grids where they are drawn."""
    return [Placed(grid, corner) for (_, grid), corner in zip(grids, corners, strict=True)]


def _products(shapes: list[tuple[int, ...]], place: tuple[int, int]) -> dict[int, Box]:
    """Return the boxes of a kernel, of its patch in the picture, and of their sum in the result."""
    row, column = _args.pair("place", place, 0)
    if len(shapes) < 3:
        raise ValueError(f"place needs three arrays, got {len(shapes)}")
    (high, wide), (H, W), (rows, columns) = shapes[:3]
    last = min(H - high, rows - 1), min(W - wide, columns - 1)
    if min(last) < 0:
        need = (
            f"arrays must be a kernel, a picture that it fits into ({high} x {wide}) and a result"
        )
        raise ValueError(f"{need}, to mark a place, got a picture of {H} x {W}")
    if row > last[0] or column > last[1]:
        raise ValueError(f"place must be at most {last}, got {(row, column)}")
    return {0: (0, 0, wide, high), 1: (column, row, wide, high), 2: (column, row, 1, 1)}


def _beside(
    grids: list[tuple[str, Floats]], signs: str, marks: dict[int, Box]
) -> tuple[Picture, list[Pair]]:
    """Draw grids under their titles, some with a mark, and return where each begins."""
    if len(arguments.text("signs", signs)) >= len(grids):
        raise ValueError(f"signs must be fewer than the {len(grids)} arrays, got {signs!r}")
    shapes = [grid.shape for _, grid in grids]
    lines = [range(len(grids))]
    if narrow():
        least = max(0.26, READ * _longest([grid for _, grid in grids]) / FILLED)  # inches of a cell
        lines = _lines(shapes, widest() / least)
    begun = [0 < line[0] <= len(signs) for line in lines]  # with a sign
    wide = [
        sum(shapes[n][1] for n in line) + GAP * (len(line) - 1 + sign)
        for line, sign in zip(lines, begun, strict=True)
    ]
    total = max(wide)
    tall = [max(shapes[n][0] for n in line) for line in lines]
    cell = min(CELL, widest() / total)
    points = _points(cell, [grid for _, grid in grids])
    high = sum(tall) + len(lines) - 1
    size = cell * total + 0.1, cell * (high + 1.0)
    figure, axes = canvas(size, (-0.1, total + 0.1), (high + 0.1, -0.9))
    corners: list[Pair] = []
    for row, line in enumerate(lines):
        x = (total - wide[row]) / 2 + GAP * begun[row]
        above = sum(tall[:row]) + row
        for n in line:
            (title, grid), (H, W) = grids[n], shapes[n]
            y = above + (tall[row] - H) / 2
            corners.append((x, y))
            if 0 < n <= len(signs):
                middle = x - GAP / 2, above + tall[row] / 2
                axes.text(*middle, signs[n - 1], ha="center", va="center", size=22)
            axes.text(x + W / 2, y - 0.25, title, ha="center", size=12)
            _cells(axes, grid, x, y, points)
            if n in marks:
                left, top, across, down = marks[n]
                mark(axes, (x + left, y + top, across, down), ORANGE)
            x += W + GAP
    return figure, corners


def _lines(shapes: list[tuple[int, ...]], room: float) -> list[range]:
    """Return which grids stand beside one another, where so many cells fit in a line."""

    def filled(room: float) -> list[range]:
        starts, left = [0], room
        for number, (_, W) in enumerate(shapes):
            if number and W + GAP > left:
                starts.append(number)
                left = room
            left -= W + GAP * bool(number)
        return [range(*ends) for ends in pairwise([*starts, len(shapes)])]

    lines = filled(room)
    while room > 1 and len(even := filled(room - 1)) == len(lines):  # and about equally long
        lines, room = even, room - 1
    return lines


def _longest(grids: Iterable[Floats]) -> int:
    """Return how many letters the longest number has."""
    return max(len(written(value)) for grid in grids for value in grid.flat)


def _points(cell: float, grids: Iterable[Floats]) -> float:
    """Return the size of type in which the longest number fits its cell."""
    return min(12, FILLED * cell / _longest(grids))


def _cells(axes: Axes, grid: Floats, x: float, y: float, points: float) -> None:
    """Draw one grid of numbers, its top left corner at (x, y)."""
    for (i, j), value in np.ndenumerate(grid):
        outline(axes, (x + j, y + i, 1, 1), INK, 0.6)
        middle = x + j + 0.5, y + i + 0.53
        axes.text(*middle, written(value), ha="center", va="center", size=points)


@plotted
def tiles(arrays: Arrays, parts: Arrays, signs: str = "") -> Picture:
    """Show small arrays as grids of their numbers, with parts of them coloured and framed.

    Parameters
    ----------
    arrays : dict of str to array_like, or a list of them without titles
        Arrays (H, W).
    parts : dict of str to array_like, or a list
        For some of the titles, an array of integers of the same shape: 0 for a number without
        colour, and 1 to 4 for the part that it belongs to. Equal parts have one colour.
    signs : str
        One character between each two grids.

    Returns
    -------
    Picture
    """
    grids = arguments.titled("arrays", arrays, 2, arguments.grid)

    def part(name: str, value: ArrayLike) -> Integers:
        return arguments.integers(name, value, "H W", 0, len(COLORS))

    coloured = arguments.beside("parts", parts, 2, part, [title for title, _ in grids])
    figure, corners = _beside(grids, signs, {})
    for (title, grid), found, (x, y) in zip(grids, coloured, corners, strict=True):
        if found is None:
            continue
        if found.shape != grid.shape:
            need = f"parts must have the shape of the array {title!r}, {grid.shape}"
            raise ValueError(f"{need}, got {found.shape}")
        _parts(figure.axes[0], found, x, y)
    answers.parts(figure.axes[0], _placed(grids, corners), coloured)
    return figure


def _parts(axes: Axes, part: Integers, x: float, y: float) -> None:
    """Colour the parts of a grid whose top left corner is (x, y), and draw where they end."""
    for i, j in np.argwhere(part):
        tint(axes, (x + j, y + i, 1, 1), COLORS[part[i, j] - 1], 0.28)
    for i, j in np.argwhere(part[:, 1:] != part[:, :-1]):
        axes.plot([x + j + 1] * 2, [y + i, y + i + 1], color=INK, lw=2)
    for i, j in np.argwhere(part[1:] != part[:-1]):
        axes.plot([x + j, x + j + 1], [y + i + 1] * 2, color=INK, lw=2)


@plotted
def patch_matrix(
    x: ArrayLike, kernel: tuple[int, int], marked: Sequence[tuple[int, int]] = ()
) -> Picture:
    """Show a small picture beside the matrix whose columns are its patches (im2col).

    Parameters
    ----------
    x : array_like of shape (H, W)
        The picture.
    kernel : int or pair of int
        Rows and columns of a patch.
    marked : sequence of (row, column)
        Up to four patches to colour, by their top left pixels, with their columns.

    Returns
    -------
    Picture
    """
    grid = arguments.grid("x", x)
    H, W = grid.shape
    kH, kW = _args.pair("kernel", kernel, 1)
    if kH > H or kW > W:
        raise ValueError(f"kernel must fit into the {H} x {W} pixels of x, got {kH} x {kW}")
    view = answers.seen(grid, (kH, kW))
    patches = [(int(i), int(j)) for i, j in np.ndindex(view.shape[2:])]
    matrix = arguments.grid("the patch matrix of x", view.reshape(kH * kW, len(patches)))
    coloured = [(i, j) for i, j in arguments.places("marked", marked, "row column").tolist()]
    if len(coloured) > len(COLORS) or not set(coloured) <= set(patches):
        raise ValueError(f"marked must be up to {len(COLORS)} of x's patches, got {coloured}")
    beside = W + 2.2  # where the matrix begins, but below the picture on a phone
    left, down = (1.2, H + 2.2) if narrow() else (beside, 0.0)
    tall = kH * kW + down if narrow() else max(H, kH * kW)
    start = left + (len(patches) - W) / 2 if narrow() else 0.0
    over = 1.0 if narrow() else 2.0
    total = left + (max(len(patches), W) if narrow() else len(patches))
    left += (total - left - len(patches)) / 2
    cell = min(CELL, widest() / (total + 0.2))
    size = cell * (total + 0.2), cell * (tall + over + 0.1)
    figure, axes = canvas(size, (-0.1, total + 0.1), (tall + 0.1, -over))
    top = 0 if narrow() else (tall - H) / 2
    axes.text(start + W / 2, top - 0.35, "$x$", ha="center", size=12)
    axes.text(left + len(patches) / 2, down - 1.25, "patch matrix $P$", ha="center", size=12)
    for column, (i, j) in list(enumerate(patches))[:: math.ceil(0.24 / cell)]:  # that fit
        axes.text(left + column + 0.5, down - 0.3, f"{i},{j}", ha="center", size=10)
    for row, (u, v) in enumerate(np.ndindex(kH, kW)):
        axes.text(left - 0.2, down + row + 0.53, f"{u},{v}", ha="right", va="center", size=10)
    points = _points(cell, [matrix])
    _cells(axes, grid, start, top, points)
    _cells(axes, matrix, left, down, points)
    for row, (u, v) in enumerate(np.ndindex(kH, kW)):
        for column, (i, j) in enumerate(patches):
            words = f"Place {i}, {j}, kernel position {u}, {v}: "
            words += f"the pixel in row {i + u}, column {j + v}, {written(matrix[row, column])}"
            sources = (start + j, top + i, kW, kH), (start + j + v, top + i + u, 1, 1)
            answer(axes, (left + column, down + row, 1, 1), words, *sources)
    for color, (i, j) in zip(COLORS, coloured, strict=False):
        mark(axes, (start + j, top + i, kW, kH), color, 0.22)
        mark(axes, (left + patches.index((i, j)), down, 1, kH * kW), color, 0.22)
    return figure


@plotted
def slides(settings: Mapping[str, Mapping[str, int]], columns: int = 2) -> Picture:
    """Show where a sliding window stands on one row of pixels, and which pixels it leaves out.

    Parameters
    ----------
    settings : dict of str to dict, or a list of such dicts without titles
        ``size`` and ``kernel``, and if wanted ``stride``, ``padding`` and ``dilation``. Padding
        is dashed; pixels that no window touches are crossed out.
    columns : int
        Panels in a row.

    Returns
    -------
    Picture
    """
    panels = arguments.titled("settings", settings, 0, _slide)
    columns = min(_args.integer("columns", columns, 1), len(panels))
    columns = 1 if narrow() else columns
    wide = max(slide.size + 2 * slide.padding for _, slide in panels)
    letters = max(len(title) for title, _ in panels)
    wide = max(wide, math.ceil(0.09 * letters / 0.42))
    rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    tall = [max(2.6 + 0.55 * len(slide.seen) for _, slide in row) for row in rows]
    total = columns * wide + (columns - 1) * 1.0
    cell = min(0.42, widest() / (total + 0.2))
    size = cell * (total + 0.2), cell * sum(tall)
    figure, axes = canvas(size, (-0.1, total + 0.1), (sum(tall), 0))
    for number, row in enumerate(rows):
        for place, (title, slide) in enumerate(row):
            _draw_slide(axes, place * (wide + 1.0), sum(tall[:number]), cell, title, slide)
    return figure


class _Slide(NamedTuple):
    """A row of ``size`` pixels between ``padding``, and the pixels that each window sees."""

    size: int
    padding: int
    seen: Integers


def _slide(name: str, value: Mapping[str, int]) -> _Slide:
    """Return where a window stands, as the package slides it."""
    least = {"size": 1, "kernel": 1, "stride": 1, "padding": 0, "dilation": 1}
    given = arguments.mapped(value)
    if given is None or not {"size", "kernel"} <= given.keys() <= least.keys():
        need = f"{name} must have size and kernel, and may have stride, padding and dilation"
        raise TypeError(f"{need}, got {_args.shown(value)}")
    whole = {key: _args.integer(f"{key} of {name}", given[key], least[key]) for key in given}
    size = whole["size"]
    padding = whole.get("padding", 0)
    window = Window(
        (1, whole["kernel"]), (1, whole.get("stride", 1)), (1, whole.get("dilation", 1))
    )
    if size + 2 * padding > PIXELS:
        need = f"{name} must have at most {PIXELS} pixels with padding"
        raise ValueError(f"{need}, got {size + 2 * padding}")
    pixels = np.arange(-padding, size + padding)
    if window.span[1] > len(pixels):
        raise ValueError(
            f"kernel of {name} must span at most {len(pixels)} pixels, got {window.span[1]}"
        )
    seen = windows(pixels[None, None, :, None], window)[0, 0, :, 0, :, 0].T
    return _Slide(size, padding, seen)


def _draw_slide(axes: Axes, x: float, y: float, cell: float, title: str, slide: _Slide) -> None:
    """Draw one row of pixels, and below it a line for each window."""
    size, padding, seen = slide
    axes.text(x, y + 0.75, title, size=11)
    points = min(10, FILLED * cell / len(str(size)))
    for pixel in range(-padding, size + padding):
        left, top = x + padding + pixel, y + 1.05
        real = 0 <= pixel < size
        outline(axes, (left, top, 1, 1), INK, 0.9, "-" if real else (0, (2, 2)))
        label = str(pixel) if real else "·"
        axes.text(left + 0.5, top + 0.53, label, ha="center", va="center", size=points)
        if pixel not in seen:
            for begin, end in ((0, 0.28), (0.72, 1)):  # a cross that leaves the number free
                across, down = [left + begin, left + end], np.array([begin, end])
                axes.plot(across, top + down, color=ORANGE, lw=1.6)
                axes.plot(across, top + 1 - down, color=ORANGE, lw=1.6)
    for line, window in enumerate(seen):
        middle = x + padding + window + 0.5
        height = np.full(len(window), y + 2.4 + 0.55 * line)
        axes.plot(middle, height, color=BLUE, lw=1.6)
        axes.plot(middle, height, "o", color=BLUE, ms=6)
        inside = [pixel for pixel in window.tolist() if 0 <= pixel < size]
        pixels = "pixel" if len(inside) == 1 else "pixels"
        words = f"Number {line} of the output sees "
        words += f"{pixels} {answers.in_words(inside)}" if inside else "no pixel"
        if outside := len(window) - len(inside):
            words += f", and {outside} of the padding"
        sources = [(x + padding + pixel, y + 1.05, 1, 1) for pixel in window.tolist()]
        reach = middle[-1] - middle[0]
        answer(axes, (middle[0] - 0.5, height[0] - 0.275, reach + 1, 0.55), words, *sources)


@plotted
def pairs(table: ArrayLike, rows: str, columns: str) -> Picture:
    """Draw which rows and columns belong together: a filled square for each such pair.

    Parameters
    ----------
    table : array_like of bool, of shape (H, W)
        Whether the row and the column belong together.
    rows, columns : str
        What the rows and the columns are.

    Returns
    -------
    Picture
    """
    grid = arguments.grid("table", table) != 0
    across, down = arguments.text("columns", columns), arguments.text("rows", rows)
    H, W = grid.shape
    cell = min(0.27, (4.6 - 0.8) / W)
    size = cell * W + 0.8, cell * H + 0.7
    figure, axes = canvas(size, (-0.7 / cell, W + 0.1 / cell), (H + 0.1 / cell, -0.6 / cell))
    for (i, j), together in np.ndenumerate(grid):
        outline(axes, (j, i, 1, 1), INK, 0.4)
        if together:
            tint(axes, (j + 0.15, i + 0.15, 0.7, 0.7), BLUE)
    for i in range(H):
        axes.text(-0.35, i + 0.53, str(i), ha="right", va="center", size=10)
    for j in range(W):
        axes.text(j + 0.5, -0.3, str(j), ha="center", va="bottom", size=10)
    axes.text(W / 2, -0.38 / cell, across, ha="center", va="center", size=11)
    axes.text(-0.5 / cell, H / 2, down, ha="center", va="center", size=11, rotation=90)
    return figure


@plotted
def confusion(counts: ArrayLike, labels: ArrayLike | None = None) -> Picture:
    """Show a confusion matrix: the true class in rows, the predicted one in columns.

    Parameters
    ----------
    counts : array_like of shape (K, K)
        How many images of the row's class were taken for the column's; zeros stay empty.
    labels : sequence, optional
        Names of the classes; by default their numbers.

    Returns
    -------
    Picture
    """
    matrix = arguments.integers("counts", arguments.grid("counts", counts), "", 0, 10**9)
    K = len(matrix)
    if matrix.shape != (K, K):
        raise ValueError(f"counts must have the shape (K, K), got {matrix.shape}")
    names = arguments.words("labels", range(K) if labels is None else labels, (K,))
    most = np.where(np.eye(K, dtype=bool), 0, matrix).max()  # of what was wrong
    side = min(5.4, widest())
    figure, (axes,) = subplots((side, side))
    axes.set(xlim=(-0.5, K - 0.5), ylim=(K - 0.5, -0.5), aspect="equal")
    axes.set(xlabel="predicted class", ylabel="true class")
    axes.set_xticks(range(K), names)
    axes.set_yticks(range(K), names)
    axes.tick_params(length=0)
    axes.spines[:].set(visible=True, linewidth=0.6)
    for (i, j), count in np.ndenumerate(matrix):
        if count:
            color = BLUE if i == j else ORANGE
            strength = 0.35 if i == j else 0.15 + 0.6 * count / max(1, most)
            tint(axes, (j - 0.5, i - 0.5, 1, 1), color, strength)
            axes.text(j, i + 0.03, str(count), ha="center", va="center", size=11)
    return figure
