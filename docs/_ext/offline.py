"""Python for browsers beside the pages: ``make offline``, for where there is no network.

Its core and its lock come with the package `pyodide` that docs/web/package-lock.json pins. The
wheels are fetched once, before the build, from where readers' browsers find them; only what has the
hash that the lock says is taken.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path
from urllib.request import urlopen

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.typing import ExtensionMetadata

from . import BUILD, DOCS

CORE = DOCS / "web" / "node_modules" / "pyodide"
PARTS = "pyodide.mjs pyodide.asm.mjs pyodide.asm.wasm python_stdlib.zip pyodide-lock.json".split()
WHEELS = BUILD / "pyodide"
NEEDED = "numpy", "matplotlib", "pillow", "scikit-learn"  # by the worker, and by the book's cells
FOLDER = "python/"  # among the static files


def wheels() -> dict[str, str]:
    """Return the sha256 of each wheel that the cells need, by its name, as the lock has them."""
    packages = json.loads((CORE / "pyodide-lock.json").read_text("utf-8"))["packages"]
    found, ahead = {}, list(NEEDED)
    while ahead:
        package = packages[ahead.pop()]
        found[package["file_name"]] = package["sha256"]
        ahead += package["depends"]
    return found


def missing() -> list[str]:
    """Return the names of the wheels that are not there, or are not what the lock says."""
    return sorted(name for name, digest in wheels().items() if sha256(WHEELS / name) != digest)


def sha256(path: Path) -> str:
    """Return the hash of a file, or of none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def fetch(address: str) -> None:
    """Fetch what is missing."""
    WHEELS.mkdir(parents=True, exist_ok=True)
    for name in missing():
        print(f"Fetching {name}", flush=True)
        with urlopen(f"{address}{name}") as answer:
            (WHEELS / name).write_bytes(answer.read())
    if names := missing():
        sys.exit(f"{address} has other bytes than Pyodide's lock says: {', '.join(names)}")


def put_beside(app: Sphinx, failure: Exception | None) -> None:
    """Copy all of it to where the pages look."""
    if failure or app.builder.name != "html" or not app.config.live_offline:
        return
    if names := missing():
        raise ExtensionError(f"`make offline` fetches what is missing: {', '.join(names)}")
    folder = Path(app.outdir) / "_static" / FOLDER
    folder.mkdir(exist_ok=True)
    for path in [*(CORE / name for name in PARTS), *(WHEELS / name for name in wheels())]:
        shutil.copyfile(path, folder / path.name)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Connect to the build."""
    app.add_config_value("live_offline", False, "html", bool)
    app.connect("build-finished", put_beside)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    import conf

    fetch(conf.live_python)
