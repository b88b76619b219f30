"""The first use of a term on a page leads to the glossary.

That needs no mark in the text. A term that an author has linked, or set in bold where it is
defined, is left alone, and so are headings, formulas, code and exercises.
"""

import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.typing import ExtensionMetadata

from .execution import chapters
from .minutes import is_exercises

DEFINED = nodes.strong | addnodes.pending_xref  # in bold at its definition, or linked by its author
ELSEWHERE = (  # no word of these is one of the text's own
    nodes.title | nodes.Admonition | nodes.literal | nodes.FixedTextElement | nodes.math
    | nodes.math_block | nodes.reference | nodes.raw | nodes.comment | nodes.table
)  # fmt: skip


def join(node: nodes.Element) -> None:
    """Make one text of those that stand side by side, as lines of a paragraph do."""
    joined: list[nodes.Node] = []
    for child in node.children:
        if joined and isinstance(child, nodes.Text) and isinstance(joined[-1], nodes.Text):
            joined[-1] = nodes.Text(joined[-1] + child)
        else:
            joined.append(child)
    node[:] = joined


def words(node: nodes.Node, defined: bool = False) -> Iterator[tuple[nodes.Text, bool]]:
    """Yield the texts of a page's sentences in their order, and whether they are defined there."""
    for child in list(node.children):
        if isinstance(child, nodes.Text):
            yield child, defined
        elif isinstance(child, addnodes.pending_xref) and child["reftype"] != "term":
            continue
        elif not (isinstance(child, ELSEWHERE) or is_exercises(child)):
            yield from words(child, defined or isinstance(child, DEFINED))


def pattern(terms: list[str]) -> re.Pattern[str]:
    """Return what finds any of these terms, one or several, the longest first."""
    longest = sorted(terms, key=len, reverse=True)
    either = "|".join(r"\s+".join(map(re.escape, term.split())) for term in longest)
    return re.compile(rf"(?<![\w-])({either})(?:s|es)?(?![\w-])", re.IGNORECASE)


class LinkTerms(SphinxPostTransform):
    """Link the first use of each term."""

    default_priority = 5  # before references are resolved
    builders = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Change one page."""
        if self.env.docname not in chapters(self.env):
            return
        known = self.env.domains.standard_domain.get_objects()
        terms = {name.lower(): name for name, _, kind, *_ in known if kind == "term"}
        if not terms:
            return
        any_term = pattern(list(terms))
        for element in self.document.findall(nodes.TextElement):
            join(element)
        seen: set[str] = set()
        for text, defined in words(self.document):
            parts: list[nodes.Node] = []
            end = 0
            for found in any_term.finditer(text):
                term = " ".join(found[1].split()).lower()
                if term in seen:
                    continue
                seen.add(term)
                if not defined:
                    parts += [
                        nodes.Text(text[end : found.start()]),
                        self.link(terms[term], found[0]),
                    ]
                    end = found.end()
            if parts:
                place = next(i for i, each in enumerate(text.parent) if each is text)
                text.parent[place : place + 1] = [*parts, nodes.Text(text[end:])]

    def link(self, term: str, text: str) -> addnodes.pending_xref:
        """Return a link to a term's entry in the glossary."""
        said = nodes.inline(text, text, classes=["std", "std-term"])
        return addnodes.pending_xref(
            "", said, reftype="term", refdomain="std", reftarget=term, refexplicit=True,
            refdoc=self.env.docname, refwarn=True,
        )  # fmt: skip


class Letters(SphinxPostTransform):
    """Lead from above the glossary to the first term of each letter."""

    default_priority = 5
    builders = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Put the letters there."""
        for glossary in list(self.document.findall(addnodes.glossary)):
            first: dict[str, str] = {}
            for term in glossary.findall(nodes.term):
                first.setdefault(term.astext()[0].upper(), term["ids"][0])
            links = [
                nodes.reference("", letter, internal=True, refid=anchor)
                for letter, anchor in first.items()
            ]
            line = nodes.paragraph("", "", *links, classes=["letters"])
            glossary.parent.insert(glossary.parent.index(glossary), line)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Connect to the writing of pages."""
    app.add_post_transform(LinkTerms)
    app.add_post_transform(Letters)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
