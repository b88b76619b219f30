"""What a page says of all the others: cards of the chapters, the fast track, all formulas.

They are put together when the pages are written, from what the chapters then hold.
"""

import math
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode
from sphinx.util.typing import ExtensionMetadata

from .builder import ForBuilder, add
from .depths import is_mark
from .minutes import is_exercises, nearest, of

HEADS = {"In the lecture": 25, "What to read": 65, "Minutes": 10}  # and widths


class Place(nodes.General, nodes.Element):  # type: ignore[misc]
    """A place that is filled when all pages have been read."""


class Overview(SphinxDirective):
    """``cards``, ``track`` or ``formulas``.

    A line of ``cards`` names a chapter, the figure that stands for it and what it promises; one of
    ``track``, a heading of the lecture and its chapters.
    """

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Keep the place."""
        return [Place(kind=self.name, lines=list(self.content))]


class Fill(ForBuilder):
    """Fill the places of a page."""

    default_priority = 4

    def run(self, **kwargs: Any) -> None:
        """Put there what they ask for."""
        for place in list(self.document.findall(Place)):
            place.replace_self(getattr(self, place["kind"])(place["lines"]))

    def link(self, text: str, page: str, anchor: str = "") -> nodes.reference:
        """Return a link to a place of the book."""
        here = self.env.docname
        return make_refnode(self.builder, here, page, anchor, nodes.inline("", text))

    def chapter(self, page: str) -> nodes.section:
        """Return a page as it was read, from its title on."""
        if page not in self.env.all_docs:
            raise ExtensionError(f"{self.env.docname}: there is no page {page}")
        for section in self.env.get_doctree(page).findall(nodes.section):
            return section
        raise ExtensionError(f"{self.env.docname}: the page {page} has no title")

    def track(self, lines: list[str]) -> nodes.table:
        """Return the lecture's headings, each with the sections to read and their minutes."""
        rows: list[list[nodes.Node]] = []
        together = 0.0
        for line in lines:
            heading, _, names = line.partition("|")
            for page in map(str.strip, names.split(",")):
                chapter = self.chapter(page)
                minutes = of(chapter).page
                together += minutes
                name = nodes.strong("", "", self.link(title(chapter), page))
                sections = [self.link(title(each), page, each["ids"][0]) for each in walk(chapter)]
                what = nodes.inline("", "", name, *apart(sections))
                rows.append(
                    [nodes.Text(heading.strip()), what, nodes.Text(str(math.ceil(minutes)))]
                )
                heading = ""
        rows.append([nodes.Text("Together"), nodes.Text(""), nodes.Text(str(math.ceil(together)))])
        return table(rows)

    def cards(self, lines: list[str]) -> nodes.container:
        """Return a card for each chapter: a picture of its own, what it promises, its minutes."""
        cards = nodes.container("", classes=["cards"])
        for line in lines:
            page, name, promise = map(str.strip, line.split("|", 2))
            chapter = self.chapter(page)
            if page not in self.env.toc_secnumbers:
                raise ExtensionError(f"{self.env.docname}: {page} is no chapter with a number")
            figures = [each for each in chapter.findall(nodes.figure) if name in each["names"]]
            if len(figures) != 1:
                raise ExtensionError(f"cards: {page} has {len(figures)} figures {name}, not one")
            card = nodes.container("", classes=["card"])
            if self.builder.name == "html":
                card += next(figures[0].findall(nodes.image)).deepcopy()
                card[0].attributes.pop("narrow", None)  # a card's picture is small anyway
            (number,) = self.env.titles[page]["secnumber"]
            name = self.link(f"{number}. {title(chapter)}", page)
            card += nodes.paragraph("", "", name, classes=["card-title"])
            card += nodes.paragraph("", promise)
            if any(chapter.findall(is_exercises)):
                minutes = f"{math.ceil(of(chapter).page)} minutes"
                card += nodes.paragraph("", minutes, classes=["minutes"])
            cards += card
        return cards

    def formulas(self, lines: list[str]) -> list[nodes.Element]:
        """Return all numbered formulas by chapter, each with its number and its section."""
        made: list[nodes.Element] = []
        for page in self.env.toctree_includes[self.config.root_doc]:
            numbers = self.env.toc_fignumbers.get(page, {}).get("displaymath", {})
            if not numbers:
                continue
            chapter = self.chapter(page)
            made.append(nodes.rubric("", "", self.link(title(chapter), page)))
            made.append(nodes.container("", classes=["formula-entries"]))
            for block in chapter.findall(nodes.math_block):
                anchor = nodes.make_id(f"equation-{block.get('label')}")
                if anchor in numbers:
                    number = ".".join(map(str, numbers[anchor]))
                    where = nodes.Text(f" {title(nearest(block))}")
                    said = nodes.paragraph("", "", self.link(f"({number})", page, anchor), where)
                    copy = nodes.math_block(block.rawsource, block.astext(), number=None)
                    made[-1] += nodes.container("", said, copy, classes=["formula-entry"])
        return made


def title(section: nodes.Node) -> str:
    """Return a section's heading."""
    return next(section.findall(nodes.title)).astext()


def walk(chapter: nodes.section) -> list[nodes.section]:
    """Return the sections of a chapter that are to be read: not folded, and no exercises."""
    return [
        section
        for section in chapter.children
        if isinstance(section, nodes.section)
        and not is_exercises(section)
        and not any(map(is_mark, section.children))
    ]


def apart(links: list[nodes.reference]) -> list[nodes.Node]:
    """Return links with a mark before each."""
    return [node for link in links for node in (nodes.Text(" · "), link)]


def table(rows: list[list[nodes.Node]]) -> nodes.table:
    """Return a table of such rows, below the heads."""

    def row(cells: list[nodes.Node]) -> nodes.row:
        entries = [nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells]
        return nodes.row("", *entries)

    group = nodes.tgroup("", cols=len(HEADS))
    group += [nodes.colspec("", colwidth=width) for width in HEADS.values()]
    group += nodes.thead("", row([nodes.Text(head) for head in HEADS]))
    group += nodes.tbody("", *map(row, rows))
    return nodes.table("", group, classes=["track"])


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directives, and fill their places."""
    app.add_node(Place)
    app.add_directive("track", Overview)
    app.add_directive("formulas", Overview)
    app.add_directive("cards", Overview)
    add(app, Fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
