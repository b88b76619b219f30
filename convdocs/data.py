"""Real pictures: a photograph, handwritten digits, MNIST. Needs ``pip install 'convdocs[data]'``.

The photograph and the digits come with matplotlib and scikit-learn and need no network.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

from . import _args
from ._args import Array

GREY = (0.299, 0.587, 0.114)  # what red, green and blue add to brightness: ITU-R BT.601
SIZES = 60_000, 10_000  # images of MNIST and its relatives: to learn from, to test
OPENML = {"mnist": "mnist_784", "fashion": "Fashion-MNIST", "kuzushiji": "Kuzushiji-MNIST"}


class Split(NamedTuple):
    """Images (N, 1, H, W) as float32 from 0 to 1, and their labels, to learn from and to test."""

    X_train: Array
    y_train: Array
    X_test: Array
    y_test: Array


def photo(path: str | os.PathLike[str] | None = None, color: bool = False) -> Array:
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
        In float64, upright as a viewer shows it, on white where the picture is transparent.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not a whole picture.

    Examples
    --------
    >>> photo().shape
    (600, 512)
    """
    from matplotlib.cbook import get_sample_data
    from PIL import Image, ImageOps

    _args.flag("color", color)
    if path is None:
        path = get_sample_data("grace_hopper.jpg", asfileobj=False)
    name = os.fsdecode(path)  # an integer, which open() would take for an open file, is an error
    try:
        with open(name, "rb") as file, Image.open(file) as opened:
            picture = ImageOps.exif_transpose(opened)
            if picture.mode.startswith(("I", "F")):  # 16 bits and more, which RGB would cut off
                grey = np.asarray(picture, float) / (65535 if picture.mode != "F" else 1)
                if not (grey.min() >= 0 and grey.max() <= 1):
                    raise ValueError("its numbers do not lie between black and white")
                rgb = np.stack([grey, grey, grey])
            else:
                picture = picture.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
                rgb = np.asarray(picture.convert("RGB")).transpose(2, 0, 1) / 255
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except Exception as error:  # of many kinds: Pillow has a decoder for each format
        raise ValueError(f"path must be a whole picture file, got {name!r}: {error}") from error
    return rgb if color else np.tensordot(GREY, rgb, 1)


def digits() -> Split:
    """Return the handwritten digits of scikit-learn: 8 x 8 pixels, split once and for all.

    Returns
    -------
    Split
        1,437 images to learn from and 360 to test, each class in the same proportion.

    References
    ----------
    E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
    Repository, 1998, https://doi.org/10.24432/C50P49 (CC BY 4.0).

    Examples
    --------
    >>> digits().X_train.shape, digits().X_test.shape
    ((1437, 1, 8, 8), (360, 1, 8, 8))
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    images = (bunch.images[:, None] / 16).astype(np.float32)
    parts = train_test_split(
        images, bunch.target, test_size=360, stratify=bunch.target, random_state=0
    )
    return Split(parts[0], parts[2], parts[1], parts[3])


def mnist(name: str = "mnist", home: str | os.PathLike[str] | None = None) -> Split:
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
    ValueError
        If the name is unknown, or what was fetched is not the data set.
    OSError
        If the data are not in the cache and there is no network.
    """
    from sklearn.datasets import fetch_openml

    if name not in OPENML:
        raise ValueError(f"name must be one of {sorted(OPENML)}, got {name!r}")
    X, y = fetch_openml(
        OPENML[name],
        version=1,
        data_home=home,
        return_X_y=True,
        as_frame=False,
        parser="liac-arff",  # slow, and needs nothing; the other needs pandas, and fails with 3.1
        n_retries=1,
    )
    learn, total = SIZES[0], sum(SIZES)
    whole = X.shape == (total, 784) and X.min() >= 0 and X.max() <= 255
    if not whole or set(y) != set("0123456789"):
        need = f"{total:,} images of 784 numbers from 0 to 255, with labels from 0 to 9"
        raise ValueError(f"{OPENML[name]} must hold {need}, got {X.shape}, labels {sorted(set(y))}")
    images, labels = np.divide(X, 255, dtype=np.float32).reshape(-1, 1, 28, 28), y.astype(np.intp)
    return Split(images[:learn], labels[:learn], images[learn:], labels[learn:])
