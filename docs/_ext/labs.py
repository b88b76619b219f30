"""A workbench on a page: what the page holds for its script, and shows where there is none."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from .assets import need


class Lab(SphinxDirective):
    """The workbench of a script, with the directive's content in its place."""

    has_content = True
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return a box that the script fills."""
        lab = nodes.container("", *self.parse_content_to_nodes(), classes=["lab"])
        need(lab, f"{self.arguments[0]}.js")
        need(lab, "labs.css")
        return [lab]


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directive."""
    app.add_directive("lab", Lab)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
