"""A page asks for one style sheet and one script, in which all that it needs lies in its order.

The theme, the extensions and the book bring a file or two each, and each is a request. Pages that
need the same share what is put together.
"""

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.typing import ExtensionMetadata

from convdocs.store import whole

from .assets import run
from .whole import build

LIST = ".list"
# MyST-NB has rules for the 256 colours of a terminal, a fifth of all; no cell prints in colours.
COLOURS = re.compile(r"div\.highlight \.-Color[^{}]*\{[^{}]*\}")

# The scripts of Sphinx and of the theme know each other by name, so nothing is renamed.
MINIFY = """
const fs = require("fs");
for (const [file, loader] of %s) {
  const options = { loader, minify: true, charset: "utf8", target: "es2022" };
  const { code } = require("esbuild").transformSync(fs.readFileSync(file, "utf8"), options);
  fs.writeFileSync(file, code);
}
"""


def name_together(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Name one file of each kind on a page in the place of all, and list what is to lie in it."""
    if app.builder.name != "html":
        return
    static = Path(app.outdir) / "_static"
    version = hashlib.sha256(json.dumps(build(app).by).encode()).hexdigest()[:8]
    kinds: dict[str, tuple[str, Any, dict[str, str]]] = {
        "css_files": (".css", app.add_css_file, {}),
        "script_files": (".js", app.add_js_file, {"fetchpriority": "low"}),  # first what is seen
    }
    for files, (suffix, add, how) in kinds.items():
        assets = sorted(context[files], key=lambda asset: asset.priority)
        own = [Path(name).stem for name in context.get("needed", ()) if name.endswith(suffix)]
        name = "-".join(["all", *own]) + f".{version}{suffix}"
        listed = [[asset.filename, asset.attributes.get("body")] for asset in assets]
        (static / f"{name}{LIST}").write_text(json.dumps(listed), "utf-8")
        attributes = [pair for asset in assets for pair in asset.attributes.items()]
        context[files].clear()
        how |= {name: said for name, said in attributes if name.startswith("data-")}
        add(name, **how)


def content(path: Path, static: Path) -> str:
    """Return what a style sheet or a script holds, which is to lie among the static files."""
    text = path.read_text("utf-8")
    moves = path.suffix == ".css" and path.parent != static
    if moves and re.search(r"""url\(['"]?(?!['"]?data:)""", text):
        raise ExtensionError(f"{path} asks for files that lie beside it, and moves away from them")
    return COLOURS.sub("", text)


def put_together(app: Sphinx, failure: Exception | None) -> None:
    """Write what pages ask for, once everyone has brought what is theirs.

    What is made small lies with what was read: the next build finds it there.
    """
    if failure or app.builder.name != "html":
        return
    static = Path(app.outdir) / "_static"
    small = {}
    for path in sorted(static.glob(f"*{LIST}")):
        listed = json.loads(path.read_text("utf-8"))
        path.unlink()
        file = path.with_suffix("")
        texts = [content(static.parent / name, static) if name else body for name, body in listed]
        text = ("\n;\n" if file.suffix == ".js" else "\n").join(texts)
        file.write_text(text, "utf-8")
        name = f"{hashlib.sha256(text.encode()).hexdigest()[:16]}{file.suffix}"
        small[file] = Path(app.doctreedir) / name
    new = [file for file, kept in small.items() if not kept.exists()]
    if new:
        run(MINIFY % json.dumps([[str(file), file.suffix[1:]] for file in new]))
    for file, kept in small.items():
        if file in new:
            with whole(kept) as copy:
                copy.write(file.read_bytes())
        else:
            shutil.copyfile(kept, file)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Come after all who add a file, and before the build leaves a record of what it has made."""
    app.connect("html-page-context", name_together, priority=900)
    app.connect("build-finished", put_together, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
