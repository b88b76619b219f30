"""What the book's own cells need: numbers for its sentences."""

from __future__ import annotations

from typing import SupportsFloat

import numpy as np


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
