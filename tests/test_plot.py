"""Figures say what they are given."""

import pytest

plot = pytest.importorskip("convdocs.plot")


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


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plot.volumes({"a": (3, 8, 8)}),
        lambda: plot.bars({"a": {"b": 1}}),
        lambda: plot.written([[0.5]], {}),
    ],
)
def test_ink_follows_the_page(draw):
    svg = draw()._repr_svg_()
    assert plot.INK not in svg
    assert "currentColor" in svg
