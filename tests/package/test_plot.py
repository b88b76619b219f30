"""Figures are SVG that stands alone, the same on each build, exact, and inked as the page is."""

import base64
import hashlib
import io
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.textpath import TextPath
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from convdocs import CNN, Conv2d, Flatten, Linear, ReLU, data, exchange
from convdocs.book import plot

COLOR = data.photo(color=True)[:, 100:300]
PHOTO = COLOR[1]
LEVELS = np.array([[0, 51, 255], [153, 102, 204]])  # of the 256 that a screen has
X = np.arange(12).reshape(3, 4)
FIGURES = {
    "a photograph": lambda: plot.images({"photo": PHOTO}, boxes=[(120, 0, 1, 512)]),
    "two in colour": lambda: plot.images({"one": COLOR, "two": COLOR[:, ::-1]}),
    "a map with negative numbers": lambda: plot.images({"slope": np.diff(PHOTO)}),
    "small grids": lambda: plot.images({name: LEVELS / 255 for name in "abcd"}),
    "numbers": lambda: plot.numbers({"w": X[:2, :2], "x": X, "y": X[:2, :3]}, "⋆=", (0, 1)),
    "curves": lambda: plot.lines({"loss": [3, 2, 1], "error": ([1, 2], [4, 5])}, "step", "$L$"),
    "curves apart": lambda: plot.lines({"a": [1, 2], "b": [3, 4]}, "column", apart=True),
    "a roofline": lambda: plot.roofline(40, 16, {"a": ([1, 9], [8, 30]), "b": ([0.5, 2], [7, 9])}),
    "powers of ten": lambda: plot.lines({"a": [1, 10, 1000]}, "x", "y", log="xy"),
}
SPACES = r'\sxmlns(:\w+)?="[^"]*"'


def pictures(svg):
    """Return the kind and the pixels, from 0 to 255, of each picture in an SVG."""
    for kind, text in re.findall(r'"data:image/(\w+);base64,([^"]*)"', svg):
        # matplotlib stores them upside down, and turns them by transform="scale(1 -1)…"
        yield kind, np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"))[::-1]


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_every_figure_stands_alone_and_follows_the_page(draw):
    figure = draw()
    svg = figure._repr_svg_()
    assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert plot.INK not in svg.lower()
    assert "currentColor" in svg
    style = re.search(r"<style>(.*?)</style>", svg, re.DOTALL)[1]
    light, dark = re.findall(r"svg \{ color: (#\w{6}) \}", style)
    assert int(light[1:], 16) < 0x303030 < 0xD0D0D0 < int(dark[1:], 16)
    assert f"@media (prefers-color-scheme: dark) {{ svg {{ color: {dark} }} }}" in style
    assert "//" not in re.sub(r"base64,[^\"]*", "", re.sub(SPACES, "", svg))  # no other host
    assert not re.search(r"(href|src)=\"(?!#|data:)|<metadata|<dc:date|20\d\d-\d\d", svg)
    assert figure._repr_svg_() == draw()._repr_svg_() == svg


def test_another_process_draws_the_same_bytes_and_needs_no_pyplot():
    code = """
import hashlib, sys
from convdocs.book import plot
svg = plot.images({"a": [[0, 0.5]]})._repr_svg_() + plot.lines({"a": [1, 2]}, "x")._repr_svg_()
print(hashlib.sha256(svg.encode()).hexdigest(), "matplotlib.pyplot" in sys.modules)
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    svg = plot.images({"a": [[0, 0.5]]})._repr_svg_() + plot.lines({"a": [1, 2]}, "x")._repr_svg_()
    assert done.stdout.split() == [hashlib.sha256(svg.encode()).hexdigest(), "False"]


def test_a_photograph_is_small_and_still_itself():
    svg = FIGURES["two in colour"]()._repr_svg_()
    kinds, shown = zip(*pictures(svg), strict=True)
    assert kinds == ("webp", "webp")
    assert len(svg) < 150_000
    for pixels, expected in zip(shown, [COLOR, COLOR[:, ::-1]], strict=True):
        size = pixels.shape[1::-1]
        wanted = Image.fromarray((255 * expected).astype(np.uint8).transpose(1, 2, 0)).resize(size)
        assert np.abs(pixels.astype(float) - wanted).mean() < 5


GRIDS = {  # an array, and the pixels that a screen shows for it
    "grey": (LEVELS / 255, np.stack([LEVELS] * 3, -1)),
    "beyond black and white": (LEVELS / 102, np.stack([[[0, 128, 255], [255] * 3]] * 3, -1)),
    "colour": (np.stack([LEVELS, LEVELS.T[:2, [0, 1, 1]], 255 - LEVELS]) / 255, None),
    "wide": (np.eye(2, 64), np.stack([255 * np.eye(2, 64)] * 3, -1)),
}


@pytest.mark.parametrize(("array", "pixels"), GRIDS.values(), ids=GRIDS)
def test_a_small_grid_is_exact(array, pixels):
    if pixels is None:
        pixels = np.rint(255 * array).transpose(1, 2, 0)
    ((kind, shown),) = pictures(plot.images({"grid": array})._repr_svg_())
    H, W = pixels.shape[:2]
    rows, columns = (
        (np.arange(n) + 0.5) * m / n for n, m in zip((H, W), shown.shape, strict=False)
    )
    assert kind == "png"
    assert_array_equal(shown[np.ix_(rows.astype(int), columns.astype(int))], pixels.astype(int))
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) == len(  # squares, with no colours between
        np.unique(pixels.reshape(-1, 3), axis=0)
    )


def test_a_map_is_red_below_zero_white_at_zero_and_blue_above():
    ((_, shown),) = pictures(plot.images({"map": [[-2.0, 0, 2]]})._repr_svg_())
    red, white, blue = shown[shown.shape[0] // 2, shown.shape[1] * np.array([1, 3, 5]) // 6]
    assert red[0] > 90 > 60 > max(red[1:])
    assert min(white) > 240
    assert blue[2] > 90 > 60 > blue[0]


def test_a_box_frames_whole_pixels():
    figure = plot.images({"a": X / 11}, boxes=[(1, 2, 2, 1)])
    (box,) = figure.axes[0].patches
    assert_array_equal(box.get_bbox().extents, [1.5, 0.5, 2.5, 2.5])


@pytest.mark.parametrize(("count", "columns"), [(1, 3), (4, 3), (4, 2), (2, 1)])
def test_each_picture_has_its_title_and_none_is_empty(count, columns):
    names = [f"picture {number}" for number in range(count)]
    figure = plot.images(dict.fromkeys(names, X / 11), columns)
    assert [axes.get_title() for axes in figure.axes] == names
    across = {round(axes.get_position().x0, 2) for axes in figure.axes}
    assert len(across) == min(count, columns)


PENCIL = {  # an array, and how dark the pencil draws it
    "shades": (np.arange(201.0), 1 - np.minimum(np.arange(201) / 199, 1)),  # 199: 99.5 percent
    "nothing": (np.zeros((2, 3)), np.ones((2, 3))),
    "even": (np.full((2, 2), 7.0), np.zeros((2, 2))),
    "integers": ([[0, 4]], [[1, 0]]),
}


@pytest.mark.parametrize(("array", "expected"), PENCIL.values(), ids=PENCIL)
def test_pencil(array, expected):
    assert_allclose(plot.pencil(array), expected, atol=1e-12)


def test_numbers_shows_each_number_title_and_sign():
    figure = plot.numbers({"x": [[1, -2], [0.5, 1234567]], "y": [[3.14159]]}, "=")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["x", "1", "−2", "0.5", "1.235e+06", "=", "y", "3.142"]


def test_numbers_marks_the_kernel_its_patch_and_the_result():
    marks = [patch for patch in FIGURES["numbers"]().axes[0].patches if patch.get_alpha()]
    w, x, y = (patch.get_bbox().bounds for patch in marks)
    # The grids are 2, 4 and 3 wide with equal gaps; w and y begin half a cell below x, the highest.
    assert_allclose(w, (0, 0.5, 2, 2))
    assert_allclose(x, (2 + plot.GAP + 1, 0, 2, 2))
    assert_allclose(y, (2 + plot.GAP + 4 + plot.GAP + 1, 0.5, 1, 1))


def test_numbers_fit_their_cells():
    figure = plot.numbers({"x": np.array([[-1234.5678, 1], [-2e-7, 3]]), "y": np.eye(12)})
    (axes,) = figure.axes
    cell = 72 * figure.get_figwidth() / np.diff(axes.get_xlim())  # points
    for text in axes.texts:
        drawn = TextPath((0, 0), text.get_text(), text.get_size())
        assert text.get_text() in "xy" or drawn.get_extents().width < cell


def test_curves_have_labels_axes_and_styles_of_their_own():
    axes = FIGURES["curves"]().axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "$L$")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["loss", "error"]
    assert len({line.get_color() for line in axes.lines}) == 2
    assert len({line.get_linestyle() for line in axes.lines}) == 2
    assert_array_equal(axes.lines[0].get_xydata(), [[0, 3], [1, 2], [2, 1]])
    assert_array_equal(axes.lines[1].get_xydata(), [[1, 4], [2, 5]])
    apart = FIGURES["curves apart"]().axes
    assert [(each.get_xlabel(), each.get_ylabel()) for each in apart] == [
        ("", "a"),
        ("column", "b"),
    ]
    (powers,) = FIGURES["powers of ten"]().axes
    assert (powers.get_xscale(), powers.get_yscale()) == ("log", "log")


def words(figure):
    """Return every text of a figure."""
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_volumes_write_title_and_shape():
    said = words(plot.volumes({"input": (3, 32, 32), "output": (10,)}))
    assert said == ["3 × 32 × 32", "input", "10", "output"]


def test_volumes_are_drawn_to_scale():
    big, small = (
        plot.volumes({"a": (4, 16, 16), "b": (4, side, side)}).axes[0].patches[3]
        for side in (16, 8)
    )
    heights = [patch.get_path().get_extents().height for patch in (big, small)]
    assert heights[0] == pytest.approx(2 * heights[1])


def test_every_bar_has_its_number():
    figure = plot.bars({"one": {"a": 1, "b": 2000}, "two": {"a": 0, "b": 0}})
    assert words(figure) == ["1", "2,000", "0", "0"]
    assert [axes.get_title() for axes in figure.axes] == ["one", "two"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a", "b"]


def test_written_writes_at_each_place():
    figure = plot.written([[0.0] * 20] * 10, {(0, 1): 7, (2, 10): 3})
    assert words(figure) == ["7", "3"]
    assert figure.axes[0].patches[1].get_xy() == (9.5, 1.5)


def local(outs, ins, reach):
    return np.abs(np.arange(ins) - np.arange(outs)[:, None]) <= reach


def test_connections_draws_a_line_for_each_connection_and_a_circle_for_each_node():
    figure = plot.connections({"all": np.ones((4, 6)), "few": local(4, 6, 1)})
    for axes, lines in zip(figure.axes, (24, local(4, 6, 1).sum()), strict=True):
        assert len(axes.lines) == lines
        assert len(axes.patches) == 10
    assert "<svg" in figure._repr_svg_()


def test_connections_draws_layers_with_their_biases():
    (axes,) = plot.connections([np.ones((5, 7)), np.ones((3, 6))], bias=True).axes
    assert len(axes.lines) == (6 + 1) * 5 + (5 + 1) * 3
    assert len(axes.patches) == 6 + 1 + 5 + 1 + 3
    assert [text.get_text() for text in axes.texts].count("1") == 2


def test_equal_weights_look_alike_and_different_ones_do_not():
    mask = local(12, 12, 20)
    weights = np.arange(12) + 0 * mask
    (axes,) = plot.connections(mask, weights).axes
    looks = [(line.get_color(), line.get_linestyle()) for line in axes.lines]
    assert len(set(looks)) == 12
    assert looks[:12] == looks[12:24]


@pytest.mark.parametrize(
    ("masks", "colors", "message"),
    [
        (np.ones(3), None, "masks must have the shape"),
        ([np.ones((5, 3)), np.ones((2, 4))], None, "masks must fit: 5 nodes"),
        (np.ones((2, 3)), np.ones((3, 2)), "colors must have the shapes of masks"),
        ({"a": np.ones((2, 3)), "b": np.ones((2, 3))}, np.ones((2, 3)), "colors must be as many"),
    ],
)
def test_connections_that_do_not_fit_say_so(masks, colors, message):
    with pytest.raises(ValueError, match=message):
        plot.connections(masks, colors)


def test_bands_reach_from_the_smallest_to_the_largest():
    runs = np.array([[0.1, 0.5], [0.3, 0.6], [0.2, 0.7]])
    (axes,) = plot.bands({"test": ([10, 1000], runs)}, "images", log="x").axes
    assert np.allclose(axes.lines[0].get_ydata(), [0.2, 0.6])
    corners = axes.collections[0].get_paths()[0].vertices
    assert {(10, 0.1), (10, 0.3), (1000, 0.5), (1000, 0.7)} <= set(map(tuple, corners))
    assert [label.get_text() for label in axes.get_xticklabels()] == ["10", "1,000"]


def test_histogram_counts_what_is_above_zero():
    picture = plot.histogram({"a": [0, 1e-3, 1e-3, 1], "b": [[0.1], [0]]}, "size", {"here": 0.01})
    axes = picture.axes[0]
    heights = [each.get_data().values for each in axes.patches]
    assert [each.sum() for each in heights] == [3, 1]
    assert heights[0][0] == 2
    assert heights[0][-1] == 1
    assert "here" in [each.get_text().strip() for each in axes.texts]


def test_graph_writes_each_node_its_weights_and_what_flows(tmp_path):
    onnx = pytest.importorskip("onnx")
    model = CNN([Conv2d(1, 2, 3, rng=0), ReLU(), Flatten(), Linear(72, 4, bias=False, rng=0)])
    exchange.to_onnx(model, tmp_path / "model.onnx", (1, 8, 8))
    picture = plot.graph(onnx.load(tmp_path / "model.onnx"))
    texts = [each.get_text() for each in picture.axes[0].texts if each.get_text()]
    assert texts == [
        *("x:  N × 1 × 8 × 8", "Conv", "0.y:  N × 2 × 6 × 6"),
        *("0.weight:  2 × 1 × 3 × 3\n0.bias:  2", "Relu", "1.y:  N × 2 × 6 × 6"),
        *("Flatten", "2.y:  N × 72", "Gemm", "y:  N × 4", "3.weight:  4 × 72"),
    ]


def test_a_roofline_bends_at_its_ridge_and_has_a_dot_and_a_letter_for_each_case():
    groups = {"blocks": ([1, 9, 20], [8, 30, 39]), "whole": ([0.5, 2, 3], [7, 9, 12])}
    axes = plot.roofline(40, 16, groups).axes[0]
    low, high = axes.get_xlim()
    roof, *cases = axes.lines[:4]
    assert_allclose(roof.get_xydata(), [(low, 16 * low), (2.5, 40), (high, 40)])
    assert low < 0.5
    assert high > 20
    joined = [line.get_xydata() for line in cases]  # (case, group, coordinate)
    assert_allclose(joined, np.array(list(groups.values())).transpose(2, 0, 1))
    for dots, (label, points) in zip(axes.lines[4:], groups.items(), strict=True):
        assert dots.get_label() == label
        assert_allclose(dots.get_xydata().T, points)
    assert {text.get_text(): text.xy for text in axes.texts} == dict(
        zip("abc", zip(*groups["blocks"], strict=True), strict=True)
    )
