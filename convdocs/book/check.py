"""Checks of a reader's answers, which do not give the right ones away.

A page says what is right in a cell that it does not show, by `answer`, under a name. The cell that
the reader fills in asks for `check` by that name.
"""

from __future__ import annotations

import contextlib
import copy
import io
import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .. import _args
from . import compare

Function = Callable[..., Any]


class Answer(NamedTuple):
    """What is right, and what the usual mistakes lead to."""

    right: ArrayLike | Function
    wrong: Mapping[str, ArrayLike | Function]
    cases: Sequence[tuple[Any, ...]]
    tolerance: float
    choice: bool


DOTS = "Write your answer for the dots."
ANSWERS: dict[str, Answer] = {}


def answer(
    name: str,
    right: ArrayLike | Function,
    wrong: Mapping[str, ArrayLike | Function] | None = None,
    cases: Sequence[tuple[Any, ...]] = (),
    tolerance: float = compare.USUAL,
    choice: bool = False,
) -> None:
    """Keep the right answer to an exercise for `check`, and the usual wrong ones.

    Parameters
    ----------
    name : str
        The name by which `check` finds it.
    right : number, array_like or callable
        The right answer, or a function that the reader's function must agree with.
    wrong : dict of str to number, array_like or callable, optional
        By what is said of it ("the bias was forgotten."), what a usual mistake leads to.
    cases : sequence of tuples, optional
        If ``right`` is a function: the arguments of each call that is compared.
    tolerance : float
        How far apart two numbers may be, relative to the largest right one, or to 1 if all of
        these are 0.
    choice : bool
        Whether the numbers stand for words, so that none is too large or too small.

    Raises
    ------
    ValueError, TypeError
        If ``right`` is neither numbers nor a function with cases, if a wrong answer is right, if
        ``tolerance`` is none of at least 0, or if ``choice`` is neither True nor False.

    Examples
    --------
    >>> answer("side", 28, wrong={"the padding was forgotten.": 24})
    >>> check(24, "side")
    Not yet: the padding was forgotten.
    >>> answer("double", lambda x: 2 * x, cases=[(1,), (5,)])
    >>> check(lambda x: x**2, "double")
    Not yet: for the arguments (1,), too small by exactly one.
    >>> check(lambda x: x + x, "double")
    Right.
    """
    need = "a number of at least 0"
    tolerance = _args.number("tolerance", tolerance, 0, _args.LARGEST, need)
    if not isinstance(name, str):
        raise TypeError(f"name must be a text, got {_args.shown(name)}")
    if wrong is not None and not isinstance(wrong, Mapping):
        raise TypeError(f"wrong must be a dictionary, got {_args.shown(wrong)}")
    found = Answer(right, wrong or {}, cases, tolerance, _args.flag("choice", choice))
    if callable(right):
        if not isinstance(cases, list | tuple) or not all(isinstance(c, tuple) for c in cases):
            raise TypeError(f"cases must be a list of tuples, got {_args.shown(cases)}")
        if not cases:
            raise ValueError("cases must hold the arguments of a call at least, got none")
    elif fault := compare.fault(right, truth=True):
        raise TypeError(f"right must be numbers or a function: {fault}")
    for reason, value in found.wrong.items():
        if not _difference(value, found):
            raise ValueError(f"wrong must differ from the right answer: {reason!r} does not")
    ANSWERS[name] = found


def check(yours: object, right: ArrayLike | str, tolerance: float = compare.USUAL) -> None:
    """Print whether an answer is right and, if it is not, how it differs; never the right one.

    Parameters
    ----------
    yours : number, array_like or callable
        Your answer; ``...`` stands for none yet. Whatever else it is, it is said what came.
    right : number, array_like or str
        The right answer, as the package computes it, or the name under which `answer` keeps it.
    tolerance : float
        How far apart two numbers may be, relative to the largest right one, or to 1 if all of
        these are 0. What a name stands for has its own.

    Raises
    ------
    ValueError, TypeError
        If ``right`` holds no numbers, or ``tolerance`` is none of at least 0.
    KeyError
        If no answer of that name is kept.

    Examples
    --------
    >>> check(..., 24)
    Write your answer for the dots.
    >>> check(24, 24)
    Right.
    >>> check([[1, 2]], [[-1, -2]])
    Not yet: every sign is the other way round.
    >>> check([[1, 2, 9]], [[1, 2, 3]])
    Not yet: 1 of 3 numbers is wrong, the first at [0, 2], which is too large.
    >>> check(None, 24)
    Not yet: that is None; does your function return its result?
    """
    need = "a number of at least 0"
    tolerance = _args.number("tolerance", tolerance, 0, _args.LARGEST, need)
    if isinstance(right, str):
        if right not in ANSWERS:
            raise KeyError(f"no answer is kept as {right!r}; run the cells above first")
        found = ANSWERS[right]
    else:
        if fault := compare.fault(right, truth=True):
            raise TypeError(f"right must be numbers: {fault}")
        found = Answer(right, {}, (), tolerance, choice=False)
    if compare.unanswered(yours):
        print(DOTS)
        return
    wrong = _difference(yours, found)
    if wrong == DOTS:
        print(DOTS)
        return
    for reason, value in found.wrong.items():
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # it has been printed once
                like_this = wrong and not _difference(yours, found._replace(right=value))
        except Exception:  # a wrong function may not come to an end in each case
            continue
        if like_this:
            wrong = reason
            break
    print(f"Not yet: {wrong}" if wrong else "Right.")


def _difference(yours: object, answer: Answer) -> str:
    """Say what is wrong with an answer; nothing if it is right."""
    if not callable(answer.right):
        return compare.difference(yours, answer.right, answer.tolerance, answer.choice)
    if not callable(yours):
        return "a function is wanted: give its name, without calling it."
    for case in answer.cases:
        given = _copies(case)
        try:
            came = yours(*given)
        except Exception as error:
            return f"for the arguments {_said(case)}, {type(error).__name__}: {error}"
        if compare.unanswered(came):
            return DOTS
        right = answer.right(*_copies(case))
        if wrong := compare.difference(came, right, answer.tolerance):
            return f"for the arguments {_said(case)}, {wrong}"
        if _changed(given, list(case)):
            return f"for the arguments {_said(case)}, an argument was changed on the way."
    return ""


def _copies(case: tuple[Any, ...]) -> list[Any]:
    """Return a call's arguments, none of which a function can change for the next one."""
    return [copy.deepcopy(each) for each in case]


def _changed(now: Any, old: Any) -> bool:
    """Tell whether an argument has other numbers than before, or other parts."""
    if isinstance(old, np.ndarray):
        return bool(compare.difference(now, old, 0))
    if type(now) is not type(old):
        return True
    if isinstance(old, dict):
        return now.keys() != old.keys() or any(_changed(now[key], old[key]) for key in old)
    if isinstance(old, list | tuple):
        return len(now) != len(old) or any(map(_changed, now, old))
    plain = isinstance(old, int | float | complex | str)
    return plain and bool(now != old and old == old)  # NaN equals nothing, and stays


def _said(case: tuple[Any, ...]) -> str:
    """Return a call's arguments in a line; of a large array its shape."""
    parts = [
        f"an array of {each.shape}"
        if isinstance(each, np.ndarray) and each.size > 9
        else reprlib.repr(each.tolist() if isinstance(each, np.ndarray) else each)
        for each in case
    ]
    return f"({', '.join(parts)}{',' * (len(parts) == 1)})"
