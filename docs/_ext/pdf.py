"""The book on paper: ``-b pdf`` sets all pages as one, by WeasyPrint."""

import base64
import io
import logging
import re
import shutil
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from docutils import nodes
from PIL import Image
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.builders.singlehtml import SingleFileHTMLBuilder
from sphinx.environment.adapters.indexentries import IndexEntries
from sphinx.errors import ExtensionError
from sphinx.util.logging import getLogger
from sphinx.util.typing import ExtensionMetadata

from . import DOCS, artwork
from .assets import BUNDLES

PRINT = DOCS / "print"
COVER, TEXT, INDEX = "cover.png", "book.html", "index-of-words"
# Names and marks of code, letters and signs of formulas: no style sheet names them, and each of
# more than 50,000 would be a box of its own to be set. Only operators lose something: their green.
PLAIN = re.compile(
    r'<span class="(?:n|nx|o|p|pre|w|mord|mopen|mclose|mrel|mbin|mpunct|minner)">([^<]*)</span>'
)
PHOTO = re.compile('data:image/webp;base64,([^"]*)')
MISSING = """`make pdf` needs the package weasyprint and, from the system, the library Pango:
on Debian and Ubuntu `apt-get install libpango-1.0-0 libpangoft2-1.0-0`, on macOS
`brew install pango` (%s)"""


class Entry(NamedTuple):
    """A line of the contents."""

    kind: str  #: ``"part"``, ``"chapter"`` or ``"section"``
    text: str  #: as HTML
    place: str = ""  #: what it leads to, if anything


class Strict(logging.Handler):
    """Makes a missing letter, picture or place a warning of the build, and -W an error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on all but what WeasyPrint says of properties that it does not know."""
        if not record.getMessage().startswith("Ignored"):
            getLogger(__name__).warning(record.getMessage())


class Pdf(SingleFileHTMLBuilder):
    """All pages as one, set by WeasyPrint."""

    name = "pdf"
    format = "html"
    search = False

    def init(self) -> None:
        """Find out at once whether the book can be set."""
        super().init()
        for name in ("weasyprint.progress", "fontTools"):
            logging.getLogger(name).setLevel("WARNING")
        try:
            import weasyprint
        except (ImportError, OSError) as error:
            raise ExtensionError(MISSING % error) from None
        self.weasyprint = weasyprint
        weasyprint.pdf.pydyf.PDF = with_known_pages(weasyprint.pdf.pydyf.PDF)
        weasyprint.LOGGER.handlers = [Strict("WARNING")]
        weasyprint.LOGGER.propagate = False

    def assemble_doctree(self) -> nodes.document:
        """Put all pages into one, in which each target has a name of its own."""
        tree = super().assemble_doctree()
        pages = {"index": tree}
        for part in tree.findall(addnodes.start_of_file):
            pages[part["docname"]] = part
            for child in part:
                child.parent = part  # which Sphinx forgets
            if number := self.env.titles[part["docname"]].get("secnumber"):
                first_section(part)[0]["secnumber"] = number
        self.places: dict[tuple[str, str], str] = {}
        taken: set[str] = set()
        for node in tree.findall(nodes.Element):
            page = page_of(node)
            for name in node.get("ids", ()):
                if (page, name) not in self.places:
                    place = f"{page}-{name}" if name in taken else name
                    taken.add(place)
                    self.places[page, name] = place
            if node.get("ids"):
                node["ids"] = [self.places[page, name] for name in node["ids"]]
        for link in list(tree.findall(nodes.reference)):
            if link.get("refuri", "").startswith("_modules/"):  # the code is not on paper
                link.parent.remove(link)
            elif "refid" in link:
                link["refid"] = self.places[page_of(link), link["refid"]]
            elif link.get("refuri", "").startswith("#document-"):
                page, _, name = link["refuri"].removeprefix("#document-").partition("#")
                chapter = first_section(pages[page])
                place = self.places[page, name] if name else chapter["ids"][0]
                link["refuri"] = f"#{place}"
                if link.astext() == chapter[0].astext():  # on paper one looks for its number
                    link.insert(0, nodes.Text(numbered(chapter)))
        for page in pages.values():
            gather_solutions(page)
        self.parts(tree)
        return tree

    def parts(self, tree: nodes.document) -> None:
        """Note what the contents name, and move the front page's own text before the chapters."""
        front = tree[0]
        own = [each for each in front if isinstance(each, nodes.section)]
        self.contents = [entry(each, "section") for each in own if each["ids"] != ["the-chapters"]]
        toctrees = self.env.get_doctree(self.config.root_doc).findall(addnodes.toctree)
        parts = [node for node in front if "toctree-wrapper" in node.get("classes", ())]
        for toctree, part in zip(toctrees, parts, strict=True):
            if caption := toctree["caption"]:
                self.contents.append(Entry("part", escape(caption)))
            for page in part.findall(addnodes.start_of_file):
                chapter = first_section(page)
                if page.parent is not part:
                    self.contents.append(entry(chapter, "section"))
                    continue
                self.contents.append(entry(chapter, "chapter"))
                sections = [each for each in chapter if isinstance(each, nodes.section)]
                self.contents += [entry(each, "section") for each in sections]
            front.remove(part)
            front.append(part)
        self.contents.append(Entry("chapter", "Index", INDEX))

    def assemble_toc_secnumbers(self) -> dict[str, dict[str, tuple[int, ...]]]:
        """Number nothing but chapters, whose titles know their numbers."""
        return {self.config.root_doc: {}}

    def assemble_toc_fignumbers(self) -> dict[str, dict[str, dict[str, tuple[int, ...]]]]:
        """Number figures and formulas as on the pages, under their names in the whole."""
        numbers: dict[str, dict[str, tuple[int, ...]]] = {}
        for page, kinds in self.env.toc_fignumbers.items():
            for kind, ids in kinds.items():
                renamed = {self.places.get((page, name), name): n for name, n in ids.items()}
                numbers.setdefault(kind, {}).update(renamed)
        return {self.config.root_doc: numbers}

    def handle_page(
        self,
        pagename: str,
        addctx: dict[str, Any],
        templatename: str = "page.html",
        **options: Any,
    ) -> None:
        """Keep the text of the whole, without what scripts read, until its figures are there."""
        body = re.sub(r"<script.*?</script>", "", addctx["body"], flags=re.DOTALL)
        body = PLAIN.sub(r"\1", body)
        self.body = body.replace("max-width:100%;height:auto", "max-width:100%")  # else a square

    def finish(self) -> None:
        """Bring what the text shows, and set it."""
        self.copy_image_files()
        for path in (self.outdir / self.imagedir).glob("*.svg"):
            path.write_text(PHOTO.sub(as_jpeg, path.read_text("utf-8")), "utf-8")
        shutil.copyfile(artwork.kept(self.config, artwork.cover), self.outdir / COVER)
        import matplotlib

        fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
        sheets = [(PRINT / "paper.css").read_text("utf-8").replace("FONTS", fonts.as_uri())]
        sheets.append(self.highlighter.get_stylesheet())
        katex = (BUNDLES / "katex.css").as_uri()
        config = self.config
        self.head = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(config.project)}</title>
<meta name="author" content="{escape(config.author)}">
<link rel="stylesheet" href="{katex}"><style>{"".join(sheets)}</style></head>"""
        (self.outdir / TEXT).write_text(self.body, "utf-8")
        self.fonts = self.weasyprint.text.fonts.FontConfiguration()
        # The contents name pages. Were they set with the text, WeasyPrint would set all of it again
        # and again until no number changes; so the text comes first, behind as many pages.
        before = len(self.front({}).pages)
        first = f"<style>@page :first {{ counter-reset: page {before + 1} }}</style>"
        text = self.set(f"{first}<main>{self.body}</main>")
        numbers: dict[str, int] = {}
        for number, page in enumerate(text.pages, before + 1):
            for place in page.anchors:
                numbers.setdefault(place, number)  # it is on each page that its section reaches
        back = self.back(numbers, before + len(text.pages))
        front = self.front(numbers)
        whole = text.copy([*front.pages, *text.pages, *back.pages])
        whole.write_pdf(self.outdir / f"{config.epub_basename}.pdf", pdf_tags=True)

    def front(self, numbers: dict[str, int]) -> Any:
        """Set what stands before the text; in the contents, the number of each place's page."""
        config = self.config
        lines = [
            f'<a class="{kind}" href="#{place}" data-page="{numbers.get(place, 100)}">{text}</a>'
            if place
            else f"<p>{text}</p>"
            for kind, text, place in self.contents
        ]
        return self.set(f"""
<div id="cover"><img src="{COVER}" alt="{artwork.COVER_SHOWS}"></div>
<div id="imprint"><p>{escape(config.project)}, version {escape(config.release)}</p>
<p>{escape(config.html_baseurl)}</p><p>© {escape(config.copyright)}.</p></div>
<nav id="contents"><h1>Contents</h1>{"".join(lines)}</nav>""")

    def back(self, numbers: dict[str, int], before: int) -> Any:
        """Set the index, without the names in the package, which its own pages list in order."""
        numbers[INDEX] = before + 1
        groups = []
        for letter, found in IndexEntries(self.env).create_index(self):
            lines = []
            for name, (targets, others, _) in found:
                lines += self.line(name, targets, numbers, "entry")
                for other, places in others:
                    lines += self.line(other, places, numbers, "sub")
            if lines:
                groups.append(f"<h4>{escape(letter)}</h4>{''.join(lines)}")
        start = f"<style>@page :first {{ counter-reset: page {before + 1} }}</style>"
        words = "".join(groups)
        return self.set(f'{start}<div id="{INDEX}"><h2>Index</h2><div>{words}</div></div>')

    def line(
        self, name: str, targets: Iterable[tuple[Any, Any]], numbers: dict[str, int], kind: str
    ) -> list[str]:
        """Return the line of the index that names the pages of a word, if there are any."""
        found = {}
        for _, uri in targets:
            page, place = uri.partition("#document-")[2].split("#")
            if not page.startswith("api/"):
                named = self.places[page, place]
                found[numbers[named]] = f'<a href="#{named}">{numbers[named]}</a>'
        pages = ", ".join(found[number] for number in sorted(found))
        return [f'<p class="{kind}">{escape(name)} {pages}</p>'] if found else []

    def set(self, content: str) -> Any:
        """Set some of the book, and return it as WeasyPrint's document."""
        page = f"{self.head}<body>{content}</body></html>"
        book = self.weasyprint.HTML(string=page, base_url=str(self.outdir / TEXT))
        return book.render(font_config=self.fonts)


def as_jpeg(photo: re.Match[str]) -> str:
    """Return a photograph as JPEG, which a PDF holds as it is; WebP would become a PNG in it.

    One with transparent places stays: JPEG has none.
    """
    picture = Image.open(io.BytesIO(base64.b64decode(photo[1])))
    if picture.mode != "RGB":
        return photo[0]
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=92, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def with_known_pages(kind: Any) -> Any:
    """Return a kind of PDF that remembers how its pages are named.

    WeasyPrint asks for that at each of 300,000 boxes, and would work it out for all pages anew.
    """
    names = kind.page_references.fget

    class KnownPages(kind):  # type: ignore[misc]
        known: tuple[bytes, ...] = ()

        @property
        def page_references(self) -> tuple[bytes, ...]:
            if len(self.known) != self.pages["Count"]:
                self.known = names(self)
            return self.known

    return KnownPages


def page_of(node: nodes.Node | None) -> str:
    """Return the name of the page that a part of the whole comes from."""
    while node is not None and not isinstance(node, addnodes.start_of_file):
        node = node.parent
    return "index" if node is None else node["docname"]


def first_section(page: nodes.Element) -> nodes.Element:
    """Return a page's first section: Sphinx' own mark stands before the page break."""
    return next(page.findall(nodes.section))


def numbered(section: nodes.Element) -> str:
    """Return what stands before a section's title."""
    return "".join(f"{each}. " for each in section[0].get("secnumber", ()))


def entry(section: nodes.Element, kind: str) -> Entry:
    """Return the line of the contents that leads to a section."""
    return Entry(kind, escape(numbered(section) + section[0].astext()), section["ids"][0])


def gather_solutions(page: nodes.Element) -> None:
    """Move a chapter's solutions behind all of its exercises: paper cannot fold them."""
    solutions = [each for each in page.findall(nodes.Element) if "solution" in each["classes"]]
    if not solutions or isinstance(page, nodes.document):
        return
    for solution in solutions:
        solution.parent.remove(solution)
    chapter = first_section(page)
    title = nodes.title(text="Solutions")
    chapter.append(nodes.section("", title, *solutions, ids=[f"{page['docname']}-solutions"]))


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the printed book to Sphinx' builders."""
    app.add_builder(Pdf)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
