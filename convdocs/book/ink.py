"""How the book draws, in figures and steppers alike: its colours, and how it writes a number."""

BLUE = "#2f7fd0"  # each readable on any page, light or dark
ORANGE = "#d2691e"
GREEN = "#2e9e5b"
VIOLET = "#9a5fd0"
RED = "#d0402f"  # for what is below zero
COLORS = BLUE, ORANGE, GREEN, VIOLET
RED = "#d04040"  # below zero, where blue is above it


def written(value: float) -> str:
    """Return a number as it is read: four digits at most, a minus sign, and zero without any.

    >>> print(written(-1234567), written(0.5), written(-0.0))
    −1.235e+06 0.5 0
    """
    return f"{value + 0.0:.4g}".replace("-", "\N{MINUS SIGN}")
