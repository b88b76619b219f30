"""Grids show each number and each pair, and the windows on them are those of the package."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.textpath import TextPath
from numpy.testing import assert_allclose

from convdocs import conv2d
from convdocs.book import plot
from convdocs.book.ink import BLUE, COLORS, FIGURES, ORANGE
from convdocs.book.plot.grids import GAP, _lines

X = np.arange(12).reshape(3, 4)


def words(figure):
    """Return every text of a figure that has but one pair of axes."""
    (axes,) = figure.axes
    return [text.get_text() for text in axes.texts]


def tinted(figure):
    """Return the boxes (x, y, width, height) that are filled, with their colours."""
    boxes = [box for box in figure.axes[0].patches if box.get_fill()]
    return [(box.get_bbox().bounds, to_hex(box.get_facecolor())) for box in boxes]


def refused(draw, arguments, message):
    with pytest.raises((ValueError, TypeError), match="^" + re.escape(message)):
        draw(*arguments)


def test_numbers_shows_each_number_title_and_sign():
    figure = plot.numbers({"x": [[1, -2], [0.5, 1234567]], "y": [[3.14159]]}, "=")
    assert words(figure) == ["x", "1", "−2", "0.5", "1.235e+06", "=", "y", "3.142"]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ([[[1, 2]], np.array([[True]])], ["", "1", "2", "", "1"]),
        ([[1, 2], [3, 4]], ["", "1", "2", "3", "4"]),
        (np.array([[np.nan, -np.inf]]), ["", "nan", "−inf"]),
    ],
)
def test_numbers_without_titles(arrays, said):
    assert words(plot.numbers(arrays)) == said


def test_numbers_marks_the_kernel_its_patch_and_the_result():
    figure = plot.numbers({"w": X[:2, :2], "x": X, "y": X[:2, :3]}, "⋆=", (0, 1))
    (w, _), (x, _), (y, _) = marks = tinted(figure)
    # The grids are 2, 4 and 3 wide with equal gaps; w and y begin half a cell below x, the highest.
    assert_allclose(w, (0, 0.5, 2, 2))
    assert_allclose(x, (2 + GAP + 1, 0, 2, 2))
    assert_allclose(y, (2 + GAP + 4 + GAP + 1, 0.5, 1, 1))
    assert {color for _, color in marks} == {ORANGE}


@pytest.mark.slow
def test_numbers_fit_their_cells():
    figure = plot.numbers({"x": np.array([[-1234.5678, 1], [-2e-7, 3]]), "y": np.eye(12)})
    (axes,) = figure.axes
    cell = 72 * figure.get_figwidth() / np.diff(axes.get_xlim())  # points
    for text in axes.texts:
        drawn = TextPath((0, 0), text.get_text(), text.get_size())
        assert text.get_text() in "xy" or drawn.get_extents().width < cell


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({},), "arrays must hold something to show"),
        (([1, 2],), "arrays must have the shape (H, W), got (2,)"),
        (({"a": [["x"]]},), "arrays['a'] must hold real numbers"),
        (
            ({"a": np.zeros((3, 0))},),
            "arrays['a'] must hold at least one number, got the shape (3, 0)",
        ),
        (({"a": np.zeros((80, 80))},), "arrays['a'] must have at most 5,000 numbers, got 6,400"),
        (([X, X], "++"), "signs must be fewer than the 2 arrays, got '++'"),
        (([X, X], 3), "signs must be a text, got 3"),
        (([X, X], "", (0, 0)), "place needs three arrays, got 2"),
        (([X[:2, :2], X, X[:2, :3]], "", (0, 3)), "place must be at most (1, 2), got (0, 3)"),
        (([X[:2, :2], X, X], "", (2, 0)), "place must be at most (1, 2), got (2, 0)"),
        (([X, X, X], "", (0, -1)), "place must be at least 0, got -1"),
        (([X, X[:2], X], "", (0, 0)), "arrays must be a kernel, a picture that it fits into"),
        (([X, X, X], "", "a"), "place must be an integer"),
    ],
)
def test_what_numbers_cannot_show_is_named(arguments, message):
    refused(plot.numbers, arguments, message)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=9), st.integers(0, 40))
def test_grids_that_do_not_fit_a_line_begin_another(wide, room):
    lines = _lines([(3, W) for W in wide], room)
    assert [n for line in lines for n in line] == [*range(len(wide))]
    for line in lines:
        assert len(line) == 1 or sum(wide[n] + GAP for n in line[1:]) + wide[line[0]] <= room


def test_a_formula_in_two_lines_has_the_sign_between_in_the_second(monkeypatch):
    monkeypatch.setenv(FIGURES, "phone")
    figure = plot.numbers([np.ones((1, 1)), np.ones((5, 9)), np.ones((5, 9))], "⋆=")
    (axes,) = figure.axes
    signs = {text.get_text(): text.get_position() for text in axes.texts if text.get_text() in "⋆="}
    assert signs["⋆"][1] < 5 < signs["="][1]
    assert signs["="][0] < signs["⋆"][0]
    first, last = figure.answers[0], figure.answers[-1]
    assert first.place[1] >= 6
    assert last.words == "Row 4, column 8: 1·1 = 1"


def test_tiles_colour_the_parts_and_draw_where_they_end():
    figure = plot.tiles({"x": X[:2], "y": [[7]]}, {"x": [[1, 1, 2, 0], [1, 1, 2, 0]]}, "→")
    said = ["x", *map(str, range(8)), "→", "y", "7"]
    assert words(figure) == said
    blue, orange = COLORS[:2]
    assert tinted(figure) == [
        ((j, i, 1, 1), orange if j == 2 else blue) for i in range(2) for j in range(3)
    ]
    ends = [line.get_xydata().tolist() for line in figure.axes[0].lines]
    assert ends == [[[j, i], [j, i + 1]] for i in range(2) for j in (2, 3)]


def test_tiles_of_grids_that_are_not_first_lie_where_they_are_drawn():
    figure = plot.tiles([X, [[5], [6]]], [np.zeros((3, 4)), [[0], [4]]])
    assert tinted(figure) == [((4 + GAP, 1.5, 1, 1), COLORS[3])]
    (end,) = figure.axes[0].lines
    assert end.get_xydata().tolist() == [[4 + GAP, 1.5], [4 + GAP + 1, 1.5]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"x": X}, {"y": X % 5}), "parts must have titles among ['x'], got 'y'"),
        (({"x": X}, {"x": X[:2, :2] % 5}), "parts must have the shape of the array 'x', (3, 4)"),
        (({"x": X}, {"x": X}), "parts['x'] must be at most 4, got 11"),
        (({"x": X}, {"x": X / 12}), "parts['x'] must hold integers, got 0.0833333"),
        (({"x": X}, {"x": -X}), "parts['x'] must be at least 0, got -11"),
        (([X, X], [X % 5]), "parts must be one for each of 2, got 1"),
        (({"x": X}, None), "parts must hold real numbers, got None"),
    ],
)
def test_what_tiles_cannot_show_is_named(arguments, message):
    refused(plot.tiles, arguments, message)


def test_the_patch_matrix_is_drawn_with_all_its_numbers():
    figure = plot.patch_matrix(X, (2, 3), [(0, 1)])
    first_row, last_row = ["0", "1", "4", "5"], ["6", "7", "10", "11"]
    assert words(figure)[-24:-20] == first_row
    assert words(figure)[-4:] == last_row
    (patch, color), (column, same) = tinted(figure)
    assert color == same == COLORS[0]
    assert_allclose(patch, (1, 1.5, 3, 2))
    assert_allclose(column, (4 + 2.2 + 1, 0, 1, 6))


@pytest.mark.parametrize(("side", "kernel"), [(3, 3), (3, 2), (6, 2), (4, 1)])
def test_on_a_phone_all_of_picture_and_matrix_is_in_view(side, kernel, monkeypatch):
    monkeypatch.setenv(FIGURES, "phone")
    figure = plot.patch_matrix(np.eye(side), (kernel, kernel), [(0, 0)])
    (axes,) = figure.axes
    (x0, x1), (y1, y0) = axes.get_xlim(), axes.get_ylim()
    boxes = [patch.get_bbox().extents for patch in axes.patches]
    for answer in figure.answers:
        boxes += [(x, y, x + w, y + h) for x, y, w, h in (answer.place, *answer.sources)]
    for left, top, right, bottom in boxes:
        assert x0 <= left < right <= x1
        assert y0 <= top < bottom <= y1


def test_the_patch_matrix_of_a_product_is_a_convolution(rng):
    x, w = rng.integers(0, 9, (4, 5)), rng.integers(0, 9, (2, 2))
    said = words(plot.patch_matrix(x, 2))
    matrix = np.array(said[-4 * 12 :], float).reshape(4, 12)
    y = conv2d(x[None, None], w[None, None])
    np.testing.assert_array_equal(w.ravel() @ matrix, y.ravel())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2], 2), "x must have the shape (H, W), got (2,)"),
        ((X, (4, 1)), "kernel must fit into the 3 x 4 pixels of x, got 4 x 1"),
        ((X, 0), "kernel must be at least 1, got 0"),
        ((X, (2, 2), [(2, 0)]), "marked must be up to 4 of x's patches, got [(2.0, 0.0)]"),
        ((X, (2, 2), [(0, 0)] * 5), "marked must be up to 4 of x's patches"),
        ((X, (2, 2), [(0.5, 0)]), "marked must be up to 4 of x's patches"),
        ((X, (2, 2), [0]), "marked must be (row, column) each, got the shape (1,)"),
        ((np.ones((40, 40)), 20), "the patch matrix of x must have at most 5,000 numbers"),
    ],
)
def test_what_the_patch_matrix_cannot_show_is_named(arguments, message):
    refused(plot.patch_matrix, arguments, message)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "crossed"),
    [(8, 3, 1, 0, 1, 0), (8, 3, 2, 0, 1, 1), (8, 3, 2, 1, 1, 1), (8, 3, 1, 0, 2, 0)],
)
def test_as_many_windows_are_drawn_as_the_output_has_numbers(
    size, kernel, stride, padding, dilation, crossed
):
    how = {"stride": stride, "padding": padding, "dilation": dilation}
    (axes,) = plot.slides({"title": {"size": size, "kernel": kernel, **how}}).axes
    pairs = {name: (1, value) if name != "padding" else (0, value) for name, value in how.items()}
    y = conv2d(np.ones((1, 1, 1, size)), np.ones((1, 1, 1, kernel)), **pairs)
    assert sum(line.get_color() == BLUE for line in axes.lines) == 2 * y.shape[3]
    assert sum(line.get_color() == ORANGE for line in axes.lines) == 4 * crossed
    for place, window in enumerate(line for line in axes.lines if line.get_marker() == "o"):
        seen = place * stride - padding + dilation * np.arange(kernel)
        assert_allclose(window.get_xdata(), padding + seen + 0.5)


def test_slides_without_titles_stand_below_one_another():
    figure = plot.slides([{"size": 4, "kernel": 2}, {"size": 3, "kernel": 3}], columns=1)
    assert words(figure) == ["", "0", "1", "2", "3", "", "0", "1", "2"]


KERNEL3 = {"size": 8, "kernel": 3}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"a": KERNEL3}, "3"), "columns must be an integer, got '3'"),
        (({"a": KERNEL3}, 0), "columns must be at least 1, got 0"),
        ((KERNEL3,), "settings['size'] must have size and kernel"),
        (({"a": {"size": 8}},), "settings['a'] must have size and kernel"),
        (
            ({"a": {**KERNEL3, "strid": 2}},),
            "settings['a'] must have size and kernel, and may have",
        ),
        (({"a": {**KERNEL3, "stride": 0}},), "stride of settings['a'] must be at least 1, got 0"),
        (({"a": {**KERNEL3, "size": "8"}},), "size of settings['a'] must be an integer, got '8'"),
        (
            ({"a": {**KERNEL3, "dilation": 4}},),
            "kernel of settings['a'] must span at most 8 pixels",
        ),
        (
            ({"a": {**KERNEL3, "size": 10**6}},),
            "settings['a'] must have at most 200 pixels with padding, got 1000000",
        ),
        (({},), "settings must hold something to show, got {}"),
        ((None,), "settings must have size and kernel"),
    ],
)
def test_what_slides_cannot_show_is_named(arguments, message):
    refused(plot.slides, arguments, message)


def test_pairs_fill_a_square_for_each_pair():
    figure = plot.pairs([[True, False, False], [False, False, True]], "maps of S2", "maps of C3")
    (first, color), (last, same) = tinted(figure)
    assert_allclose([first, last], [(0.15, 0.15, 0.7, 0.7), (2.15, 1.15, 0.7, 0.7)])
    assert color == same == BLUE
    outlines = [box.get_bbox().bounds for box in figure.axes[0].patches if not box.get_fill()]
    assert outlines == [(j, i, 1, 1) for i in range(2) for j in range(3)]
    assert words(figure) == ["0", "1", "0", "1", "2", "maps of C3", "maps of S2"]
    places = {text.get_text(): text.get_position() for text in figure.axes[0].texts[2:5]}
    assert {label: x for label, (x, _) in places.items()} == {"0": 0.5, "1": 1.5, "2": 2.5}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 0], "r", "c"), "table must have the shape (H, W), got (2,)"),
        ((np.ones((99, 99)), "r", "c"), "table must have at most 5,000 numbers, got 9,801"),
        (([[1]], None, "c"), "rows must be a text, got None"),
        (([[1]], "r", 3), "columns must be a text, got 3"),
    ],
)
def test_what_pairs_cannot_show_is_named(arguments, message):
    refused(plot.pairs, arguments, message)


def test_a_confusion_matrix_shows_what_was_taken_for_what():
    figure = plot.confusion([[50, 2, 0], [0, 48, 1], [4, 0, 45]], ["cat", "dog", "cow"])
    (axes,) = figure.axes
    said = {text.get_text(): text.get_position() for text in axes.texts}
    assert {count: (round(x), round(y)) for count, (x, y) in said.items()} == {
        **{"50": (0, 0), "48": (1, 1), "45": (2, 2)},
        **{"2": (1, 0), "1": (2, 1), "4": (0, 2)},
    }
    boxes = {box.get_bbox().bounds[:2]: box for box in axes.patches}
    right = [boxes[i - 0.5, i - 0.5] for i in range(3)]
    assert {to_hex(box.get_facecolor()) for box in right} == {BLUE}
    wrong = [boxes[0.5, -0.5], boxes[1.5, 0.5], boxes[-0.5, 1.5]]  # 2, 1 and 4
    assert {to_hex(box.get_facecolor()) for box in wrong} == {ORANGE}
    assert_allclose([box.get_alpha() for box in wrong], [0.45, 0.3, 0.75])  # the most, the darkest
    assert len(boxes) == 6
    for axis in (axes.xaxis, axes.yaxis):
        assert [label.get_text() for label in axis.get_ticklabels()] == ["cat", "dog", "cow"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    assert axes.yaxis_inverted()


def test_a_confusion_matrix_without_errors_names_classes_by_number():
    (axes,) = plot.confusion(np.diag([3, 4])).axes
    assert [text.get_text() for text in axes.texts] == ["3", "4"]
    assert [label.get_text() for label in axes.xaxis.get_ticklabels()] == ["0", "1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2],), "counts must have the shape (H, W), got (2,)"),
        (([[1, 2]],), "counts must have the shape (K, K), got (1, 2)"),
        (([[-1]],), "counts must be at least 0, got -1"),
        (([[0.9, 0.1], [0.45, 0.55]],), "counts must hold integers, got 0.9"),
        (([[np.nan]],), "counts must be finite, got nan"),
        (([[1]], ["a", "b"]), "labels must be 1 texts, got 2"),
        (([[1]], "a"), "labels must be a list of texts, got 'a'"),
    ],
)
def test_what_a_confusion_matrix_cannot_show_is_named(arguments, message):
    refused(plot.confusion, arguments, message)
