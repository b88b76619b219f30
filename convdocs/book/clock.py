"""How long something takes, as little disturbed as possible."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from .. import _args

LEAST, ENOUGH = 1e-3, 0.2  # seconds


def seconds(function: Callable[..., Any], *arguments: Any, repeat: int = 5) -> float:
    """Return the shortest time of several calls, in seconds.

    What disturbs a call, such as other programs, can only make it longer. No call begins once those
    before it have taken a fifth of a second: long calls are disturbed by a smaller share, and in a
    reader's browser, which takes much longer for all of them, nobody is kept waiting. A call that
    takes less than a thousandth of a second is made again until that is over, and the mean counts:
    a browser's clock cannot tell it from nothing.

    Parameters
    ----------
    function : callable
        What is called.
    *arguments
        What it is called with.
    repeat : int
        How often it is measured, at most.

    Raises
    ------
    ValueError, TypeError
        If ``function`` is none, or ``repeat`` no integer of at least 1.

    Examples
    --------
    >>> 0 <= seconds(sum, [1, 2, 3]) < 1
    True
    """
    if not callable(function):
        raise TypeError(f"function must be one to call, got {_args.shown(function)}")
    times: list[float] = []
    for _ in range(_args.integer("repeat", repeat, 1)):
        calls, taken, start = 0, 0.0, perf_counter()
        while taken < LEAST:
            function(*arguments)
            calls, taken = calls + 1, perf_counter() - start
        times.append(taken / calls)
        if sum(times) > ENOUGH:
            break
    return min(times)
