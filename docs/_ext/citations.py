"""The bibliography names a source as the text cites it: authors, and the year."""

from collections import Counter
from typing import Any

from pybtex.plugin import register_plugin  # type: ignore[import-untyped]
from pybtex.style.formatting.plain import Style  # type: ignore[import-untyped]
from pybtex.style.labels import BaseLabelStyle  # type: ignore[import-untyped]
from pybtex.style.sorting.author_year_title import (  # type: ignore[import-untyped]
    SortingStyle,
)
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.typing import ExtensionMetadata


class Label(BaseLabelStyle):  # type: ignore[misc]
    """Authors and year. Where these name two sources, their years have letters: 1989a, 1989b."""

    def format_labels(self, sorted_entries: list[Any]) -> list[str]:
        """Return a label for each entry."""
        labels = [label(entry) for entry in sorted_entries]
        if twice := [each for each, count in Counter(labels).items() if count > 1]:
            raise ExtensionError(f"references.bib: give the years letters of {', '.join(twice)}")
        return labels


def label(entry: Any) -> str:
    """Return the authors of a source, and its year if it has one."""
    return ", ".join(filter(None, [authors(entry), entry.fields.get("year")]))


def authors(entry: Any) -> str:
    """Return the authors of a source, or its editors: the first one, if there are many."""
    people = entry.persons["author"] or entry.persons["editor"]
    names = [
        " ".join(str(part) for part in each.rich_prelast_names + each.rich_last_names)
        for each in people
    ]
    return " and ".join(names) if len(names) < 3 else f"{names[0]} et al."


class Sorted(SortingStyle):  # type: ignore[misc]
    """By authors, as usual, and by the names of organisations, which stand in braces."""

    def persons_key(self, persons: list[Any]) -> str:
        """Return what the list is sorted by first."""
        return str(super().persons_key(persons)).translate({ord("{"): None, ord("}"): None})


class Cited(Style):  # type: ignore[misc]
    """The plain style, with these labels."""

    default_label_style = Label
    default_sorting_style = "cited"


def setup(app: Sphinx) -> ExtensionMetadata:
    """Make both known by one name."""
    register_plugin("pybtex.style.formatting", "cited", Cited)
    register_plugin("pybtex.style.sorting", "cited", Sorted)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
