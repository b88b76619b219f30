"""How long a page takes: computed from what it shows, by a rule that *About* gives, too.

Prose is read at 150 words a minute. A visible line of code takes 8 seconds, a displayed formula
30, a figure 20. What is folded counts apart, and so do the exercises.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from .depths import is_aside, is_mark

WORD, LINE, FORMULA, FIGURE = 60 / 150, 8.0, 30.0, 20.0  # seconds


class Minutes(NamedTuple):
    """What a page takes: read, unfolded, and its exercises read."""

    page: float
    folds: float
    exercises: float

    def said(self) -> str:
        """Return it in words; what is not there is not said."""
        page = math.ceil(self.page)
        parts = [f"{page} minute{'s' * (page > 1)}"]
        if self.folds:
            parts.append(f"{math.ceil(self.folds)} more for a second visit")
        if self.exercises:
            parts.append(f"{math.ceil(self.exercises)} to read the exercises")
        return "; ".join(parts)


def seconds(node: nodes.Node) -> float:
    """Return how long it takes to read what a node shows."""
    if isinstance(node, nodes.literal_block):
        return LINE * sum(bool(line.strip()) for line in node.astext().splitlines())
    if isinstance(node, nodes.math_block):
        return FORMULA
    if isinstance(node, nodes.paragraph) and "minutes" in node["classes"]:
        return 0
    if isinstance(node, nodes.Text):
        return WORD * len(node.split())
    if isinstance(node, nodes.raw | nodes.table | nodes.Invisible) or is_aside(node):
        return 0
    if isinstance(node, nodes.container) and "cell_output" in node["classes"]:
        shown = [*node.findall(nodes.image), *node.findall(nodes.caption)]
        return sum(map(seconds, shown))
    return FIGURE * isinstance(node, nodes.image) + sum(map(seconds, node.children))


def of(page: nodes.Element) -> Minutes:
    """Return what a page takes."""
    page_seconds = folded = exercises = 0.0
    for section in page.findall(is_part):
        own = sum(seconds(child) for child in section if not isinstance(child, nodes.section))
        above = [section, *parents(section)]
        if any(map(is_exercises, above)):
            exercises += own
        elif any(is_mark(child) for each in above for child in each.children):
            folded += own
        else:
            page_seconds += own
            codes = [code for child in section for code in child.findall(is_aside)]
            folded += sum(
                seconds(part) for code in codes if nearest(code) is section for part in code
            )
    return Minutes(page_seconds / 60, folded / 60, exercises / 60)


def nearest(node: nodes.Node) -> nodes.Node:
    """Return the section that a node is in."""
    while not isinstance(node, nodes.section):
        node = node.parent
    return node


def parents(section: nodes.Node) -> Iterator[nodes.section]:
    """Yield the sections that a section is in, from the inside out."""
    while (section := section.parent) is not None:
        if isinstance(section, nodes.section):
            yield section


def say(app: Sphinx, doctree: nodes.document) -> None:
    """Say below the title of a chapter how long it takes."""
    chapter = next(doctree.findall(nodes.section), None)
    if chapter is None or not any(doctree.findall(is_exercises)):
        return
    chapter.insert(1, nodes.paragraph("", of(doctree).said(), classes=["minutes"]))


def is_part(node: nodes.Node) -> bool:
    """Tell whether this is a section of the page, and not one within an exercise."""
    return isinstance(node, nodes.section) and isinstance(
        node.parent, nodes.section | nodes.document | None
    )


def is_exercises(node: nodes.Node) -> bool:
    """Tell whether this is the section of a chapter's exercises."""
    return isinstance(node, nodes.section) and "exercises" in node["names"]


def setup(app: Sphinx) -> ExtensionMetadata:
    """Count when a page has been read."""
    app.connect("doctree-read", say)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
