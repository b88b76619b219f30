"""The pictures that stand for the book: its cover, and what is shown where a link is shared."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from sphinx.config import Config

from convdocs import conv2d, data
from convdocs.store import whole

COVER_SHOWS = "The title over a portrait that turns into its own edges"


def edges(photo: np.ndarray) -> np.ndarray:
    """Return how steep a photograph is at each pixel, as Sobel's kernels find it."""
    smooth = np.array([1, 2, 1])
    slope = np.array([-1, 0, 1])
    kernels = np.stack([np.outer(smooth, slope), np.outer(slope, smooth)])[:, None]
    return np.hypot(*conv2d(photo[None, None], kernels / 8, padding=1)[0])


def cover(file: BinaryIO, title: str) -> None:
    """Draw a portrait that turns into its own edges, under the title."""
    from matplotlib import style  # here, for a build that draws nothing starts without it
    from matplotlib.figure import Figure

    photo = data.photo()
    H, W = photo.shape
    share = np.clip(3 * np.linspace(0, 1, W) - 1, 0, 1)  # of the edges, from left to right
    picture = (1 - share) * photo + share * np.clip(1 - 4 * edges(photo), 0, 1)
    first, second = title.split(", ")
    font: dict[str, Any] = {
        "family": "STIXGeneral",
        "ha": "left",
        "va": "center",
        "color": "#14213d",
    }
    with style.context("default"):
        paper = Figure(figsize=(8, 11.3), facecolor="white")
        axes = paper.add_axes((0, 0, 1, 8 * H / W / 11.3))
        axes.imshow(picture[8:-8, 8:-8], cmap="gray", vmin=0, vmax=1, aspect="auto")
        axes.set_axis_off()
        paper.text(0.07, 0.925, first, size=44, **font)
        paper.text(0.07, 0.87, second, size=30, style="italic", **font)
        paper.savefig(file, dpi=200, metadata={"Software": None})


def preview(file: BinaryIO, title: str) -> None:
    """Draw a portrait beside its edges, over the title."""
    from matplotlib import style  # here, for a build that draws nothing starts without it
    from matplotlib.figure import Figure

    photo = data.photo()[:430]  # as wide to its height as half of the picture
    with style.context("default"):
        figure = Figure(figsize=(12, 6.3), dpi=100, facecolor="#1f2328")
        pictures = {"gray": photo, "gray_r": edges(photo).clip(0, 1 / 4)}
        for left, (shades, picture) in zip((0.0, 0.5), pictures.items(), strict=True):
            axes = figure.add_axes((left, 0.2, 0.5, 0.8))
            axes.imshow(picture, shades, aspect="auto")
            axes.set_axis_off()
        figure.text(0.5, 0.1, title, color="white", size=36, ha="center", va="center")
        figure.savefig(file, metadata={"Software": None})


def kept(config: Config, draw: Callable[[BinaryIO, str], None]) -> Path:
    """Return a picture, which is kept with the results of cells: to draw it takes a second."""
    made_from = Path(__file__).read_bytes() + config.project.encode()
    name = f"{draw.__name__}-{hashlib.sha256(made_from).hexdigest()[:16]}.png"
    path = Path(config.nb_execution_cache_path) / name
    if not path.exists():
        with whole(path) as file:
            draw(file, config.project)
    return path
