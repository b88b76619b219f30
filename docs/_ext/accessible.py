"""Pages that everyone can read: what the theme and its extensions leave to be mended."""

import re
from pathlib import Path

from docutils import nodes

# In the markup of every page, what to find and what to put there.
MENDED = [
    # Two things float over the text, outside every landmark.
    (r'(<a href="#" class="back-to-top.*?</a>)', r'<nav aria-label="Top of the page">\1</nav>'),
    (r'<div class="content-icon-container"', r'\g<0> role="region" aria-label="This page"'),
    # Sidebars tell a screen reader which is which.
    (r'<aside class="sidebar-drawer"', r'\g<0> aria-label="Contents of the book"'),
    (r'<aside class="toc-drawer[^"]*"', r'\g<0> aria-label="Contents of this page"'),
    # Captions among the links are headings, without a level.
    (r'<p class="caption" role="heading">', '<p class="caption" role="heading" aria-level="2">'),
    # A list of sources whose items have a role that is no longer one.
    (r'role="doc-biblioentry"', 'role="listitem"'),
    # The search page has no heading.
    (r'<div id="search-results">', r"<h1>Search</h1>\g<0>"),
    # The index of modules folds its groups with a picture of a minus.
    (r'(class="toggler"[^>]*) alt="-"', r'\1 alt="Fold or unfold this group"'),
    # A table shares its id with the box around it.
    (r'(<div class="table-wrapper[^"]*") id="[^"]*"', r"\1"),
    # Every exercise and every solution on a page would have this same id.
    (r'<section id="(exercise|solution)-content">', r"<section>"),
]


def mend(html):
    """Return the markup of a page without the theme's known faults."""
    for found, instead in MENDED:
        html = re.sub(found, instead, html, flags=re.DOTALL)
    return html


def give_figures_their_place(app, doctree, docname):
    """Say how large a picture is, so that no text moves for it, and load it when it is near."""
    if app.builder.format != "html":
        return
    for order, image in enumerate(doctree.findall(nodes.image)):
        if image["uri"].endswith(".svg") and "width" not in image:
            head = (Path(app.srcdir) / image["uri"]).read_text(encoding="utf-8")[:1000]
            points = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', head)
            image["width"], image["height"] = (f"{float(n) * 4 / 3:.0f}" for n in points.groups())
        if order:  # the first may be in view
            image["loading"] = "lazy"


def mend_page(app, pagename, templatename, context, doctree):
    """Hand the template what mends a page."""
    context["mended"] = mend


def setup(app):
    """Connect both to the build."""
    app.connect("doctree-resolved", give_figures_their_place)
    app.connect("html-page-context", mend_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
