"""What search engines read, and what is shown where somebody shares a link to a page."""

import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from . import artwork

PICTURE = "preview.png"
GENERATED = {"genindex": "Index", "py-modindex": "Index of modules", "search": "Search"}
SEEN = "A portrait of Grace Hopper, and next to it its edges, as a convolution finds them."


def is_sentence(node: nodes.Node) -> bool:
    """Return whether a node is a paragraph, and not the line that says how long a chapter takes."""
    return isinstance(node, nodes.paragraph) and "minutes" not in node["classes"]


def describe(text: str) -> str:
    """Return the first sentences of a text, as many as a search engine shows."""
    kept, *others = re.split(r"(?<=[.?!]) ", " ".join(text.split()))
    for sentence in others:
        if len(kept) + len(sentence) > 160:
            break
        kept += f" {sentence}"
    return kept if len(kept) <= 200 else f"{kept[:199].rsplit(' ', 1)[0].rstrip(',;')}…"


def add_description(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Hand the template what describes a page."""
    heading = context.get("title") or GENERATED[pagename]
    paragraph = doctree and next(doctree.findall(is_sentence), None)
    written = describe(paragraph.astext()) if paragraph else ""
    context["heading"] = heading
    context["metatags"] = re.sub(r'<meta name="viewport"[^>]*>', "", context.get("metatags", ""))
    context["description"] = written or f"{heading} of {app.config.project}"
    # Some who show links take an address from the page's own, where the book does not know its own.
    root = app.config.html_baseurl or context["content_root"]
    context["preview"] = f"{root}_static/{PICTURE}"
    context["preview_alt"] = SEEN
    if repository := context.get("theme_source_repository"):
        context["report"] = f"{repository}/issues/new?{urlencode({'title': f'On page {pagename}'})}"


def finish(app: Sphinx, failure: Exception | None) -> None:
    """Write robots.txt, the picture and, where the book knows its own address, a sitemap."""
    if failure or app.builder.name != "html":
        return
    robots = "User-agent: *\nAllow: /\n"
    base = app.config.html_baseurl
    out = Path(app.outdir)
    shutil.copyfile(artwork.kept(app.config, artwork.preview), out / "_static" / PICTURE)
    if base:
        pages = [f"{base}{app.builder.get_target_uri(name)}" for name in sorted(app.env.found_docs)]
        lines = [f"<url><loc>{escape(page)}</loc></url>" for page in pages if "/404." not in page]
        start = '<?xml version="1.0" encoding="utf-8"?>\n'
        start += '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
        sitemap = "\n".join([start, *lines, "</urlset>\n"])
        (out / "sitemap.xml").write_text(sitemap, encoding="utf-8")
        robots += f"Sitemap: {base}sitemap.xml\n"
    (out / "robots.txt").write_text(robots, encoding="utf-8")


def setup(app: Sphinx) -> ExtensionMetadata:
    """Connect all of it to the build."""
    app.connect("html-page-context", add_description)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
