"""What a cell hands to its page: numbers for the text, arrays for the scripts."""

from __future__ import annotations

import base64
import json
from typing import Any, SupportsFloat

import numpy as np

from .. import _args


def note(**numbers: SupportsFloat) -> None:
    """Give the text around a cell its numbers, under the names that it calls them by.

    Without MyST-NB, as in a notebook of one's own, nothing happens.

    Parameters
    ----------
    **numbers : int or float
        Names and numbers, such as ``note(width=w)`` for ``{glue:text}`width``` in the text.

    Examples
    --------
    >>> note(width=512)
    """
    try:
        from IPython import get_ipython
        from myst_nb import glue
    except ImportError:
        return
    if get_ipython() is not None:
        for name, number in numbers.items():
            glue(name, np.asarray(number).item(), display=False)


def embed(name: str, value: Any) -> None:
    """Give a script of the page what a cell has computed, as JSON in an element of this name.

    Without IPython nothing happens.

    Parameters
    ----------
    name : str
        The element's id.
    value : anything that JSON can hold, and arrays
        An array becomes its shape and its numbers as float32, in base64.

    Examples
    --------
    >>> embed("kernels", {"identity": [[1]]})
    """
    try:
        from IPython import get_ipython
        from IPython.display import HTML, display
    except ImportError:
        return
    if get_ipython() is not None:
        text = json.dumps(value, default=_packed).replace("<", "\\u003c")  # no tag can end it
        element = f'<script type="application/json" id="{name}">{text}</script>'
        display(HTML(element))  # type: ignore[no-untyped-call]


def _packed(array: Any) -> dict[str, Any]:
    """Return an array as something that JSON can hold."""
    array = _args.numbers("value", array)
    numbers = base64.b64encode(array.astype("<f4").tobytes()).decode()
    return {"shape": array.shape, "float32": numbers}
