"""The figure that each plot returns: it shows itself as SVG, in the colours of the page."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import io
import itertools
import json
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from html import escape
from typing import IO, Any, Literal, NamedTuple, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_mixed import MixedModeRenderer
from matplotlib.backends.backend_svg import FigureCanvasSVG, RendererSVG
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import LayoutEngine, PlaceHolderLayoutEngine
from matplotlib.patches import Rectangle
from matplotlib.typing import LineStyleType
from numpy.typing import NDArray
from PIL import Image, features

from ..ink import BLUE, FIGURES, RED
from .arguments import Floats

P = ParamSpec("P")
Pair = tuple[float, float]
Box = tuple[float, float, float, float]  # x, y, width, height
Pixels = NDArray[np.uint8]  # rows, columns, and red, green, blue and strength

WIDE, NARROW = 7.2, 4.5  # inches: the page's column, and the one of a phone's page
ROOM = ContextVar("ROOM", default=WIDE)
INK = "#102030"  # a colour that nothing else has: in the SVG it becomes the text's colour
READ = 9  # points: what can be read on a phone, where a point is about a pixel
LETTER_WIDE = 0.072  # inches: of a phone's titles
DASHES: tuple[LineStyleType, ...] = "-", "--", "-.", ":"  # for those who see no colours
EXACT = 20_000  # bytes of a picture that is left as it is
WEBP = 16_383  # pixels of a side that the format can have
SETTINGS: dict[Any, Any] = {
    **{name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"},
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
    "svg.fonttype": "none",  # text stays text, in the page's typeface
    "svg.hashsalt": "convdocs",  # the same figure, the same bytes
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
STYLE = dict(matplotlib.RcParams(SETTINGS))  # checked, once for all figures
SHEET = """<style>
text { font-family: Figures, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif }
svg { color: #1f2328 }
@media (prefers-color-scheme: dark) { svg { color: #d8dce2 } image { opacity: 0.8 } }
</style>"""

UNKNOWN = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")  # to XML
FAMILY = re.compile(r" font-family: [^;]*;")  # the sheet names the page's, or what print brings
INDEX = re.compile(r"(<tspan [^>]*font-size: )([\d.]+)px")
IMAGE = re.compile(r"(?<=<image xlink:href=\")data:image/png;base64,[^\"]*")
FORMULA = re.compile(r"(?<=<text>)(?:\s*<tspan [^>]*>[^<]*</tspan>)+\s*(?=</text>)")
LETTER = re.compile(r'<tspan x="([^"]*)" y="([^"]*)" style="([^"]*)">([^<]*)</tspan>')


@contextlib.contextmanager
def style(wide: float = WIDE) -> Iterator[None]:
    """Draw in the book's style, whatever a matplotlibrc or an earlier cell has set.

    Figures are at most ``wide`` inches wide.
    """
    title = STYLE["axes.titlesize" if wide == WIDE else "font.size"]
    before = ROOM.set(wide)
    try:
        with matplotlib.rc_context():
            for name, value in {**STYLE, "axes.titlesize": title}.items():
                matplotlib.rcParams._set(name, value)
            yield
    finally:
        ROOM.reset(before)


def widest() -> float:
    """Return how wide a figure can be, in inches."""
    return ROOM.get()


def narrow() -> bool:
    """Return whether the figure is one for a phone: what stood side by side has to stack."""
    return widest() < WIDE


def wrapped(text: str, letters: int) -> str:
    """Break a text into lines of so many letters, where it would not fit a phone."""
    if not narrow() or "$" in text:  # a formula is one word
        return text
    lines = (textwrap.fill(line, letters, break_long_words=False) for line in text.split("\n"))
    return "\n".join(lines)


def fitting(columns: int, texts: Iterable[str], least: float) -> int:
    """Return how many of some columns fit side by side, each wide enough for its text.

    ``least`` is how wide a column has to be in any case, in inches. On a phone there are fewer,
    and all rows but the last are full.
    """
    if not narrow():
        return columns
    longest = max((len(line) for text in texts for line in text.splitlines()), default=0)
    most = max(1, int(widest() / max(least, LETTER_WIDE * longest)))
    rows = -(-columns // most)
    return -(-columns // rows)


def plotted(draw: Callable[P, Picture]) -> Callable[P, Picture]:
    """Let a function draw in the book's style, for the page that it is drawn for."""

    @functools.wraps(draw)
    def plot(*args: P.args, **options: P.kwargs) -> Picture:
        def at(wide: float) -> Picture:
            with style(wide):
                return draw(*args, **options)

        asked = os.environ.get(FIGURES)
        picture = at(NARROW if asked == "phone" else WIDE)
        if asked == "both":
            picture.phone = at(NARROW)
        picture.stale = False  # until somebody changes it
        return picture

    return plot


class Answer(NamedTuple):
    """What a place of a figure says to who points at it, and the boxes that it has that from."""

    axes: Axes
    place: Box
    words: str
    sources: tuple[Box, ...]


class Pen(RendererSVG):
    """Writes SVG, and keeps pictures, which matplotlib would make small, and slowly, as PNG."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)  # type: ignore[no-untyped-call]
        self.pictures: list[str] = []  # their addresses

    def draw_image(self, gc: Any, x: float, y: float, im: Any, transform: Any = None) -> None:
        """Write an empty picture of the same size and place, under a name that this one gives."""
        if not im.size:
            return
        self.pictures.append(_light(im))
        own = gc.get_gid()
        gc.set_gid(own or f"image{hashlib.sha256(self.pictures[-1].encode()).hexdigest()[:10]}")
        super().draw_image(gc, x, y, np.zeros_like(im), transform)  # type: ignore[no-untyped-call]
        gc.set_gid(own)


class Picture(Figure):
    """A matplotlib figure that shows itself as SVG, in the colours of the page around it."""

    def __init__(self, *size: Any, **options: Any) -> None:
        super().__init__(*size, **options)
        self.answers: list[Answer] = []
        self.small = narrow()
        self.phone: Picture | None = None
        self.layout: LayoutEngine | None = None
        self.changed = False  # since it was drawn

    def savefig(self, fname: str | os.PathLike[str] | IO[Any], **options: Any) -> None:
        """Write the figure to a file, with the options of matplotlib, in the book's style."""
        changed = self.stale
        with style():
            super().savefig(fname, **options)
        self.stale = changed

    def _repr_svg_(self) -> str:
        text, pictures = self._drawn()
        svg = UNKNOWN.sub("\N{REPLACEMENT CHARACTER}", text).replace(INK, "currentColor")
        svg = FAMILY.sub("", FORMULA.sub(_set_together, svg))
        if self.small:  # indices and exponents are as small as the smallest type can be
            svg = INDEX.sub(lambda size: f"{size[1]}{max(float(size[2]), READ):g}px", svg)
        svg = IMAGE.sub(lambda _: pictures.pop(0), svg)
        head, body = svg[svg.index("<svg") :].split(">", 1)
        return f"{head}>{SHEET}{self._answers()}{body}"

    def for_pages(self) -> str:
        """Return the figure as SVG, and after it the one for a phone (docs/_ext/widths.py).

        One that was changed since it was drawn stands for both.
        """
        other = None if self.changed or self.stale else self.phone
        return self._repr_svg_() + (other._repr_svg_() if other else "")

    def _drawn(self) -> tuple[str, list[str]]:
        """Return the figure as matplotlib writes SVG, and what is to be in place of its pictures.

        It is drawn once: `savefig` draws twice.
        """
        before, dpi = self.canvas, self.dpi
        self.changed |= self.stale
        if not isinstance(self.get_layout_engine(), PlaceHolderLayoutEngine):
            self.layout = self.get_layout_engine()
        elif self.stale:
            self.set_layout_engine(self.layout)
        nothing = {"Creator": None, "Date": None, "Format": None, "Type": None}
        with style(), io.StringIO() as file:
            try:
                FigureCanvasSVG(self)  # is now the figure's
                self.dpi, sharp = 72, matplotlib.rcParams["savefig.dpi"]
                width, height = self.get_size_inches()
                pen = Pen(72 * width, 72 * height, file, image_dpi=sharp, metadata=nothing)
                whole: Any = MixedModeRenderer(self, width, height, sharp, pen)  # type: ignore[no-untyped-call]
                self.draw(whole)
                whole.finalize()
            finally:
                self.dpi = dpi
                self.set_canvas(before)
            self.set_layout_engine("none")  # shown again, nothing moves unless it was changed
            self.stale = False
            return file.getvalue(), pen.pictures

    def _answers(self) -> str:
        """Write what the figure answers: ``[place, words, sources]`` each, boxes as shares of it.

        A page that shows the figure reads it (docs/web/figures/sums.mjs).
        """
        said = [
            [_share(axes, place), words, [_share(axes, box) for box in sources]]
            for axes, place, words, sources in self.answers
        ]
        text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
        return f"<metadata>{escape(text, quote=False)}</metadata>" if said else ""


def _share(axes: Axes, box: Box) -> list[float]:
    """Return left, top, width and height of a box as shares of its figure's."""
    x, y, width, height = box
    whole = axes.get_figure(root=True)
    assert whole is not None
    to = axes.transData + whole.transFigure.inverted()
    (x0, y0), (x1, y1) = to.transform([(x, y), (x + width, y + height)])
    left, top = min(x0, x1), 1 - max(y0, y1)
    return [round(float(part), 4) for part in (left, top, abs(x1 - x0), abs(y1 - y0))]


def _light(pixels: Pixels) -> str:
    """Return a picture's address: a photograph as WebP, a tenth of PNG's size, others exact.

    A browser that draws has nothing to fetch, and would need long to make it small.
    """
    opaque = pixels.shape[2] == 3 or pixels[..., 3].min() == 255
    picture = Image.fromarray(pixels[..., :3] if opaque else pixels)
    image = _saved(picture, "PNG", compress_level=1)
    if sys.platform == "emscripten":
        return _address("png", image)
    if len(image) < 4 * EXACT:  # it may become as small as that
        image = _saved(picture, "PNG")
    if len(image) < EXACT or max(picture.size) > WEBP or not features.check("webp"):
        return _address("png", image)
    return _address("webp", _saved(picture, "WEBP", quality=82, method=2))


def _address(kind: str, image: bytes) -> str:
    """Return a file as an address that holds it."""
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def _saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """Return a picture as a file of a kind."""
    with io.BytesIO() as file:
        picture.save(file, kind, **options)
        return file.getvalue()


def _set_together(match: re.Match[str]) -> str:
    """Let letters that matplotlib sets one by one stand as wide as the page's typeface has them."""
    letters = sorted(LETTER.findall(match[0]), key=lambda letter: float(letter[0]))
    row = ""
    for (y, look), alike in itertools.groupby(letters, lambda letter: letter[1:3]):
        row += f'<tspan y="{y}" style="{look}">{"".join(letter[3] for letter in alike)}</tspan>'
    return row


def canvas(
    size: Pair, x: Pair, y: Pair, aspect: Literal["equal", "auto"] = "equal"
) -> tuple[Picture, Axes]:
    """Return a figure, and axes that fill it and show nothing but what is drawn."""
    figure = Picture(size)
    axes = figure.add_axes((0, 0, 1, 1), aspect=aspect)
    axes.set(xlim=x, ylim=y)
    axes.set_axis_off()
    return figure, axes


def subplots(
    size: Pair,
    count: int = 1,
    columns: int = 1,
    heights: Sequence[float] | None = None,
    share: Literal["x", "y", ""] = "",
) -> tuple[Picture, list[Axes]]:
    """Return a figure, and as many axes in its rows and columns as there is something to show."""
    figure = Picture(size, layout="constrained")
    rows = -(-count // columns)
    every = figure.subplots(
        *(rows, columns),
        squeeze=False,
        sharex="x" in share,
        sharey="y" in share,
        height_ratios=heights,
    )
    for axes in every.flat[count:]:
        axes.remove()
    return figure, list(every.flat[:count])


def tint(axes: Axes, box: Box, color: str, strength: float | None = None) -> None:
    """Lay a colour over a box; it hides what is below, or has a strength from 0 to 1."""
    x, y, width, height = box
    axes.add_patch(Rectangle((x, y), width, height, color=color, alpha=strength, lw=0))


def outline(axes: Axes, box: Box, color: str, width: float, dashes: LineStyleType = "-") -> None:
    """Draw the outline of a box."""
    x, y, wide, high = box
    axes.add_patch(Rectangle((x, y), wide, high, fill=False, ec=color, lw=width, ls=dashes))


def mark(axes: Axes, box: Box, color: str, strength: float = 0.25) -> None:
    """Tint a box, and frame it."""
    tint(axes, box, color, strength)
    outline(axes, box, color, 2)


def signed(values: Floats, far: float = 0) -> Floats:
    """Return colours: red below zero, blue above, and zero as the page; at ``far`` all is seen.

    They are red, green, blue and strength. By default, ``far`` is the largest number there.
    """
    sizes = np.abs(values)
    seen = np.minimum(sizes / (far or sizes.max() or 1), 1)
    hues = np.where(values[..., None] < 0, to_rgb(RED), to_rgb(BLUE))
    return np.concatenate([hues, seen[..., None]], axis=-1)


def answer(axes: Axes, place: Box, words: str, *sources: Box) -> None:
    """Let a place of a figure answer who points at it on a page: in words, and by its sources."""
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Picture)
    figure.answers.append(Answer(axes, place, words, sources))
