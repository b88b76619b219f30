"""What a cell hands to its page: numbers for the text, arrays for the scripts."""

from __future__ import annotations

import base64
import json
import re
from typing import SupportsFloat

import numpy as np

from .. import _args

LARGEST = 8_000_000  # characters that a page embeds at once; more would take long to load


def note(**numbers: SupportsFloat) -> None:
    """Give the text around a cell its numbers, under the names that it calls them by.

    Without MyST-NB, as in a notebook of one's own, nothing happens.

    Parameters
    ----------
    **numbers : int or float
        Names and numbers, such as ``note(width=w)`` for ``{glue:text}`width``` in the text. An
        array of one number is one, too.

    Raises
    ------
    ValueError, TypeError
        If something is no number, or not finite; the message says which. None is given then.

    Examples
    --------
    >>> note(width=512)
    """
    plain = {name: _number(name, number) for name, number in numbers.items()}
    for name, number in plain.items():
        glued(name, number)


def glued(name: str, value: float | str) -> None:
    """Attach something to the page under a name, where nobody sees it; without MyST-NB, nothing."""
    try:
        from IPython import get_ipython
        from myst_nb import glue
    except ImportError:
        return
    if get_ipython() is not None:
        glue(name, value, display=False)


def _number(name: str, value: object) -> float:
    """Return one finite number as Python has it."""
    array = _args.numbers(name, value)  # type: ignore[arg-type]  # it is checked there
    if array.dtype == bool or array.size != 1:
        raise TypeError(f"{name} must be a number, got {array.dtype} of shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {array.item()}")
    return array.item()


def embed(name: str, value: object) -> None:
    """Give a script of the page what a cell has computed, as JSON in an element of this name.

    Without IPython nothing happens.

    Parameters
    ----------
    name : str
        The element's id: letters, digits, ``-`` and ``_``, a letter first.
    value : anything that JSON can hold, and arrays
        An array becomes its shape and its numbers as float32, in base64.

    Raises
    ------
    ValueError, TypeError
        If the name is no id; if something of the value is neither JSON nor an array of real
        numbers, or is not finite in float32; or if it is more than a page should carry.

    Examples
    --------
    >>> embed("kernels", {"identity": [[1]]})
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][\w-]*", name, re.ASCII):
        need = "name must be an id, of letters, digits, - and _, a letter first"
        raise ValueError(f"{need}, got {name!r}")
    text = _json(value)
    try:
        from IPython import get_ipython
        from IPython.display import HTML, display
    except ImportError:
        return
    if get_ipython() is not None:
        element = f'<script type="application/json" id="{name}">{text}</script>'
        display(HTML(element))  # type: ignore[no-untyped-call]


def _json(value: object) -> str:
    """Return a value as JSON that stands safely in a page."""
    try:
        text = json.dumps(value, default=_plain, allow_nan=False)
    except (ValueError, TypeError, RecursionError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"value must be what JSON can hold, or arrays, all finite: {error}") from None
    if len(text) > LARGEST:
        need = f"value must have at most {LARGEST:,} characters as JSON"
        raise ValueError(f"{need}, got {len(text):,}")
    return text.replace("<", "\\u003c")  # no tag or comment can begin in it


def _plain(value: object) -> object:
    """Return what JSON does not know as something that it can hold."""
    if not isinstance(value, np.ndarray | np.generic):
        raise TypeError(f"it holds an object of the class {type(value).__name__}")
    if value.dtype.kind not in "biuf":
        raise TypeError(f"it holds an array of dtype {value.dtype}")
    if _args.hides(value):
        raise ValueError("it holds an array with masked numbers")
    if not value.ndim:
        return value.item()
    if 16 * value.size > 3 * LARGEST:  # four bytes a number, in base64
        raise ValueError(f"it holds an array of {value.size:,} numbers, too many for a page")
    with np.errstate(over="ignore"):
        numbers = np.asarray(value).astype("<f4")
    if not np.isfinite(numbers).all():
        raise ValueError("it holds an array whose numbers are not all finite in float32")
    return {"shape": numbers.shape, "float32": base64.b64encode(numbers.tobytes()).decode()}
