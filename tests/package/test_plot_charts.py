"""Charts show what was measured, each number at its place and under its name."""

import re

import numpy as np
import pytest
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose, assert_array_equal

from convdocs.book import plot
from convdocs.book.ink import BLUE, COLORS, FIGURES, ORANGE


def words(axes):
    """Return every text of a chart."""
    return [text.get_text() for text in axes.texts]


def ticks(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def refused(draw, arguments, message):
    with pytest.raises((ValueError, TypeError), match="^" + re.escape(message)):
        draw(*arguments)


def test_curves_have_labels_axes_and_styles_of_their_own():
    curves = {"loss": [3, 2, 1], "error": ([1, 2], [4, 5])}
    (axes,) = plot.lines(curves, "step", "$L$").axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "$L$")
    assert words(axes) == ["loss", "error"]
    assert [text.get_color() for text in axes.texts] == [line.get_color() for line in axes.lines]
    assert len({line.get_color() for line in axes.lines}) == 2
    assert len({line.get_linestyle() for line in axes.lines}) == 2
    assert_array_equal(axes.lines[0].get_xydata(), [[0, 3], [1, 2], [2, 1]])
    assert_array_equal(axes.lines[1].get_xydata(), [[1, 4], [2, 5]])


@pytest.mark.parametrize(
    ("ends", "gaps"), [([0, 1], True), ([0, 0.01], True), ([0, 0, 1], True), ([0] * 4, False)]
)
def test_names_stand_at_the_ends_of_curves_if_there_is_room(ends, gaps):
    (axes,) = plot.lines({f"curve {n}": [1, 0.5, end] for n, end in enumerate(ends)}, "x").axes
    if gaps:
        heights = sorted(text.get_position()[1] for text in axes.texts)
        assert len(heights) == len(ends)
        assert np.diff(heights).min() > 0.079
        assert axes.get_legend() is None
    else:
        assert not axes.texts
        assert axes.get_legend() is not None


@pytest.mark.parametrize(
    "curves",
    [
        {"ends early": ([0, 1], [0, 1]), "b": ([0, 9], [1, 0])},
        {"a name of more letters than there is room": [1, 2], "b": [2, 1]},
        {"a": [1, 2, np.nan, np.nan], "b": [2, 1, 3, 4]},
    ],
)
def test_names_that_cannot_stand_at_the_ends_are_a_legend(curves):
    (axes,) = plot.lines(curves, "x").axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(curves)
    axes.figure.canvas.draw()
    assert axes.get_legend().get_window_extent().y0 >= axes.bbox.y1  # no curve runs through it


@pytest.mark.parametrize(
    ("x", "log", "wanted"),
    [
        ([3, 5, 7, 9], "", ["3", "5", "7", "9"]),
        ([32, 64, 256], "x", ["32", "64", "256"]),
        ([0.25, 0.5, 1000], "x", None),
        ([0.6144, 2.4576, 9.8304], "x", None),
        ([*range(20)], "", None),
    ],
)
def test_few_places_that_were_measured_are_the_ticks(x, log, wanted):
    (axes,) = plot.lines({"a": (x, np.arange(len(x)) + 1)}, "x", log=log).axes
    assert (ticks(axes.xaxis) == wanted) == (wanted is not None)


def test_no_axis_counts_in_steps_of_two_and_a_half():
    curves = plot.lines({"a": ([0, 12.5, 19.9], [60.5, 70, 85])}, "x").axes
    dots = plot.dots({"a": [66.3, 84.7]}, "accuracy").axes
    for places in [curves[0].get_xticks(), curves[0].get_yticks(), dots[0].get_xticks()]:
        step = places[1] - places[0]
        assert round(step / 10 ** np.floor(np.log10(step)), 9) in (1, 2, 5)


def test_whole_numbers_have_whole_ticks_and_short_scales_plain_ones():
    (axes,) = plot.lines({"a": (np.arange(20), 3 * np.arange(20))}, "x").axes
    places = [*axes.get_xticks(), *axes.get_yticks()]
    assert all(place == round(place) for place in places)
    (axes,) = plot.lines({"a": ([0.5, 1.5, 7.25], [0.2, 40, 7])}, "x", log="y").axes
    axes.figure.canvas.draw()
    assert "10" in ticks(axes.yaxis)
    assert "$" not in "".join(ticks(axes.yaxis))


@pytest.mark.parametrize(
    ("sizes", "wanted"),
    [
        ([1, 1024], ["1", "2", "5", "10", "20", "50", "100", "200", "500", "1,000"]),
        ([0.05, 50_000], ["0.1", "1", "10", "100", "1,000", "10,000"]),
        ([1e-6, 1], None),
    ],
)
def test_powers_of_ten_are_written_as_numbers_where_these_are_short(sizes, wanted):
    (axes,) = plot.lines({"a": ([0.5, 1.5], sizes)}, "x", log="y").axes
    axes.figure.canvas.draw()
    low, high = axes.get_ylim()
    shown = [label.get_text() for label in axes.get_yticklabels()]
    places = zip(axes.get_yticks(), shown, strict=True)
    inside = [text for place, text in places if low <= place <= high]
    assert inside == wanted if wanted else all("$" in text for text in inside)


def test_curves_apart_have_axes_of_their_own():
    apart = plot.lines({"a": [1, 2], "b": [3, 4]}, "column", apart=True).axes
    labels = [(each.get_xlabel(), each.get_ylabel()) for each in apart]
    assert labels == [("", "a"), ("column", "b")]
    assert [each.lines[0].get_ydata().tolist() for each in apart] == [[1, 2], [3, 4]]


@pytest.mark.parametrize("log", ["", "x", "y", "xy"])
@pytest.mark.parametrize("apart", [False, True])
def test_axes_count_in_powers_of_ten(log, apart):
    for axes in plot.lines({"a": [1, 10, 1000], "b": [2, 3, 4]}, "x", "y", log, apart).axes:
        scales = [axes.get_xscale(), axes.get_yscale()]
        assert scales == ["log" if axis in log else "linear" for axis in "xy"]


@pytest.mark.parametrize(
    ("curves", "drawn"),
    [
        ([3, 2, 1], [[[0, 3], [1, 2], [2, 1]]]),
        (np.array([3, 2]), [[[0, 3], [1, 2]]]),
        (([5, 6], [3, 2]), [[[5, 3], [6, 2]]]),
        ([[3, 2], ([5, 6], [1, 0])], [[[0, 3], [1, 2]], [[5, 1], [6, 0]]]),
    ],
)
def test_curves_without_labels_have_no_legend(curves, drawn):
    (axes,) = plot.lines(curves, "x").axes
    assert [line.get_xydata().tolist() for line in axes.lines] == drawn
    assert axes.get_legend() is None


@pytest.mark.parametrize("nothing", [np.nan, np.inf])
def test_a_curve_of_which_nothing_can_be_drawn_is_named_all_the_same(nothing):
    (axes,) = plot.lines({"one": [nothing, nothing], "two": [1, 2]}, "step").axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["one", "two"]


def test_a_curve_has_a_gap_where_nothing_was_measured():
    (axes,) = plot.lines({"a": [1, np.nan, 3]}, "x").axes
    assert_array_equal(axes.lines[0].get_ydata(), [1, np.nan, 3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({}, "x"), "curves must hold something to show"),
        (({"a": []}, "x"), "curves['a'] must hold at least one number"),
        (({"a": [[1, 2]]}, "x"), "curves['a'] must have the shape (n), got (1, 2)"),
        (({"a": ([1, 2], [1])}, "x"), "curves['a'] must have as many x as y, got 2 and 1"),
        (({"a": ([1], [2], [3])}, "x"), "curves['a'] must be a pair (x, y), got ([1], [2], [3])"),
        (([1, "a"], "x"), "curves must hold real numbers"),
        (([1, 2], None), "xlabel must be a text, got None"),
        (([1, 2], "x", 3), "ylabel must be a text, got 3"),
        (([1, 2], "$\\frac$"), "xlabel must be a text with formulas that matplotlib can read"),
        (({"$\\frac$": [1, 2]}, "x"), "a title of curves must be a text with formulas"),
        (([1, 2], "x", "y", "yx"), "log must be '' or 'x' or 'y' or 'xy', got 'yx'"),
        (([1, 2], "x", "y", None), "log must be a text, got None"),
        (([0, -1], "x", "y", "y"), "curves must have y above 0 for log='y'"),
        (([7], "x", "y", "x"), "curves must have x above 0 for log='x'"),
        (([1, 2], "x", "y", "", "yes"), "apart must be True or False, got 'yes'"),
        (([1e300, 1], "x"), "curves must hold numbers up to 1e+100, got 1e+300"),
    ],
)
def test_what_lines_cannot_show_is_named(arguments, message):
    refused(plot.lines, arguments, message)


def test_bands_reach_from_the_smallest_to_the_largest():
    runs = np.array([[0.1, 0.5], [0.3, 0.6], [0.2, 0.7]])
    (axes,) = plot.bands({"test": ([10, 1000], runs)}, "images", log="x").axes
    assert_allclose(axes.lines[0].get_ydata(), [0.2, 0.6])
    corners = axes.collections[0].get_paths()[0].vertices
    assert {(10, 0.1), (10, 0.3), (1000, 0.5), (1000, 0.7)} <= set(map(tuple, corners))
    assert ticks(axes.xaxis) == ["10", "1,000"]


def test_bands_have_the_colours_of_their_curves():
    curves = [([1, 2], [[1, 2], [3, 4]]), ([1, 2], [[5, 6], [7, 9]])]
    (axes,) = plot.bands(curves, "x").axes
    assert axes.get_legend() is None
    assert [line.get_ydata().tolist() for line in axes.lines] == [[2, 3], [6, 7.5]]
    assert [line.get_color() for line in axes.lines] == list(COLORS[:2])
    assert [to_hex(band.get_facecolor()[0]) for band in axes.collections] == list(COLORS[:2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"a": [1, 2, 3]}, "x"), "curves['a'] must be a pair (x, runs), got [1, 2, 3]"),
        (({"a": ([1], [[1, 2]])}, "x"), "runs of curves['a'] must have the shape (repetitions, 1)"),
        (
            ({"a": ([1, 2], [1, 2])}, "x"),
            "runs of curves['a'] must have the shape (repetitions, n)",
        ),
        (({"a": ([np.nan], [[1]])}, "x"), "x of curves['a'] must be finite, got nan"),
    ],
)
def test_what_bands_cannot_show_is_named(arguments, message):
    refused(plot.bands, arguments, message)


def test_dots_are_the_runs_and_bars_their_means():
    (axes,) = plot.dots({"plain": [90, 92, 94], "dropout": [[91], [95]]}, "accuracy").axes
    runs, means = axes.lines[::2], axes.lines[1::2]
    assert [dots.get_xdata().tolist() for dots in runs] == [[90, 92, 94], [91, 95]]
    assert [set(bar.get_xdata()) for bar in means] == [{92}, {93}]
    for row, dots in enumerate(runs):
        assert (np.abs(dots.get_ydata() - row) < 0.36).all()
        assert len(set(dots.get_ydata())) == len(dots.get_ydata())  # none hides another
    assert {line.get_color() for line in runs} == {BLUE}
    assert {line.get_color() for line in means} == {ORANGE}
    assert ticks(axes.yaxis) == ["plain", "dropout"]
    assert axes.yaxis_inverted()
    assert axes.get_xlabel() == "accuracy"
    assert not axes.patches


def test_dots_shade_the_range_of_the_first_group():
    (axes,) = plot.dots({"plain": [90, 94, 92], "dropout": [91, 99]}, "accuracy", first=True).axes
    (shade,) = axes.patches
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == (90, 94)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"a": []}, "x"), "groups['a'] must hold at least one number"),
        (({"a": [np.nan]}, "x"), "groups['a'] must be finite, got nan"),
        ((None, "x"), "groups must hold real numbers, got None"),
        (([1], "x", None), "first must be True or False, got None"),
    ],
)
def test_what_dots_cannot_show_is_named(arguments, message):
    refused(plot.dots, arguments, message)


def test_every_bar_has_its_number():
    figure = plot.bars({"one": {"a": 1, "b": 2000}, "two": {"a": 0, "b": 0}})
    assert [word for axes in figure.axes for word in words(axes)] == ["1", "2,000", "0", "0"]
    assert [axes.get_title() for axes in figure.axes] == ["one", "two"]
    assert ticks(figure.axes[0].yaxis) == ["a", "b"]
    assert [[bar.get_width() for bar in axes.patches] for axes in figure.axes] == [
        [1, 2000],
        [0, 0],
    ]


def test_bars_may_have_numbers_for_labels_and_no_titles():
    (axes,) = plot.bars([{0: 1.4, 1: 2.6}]).axes
    assert (axes.get_title(), ticks(axes.yaxis), words(axes)) == ("", ["0", "1"], ["1.4", "2.6"])


def test_the_numbers_of_bars_have_decimals_where_the_largest_asks_for_them():
    few, many = plot.bars({"few": {"a": 0.25, "b": 1.5}, "many": {"a": 0.25, "b": 99.6}}).axes
    assert (words(few), words(many)) == (["0.25", "1.5"], ["0", "100"])
    few, many = plot.bars([{"a": 0.25, "b": 1.5}, {"a": 0.25, "b": 99.6}], alike=True).axes
    assert (words(few), words(many)) == (["0", "2"], ["0", "100"])


def test_within_a_year_it_is_that_year():
    (axes,) = plot.timeline({"a": (1959.5, 0), "b": (1960.9, 1)}, 1955, 1965).axes
    assert words(axes)[1:] == ["1959", "a", "1960", "b"]


@pytest.mark.parametrize(
    ("panels", "message"),
    [
        (
            {"a": {"x": 1}, "b": {"y": 1}},
            "panels must all have the same labels, got [['x'], ['y']]",
        ),
        ({"a": {"x": -1}}, "panels['a'] must be at least 0, got -1"),
        ({"a": {"x": None}}, "panels['a'] must hold real numbers"),
        ({"a": {}}, "panels['a'] must hold at least one number"),
        ({"a": 1}, "panels['a'] must be a dict of amounts, got 1"),
        (None, "panels must be a dict of amounts, got None"),
        ([{None: 1}], "a label of panels[0] must be a text or a number, got None"),
    ],
)
def test_what_bars_cannot_show_is_named(panels, message):
    refused(plot.bars, (panels,), message)


def test_stacked_bars_are_shares_of_a_hundred():
    bars = {"LeNet": [1, 3], "VGG": np.array([10, 30]), "all": [7, 0]}
    (axes,) = plot.stacked_bars(bars, ("convolution", "connected"), "parameters (%)").axes
    lower, upper = axes.containers
    assert [bar.get_width() for bar in lower] == [25, 25, 100]
    assert [bar.get_width() for bar in upper] == [75, 75, 0]
    assert [bar.get_x() for bar in upper] == [25, 25, 100]
    assert ticks(axes.yaxis) == ["LeNet", "VGG", "all"]
    assert axes.yaxis_inverted()
    assert (axes.get_xlim(), axes.get_xlabel()) == ((0, 100), "parameters (%)")
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["convolution", "connected"]
    assert len({bar.get_facecolor() for part in axes.containers for bar in part}) == 2
    assert len({bar.get_hatch() for part in axes.containers for bar in part}) == 2


def test_stacked_bars_may_have_no_names():
    (axes,) = plot.stacked_bars([[1, 1], [1, 3]], ("p", "q"), "share").axes
    assert ticks(axes.yaxis) == ["", ""]
    assert [bar.get_width() for bar in axes.containers[0]] == [50, 25]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ({"a": [1, 2, 3]}, ("p", "q"), "x"),
            "bars['a'] must be an amount for each of the 2 parts",
        ),
        (
            ({"a": [0, 0]}, ("p", "q"), "x"),
            "bars['a'] must be an amount for each of the 2 parts, not",
        ),
        (({"a": [1, -2]}, ("p", "q"), "x"), "bars['a'] must be at least 0, got -2"),
        (({"a": [1] * 5}, tuple("pqrst"), "x"), "parts must be 4 texts, got 5"),
        (({"a": [1]}, "p", "x"), "parts must be a list of texts, got 'p'"),
    ],
)
def test_what_stacked_bars_cannot_show_is_named(arguments, message):
    refused(plot.stacked_bars, arguments, message)


def test_histogram_counts_what_is_above_zero():
    groups = {"a": [0, 1e-3, 1e-3, 1], "b": [[0.1], [0]]}
    (axes,) = plot.histogram(groups, "size", {"here": 0.01}).axes
    heights = [each.get_data().values for each in axes.patches]
    assert [each.sum() for each in heights] == [3, 1]
    assert heights[0][0] == 2
    assert heights[0][-1] == 1
    assert words(axes) == [" here"]
    assert set(axes.lines[0].get_xdata()) == {0.01}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"a": [0, -1]}, "x"), "groups must hold a number above 0, got none"),
        (({"a": [np.inf]}, "x"), "groups['a'] must be finite, got inf"),
        (([1], "x", {"m": 0}), "marks['m'] must be a number above 0, got 0"),
        (([1], "x", {"m": 10**400}), "marks['m'] must be a number above 0, got 1000"),
    ],
)
def test_what_a_histogram_cannot_show_is_named(arguments, message):
    refused(plot.histogram, arguments, message)


def test_a_roofline_bends_at_its_ridge_and_has_a_dot_and_a_letter_for_each_case():
    groups = {"blocks": ([1, 9, 20], [8, 30, 39]), "whole": ([0.5, 2, 3], [7, 9, 12])}
    (axes,) = plot.roofline(40, 16, groups).axes
    low, high = axes.get_xlim()
    roof, *cases = axes.lines[:4]
    assert_allclose(roof.get_xydata(), [(low, 16 * low), (2.5, 40), (high, 40)])
    assert low < 0.5
    assert high > 20
    joined = [line.get_xydata() for line in cases]  # (case, group, coordinate)
    assert_allclose(joined, np.array(list(groups.values())).transpose(2, 0, 1))
    for dots, (label, points) in zip(axes.lines[4:], groups.items(), strict=True):
        assert dots.get_label() == label
        assert_allclose(dots.get_xydata().T, points)
    assert {text.get_text(): tuple(text.xy) for text in axes.texts} == dict(
        zip("abc", zip(*groups["blocks"], strict=True), strict=True)
    )


@pytest.mark.parametrize("page", ["", "phone"])
def test_equal_bars_are_equal_amounts_where_panels_are_alike(page, monkeypatch):
    monkeypatch.setenv(FIGURES, page)
    panels = {"one": {"a": 1000, "b": 5}, "two": {"a": 73, "b": 0}}
    for alike in (True, False):
        figure = plot.bars(panels, alike=alike)
        ends = {axes.get_xlim() for axes in figure.axes}
        assert len(ends) == (1 if alike else 2)


def test_a_letter_of_a_roofline_lies_on_no_dot_no_line_and_no_letter():
    at = [10, 10.5, 10.5], [20, 20.6, 19.4]  # to the right of the first, above and below
    far = [2, 2, 30], [20.4, 20.5, 19.4]
    figure = plot.roofline(40, 16, {"blocks": at, "whole": far})
    (axes,) = figure.axes
    figure.draw_without_rendering()
    letters = [
        axes.transData.transform(letter.xy) + np.array(letter.xyann) * figure.dpi / 72
        for letter in axes.texts
    ]
    ways = [*np.moveaxis(np.geomspace(at, far, 50), -1, 0)]
    taken = [*axes.transData.transform(np.concatenate(ways)), *letters]
    for letter in letters:
        away = [np.hypot(*(letter - other)) * 72 / figure.dpi for other in taken]
        assert sorted(away)[1] > 5  # the nearest is the letter itself


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 16, {"a": ([1], [2])}), "peak must be a number above 0, got 0"),
        ((40, "16", {"a": ([1], [2])}), "bandwidth must be a number above 0, got '16'"),
        ((40, 16, {"a": ([0], [2])}), "groups['a'] must be above 0, got 0"),
        ((40, 16, {"a": ([1, 2], [2])}), "groups['a'] must be a rectangular array"),
        ((40, 16, {"a": ([1], [2]), "b": ([1, 2], [2, 3])}), "groups must all have the same cases"),
        ((40, 16, [([1] * 27, [2] * 27)]), "groups[0] must be at most 26 cases, got 27"),
        ((40, 16, {"a": [1, 2, 3]}), "groups['a'] must be a pair (intensities, rates)"),
    ],
)
def test_what_a_roofline_cannot_show_is_named(arguments, message):
    refused(plot.roofline, arguments, message)


EVENTS = {"LeNet-5": (1998, 0), "AlexNet": (2012, 1), "VGG": (2014, 1), "GoogLeNet": (2014.4, 3)}


def test_a_timeline_is_to_scale_with_each_event_beside_it():
    (axes,) = plot.timeline(EVENTS, 1995, 2016).axes
    line, *ticked = axes.lines[:3]
    (x, _), (start, end) = line.get_data()
    scale = (end - start) / (2016 - 1995)
    assert [tick.get_ydata()[0] for tick in ticked] == [pytest.approx(5 * scale), 15 * scale]
    dots = [dot for dot in axes.lines if dot.get_marker() == "o"]
    assert [dot.get_xdata()[0] for dot in dots] == [x] * 4
    assert_allclose(
        [dot.get_ydata()[0] for dot in dots], [scale * (year - 1995) for year, _ in EVENTS.values()]
    )
    assert [dot.get_color() for dot in dots] == [COLORS[color] for _, color in EVENTS.values()]
    said = "2000 2010 1998 LeNet-5 2012 AlexNet 2014 VGG 2014 GoogLeNet"
    assert words(axes) == said.split()


def test_no_two_texts_of_a_timeline_overlap_and_all_are_on_the_page():
    figure = plot.timeline(EVENTS, 1995, 2016)
    (axes,) = figure.axes
    heights = [text.get_position()[1] for text in axes.texts if text.get_text() in EVENTS]
    assert heights == sorted(heights)
    assert np.diff(heights).min() >= 11 / 72  # inches: the height of the letters
    bottom, top = axes.get_ylim()
    assert top < min(heights) < max(heights) < bottom
    assert bottom - top == pytest.approx(figure.get_figheight())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({}, 1990, 2000), "events must hold something to show"),
        (({"a": 1995}, 1990, 2000), "events['a'] must be a pair (year, color), got 1995"),
        (
            ({"a": (1980, 0)}, 1990, 2000),
            "the year of events['a'] must be a number from 1990 to 2000",
        ),
        (({"a": (1995, 4)}, 1990, 2000), "the color of events['a'] must be at most 3, got 4"),
        (({"a": (1995, "red")}, 1990, 2000), "the color of events['a'] must hold real numbers"),
        (({"a": (1995, 0)}, 1990.5, 2000), "start must be an integer, got 1990.5"),
        (({"a": (1995, 0)}, 1990, 1980), "end must be at least 1990, got 1980"),
        (({"a": (1995, 0)}, 0, 10**9), "end must be at most 2000 years after start"),
    ],
)
def test_what_a_timeline_cannot_show_is_named(arguments, message):
    refused(plot.timeline, arguments, message)
