"""A workbench on a page: what the page holds for its script, and shows where there is none."""

import re
from html import escape
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from . import artwork
from .assets import need
from .execution import with_results


class Lab(SphinxDirective):
    """The workbench of a script, with the directive's content in its place.

    What the script reads is embedded by a cell of the page, under the page's name and ``-data``, or
    of the one that ``from`` names. A ``brief`` one shows less, and without JavaScript it is a
    picture of what the network makes of the digit that the script begins with.
    """

    has_content = True
    required_arguments = 1
    option_spec: ClassVar = {"from": directives.unchanged_required, "brief": directives.flag}

    def run(self) -> list[nodes.Node]:
        """Return a box that the script fills."""
        name = self.arguments[0]
        lab = nodes.container("", *self.parse_content_to_nodes(), classes=["lab", name])
        if "brief" in self.options:
            lab["classes"].append("brief")
        if page := self.options.get("from"):
            lab["from"] = page
            lab["data"] = f"{page}-data"
        need(lab, f"{name}.js")
        need(lab, "labs.css")
        return [lab]


PICTURE = "reading.svg"
STILL = '<noscript><img src="_static/{name}" width="691" height="403" alt="{said}"></noscript>'


class Bring(SphinxPostTransform):
    """Bring what a cell of another page embeds."""

    default_priority = 300
    builders = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Put it before the workbench."""
        for lab in list(self.document.findall(lambda node: isinstance(node, nodes.container))):
            if "from" in lab:
                element = self.embedded(lab["from"], lab["data"])
                lab.parent.insert(lab.parent.index(lab), nodes.raw("", element, format="html"))
                if "brief" in lab["classes"]:
                    lab.insert(0, nodes.raw("", self.still(element), format="html"))

    def still(self, element: str) -> str:
        """Return what stands for the workbench where no script runs."""
        static = Path(self.app.outdir) / "_static"
        static.mkdir(exist_ok=True)
        picture, said = artwork.reading(re.sub(r"</?script.*?>", "", element))
        (static / PICTURE).write_text(picture, "utf-8")
        return STILL.format(name=PICTURE, said=escape(said))

    def embedded(self, page: str, name: str) -> str:
        """Return the element that a page's cell has made under a name."""
        for cell in with_results(self.env, page).cells:
            for output in cell.get("outputs", ()):
                element = "".join(output.get("data", {}).get("text/html", ""))
                if f'id="{name}"' in element:
                    return element
        raise ExtensionError(f"{self.env.docname}: no cell of {page} embeds {name}")


LATER = re.compile(r'<script type="application/json" id="([\w-]+-later)">(.*)</script>\s*')


class Later(SphinxPostTransform):
    """Put what a cell embeds under a name in ``-later`` into a script beside the pages.

    A page does not wait for it: its script asks for that one when it needs what is in it.
    """

    default_priority = 300
    builders = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Take it from the page."""
        for shown in list(self.document.findall(nodes.raw)):
            if found := LATER.fullmatch(shown.astext()):
                static = Path(self.app.outdir) / "_static"
                static.mkdir(exist_ok=True)
                (static / f"{found[1]}.js").write_text(f"globalThis.later = {found[2]};", "utf-8")
                shown.parent.remove(shown)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directive."""
    app.add_directive("lab", Lab)
    app.add_post_transform(Bring)
    app.add_post_transform(Later)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
