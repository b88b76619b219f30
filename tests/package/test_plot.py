"""What holds for every figure: it stands alone, has the page's ink, and is the same everywhere.

The same bytes come from each build, in another process and whatever the settings are; and wrong
calls are refused.
"""

import copy
import datetime
import decimal
import functools
import hashlib
import io
import pickle
import re
import subprocess
import sys
import typing
import xml.etree.ElementTree as ET

import matplotlib
import matplotlib.style
import numpy as np
import pytest
from places import ROOT

from convdocs import data
from convdocs.book import plot
from convdocs.book.ink import COLORS, FIGURES
from convdocs.book.plot.picture import INK, NARROW, STYLE, Picture, style, subplots, wrapped

PHOTO = data.photo(color=True)[:, 100:200, 200:300]
SETTINGS = {  # a right call of each plot
    "images": {
        "pictures": {"photo": PHOTO, "map": [[-1, 0, 2]]},
        "columns": 2,
        "boxes": [(0, 0, 1, 2)],
    },
    "gallery": {
        "pictures": [[[0, -1]], [[1, 2]]],
        "labels": ["a", 7],
        "columns": 2,
        "each": False,
        "size": 0.5,
    },
    "detections": {"picture": np.eye(9), "found": {(0, 1): 7}, "height": 3, "right": [(0, 1)]},
    "lines": {
        "curves": {"loss": [3, 2, 1], "error": ([1, 2], [4, 5])},
        "xlabel": "step",
        "ylabel": "$L$",
        "log": "y",
        "apart": False,
    },
    "bands": {
        "curves": {"a": ([1, 20], [[1, 2], [3, 4]])},
        "xlabel": "x",
        "ylabel": "y",
        "log": "x",
    },
    "dots": {"groups": {"a": [1, 2], "b": [3, 5, 4]}, "xlabel": "accuracy", "first": True},
    "bars": {"panels": {"one": {"a": 1, "b": 2000}, "two": {"a": 0, "b": 0}}, "alike": True},
    "stacked_bars": {"bars": {"a": [1, 3], "b": [2, 2]}, "parts": ["p", "q"], "xlabel": "share"},
    "histogram": {"groups": {"a": [0, 1e-3, 1], "b": [[2]]}, "xlabel": "x", "marks": {"m": 0.1}},
    "roofline": {
        "peak": 40,
        "bandwidth": 16,
        "groups": {"a": ([1, 9], [8, 30]), "b": ([0.5, 2], [7, 9])},
    },
    "timeline": {"events": {"first": (1998, 1), "next": (1999, 0)}, "start": 1995, "end": 2003},
    "numbers": {
        "arrays": {"w": [[1]], "x": [[-1, 2.5]], "y": [[1, 2]]},
        "signs": "⋆=",
        "place": (0, 1),
    },
    "tiles": {"arrays": {"x": [[1, 2]], "y": [[3]]}, "parts": {"x": [[0, 1]]}, "signs": "→"},
    "patch_matrix": {"x": np.eye(3), "kernel": (2, 2), "marked": [(0, 1)]},
    "slides": {"settings": {"title": {"size": 8, "kernel": 3, "padding": 1}}, "columns": 2},
    "pairs": {"table": [[True, False]], "rows": "in", "columns": "out"},
    "confusion": {"counts": [[5, 1], [0, 6]], "labels": ["a", "b"]},
    "connections": {
        "masks": {"a": np.ones((2, 3)), "b": np.eye(2)},
        "weights": {"a": np.arange(6).reshape(2, 3)},
        "names": ("in", "out"),
        "columns": 2,
        "bias": False,
    },
    "volumes": {"shapes": {"picture": (3, 8, 8), "scores": (10,)}},
    "maps": {"volumes": {"maps": [[[1, -2]], [[0, 3]]], "scores": [0.5, -2]}},
}
FUNCTIONS = sorted(set(plot.__all__) - {"Picture"})
SPACES = r'\sxmlns(:\w+)?="[^"]*"'


def draw(name):
    return getattr(plot, name)(**SETTINGS[name])


@functools.cache
def drawn(name):
    """Return a figure as it is drawn where nothing is set."""
    return draw(name)._repr_svg_()


def test_every_plot_but_two_is_called_here():
    assert set(FUNCTIONS) == SETTINGS.keys() | {"pencil", "onnx_graph"}  # an array; in networks


@pytest.mark.parametrize("name", FUNCTIONS)
def test_types_can_be_resolved(name):
    hints = typing.get_type_hints(getattr(plot, name))
    assert len(hints) == len(SETTINGS.get(name, "1")) + 1


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_every_figure_stands_alone_and_follows_the_page(name):
    figure = draw(name)
    svg = figure._repr_svg_()
    assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert INK not in svg.lower()
    assert "currentColor" in svg
    style = re.search(r"<style>(.*?)</style>", svg, re.DOTALL)[1]
    light, dark = re.findall(r"svg \{ color: (#\w{6}) \}", style)
    assert int(light[1:], 16) < 0x303030 < 0xD0D0D0 < int(dark[1:], 16)
    assert f"@media (prefers-color-scheme: dark) {{ svg {{ color: {dark} }} image" in style
    assert "//" not in re.sub(r"base64,[^\"]*", "", re.sub(SPACES, "", svg))  # no other host
    assert not re.search(r"(href|src)=\"(?!#|data:)|<rdf|<dc:date|20\d\d-\d\d", svg)
    assert figure._repr_svg_() == drawn(name) == svg


LINES = {"lines.linewidth": 9, "lines.marker": "o", "lines.linestyle": ":", "patch.linewidth": 5}
AXES = {"axes.grid": True, "axes.spines.left": False, "axes.xmargin": 0.5, "xtick.top": True}
NUMBERS = {
    "axes.formatter.limits": (-1, 1),
    "xtick.minor.visible": True,
    "date.epoch": "1971-01-01",
}
COLOURS = {"image.cmap": "jet", "axes.prop_cycle": "cycler('color', ['k'])", "hatch.color": "r"}
GROUND = {"figure.facecolor": "green", "savefig.facecolor": "red", "axes.facecolor": "k"}
LAYOUT = {"figure.autolayout": True, "savefig.bbox": "tight", "figure.dpi": 333, "savefig.dpi": 50}
FONTS = {"font.family": "serif", "font.size": 30, "mathtext.fontset": "cm", "text.color": "red"}
SVG = {"svg.hashsalt": None, "svg.fonttype": "none", "svg.id": "mine", "svg.image_inline": False}
TEX = {"text.usetex": True, "text.latex.preamble": r"\usepackage{nothing}"}
SKETCH = {"path.sketch": (1, 100, 2), "path.simplify": False, "legend.frameon": True}
FOREIGN = {  # what a matplotlibrc, a style or a cell before may have set
    "all": LINES | AXES | NUMBERS | COLOURS | GROUND | LAYOUT | FONTS | SVG | TEX | SKETCH,
    "styles": {
        **matplotlib.style.library["classic"],
        **matplotlib.style.library["dark_background"],
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("settings", FOREIGN.values(), ids=FOREIGN)
def test_settings_of_ones_own_change_no_figure_and_stay(settings):
    wanted = {name: drawn(name) for name in SETTINGS}
    with matplotlib.rc_context(settings):
        before = dict(matplotlib.rcParams)
        assert [name for name in SETTINGS if draw(name)._repr_svg_() != wanted[name]] == []
        assert dict(matplotlib.rcParams) == before


@pytest.mark.slow
def test_a_figure_that_was_drawn_before_the_settings_is_shown_the_same():
    names = ["lines", "roofline", "bars"]
    figures = [draw(name) for name in names]
    wanted = [drawn(name) for name in names]
    with matplotlib.rc_context({"text.usetex": True, "axes.grid": True, "font.size": 30}):
        assert [figure._repr_svg_() for figure in figures] == wanted


def test_a_figure_is_saved_in_its_own_style():
    def saved():
        file = io.StringIO()
        draw("lines").savefig(file, format="svg", metadata={"Date": None})
        return file.getvalue()

    alone = saved()
    with matplotlib.rc_context({"savefig.bbox": "tight", "font.size": 30, "svg.hashsalt": "mine"}):
        assert saved() == alone


@pytest.fixture
def both(monkeypatch):
    """Draw for wide pages and for phones, as a build does."""
    monkeypatch.setenv(FIGURES, "both")


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_a_phone_gets_a_narrow_figure_whose_type_can_be_read(name, both, monkeypatch):
    figure = draw(name)
    monkeypatch.setenv(FIGURES, "phone")
    small = draw(name)
    svg = small._repr_svg_()
    assert small.get_figwidth() <= min(4.7, figure.get_figwidth())
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", svg)]
    assert min(sizes, default=9) >= 9
    said, again = ([answer.words for answer in each.answers] for each in (figure, small))
    assert said == again
    wide = figure._repr_svg_()
    monkeypatch.delenv(FIGURES)
    assert wide == drawn(name)
    assert figure.for_pages() == wide + svg


def test_no_more_is_drawn_than_is_asked_for(monkeypatch):
    calls = []
    monkeypatch.setattr(
        plot.charts, "subplots", lambda *a, **o: calls.append(a) or subplots(*a, **o)
    )
    for asked, drawn in {"": 1, "phone": 1, "both": 2}.items():
        calls.clear()
        monkeypatch.setenv(FIGURES, asked)
        figure = draw("lines")
        assert len(calls) == drawn
        assert figure.for_pages().count("<svg ") == drawn


def test_both_figures_show_what_was_given_and_not_what_became_of_it(both):
    y = np.array([[1.0, 2.0]])
    figure = plot.numbers([[[1]], [[1, 2]], y], "⋆=")
    y += 1
    assert len(figure.answers) == len(figure.phone.answers) == 2


def test_a_figure_that_was_changed_is_the_same_on_a_phone(both):
    figure = draw("lines")
    figure._repr_svg_()
    assert figure.for_pages() != figure._repr_svg_()  # shown, and not changed
    figure.axes[0].set_title("mine")
    assert figure.for_pages() == figure._repr_svg_()
    assert "mine" in figure.for_pages()


def test_to_be_shown_changes_nothing_of_a_figure():
    figure = draw("lines")
    before = figure.canvas, figure.dpi, figure.stale
    figure._repr_svg_()
    assert (figure.canvas, figure.dpi, figure.stale) == before
    figure.axes[0].set_title("$^$")  # fails when it is drawn
    with pytest.raises(ValueError, match="Expected"):
        figure._repr_svg_()
    assert (figure.canvas, figure.dpi) == before[:2]


def test_a_figure_that_was_changed_after_it_was_shown_is_laid_out_again():
    shown, new = draw("lines"), draw("lines")
    before = shown._repr_svg_()
    for figure in (shown, new):
        figure.axes[0].set_ylabel("a label\nof several\nlines")
    after = shown._repr_svg_()
    assert before != after == shown._repr_svg_()  # and then it stands still
    new._repr_svg_()
    places = [figure.axes[0].get_position().extents for figure in (shown, new)]
    np.testing.assert_allclose(*places, atol=1e-4)


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("letter", ["\0", "\x08", "\x1b", "\ufffe", "\U0001f600"])
def test_any_letter_of_a_title_gives_a_figure_that_can_be_read(letter):
    svg = plot.images({f"a{letter}b": np.eye(2)})._repr_svg_()
    (title,) = [text for text in ET.fromstring(svg).itertext() if text.startswith("a")]
    assert title == (f"a{letter}b" if letter > "\uffff" else "a\N{REPLACEMENT CHARACTER}b")


def test_half_a_letter_is_refused():
    with pytest.raises(ValueError, match="a title of pictures must be a text of whole letters"):
        plot.images({"\ud800": np.eye(2)})
    with pytest.raises(ValueError, match="xlabel must be a text of whole letters"):
        plot.lines([1, 2], "\udfff")


def test_figures_are_copied_as_any_of_matplotlib():
    figure = draw("numbers")
    for again in (pickle.loads(pickle.dumps(figure)), copy.deepcopy(figure)):
        assert again._repr_svg_() == figure._repr_svg_()
    own = Picture((3, 2))
    own.text(0.5, 0.5, "small", size=5)
    assert own.for_pages() == own._repr_svg_()
    assert "font-size: 5px" in own._repr_svg_()


def test_lines_break_between_words_and_not_in_a_formula():
    with style(NARROW):
        assert wrapped("conv 1\n6 maps and more", 6) == "conv 1\n6 maps\nand\nmore"
        assert wrapped("unbreakable", 3) == "unbreakable"
        assert wrapped("$w_{0, 0}$ and all the rest", 6) == "$w_{0, 0}$ and all the rest"
    assert wrapped("a wide figure has room", 6) == "a wide figure has room"


@pytest.mark.slow
@pytest.mark.parametrize(
    "setup",
    [
        {},
        {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "PYTHONHASHSEED": "7"},
        {"MATPLOTLIBRC": "font.size: 30\naxes.grid: True\ntext.usetex: True\nbackend: tkagg\n"},
    ],
    ids=["alone", "notebook", "matplotlibrc"],
)
def test_another_process_draws_the_same_bytes_and_needs_no_pyplot(setup, tmp_path):
    if "MATPLOTLIBRC" in setup:
        path = tmp_path / "matplotlibrc"
        path.write_text(setup["MATPLOTLIBRC"])
        setup = {"MATPLOTLIBRC": str(path)}
    code = """
import hashlib, sys
from test_plot import draw
svg = "".join(draw(name)._repr_svg_() for name in ("images", "lines", "numbers"))
print(hashlib.sha256(svg.encode()).hexdigest(), "matplotlib.pyplot" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={"PATH": "", "PYTHONPATH": f"{ROOT}/tests:{ROOT}/tests/package", **setup},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    svg = "".join(drawn(name) for name in ("images", "lines", "numbers"))
    assert done.stdout.split() == [hashlib.sha256(svg.encode()).hexdigest(), "False"]


def test_the_page_reads_no_setting_that_the_style_leaves_open():
    assert STYLE.keys() == matplotlib.rcParamsDefault.keys() - {"backend"}


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["matplotlib", "PIL"])
def test_without_its_libraries_it_says_how_to_get_them(missing, tmp_path):
    (tmp_path / f"{missing}.py").write_text(f"raise ModuleNotFoundError('no', name={missing!r})")
    code = "import convdocs.book; print('book'); import convdocs.book.plot"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "book\n"
    last = done.stderr.splitlines()[-1]
    assert last == f"ModuleNotFoundError: this needs {missing}: pip install 'convdocs[plot]'"


def test_scripts_draw_in_the_books_colours():
    script = (ROOT / "docs" / "web" / "figures" / "window.mjs").read_text(encoding="utf-8")
    typed = set(re.findall(r"#[0-9a-fA-F]{6}\b", script))
    assert typed
    assert typed <= set(COLORS)


# Wrong calls


class Refuses:
    """An object that will not become an array, as a tensor that requires a gradient."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no array")


class Rude:
    """An object that answers nothing."""

    def __repr__(self):
        raise RuntimeError("no text")

    __len__ = __iter__ = __getitem__ = __float__ = __index__ = __str__ = __bool__ = __repr__


class RudeList(list):
    """A list that answers nothing."""

    __len__ = __iter__ = __getitem__ = __repr__ = Rude.__repr__


class RudeDict(dict):
    """A dict that answers nothing."""

    __len__ = __iter__ = __getitem__ = __repr__ = items = values = Rude.__repr__


def nonsense():
    """Return what is no argument for any plot, in fresh copies."""
    return [
        *(None, b"x", 1j, object(), object, print, lambda: 0, ..., NotImplemented, slice(2), {2}),
        *(iter([1]), (i for i in "ab"), decimal.Decimal(2), datetime.date.today(), re),
        *(np.datetime64("2020"), np.timedelta64(1), np.array(None), np.array([1j, 2]), [1j]),
        *(np.zeros((2, 4, 6, 6), complex), np.ones((2, 4), object), np.zeros(2, "i4,f8")),
        *([None], [1, None], [[[1, 2], [3]]], [[[]]], Refuses(), [Refuses()], Rude(), [Rude()]),
        *(
            RudeList([1]),
            RudeDict(a=[1]),
            {"a": None},
            {"a": Rude()},
            {"a": 1j},
            {"a": [[None]]},
            {None: [1]},
            {(1, 2, 3): [1]},
        ),
        *(-(10**400), np.nan, -np.inf, [np.nan, np.nan, 1j], "$\\frac$", {"$\\frac$": [[1]]}),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "argument"), [(name, argument) for name in SETTINGS for argument in SETTINGS[name]]
)
def test_what_is_no_argument_is_refused_by_its_name(name, argument):
    may_be_left_out = {("numbers", "place"), ("histogram", "marks"), ("confusion", "labels")}
    may_be_left_out |= {("connections", "weights")}
    for value in nonsense():
        if value is None and (name, argument) in may_be_left_out:
            continue
        with pytest.raises((ValueError, TypeError)) as caught:
            getattr(plot, name)(**{**SETTINGS[name], argument: value})
        assert re.search(rf"\b{argument}\b", str(caught.value))
        assert len(str(caught.value)) < 600
