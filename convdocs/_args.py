"""Checks of arguments, and the types they have.

Every error names the argument, what it got and what it needs.
"""

from __future__ import annotations

import itertools
import math
import operator
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Array = NDArray[Any]
Whole = int | np.integer[Any]
Size = Whole | Sequence[Whole]
Rng = Whole | np.random.Generator | None
Path = str | os.PathLike[str]

SINGLE = np.dtype(np.float32)
LARGEST = float(np.finfo(float).max)
LONG = 200  # characters of a value that a message shows
ADVICE = "; one image becomes a batch by "
silent = np.errstate(all="ignore")  # NaN and infinity travel, and what is too small becomes 0
ONE = {"N C H W": ADVICE, "N C L": "; one signal becomes a batch by "}


def shown(value: Any, how: Callable[[Any], str] = repr) -> str:
    """Return a value as a message shows it: on one line, not too long, whatever its repr does."""
    try:
        text = " ".join(how(value).split())
    except Exception:
        return f"an object of the class {type(value).__name__}"
    return text if len(text) <= LONG else f"{text[:LONG]}..."


def numbers(name: str, value: ArrayLike, shape: str = "") -> Array:
    """Return ``value`` as an array of real numbers with as many axes as ``shape`` names."""
    array = as_array(name, value)
    if array.dtype.kind not in "biuf" or array.dtype.isbuiltin == 2:  # a kind of another library
        raise TypeError(f"{name} must hold real numbers, got {what_came(value, array)}")
    if shape and array.ndim != len(shape.split()):
        axes = shape.replace(" ", ", ")
        hint = ""
        lacking = len(shape.split()) - array.ndim
        if shape in ONE and lacking in (1, 2):
            hint = f"{ONE[shape]}{name.partition(' ')[0]}[{'None, ' * lacking}...]"
        raise ValueError(f"{name} must have the shape ({axes}), got {array.shape}{hint}")
    return array


def as_array(name: str, value: ArrayLike) -> Array:
    """Return ``value`` as an array, whatever it holds; nothing of it may be masked."""
    if type(value) is np.ndarray:
        return value
    try:
        masked = hides(value)
        array = np.zeros(0) if masked else np.asanyarray(value)
        masked = masked or hides(array)  # of an object that turns into a masked array
    except Exception as error:  # of any kind: a tensor of another library keeps its numbers
        kind = ValueError if isinstance(error, ValueError | MemoryError) else TypeError
        message = f"{name} must be a rectangular array, got {shown(value)}: {shown(error, str)}"
        raise kind(message) from None
    if masked:
        fill = f"give them numbers, as {name.partition(' ')[0]}.filled(0) does"
        raise ValueError(f"{name} must have no masked numbers, got {shown(value)}; {fill}")
    return np.asarray(array)


def hides(value: Any) -> bool:
    """Tell whether a masked array, or one in a list, masks anything: NumPy would drop the mask."""
    if isinstance(value, np.ma.MaskedArray):
        return bool(np.ma.getmaskarray(value).any())
    if not isinstance(value, list | tuple):
        return False
    kinds = set(map(type, value))  # most lists hold numbers alone
    nested = any(issubclass(kind, list | tuple | np.ma.MaskedArray) for kind in kinds)
    return nested and any(map(hides, value))


def same_shape(name: str, array: Array, shape: tuple[int, ...]) -> None:
    """Check that a gradient has the shape of the output that it belongs to."""
    if array.shape != shape:
        raise ValueError(f"{name} must have the output's shape {shape}, got {array.shape}")


def biases(bias: Any, outputs: int) -> Array | None:
    """Return ``bias`` as an array with a number for each output, or None."""
    if bias is None:
        return None
    b = numbers("bias", bias, "out")
    if len(b) != outputs:
        need = f"bias must have the shape ({outputs},), one number an output"
        raise ValueError(f"{need}, got {b.shape}")
    return b


def retold(error: Exception, text: str) -> ValueError | TypeError:
    """Return an error that says more; of its own class it cannot be, which may ask for more."""
    return (TypeError if isinstance(error, TypeError) else ValueError)(text)


def what_came(value: Any, array: Array) -> str:
    """Say what came in: an object or a list itself, or the dtype of an array."""
    if isinstance(value, np.ndarray):
        return f"dtype {array.dtype}"
    return f"{shown(value)} of dtype {array.dtype}" if array.ndim else shown(value)


def floating(*arrays: Array | None) -> np.dtype[Any]:
    """Return the dtype to compute in: NumPy's promotion, with integers as ``float64``.

    Half precision is computed in ``float32``, as its eleven bits are too few to sum in.
    """
    kinds = {a.dtype for a in arrays if a is not None}
    if kinds == {SINGLE}:
        return SINGLE  # as nearly always, and at once
    return np.result_type(SINGLE, *(np.float64 if k.kind in "biu" else k for k in kinds))


class in_memory:
    """Say which arguments ask for an array that does not fit in memory."""

    def __init__(self, names: str, shape: tuple[int, ...]) -> None:
        self.names, self.shape = names, shape

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Turn an error of NumPy's, which names no argument, into one that does."""
        if kind is not None and issubclass(kind, ValueError | MemoryError):
            need = f"{self.names} must ask for no more than fits in memory"
            numbers = math.prod(self.shape)  # none, of an empty batch of however large images
            got = f"{numbers:,} numbers" if numbers else f"the shape {self.shape}"
            raise ValueError(f"{need}, got {got}") from None


def integer(name: str, value: Any, least: int) -> int:
    """Return ``value`` as an integer of at least ``least``."""
    if type(value) is int and least <= value <= sys.maxsize:  # the usual case, quickly
        return value
    try:
        if isinstance(value, bool | np.bool_) or hides(value):
            raise TypeError
        number = operator.index(value)
    except Exception:
        raise TypeError(f"{name} must be an integer, got {shown(value)}") from None
    if not least <= number <= sys.maxsize:
        need = f"at least {least}" if number < least else f"at most {sys.maxsize}"
        raise ValueError(f"{name} must be {need}, got {shown(number)}")
    return number


def pair(name: str, value: Any, least: int) -> tuple[int, int]:
    """Return ``value`` as (vertical, horizontal); one integer stands for both."""
    vertical, horizontal = sizes(name, value, least, 2)
    return vertical, horizontal


def sizes(name: str, value: Any, least: int, axes: int) -> tuple[int, ...]:
    """Return ``value`` as one integer for each axis; one alone stands for all of them."""
    if type(value) is tuple and len(value) == axes:  # the usual case, quickly
        return tuple(integer(name, one, least) for one in value)
    need = f"an integer or {'a pair of them' if axes == 2 else f'a tuple of {axes}'}"
    try:
        several = isinstance(value, tuple | list) or getattr(value, "ndim", 0) > 0
        each = list(itertools.islice(value, axes + 1)) if several else [value] * axes
    except Exception:
        raise TypeError(f"{name} must be {need}, got {shown(value)}") from None
    if len(each) != axes:
        raise ValueError(f"{name} must be {need}, got {shown(value)}")
    return tuple(integer(name, one, least) for one in each)


def several(name: str, value: Any, count: int, need: str) -> list[Any]:
    """Return the ``count`` things in a tuple or a list."""
    try:
        if not isinstance(value, tuple | list):
            raise TypeError
        things = list(itertools.islice(value, count + 1))
    except Exception:
        raise TypeError(f"{name} must be {need}, got {shown(value)}") from None
    if len(things) != count:
        raise ValueError(f"{name} must be {need}, got {shown(value)}")
    return things


def number(name: str, value: Any, least: float, most: float, need: str) -> float:
    """Return ``value`` as a float between ``least`` and ``most``, both included."""
    no_number = isinstance(value, bool | np.bool_ | np.timedelta64)
    if no_number or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be {need}, got {shown(value)}")
    # A narrow float of NumPy's would round the bounds to be compared with them.
    if not least <= (float(value) if isinstance(value, np.floating) else value) <= most:
        raise ValueError(f"{name} must be {need}, got {shown(value)}")
    return float(value)


def in_groups(groups: int, **channels: int) -> None:
    """Refuse channels that do not fall into so many groups."""
    for name, number in channels.items():
        if number % groups:
            raise ValueError(f"{name} must be a multiple of groups={groups}, got {number}")


def flag(name: str, value: Any) -> bool:
    """Return ``value`` as True or False, and accept nothing else for it."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {shown(value)}")
    return bool(value)


def labels(name: str, value: ArrayLike, shape: tuple[int, ...], classes: int) -> Array:
    """Return ``value`` as integers from 0 to ``classes - 1``, in this shape."""
    array = as_array(name, value)
    if array.size == 0 and not isinstance(value, np.ndarray):
        array = array.astype(np.intp)  # an empty list has no integers to tell its type by
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers (class numbers), got {what_came(value, array)}")
    if array.shape != shape:
        raise ValueError(f"{name} must have the shape {shape}, got {array.shape}")
    if array.size and array.min() < 0:
        raise ValueError(f"{name} must be at least 0, got {array.min()}")
    if array.size and array.max() >= classes:
        raise ValueError(f"{name} must be below the {classes} classes, got {array.max()}")
    return array


def file_name(name: str, value: Path, what: str = "file") -> str:
    """Return ``value`` as the name of a file; the number of an open file is none."""
    try:
        text = os.fsdecode(value)
    except Exception:
        raise TypeError(f"{name} must be a {what}'s name, got {shown(value)}") from None
    if "\0" in text or not _encodable(text):
        raise ValueError(f"{name} must be a {what}'s name, got {shown(text)}")
    return text


def _encodable(name: str) -> bool:
    """Tell whether the system can have a file of this name."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True


def parameter_dtype(value: DTypeLike) -> np.dtype[Any]:
    """Return ``value`` as a dtype that parameters can have."""
    try:
        dtype = np.dtype(value if isinstance(value, str | type | np.dtype) else object)
    except Exception:  # NumPy raises SyntaxError, too
        dtype = np.dtype(object)
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"dtype must be float32 or float64, got {shown(value)}")
    return dtype


def generator(rng: Rng) -> np.random.Generator:
    """Return a generator from a seed, a generator, or None (SPEC 7)."""
    try:
        if isinstance(rng, bool | np.bool_) or hides(rng):
            raise TypeError
        if isinstance(rng, np.ndarray):  # of a matrix, NumPy takes rows of rows without end
            rng = np.asarray(rng)
        return np.random.default_rng(rng)
    except Exception:
        need = "a seed of at least 0, a numpy.random.Generator or None"
        raise TypeError(f"rng must be {need}, got {shown(rng)}") from None
