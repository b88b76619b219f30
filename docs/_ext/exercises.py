"""Each exercise says how hard it is, and how many minutes it takes, as its author has marked it."""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata
from sphinx_exercise.nodes import exercise_enumerable_node  # type: ignore[import-untyped]

LEVELS = {"easy": "Easy", "medium": "Medium", "hard": "Hard", "project": "Project"}
MINUTES = re.compile(r"minutes-(\d+)")


def effort(classes: list[str]) -> str:
    """Return the level and the minutes that an exercise's classes name, in words."""
    level = [LEVELS[each] for each in classes if each in LEVELS]
    minutes = [found[1] for each in classes if (found := MINUTES.fullmatch(each))]
    if len(level) != 1 or len(minutes) != 1:
        names = ", ".join(LEVELS)
        raise ValueError(f"its class needs one of {names}, and minutes-5 or the like")
    return f"{level[0]}, about {minutes[0]} minutes."


class Effort(SphinxTransform):
    """Say it below the title."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        """Add a line to each exercise of a page."""
        for node in self.document.findall(exercise_enumerable_node):
            try:
                said = effort(node["classes"])
            except ValueError as error:
                logging.getLogger(__name__).warning("exercise: %s", error, location=node)
                continue
            node.insert(1, nodes.paragraph("", said, classes=["effort"]))


def setup(app: Sphinx) -> ExtensionMetadata:
    """Connect to the reading of pages."""
    app.add_transform(Effort)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
