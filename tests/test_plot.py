"""Figures show what they were given."""

import numpy as np
import pytest

from convdocs import plot


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
