"""The whole book as one file, for paper and for electronic readers, where that has been made."""

import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from .whole import build


def offer(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Hand the template what to link at the foot of a page."""
    names = {path.suffix[1:].upper(): path.name for path in build(app).others.values()}
    context["forms"] = {form: f"downloads/{name}" for form, name in names.items()}


def bring(app: Sphinx, failure: Exception | None) -> None:
    """Copy the files to where the links lead."""
    if failure or app.builder.name != "html":
        return
    folder = Path(app.outdir) / "downloads"
    folder.mkdir(exist_ok=True)
    for path in build(app).others.values():
        shutil.copy(path, folder)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Connect both to the build."""
    app.connect("html-page-context", offer)
    app.connect("build-finished", bring)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
