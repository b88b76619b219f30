"""The book as one file: ``-b epub`` for electronic readers, ``-b pdf`` for paper."""

import logging
import re
import shutil
from html import escape
from pathlib import Path

import matplotlib
import numpy as np
from docutils import nodes
from matplotlib.figure import Figure
from sphinx import addnodes
from sphinx.builders.epub3 import Epub3Builder
from sphinx.builders.singlehtml import SingleFileHTMLBuilder
from sphinx.errors import ExtensionError
from sphinx.util.logging import getLogger
from web import BUNDLES

from convdocs import conv2d, data

STYLES = Path(__file__).parent.parent / "print"
COVER = "cover.png"
MISSING = """`make pdf` needs the package weasyprint and, from the system, the library Pango:
on Debian and Ubuntu `apt-get install libpango-1.0-0 libpangoft2-1.0-0`, on macOS
`brew install pango` (%s)"""


def cover(folder, title):
    """Draw the cover: a portrait that turns into its own edges, under the title."""
    photo = data.photo()
    smooth, slope = np.array([1, 2, 1]), np.array([-1, 0, 1])
    kernels = np.stack([np.outer(smooth, slope), np.outer(slope, smooth)])[:, None]
    edges = np.hypot(*conv2d(photo[None, None], kernels / 8, padding=1)[0])
    edges = np.clip(1 - 4 * edges, 0, 1)
    H, W = photo.shape
    share = np.clip(3 * np.linspace(0, 1, W) - 1, 0, 1)  # of the edges, from left to right
    picture = (1 - share) * photo + share * edges
    paper = Figure(figsize=(8, 11.3), facecolor="white")
    axes = paper.add_axes((0, 0, 1, 8 * H / W / 11.3))
    axes.imshow(picture[8:-8, 8:-8], cmap="gray", vmin=0, vmax=1, aspect="auto")
    axes.set_axis_off()
    first, second = title.split(", ")
    font = {"family": "STIXGeneral", "ha": "left", "color": "#14213d"}
    paper.text(0.07, 0.925, first, size=44, va="center", **font)
    paper.text(0.07, 0.87, second, size=30, va="center", style="italic", **font)
    paper.savefig(folder / COVER, dpi=200, metadata={"Software": None})


class Ebook(Epub3Builder):
    """An EPUB 3 whose formulas are MathML, with no script and one style sheet."""

    name = "epub"

    def init(self):
        """Begin with an empty folder, since all that lies there goes into the book."""
        shutil.rmtree(self.outdir, ignore_errors=True)
        self.outdir.mkdir(parents=True)
        super().init()

    def copy_static_files(self):
        """Bring the two files that are ours, and nothing of the web pages."""
        static = self.outdir / "_static"
        static.mkdir(exist_ok=True)
        sheet = (STYLES / "ebook.css").read_text() + self.highlighter.get_stylesheet()
        (static / "ebook.css").write_text(sheet)
        cover(static, self.config.project)

    def copy_image_files(self):
        """Copy the figures; one that shows a picture twice names it twice, which SVG forbids."""
        super().copy_image_files()
        for path in (self.outdir / self.imagedir).glob("*.svg"):
            seen = set()

            def once(found, seen=seen):
                new = found[1] not in seen
                seen.add(found[1])
                return found[0] if new else ""

            path.write_text(re.sub(r' id="(\w+)"', once, path.read_text()))

    def prepare_writing(self, docnames):
        """Leave out the index of modules, which is two lines long."""
        super().prepare_writing(docnames)
        self.domain_indices = []

    def handle_page(self, pagename, addctx, templatename="page.html", **options):
        """Write a page that asks for the one style sheet alone, and for no outdated role."""
        super().handle_page(pagename, addctx, templatename, **options)
        path = self.outdir / f"{pagename}.xhtml"
        text = re.sub(r'\s*<link rel="stylesheet"[^>]*>', "", path.read_text())
        text = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)  # what scripts would read
        sheet = f'<link rel="stylesheet" href="{"../" * pagename.count("/")}_static/ebook.css"/>'
        text = text.replace("</head>", f"{sheet}</head>").replace(' role="doc-biblioentry"', "")
        path.write_text(text)

    def build_content(self):
        """Write the list of files, and declare in it what EPUB 3 wants declared."""
        super().build_content()
        opf = self.outdir / "content.opf"
        text = opf.read_text().replace(
            f'href="_static/{COVER}"', f'href="_static/{COVER}" properties="cover-image"'
        )
        for name in [name for name in self.files if name.endswith(".xhtml")]:
            page = (self.outdir / name).read_text()
            tags = {"mathml": "<math", "svg": "<svg"}
            if held := " ".join(kind for kind, tag in tags.items() if tag in page):
                text = text.replace(f'href="{name}"', f'href="{name}" properties="{held}"', 1)
        opf.write_text(text)


class Strict(logging.Handler):
    """Makes a missing letter, picture or place a warning of the build, and -W an error."""

    def emit(self, record):
        """Pass on all but what WeasyPrint says of properties that it does not know."""
        if not record.getMessage().startswith("Ignored"):
            getLogger(__name__).warning(record.getMessage())


class Pdf(SingleFileHTMLBuilder):
    """All pages as one, set by WeasyPrint."""

    name = "pdf"
    format = "html"
    search = False

    def init(self):
        """Find out at once whether the book can be set."""
        super().init()
        try:
            import weasyprint
        except (ImportError, OSError) as error:
            raise ExtensionError(MISSING % error) from None
        self.weasyprint = weasyprint
        weasyprint.LOGGER.handlers = [Strict("WARNING")]
        weasyprint.LOGGER.propagate = False

    def assemble_doctree(self):
        """Put all pages into one, in which each target has a name of its own."""
        tree = super().assemble_doctree()
        pages = {"index": tree}
        for part in tree.findall(addnodes.start_of_file):
            pages[part["docname"]] = part
            for child in part:
                child.parent = part  # which Sphinx forgets
        self.places, taken = {}, set()
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
                place = self.places[page, name] if name else first_section(pages[page])["ids"][0]
                link["refuri"] = f"#{place}"
        self.parts(tree)
        return tree

    def parts(self, tree):
        """Write the table of contents, and move the front page's own text before the chapters."""
        front, contents = tree[0], []
        toctrees = self.env.get_doctree(self.config.root_doc).findall(addnodes.toctree)
        parts = [node for node in front if "toctree-wrapper" in node.get("classes", ())]
        for toctree, part in zip(toctrees, parts, strict=True):
            contents.append(f"<p>{escape(toctree['caption'])}</p>")
            for page in part.findall(addnodes.start_of_file):
                if page.parent is part:
                    chapter = first_section(page)
                    contents.append(entry(chapter, "chapter"))
                    sections = [each for each in chapter if isinstance(each, nodes.section)]
                    contents += [entry(each, "section") for each in sections]
            front.remove(part)
            front.append(part)
        self.contents = "\n".join(contents)

    def assemble_toc_fignumbers(self):
        """Number figures and formulas as on the pages, under their names in the whole."""
        numbers = {}
        for page, kinds in self.env.toc_fignumbers.items():
            for kind, ids in kinds.items():
                renamed = {self.places.get((page, name), name): n for name, n in ids.items()}
                numbers.setdefault(kind, {}).update(renamed)
        return {self.config.root_doc: numbers}

    def handle_page(self, pagename, addctx, templatename="page.html", **options):
        """Keep the text of the whole until its figures are there."""
        self.body = addctx["body"]

    def finish(self):
        """Bring what the text shows, and set it."""
        self.copy_image_files()
        cover(self.outdir, self.config.project)
        fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
        sheets = [(STYLES / "paper.css").read_text().replace("FONTS", fonts.as_uri())]
        sheets.append(self.highlighter.get_stylesheet())
        katex = (BUNDLES / "katex" / "katex.css").as_uri()
        config = self.config
        page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(config.project)}</title>
<meta name="author" content="{escape(config.author)}">
<link rel="stylesheet" href="{katex}"><style>{"".join(sheets)}</style></head><body>
<div id="cover"><img src="{COVER}" alt="A portrait that turns into its own edges"></div>
<div id="imprint"><p>{escape(config.project)}, version {escape(config.release)}</p>
<p>{escape(config.html_baseurl)}</p><p>© {escape(config.copyright)}.</p></div>
<nav id="contents"><h1>Contents</h1>{self.contents}</nav>
<main>{self.body}</main></body></html>"""
        (self.outdir / "book.html").write_text(page)
        book = self.weasyprint.HTML(string=page, base_url=str(self.outdir / "book.html"))
        book.write_pdf(self.outdir / f"{config.epub_basename}.pdf", pdf_tags=True)


def page_of(node):
    """Return the name of the page that a part of the whole comes from."""
    while node is not None and not isinstance(node, addnodes.start_of_file):
        node = node.parent
    return "index" if node is None else node["docname"]


def first_section(page):
    """Return a page's first section: Sphinx' own mark stands before the page break."""
    return next(page.findall(nodes.section))


def entry(section, kind):
    """Return a line of the table of contents; the style sheet adds the number of the page."""
    return f'<a class="{kind}" href="#{section["ids"][0]}">{escape(section[0].astext())}</a>'


def name_once(app, doctree, docname):
    """Take from exercises the name that all of them have in common."""
    for section in doctree.findall(nodes.section):
        if section["ids"] in (["exercise-content"], ["solution-content"]):
            section["ids"] = []


def setup(app):
    """Replace Sphinx' electronic book, and add the printed one."""
    app.add_builder(Ebook, override=True)
    app.add_builder(Pdf)
    app.connect("doctree-resolved", name_once)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
