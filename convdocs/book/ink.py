"""How the book draws, in figures and steppers alike: its colours, and how it writes numbers."""

from collections.abc import Iterable

# The variable that says for which pages figures are drawn: a "phone"'s, or "both" kinds in a build,
# where a page has either; else for wide ones.
FIGURES = "CONVDOCS_FIGURES"

BLUE = "#2f7fd0"  # each readable on any page, light or dark
ORANGE = "#d2691e"
GREEN = "#2e9e5b"
VIOLET = "#9a5fd0"
COLORS = BLUE, ORANGE, GREEN, VIOLET
RED = "#d04040"  # below zero, where blue is above it (docs/web/labs/paint.mjs has both, too)


def written(value: float) -> str:
    """Return a number as it is read: four digits at most, a minus sign, and zero without any.

    >>> print(written(-1234567), written(0.5), written(-0.0))
    −1.235e+06 0.5 0
    """
    return f"{value + 0.0:.4g}".replace("-", "\N{MINUS SIGN}")


def products(weights: Iterable[float], numbers: Iterable[float]) -> str:
    """Return a sum of products as it is read.

    >>> print(products([1, -3], [14, 2]))
    1·14 − 3·2
    """
    pairs = zip(weights, numbers, strict=True)
    return added(f"{written(weight)}·{written(number)}" for weight, number in pairs)


def added(terms: Iterable[str]) -> str:
    """Return a sum as it is read, where some terms begin with a minus sign.

    >>> print(added(["2", "\N{MINUS SIGN}3"]))
    2 − 3
    """
    return " + ".join(terms).replace("+ \N{MINUS SIGN}", "\N{MINUS SIGN} ")
