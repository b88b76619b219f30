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
from matplotlib.patches import Rectangle
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

WIDTH = 7.2  # inches: the page's column
GAP = 1.2  # between two grids of numbers, in cells
INK = "#102030"  # a colour that nothing else has: in the SVG it becomes the text's colour
COLORS = BLUE, ORANGE, GREEN, VIOLET = "#2f7fd0", "#d2691e", "#2e9e5b", "#9a5fd0"  # on any page
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
