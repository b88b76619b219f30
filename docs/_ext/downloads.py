"""What a chapter offers to take home: its notebook with results, one for Colab, and its source.

A notebook knows none of the book's directives, so what they stand for is written out: numbers from
cells, numbers of figures and formulas, titles of exercises, authors of what is cited.
"""

import ast
import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.util.typing import ExtensionMetadata

from . import wheel
from .assets import BUNDLES
from .citations import authors
from .depths import SAID
from .execution import chapters, with_results
from .exercises import effort
from .live import extras
from .widths import parted

ROLE = re.compile(r"\{([\w:]+)\}`([^`]+)`")
TITLED = re.compile(r"(.*?)\s*<(.*)>", re.DOTALL)
DIRECTIVE = re.compile(r"^(```+)\{([\w-]+)\}([^\n]*)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"^:\w+:.*\n", re.MULTILINE)
FORMULA = re.compile(r"\$\$(.*?)\$\$ \(([\w-]+)\)", re.DOTALL)
SVG = "image/svg+xml"
GLUED = "application/papermill.record/text/plain"
INSTALL = """\
#@title The package `convdocs`, which this notebook carries
import base64
from pathlib import Path

Path({name!r}).write_bytes(base64.b64decode({wheel!r}))
%pip install -q ./{name}[{extras}]
"""
HEAD = "*This is a chapter of the book {book}, version {version}{rest}.*"
EXECUTED = (
    ", with the results of its build. To run its cells, open the notebook for Colab instead, "
    "there or in your own Jupyter: it carries the package"
)
COLAB = (
    ". Run the next cell first: it installs the book's package, in the very version of these "
    "pages, from a copy that the notebook carries"
)
LINKS = """
<nav class="downloads" aria-label="Downloads"><p>Take this chapter home:
<a href="{root}downloads/{page}.ipynb" download>notebook with its results</a>,
<a href="{root}downloads/{page}-colab.ipynb" download>notebook for Colab</a>,
<a href="{root}_sources/{source}" download="{page}.md">source</a>.</p></nav>
"""


class Words:
    """What one page's directives and roles stand for, in plain Markdown."""

    def __init__(self, env: BuildEnvironment, page: str, notebook: NotebookNode) -> None:
        self.env = env
        self.page = page
        self.names = {
            output.metadata.scrapbook.name: output.data[GLUED]
            for cell in notebook.cells
            for output in cell.get("outputs", ())
            if GLUED in output.get("data", ())
        }
        self.sources: Any = env.get_domain("cite").bibdata.data.entries  # type: ignore[attr-defined]
        blocks = env.get_doctree(page).findall(nodes.literal_block)
        self.included = (block for block in blocks if "source" in block)

    def number(self, kind: str, name: str) -> str:
        """Return the number of a figure, a table, a formula or an exercise, if it has one."""
        page, place = self.env.domains.standard_domain.anonlabels.get(name, (self.page, name))
        if kind == "displaymath":
            page = self.env.domains.math_domain.equations[name][0]
            place = nodes.make_id(f"equation-{name}")
        return ".".join(map(str, self.env.toc_fignumbers[page].get(kind, {}).get(place, ())))

    def reference(self, name: str) -> str:
        """Return the name of what a label stands for, with its number."""
        for kind, word in {"figure": "Fig.", "table": "Table", "exercise": "Exercise"}.items():
            if number := self.number(kind, name):
                return f"{word} {number}"
        return f"*{self.env.domains.standard_domain.labels[name][2]}*"

    def source(self, key: str) -> tuple[str, str | None]:
        """Return the authors of what is cited, and its year if it has one."""
        entry = self.sources[key]
        return authors(entry).replace("et al.", "*et al.*"), entry.fields.get("year")

    def role(self, found: re.Match[str]) -> str:
        """Return what a role in a sentence stands for."""
        name, body = found.groups()
        titled = TITLED.fullmatch(body)
        text = titled[1] if titled else ""
        target = titled[2] if titled else body
        if name == "glue:text":
            key, _, form = body.partition(":")
            value = ast.literal_eval(self.names[key])
            return format(value, form) if form else str(value)
        if name == "eq":
            return f"({self.number('displaymath', target)})"
        if name == "numref" and "%s" in text:
            return text.replace("%s", self.reference(target).rpartition(" ")[2])
        if name in ("numref", "ref"):
            return text or self.reference(target)
        if name == "math":
            return f"${body}$"
        if name == "doc":
            return text or f"*{self.env.titles[target.strip('/')].astext()}*"
        if name.startswith("cite"):
            sources = [self.source(key.strip()) for key in target.split(",")]
            if name == "cite:p":
                return f"[{'; '.join(', '.join(filter(None, each)) for each in sources)}]"
            return ", ".join(f"{authors} [{year}]" for authors, year in sources)
        if name.startswith("py:"):
            short = target.rpartition(".")[2] if target.startswith("~") else target
            return f"`{text or short}`"
        if name == "term":
            return text or target
        raise ExtensionError(f"{self.page}: a notebook has no words for the role {name}")

    def directive(self, found: re.Match[str]) -> str:
        """Return what a directive stands for."""
        _, name, title, body = found.groups()
        title = title.strip()
        if name == "exercise-start":
            (label,) = re.findall(r":label: (\S+)", body)
            (classes,) = re.findall(r":class: (.*)", body)
            return f"**{self.reference(label)} ({title})** {effort(classes.split())}"
        if name == "solution-start":
            return f"**Solution to {self.reference(title)}**"
        if name in ("exercise-end", "solution-end", "index"):
            return ""
        if name == "literalinclude":
            block = next(self.included)
            return f"```{block['language']}\n{block.astext().rstrip()}\n```"
        if name == "lab":
            return OPTION.sub("", body).strip()
        if name in ("hint", "admonition"):
            return f"**{title or 'Hint'}**\n\n{OPTION.sub('', body).strip()}"
        if name == "only":
            return "" if title == "builder_html" else body.strip()
        if name == "depth":
            return f"*{SAID[title]}.*"
        if name == "explorer":
            return f"*The book's web pages have an explorer here.* {OPTION.sub('', body).strip()}"
        raise ExtensionError(f"{self.page}: a notebook has no words for the directive {name}")

    def plain(self, text: str) -> str:
        """Return Markdown that any notebook shows."""
        text = re.sub(r"^(\([\w-]+\)=|%.*)\n", "", text, flags=re.MULTILINE)
        text = DIRECTIVE.sub(self.directive, text)
        text = FORMULA.sub(
            lambda found: f"$${found[1]}\\tag{{{self.number('displaymath', found[2])}}}\n$$", text
        )
        return ROLE.sub(self.role, text).strip()


def written_out(env: BuildEnvironment, page: str, notebook: NotebookNode) -> Iterator[NotebookNode]:
    """Return a chapter's cells as a notebook needs them, with their results."""
    words = Words(env, page, notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            if text := words.plain(cell.source):
                yield new_markdown_cell(text)
            continue
        tags = cell.metadata.get("tags", [])
        outputs = [each for each in cell.outputs if "scrapbook" not in each.get("metadata", {})]
        for drawn in (each.get("data", {}) for each in outputs):
            if SVG in drawn:
                drawn[SVG], _ = parted(drawn[SVG])
        new = new_code_cell(cell.source, outputs=outputs, execution_count=cell.execution_count)
        if tags:
            new.metadata.tags = tags
        if "remove-cell" in tags:
            new.outputs = []
        if "remove-cell" in tags or "aside" in tags:
            new.metadata.jupyter = {"source_hidden": True}
        yield new
        if figure := cell.metadata.get("mystnb", {}).get("figure"):
            caption = words.plain(figure.get("caption", ""))
            name = f"**{words.reference(figure['name'])}.** " if "name" in figure else ""
            if name or caption:
                yield new_markdown_cell(f"{name}{caption}")


def write(path: Path, cells: list[NotebookNode]) -> None:
    """Write a notebook, with names of cells that are the same in every build."""
    for i, cell in enumerate(cells):
        cell.id = f"cell-{i}"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=about), path)


def older(first: Path, second: Path) -> bool:
    """Return whether one file was written before another, which may be missing."""
    return second.exists() and first.stat().st_mtime_ns < second.stat().st_mtime_ns


def notebooks(app: Sphinx, failure: Exception | None) -> None:
    """Write two notebooks of each chapter that was written: with results, and with the package."""
    if failure or app.builder.name != "html":
        return
    folder = Path(app.outdir) / "downloads"
    folder.mkdir(exist_ok=True)
    path = wheel.made(BUNDLES)
    package = {"name": path.name, "wheel": base64.b64encode(path.read_bytes()).decode()}
    book = {"book": app.config.project, "version": app.config.release}
    for page in chapters(app.env):
        if older(Path(app.outdir) / f"{page}.html", folder / f"{page}-colab.ipynb"):
            continue
        try:
            cells = list(written_out(app.env, page, with_results(app.env, page)))
        except (LookupError, ValueError) as error:  # a label or an option that is not there
            raise ExtensionError(f"{page}: it makes no notebook: {error!r}") from error
        head = new_markdown_cell(HEAD.format(rest=EXECUTED, **book))
        (folder / page).parent.mkdir(parents=True, exist_ok=True)
        write(folder / f"{page}.ipynb", [head, *cells])
        for cell in cells:
            if cell.cell_type == "code":
                cell.outputs = []
                cell.execution_count = None
        head = new_markdown_cell(HEAD.format(rest=COLAB, **book))
        names = ",".join(["data", *extras(app.env, page)])
        first = new_code_cell(INSTALL.format(extras=names, **package))
        first.metadata = {"cellView": "form", "jupyter": {"source_hidden": True}}
        write(folder / f"{page}-colab.ipynb", [head, first, *cells])


def links(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Put the links under a chapter."""
    if app.builder.name == "html" and pagename in chapters(app.env):
        root = context["pathto"]("", resource=True)
        context["body"] += LINKS.format(root=root, page=pagename, source=context["sourcename"])


def setup(app: Sphinx) -> ExtensionMetadata:
    """Connect both to the build."""
    app.connect("html-page-context", links)
    app.connect("build-finished", notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
