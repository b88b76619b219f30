"""Libraries that only a part of the package needs, and how to get them."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def extra(name: str) -> Iterator[None]:
    """Import within this what one of the package's extras brings; if it is missing, say which.

    Parameters
    ----------
    name : str
        The extra, as ``pip install 'convdocs[name]'`` calls it.

    Raises
    ------
    ImportError
        If the library is not there; the message says how to get it.

    Examples
    --------
    >>> with extra("plot"):
    ...     import matplotlib
    """
    try:
        yield
    except ImportError as error:
        message = f"this needs {error.name}: pip install 'convdocs[{name}]'"
        raise type(error)(message, name=error.name) from error


def library(module: str) -> Any:
    """Import what only one function needs; the extra that brings it has the library's name."""
    with extra(module.partition(".")[0]):
        return importlib.import_module(module)
