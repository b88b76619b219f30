"""Pages that everyone can read: what the theme and its extensions leave to be mended."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.logging import getLogger
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator

from .assets import first_screen

LOG = getLogger(__name__)


class Mend(NamedTuple):
    """What to find in the markup of a page, what to put there, and the pages that must have it."""

    found: str
    instead: str
    where: str = ""  # on every page, or on those that hold this


FIELD = """<form class="find" role="search" aria-label="Search the book">
<input type="search" name="q" aria-label="Words to look for"> <button>Search</button></form>"""
MENDED = [
    # Two things float over the text, outside every landmark.
    Mend(r'(<a href="#" class="back-to-top.*?</a>)', r'<nav aria-label="Top of the page">\1</nav>'),
    Mend(r'<div class="content-icon-container"', r'\g<0> role="region" aria-label="This page"'),
    # Sidebars tell a screen reader which is which.
    Mend(r'<aside class="sidebar-drawer"', r'\g<0> aria-label="Contents of the book"'),
    Mend(r'<aside class="toc-drawer[^"]*"', r'\g<0> aria-label="Contents of this page"'),
    # Words in the theme's pictures are taken for text by what marks a search's words.
    Mend(r'(<symbol id="svg-[^>]*>)\s*<title>[^<]*</title>', r"\1"),
    # Where the reader is among them, contents.mjs finds out.
    Mend(r'"toc-sticky toc-scroll"', '"toc-sticky toc-box"', '"toc-sticky'),
    # Captions among the links are headings, without a level.
    Mend(r'<p class="caption" role="heading"', r'\g<0> aria-level="2"', '<p class="caption"'),
    # The search page has no heading, and on a phone no field in view.
    Mend(r'<div id="search-results">', rf"<h1>Search</h1>{FIELD}\g<0>", "searchindex.js"),
    # The link to an exercise begins with a space, which is underlined.
    Mend(r'(title">Solution to)(<a [^>]*>) ', r"\1 \2", 'title">Solution to<a'),
    # The index of modules folds its groups with a picture of a minus.
    Mend(r'(class="toggler"[^>]*) alt="-"', r'\1 alt="Fold or unfold this group"', '"toggler"'),
]


def mender(page: str) -> Callable[[str], str]:
    """Return what mends the markup of a page, and warns where there was nothing to mend."""

    def mended(html: str) -> str:
        for found, instead, where in MENDED:
            html, times = re.subn(found, instead, html, flags=re.DOTALL)
            if not times and where in html:
                LOG.warning("no longer in the theme's markup: %s", found, location=page)
        return html

    return mended


class NamesOnce(SphinxPostTransform):
    """Give each name on a page to one element alone."""

    default_priority = 600  # after the theme has put boxes around tables

    def run(self, **kwargs: Any) -> None:
        """Take the other's name from boxes of tables, and the one that all exercises have."""
        for table in self.document.findall(nodes.table):
            if isinstance(table.parent, nodes.container):
                table.parent["ids"] = [
                    name for name in table.parent["ids"] if name not in table["ids"]
                ]
        for section in self.document.findall(nodes.section):
            if section["ids"] in (["exercise-content"], ["solution-content"]):
                section["ids"] = []


def visit_citation(self: HTML5Translator, node: nodes.Element) -> None:
    """Begin an item of the list of sources; the role that docutils gives it is no longer one."""
    HTML5Translator.visit_citation(self, node)
    outdated = ' role="doc-biblioentry"'
    if outdated not in self.body[-1]:
        LOG.warning("no longer docutils' markup:%s", outdated, location=node)
    self.body[-1] = self.body[-1].replace(outdated, ' role="listitem"')


def depart_citation(self: HTML5Translator, node: nodes.Element) -> None:
    """End it."""
    HTML5Translator.depart_citation(self, node)


def size_of(path: Path) -> dict[str, str]:
    """Return how wide and how high an SVG asks to be, in pixels of a page, if it says so."""
    head = path.read_text(encoding="utf-8")[:1000]
    points = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', head)
    box = re.search(r'viewBox="\S+ \S+ ([\d.]+) ([\d.]+)"', head)
    if not (found := points or box):
        return {}  # and the browser has to find out
    wide, high = (float(number) * (4 / 3 if points else 1) for number in found.groups())
    return {"width": f"{wide:.0f}", "height": f"{high:.0f}"}


def give_figures_their_place(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Say how large a picture is, so that no text moves for it, and load it when it is near."""
    if app.builder.format != "html":
        return
    early = next((node for node in first_screen(doctree) if isinstance(node, nodes.image)), None)
    for image in doctree.findall(nodes.image):
        path = Path(app.srcdir) / image["uri"]
        if path.suffix == ".svg" and path.is_file() and "width" not in image:
            image.attributes.update(size_of(path))
        if image is not early:
            image["loading"] = "lazy"


def check_alternative_texts(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Warn of a figure that says nothing to someone who cannot see it."""
    for image in doctree.findall(nodes.image):
        text = image.get("alt", "")
        if len(text) < 15 or text.endswith((".svg", ".png")):
            message = "%s: a figure has no alternative text (image: alt: ...), or one too short: %r"
            LOG.warning(message, docname, text, location=image)


def mend_page(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Hand the template what mends a page."""
    context["mended"] = mender(pagename) if app.builder.name == "html" else str


def setup(app: Sphinx) -> ExtensionMetadata:
    """Connect all of it to the build."""
    app.add_post_transform(NamesOnce)
    app.add_node(nodes.citation, override=True, html=(visit_citation, depart_citation))
    app.connect("doctree-resolved", check_alternative_texts)
    app.connect("doctree-resolved", give_figures_their_place)
    app.connect("html-page-context", mend_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
