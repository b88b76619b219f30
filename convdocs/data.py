"""Real pictures: a photograph, a folder of them, handwritten digits, MNIST.

Needs ``pip install 'convdocs[data]'``. The photograph and the digits come with matplotlib and
scikit-learn and need no network.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from . import _args
from ._args import Array, Path, Size
from ._extras import extra

GREY = (0.299, 0.587, 0.114)  # what red, green and blue add to brightness: ITU-R BT.601
SIZES = 60_000, 10_000  # images of MNIST and its relatives: to learn from, to test
ALONE = "path must hold whole picture files, and in its sub-folders nothing else"
NO_PICTURES = "Thumbs.db", "desktop.ini"  # what Windows leaves in folders of pictures
OPENML = {"mnist": "mnist_784", "fashion": "Fashion-MNIST", "kuzushiji": "Kuzushiji-MNIST"}


class Split(NamedTuple):
    """Images (N, 1, H, W) as float32 from 0 to 1, and their labels, to learn from and to test."""

    X_train: Array  #: Images to learn from.
    y_train: Array  #: Their labels.
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
    name = _args.file_name("path", path)
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
    classes = [entry.name for entry in _seen(name) if entry.is_dir()]
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
    X = _args.empty("size", (len(files), 3 if color else 1, height, width), np.float32)
    for x, file in zip(X, files, strict=True):
        picture, white = _decoded(file, ALONE, 2 * max(shape) if shape else 0)
        if not shape and picture.size != (width, height):
            several = f"{files[0]!r} has {height} x {width} pixels, {file!r}"
            several += f" has {picture.height} x {picture.width}"
            raise ValueError(f"size must be given where pictures differ in it, got None: {several}")
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
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
            if least:
                opened.draft(None, (least, least))
            clear = _transparent(opened)
            picture = ImageOps.exif_transpose(opened)
            if picture.mode.startswith(("I", "F")):  # 16 bits and more, which RGB would cut off
                values = np.asarray(picture, np.float32)
                white = 65535 if picture.mode != "F" else 1
                values = np.where(values == clear, np.float32(white), values)
                if not (values.min() >= 0 and values.max() <= white):
                    raise ValueError("its numbers do not lie between black and white")
                return Image.fromarray(values), white
            if clear is not None:
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


@contextlib.contextmanager
def _whole() -> Iterator[None]:
    """Refuse half a picture, though another library may have told Pillow to take it."""
    from PIL import ImageFile

    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def _transparent(opened: Any) -> Any:
    """Return which value of an opened picture is transparent, as its pixels have it.

    A PNG of 1, 2 or 4 bits, or of 16 bits a colour, says so in its own numbers, and Pillow reads
    its pixels as 8 bits: grey by repeating its bits, colours by their upper half.
    """
    clear = opened.info.get("transparency")
    if opened.format != "PNG" or clear is None:
        return clear
    depth = opened.tile[0][3]  # how the decoder calls the pixels that it reads
    if depth in ("L;2", "L;4"):
        return clear * (85 if depth == "L;2" else 17)
    return tuple(c // 256 for c in clear) if depth == "RGB;16B" else clear


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


def mnist(name: str = "mnist", home: Path | None = None) -> Split:
    """Return MNIST or a relative: 28 x 28 pixels, 60,000 images to learn from and 10,000 to test.

    The first call fetches the data from OpenML, which takes a network; later ones read it from
    scikit-learn's cache. Every download is checked against OpenML's checksum.

    Parameters
    ----------
    name : {'mnist', 'fashion', 'kuzushiji'}
        Which data set.
    home : path-like, optional
        The folder of the cache; by default scikit-learn's.

    Returns
    -------
    Split

    Raises
    ------
    ValueError, TypeError
        If the name is unknown, ``home`` is no folder's name, or what was fetched is not the data
        set.
    OSError
        If the data are not in the cache and there is no network.
    ImportError
        If scikit-learn is missing; the message says how to get it.
    """
    if not isinstance(name, str) or name not in OPENML:
        raise ValueError(f"name must be one of {sorted(OPENML)}, got {_args.shown(name)}")
    if home is not None:
        home = _args.file_name("home", home, "folder")
    with extra("data"):
        from sklearn.datasets import fetch_openml

    X, y = fetch_openml(
        OPENML[name],
        version=1,
        data_home=home,
        return_X_y=True,
        as_frame=False,
        parser="liac-arff",  # slow, and needs nothing; the other needs pandas, and fails with 3.1
        n_retries=1,
    )
    learn = SIZES[0]
    total = sum(SIZES)
    whole = X.shape == (total, 784) and X.min() >= 0 and X.max() <= 255
    if not whole or set(y) != set("0123456789"):
        need = f"{total:,} images of 784 numbers from 0 to 255, with labels from 0 to 9"
        raise ValueError(f"{OPENML[name]} must hold {need}, got {X.shape}, labels {sorted(set(y))}")
    images = np.divide(X, 255, dtype=np.float32).reshape(-1, 1, 28, 28)
    labels = y.astype(np.intp)
    return Split(images[:learn], labels[:learn], images[learn:], labels[learn:])
