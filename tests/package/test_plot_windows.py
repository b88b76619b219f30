"""The drawings of windows and patches show what the package computes."""

import numpy as np
import pytest

from convdocs import conv2d
from convdocs.book import plot
from convdocs.book.plot import BLUE, ORANGE


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_patch_matrix_is_drawn_with_all_its_numbers():
    figure = plot.patch_matrix(np.arange(12).reshape(3, 4), (2, 3), [(0, 1)])
    first_row, last_row = ["0", "1", "4", "5"], ["6", "7", "10", "11"]
    assert texts(figure)[-24:-20] == first_row
    assert texts(figure)[-4:] == last_row
    frames = [p.get_bbox().bounds for p in figure.axes[0].patches if p.get_linewidth() == 2]
    np.testing.assert_allclose([bounds[2:] for bounds in frames], [(3, 2), (1, 6)])


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "crossed"),
    [(8, 3, 1, 0, 1, 0), (8, 3, 2, 0, 1, 1), (8, 3, 2, 1, 1, 1), (8, 3, 1, 0, 2, 0)],
)
def test_as_many_windows_are_drawn_as_the_output_has_numbers(
    size, kernel, stride, padding, dilation, crossed
):
    how = {"stride": stride, "padding": padding, "dilation": dilation}
    figure = plot.slides({"title": {"size": size, "kernel": kernel, **how}})
    pairs = {name: (1, value) if name != "padding" else (0, value) for name, value in how.items()}
    y = conv2d(np.ones((1, 1, 1, size)), np.ones((1, 1, 1, kernel)), **pairs)
    lines = figure.axes[0].lines
    assert sum(line.get_color() == BLUE for line in lines) == 2 * y.shape[3]
    assert sum(line.get_color() == ORANGE for line in lines) == 2 * crossed
