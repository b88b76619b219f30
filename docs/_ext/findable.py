"""What search engines read, and what is shown where somebody shares a link to a page."""

import re
from pathlib import Path
from xml.sax.saxutils import escape

from docutils import nodes

PICTURE = "preview.png"
GENERATED = {"genindex": "Index", "py-modindex": "Index of modules", "search": "Search"}
SEEN = "A portrait of Grace Hopper, and next to it its edges, as a convolution finds them."


def describe(doctree):
    """Return the first sentences of a page, as many as a search engine shows."""
    text = " ".join(next(doctree.findall(nodes.paragraph)).astext().split())
    kept, *others = re.split(r"(?<=[.?!]) ", text)
    for sentence in others:
        if len(kept) + len(sentence) > 160:
            break
        kept += f" {sentence}"
    return kept if len(kept) <= 200 else f"{kept[:199].rsplit(' ', 1)[0].rstrip(',;')}…"


def add_description(app, pagename, templatename, context, doctree):
    """Hand the template what describes a page."""
    written = doctree and next(doctree.findall(nodes.paragraph), None)
    heading = context.get("title") or GENERATED[pagename]
    context["heading"] = heading
    context["description"] = describe(doctree) if written else f"{heading} of {app.config.project}"
    context["preview"] = f"{app.config.html_baseurl}_static/{PICTURE}"
    context["preview_alt"] = SEEN


def draw(title, path):
    """Draw the picture of a link's preview."""
    import numpy as np
    from matplotlib.figure import Figure

    from convdocs import conv2d, data

    photo = data.photo()[:430]  # as wide to its height as half of the picture
    sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    gx, gy = conv2d(photo[None, None], np.stack([sobel, sobel.T])[:, None], padding=1)[0]
    figure = Figure(figsize=(12, 6.3), dpi=100, facecolor="#1f2328")
    pictures = {"gray": photo, "gray_r": np.hypot(gx, gy).clip(0, 2)}
    for left, (shades, picture) in zip((0.0, 0.5), pictures.items(), strict=True):
        axes = figure.add_axes((left, 0.2, 0.5, 0.8))
        axes.imshow(picture, shades, aspect="auto")
        axes.set_axis_off()
    figure.text(0.5, 0.1, title, color="white", size=36, ha="center", va="center")
    figure.savefig(path)


def finish(app, failure):
    """Write robots.txt and, where the book knows its own address, a sitemap and the picture."""
    if failure or app.builder.name != "html":
        return
    robots, base, out = "User-agent: *\nAllow: /\n", app.config.html_baseurl, Path(app.outdir)
    if base:
        pages = [f"{base}{app.builder.get_target_uri(name)}" for name in sorted(app.env.found_docs)]
        lines = [f"<url><loc>{escape(page)}</loc></url>" for page in pages if "/404." not in page]
        start = '<?xml version="1.0" encoding="utf-8"?>\n'
        start += '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
        sitemap = "\n".join([start, *lines, "</urlset>\n"])
        (out / "sitemap.xml").write_text(sitemap, encoding="utf-8")
        draw(app.config.project, out / "_static" / PICTURE)
        robots += f"Sitemap: {base}sitemap.xml\n"
    (out / "robots.txt").write_text(robots, encoding="utf-8")


def setup(app):
    """Connect all of it to the build."""
    app.connect("html-page-context", add_description)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
