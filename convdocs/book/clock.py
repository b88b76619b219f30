"""How long something takes, as little disturbed as possible."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from .. import _args


def seconds(function: Callable[..., Any], *arguments: Any, repeat: int = 5) -> float:
    """Return the shortest time of several calls, in seconds.

    What disturbs a call, such as other programs, can only make it longer.

    Parameters
    ----------
    function : callable
        What is called.
    *arguments
        What it is called with.
    repeat : int
        How often.

    Raises
    ------
    ValueError, TypeError
        If ``repeat`` is no integer of at least 1.

    Examples
    --------
    >>> 0 <= seconds(sum, [1, 2, 3]) < 1
    True
    """
    times = []
    for _ in range(_args.integer("repeat", repeat, 1)):
        start = perf_counter()
        function(*arguments)
        times.append(perf_counter() - start)
    return min(times)
