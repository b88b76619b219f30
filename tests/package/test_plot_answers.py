"""What figures answer who points at them: the package's own sums, and where their terms stand."""

import html
import json
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose

from convdocs import avg_pool2d, conv2d, conv2d_backward, max_pool2d, max_pool2d_backward
from convdocs.book import plot
from convdocs.book.plot.grids import GAP


def answers(figure):
    """Return the boxes of places, the words, and the boxes of sources, in the figure's units."""
    return [(place, words, sources) for _, place, words, sources in figure.answers]


def value(text):
    """Return what a sum comes to that is written as the figures write it."""
    return eval(text.replace("−", "-").replace("·", "*"))


def correlate(x, w):
    return conv2d(np.asarray(x, float)[None, None], np.asarray(w, float)[None, None])[0, 0]


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 2), (1, 3)])
def test_each_number_of_a_correlation_says_its_sum(rng, size):
    x, w = rng.integers(-9, 10, (4, 5)), rng.integers(-9, 10, size)
    y = correlate(x, w)
    found = answers(plot.numbers({"w": w, "x": x, "y": y}, "⋆="))
    assert len(found) == y.size
    top = (4 - y.shape[0]) / 2
    left = size[1] + GAP
    for (i, j), (place, words, (kernel, patch)) in zip(np.ndindex(y.shape), found, strict=True):
        where, terms, total = re.split(": | = ", words)
        assert where == f"Row {i}, column {j}"
        assert value(terms) == value(total) == y[i, j]
        assert terms.count("·") == w.size
        assert_allclose(place, (left + 5 + GAP + j, top + i, 1, 1))
        assert_allclose(kernel, (0, (4 - size[0]) / 2, size[1], size[0]))
        assert_allclose(patch, (left + j, i, size[1], size[0]))


def test_channels_are_added_and_so_are_pictures(rng):
    x, w = rng.integers(-9, 10, (2, 3, 4)), rng.integers(-9, 10, (2, 2, 2))
    y = sum(map(correlate, x, w))
    found = answers(plot.numbers([w[0], x[0], w[1], x[1], y], "⋆+⋆="))
    assert [value(words.split(": ")[1].split(" = ")[0]) for _, words, _ in found] == [*y.flat]
    assert {len(sources) for _, _, sources in found} == {4}
    found = answers(plot.numbers([x[0], x[1], x[0] + x[1]], "+="))
    sums = [words.split(": ")[1].split(" = ") for _, words, _ in found]
    assert [[value(side) for side in both] for both in sums] == [[n, n] for n in x.sum(axis=0).flat]


def test_without_a_result_the_pixel_in_the_middle_answers():
    x, w = np.arange(20).reshape(4, 5), np.eye(3)
    found = answers(plot.numbers({"w": w, "x": x}, "⋆"))
    y = correlate(x, w)
    assert [value(words.split(" = ")[1]) for _, words, _ in found] == [*y.flat]
    for place, _, (_, patch) in found:
        assert_allclose(np.add(patch[:2], 1), place[:2])


@pytest.mark.parametrize(
    ("arrays", "signs"),
    [
        ([[[1]], [[2]], [[3]]], "⋆="),  # a formula that does not hold
        ([[[1]], [[2]], [[3]]], "⋆"),
        ([[[1, 2], [3, 4]], [[2]], [[3]]], "⋆="),
        ([[[1]], [[2]]], "→"),
        ([[[1]], [[2]]], "+"),
        ([[[1]], [[1]]], "="),
        ([[[1]], [[1]], [[1]], [[1]]], "⋆⋆="),
        ([[[np.nan]], [[1]], [[np.nan]]], "⋆="),
        ([[[1]], [[1]]], ""),
    ],
)
def test_what_is_no_formula_answers_nothing(arrays, signs):
    figure = plot.numbers(arrays, signs)
    assert figure.answers == []
    assert "<metadata" not in figure._repr_svg_()


def test_pooled_numbers_say_what_of_their_window(rng):
    x, parts = rng.integers(-9, 10, (4, 4)), np.array([[1, 2], [3, 4]])
    windows = np.kron(parts, np.ones((2, 2), int))
    most, mean = (pool(x[None, None] * 1.0, 2)[0, 0] for pool in (max_pool2d, avg_pool2d))
    figure = plot.tiles([x, most, mean], [windows, parts, parts])
    found = answers(figure)
    assert len(found) == 8
    for (i, j), (_, words, (window,)) in zip(np.ndindex(2, 2), found[:4], strict=True):
        said = re.fullmatch(rf"Row {i}, column {j}: the largest of (.*) is (.*)", words)
        numbers = [value(text) for text in re.split(", | and ", said[1])]
        assert numbers == [*x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].flat]
        assert value(said[2]) == most[i, j]
        assert_allclose(window, (2 * j, 2 * i, 2, 2))
    for (i, j), (_, words, _) in zip(np.ndindex(2, 2), found[4:], strict=True):
        said = re.fullmatch(rf"Row {i}, column {j}: the mean is (.*) = (.*)", words)
        assert value(said[1]) == value(said[2]) == mean[i, j]


def test_gradients_say_which_pixel_gets_them():
    x, dy = np.array([[1, 7, 2, 0], [7, 3, 5, 1]]), np.array([[10, 20]])
    dx = max_pool2d_backward(dy[None, None], x[None, None], 2)[0, 0]
    windows = np.array([[1, 1, 2, 2]] * 2)
    parts = [windows, [[1, 2]], windows * (dx > 0)]
    found = {
        words.split(": ")[0]: words.split(": ")[1]
        for _, words, _ in answers(plot.tiles([x, dy, dx], parts))
    }
    assert len(found) == 8
    assert found["Row 0, column 1"].endswith("largest number of its window, and gets all of 10")
    assert found["Row 1, column 2"].endswith("largest number of its window, and gets all of 20")
    assert found["Row 1, column 0"] == "7 is as large, but not the first in its window, and gets 0"
    assert sum("is not the largest" in words for words in found.values()) == 5
    assert plot.tiles([x, dy, 2 * dx], parts).answers == []


@pytest.mark.slow
def test_a_gradient_by_full_padding_is_a_sum_too(rng):
    dy, w = rng.integers(-9, 10, (2, 2)), rng.integers(-9, 10, (2, 2))
    dx, _, _ = conv2d_backward(dy[None, None], np.zeros((1, 1, 3, 3)), w[None, None] * 1.0)
    figure = plot.numbers([w[::-1, ::-1], np.pad(dy, 1), dx[0, 0]], "⋆=", place=(1, 1))
    assert [value(words.split(" = ")[1]) for _, words, _ in answers(figure)] == [*dx.flat]


def test_the_patch_matrix_says_which_pixel_each_number_is():
    x = np.arange(10, 22).reshape(3, 4)
    found = answers(plot.patch_matrix(x, (2, 2)))
    assert len(found) == 4 * 6
    for _, words, (patch, pixel) in found:
        i, j, u, v, row, column, number = map(int, re.findall(r"\d+", words))
        assert (row, column, number) == (i + u, j + v, x[i + u, j + v])
        assert pixel[:2] == (j + v, row + 1 / 2)  # the matrix is a row higher than the picture
        assert patch == (j, i + 1 / 2, 2, 2)


def test_a_window_says_its_pixels_and_the_padding():
    figure = plot.slides([{"size": 4, "kernel": 3, "stride": 2, "padding": 1}])
    assert [words for _, words, _ in answers(figure)] == [
        "Number 0 of the output sees pixels 0 and 1, and 1 of the padding",
        "Number 1 of the output sees pixels 1, 2 and 3",
    ]
    (alone,) = plot.slides([{"size": 1, "kernel": 1}]).answers
    assert alone.words == "Number 0 of the output sees pixel 0"


def test_a_node_says_what_it_sees():
    lower, upper = np.eye(4)[:3] + np.eye(4, k=1)[:3], np.array([[1, 1, 0], [0, 0, 0]])
    found = answers(plot.connections([lower, upper]))
    assert [words.split(" sees ")[1] for _, words, _ in found] == [
        "nodes 0 and 1 below",
        "nodes 1 and 2 below",
        "nodes 2 and 3 below",
        "nodes 0 and 1 below, and through them 3 of the lowest row",
        "no node below, and through them 0 of the lowest row",
    ]
    assert [len(sources) for _, _, sources in found] == [2, 2, 2, 5, 0]


def test_the_svg_has_the_answers_as_shares_of_the_figure():
    figure = plot.numbers({"a < b": [[1]], "x": [[2]], "y": [[2]]}, "⋆=")
    svg = figure._repr_svg_()
    found = json.loads(html.unescape(re.search("<metadata>(.*?)</metadata>", svg)[1]))
    ((place, words, (kernel, pixel)),) = found
    assert words == "Row 0, column 0: 1·2 = 2"
    (axes,) = figure.axes
    wide = np.diff(axes.get_xlim()).item()
    for n, (left, top, width, height) in enumerate((kernel, pixel, place)):
        assert_allclose([left, width], [(0.1 + n * (1 + GAP)) / wide, 1 / wide], atol=0.01)
        assert 0.4 < top < top + height < 1
