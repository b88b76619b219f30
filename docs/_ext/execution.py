"""The chapters' cells: where their results are kept, and how their kernels start.

A chapter's cells run when the chapter, or anything that its results may depend on, has changed.
MyST-NB looks at the cells alone, so the rest names the folder that results are kept in.
"""

import hashlib
import logging
import os
import shutil
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from myst_nb.sphinx_ import SphinxEnvType
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.typing import ExtensionMetadata

import convdocs

BUILD = Path(__file__).parent.parent / "_build"
ROOT = BUILD.parent.parent

# Kernels start alike on every machine: without the builder's own IPython profile, without colours
# in tracebacks, and without remarks on how they are reached. They hand over what a cell prints when
# it ends: parts that a clock divides would come back with line breaks where they were cut.
PROFILE = """
c.IPKernelApp.log_level = "ERROR"
c.InteractiveShell.colors = "nocolor"
c.InteractiveShellApp.exec_lines = ["__import__('sys').stdout.flush_interval = 3600"]
"""


def digest() -> str:
    """Return a name for all that results depend on beside the cells."""
    read = [ROOT / "requirements.txt", *ROOT.glob("benchmarks/results.json")]
    found = hashlib.sha256()
    for path in [*sorted(Path(convdocs.__file__).parent.rglob("*.py")), *read]:
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def prepare(app: Sphinx, config: Config) -> None:
    """Choose the folder of results, remove those of other versions, and say how kernels start."""
    results = BUILD / "results" / digest()
    for other in results.parent.glob("*"):
        if other != results:
            shutil.rmtree(other)
    config.nb_execution_cache_path = str(results)
    profile = BUILD / "ipython" / "profile_default" / "ipython_kernel_config.py"
    profile.parent.mkdir(parents=True, exist_ok=True)
    profile.write_text(PROFILE, "utf-8")
    os.environ["IPYTHONDIR"] = str(BUILD / "ipython")
    os.environ["OMP_NUM_THREADS"] = "1"  # chapters run side by side, each on a core of its own
    logging.getLogger("traitlets").setLevel("WARNING")


def chapters(env: SphinxEnvType) -> list[str]:
    """Return the names of the pages that have cells."""
    return sorted(page for page, known in env.nb_metadata.items() if known.get("exec_data"))


def executed(env: SphinxEnvType, page: str) -> NotebookNode:
    """Return a chapter as MyST-NB has run it, less the outputs that the page takes."""
    path = Path(env.mystnb_config.output_folder) / f"{page}.ipynb"
    return nbformat.read(path, as_version=4)


def with_results(env: SphinxEnvType, page: str) -> NotebookNode:
    """Return a chapter with all outputs of its cells."""
    results = get_cache(env.config.nb_execution_cache_path)
    _, notebook = results.merge_match_into_notebook(executed(env, page))
    return notebook


def setup(app: Sphinx) -> ExtensionMetadata:
    """Prepare before anything is read."""
    app.connect("config-inited", prepare)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
