"""Model files: arrays and a description in one ``.npz`` archive, whole or not at all, no pickle."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ._args import Array

KEY = "convdocs"  # the entry that holds the description, and tells our files from others


def name_of(path: str | os.PathLike[str]) -> str:
    """Return ``path`` as text; an open file's number is not a path."""
    try:
        name = os.fsdecode(path)
    except TypeError:
        raise TypeError(f"path must be a file's name, got {path!r}") from None
    if "\0" in name:
        raise ValueError(f"path must be a file's name, got {name!r}")
    return name


@contextlib.contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Give a file beside ``path`` and move it there at the end: an interrupt leaves the old one.

    Parameters
    ----------
    path : path-like
        Exactly this file is written.
    """
    path = os.path.realpath(name_of(path))
    part = f".{os.getpid()}-{threading.get_ident()}.part"  # a short name, and nobody else's
    part = os.path.join(os.path.dirname(path), part)
    try:
        if os.path.lexists(part):  # left by a process of the same number that was killed
            os.unlink(part)
        with open(part, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(path):
            os.chmod(part, os.stat(path).st_mode)
        os.replace(part, path)
    except BaseException:
        if os.path.exists(part):
            os.unlink(part)
        raise


def write(path: str | os.PathLike[str], description: Any, arrays: dict[str, Array]) -> None:
    """Write a description and arrays to a file, as `whole` does.

    Parameters
    ----------
    path : path-like
        Exactly this file is written.
    description : object
        Anything that JSON can hold.
    arrays : dict of str to ndarray
        What to store under which name.
    """
    with whole(path) as file:
        entries: dict[str, Any] = {KEY: np.array(json.dumps(description)), **arrays}
        np.savez(file, **entries)  # NumPy 2.0 would take allow_pickle for an array's name


def read(path: str | os.PathLike[str]) -> tuple[Any, dict[str, Array]]:
    """Return the description and the arrays of a file that `write` wrote.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    description : object
    arrays : dict of str to ndarray

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged or of another kind.
    """
    import zipfile

    name = name_of(path)
    with open(name, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                bad = archive.testzip()
            if bad is not None:
                raise ValueError(f"{bad} is damaged")
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                content = {name: arrays[name] for name in arrays.files}
            return json.loads(str(content.pop(KEY))), content
        except Exception as error:  # a damaged file can fail in any way
            raise ValueError(f"path must be a whole model file, got {name!r}: {error}") from error
