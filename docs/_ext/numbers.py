"""Chapters are numbered through the book, and not anew in each of its parts."""

from collections.abc import Iterator

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.environment.collectors.toctree import TocTreeCollector
from sphinx.util.typing import ExtensionMetadata

AS_SPHINX_DOES = TocTreeCollector.assign_section_numbers


def below(env: BuildEnvironment, page: str) -> Iterator[str]:
    """Yield a chapter and the pages that stand below it."""
    yield page
    for each in env.toctree_includes.get(page, ()):
        yield from below(env, each)


def assign(self: TocTreeCollector, env: BuildEnvironment) -> list[str]:
    """Number the chapters of each part, then go on where the part before has ended."""
    changed = AS_SPHINX_DOES(self, env)
    root = env.get_doctree(env.config.root_doc)
    parts = [part for part in root.findall(addnodes.toctree) if part["numbered"]]
    pages = [page for part in parts for _, page in part["entries"]]
    chapters = [page for page in pages if page in env.toc_secnumbers]  # and no address
    numbers = {page: n for n, top in enumerate(chapters, 1) for page in below(env, top)}
    for page, number in numbers.items():
        found = env.toc_secnumbers[page]
        env.toc_secnumbers[page] = {at: each and (number, *each[1:]) for at, each in found.items()}
        for node in (env.titles[page], *env.tocs[page].findall(nodes.reference)):
            if node.get("secnumber"):
                node["secnumber"] = [number, *node["secnumber"][1:]]
    return changed


def setup(app: Sphinx) -> ExtensionMetadata:
    """Number in this way."""
    TocTreeCollector.assign_section_numbers = assign  # type: ignore[method-assign]
    return {"parallel_read_safe": True, "parallel_write_safe": True}
