"""Links to other projects' pages: the few that the book uses, so that no build asks the network."""

import zlib

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.typing import ExtensionMetadata

from . import BUILD, DOCS

PROJECTS = {
    "python": "https://docs.python.org/3/",
    "numpy": "https://numpy.org/doc/stable/",
    "matplotlib": "https://matplotlib.org/stable/",
}


def inventory(name: str, listed: str) -> bytes:
    """Return the lines of external.txt that are one project's, as intersphinx reads them."""
    lines = [line.split() for line in listed.splitlines() if line.strip()]
    entries = [f"{what} {role} 1 {page} -" for where, role, what, page in lines if where == name]
    head = f"# Sphinx inventory version 2\n# Project: {name}\n# Version:\n# zlib\n"
    return head.encode() + zlib.compress("\n".join(entries).encode() + b"\n")


def write(app: Sphinx, config: Config) -> None:
    """Write an inventory of each project, and tell intersphinx where it lies."""
    folder = BUILD / "external"
    folder.mkdir(parents=True, exist_ok=True)
    listed = (DOCS / "external.txt").read_text("utf-8")
    for name, address in PROJECTS.items():
        path = folder / f"{name}.inv"
        path.write_bytes(inventory(name, listed))
        config.intersphinx_mapping[name] = (address, str(path))


def setup(app: Sphinx) -> ExtensionMetadata:
    """Write them before intersphinx looks at its settings."""
    app.connect("config-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
