"""What the book adds to a page for everyone, where no whole book need be built to see it."""

from types import SimpleNamespace

import pytest
from _ext import accessible
from docutils import nodes
from docutils.utils import new_document


@pytest.mark.parametrize(
    ("head", "size"),
    [
        ('<svg width="72pt" height="36.75pt" viewBox="0 0 72 36.75">', ("96", "49")),
        ('<svg width="2in" height="1in" viewBox="0 0 192 96">', ("192", "96")),
        ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 12.4">', ("24", "12")),
        ('<svg width="100%">', None),
        ("", None),  # emptied by an interrupt: the next build draws it anew
    ],
)
def test_a_picture_has_its_size_if_it_says_one(tmp_path, head, size):
    (tmp_path / "picture.svg").write_text(head)
    document = new_document("page")
    document += nodes.image(uri="picture.svg")
    app = SimpleNamespace(builder=SimpleNamespace(format="html"), srcdir=tmp_path)
    accessible.give_figures_their_place(app, document, "page")
    image = document[0]
    assert (image["width"], image["height"]) == size if size else "width" not in image
    assert "loading" not in image  # the first of a page may be in view
