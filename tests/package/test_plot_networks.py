"""Networks are drawn with each node, each connection and each operator, volumes to scale."""

import re

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from convdocs import CNN, Conv2d, Flatten, Linear, ReLU, exchange
from convdocs.book import plot
from convdocs.book.ink import BLUE, COLORS, RED


def local(outs, ins, reach):
    return np.abs(np.arange(ins) - np.arange(outs)[:, None]) <= reach


def words(axes):
    return [text.get_text() for text in axes.texts if text.get_text()]


def looks(axes):
    return [(line.get_color(), line.get_linestyle()) for line in axes.lines]


def refused(draw, arguments, message):
    with pytest.raises((ValueError, TypeError), match="^" + re.escape(message)):
        draw(*arguments)


def test_connections_draws_a_line_for_each_connection_and_a_circle_for_each_node():
    figure = plot.connections({"all": np.ones((4, 6)), "few": local(4, 6, 1)})
    for axes, lines in zip(figure.axes, (24, local(4, 6, 1).sum()), strict=True):
        assert len(axes.lines) == lines
        assert len(axes.patches) == 10
    assert [axes.get_title() for axes in figure.axes] == ["all", "few"]
    assert not figure.legends


def test_each_line_leads_from_its_input_to_its_output():
    mask = np.array([[1, 0, 0], [0, 1, 1]])
    (axes,) = plot.connections(mask).axes
    circles = np.array([circle.center for circle in axes.patches])
    inputs, outputs = circles[:3], circles[3:]
    for (i, j), line in zip(np.argwhere(mask), axes.lines, strict=True):
        start, end = line.get_xydata()
        way = outputs[i] - inputs[j]
        for there, node in ((start, inputs[j]), (end, outputs[i])):
            off = there - node
            assert np.cross(np.r_[way, 0], np.r_[off, 0])[2] == pytest.approx(0)  # on the way
            assert np.hypot(*off) == pytest.approx(axes.patches[0].radius)  # at the circle


def test_connections_draws_layers_with_their_biases():
    (axes,) = plot.connections([np.ones((5, 7)), np.ones((3, 6))], bias=True).axes
    assert len(axes.lines) == (6 + 1) * 5 + (5 + 1) * 3
    assert len(axes.patches) == 6 + 1 + 5 + 1 + 3
    assert words(axes) == ["1", "1"]


def test_connections_names_the_rows_from_below():
    (axes,) = plot.connections(
        [np.ones((2, 3)), np.ones((1, 2))], names=("in", "hidden", "out")
    ).axes
    heights = [text.get_position()[1] for text in axes.texts if text.get_text()]
    assert words(axes) == ["in", "hidden", "out"]
    assert heights == sorted({circle.center[1] for circle in axes.patches})


def test_equal_weights_look_alike_and_different_ones_do_not():
    mask = local(12, 12, 20)
    figure = plot.connections(mask, np.arange(12) + 0 * mask)
    found = looks(figure.axes[0])
    assert len(set(found)) == 12
    assert found[:12] == found[12:24]


@pytest.mark.slow
def test_a_legend_names_the_weights_as_they_look():
    near = local(3, 3, 1)
    number = np.where(near, np.arange(3) - np.arange(3)[:, None] + 1, -1)
    figure = plot.connections({"alike": near, "shared": near}, {"shared": number})
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["$w_{0}$", "$w_{1}$", "$w_{2}$"]
    named = [(line.get_color(), line.get_linestyle()) for line in legend.get_lines()]
    assert [color for color, _ in named] == list(COLORS[:3])
    alike, shared = map(looks, figure.axes)
    assert len(set(alike)) == 1
    assert not set(alike) & set(named)
    assert shared == [named[n] for n in number[near]]


def test_weights_that_are_not_told_apart_are_faint():
    figure = plot.connections(np.ones((1, 3)), np.array([[-1, 0, -1]]))
    strengths = [line.get_alpha() for line in figure.axes[0].lines]
    assert strengths[1] == 1 > 2 * strengths[0] == 2 * strengths[2]
    assert not figure.legends  # one colour is no key to anything


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones(3),), "masks must have the shape (H, W), got (3,)"),
        (
            ([np.ones((5, 3)), np.ones((2, 4))],),
            "masks must fit on top of one another, got a layer",
        ),
        (({"a": [np.ones((5, 3)), np.ones(2)]},), "masks['a'][1] must have the shape (H, W)"),
        (([[["x"]]],), "masks[0] must hold real numbers"),
        (({},), "masks must hold something to show"),
        ((np.ones((99, 99)),), "masks must have at most 5,000 numbers, got 9,801"),
        (
            (np.ones((2, 3)), np.ones((3, 2))),
            "weights must have the shapes of masks, [(2, 3)], got",
        ),
        (
            (np.ones((2, 3)), [np.ones((2, 3))] * 2),
            "weights must have the shapes of masks, [(2, 3)]",
        ),
        (({"a": np.eye(2), "b": np.eye(2)}, np.eye(2)), "weights must be one for each of 2, got 1"),
        (({"a": np.eye(2)}, {"b": np.eye(2)}), "weights must have titles among ['a'], got 'b'"),
        ((np.eye(2), np.eye(2) / 2), "weights must hold integers, got 0.5"),
        ((np.eye(2), 16 * np.eye(2)), "weights must be at most 15, got 16"),
        ((np.eye(2), -2 * np.eye(2)), "weights must be at least -1, got -2"),
        ((np.eye(2), None, "ab"), "names must be a list of texts, got 'ab'"),
        ((np.eye(2), None, ["in", "out", "more"]), "names must be 2 texts, got 3"),
        ((np.eye(2), None, (), "2"), "columns must be an integer, got '2'"),
        ((np.eye(2), None, (), 2, None), "bias must be True or False, got None"),
        ((np.ones((2, 1)), None, (), 2, True), "masks must have a column beside the bias"),
    ],
)
def test_what_connections_cannot_show_is_named(arguments, message):
    refused(plot.connections, arguments, message)


def test_maps_are_blue_above_zero_red_below_and_clear_at_zero(rng):
    volume = rng.normal(size=(11, 4, 5)).round(1)
    (axes,) = plot.maps({"picture": np.eye(3)[None], "maps": volume}).axes
    shown = [image.get_array() for image in axes.images]
    assert [each.shape for each in shown] == [(3, 3, 4)] + [(4, 5, 4)] * 11
    assert words(axes) == ["picture", "maps"]
    for values, rgba in zip(volume, shown[1:], strict=True):
        np.testing.assert_allclose(rgba[..., 3], np.abs(values) / np.abs(volume).max())
        for color, where in ((BLUE, values > 0), (RED, values < 0)):
            np.testing.assert_allclose(rgba[where, :3], [to_rgb(color)] * where.sum())
    left, right, *_ = np.array([image.get_extent() for image in axes.images[1:]]).T
    assert len(np.unique(left)) == 2  # eight in a column
    assert (right > left).all()


def test_maps_write_the_numbers_of_a_list():
    (axes,) = plot.maps([np.zeros((1, 2, 2)), [0.5, -2]]).axes
    assert words(axes) == ["0:  0.50", "1:  −2.00"]
    (strengths,) = np.array([[each.get_alpha() for each in axes.patches if each.get_fill()]])
    np.testing.assert_allclose(strengths, [0.125, 0.5])


@pytest.mark.parametrize("volume", [np.zeros((2, 3)), np.zeros((999, 1, 1)), np.zeros(999)])
def test_what_maps_cannot_show_is_named(volume):
    refused(plot.maps, ({"a": volume},), "volumes['a'] must be (C, H, W) or (K,)")


def test_volumes_write_title_and_shape():
    (axes,) = plot.volumes({"input": (3, 32, 32), "output": (10,)}).axes
    assert words(axes) == ["3 × 32 × 32", "input", "10", "output"]


@pytest.mark.parametrize(
    ("shapes", "said"),
    [([(3, 4, 4), (10,)], ["3 × 4 × 4", "10"]), ((3, 4, 4), ["3 × 4 × 4"])],
)
def test_volumes_without_titles(shapes, said):
    assert words(plot.volumes(shapes).axes[0]) == said


def test_volumes_are_drawn_to_scale():
    big, small = (
        plot.volumes({"a": (4, 16, 16), "b": (4, side, side)}).axes[0].patches[3]
        for side in (16, 8)
    )
    heights = [patch.get_path().get_extents().height for patch in (big, small)]
    assert heights[0] == pytest.approx(2 * heights[1])


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"a": (3, 4)}, "shapes['a'] must be (C, H, W) or (K,), got (3, 4)"),
        ({"a": (0,)}, "shapes['a'] must be at least 1, got 0"),
        ({"a": (10**30, 1, 1)}, "shapes['a'] must "),
        ({"a": 3}, "shapes['a'] must have the shape (axes), got ()"),
        ({}, "shapes must hold something to show"),
        (None, "shapes must hold real numbers, got None"),
    ],
)
def test_what_volumes_cannot_show_is_named(shapes, message):
    refused(plot.volumes, (shapes,), message)


@pytest.fixture
def graph(tmp_path):
    """Return the graph of a small network."""
    onnx = pytest.importorskip("onnx")
    model = CNN([Conv2d(1, 2, 3, rng=0), ReLU(), Flatten(), Linear(72, 4, bias=False, rng=0)])
    exchange.to_onnx(model, tmp_path / "model.onnx", (1, 8, 8))
    return onnx.load(tmp_path / "model.onnx")


def test_an_onnx_graph_has_each_operator_its_weights_and_what_flows(graph):
    assert words(plot.onnx_graph(graph).axes[0]) == [
        *("x:  N × 1 × 8 × 8", "Conv", "0.y:  N × 2 × 6 × 6"),
        *("0.weight:  2 × 1 × 3 × 3", "0.bias:  2", "Relu", "1.y:  N × 2 × 6 × 6"),
        *("Flatten", "2.y:  N × 72", "Gemm", "y:  N × 4", "3.weight:  4 × 72"),
    ]


def test_an_onnx_graph_without_shapes_has_names(graph):
    del graph.graph.value_info[:]
    said = words(plot.onnx_graph(graph).axes[0])
    assert {"0.y", "1.y", "2.y", "y:  N × 4"} <= set(said)


def test_weights_that_are_inputs_too_are_weights(graph):
    before = words(plot.onnx_graph(graph).axes[0])
    weight = graph.graph.input[0].__class__(name="0.weight")
    graph.graph.input.insert(0, weight)
    assert [word.partition(":")[0] for word in words(plot.onnx_graph(graph).axes[0])] == [
        word.partition(":")[0] for word in before
    ]


@pytest.mark.parametrize("model", [None, "model.onnx", object(), CNN([]), plot])
def test_what_is_no_onnx_model_is_refused(model):
    with pytest.raises(TypeError, match=r"^model must be an onnx\.ModelProto, got "):
        plot.onnx_graph(model)


def test_operators_that_stand_in_no_row_are_refused(graph):
    graph.graph.node[1].input[0] = "x"
    with pytest.raises(ValueError, match=r"^model must have operators in a row, .* Relu of x"):
        plot.onnx_graph(graph)
    del graph.graph.node[:]
    with pytest.raises(ValueError, match=r"^model must have operators in a row, .* 0 operators"):
        plot.onnx_graph(graph)
