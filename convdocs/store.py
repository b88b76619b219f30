"""Model files: arrays and a description in one ``.npz`` archive, whole or not at all, no pickle."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ._args import Array

KEY = "convdocs"  # the entry that holds the description, and tells our files from others


def write(path: str | os.PathLike[str], description: Any, arrays: dict[str, Array]) -> None:
    """Write the file beside ``path`` and then move it there: an interrupt leaves the old one.

    Parameters
    ----------
    path : path-like
        Exactly this file is written.
    description : object
        Anything that JSON can hold.
    arrays : dict of str to ndarray
        What to store under which name.
    """
    path = os.path.realpath(os.fsdecode(path))
    part = f"{path}.{os.getpid()}.part"
    try:
        with open(part, "xb") as file:
            np.savez(file, allow_pickle=False, **{KEY: np.array(json.dumps(description))}, **arrays)
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(path):
            os.chmod(part, os.stat(path).st_mode)
        os.replace(part, path)
    except BaseException:
        if os.path.exists(part):
            os.unlink(part)
        raise


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
    import zlib

    damage = (ValueError, KeyError, EOFError, TypeError, NotImplementedError, MemoryError)
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                bad = archive.testzip()
            if bad is not None:
                raise ValueError(f"{bad} is damaged")
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                content = {name: arrays[name] for name in arrays.files}
            return json.loads(str(content.pop(KEY))), content
        except (*damage, zipfile.BadZipFile, zlib.error, OSError, RuntimeError) as error:
            name = os.fsdecode(path)
            raise ValueError(f"path must be a whole model file, got {name!r}: {error}") from error
