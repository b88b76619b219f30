"""The book for electronic readers: ``-b epub``."""

import re
import shutil
from collections.abc import Set
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders.epub3 import Epub3Builder
from sphinx.errors import ExtensionError
from sphinx.util.typing import ExtensionMetadata

from . import DOCS, artwork

SHEET = DOCS / "print" / "ebook.css"
COVER = "cover.png"
LANDMARKS = """</nav>
    <nav epub:type="landmarks" hidden="">
      <ol>
        <li><a epub:type="cover" href="epub-cover.xhtml">Cover</a></li>
        <li><a epub:type="bodymatter" href="{first}">The first chapter</a></li>
      </ol>
    </nav>
  </body>"""


def replaced(text: str, old: str, new: str) -> str:
    """Return a text with one part replaced, which must be in it."""
    if old not in text:
        raise ExtensionError(f"no longer in Sphinx' electronic books: {old}")
    return text.replace(old, new, 1)


def names_once(svg: str) -> str:
    """Return a drawing in which no two parts have one name."""
    seen: set[str] = set()

    def once(found: re.Match[str]) -> str:
        new = found[1] not in seen
        seen.add(found[1])
        return found[0] if new else ""

    return re.sub(r' id="(\w+)"', once, svg)


class Ebook(Epub3Builder):
    """An EPUB 3 whose formulas are MathML, with no script and one style sheet."""

    name = "epub"

    def copy_static_files(self) -> None:
        """Bring the two files that are ours, and nothing of the web pages."""
        static = self.outdir / "_static"
        static.mkdir(exist_ok=True)
        sheet = SHEET.read_text("utf-8") + self.highlighter.get_stylesheet()
        (static / SHEET.name).write_text(sheet, "utf-8")
        shutil.copyfile(artwork.kept(self.config, artwork.cover), static / COVER)

    def copy_image_files(self) -> None:
        """Copy the figures; one that shows a picture twice names it twice, which SVG forbids."""
        super().copy_image_files()
        for path in (self.outdir / self.imagedir).glob("*.svg"):
            path.write_text(names_once(path.read_text("utf-8")), "utf-8")

    def prepare_writing(self, docnames: Set[str]) -> None:
        """Leave out the index of modules, which is two lines long."""
        super().prepare_writing(docnames)
        self.domain_indices = []

    def get_refnodes(
        self, doctree: nodes.Node, result: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """Collect what the contents list, chapters with their numbers."""
        entries = super().get_refnodes(doctree, result)
        number = doctree.get("secnumber") if isinstance(doctree, nodes.reference) else None
        if number and len(number) == 1:
            entries[-1]["text"] = f"{number[0]}. {entries[-1]['text']}"
        return entries

    def build_navigation_doc(self) -> None:
        """Write the contents, and beside them the places that a reader can be sent to at once."""
        super().build_navigation_doc()
        path = self.outdir / "nav.xhtml"
        chapters = [entry for entry in self.refnodes if entry["text"].startswith("1. ")]
        first = (chapters or self.refnodes)[0]["refuri"]
        text = re.sub(r"</nav>\s*</body>", LANDMARKS.format(first=first), path.read_text("utf-8"))
        path.write_text(text, "utf-8")

    def handle_page(
        self,
        pagename: str,
        addctx: dict[str, Any],
        templatename: str = "page.html",
        **options: Any,
    ) -> None:
        """Write a page that asks for the one style sheet, and for nothing else."""
        super().handle_page(pagename, addctx, templatename, **options)
        path = self.outdir / f"{pagename}.xhtml"
        text = re.sub(r'\s*<link rel="stylesheet"[^>]*>', "", path.read_text("utf-8"))
        text = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)  # what scripts would read
        sheet = f'<link rel="stylesheet" href="{"../" * pagename.count("/")}_static/ebook.css"/>'
        text = replaced(text, "</head>", f"{sheet}</head>")
        lang = self.config.language
        text = replaced(text, "<html ", f'<html lang="{lang}" xml:lang="{lang}" ')
        if pagename == self.config.epub_cover[1].removesuffix(".html"):
            text = replaced(text, "Cover image", artwork.COVER_SHOWS)
        path.write_text(text, "utf-8")

    def build_content(self) -> None:
        """Write the list of files, and declare in it what EPUB 3 wants declared."""
        super().build_content()
        opf = self.outdir / "content.opf"
        cover = f'href="_static/{COVER}"'
        text = replaced(opf.read_text("utf-8"), cover, f'{cover} properties="cover-image"')
        for name in [name for name in self.files if name.endswith(".xhtml")]:
            page = (self.outdir / name).read_text("utf-8")
            tags = {"mathml": "<math", "svg": "<svg"}
            if held := " ".join(kind for kind, tag in tags.items() if tag in page):
                text = replaced(text, f'href="{name}"', f'href="{name}" properties="{held}"')
        opf.write_text(text, "utf-8")


def setup(app: Sphinx) -> ExtensionMetadata:
    """Replace Sphinx' electronic book."""
    app.add_builder(Ebook, override=True)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
