"""Figures to step through: a window that slides, and what each of its places does.

A `Stepper` is a strip of frames, each of them small grids of numbers with a sentence below. It
shows itself as HTML that needs no script and nothing but NumPy. Where the book's script is loaded,
one frame is shown at a time, under a slider. All numbers in it are those of the package.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import ArrayLike

from .. import _args
from .._args import Array, Size
from ..conv import conv2d, conv2d_backward
from ..pool import max_pool2d, max_pool2d_backward
from ..windows import Window, must_fit, windows_of
from .ink import COLORS, products, written

CELL = 32  # pixels: a number's square
GAP = 38  # between grids
TITLE = 28  # above them
CHOSEN = 1  # the colour of the largest number
MARK = 2  # of the window
RESULT = 3  # of the place that is written
MOST = 20_000  # numbers in all frames together: some three megabytes of a page
WORDS = "margin:0;max-width:20em;text-align:left"
LAYOUT = "margin:0.5em 0;padding:0;list-style:none;display:flex;flex-wrap:wrap;gap:1em 1.5em"


@dataclass
class Grid:
    """An array, NaN where nothing is written yet, and the colour of each number (0 for none)."""

    values: Array
    colors: Array


@dataclass
class Frame:
    """One step: its grids by title, and a sentence that says what happens."""

    grids: dict[str, Grid]
    words: str


class Stepper:
    """Frames to step through. Notebooks show it; the functions of this module make it.

    Parameters
    ----------
    frames : list of Frame
        The steps in order, all with grids of the same titles and shapes.
    rows : tuple of tuple of str
        The titles of the grids in each row of a frame, ``''`` for an empty place.
    signs : str
        One character between each two grids of the first row.

    Raises
    ------
    ValueError
        If a frame lacks a grid of ``rows``, or these are not equally long.
    """

    def __init__(
        self, frames: list[Frame], rows: tuple[tuple[str, ...], ...], signs: str = ""
    ) -> None:
        titles = {title for row in rows for title in row if title}
        if len({len(row) for row in rows}) != 1 or not titles:
            raise ValueError(f"rows must be equally long, and name a grid, got {rows!r}")
        for frame in frames:
            if lacking := titles - frame.grids.keys():
                raise ValueError(f"frames must have the grids of rows, got none for {lacking}")
        self.frames = frames
        self.rows = rows
        self.signs = signs

    def __repr__(self) -> str:
        return f"<Stepper of {len(self.frames)} steps>"

    def _repr_html_(self) -> str:
        steps = [
            f'<li style="margin:0" data-answer="{self._answer(frame.grids)}">'
            f'{self._svg(frame.grids)}<p style="{WORDS}">{escape(frame.words)}</p></li>'
            for frame in self.frames
        ]
        return f'<ol class="stepper" style="{LAYOUT}">\n' + "\n".join(steps) + "\n</ol>"

    def _layout(self, grids: dict[str, Grid]) -> tuple[dict[str, tuple[int, int]], int, int]:
        """Return where each grid begins, and how wide and high a frame is."""
        shapes = [[grids[t].values.shape if t else (0, 0) for t in row] for row in self.rows]
        wide = [max(shape[1] for shape in column) for column in zip(*shapes, strict=True)]
        tall = [max(shape[0] for shape in row) for row in shapes]
        lefts = [1 + sum(wide[:n]) * CELL + n * GAP for n in range(len(wide))]
        tops = [sum(tall[:n]) * CELL + (n + 1) * TITLE for n in range(len(tall))]
        corners = {
            title: (left, top + (high - len(grids[title].values)) * CELL // 2)
            for row, top, high in zip(self.rows, tops, tall, strict=True)
            for title, left in zip(row, lefts, strict=True)
            if title
        }
        return corners, lefts[-1] + wide[-1] * CELL + 1, tops[-1] + tall[-1] * CELL + 1

    def _svg(self, grids: dict[str, Grid]) -> str:
        corners, width, height = self._layout(grids)
        drawn = [_draw(title, grids[title], *corner) for title, corner in corners.items()]
        high = max(len(grids[title].values) for title in self.rows[0] if title)
        for sign, title in zip(self.signs, self.rows[0][1:], strict=False):
            if title:
                middle = corners[title][0] - GAP // 2, TITLE + high * CELL // 2 + 7
                drawn.append(_text(escape(sign), *middle, 22))
        said = "; ".join(_said(title, grids[title]) for title in corners)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(said)}" '
            f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            'style="max-width:100%;height:auto" fill="currentColor" '
            f'font-family="sans-serif" text-anchor="middle">{"".join(drawn)}</svg>'
        )

    def _answer(self, grids: dict[str, Grid]) -> str:
        """Write the box of the place that is written, and those of what is marked elsewhere.

        Boxes are left, top, width and height as shares of the frame, for a page's script.
        """
        corners, width, height = self._layout(grids)
        place, sources = [], []
        for title, (x, y) in corners.items():
            marked = np.argwhere(grids[title].colors)
            if not len(marked):
                continue
            (top, left), (bottom, right) = marked.min(axis=0), marked.max(axis=0) + 1
            box = x + left * CELL, y + top * CELL, (right - left) * CELL, (bottom - top) * CELL
            shares = [round(float(a / b), 4) for a, b in zip(box, (width, height) * 2, strict=True)]
            if RESULT in grids[title].colors and len(marked) == 1:
                place = shares
            else:
                sources.append(shares)
        return json.dumps([place, sources], separators=(",", ":"))


def convolution(x: ArrayLike, weight: ArrayLike, stride: Size = 1) -> Stepper:
    """Step through a convolution (cross-correlation): a frame for each place of the kernel.

    Parameters
    ----------
    x : array_like of shape (H, W)
        A small picture.
    weight : array_like of shape (kH, kW)
        A kernel. If it has four weights or fewer, each gets a colour.
    stride : int or pair of int
        The kernel's step.

    Returns
    -------
    Stepper
        The grids of its frames are ``'w'``, ``'x'`` and ``'y'``, the result so far.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    Examples
    --------
    >>> steps = convolution([[1, 2, 4]], [[-1, 3]])
    >>> print(steps.frames[1].words)
    Window at row 0, column 1: −1·2 + 3·4 = 10, written to y[0, 1].
    >>> print(steps.frames[0].grids["y"].values)
    [[ 5. nan]]
    """
    x = _numbers("x", x, "H W")
    w = _numbers("weight", weight, "kH kW")
    window = _window("weight", w.shape, stride, x)
    seen = windows_of(x, window)
    _few(seen, 2 * x.size + w.size)
    y = conv2d(x[None, None], w[None, None], stride=window.stride)[0, 0]
    few = w.size <= len(COLORS)
    colors = np.arange(1, w.size + 1).reshape(w.shape) if few else np.full(w.shape, MARK)
    frames = []
    for i, j in np.ndindex(y.shape):
        marked = _marked(x, window, i, j, colors)
        grids = {"w": Grid(w, colors), "x": Grid(x, marked), "y": _so_far(y, i, j)}
        words = f"Window {_where(window, i, j)}: {products(w.flat, seen[:, :, i, j].flat)} = "
        frames.append(Frame(grids, f"{words}{written(y[i, j])}, written to y[{i}, {j}]."))
    return Stepper(frames, (("w", "x", "y"),), "⋆=")


def max_pooling(x: ArrayLike, kernel_size: Size, stride: Size | None = None) -> Stepper:
    """Step through max pooling: a frame for each window.

    Parameters
    ----------
    x : array_like of shape (H, W)
        A small picture.
    kernel_size : int or pair of int
        Rows and columns of the window.
    stride : int or pair of int, optional
        The window's step; by default its size.

    Returns
    -------
    Stepper
        The grids of its frames are ``'x'`` and ``'y'``, the result so far.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    Examples
    --------
    >>> print(max_pooling([[1, 2, 0, 5]], (1, 2)).frames[1].words)
    Window at row 0, column 2: the largest of 0, 5 is 5, written to y[0, 1].
    """
    x = _numbers("x", x, "H W")
    kernel = _args.pair("kernel_size", kernel_size, 1)
    window = _window("kernel_size", kernel, kernel if stride is None else stride, x)
    seen = windows_of(x, window)
    _few(seen, 2 * x.size)
    y = max_pool2d(x[None, None], kernel, window.stride)[0, 0]
    frames = []
    for i, j in np.ndindex(y.shape):
        result = _so_far(y, i, j)
        one = result.colors[None, None]  # a gradient goes to the number that was chosen
        chosen = max_pool2d_backward(one, x[None, None], kernel, window.stride)[0, 0] > 0
        marked = np.where(chosen, CHOSEN, _marked(x, window, i, j, MARK))
        numbers = ", ".join(map(written, seen[:, :, i, j].flat))
        words = f"Window {_where(window, i, j)}: the largest of {numbers} is "
        words += f"{written(y[i, j])}, written to y[{i}, {j}]."
        frames.append(Frame({"x": Grid(x, marked), "y": result}, words))
    return Stepper(frames, (("x", "y"),), "→")


@_args.silent
def backward(dy: ArrayLike, x: ArrayLike, weight: ArrayLike, stride: Size = 1) -> Stepper:
    """Step through the backward pass of a convolution: a frame for each output.

    Parameters
    ----------
    dy : array_like of shape (oH, oW)
        The gradient of the loss for the output.
    x : array_like of shape (H, W)
        A small picture.
    weight : array_like of shape (kH, kW)
        A kernel.
    stride : int or pair of int
        The kernel's step.

    Returns
    -------
    Stepper
        The grids of its frames are ``'dy'``, ``'x'``, ``'w'`` and the two sums so far, ``'dx'``
        and ``'dw'``.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    Examples
    --------
    >>> steps = backward([[1, 10]], [[1, 2, 3]], [[4, 5]])
    >>> print(steps.frames[1].words)
    dy[0, 1] = 10 adds 10·w = (40 50) to dx at row 0, column 1, and 10·(2 3) = (20 30) to dw.
    >>> print(steps.frames[1].grids["dx"].values)
    [[ 4. 45. 50.]]
    """
    dy = _numbers("dy", dy, "oH oW")
    x = _numbers("x", x, "H W")
    w = _numbers("weight", weight, "kH kW")
    window = _window("weight", w.shape, stride, x)
    seen = windows_of(x, window)
    _few(seen, 2 * x.size + 2 * w.size)
    if dy.shape != seen.shape[2:]:
        raise ValueError(f"dy must have the output's shape {seen.shape[2:]}, got {dy.shape}")
    whole = np.full(w.shape, MARK)
    frames = []
    for i, j in np.ndindex(dy.shape):
        part = _so_far(dy, i, j)
        handed = np.nan_to_num(part.values)[None, None]
        dx, dw, _ = conv2d_backward(handed, x[None, None], w[None, None], window.stride)
        marked = _marked(x, window, i, j, MARK)
        grids = {
            "dy": Grid(dy, part.colors),
            "x": Grid(x, marked),
            "w": Grid(w, whole),
            "dx": Grid(dx[0, 0], marked),
            "dw": Grid(dw[0, 0], whole),
        }
        d = dy.item(i, j)
        patch = seen[:, :, i, j]
        words = f"dy[{i}, {j}] = {written(d)} adds {written(d)}·w = {_matrix(d * w)} to dx "
        words += f"{_where(window, i, j)}, and "
        words += f"{written(d)}·{_matrix(patch)} = {_matrix(d * patch)} to dw."
        frames.append(Frame(grids, words))
    return Stepper(frames, (("dy", "x", "w"), ("", "dx", "dw")))


def _draw(title: str, grid: Grid, left: int, top: int) -> str:
    """Draw a grid under its title, its top left corner at (left, top)."""
    H, W = grid.values.shape
    name = f'{escape(title[:-1])}<tspan font-style="italic">{escape(title[-1])}</tspan>'
    parts = [_text(name, left + W * CELL // 2, top - 7, 16)]
    for (i, j), color in np.ndenumerate(grid.colors):
        if color:
            parts.append(
                f'<path fill="{COLORS[color - 1]}" fill-opacity=".4" '
                f'd="M{left + j * CELL} {top + i * CELL}h{CELL}v{CELL}h-{CELL}z"/>'
            )
    rows = "".join(f"M{left} {top + i * CELL}h{W * CELL}" for i in range(H + 1))
    columns = "".join(f"M{left + j * CELL} {top}v{H * CELL}" for j in range(W + 1))
    parts.append(f'<path stroke="currentColor" d="{rows}{columns}"/>')
    for (i, j), value in np.ndenumerate(grid.values):
        if not np.isnan(value):
            text = written(value)
            at = left + j * CELL + CELL // 2, top + i * CELL + CELL // 2 + 5
            parts.append(_text(text, *at, min(15, 50 // len(text))))
    return "".join(parts)


def _text(text: str, x: int, y: int, size: int) -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}">{text}</text>'


def _said(title: str, grid: Grid) -> str:
    """Say what a grid holds, and which rows and columns of it are marked."""
    said = f"{title} = {_matrix(grid.values)}".replace("nan", "blank")
    marked = np.argwhere(grid.colors)
    if not len(marked):
        return said
    top, left = marked.min(axis=0)
    bottom, right = marked.max(axis=0)
    where = "all of it" if len(marked) == grid.values.size else f"row {top}, column {left}"
    if 1 < len(marked) < grid.values.size:
        where += f" to row {bottom}, column {right}"
    return f"{said}, marked: {where}"


def _matrix(values: Array) -> str:
    """Write a matrix in a line: ``(1 2; 3 4)``."""
    return f"({'; '.join(' '.join(map(written, row)) for row in values)})"


def _where(window: Window, i: int, j: int) -> str:
    """Say where the window of the place (i, j) begins."""
    sH, sW = window.stride
    return f"at row {i * sH}, column {j * sW}"


def _numbers(name: str, value: ArrayLike, shape: str) -> Array:
    """Return finite numbers, at least one of them, in a dtype that products fit into."""
    array = _args.numbers(name, value, shape)
    if not array.size:
        raise ValueError(f"{name} must hold at least one number, got the shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {array[~np.isfinite(array)][0]}")
    return array.astype(_args.floating(array))


def _window(name: str, kernel: tuple[int, ...], stride: Size, x: Array) -> Window:
    """Return the window that slides over ``x``, where it fits; ``name`` says its size."""
    kH, kW = kernel
    window = Window((kH, kW), _args.pair("stride", stride, 1), (1, 1))
    must_fit(name, window.span, x.shape)
    return window


def _few(seen: Array, cells: int) -> None:
    """Refuse more numbers, with so many in each frame, than anyone steps through."""
    kH, kW, oH, oW = seen.shape
    if oH * oW * (cells + oH * oW) > MOST:
        need = f"x must be small, at most {MOST:,} numbers in all frames together"
        raise ValueError(f"{need}, got {oH} x {oW} frames for windows of {kH} x {kW}")


def _marked(x: Array, window: Window, i: int, j: int, colors: ArrayLike) -> Array:
    """Return the colours of a picture whose window (i, j) has these."""
    marked = np.zeros(x.shape, int)
    windows_of(marked, window)[:, :, i, j] = colors
    return marked


def _so_far(y: Array, i: int, j: int) -> Grid:
    """Return what is written of an array when its place (i, j) has just been, and mark that."""
    place = np.arange(y.size).reshape(y.shape)
    values = np.where(place <= place[i, j], y.astype(float), np.nan)
    return Grid(values, np.where(place == place[i, j], RESULT, 0))
