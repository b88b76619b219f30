"""Figures for two widths: a phone is given the one that is drawn for it, where labels are legible.

A cell hands over both, one after the other (execution.py). Here they become two files, of which a
page loads one. Paper and e-books have the wide one.
"""

import os
import posixpath
from pathlib import Path
from urllib.parse import quote

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator

from .accessible import size_of

PHONE = "(max-width: 34em)"  # a page on which the labels of a wide figure are too small
BETWEEN = "</svg>\n<svg "


def parted(svg: str) -> tuple[str, str]:
    """Return the wide figure of a text that may hold two, and the narrow one or nothing."""
    wide, between, narrow = svg.partition(BETWEEN)
    if not between:
        return svg, ""
    end, begin = between.splitlines(keepends=True)
    return wide + end, begin + narrow


def files(path: Path) -> Path:
    """Leave the wide one of two figures in its file; return where the narrow one is, if any.

    Pages that show the same share the file, and may be read at the same time.
    """
    other = path.with_name(f"{path.stem}-narrow.svg")
    wide, narrow = parted(path.read_text("utf-8"))
    if narrow:
        for place, text in ((other, narrow), (path, wide)):
            unfinished = place.with_name(f"{place.name}.{os.getpid()}")
            unfinished.write_text(text, "utf-8")
            unfinished.replace(place)
    return other


def of_a_cell(path: Path) -> bool:
    """Tell whether a cell has drawn this; what lies beside the pages is their author's."""
    return path.suffix == ".svg" and "jupyter_execute" in path.parts


def part(app: Sphinx, doctree: nodes.document) -> None:
    """Give each figure of a page that has two the other one."""
    for image in doctree.findall(nodes.image):
        path = Path(app.srcdir) / image["uri"]
        if of_a_cell(path) and (other := files(path)).exists():
            image["narrow"] = posixpath.join(posixpath.dirname(image["uri"]), other.name)
            app.env.images.add_file(app.env.current_document.docname, image["narrow"])


def bring(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Let the files of figures for phones come with the site."""
    for image in doctree.findall(nodes.image):
        narrow = image.get("narrow")
        if narrow and app.builder.name == "html":
            app.builder.images[narrow] = app.env.images[narrow][1]
        elif narrow:
            del image["narrow"]


def visit_image(self: HTML5Translator, node: nodes.Element) -> None:
    """Begin a picture that has a source for phones, with its size, so that no text moves."""
    if narrow := node.get("narrow"):
        address = posixpath.join(self.builder.imgpath, quote(self.builder.images[narrow]))
        source = {"media": PHONE, "srcset": address} | size_of(Path(self.builder.srcdir) / narrow)
        said = " ".join(f'{name}="{value}"' for name, value in source.items())
        self.body.append(f"<picture><source {said}>")
    HTML5Translator.visit_image(self, node)


def depart_image(self: HTML5Translator, node: nodes.Element) -> None:
    """End it."""
    HTML5Translator.depart_image(self, node)
    if "narrow" in node:
        self.body.append("</picture>")


def setup(app: Sphinx) -> ExtensionMetadata:
    """Part figures when a page is read, after Sphinx has looked for them."""
    app.connect("doctree-read", part, priority=600)
    app.connect("doctree-resolved", bring)
    app.add_node(nodes.image, override=True, html=(visit_image, depart_image))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
