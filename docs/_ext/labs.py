"""A workbench on a page: what the page holds for its script, and shows where there is none."""

import base64
import json
import re
from html import escape
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

import convdocs
from convdocs.book import ink

from .assets import need
from .builder import ForBuilder, add
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


class Bring(ForBuilder):
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
        static = Path(self.builder.outdir) / "_static"
        static.mkdir(exist_ok=True)
        picture, said = reading(re.sub(r"</?script.*?>", "", element))
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


class Later(ForBuilder):
    """Put what a cell embeds under a name in ``-later`` into a script beside the pages.

    A page does not wait for it: its script asks for that one when it needs what is in it.
    """

    default_priority = 300
    builders = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Take it from the page."""
        for shown in list(self.document.findall(nodes.raw)):
            if found := LATER.fullmatch(shown.astext()):
                static = Path(self.builder.outdir) / "_static"
                static.mkdir(exist_ok=True)
                (static / f"{found[1]}.js").write_text(f"globalThis.later = {found[2]};", "utf-8")
                shown.parent.remove(shown)


def array(found: dict[str, Any]) -> Any:
    """Return an array from what a page embeds, and all else as it is."""
    if "float32" not in found:
        return found
    return np.frombuffer(base64.b64decode(found["float32"]), "f4").reshape(found["shape"])


def reading(embedded: str, digit: int = 3) -> tuple[str, str]:
    """Draw what the network that a page embeds makes of a digit; return it, and it in words."""
    from convdocs.book.plot.picture import Picture, style  # here: other builds draw nothing

    given = json.loads(embedded, object_hook=array)
    outputs = [given["examples"][digit]["x"][None, None]]
    for layer in given["layers"]:
        made = getattr(convdocs, layer.pop("kind"))
        params = {name: layer.pop(name) for name in ("weight", "bias") if name in layer}
        made = made(**layer)
        made.params.update(params)
        outputs.append(made.forward(outputs[-1]))
    shares = 100 * convdocs.softmax(outputs[-1])[0]
    first = outputs[2][0]  # after the first convolution and its ReLU
    with style():
        figure = Picture((7.2, 4.2), layout="constrained")
        half = len(first) // 2
        grid = figure.add_gridspec(2, len(first), height_ratios=[3, 1])
        sheet, bars = figure.add_subplot(grid[0, :half]), figure.add_subplot(grid[0, half:])
        sheet.imshow(outputs[0][0, 0], "gray_r")
        bars.barh(range(10), shares, color=ink.BLUE)
        bars.set(xlim=(0, 100), xlabel="probability in percent", yticks=range(10))
        bars.invert_yaxis()
        for column, values in enumerate(first):
            figure.add_subplot(grid[1, column]).imshow(values, "gray", vmin=0, vmax=first.max())
        for axes in figure.axes:
            if axes is not bars:
                axes.set_axis_off()
    best = shares.argmax()
    said = f"""A handwritten {digit}. The network says that it is a {best}, and is
    {shares[best]:.0f} % sure. Below are the {len(first)} maps of its first layer, on which the
    strokes are light."""
    return figure._repr_svg_(), " ".join(said.split()).replace(" %", "\u00a0%")


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directive."""
    app.add_directive("lab", Lab)
    add(app, Bring, Later)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
