"""The book's figures. Needs ``pip install 'convdocs[plot]'``.

Each function returns a figure that a notebook shows as SVG, sharp on any screen. Its ink follows
the page: dark on a light page, light on a dark one.
"""

from __future__ import annotations

import base64
import io
import re
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Rectangle
from matplotlib.ticker import LogLocator
from PIL import Image

from ..ink import COLORS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

WIDTH = 7.2  # inches: the page's column
GAP = 1.2  # between two grids of numbers, in cells
INK = "#102030"  # a colour that nothing else has: in the SVG it becomes the text's colour
BLUE, ORANGE, GREEN, VIOLET = COLORS
DASHES = "-", "--", "-.", ":"  # for those who do not see the colours
MOST = 99.5  # percent of a map's numbers that are told apart; the few beyond look alike
STYLE: dict[Any, Any] = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "font.size": 10,
    "legend.frameon": False,
    "savefig.dpi": 200,  # of the photographs in an SVG: two pixels for each of a common screen's
    "svg.hashsalt": "convdocs",  # the same figure, the same bytes
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
SHEET = """<style>
svg { color: #1f2328 }
@media (prefers-color-scheme: dark) { svg { color: #d8dce2 } }
</style>"""


class Picture(Figure):
    """A matplotlib figure that shows itself as SVG, in the colours of the page around it."""

    def _repr_svg_(self) -> str:
        with matplotlib.rc_context(STYLE), io.StringIO() as file:
            nothing = {"Creator": None, "Date": None, "Format": None, "Type": None}
            self.savefig(file, format="svg", metadata=nothing)
            self.set_layout_engine("none")  # shown again, nothing moves
            svg = file.getvalue().replace(INK, "currentColor")
        svg = re.sub(r"data:image/png;base64,([^\"]*)", _lighter, svg)
        head, body = svg[svg.index("<svg") :].split(">", 1)
        return f"{head}>{SHEET}{body}"


def _lighter(match: re.Match[str]) -> str:
    """Write a photograph as WebP, a tenth of PNG's size, and leave small pictures exact."""
    png = base64.b64decode(match[1])
    if len(png) < 20_000:
        return match[0]
    with Image.open(io.BytesIO(png)) as image, io.BytesIO() as file:
        image.convert("RGB").save(file, "WEBP", quality=82, method=6)
        return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def images(pictures: Mapping[str, ArrayLike], columns: int = 3, boxes: Any = ()) -> Picture:
    """Show pictures side by side, each under its title.

    Parameters
    ----------
    pictures : dict of str to array_like
        Titles and grey pictures (H, W) from 0 to 1, colour pictures (3, H, W), or maps with
        negative numbers, which are shown in red (below zero), white (zero) and blue (above).
    columns : int
        Pictures in a row.
    boxes : sequence of (row, column, height, width)
        Parts to frame in each picture.

    Returns
    -------
    Picture
    """
    arrays = {title: np.asarray(array, float) for title, array in pictures.items()}
    columns = min(columns, len(arrays))
    shapes = [array.shape[-2] / array.shape[-1] for array in arrays.values()]
    tall = [max(shapes[i : i + columns]) for i in range(0, len(shapes), columns)]  # of each row
    width = WIDTH if columns > 1 else WIDTH / 2
    size = (width, sum(0.34 + t * width / columns for t in tall))
    with matplotlib.rc_context(STYLE):
        figure = Picture(size, layout="constrained")
        every = figure.subplots(len(tall), columns, squeeze=False, height_ratios=tall).flat
        for axes, (title, array) in zip(every, arrays.items(), strict=False):
            axes.set_title(title)
            _image(axes, array)
            for top, left, height, wide in boxes:
                corner = (left - 0.5, top - 0.5)
                axes.add_patch(Rectangle(corner, wide, height, fill=False, ec=ORANGE, lw=1.6))
        for axes in figure.axes[len(arrays) :]:
            axes.remove()
    return figure


def pencil(array: ArrayLike) -> Any:
    """Return a picture that is dark where ``array`` is large, as a pencil draws edges on paper.

    Parameters
    ----------
    array : array_like of shape (..., H, W)
        Numbers of at least 0, such as gradient magnitudes; several maps share one scale.

    Returns
    -------
    ndarray of shape (..., H, W)
        From 1, white, for a zero to 0, black, for the largest half percent.
    """
    array = np.asarray(array, float)
    return 1 - np.minimum(array / (np.percentile(array, MOST) or 1), 1)


def _image(axes: Axes, array: Any) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(visible=True, linewidth=0.5)
    smooth = None if max(array.shape) > 64 else "nearest"  # photographs; small maps as squares
    if array.ndim == 3:
        axes.imshow(np.clip(array.transpose(1, 2, 0), 0, 1), interpolation=smooth)
    elif array.min() < 0:
        far = np.percentile(np.abs(array), MOST)
        axes.imshow(array, "RdBu", vmin=-far, vmax=far, interpolation=smooth)
    else:
        axes.imshow(array, "gray", vmin=0, vmax=1, interpolation=smooth)


def numbers(
    arrays: Mapping[str, ArrayLike], signs: str = "", place: tuple[int, int] | None = None
) -> Picture:
    """Show small arrays as grids of their numbers, in a row.

    Parameters
    ----------
    arrays : dict of str to array_like
        Titles and arrays (H, W).
    signs : str
        One character between each two grids, such as ``'⋆='``.
    place : (row, column), optional
        A place of the third grid to mark, with the patch of the second and the kernel, the first,
        whose products sum to it.

    Returns
    -------
    Picture
    """
    grids = {title: np.asarray(array) for title, array in arrays.items()}
    total = sum(grid.shape[1] for grid in grids.values()) + GAP * (len(grids) - 1)
    tall = max(grid.shape[0] for grid in grids.values())
    cell, x, marks = min(0.62, WIDTH / total), 0.0, {}
    if place is not None:
        high, wide = next(iter(grids.values())).shape
        marks = {0: (0, 0, high, wide), 1: (*place, high, wide), 2: (*place, 1, 1)}
    with matplotlib.rc_context(STYLE):
        figure = Picture((cell * total + 0.1, cell * (tall + 1.0)))
        axes = figure.add_axes((0, 0, 1, 1), aspect="equal")
        axes.set(xlim=(-0.1, total + 0.1), ylim=(tall + 0.1, -0.9))
        axes.set_axis_off()
        for number, (title, grid) in enumerate(grids.items()):
            H, W = grid.shape
            y = (tall - H) / 2
            axes.text(x + W / 2, y - 0.25, title, ha="center", size=12)
            _grid(axes, grid, x, y, marks.get(number), cell)
            if number < len(signs):
                middle = (x + W + GAP / 2, tall / 2)
                axes.text(*middle, signs[number], ha="center", va="center", size=22)
            x += W + GAP
    return figure


def _grid(axes: Axes, grid: Any, x: float, y: float, mark: Any, cell: float) -> None:
    """Draw one grid of numbers with its top left corner at (x, y)."""
    texts = [f"{value:.4g}".replace("-", "\N{MINUS SIGN}") for value in grid.flat]
    size = min(12, 95 * cell / max(map(len, texts)))  # points: the longest number fits its cell
    for (i, j), text in zip(np.ndindex(grid.shape), texts, strict=True):
        axes.add_patch(Rectangle((x + j, y + i), 1, 1, fill=False, ec=INK, lw=0.6))
        axes.text(x + j + 0.5, y + i + 0.53, text, ha="center", va="center", size=size)
    if mark:
        top, left, high, wide = mark
        at = (x + left, y + top)
        axes.add_patch(Rectangle(at, wide, high, color=ORANGE, alpha=0.25, lw=0))
        axes.add_patch(Rectangle(at, wide, high, fill=False, ec=ORANGE, lw=2))


def lines(
    curves: Mapping[str, Any], xlabel: str, ylabel: str = "", log: str = "", apart: bool = False
) -> Picture:
    """Plot curves over one another, or one below the other.

    Parameters
    ----------
    curves : dict of str to array_like, or to a pair of them
        Labels and numbers y, or pairs (x, y).
    xlabel, ylabel : str
        What the axes mean, with the unit.
    log : {'', 'x', 'y', 'xy'}
        The axes that count in powers of ten.
    apart : bool
        Give each curve axes of its own, with its label for ``ylabel``.

    Returns
    -------
    Picture
    """
    with matplotlib.rc_context(STYLE):
        rows = len(curves) if apart else 1
        figure = Picture((WIDTH, 1.7 * rows if apart else 2.9), layout="constrained")
        all_axes = figure.subplots(rows, sharex=True, squeeze=False)[:, 0]
        for number, (label, curve) in enumerate(curves.items()):
            axes = all_axes[number if apart else 0]
            x, y = curve if isinstance(curve, tuple) else (np.arange(len(curve)), curve)
            style = {"color": COLORS[number % 4], "linestyle": "-" if apart else DASHES[number % 4]}
            axes.plot(x, y, label=label, linewidth=1.2 if apart else 1.8, **style)
            axes.set_ylabel(label if apart else ylabel)
            if "x" in log:
                axes.set_xscale("log")
            if "y" in log:
                axes.set_yscale("log")
        all_axes[-1].set_xlabel(xlabel)
        if len(curves) > 1 and not apart:
            all_axes[0].legend()
    return figure


def shared(maps: Mapping[str, ArrayLike], columns: int = 1) -> Picture:
    """Draw layers in one dimension: nodes, and a line for each connection that there is.

    Parameters
    ----------
    maps : dict of str to array_like
        Titles and integer arrays of shape (outputs, inputs): the number of the weight on each
        connection, -1 where there is none. Where there are four weights or fewer, each has a
        colour and a dash of its own; more are drawn alike.
    columns : int
        Drawings in a row.

    Returns
    -------
    Picture
    """
    arrays = {title: np.asarray(array) for title, array in maps.items()}
    rows, many = -(-len(arrays) // columns), max(array.shape[1] for array in arrays.values())
    most = max(int(array.max()) + 1 for array in arrays.values() if array.max() < len(COLORS))
    size = (4.8, 1.65 * rows + 0.35)
    with matplotlib.rc_context(STYLE):
        figure = Picture(size, layout="constrained")
        every = figure.subplots(rows, columns, squeeze=False).flat
        for axes, (title, array) in zip(every, arrays.items(), strict=False):
            axes.set_title(title)
            axes.set_axis_off()
            axes.set(xlim=(-0.6, many - 0.4), ylim=(-0.25, 1.25))
            _connections(axes, array, many)
        for axes in figure.axes[len(arrays) :]:
            axes.remove()
        looks: list[dict[str, Any]] = [
            {"color": COLORS[n], "linestyle": DASHES[n], "label": f"$w_{n}$"} for n in range(most)
        ]
        keys = [Line2D([], [], lw=2, **look) for look in looks]
        figure.legend(handles=keys, loc="outside lower center", ncols=most, handlelength=2.6)
    return figure


def _connections(axes: Axes, array: Any, many: int) -> None:
    """Draw one layer: inputs below, outputs above, and a line for each number that is not -1."""
    outputs, inputs = array.shape
    below, above = (many - inputs) / 2, (many - outputs) / 2
    few = array.max() < len(COLORS)
    for i, j in np.argwhere(array >= 0):
        number = array[i, j]
        look: dict[str, Any] = {"color": INK, "lw": 0.7, "alpha": 0.6}
        if few:
            look = {"color": COLORS[number], "linestyle": DASHES[number], "lw": 1.8}
        axes.plot([below + j, above + i], [0, 1], zorder=1, **look)
    for start, nodes, height in (below, inputs, 0), (above, outputs, 1):
        lit = np.ones(nodes, bool) if height == 0 else (array >= 0).any(axis=1)
        x = start + np.arange(nodes)
        colors = [INK if on else "#8a929c" for on in lit]
        axes.scatter(x, np.full(nodes, height), s=44, c=colors, zorder=2)


def patch_matrix(x: ArrayLike, kernel: tuple[int, int], marked: Any = ()) -> Picture:
    """Show a small picture beside the matrix whose columns are its patches (im2col).

    Parameters
    ----------
    x : array_like of shape (H, W)
        The picture.
    kernel : pair of int
        Rows and columns of a patch.
    marked : sequence of (row, column)
        Up to four patches to colour, by their top left pixels, with their columns.

    Returns
    -------
    Picture
    """
    grid, (kH, kW) = np.asarray(x), kernel
    view = np.lib.stride_tricks.sliding_window_view(grid, kernel)
    places = list(np.ndindex(*view.shape[:2]))
    columns = view.reshape(len(places), kH * kW).T
    H, W = grid.shape
    left, tall = W + 2.2, max(H, kH * kW)  # where the matrix begins
    total = left + len(places)
    cell = min(0.62, WIDTH / (total + 0.2))
    with matplotlib.rc_context(STYLE):
        figure = Picture((cell * (total + 0.2), cell * (tall + 2.1)))
        axes = figure.add_axes((0, 0, 1, 1), aspect="equal")
        axes.set(xlim=(-0.1, total + 0.1), ylim=(tall + 0.1, -2.0))
        axes.set_axis_off()
        top = (tall - H) / 2
        axes.text(W / 2, top - 0.35, "$x$", ha="center", size=12)
        axes.text(left + len(places) / 2, -1.25, "patch matrix $P$", ha="center", size=12)
        for column, place in enumerate(places):
            axes.text(left + column + 0.5, -0.3, "{},{}".format(*place), ha="center", size=10)
        for row, weight in enumerate(np.ndindex(kH, kW)):
            label = "{},{}".format(*weight)
            axes.text(left - 0.2, row + 0.53, label, ha="right", va="center", size=10)
        _grid(axes, grid, 0, top, None, cell)
        _grid(axes, columns, left, 0, None, cell)
        for color, place in zip(COLORS, marked, strict=False):
            column = places.index(tuple(place))
            _frame(axes, (place[1], top + place[0], kW, kH), color)
            _frame(axes, (left + column, 0, 1, kH * kW), color)
    return figure


def _frame(axes: Axes, box: tuple[float, float, float, float], color: str) -> None:
    """Tint and frame the box (x, y, width, height)."""
    x, y, wide, high = box
    axes.add_patch(Rectangle((x, y), wide, high, color=color, alpha=0.22, lw=0))
    axes.add_patch(Rectangle((x, y), wide, high, fill=False, ec=color, lw=2))


def slides(settings: Mapping[str, Mapping[str, int]], columns: int = 2) -> Picture:
    """Show where a sliding window stands on one row of pixels, and which pixels it leaves out.

    Parameters
    ----------
    settings : dict of str to dict
        Titles and settings: ``size`` and ``kernel``, and if wanted ``stride``, ``padding`` and
        ``dilation``. Padding is dashed; pixels that no window touches are crossed out.
    columns : int
        Panels in a row.

    Returns
    -------
    Picture
    """
    panels = []
    for title, how in settings.items():
        size, p = how["size"], how.get("padding", 0)
        touched = how.get("dilation", 1) * np.arange(how["kernel"])
        starts = range(0, size + 2 * p - int(touched[-1]), how.get("stride", 1))
        panels.append((title, size, p, [start + touched - p for start in starts]))
    wide = max(size + 2 * p for _, size, p, _ in panels)
    rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    tall = [max(2.6 + 0.55 * len(windows) for *_, windows in row) for row in rows]
    total = columns * wide + (columns - 1) * 1.0
    cell = min(0.42, WIDTH / (total + 0.2))
    with matplotlib.rc_context(STYLE):
        figure = Picture((cell * (total + 0.2), cell * sum(tall)))
        axes = figure.add_axes((0, 0, 1, 1), aspect="equal")
        axes.set(xlim=(-0.1, total + 0.1), ylim=(sum(tall), 0))
        axes.set_axis_off()
        for number, row in enumerate(rows):
            for place, panel in enumerate(row):
                _slide(axes, place * (wide + 1.0), sum(tall[:number]), *panel)
    return figure


def _slide(axes: Axes, x: float, y: float, title: str, size: int, p: int, windows: Any) -> None:
    """Draw one row of pixels, and below it a line for each window."""
    axes.text(x, y + 0.75, title, size=11)
    seen = {int(pixel) for window in windows for pixel in window}
    for pixel in range(-p, size + p):
        corner, real = (x + p + pixel, y + 1.05), 0 <= pixel < size
        dashes = "-" if real else (0, (2, 2))
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, ec=INK, lw=0.9, ls=dashes))
        middle = (corner[0] + 0.5, corner[1] + 0.53)
        axes.text(*middle, str(pixel) if real else "·", ha="center", va="center", size=10)
        if pixel not in seen:
            ends = [corner[0], corner[0] + 1], [corner[1], corner[1] + 1]
            axes.plot(*ends, color=ORANGE, lw=1.6)
            axes.plot(ends[0], ends[1][::-1], color=ORANGE, lw=1.6)
    for line, window in enumerate(windows):
        middle, height = x + p + window + 0.5, y + 2.4 + 0.55 * line
        axes.plot(middle, np.full(len(window), height), color=BLUE, lw=1.6)
        axes.plot(middle, np.full(len(window), height), "o", color=BLUE, ms=6)


def volumes(shapes: Mapping[str, tuple[int, ...]]) -> Picture:
    """Draw volumes as boxes in a row: as tall and as deep as their pictures, as wide as channels.

    Parameters
    ----------
    shapes : dict of str to tuple of int
        Titles, a line break between two words if need be, and shapes (C, H, W) or (K,).

    Returns
    -------
    Picture
        Pixels are drawn to scale; one channel is drawn as wide as a quarter of a pixel.
    """
    sides = [(C, *(rest or (1, 1))) for C, *rest in shapes.values()]
    tall = max(H for _, H, _ in sides)
    slant = 0.35  # how far back and up a pixel of depth goes
    label = 0.55 * tall  # room that the writing under a box takes
    boxes = [(max(0.25 * C, 0.02 * tall), H, slant * W) for C, H, W in sides]
    places = [max(wide + back, label) + 0.1 * tall for wide, _, back in boxes]
    total, high = sum(places), (1 + slant) * tall
    scale = WIDTH / total
    with matplotlib.rc_context(STYLE):
        figure = Picture((WIDTH, scale * high + 0.9))
        axes = figure.add_axes((0, 0, 1, 1), aspect="equal")
        below, above = 0.3 / scale, 0.6 / scale
        axes.set(xlim=(0, total), ylim=(-below, high + above))
        axes.set_axis_off()
        x = 0.0
        for (title, shape), (wide, H, back), place in zip(
            shapes.items(), boxes, places, strict=True
        ):
            left, bottom = x + (place - wide - back) / 2, (tall - H) / 2
            right, top = left + wide, bottom + H
            front = [(left, bottom), (right, bottom), (right, top), (left, top)]
            lid = [(left, top), (right, top), (right + back, top + back), (left + back, top + back)]
            side = [(right, bottom), (right, top), (right + back, top + back)]
            side.append((right + back, bottom + back))
            for face, strength in (front, 0.45), (lid, 0.2), (side, 0.3):
                axes.fill(*zip(*face, strict=True), fc=(BLUE, strength), ec=INK, lw=0.8)
            middle = x + place / 2
            size = " × ".join(map(str, shape))
            axes.text(middle, -0.25 * below, size, ha="center", va="top", size=11)
            axes.text(middle, high + 0.1 * above, title, ha="center", va="bottom", size=11)
            x += place
    return figure


def bars(panels: Mapping[str, Mapping[str, float]]) -> Picture:
    """Show lists of amounts as bars side by side, each bar with its number written at its end.

    Parameters
    ----------
    panels : dict of str to dict of str to number
        Titles, and for each the same labels and their amounts, from top to bottom.

    Returns
    -------
    Picture
    """
    labels = list(next(iter(panels.values())))
    rows = np.arange(len(labels))
    with matplotlib.rc_context(STYLE):
        figure = Picture((WIDTH, 0.5 + 0.27 * len(labels)), layout="constrained")
        every = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for number, (axes, (title, amounts)) in enumerate(zip(every, panels.items(), strict=True)):
            values = np.array([amounts[label] for label in labels], float)
            most = values.max() or 1
            axes.barh(rows, values, 0.7, color=COLORS[number % 4])
            for row, value in zip(rows, values, strict=True):
                axes.text(value + 0.03 * most, row, f"{value:,.0f}", va="center", size=11)
            axes.set(title=title, xlim=(0, 1.95 * most), xticks=[], ylim=(len(rows) - 0.5, -0.5))
            axes.spines["bottom"].set_visible(False)
            axes.tick_params(length=0)
            axes.set_yticks(rows, labels, size=11)
    return figure


def written(
    picture: ArrayLike, marks: Mapping[tuple[float, float], Any], height: int = 8
) -> Picture:
    """Show a grey picture, with a frame and a word for each place that something was found at.

    Parameters
    ----------
    picture : array_like of shape (H, W)
        From 0, white, to 1, black: ink on paper.
    marks : dict of (row, column) to object
        The top left corner of each frame, and what to write at it.
    height : int
        The side of a frame, in pixels.

    Returns
    -------
    Picture
    """
    array = np.asarray(picture, float)
    H, W = array.shape
    with matplotlib.rc_context(STYLE):
        figure = Picture((WIDTH, WIDTH * H / W + 0.1), layout="constrained")
        axes = figure.subplots()
        _image(axes, 1 - array)
        for (top, left), word in marks.items():
            corner = (left - 0.5, top - 0.5)
            axes.add_patch(Rectangle(corner, height, height, fill=False, ec=ORANGE, lw=1.6))
            box = {"facecolor": ORANGE, "edgecolor": "none", "pad": 1.5}
            axes.text(left - 0.3, top - 0.3, str(word), va="top", size=11, color="white", bbox=box)
    return figure


def timeline(events: Mapping[str, tuple[float, int]], start: int, end: int) -> Picture:
    """Draw events down a line of years that is to scale, each with its year and name beside it.

    Parameters
    ----------
    events : dict of str to (year, color)
        What happened, in order, when, and the number of a colour from 0 to 3.
    start, end : int
        The first and the last year of the line.

    Returns
    -------
    Picture
    """
    step, gap = 0.11, 0.3  # inches a year, and at least between two texts
    at: list[float] = []
    for year, _ in events.values():
        at.append(max(step * (year - start), at[-1] + gap if at else 0.0))
    tall = max(at[-1], step * (end - start)) + 0.5
    with matplotlib.rc_context(STYLE):
        figure = Picture((4.6, tall))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, 4.6), ylim=(tall - 0.25, -0.25))
        axes.set_axis_off()
        axes.plot([0.6, 0.6], [0, step * (end - start)], color=INK, linewidth=1)
        for year in range(-(-start // 10) * 10, end + 1, 10):
            y = step * (year - start)
            axes.plot([0.52, 0.6], [y, y], color=INK, linewidth=1)
            axes.text(0.46, y, str(year), ha="right", va="center", size=10)
        for (text, (year, color)), y in zip(events.items(), at, strict=True):
            place, hue = step * (year - start), COLORS[color]
            axes.plot([0.6, 0.85, 1.0], [place, y, y], color=hue, linewidth=1)
            axes.plot(0.6, place, "o", color=hue, markersize=6)
            axes.text(1.06, y, f"{year:.0f}", va="center", size=11, color=hue, weight="bold")
            axes.text(1.6, y, text, va="center", size=11)
    return figure


def connection_table(table: ArrayLike, rows: str, columns: str) -> Picture:
    """Draw which input maps (rows) each output map (columns) sees: a filled square for each pair.

    Parameters
    ----------
    table : array_like of bool, of shape (inputs, outputs)
        Whether the pair is connected.
    rows, columns : str
        What the rows and the columns are.

    Returns
    -------
    Picture
    """
    grid = np.asarray(table, bool)
    H, W = grid.shape
    cell = min(0.27, (4.6 - 0.8) / W)
    with matplotlib.rc_context(STYLE):
        figure = Picture((cell * W + 0.8, cell * H + 0.7))
        axes = figure.add_axes((0, 0, 1, 1), aspect="equal")
        axes.set(xlim=(-0.7 / cell, W + 0.1 / cell), ylim=(H + 0.1 / cell, -0.6 / cell))
        axes.set_axis_off()
        for (i, j), seen in np.ndenumerate(grid):
            axes.add_patch(Rectangle((j, i), 1, 1, fill=False, ec=INK, lw=0.4))
            if seen:
                axes.add_patch(Rectangle((j + 0.15, i + 0.15), 0.7, 0.7, color=BLUE, lw=0))
        for i in range(H):
            axes.text(-0.35, i + 0.53, str(i), ha="right", va="center", size=10)
        for j in range(W):
            axes.text(j + 0.5, -0.3, str(j), ha="center", va="bottom", size=10)
        axes.text(W / 2, -0.38 / cell, columns, ha="center", va="center", size=11)
        axes.text(-0.5 / cell, H / 2, rows, ha="center", va="center", size=11, rotation=90)
    return figure


def shares(bars: Mapping[str, ArrayLike], parts: tuple[str, ...], xlabel: str) -> Picture:
    """Draw a bar for each thing, cut into its parts' shares of the whole.

    Parameters
    ----------
    bars : dict of str to array_like
        Names, and one amount for each part; only their proportions are shown.
    parts : tuple of str
        The names of the parts, at most four.
    xlabel : str
        What is shared out.

    Returns
    -------
    Picture
    """
    amounts = np.array([np.asarray(bar, float) for bar in bars.values()])
    percent = 100 * amounts / amounts.sum(axis=1, keepdims=True)
    hatches = "", "//", "..", "xx"  # for those who do not see the colours
    with matplotlib.rc_context(STYLE):
        figure = Picture((4.6, 0.34 * len(bars) + 0.95), layout="constrained")
        axes = figure.subplots()
        left = np.zeros(len(bars))
        for number, part in enumerate(parts):
            look: dict[str, Any] = {
                "color": COLORS[number],
                "hatch": hatches[number],
                "edgecolor": "white",
            }
            axes.barh(list(bars), percent[:, number], 0.7, left, label=part, lw=0, **look)
            left = left + percent[:, number]
        axes.invert_yaxis()
        axes.set(xlim=(0, 100), xlabel=xlabel)
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=len(parts), borderpad=0)
    return figure


def connections(
    masks: Any,
    colors: Any = None,
    names: tuple[str, ...] = (),
    columns: int = 2,
    bias: bool = False,
) -> Picture:
    """Draw layers as rows of nodes, the input below, with a line for each connection.

    Parameters
    ----------
    masks : array_like of shape (out, in), or a list of them, or a dict of either
        Where there is a connection, not 0, and where there is none, 0. A list draws layers on top
        of one another; a dict draws networks side by side, each under its title.
    colors : as masks, optional
        For each connection which weight it has, 0, 1, 2 and so on, so that equal weights look
        alike; a faint line in the text's colour where it is negative.
    names : sequence of str
        What to write to the left of each row, from below.
    columns : int
        Networks in a row of the figure.
    bias : bool
        Whether the last column of each mask belongs to a node of its own, marked 1: the bias.

    Returns
    -------
    Picture

    Raises
    ------
    ValueError
        If the masks do not fit on top of one another, or the colours do not fit the masks.

    Examples
    --------
    >>> picture = connections(np.eye(3), colors=np.arange(9).reshape(3, 3))
    """
    nets = {title: _stack(net) for title, net in _titled(masks).items()}
    marks = dict.fromkeys(nets) if colors is None else _titled(colors)
    if len(marks) != len(nets):
        raise ValueError(f"colors must be as many networks as masks, {len(nets)}")
    columns = min(columns, len(nets))
    rows = -(-len(nets) // columns)
    most = max(max(net[0].shape[1] - bias, *map(len, net)) for net in nets.values())
    left, right = -most / 2 - bool(names), most / 2 + bias  # in cells, from the middle
    cell = (WIDTH / columns - 0.1) / (right - left)  # inches from node to node
    gap = 1.2 / cell  # from row to row, in cells
    tall = 0.35 + cell * (gap * max(map(len, nets.values())) + 1)
    with matplotlib.rc_context(STYLE):
        figure = Picture((WIDTH, rows * tall), layout="constrained")
        every = figure.subplots(rows, columns, squeeze=False).flat
        for axes, (title, net), mark in zip(every, nets.items(), marks.values(), strict=False):
            axes.set(aspect="equal", ylim=(-0.5, gap * len(net) + 0.5))
            axes.set(xlim=(left, right), title=title)
            axes.set_axis_off()
            marking = None if mark is None else _stack(mark)
            _network(axes, net, marking, gap, min(0.3, 0.13 / cell), bias)
            for row, name in enumerate(names[: len(net) + 1]):
                axes.text(left + 0.5, gap * row, name, ha="center", va="center", size=12)
        for axes in figure.axes[len(nets) :]:
            axes.remove()
    return figure


def _titled(nets: Any) -> dict[str, Any]:
    return dict(nets) if hasattr(nets, "items") else {"": nets}


def _stack(net: Any) -> list[Any]:
    """Return one network as a list of matrices (out, in)."""
    several = isinstance(net, list | tuple) and np.ndim(net[0]) == 2
    layers = [np.asarray(layer) for layer in (net if several else [net])]
    for layer in layers:
        if layer.ndim != 2:
            raise ValueError(f"masks must have the shape (out, in), got {layer.shape}")
    return layers


def _network(
    axes: Axes, net: list[Any], marks: list[Any] | None, gap: float, radius: float, bias: bool
) -> None:
    """Draw the nodes of one network and the lines between them."""
    if marks is not None and [m.shape for m in marks] != [m.shape for m in net]:
        raise ValueError("colors must have the shapes of masks")
    nodes = net[0].shape[1] - bias
    _nodes(axes, nodes, 0, radius)
    for row, mask in enumerate(net):
        outs, ins = mask.shape
        if ins != nodes + bias:
            raise ValueError(f"masks must fit: {nodes} nodes under a mask of shape {mask.shape}")
        start, end = np.arange(ins) - (nodes - 1) / 2, np.arange(outs) - (outs - 1) / 2
        if bias:
            _nodes(axes, 1, row * gap, radius, start[-1], "1")
        for j, i in np.argwhere(mask != 0):
            mark = -1 if marks is None else int(marks[row][j, i])
            way = np.array([end[j] - start[i], gap])
            way *= radius / np.hypot(*way)  # a line begins and ends at a circle, not in it
            dash = DASHES[(mark + mark // 4) % 4] if mark >= 0 else "-"
            axes.plot(
                [start[i] + way[0], end[j] - way[0]],
                [row * gap + way[1], (row + 1) * gap - way[1]],
                color=COLORS[mark % 4] if mark >= 0 else INK,
                linestyle=dash,
                linewidth=1.6 if mark >= 0 else 0.7,
                alpha=1 if mark >= 0 else 0.55 if marks is None else 0.3,
                zorder=2 if mark >= 0 else 1,
            )
        nodes = outs
        _nodes(axes, nodes, (row + 1) * gap, radius)


def _nodes(
    axes: Axes, count: int, y: float, radius: float, middle: float = 0, text: str = ""
) -> None:
    for x in np.arange(count) - (count - 1) / 2 + middle:
        axes.add_patch(Circle((x, y), radius, fill=False, ec=INK, lw=1.1))
        axes.text(x, y, text, ha="center", va="center_baseline")


def bands(curves: Mapping[str, Any], xlabel: str, ylabel: str = "", log: str = "") -> Picture:
    """Plot the mean of repeated measurements, with a band from the smallest to the largest.

    Parameters
    ----------
    curves : dict of str to (x, runs)
        Labels, numbers x, and an array (repetitions, len(x)) of what was measured.
    xlabel, ylabel, log
        As for `lines`.

    Returns
    -------
    Picture
    """
    curves = {label: (x, np.asarray(runs, float)) for label, (x, runs) in curves.items()}
    means = {label: (x, runs.mean(axis=0)) for label, (x, runs) in curves.items()}
    figure = lines(means, xlabel, ylabel, log)
    if "x" in log:  # the places that were measured, not powers of ten
        places = sorted({float(place) for x, _ in curves.values() for place in x})
        figure.axes[0].set_xticks(places, [f"{place:,.7g}" for place in places])
        figure.axes[0].minorticks_off()
    for number, (x, runs) in enumerate(curves.values()):
        band = runs.min(axis=0), runs.max(axis=0)
        figure.axes[0].fill_between(x, *band, color=COLORS[number % 4], alpha=0.2, linewidth=0)
    return figure


def tiles(
    arrays: Mapping[str, ArrayLike], parts: Mapping[str, ArrayLike], signs: str = ""
) -> Picture:
    """Show small arrays as grids of their numbers, with parts of them coloured and framed.

    Parameters
    ----------
    arrays : dict of str to array_like
        Titles and arrays (H, W).
    parts : dict of str to array_like
        For some of the titles, an array of integers of the same shape: 0 for a number without
        colour, and 1 to 4 for the part that it belongs to. Equal parts have one colour.
    signs : str
        One character between each two grids.

    Returns
    -------
    Picture
    """
    figure = numbers(arrays, signs)
    axes, x = figure.axes[0], 0.0
    shapes = {title: np.shape(array) for title, array in arrays.items()}
    tall = max(shape[0] for shape in shapes.values())
    for title, (H, W) in shapes.items():
        part, y = np.broadcast_to(parts.get(title, 0), (H, W)), (tall - H) / 2
        for i, j in np.argwhere(part):
            color = COLORS[part[i, j] - 1]
            axes.add_patch(Rectangle((x + j, y + i), 1, 1, color=color, alpha=0.28, lw=0))
        for i, j in np.argwhere(part[:, 1:] != part[:, :-1]):
            axes.plot([x + j + 1] * 2, [y + i, y + i + 1], color=INK, lw=2)
        for i, j in np.argwhere(part[1:] != part[:-1]):
            axes.plot([x + j, x + j + 1], [y + i + 1] * 2, color=INK, lw=2)
        x += W + GAP
    return figure


def gallery(
    pictures: ArrayLike, labels: Any = (), columns: int = 8, each: bool = True, size: float = 0.9
) -> Picture:
    """Show many small pictures in rows, each under a short label; labels may repeat.

    Parameters
    ----------
    pictures : array_like of shape (n, H, W)
        From 0 to 1, or with negative numbers, which are shown in red.
    labels : sequence of str
        One for each picture, or none at all.
    columns : int
        Pictures in a row.
    each : bool
        Whether pictures with negative numbers have a scale each, or share one.
    size : float
        The side of a picture, in inches.

    Returns
    -------
    Picture
    """
    array = np.asarray(pictures, float)
    rows = -(-len(array) // columns)
    far = np.abs(array).max() or 1
    with matplotlib.rc_context(STYLE):
        figure = Picture((size * columns, (size + 0.25) * rows), layout="constrained")
        for number, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
            if number >= len(array):
                axes.remove()
                continue
            _image(axes, array[number])
            if array.min() < 0 and not each:
                axes.clear()
                axes.imshow(array[number], "RdBu", vmin=-far, vmax=far, interpolation="nearest")
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set(visible=True, linewidth=0.5)
            if len(labels):
                axes.set_title(str(labels[number]), size=11, pad=3)
    return figure


def dots(groups: Mapping[str, ArrayLike], xlabel: str, first: bool = False) -> Picture:
    """Show every run as a dot, one row for each group, with a bar at the group's mean.

    Parameters
    ----------
    groups : dict of str to array_like
        Labels and one number for each run.
    xlabel : str
        What the numbers are, with the unit.
    first : bool
        Whether to shade the range of the first group through all rows, to compare with.

    Returns
    -------
    Picture
    """
    with matplotlib.rc_context(STYLE):
        figure = Picture((WIDTH, 0.8 + 0.33 * len(groups)), layout="constrained")
        axes = figure.subplots()
        for row, runs in enumerate(groups.values()):
            runs = np.asarray(runs, float).ravel()
            if first and row == 0:
                axes.axvspan(runs.min(), runs.max(), color=INK, alpha=0.12, linewidth=0)
            spread = row + 0.12 * (np.arange(len(runs)) - (len(runs) - 1) / 2)
            axes.plot(runs, spread, "o", color=BLUE, markersize=5, alpha=0.75)
            axes.plot([runs.mean()] * 2, [row - 0.36, row + 0.36], color=ORANGE, linewidth=2.4)
        axes.set_yticks(range(len(groups)), list(groups))
        axes.set(xlabel=xlabel, ylim=(len(groups) - 0.4, -0.6))
        axes.grid(axis="x", color=INK, alpha=0.15, linewidth=0.6)
    return figure


def roofline(peak: float, bandwidth: float, groups: Mapping[str, Any]) -> Picture:
    """Draw a machine's roofline, and under it what was measured, as dots with letters.

    Parameters
    ----------
    peak : float
        What the machine computes, in billions of multiply-accumulates per second.
    bandwidth : float
        What its memory moves, in billions of bytes per second.
    groups : dict of str to (intensities, rates)
        Labels, multiply-accumulates per byte, and billions of them per second. The cases of
        all groups are the same, in the same order; thin lines join each case's dots.

    Returns
    -------
    Picture
    """
    points = np.array([group for group in groups.values()], float)  # (group, 2, case)
    ridge = peak / bandwidth
    low = min(points[:, 0].min(), ridge) / 2
    high = max(points[:, 0].max(), ridge) * 2
    with matplotlib.rc_context(STYLE):
        figure = Picture((WIDTH, 4.0), layout="constrained")
        axes = figure.subplots()
        roof = [low * bandwidth, peak, peak]
        axes.plot([low, ridge, high], roof, color=INK, linewidth=1.8)
        for case in points.transpose(2, 1, 0):
            axes.plot(*case, color=INK, alpha=0.3, linewidth=0.7)
        for number, (label, (x, y)) in enumerate(zip(groups, points, strict=True)):
            color = COLORS[number % 4]
            fill = "none" if number else color
            axes.plot(x, y, "o", color=color, markerfacecolor=fill, markersize=6, label=label)
        for number, place in enumerate(points[0].T):
            letter, away = chr(ord("a") + number), (4, 4)
            axes.annotate(letter, place, away, textcoords="offset points", weight="bold")
        axes.set(xscale="log", yscale="log", xlim=(low, high))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter("")
        axes.set_xlabel("arithmetic intensity (multiply-accumulates per byte)")
        axes.set_ylabel("billions of multiply-accumulates per second")
        axes.legend(loc="lower right")
    return figure


def confusion(counts: ArrayLike, labels: Any = None) -> Picture:
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
    matrix = np.asarray(counts)
    K = len(matrix)
    names = [str(name) for name in (range(K) if labels is None else labels)]
    wrong = np.where(np.eye(K, dtype=bool), 0, matrix)
    with matplotlib.rc_context(STYLE):
        figure = Picture((5.4, 5.4), layout="constrained")
        axes = figure.subplots()
        axes.set(xlim=(-0.5, K - 0.5), ylim=(K - 0.5, -0.5), aspect="equal")
        axes.set(xlabel="predicted class", ylabel="true class")
        axes.set_xticks(range(K), names)
        axes.set_yticks(range(K), names)
        axes.tick_params(length=0)
        axes.spines[:].set(visible=True, linewidth=0.6)
        for (i, j), count in np.ndenumerate(matrix):
            color, share = (BLUE, 0.35) if i == j else (ORANGE, wrong[i, j] / max(1, wrong.max()))
            if count:
                corner = (j - 0.5, i - 0.5)
                alpha = share if i == j else 0.15 + 0.6 * share
                axes.add_patch(Rectangle(corner, 1, 1, color=color, alpha=alpha, lw=0))
                axes.text(j, i + 0.03, f"{count:.0f}", ha="center", va="center", size=11)
    return figure


def graph(model: Any) -> Picture:
    """Draw an ONNX graph from top to bottom: operators, their weights, and what flows between them.

    Parameters
    ----------
    model : onnx.ModelProto
        With nodes in a row, whose shapes it tells.

    Returns
    -------
    Picture
    """
    g = model.graph
    weights = {each.name: tuple(each.dims) for each in g.initializer}
    shapes = {
        each.name: [d.dim_param or d.dim_value for d in each.type.tensor_type.shape.dim]
        for each in (*g.input, *g.value_info, *g.output)
    }

    def flow(name: str, y: float) -> None:
        text = f"{name}:  {' × '.join(map(str, shapes[name]))}"
        axes.text(0.15, y, text, va="center", size=9)

    with matplotlib.rc_context(STYLE):
        figure = Picture((0.85 * WIDTH, 0.62 * len(g.node) + 0.5), layout="constrained")
        axes = figure.subplots()
        axes.set(xlim=(-2.9, 2.9), ylim=(len(g.node) - 0.2, -0.65))
        axes.set_axis_off()
        arrow = {"arrowstyle": "->", "color": INK}
        flow(g.input[0].name, -0.45)
        for row, node in enumerate(g.node):
            axes.annotate("", (0, row - 0.22), (0, row - 0.7), arrowprops=arrow)
            axes.add_patch(Rectangle((-0.75, row - 0.2), 1.5, 0.4, color=BLUE, alpha=0.25, lw=0))
            axes.text(0, row, node.op_type, ha="center", va="center_baseline", size=10)
            flow(node.output[0], row + 0.5)
            held = [name for name in node.input if name in weights]
            text = "\n".join(f"{name}:  {' × '.join(map(str, weights[name]))}" for name in held)
            axes.text(-1.2, row, text, ha="right", va="center", size=9, color=INK)
            if held:
                axes.annotate("", (-0.77, row), (-1.15, row), arrowprops=arrow)
        end = len(g.node) - 0.3
        axes.annotate("", (0, end), (0, end - 0.48), arrowprops=arrow)
    return figure


def histogram(
    groups: Mapping[str, ArrayLike], xlabel: str, marks: Mapping[str, float] | None = None
) -> Picture:
    """Count numbers above 0 by their size, in powers of ten, each group as an outline.

    Parameters
    ----------
    groups : dict of str to array_like
        Labels and numbers; zeros are left out, and the smallest half percent is in the first bar.
    xlabel : str
        What the numbers are, with the unit.
    marks : dict of str to float, optional
        Sizes to compare with, each a line with its label.

    Returns
    -------
    Picture
    """
    arrays = {label: np.asarray(array, float).ravel() for label, array in groups.items()}
    arrays = {label: array[array > 0] for label, array in arrays.items()}
    every = np.concatenate(list(arrays.values()))
    bins = np.geomspace(np.percentile(every, 0.5), every.max() * 1.001, 40)
    with matplotlib.rc_context(STYLE):
        figure = Picture((WIDTH, 2.9), layout="constrained")
        axes = figure.subplots()
        axes.set_xscale("log")
        for number, (label, array) in enumerate(arrays.items()):
            counts, _ = np.histogram(np.maximum(array, bins[0]), bins)
            look: Any = {"color": COLORS[number % 4], "linestyle": DASHES[number % 4]}
            axes.stairs(counts, bins, label=label, linewidth=1.8, **look)
        for label, place in (marks or {}).items():
            axes.axvline(place, color=INK, linewidth=1)
            axes.text(place, 1.0, f" {label}", transform=axes.get_xaxis_transform(), va="bottom")
        axes.set(xlabel=xlabel, ylabel="how many")
        axes.legend(loc="upper left")
    return figure
