"""Figures that answer: their scripts on the pages that have one, and the explorer's first picture.

The picture is drawn at build time by the script that draws it in the browser, so a page without
JavaScript, in print or as an e-book shows it, too.
"""

from typing import ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from .assets import WEB, need, run

DRAW = WEB / "figures" / "window.mjs"


class Explorer(SphinxDirective):
    """The hyperparameter explorer, with the directive's content for a caption."""

    has_content = True
    option_spec: ClassVar = {"name": str}

    def run(self) -> list[nodes.Node]:
        """Return a figure that holds the picture of the first settings."""
        self.env.note_dependency(str(DRAW))
        script = f"import {{FIRST, html}} from '{DRAW.as_uri()}'; console.log(html(FIRST, [0, 0]))"
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


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directive, and look at what cells show."""
    app.add_directive("explorer", Explorer)
    app.connect("doctree-resolved", find_steppers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
