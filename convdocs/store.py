"""Model files: arrays and a description in one ``.npz`` archive, whole or not at all, no pickle."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import math
import os
import re
import stat
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

from . import _args
from ._args import Array, Path

try:
    import fcntl
except ImportError:  # Windows: there an open file cannot be removed, which serves as well
    fcntl = None  # type: ignore[assignment]

KEY = "convdocs"  # the entry that holds the description, and tells our files from others
# A file that is being written: of which process, and a number drawn at random.
PART = re.compile(r"\.convdocs-\d+-\d+\.part")


def name_of(path: Path) -> str:
    """Return ``path`` as text; an open file's number is not a path."""
    return _args.file_name("path", path)


@contextlib.contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """Give a file beside ``path`` and move it there at the end: an interrupt leaves the old one.

    What a killed process left of such a file is removed from the folder.

    Parameters
    ----------
    path : path-like
        Exactly this file is written, or that which a symbolic link of this name leads to.

    Raises
    ------
    OSError
        If there is no such folder, or it may not be written to, or ``path`` is a folder itself.
    ValueError
        If ``path`` is a device, a pipe or a socket: nothing is written to those.
    """
    name = name_of(path)
    home = _home(name)
    folder = os.path.dirname(home)
    _clear(folder)
    drawn = int.from_bytes(os.urandom(8), "big")
    part = os.path.join(folder, f".convdocs-{os.getpid()}-{drawn}.part")  # short, nobody else's
    try:  # from the first moment: an interrupt may come as soon as the file is there
        with _begin(part) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if fcntl is not None:  # the lock tells others that it is alive, until it is closed
                _move(part, home)
        if fcntl is None:
            _move(part, home)
    except BaseException as error:
        if os.path.exists(part):
            os.unlink(part)
        if isinstance(error, OSError) and error.errno is not None:
            raise _unwritable(name, error) from None
        raise


def write(path: Path, description: Any, arrays: Mapping[str, Array]) -> None:
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
        try:
            np.savez(file, **entries)
        except ValueError as error:  # an archive is not closed where an interrupt left it open
            raise error.__context__ or error from None


def read(path: Path) -> tuple[Any, dict[str, Array]]:
    """Return the description and the arrays of a file that `write` wrote.

    No more memory is taken than the file is long, whatever it says of itself.

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
    name = readable(path, "a whole model file")
    with open(name, "rb") as file:
        try:
            return unpacked(file)
        except Exception as error:  # a damaged file can fail in any way
            raise ValueError(f"path must be a whole model file, got {name!r}: {error}") from error


def unpacked(file: BinaryIO) -> tuple[Any, dict[str, Array]]:
    """Return the description and the arrays of an open file; a damaged one can fail in any way."""
    content = _content(file, file.seek(0, os.SEEK_END))
    return json.loads(str(content.pop(KEY))), content


def readable(path: Path, need: str) -> str:
    """Return the name of a file that is there; a directory, or what never ends, is none."""
    name = name_of(path)
    found = os.stat(name)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, f"path must be {need}, not a directory", name)
    if kind := _special(found):
        raise ValueError(f"path must be {need}, got {name!r}, which is {kind}")
    return name


def _home(name: str) -> str:
    """Return where a file of this name is to lie, or say why none can."""
    home = os.path.realpath(name)
    try:
        found = os.stat(name)
    except FileNotFoundError:
        if not os.path.isdir(os.path.dirname(home)):
            need = "path must lie in a directory that exists"
            raise FileNotFoundError(errno.ENOENT, need, name) from None
        if not os.path.basename(name):
            raise IsADirectoryError(
                errno.EISDIR, "path must be a file, no directory", name
            ) from None
        return home
    except OSError as error:  # a link to itself, a file in place of a folder
        raise _unwritable(name, error) from None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "path must be a file, no directory", name)
    if kind := _special(found):
        raise ValueError(f"path must be a regular file or a new one, got {name!r}, which is {kind}")
    # The folder would let us replace it all the same.
    if not os.access(home, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise _unwritable(name, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    return home


def _special(found: os.stat_result) -> str | None:
    """Return what kind of special file this is, or None."""
    kinds = {
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(found.st_mode))


def _unwritable(name: str, error: OSError) -> OSError:
    """Return an error of the same kind that names the path which was asked for."""
    return OSError(error.errno, f"path must be a file that can be written ({error.strerror})", name)


def _begin(part: str) -> BinaryIO:
    """Return a new file, locked for as long as it is open."""
    while True:
        file = open(part, "xb")
        try:
            if fcntl is None or _lock(file, wait=True) is False or _is(file, part):
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # taken for one that was left behind, and removed, before it was locked


def _clear(folder: str) -> None:
    """Remove what killed processes left: files that nobody holds a lock on."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if PART.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    _remove_left(entry.path)


def _remove_left(part: str) -> None:
    """Remove a file if whoever wrote it is gone."""
    if fcntl is None:
        os.unlink(part)
        return
    with open(part, "rb") as file:
        if _lock(file, wait=False) and _is(file, part):
            os.unlink(part)


def _lock(file: BinaryIO, wait: bool) -> bool:
    """Lock a file, and tell whether that went: where files have no locks, it does not."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _is(file: BinaryIO, name: str) -> bool:
    """Tell whether an open file still has this name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(name))
    except FileNotFoundError:
        return False


def _move(part: str, home: str) -> None:
    """Put a whole file in its place; one that is there hands on its permissions."""
    if os.path.exists(home):
        os.chmod(part, os.stat(home).st_mode)
    os.replace(part, home)


def _content(file: BinaryIO, length: int) -> dict[str, Array]:
    """Return the arrays of an archive, none of which is packed."""
    import zipfile

    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        if any(entry.file_size != entry.compress_size for entry in entries):
            raise ValueError("its arrays must not be compressed")
        if any(entry.comment for entry in entries):  # by a wrong length, the entries behind it
            raise ValueError("its arrays must have no comments")
        if sum(entry.file_size for entry in entries) > length:
            raise ValueError("it holds less than it says")
        names = [entry.filename.removesuffix(".npy") for entry in entries]
        if len(set(names)) < len(names):
            raise ValueError("two of its arrays have one name")
        return {
            name: _array(archive.read(entry)) for name, entry in zip(names, entries, strict=True)
        }


def _array(data: bytes) -> Array:
    """Return the array of a ``.npy`` file, without taking its word for its size."""
    file = io.BytesIO(data)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("its arrays must be plain ones")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    count, start = math.prod(shape), file.tell()
    if dtype.hasobject or count * dtype.itemsize != len(data) - start:
        raise ValueError(f"it has no numbers for an array of shape {shape} and dtype {dtype}")
    numbers = np.frombuffer(data, dtype, count, start).copy()
    return numbers.reshape(shape, order="F" if fortran else "C")
