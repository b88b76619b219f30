"""What the numbers of a figure answer who points at them: the sum, and where its terms stand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from ...windows import Window, windows_of
from ..ink import added, products, written
from .arguments import Floats, Integers
from .picture import Box, Pair, answer

PAIR, PLUS, EQUAL = "⋆+="


class Placed(NamedTuple):
    """An array (H, W), and where its top left corner is drawn."""

    values: Floats
    corner: Pair

    def box(self, i: int, j: int, high: int = 1, wide: int = 1) -> Box:
        """Return the box of a part."""
        return self.corner[0] + j, self.corner[1] + i, wide, high


def seen(x: Floats, kernel: tuple[int, ...]) -> Floats:
    """Return the view (kH, kW, oH, oW) of all patches of a picture (H, W), at stride 1."""
    kH, kW = kernel
    return windows_of(x, Window((kH, kW), (1, 1), (1, 1)))


class _Term:
    """What a formula adds: an array, or a kernel that slides over one."""

    def __init__(self, *grids: Placed) -> None:
        *kernel, self.x = grids
        self.kernel = kernel[0] if kernel else None
        size = self.kernel.values.shape if self.kernel else (1, 1)
        fits = all(k <= side for k, side in zip(size, self.x.values.shape, strict=True))
        self.patches = seen(self.x.values, size) if fits else np.zeros((1, 1, 0, 0))
        self.value = self.patches[0, 0]
        if self.kernel:
            self.value = np.einsum("uv,uvij->ij", self.kernel.values, self.patches)

    def words(self, i: int, j: int) -> str:
        """Write it for one place."""
        if self.kernel is None:
            return written(self.value[i, j])
        return products(self.kernel.values.flat, self.patches[:, :, i, j].flat)

    def sources(self, i: int, j: int) -> list[Box]:
        """Return the boxes of its numbers."""
        if self.kernel is None:
            return [self.x.box(i, j)]
        size = self.kernel.values.shape
        return [self.kernel.box(0, 0, *size), self.x.box(i, j, *size)]


def sums(axes: Axes, grids: Sequence[Placed], signs: str) -> None:
    """Let each number of a result answer with its sum, where the signs make a formula that holds.

    Without a result, the pixel under the kernel's middle answers for it.
    """
    result = grids[-1] if signs.endswith(EQUAL) else None
    shown = grids if result is None else grids[:-1]
    between = signs.removesuffix(EQUAL)
    if len(between) != len(shown) - 1 or not between or set(between) - {PAIR, PLUS}:
        return
    groups = [[shown[0]]]
    for sign, grid in zip(between, shown[1:], strict=True):
        if sign == PLUS:
            groups.append([grid])
        else:
            groups[-1].append(grid)
    if max(map(len, groups)) > 2 or (result is None and PAIR not in between):
        return
    terms = [_Term(*group) for group in groups]
    if len({term.value.shape for term in terms}) > 1:
        return
    total = np.sum([term.value for term in terms], axis=0)
    if result is not None and not _same(result.values, total):
        return
    for i, j in np.ndindex(total.shape):
        texts = [term.words(i, j) for term in terms]
        if len(terms) > 1 and PAIR in between:
            texts = [f"({text})" for text in texts]
        words = f"{_place(i, j)}: {added(texts)} = {written(total[i, j])}"
        sources = [box for term in terms for box in term.sources(i, j)]
        if result is not None:
            answer(axes, result.box(i, j), words, *sources)
        else:
            down, right = (side // 2 for side in groups[0][0].values.shape)
            answer(axes, groups[0][1].box(i + down, j + right), words, *sources)


def _same(a: Floats, b: Floats) -> bool:
    return a.shape == b.shape and np.allclose(a, b)


def parts(axes: Axes, grids: Sequence[Placed], coloured: Sequence[Integers | None]) -> None:
    """Let the numbers of a grid answer what they make of the part of the first with their colour.

    That is its largest number, its mean, or what of the second grid its largest number gets.
    """
    first, own = grids[0], coloured[0]
    if own is None:
        return
    for grid, part in zip(grids[1:], coloured[1:], strict=True):
        if part is not None and set(part.flat) <= set(own.flat) - {0}:
            _pooled(axes, first, own, grid, part)
    if len(grids) == 3 and grids[2].values.shape == first.values.shape and coloured[1] is not None:
        _handed(axes, first, own, grids[1], coloured[1], grids[2])


def _pooled(axes: Axes, x: Placed, own: Integers, y: Placed, part: Integers) -> None:
    """Answer for a grid that holds the largest number of each part, or its mean."""
    whole = {place: x.values[own == part[place]] for place in np.ndindex(part.shape)}
    if all(y.values[place] == whole[place].max() for place in whole):
        said = "the largest of {numbers} is {value}"
    elif all(np.isclose(y.values[place], whole[place].mean()) for place in whole):
        said = "the mean is ({sum}) / {count} = {value}"
    else:
        return
    for place, numbers in whole.items():
        texts = [written(number) for number in numbers.tolist()]
        words = said.format(
            numbers=in_words(texts),
            sum=added(texts),
            count=len(texts),
            value=written(y.values.item(place)),
        )
        answer(axes, y.box(*place), f"{_place(*place)}: {words}", _around(x, own == part[place]))


def _handed(axes: Axes, x: Placed, own: Integers, dy: Placed, part: Integers, dx: Placed) -> None:
    """Answer for the gradient of a maximum: which pixels get that of their window, and why."""
    right = np.zeros(x.values.shape)
    for place in np.ndindex(part.shape):
        inside = np.flatnonzero(own == part[place])
        right.flat[inside[np.argmax(x.values.flat[inside])]] = dy.values[place]
    if not np.array_equal(right, dx.values):
        return
    for i, j in np.argwhere(own):
        same = own == own[i, j]
        above = np.argwhere(part == own[i, j])[0]
        pixel, gradient = written(x.values[i, j]), written(dy.values.item(*above))
        if dx.values[i, j]:
            words = f"{pixel} is the largest number of its window, and gets all of {gradient}"
        elif x.values[i, j] == x.values[same].max():
            words = f"{pixel} is as large, but not the first in its window, and gets 0"
        else:
            words = f"{pixel} is not the largest number of its window, and gets 0"
        sources = x.box(i, j), _around(x, same), dy.box(*above)
        answer(axes, dx.box(i, j), f"{_place(i, j)}: {words}", *sources)


def _around(grid: Placed, chosen: Floats) -> Box:
    """Return the box around some numbers of a grid."""
    rows, columns = np.nonzero(chosen)
    top, left = rows.min(), columns.min()
    return grid.box(top, left, rows.max() - top + 1, columns.max() - left + 1)


def _place(i: int, j: int) -> str:
    return f"Row {i}, column {j}"


def in_words(words: Iterable[object]) -> str:
    """Return words as a sentence lists them.

    >>> in_words([1, 2, 3])
    '1, 2 and 3'
    """
    *most, last = map(str, words)
    return f"{', '.join(most)} and {last}" if most else last
