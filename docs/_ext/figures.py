"""Figures that answer: their scripts on the pages that have one, and what these have to know.

The explorer's first picture is drawn at build time by the script that draws it in the browser, so a
page without JavaScript, in print or as an e-book shows it, too. A plot brings its answers in the
metadata of its SVG (convdocs/book/plot/picture.py); a page shows it as an image, where no script
can read them, and has them beside it.
"""

import json
import re
from html import escape, unescape
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from convdocs import avg_pool2d, data

from .assets import WEB, need, run
from .widths import of_a_cell

DRAW = WEB / "figures" / "window.mjs"


def pixels() -> str:
    """Return a face of 16 x 16 pixels from 0 to 9, a digit each: what the explorer shows."""
    face = data.photo()[40:328, 120:408]
    return "".join(map(str, np.rint(9 * avg_pool2d(face[None, None], 18)).astype(int).flat))


class Explorer(SphinxDirective):
    """The hyperparameter explorer, with the directive's content for a caption."""

    has_content = True
    option_spec: ClassVar = {"name": str}

    def run(self) -> list[nodes.Node]:
        """Return a figure that holds the picture of the first settings."""
        for path in (DRAW, DRAW.with_name("sums.mjs")):
            self.env.note_dependency(str(path))
        script = f"import {{FIRST, html}} from '{DRAW.as_uri()}'; "
        script += f"console.log(html(FIRST, [0, 0], '{pixels()}'))"
        drawn = run(script, "--input-type=module").strip()
        said, messages = self.parse_inline(" ".join(self.content), lineno=self.content_offset)
        picture = nodes.raw("", drawn, format="html")
        need(picture, "figures.css")
        need(picture, "explorer.js")
        figure = nodes.figure("", picture, nodes.caption("", "", *said))
        self.set_source_info(figure)
        self.add_name(figure)
        return [figure, *messages]


def find_steppers(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Say what the steppers need that cells have shown."""
    for shown in doctree.findall(nodes.raw):
        if 'class="stepper"' in shown.astext():
            need(shown, "figures.css")
            need(shown, "stepper.js")


def answered(path: Path) -> list[list[Any]]:
    """Return what an SVG answers: places, words, and boxes that they come from."""
    found = re.search(r"<metadata>(.*?)</metadata>", path.read_text("utf-8"))
    return json.loads(unescape(found[1])) if found else []


def bring_answers(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put below each plot what its numbers answer, and the longest of it, for which there is room.

    A reader without JavaScript sees nothing of it, and neither does paper.
    """
    if app.builder.name != "html":
        return
    for image in list(doctree.findall(nodes.image)):
        path = Path(app.srcdir) / image["uri"]
        if not of_a_cell(path) or not isinstance(image.parent, nodes.figure):
            continue  # a card of the front page is no figure
        if answers := answered(path):
            if "narrow" in image:
                small = answered(path.parent / Path(image["narrow"]).name)
                for answer, (place, _, sources) in zip(answers, small, strict=True):
                    answer += [place, sources]
            longest = max((answer[1] for answer in answers), key=len)
            text = json.dumps(answers, ensure_ascii=False, separators=(",", ":"))
            sentence = (
                f'<p class="sum" role="status" data-answers="{escape(text)}" '
                f'data-longest="{escape(longest)}"></p>'
            )
            said = nodes.raw("", sentence, format="html")
            need(said, "figures.css")
            need(said, "sums.js")
            image.parent.insert(image.parent.index(image) + 1, said)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directive, and look at what cells show."""
    app.add_directive("explorer", Explorer)
    app.connect("doctree-resolved", find_steppers)
    app.connect("doctree-resolved", bring_answers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
