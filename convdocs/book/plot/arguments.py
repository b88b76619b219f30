"""What plots are given. Every error names the argument, what it got and what it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from string import ascii_lowercase
from typing import Any, NamedTuple, TypeVar

import numpy as np
from matplotlib.cbook import is_math_text
from matplotlib.mathtext import MathTextParser
from numpy.typing import ArrayLike, NDArray

from ... import _args

T = TypeVar("T")
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Arrays = Mapping[str, ArrayLike] | Sequence[ArrayLike] | ArrayLike  # with titles or without
Curve = ArrayLike | tuple[ArrayLike, ArrayLike]  # y, or x and y
Curves = Mapping[str, Curve] | Sequence[Curve] | Curve

READABLE = 5_000  # numbers, squares or lines that are drawn one by one
HUGE = 1e100  # beyond it, matplotlib's own arithmetic overflows


def titled(
    name: str, value: object, axes: int, read: Callable[[str, Any], T]
) -> list[tuple[str, T]]:
    """Return what a plot shows as pairs of a title and a thing, each read by ``read``.

    A dict has titles; a list has none, and neither has a thing alone, such as an array. ``axes``
    is how many axes a thing has: a list whose parts have fewer is one thing.
    """
    by_title = mapped(value)
    if by_title is not None:
        titles = [word(f"a title of {name}", key) for key in by_title]
        things = zip(titles, by_title.values(), strict=True)
        shown = [(title, read(f"{name}[{title!r}]", thing)) for title, thing in things]
    else:
        parts = listed(value)
        if isinstance(value, np.ndarray) or parts is None or (parts and depth(parts[0]) < axes):
            return [("", read(name, value))]
        shown = [("", read(f"{name}[{place}]", thing)) for place, thing in enumerate(parts)]
    if not shown:
        raise ValueError(f"{name} must hold something to show, got {_args.shown(value)}")
    return shown


def mapped(value: object) -> dict[Any, Any] | None:
    """Return what a dict holds; None for what is none, or does not say."""
    try:
        return dict(value.items()) if isinstance(value, Mapping) else None
    except Exception:  # of a class of one's own
        return None


def listed(value: object) -> list[Any] | None:
    """Return what a list, a tuple, a range or an array holds; None for what is none of them."""
    try:
        if isinstance(value, np.ndarray):
            return list(value) if value.ndim else None
        return list(value) if isinstance(value, list | tuple | range) else None
    except Exception:  # of a class of one's own
        return None


def beside(
    name: str, value: object, axes: int, read: Callable[[str, Any], T], titles: list[str]
) -> list[T | None]:
    """Return what belongs to each title, None for nothing; a list belongs to them in order."""
    given = titled(name, value, axes, read)
    if isinstance(value, Mapping):
        for title, _ in given:
            if title not in titles:
                raise ValueError(f"{name} must have titles among {titles}, got {title!r}")
        found = dict(given)
        return [found.get(title) for title in titles]
    if len(given) != len(titles):
        raise ValueError(f"{name} must be one for each of {len(titles)}, got {len(given)}")
    return [thing for _, thing in given]


def depth(value: object, most: int = 8) -> int:
    """Return how many axes something has, as far as its first parts tell."""
    if isinstance(value, np.ndarray):
        return value.ndim
    parts = listed(value)
    if parts is None:
        return 0
    return 1 + depth(parts[0], most - 1) if parts and most else 1


def measured(name: str, value: ArrayLike, shape: str = "") -> Floats:
    """Return one number or more, of which some may be NaN or infinite: a gap in a curve."""
    array = _args.numbers(name, value, shape)
    if not array.size:
        raise ValueError(f"{name} must hold at least one number, got the shape {array.shape}")
    floats = array.astype(float)
    size = np.abs(floats[np.isfinite(floats)]).max(initial=0)
    if size > HUGE:
        raise ValueError(f"{name} must hold numbers up to {HUGE:g}, got {size:g}")
    return floats


def numbers(
    name: str, value: ArrayLike, shape: str = "", least: float = -HUGE, most: float = HUGE
) -> Floats:
    """Return one finite number or more, from ``least`` to ``most``."""
    array = measured(name, value, shape)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {array[~np.isfinite(array)][0]}")
    if array.min() < least:
        raise ValueError(f"{name} must be at least {least:g}, got {array.min():g}")
    if array.max() > most:
        raise ValueError(f"{name} must be at most {most:g}, got {array.max():g}")
    return array


def grid(name: str, value: ArrayLike) -> Floats:
    """Return an array (H, W) whose numbers can be drawn one by one."""
    array = measured(name, value, "H W")
    if array.size > READABLE:
        raise ValueError(f"{name} must have at most {READABLE:,} numbers, got {array.size:,}")
    return array


def integers(name: str, value: ArrayLike, shape: str, least: int, most: int) -> Integers:
    """Return integers from ``least`` to ``most``."""
    array = numbers(name, value, shape, least, most)
    if (array % 1).any():
        raise ValueError(f"{name} must hold integers, got {array[array % 1 != 0][0]:g}")
    return array.astype(np.int64)


def places(name: str, value: ArrayLike, parts: str) -> Floats:
    """Return a list of places, each with as many numbers as ``parts`` names; it may be empty."""
    array = _args.numbers(name, value)
    need = parts.split()
    if array.shape == (0,):
        return np.zeros((0, len(need)))
    if array.ndim != 2 or array.shape[1] != len(need):
        raise ValueError(f"{name} must be ({', '.join(need)}) each, got the shape {array.shape}")
    return numbers(name, array)


def two(name: str, value: object, need: str) -> tuple[Any, Any]:
    """Return a pair of things, such as x and y."""
    parts = listed(value)
    if parts is None or len(parts) != 2:
        raise TypeError(f"{name} must be a pair {need}, got {_args.shown(value)}")
    return parts[0], parts[1]


def number(name: str, value: object, least: float, most: float) -> float:
    """Return a number from ``least`` to ``most``."""
    return _args.number(name, value, least, most, f"a number from {least:g} to {most:g}")


def above_zero(name: str, value: object) -> float:
    """Return a number above 0."""
    return _args.number(name, value, 1 / HUGE, HUGE, "a number above 0")


def curve(name: str, value: Curve) -> tuple[Floats, Floats]:
    """Return x and y of a curve."""
    if not isinstance(value, tuple):
        y = measured(name, value, "n")
        return np.arange(len(y), dtype=float), y
    across, up = two(name, value, "(x, y)")
    x = measured(f"x of {name}", across, "n")
    y = measured(f"y of {name}", up, "n")
    if x.shape != y.shape:
        raise ValueError(f"{name} must have as many x as y, got {len(x)} and {len(y)}")
    return x, y


def runs(name: str, value: Curve) -> tuple[Floats, Floats]:
    """Return x, and an array (repetitions, len(x)) of what was measured."""
    across, up = two(name, value, "(x, runs)")
    x = numbers(f"x of {name}", across, "n")
    y = measured(f"runs of {name}", up, "repetitions n")
    if y.shape[1] != len(x):
        need = f"runs of {name} must have the shape (repetitions, {len(x)})"
        raise ValueError(f"{need}, got {y.shape}")
    return x, y


class Amounts(NamedTuple):
    """What each bar of a panel shows."""

    labels: list[str]
    values: Floats


def amounts(name: str, value: Mapping[Any, float]) -> Amounts:
    """Return labels, each with an amount of at least 0."""
    given = mapped(value)
    if given is None:
        raise TypeError(f"{name} must be a dict of amounts, got {_args.shown(value)}")
    labels = [word(f"a label of {name}", label) for label in given]
    return Amounts(labels, numbers(name, list(given.values()), "labels", least=0))


def cases(name: str, value: Curve) -> Floats:
    """Return what was measured as an array (2, case) of numbers above 0."""
    both = two(name, value, "(intensities, rates)")
    points = numbers(name, both, "pair cases")
    if points.min() <= 0:
        raise ValueError(f"{name} must be above 0, got {points.min():g}")
    if points.shape[1] > len(ascii_lowercase):
        raise ValueError(
            f"{name} must be at most {len(ascii_lowercase)} cases, got {points.shape[1]}"
        )
    return points


def text(name: str, value: object) -> str:
    """Return a text."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text, got {_args.shown(value)}")
    if any("\ud800" <= letter <= "\udfff" for letter in value):  # half of one, in UTF-16
        raise ValueError(f"{name} must be a text of whole letters, got {_args.shown(value)}")
    for line in filter(is_math_text, value.splitlines()):
        try:
            MathTextParser("path").parse(line)
        except ValueError:
            need = f"{name} must be a text with formulas that matplotlib can read"
            raise ValueError(f"{need}, got {_args.shown(value)}") from None
    return value


def choice(name: str, value: object, among: tuple[str, ...]) -> str:
    """Return one of a few texts."""
    if text(name, value) not in among:
        raise ValueError(f"{name} must be {' or '.join(map(repr, among))}, got {value!r}")
    return str(value)


def word(name: str, value: object) -> str:
    """Return a text or a number as it is written."""
    if isinstance(value, bool) or not isinstance(
        value, str | int | float | np.integer | np.floating
    ):
        raise TypeError(f"{name} must be a text or a number, got {_args.shown(value)}")
    return text(name, str(value))


def words(name: str, value: object, counts: Sequence[int]) -> list[str]:
    """Return texts or numbers as they are written, as many as one of ``counts``."""
    parts = listed(value)
    if parts is None:
        raise TypeError(f"{name} must be a list of texts, got {_args.shown(value)}")
    if len(parts) not in counts:
        raise ValueError(f"{name} must be {counts[-1]} texts, got {len(parts)}")
    return [word(f"{name}[{place}]", each) for place, each in enumerate(parts)]
