"""Charts: measurements as curves, dots, bars and counts, and years on a line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import LogLocator, MaxNLocator
from numpy.typing import ArrayLike

from ... import _args
from ..ink import BLUE, COLORS, ORANGE, written
from . import arguments
from .arguments import Arrays, Curves, Floats
from .picture import (
    DASHES,
    INK,
    WIDE,
    Picture,
    canvas,
    fitting,
    narrow,
    plotted,
    subplots,
    widest,
    wrapped,
)

HATCHES = "", "//", "..", "xx"  # for those who do not see the colours
YEARS = 2_000  # that fit on a line
APART = 0.08  # of an axes' height, for a line of text
ROW = 90  # letters that stand beside each other in a figure
LINE = 46  # under the axes of a figure for a phone
ROUND = np.linspace(0, 2 * np.pi, 16, endpoint=False)
BESIDE = 10 * np.stack([np.cos(ROUND), np.sin(ROUND)], axis=1)  # points from a dot to its letter


@plotted
def lines(
    curves: Curves, xlabel: str, ylabel: str = "", log: str = "", apart: bool = False
) -> Picture:
    """Plot curves over one another, or one below the other.

    Parameters
    ----------
    curves : dict of str to array_like or to a pair of them, or a list without labels
        Numbers y, or pairs (x, y). Where a number is NaN, a curve has a gap.
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
    if isinstance(curves, tuple):  # x and y
        curves = [curves]
    drawn = arguments.titled("curves", curves, 1, arguments.curve)
    said = _said(xlabel, ylabel, log)
    if not _args.flag("apart", apart):
        return _together(drawn, *said)
    figure, every = subplots((widest(), 1.7 * len(drawn)), len(drawn), share="x")
    for number, (axes, (label, (x, y))) in enumerate(zip(every, drawn, strict=True)):
        axes.plot(x, y, color=COLORS[number % 4], linewidth=1.2)
        _scales(axes, xlabel if axes is every[-1] else "", ylabel, log)
        axes.set_ylabel(label)
    return figure


def _said(xlabel: str, ylabel: str, log: str) -> tuple[str, str, str]:
    """Return what is said of the axes, checked before anything is drawn."""
    names = arguments.text("xlabel", xlabel), arguments.text("ylabel", ylabel)
    return *names, arguments.choice("log", log, ("", "x", "y", "xy"))


def _together(
    curves: list[tuple[str, tuple[Floats, Floats]]], xlabel: str, ylabel: str, log: str
) -> Picture:
    """Plot curves over one another."""
    figure, (axes,) = subplots((widest(), 2.9))
    for number, (label, (x, y)) in enumerate(curves):
        color, dashes = COLORS[number % 4], DASHES[number % 4]
        axes.plot(x, y, label=label, color=color, linestyle=dashes, linewidth=1.8)
    _scales(axes, xlabel, ylabel, log)
    if len(curves) > 1 and not _named_at_ends(axes):
        _legend(axes)
    return figure


def _scales(axes: Axes, xlabel: str, ylabel: str, log: str) -> None:
    """Say what the axes mean, and which count in powers of ten; name values that there can be."""
    axes.set_xlabel(wrapped(xlabel, LINE))
    axes.set_ylabel(ylabel)
    points = np.concatenate([line.get_xydata() for line in axes.lines])
    for name, values in zip("xy", points.T, strict=True):
        axis = axes.xaxis if name == "x" else axes.yaxis
        if name in log:
            if not (values > 0).any():
                raise ValueError(f"curves must have {name} above 0 for log={log!r}, got {values}")
            axes.set(**{f"{name}scale": "log"})
            seen = values[values > 0]
            if 1e-3 <= seen.min() and seen.max() < 1e7:
                crowded = 200 if narrow() and name == "x" else 2000
                _plain(axis, (1, 2, 5) if seen.max() < crowded * seen.min() else (1,))
        else:
            _round(axis, whole=bool(np.all(values == np.round(values))))
    _measured(axes, np.unique(points[:, 0]))


def _plain(axis: Axis, times: tuple[int, ...] = (1, 2, 5)) -> None:
    """Write powers of ten, so many times each, as numbers are written."""
    axis.set_major_locator(LogLocator(subs=times, numticks=12))
    axis.set_major_formatter("{x:,.7g}")
    axis.set_minor_formatter("")


def _round(axis: Axis, whole: bool) -> None:
    """Count in ones, twos or fives, and in whole ones only where all that is shown is whole."""
    axis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=whole))


def _measured(axes: Axes, places: Floats) -> None:
    """Name the places that were measured, if they are whole, few, and stand apart."""
    at = axes.transScale.transform([(place, 1) for place in places])[:, 0]
    whole = np.all(places == np.round(places))
    letters = len(f"{places.max():,.0f}")
    apart = max(0.07, 0.1 * letters / widest()) if narrow() else 0.07
    if whole and 1 < len(places) < 9 and np.diff(at).min() > apart * np.ptp(at):
        axes.set_xticks(
            places, [f"{place:,.0f}".replace("-", "\N{MINUS SIGN}") for place in places]
        )
        axes.minorticks_off()


def _letters(wide: int) -> int:
    """Return how many letters fit where so many fit in a wide figure."""
    return int(wide * widest() / WIDE)


def _named_at_ends(axes: Axes) -> bool:
    """Write each curve's name where it ends, at the right; return whether there is room."""
    axes.autoscale_view()  # else the places of ends may be those of empty axes
    ends: list[Floats] = []
    for line in axes.lines:
        points = np.asarray(line.get_xydata())
        seen = points[np.isfinite(points).all(axis=1)]
        if not len(seen):
            return False
        ends.append((axes.transScale + axes.transLimits).transform(seen[-1]))
    names = [str(line.get_label()) for line in axes.lines]
    if min(x for x, _ in ends) < 0.85 or max(map(len, names)) > _letters(26) or "" in names:
        return False
    order = np.argsort([y for _, y in ends])
    wanted = np.array([y for _, y in ends])[order]
    steps = APART * np.arange(len(order))
    heights = np.maximum.accumulate(wanted - steps) + steps  # pushed up where they are too near
    heights -= (heights - wanted).mean()
    if np.abs(heights - wanted).max() > APART:
        return False
    for line, height in zip(np.array(axes.lines)[order], heights, strict=True):
        color = line.get_color()
        axes.text(
            1.01, height, line.get_label(), color=color, va="center", transform=axes.transAxes
        )
    return True


def _legend(axes: Axes, above: float = 1.0) -> None:
    """Say what the colours mean, if they have names: above the axes, where no curve runs."""
    names = axes.get_legend_handles_labels()[1]
    if names:
        columns = min(len(names), max(1, int(_letters(ROW) // (max(map(len, names)) + 8))))
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, above), ncols=columns, borderpad=0)


@plotted
def bands(curves: Curves, xlabel: str, ylabel: str = "", log: str = "") -> Picture:
    """Plot the mean of repeated measurements, with a band from the smallest to the largest.

    Parameters
    ----------
    curves : dict of str to (x, runs), or a list of them without labels
        Numbers x, and an array (repetitions, len(x)) of what was measured.
    xlabel, ylabel, log
        As for `lines`.

    Returns
    -------
    Picture
    """
    measured = arguments.titled("curves", curves, 2, arguments.runs)
    means = [(label, (x, runs.mean(axis=0))) for label, (x, runs) in measured]
    figure = _together(means, *_said(xlabel, ylabel, log))
    axes = figure.axes[0]
    for number, (_, (x, runs)) in enumerate(measured):
        low, high = runs.min(axis=0), runs.max(axis=0)
        axes.fill_between(x, low, high, color=COLORS[number % 4], alpha=0.2, linewidth=0)
    return figure


@plotted
def dots(groups: Arrays, xlabel: str, first: bool = False) -> Picture:
    """Show every run as a dot, one row for each group, with a bar at the group's mean.

    Parameters
    ----------
    groups : dict of str to array_like, or a list of them without labels
        One number for each run.
    xlabel : str
        What the numbers are, with the unit.
    first : bool
        Whether to shade the range of the first group through all rows, to compare with.

    Returns
    -------
    Picture
    """
    rows = arguments.titled("groups", groups, 1, arguments.numbers)
    shaded = _args.flag("first", first)
    below = wrapped(arguments.text("xlabel", xlabel), LINE)
    names = [wrapped(label, 20) for label, _ in rows]
    high = 0.33 + 0.13 * max(name.count("\n") for name in names)
    figure, (axes,) = subplots((widest(), 0.8 + high * len(rows)))
    for row, (_, group) in enumerate(rows):
        runs = group.ravel()
        if shaded and row == 0:
            axes.axvspan(runs.min(), runs.max(), color=INK, alpha=0.12, linewidth=0)
        step = min(0.12, 0.5 / len(runs))  # each row stays by itself
        spread = row + step * (np.arange(len(runs)) - (len(runs) - 1) / 2)
        axes.plot(runs, spread, "o", color=BLUE, markersize=5, alpha=0.75)
        axes.plot([runs.mean()] * 2, [row - 0.36, row + 0.36], color=ORANGE, linewidth=2.4)
    _round(axes.xaxis, whole=False)
    axes.set_yticks(range(len(rows)), names, multialignment="right")
    axes.set(xlabel=below, ylim=(len(rows) - 0.4, -0.6))
    axes.grid(axis="x", color=INK, alpha=0.15, linewidth=0.6)
    return figure


@plotted
def bars(
    panels: Mapping[str, Mapping[Any, float]] | Sequence[Mapping[Any, float]], alike: bool = False
) -> Picture:
    """Show lists of amounts as bars side by side, each bar with its number written at its end.

    Where the largest is 10 or more, without decimals.

    Parameters
    ----------
    panels : dict of str to dict of str to number, or a list of such dicts without titles
        For each panel the same labels and their amounts, from top to bottom.
    alike : bool
        Whether equal bars are equal amounts in all panels; else each panel has its own scale.

    Returns
    -------
    Picture
    """
    drawn = arguments.titled("panels", panels, 0, arguments.amounts)
    labels = drawn[0][1].labels
    if any(amounts.labels != labels for _, amounts in drawn):
        every_label = [amounts.labels for _, amounts in drawn]
        raise ValueError(f"panels must all have the same labels, got {every_label}")
    rows = np.arange(len(labels))
    every_value = np.concatenate([amounts.values for _, amounts in drawn])
    scaled = every_value if _args.flag("alike", alike) else None
    columns = fitting(len(drawn), [title for title, _ in drawn], 1.5)
    lines = -(-len(drawn) // columns)
    size = widest(), lines * (0.5 + 0.27 * len(labels))
    figure, every = subplots(size, len(drawn), columns, share="y")
    for number, (axes, (title, (_, values))) in enumerate(zip(every, drawn, strict=True)):
        scale = values if scaled is None else scaled  # what the panel has room for
        most = scale.max() or 1
        axes.barh(rows, values, 0.7, color=COLORS[number % 4])
        for row, value in enumerate(values):
            axes.text(value + 0.05 * most, row, _amount(value, most), va="center", size=11)
        letters = max(len(_amount(value, most)) for value in scale)
        room = 1 - 0.1 * columns * letters / widest()  # beside the bars, for the numbers
        ends = 0, most / max(room - 0.1, 0.3)
        axes.set(title=title, xlim=ends, xticks=[], ylim=(len(rows) - 0.5, -0.5))
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(length=0)
        axes.set_yticks(rows, labels, size=11)
    return figure


def _amount(value: float, most: float) -> str:
    """Return an amount as it is read beside the largest one."""
    return f"{value:,.0f}" if most >= 10 else written(value)


@plotted
def stacked_bars(bars: Arrays, parts: Sequence[str], xlabel: str) -> Picture:
    """Draw a bar for each thing, cut into its parts' shares of the whole.

    Parameters
    ----------
    bars : dict of str to array_like, or a list of them without names
        One amount for each part; only their proportions are shown.
    parts : sequence of str
        The names of the parts, at most four.
    xlabel : str
        What is shared out.

    Returns
    -------
    Picture
    """
    names = arguments.words("parts", parts, range(1, len(COLORS) + 1))

    def percent(name: str, value: ArrayLike) -> Floats:
        amounts = arguments.numbers(name, value, "parts", least=0)
        if len(amounts) != len(names) or not amounts.any():
            need = f"{name} must be an amount for each of the {len(names)} parts, not all 0"
            raise ValueError(f"{need}, got {amounts}")
        return 100 * amounts / amounts.sum()

    rows = arguments.titled("bars", bars, 1, percent)
    below = wrapped(arguments.text("xlabel", xlabel), LINE)
    figure, (axes,) = subplots((min(4.6, widest()), 0.34 * len(rows) + 0.95))
    left = np.zeros(len(rows))
    for number, part in enumerate(names):
        width = np.array([shares[number] for _, shares in rows])
        axes.barh(
            *(range(len(rows)), width, 0.7, left),
            label=part,
            color=COLORS[number],
            hatch=HATCHES[number],
            edgecolor="white",
            linewidth=0,
        )
        left = left + width
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel=below)
    _legend(axes)
    return figure


@plotted
def histogram(groups: Arrays, xlabel: str, marks: Mapping[str, float] | None = None) -> Picture:
    """Count numbers above 0 by their size, in powers of ten, each group as an outline.

    Parameters
    ----------
    groups : dict of str to array_like, or a list of them without labels
        Zeros are left out, and the smallest half percent is in the first bar.
    xlabel : str
        What the numbers are, with the unit.
    marks : dict of str to float, optional
        Sizes to compare with, each a line with its label.

    Returns
    -------
    Picture
    """
    counted = arguments.titled("groups", groups, 1, arguments.numbers)
    counted = [(label, group[group > 0]) for label, group in counted]
    together = np.concatenate([group for _, group in counted])
    if not together.size:
        raise ValueError("groups must hold a number above 0, got none")
    sizes = [] if marks is None else arguments.titled("marks", marks, 0, arguments.above_zero)
    below = wrapped(arguments.text("xlabel", xlabel), LINE)
    bins = np.geomspace(np.percentile(together, 0.5), together.max() * 1.001, 40)
    figure, (axes,) = subplots((widest(), 2.9))
    axes.set_xscale("log")
    for number, (label, group) in enumerate(counted):
        counts, _ = np.histogram(np.maximum(group, bins[0]), bins)
        color, dashes = COLORS[number % 4], DASHES[number % 4]
        axes.stairs(counts, bins, label=label, linewidth=1.8, color=color, linestyle=dashes)
    for label, size in sizes:
        axes.axvline(size, color=INK, linewidth=1)
        axes.text(size, 1.0, f" {label}", transform=axes.get_xaxis_transform(), va="bottom")
    axes.set(xlabel=below, ylabel="how many")
    _legend(axes, 1 + APART * bool(sizes))
    return figure


@plotted
def roofline(peak: float, bandwidth: float, groups: Curves) -> Picture:
    """Draw a machine's roofline, and under it what was measured, as dots with letters.

    Parameters
    ----------
    peak : float
        What the machine computes, in billions of multiply-accumulates per second.
    bandwidth : float
        What its memory moves, in billions of bytes per second.
    groups : dict of str to (intensities, rates), or a list of them without labels
        Multiply-accumulates per byte, and billions of them per second. The cases of all groups
        are the same, in the same order, at most 26; thin lines join each case's dots.

    Returns
    -------
    Picture
    """
    top = arguments.above_zero("peak", peak)
    slope = arguments.above_zero("bandwidth", bandwidth)
    measured = arguments.titled("groups", groups, 2, arguments.cases)
    if len({points.shape for _, points in measured}) > 1:
        counts = [points.shape[1] for _, points in measured]
        raise ValueError(f"groups must all have the same cases, got {counts} of them")
    every = np.array([points for _, points in measured])  # (group, 2, case)
    ridge = top / slope
    low = min(every[:, 0].min(), ridge) / 2
    high = max(every[:, 0].max(), ridge) * 2
    figure, (axes,) = subplots((widest(), 4.0))
    axes.plot([low, ridge, high], [low * slope, top, top], color=INK, linewidth=1.8)
    for x, y in every.transpose(2, 1, 0):
        axes.plot(x, y, color=INK, alpha=0.3, linewidth=0.7)
    for number, (label, (x, y)) in enumerate(measured):
        color = COLORS[number % 4]
        fill = "none" if number else color
        axes.plot(x, y, "o", color=color, markerfacecolor=fill, markersize=6, label=label)
    axes.set(xscale="log", yscale="log", xlim=(low, high))
    figure.draw_without_rendering()  # else the axes are not yet where they will be
    ways = np.geomspace(every[:-1], every[1:], 20) if len(every) > 1 else every[None]
    seen = axes.transData.transform(np.moveaxis(ways, -2, -1).reshape(-1, 2))
    for letter, place in zip(ascii_lowercase, every[0].T, strict=False):
        beside = axes.transData.transform(place) + BESIDE * figure.dpi / 72  # around the dot
        free = np.linalg.norm(beside[:, None] - seen, axis=-1).min(axis=1)
        seen = np.concatenate([seen, beside[[free.argmax()]]])
        axes.annotate(
            *(letter, place, BESIDE[free.argmax()]),
            textcoords="offset points",
            ha="center",
            va="center",
            weight="bold",
        )
    _plain(axes.xaxis, (1,) if narrow() and high > 1000 * low else (1, 2, 5))
    _plain(axes.yaxis)
    axes.set_xlabel("arithmetic intensity (multiply-accumulates per byte)")
    axes.set_ylabel("billions of multiply-accumulates per second")
    _legend(axes)
    return figure


@plotted
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
    first = _args.integer("start", start, -YEARS)
    last = _args.integer("end", end, first)
    if last - first > YEARS:
        raise ValueError(f"end must be at most {YEARS} years after start, got {end} - {start}")

    def event(name: str, value: tuple[float, int]) -> tuple[float, str]:
        year, color = arguments.two(name, value, "(year, color)")
        when = arguments.number(f"the year of {name}", year, first, last)
        hue = arguments.integers(f"the color of {name}", color, "", 0, len(COLORS) - 1)
        return when, COLORS[hue.item()]

    drawn = arguments.titled("events", events, 1, event)
    step, gap = 0.11, 0.3  # inches a year, and at least between two texts
    at: list[float] = []
    for _, (year, _) in drawn:
        at.append(max(step * (year - first), at[-1] + gap if at else 0.0))
    length = step * (last - first)
    tall = max(at[-1], length) + 0.5
    figure, axes = canvas((4.6, tall), (0, 4.6), (tall - 0.25, -0.25), "auto")
    axes.plot([0.6, 0.6], [0, length], color=INK, linewidth=1)
    for decade in range(-(-first // 10) * 10, last + 1, 10):
        y = step * (decade - first)
        axes.plot([0.52, 0.6], [y, y], color=INK, linewidth=1)
        axes.text(0.46, y, str(decade), ha="right", va="center", size=10)
    for (text, (year, color)), y in zip(drawn, at, strict=True):
        place = step * (year - first)
        axes.plot([0.6, 0.85, 1.0], [place, y, y], color=color, linewidth=1)
        axes.plot(0.6, place, "o", color=color, markersize=6)
        whole = str(math.floor(year))
        axes.text(1.06, y, whole, va="center", size=11, color=color, weight="bold")
        axes.text(1.6, y, text, va="center", size=11)
    return figure
