"""What is for a second visit is folded on the web, and open and named on paper and in e-books.

A section is marked by the directive ``depth``; a cell whose code only draws or measures has the tag
``aside``, and shows its code when it is asked to.
"""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from .builder import ForBuilder, add

# As the text calls such sections, which nothing folds on paper; a line may end between the words.
FOLDED = re.compile(r"\bfolded(?=\s+parts?\b|$)")
SAID = {"more": "More, for a second visit", "curious": "For the curious"}


class Depth(SphinxDirective):
    """``more`` or ``curious``, right below a section's heading."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return a mark for the section that it stands in."""
        kind = self.arguments[0]
        if kind not in SAID:
            raise self.error(f"the depth of a section must be one of {', '.join(SAID)}, got {kind}")
        mark = nodes.comment(depth=kind)
        self.set_source_info(mark)
        return [mark]


class FoldSections(ForBuilder):
    """Fold, for browsers, what a section holds below its mark; for others say what it is."""

    default_priority = 20

    def run(self, **kwargs: Any) -> None:
        """Put the tags of a fold around it."""
        for mark in list(self.document.findall(is_mark)):
            if self.builder.name == "html":
                section, kind = mark.parent, mark["depth"]
                begin = f'<details class="depth {kind}"><summary>{SAID[kind]}</summary>'
                section.insert(section.index(mark), nodes.raw("", begin, format="html"))
                section.append(nodes.raw("", "</details>", format="html"))
            else:
                said = nodes.paragraph("", f"{SAID[mark['depth']]}.", classes=["depth"])
                mark.parent.insert(mark.parent.index(mark), said)
            mark.parent.remove(mark)
        if self.builder.name != "html":
            for text in list(self.document.findall(nodes.Text)):
                code = isinstance(text.parent, nodes.FixedTextElement | nodes.literal)
                if not code and FOLDED.search(text):
                    text.parent.replace(text, nodes.Text(FOLDED.sub("marked", text)))


class FoldCode(SphinxPostTransform):
    """Fold, for browsers, the code of a cell that is none of the page's argument."""

    default_priority = 20
    builders = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Put the tags of a fold around the code."""
        begin = '<details class="aside"><summary>Show the code</summary>'
        for code in self.document.findall(is_aside):
            code.insert(0, nodes.raw("", begin, format="html"))
            code.append(nodes.raw("", "</details>", format="html"))


def is_aside(node: nodes.Node) -> bool:
    """Tell whether this is the code of a cell that only draws or measures."""
    return (
        isinstance(node, nodes.container)
        and "cell_input" in node["classes"]
        and "tag_aside" in node.parent["classes"]
    )


def is_mark(node: nodes.Node) -> bool:
    """Tell whether a section says here how deep it is."""
    return isinstance(node, nodes.comment) and "depth" in node


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directive, and fold what is marked."""
    app.add_directive("depth", Depth)
    add(app, FoldSections)
    app.add_post_transform(FoldCode)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
