"""Pictures: side by side, many in rows, as a pencil draws them, or with what was found in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from ... import _args
from ..ink import GREEN, ORANGE
from . import arguments
from .arguments import Arrays, Floats
from .picture import WIDE, Picture, fitting, outline, plotted, signed, subplots, widest

TOLD_APART = 99.5  # percent of a map's numbers; the few beyond look alike
SLIM = 20  # times as high as wide: what a page can show


@plotted
def images(
    pictures: Arrays,
    columns: int = 3,
    boxes: ArrayLike = (),
) -> Picture:
    """Show pictures side by side, each under its title.

    Parameters
    ----------
    pictures : dict of str to array_like, or a list of them without titles
        Grey pictures (H, W) or colour pictures (3, H, W) from 0 to 1, and what is beyond is cut
        off; or maps (H, W) with negative numbers, which are shown in red (below zero) and blue
        (above); zero is the page itself.
    columns : int
        Pictures in a row.
    boxes : sequence of (row, column, height, width)
        Parts to frame in each picture.

    Returns
    -------
    Picture

    Examples
    --------
    >>> figure = images({"grey": [[0, 0.5, 1]], "map": [[-1, 0, 1]]})
    >>> [axes.get_title() for axes in figure.axes]
    ['grey', 'map']
    """
    shown = arguments.titled("pictures", pictures, 2, _picture)
    columns = min(_args.integer("columns", columns, 1), len(shown))
    columns = fitting(columns, [title for title, _ in shown], 0.8)
    framed = arguments.places("boxes", boxes, "row column height width")
    for _, array in shown:
        _meet("boxes", framed, array)
    shapes = [array.shape[-2] / array.shape[-1] for _, array in shown]
    tall = [max(shapes[i : i + columns]) for i in range(0, len(shapes), columns)]  # of each row
    across = min(widest(), WIDE if columns > 1 else WIDE / 2)
    height = sum(0.34 + t * across / columns for t in tall)
    figure, every = subplots((across, height), len(shown), columns, heights=tall)
    for axes, (title, array) in zip(every, shown, strict=True):
        axes.set_title(title)
        _show(axes, array)
        for top, left, high, wide in framed:
            outline(axes, (left - 0.5, top - 0.5, wide, high), ORANGE, 1.6)
    return figure


def _meet(name: str, boxes: Iterable[Iterable[float]], picture: Floats) -> None:
    """Refuse boxes that frame nothing of a picture."""
    H, W = picture.shape[-2:]
    for top, left, high, wide in boxes:
        if not (-high < top < H and -wide < left < W):
            need = f"{name} must frame something of the {H} x {W} pixels"
            raise ValueError(f"{need}, got row {top:g}, column {left:g}")


def _picture(name: str, value: ArrayLike) -> Floats:
    """Return a grey picture (H, W) or a colour picture (3, H, W)."""
    array = arguments.numbers(name, value)
    if array.ndim != 2 and (array.ndim != 3 or len(array) != 3):
        raise ValueError(f"{name} must have the shape (H, W) or (3, H, W), got {array.shape}")
    H, W = array.shape[-2:]
    if H > SLIM * W:
        raise ValueError(f"{name} must be at most {SLIM} times as high as wide, got {H} x {W}")
    return array


def _show(axes: Axes, array: Floats, far: float = 0) -> None:
    """Show a picture, or a map of which ``far`` is the strongest colour."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(visible=True, linewidth=0.5)
    smooth = None if max(array.shape) > 64 else "nearest"  # photographs; small maps as squares
    if array.ndim == 3:
        axes.imshow(np.clip(array.transpose(1, 2, 0), 0, 1), interpolation=smooth)
    elif far or array.min() < 0:
        strength = np.abs(array)
        far = far or float(np.percentile(strength, TOLD_APART) or strength.max())
        axes.imshow(signed(array, far), interpolation=smooth)
    else:
        axes.imshow(array, "gray", vmin=0, vmax=1, interpolation=smooth)


def pencil(array: ArrayLike) -> Floats:
    """Return a picture that is dark where ``array`` is large, as a pencil draws edges on paper.

    Parameters
    ----------
    array : array_like of shape (..., H, W)
        Numbers of at least 0, such as gradient magnitudes; several maps share one scale.

    Returns
    -------
    ndarray of shape (..., H, W)
        From 1, white, for a zero to 0, black, for the largest half percent.

    Raises
    ------
    ValueError, TypeError
        If the array holds no numbers, or some below 0.

    Examples
    --------
    >>> print(pencil([0, 1, 1]))
    [1. 0. 0.]
    """
    dark = arguments.numbers("array", array, least=0)
    return 1 - np.minimum(dark / (np.percentile(dark, TOLD_APART) or 1), 1)


@plotted
def gallery(
    pictures: ArrayLike,
    labels: ArrayLike = (),
    columns: int = 8,
    each: bool = True,
    size: float = 0.9,
) -> Picture:
    """Show many small pictures in rows, each under a short label; labels may repeat.

    Parameters
    ----------
    pictures : array_like of shape (n, H, W)
        From 0 to 1, or with negative numbers, which are shown in red.
    labels : sequence of str or number
        One for each picture, or none at all.
    columns : int
        Pictures in a row.
    each : bool
        Whether pictures with negative numbers have a scale each, or share one.
    size : float
        The side of a picture, in inches.

    Returns
    -------
    Picture
    """
    arrays = arguments.numbers("pictures", pictures, "n H W")
    columns = min(_args.integer("columns", columns, 1), len(arrays))
    side = arguments.number("size", size, 0.1, 10)
    over = arguments.words("labels", labels, (0, len(arrays)))
    own_scale = _args.flag("each", each) or arrays.min() >= 0
    far = 0.0 if own_scale else float(np.abs(arrays).max())
    columns = fitting(columns, over, 0.44)
    side = min(side, widest() / columns)
    rows = -(-len(arrays) // columns)
    figure, every = subplots((side * columns, (side + 0.25) * rows), len(arrays), columns)
    for number, axes in enumerate(every):
        _show(axes, arrays[number], far)
        if over:
            axes.set_title(over[number], size=11, pad=3)
    return figure


@plotted
def detections(
    picture: ArrayLike,
    found: Mapping[tuple[float, float], object],
    height: float = 8,
    right: ArrayLike = (),
) -> Picture:
    """Show a page of ink on paper, with a frame and a word at each place where something was found.

    Parameters
    ----------
    picture : array_like of shape (H, W)
        From 0, white, to 1, black: ink on paper.
    found : dict of (row, column) to str or number
        The top left corner of each frame, and what to write at it. A word that would lie on another
        one is left out, unless its frame is right.
    height : int
        The side of a frame, in pixels.
    right : sequence of (row, column)
        The corners of frames that are right: these are green and thick.

    Returns
    -------
    Picture
    """
    ink = _picture("picture", arguments.numbers("picture", picture, "H W"))
    side = arguments.number("height", height, 1, 1000)
    words = arguments.mapped(found)
    if words is None:
        raise TypeError(f"found must be a dict of places, got {_args.shown(found)}")
    corners = arguments.places("found", list(words), "row column")
    good = {*map(tuple, arguments.places("right", right, "row column"))}
    said = [arguments.word("a word of found", what) for what in words.values()]
    _meet("found", [(top, left, side, side) for top, left in corners], ink)
    frames = [(top, left, word) for (top, left), word in zip(corners, said, strict=True)]
    H, W = ink.shape
    figure, (axes,) = subplots((widest(), widest() * H / W + 0.1))
    _show(axes, np.clip(1 - ink, 0, 1))
    letter = W / widest() / 72  # pixels for a point
    for top, left, _ in frames:
        how = (GREEN, 3) if (top, left) in good else (ORANGE, 1.2)
        outline(axes, (left - 0.5, top - 0.5, side, side), *how)
    written: list[tuple[float, float]] = []  # where words begin
    for top, left, word in sorted(frames, key=lambda frame: frame[:2] not in good):
        right_one = (top, left) in good
        wide, high = 7 * letter * len(word), 14 * letter
        ends = (left - 0.3, left + side - 0.7 - wide), (top - 0.3, top + side - 0.7 - high)
        covered = {  # at each corner of the frame: how many words, and how much ink
            (x, y): (
                sum(abs(x - a) < wide + 3 * letter and abs(y - b) < high for a, b in written),
                ink[max(0, int(y)) : int(y + high) + 1, max(0, int(x)) : int(x + wide) + 1].sum(),
            )
            for y in ends[1]
            for x in ends[0]
        }
        at = min(covered, key=covered.__getitem__)
        if right_one or not covered[at][0]:  # on a phone, words would lie on words
            written.append(at)
            box = {"facecolor": GREEN if right_one else ORANGE, "edgecolor": "none", "pad": 1.5}
            axes.text(*at, word, va="top", size=11, color="white", bbox=box)
    return figure
