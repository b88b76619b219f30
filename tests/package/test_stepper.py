"""Figures to step through: every frame is what the package computes, and the HTML stands alone."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from convdocs import conv2d, conv2d_backward, max_pool2d
from convdocs.book import stepper

DRAW = [
    lambda rng: stepper.convolution(rng.integers(-9, 9, (4, 5)), rng.integers(-9, 9, (2, 3))),
    lambda rng: stepper.max_pooling(rng.integers(-9, 9, (4, 6)), (2, 3), (2, 1)),
    lambda rng: stepper.backward(*(rng.normal(size=s) for s in ((2, 3), (4, 5), (3, 3)))),
]


def maps(*arrays):
    return [np.asarray(array)[None, None] for array in arrays]


@pytest.mark.parametrize("stride", [1, 2, (2, 1)])
def test_a_convolution_is_written_number_by_number(rng, stride):
    x, w = rng.integers(-9, 10, (6, 7)), rng.integers(-9, 10, (3, 2))
    frames = stepper.convolution(x, w, stride).frames
    y = conv2d(*maps(x, w), stride=stride)[0, 0]
    sH, sW = np.broadcast_to(stride, 2)
    assert len(frames) == y.size
    for number, ((i, j), frame) in enumerate(zip(np.ndindex(y.shape), frames, strict=True)):
        so_far = frame.grids["y"].values.ravel()
        np.testing.assert_array_equal(so_far[: number + 1], y.flat[: number + 1])
        assert np.isnan(so_far[number + 1 :]).all()
        assert np.argwhere(frame.grids["y"].colors).tolist() == [[i, j]]
        marked = frame.grids["x"].colors > 0
        np.testing.assert_array_equal(x[marked], x[i * sH : i * sH + 3, j * sW : j * sW + 2].flat)
        assert (
            eval(re.split(": | = ", frame.words.replace("−", "-").replace("·", "*"))[1]) == y[i, j]
        )
        assert f"= {y[i, j]:.0f}, written to y[{i}, {j}].".replace("-", "−") in frame.words


def test_pooling_marks_the_window_and_the_first_of_its_largest():
    x = np.array([[1, 3, 2], [3, 0, 4], [3, 3, -1]])
    frames = stepper.max_pooling(x, 2, stride=1).frames
    np.testing.assert_array_equal(
        frames[-1].grids["y"].values, max_pool2d(x[None, None], 2, 1)[0, 0]
    )
    chosen = [np.argwhere(frame.grids["x"].colors == stepper.CHOSEN).tolist() for frame in frames]
    assert chosen == [[[0, 1]], [[1, 2]], [[1, 0]], [[1, 2]]]
    windows = [np.argwhere(frame.grids["x"].colors)[[0, -1]].tolist() for frame in frames]
    assert windows == [[[i, j], [i + 1, j + 1]] for i, j in np.ndindex(2, 2)]
    assert frames[2].words == (
        "Window at row 1, column 0: the largest of 3, 0, 3, 3 is 3, written to y[1, 0]."
    )


@pytest.mark.parametrize("stride", [1, 2])
def test_each_step_backward_adds_what_its_output_hands_out(rng, stride):
    x, w = rng.integers(-9, 10, (5, 6)), rng.integers(-9, 10, (2, 3))
    dy = rng.integers(-9, 10, conv2d(*maps(x, w), stride=stride).shape[2:])
    frames = stepper.backward(dy, x, w, stride).frames
    dx, dw, _ = conv2d_backward(*maps(dy, x, w), stride=stride)
    np.testing.assert_array_equal(frames[-1].grids["dx"].values, dx[0, 0])
    np.testing.assert_array_equal(frames[-1].grids["dw"].values, dw[0, 0])
    before = {"dx": np.zeros(x.shape), "dw": np.zeros(w.shape)}
    for (i, j), frame in zip(np.ndindex(dy.shape), frames, strict=True):
        window = frame.grids["dx"].colors > 0
        added = {name: frame.grids[name].values - before[name] for name in before}
        np.testing.assert_array_equal(added["dx"][window], dy[i, j] * w.ravel())
        assert not added["dx"][~window].any()
        np.testing.assert_array_equal(added["dw"].ravel(), dy[i, j] * x[window])
        before = {name: frame.grids[name].values for name in before}


@pytest.mark.parametrize("draw", DRAW)
def test_it_stands_alone_and_is_small(draw):
    steps = draw(np.random.default_rng(0))
    html = steps._repr_html_()
    frames = ET.fromstring(html).findall("li")  # well-formed, as an e-book needs it
    said = [frame.find("{http://www.w3.org/2000/svg}svg").get("aria-label") for frame in frames]
    assert len(set(said)) == len(frames) == len({frame.find("p").text for frame in frames})
    assert "currentColor" in html
    assert not re.search(r"\b(id|href|src|class)=(?!\"stepper\")", html)
    cells = sum(grid.values.size for frame in steps.frames for grid in frame.grids.values())
    assert len(html) < 150 * cells  # bytes
    assert html == draw(np.random.default_rng(0))._repr_html_()


def test_long_numbers_fit_their_cells_and_blanks_are_said():
    html = stepper.convolution([[-1234.5678, 2]], [[1000]])._repr_html_()
    sizes = {
        text: int(size) for size, text in re.findall(r'font-size="(\d+)">([^<]+)</text>', html)
    }
    assert sizes["2"] == 15
    assert all(0.62 * size * len(text) <= stepper.CELL for text, size in sizes.items())
    assert "y = (−1.235e+06 blank), marked: row 0, column 0" in html


@pytest.mark.slow
def test_it_needs_numpy_and_no_more():
    code = "import sys; from convdocs.book import stepper; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.float16, np.float32])
def test_products_fit_whatever_the_type(dtype):
    dy = np.array([[200]]).astype(dtype)
    x = np.array([[3, 1]]).astype(dtype)
    frame = stepper.backward(dy, x, x).frames[0]
    d, (left, right) = float(dy[0, 0]), x[0].astype(float)
    for product in (f"{d * left:g} {d * right:g}", f"{d:g} adds {d:g}·w"):
        assert product.replace("-", "−") in frame.words
    np.testing.assert_array_equal(frame.grids["dx"].values, [[d * left, d * right]])


def test_zero_has_no_sign():
    words = stepper.convolution([[0, 2]], [[-3, 1]]).frames[0].words
    assert words == "Window at row 0, column 0: −3·0 + 1·2 = 2, written to y[0, 0]."
    assert "(0 −3)" in stepper.backward([[-1]], [[0, 3]], [[-1, 2]]).frames[0].words


def grids(*titles):
    return {title: stepper.Grid(np.eye(2), np.zeros((2, 2), int)) for title in titles}


def test_a_stepper_of_ones_own_may_have_any_title_and_no_marks():
    frames = [stepper.Frame(grids("a<b", "&"), "1 < 2")]
    html = stepper.Stepper(frames, (("a<b", "&"),), "<")._repr_html_()
    svg = ET.fromstring(html).find("li").find("{http://www.w3.org/2000/svg}svg")
    assert svg.get("aria-label") == "a<b = (1 0; 0 1); & = (1 0; 0 1)"
    assert "".join(svg.itertext()).count("<") == 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((("a", "c"),), "frames must have the grids of rows, got none for {'c'}"),
        (
            (("a", "b"), ("a",)),
            "rows must be equally long, and name a grid, got (('a', 'b'), ('a',))",
        ),
        ((), "rows must be equally long, and name a grid, got ()"),
        ((("", ""),), "rows must be equally long, and name a grid, got (('', ''),)"),
    ],
)
def test_frames_that_do_not_fit_their_rows_are_refused(rows, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        stepper.Stepper([stepper.Frame(grids("a", "b"), "")], rows)


LARGE = np.ones((60, 60))
NO_PICTURES = [None, "a", b"a", 1j, object(), print, [], [[]], [1, 2], [["a"]], [[1], [1, 2]], ...]
NO_PICTURES += [[[None]], [[np.nan]], [[-np.inf]], np.zeros((1, 1, 1)), {1}, {}, {"a": 1}]
NO_SIZES = ["a", "2", b"1", 1.5, 1j, 0, -1, (1, 2, 3), (), [1.0, 1], {2}, {}, object(), print, True]
NO_SIZES += [np.nan, 10**30, np.zeros((2, 2)), (1, 0), (None, 1), ...]


@pytest.mark.parametrize(
    ("draw", "argument", "wrong"),
    [
        (lambda x: stepper.convolution(x, [[1]]), "x", NO_PICTURES),
        (lambda w: stepper.convolution([[1]], w), "weight", [*NO_PICTURES, LARGE]),
        (lambda s: stepper.convolution([[1, 2]], [[1]], s), "stride", [*NO_SIZES, None]),
        (lambda x: stepper.max_pooling(x, 1), "x", [*NO_PICTURES, LARGE]),
        (lambda k: stepper.max_pooling([[1]], k), "kernel_size", [*NO_SIZES, None, 2, (1, 2)]),
        (lambda s: stepper.max_pooling([[1]], 1, s), "stride", NO_SIZES),
        (lambda dy: stepper.backward(dy, [[1]], [[1]]), "dy", [*NO_PICTURES, [[1, 2]], LARGE]),
        (lambda x: stepper.backward([[1]], x, [[1]]), "x", NO_PICTURES),
        (lambda w: stepper.backward([[1]], [[1]], w), "weight", [*NO_PICTURES, [[1, 2]]]),
        (lambda s: stepper.backward([[1]], [[1]], [[1]], s), "stride", [*NO_SIZES, None]),
    ],
)
def test_wrong_arguments_are_refused_by_their_names(draw, argument, wrong):
    for value in wrong:
        with pytest.raises((ValueError, TypeError), match=f"^{argument} must "):
            draw(value)


def test_a_picture_too_large_to_step_through_says_how_many_frames_it_has():
    with pytest.raises(ValueError, match=r"^x must be small, .* got 60 x 60 frames"):
        stepper.convolution(LARGE, [[1]])


def test_an_error_speaks_of_the_shapes_that_were_passed():
    with pytest.raises(ValueError, match=r"output's shape \(2, 1\), got \(1, 2\)"):
        stepper.backward([[1, 2]], [[1, 2], [3, 4]], [[1, 1]])
    with pytest.raises(ValueError, match=r"span of 1 x 2 .* in images of 1 x 1"):
        stepper.convolution([[1]], [[1, 2]])
