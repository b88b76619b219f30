"""Live cells: what the page must hold, and what must lie beside it, for live.js to run them.

A chapter whose cells need libraries that Pyodide lacks names their extras in its head, as in
``needs: onnx, onnxruntime``. Its cells are not live, and the page says so. If some of them have the
tag ``native``, only those are not.
"""

import json
import logging
from pathlib import Path

import numpy as np
from docutils import nodes
from flit_core.wheel import make_wheel_in
from sphinx.transforms.post_transforms import SphinxPostTransform
from web import BUNDLES

import convdocs
from convdocs import data

NATIVE = (
    "In a browser, Python lacks what the cells of this chapter need, so they do not run on this "
    "page. They run on your own machine, and in the notebook for Colab below, with the package's "
    "extras: "
)
PROJECT = Path(__file__).parent.parent.parent / "pyproject.toml"


def put_beside(app):
    """Write the package's wheel and the digits, so that page and package are of one version."""
    if app.builder.name == "html":
        logging.getLogger("flit_core").setLevel("WARNING")
        make_wheel_in(PROJECT, BUNDLES)
        np.savez_compressed(BUNDLES / "digits.npz", **data.digits()._asdict())


def needs(env, page):
    """Return the extras that a chapter's cells need beside those of all chapters."""
    return [name.strip() for name in env.metadata[page].get("needs", "").split(",") if name.strip()]


class Cells(SphinxPostTransform):
    """Give each cell an anchor, and keep the source of the cells that only serve the build.

    MyST-NB drops those from the page, but the cells after them need what they define. A script
    of a type that no browser knows holds the source without showing it to anyone.
    """

    default_priority = 190
    formats = ("html",)

    def run(self, **kwargs):
        """Change one page."""
        if self.app.builder.name != "html":
            return
        shown = {
            node["cell_index"]: node
            for node in self.document.findall(nodes.container)
            if node.get("nb_element") == "cell_code"
            and any("cell_input" in child["classes"] for child in node)
        }
        native = {index for index, node in shown.items() if "tag_native" in node["classes"]}
        extras = needs(self.env, self.env.docname)
        if extras and not native:
            self.say_so(extras)
            shown = {}
        if not shown:
            return
        executed = Path(self.app.outdir).parent / "jupyter_execute" / f"{self.env.docname}.ipynb"
        last, early = None, []
        for index, cell in enumerate(json.loads(executed.read_text("utf-8"))["cells"]):
            if cell["cell_type"] != "code" or "native" in cell["metadata"].get("tags", ()):
                continue
            if index in shown:
                shown[index]["ids"].append(f"cell-{index}")
                new = [*early, shown[index]]
                shown[index].replace_self(new)
                last, early = shown[index], []
                continue
            source = "".join(cell["source"])
            assert "</script" not in source
            kept = f'<script type="text/plain" class="cell" id="cell-{index}">{source}</script>'
            node = nodes.raw("", kept, format="html")
            if last is None:
                early.append(node)
            else:
                last.parent.insert(last.parent.index(last) + 1, node)
                last = node

    def say_so(self, extras):
        """Say at the head of a chapter that its cells do not run in a browser."""
        title = next(self.document.findall(nodes.title))
        names = nodes.literal(text=f"pip install 'convdocs[data,{','.join(extras)}]'")
        paragraph = nodes.paragraph("", NATIVE, names, nodes.Text("."))
        place = title.parent.index(title) + 1
        title.parent.insert(place, nodes.container("", paragraph, classes=["native"]))


def add_scripts(app, page, template, context, doctree):
    """Load what runs cells on pages that have some."""
    if app.builder.name == "html" and 'id="cell-' in context.get("body", ""):
        wheel = f"convdocs-{convdocs.__version__}-py3-none-any.whl"
        python = app.config.live_python
        app.add_js_file("live.js", **{"defer": "defer", "data-wheel": wheel, "data-python": python})
        app.add_css_file("live.css")


def setup(app):
    """Connect to the build."""
    app.add_config_value("live_python", "", "html")
    app.add_post_transform(Cells)
    app.connect("builder-inited", put_beside)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
