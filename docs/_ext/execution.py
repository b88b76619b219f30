"""The chapters' cells: all that have changed run before any page is read, each chapter in a kernel.

A chapter's cells run when the chapter, or anything that its results may depend on, has changed.
Jupyter Cache keeps what they gave. It looks at the cells alone, so the rest names the folder that
results are kept in. MyST-NB finds the results there when it reads the page. What cells have trained
lies in the same folder, so that no cell trains it again as long as nothing has changed.
"""

import importlib
import json
import logging
import os
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.cache.main import JupyterCacheBase
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from myst_nb.core.read import create_nb_reader
from myst_nb.sphinx_ import SphinxEnvType
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.util.logging import getLogger
from sphinx.util.parallel import ParallelTasks, SerialTasks, parallel_available
from sphinx.util.typing import ExtensionMetadata

from convdocs.book.ink import FIGURES
from convdocs.book.trained import ENDING, FOLDER, RECORD

from . import BUILD, ROOT
from .whole import digest

LOG = getLogger(__name__)
STARTS = 3  # of a kernel that does not come up

# Kernels start alike on every machine: without colours in tracebacks, and without remarks on how
# they are reached. They hand over what a cell prints when it ends: parts that a clock divides would
# come back with line breaks where they were cut. Of a plot they hand over all that a page needs.
PROFILE = """
c.IPKernelApp.log_level = "ERROR"
c.InteractiveShell.colors = "nocolor"
c.InteractiveShellApp.exec_lines = ["__import__('sys').stdout.flush_interval = 3600"]
c.SVGFormatter.deferred_printers = {
    ("convdocs.book.plot.picture", "Picture"): lambda picture: picture.for_pages()
}
"""


def prepare(app: Sphinx, config: Config) -> None:
    """Say where results are kept, and how kernels start."""
    read = [ROOT / "requirements.txt", *ROOT.glob("benchmarks/results.json")]
    depends = digest([*(ROOT / "convdocs").rglob("*.py"), *read])
    results = BUILD / "results" / depends[:16]
    config.nb_execution_cache_path = str(results)
    os.environ[FOLDER] = str(results / "trained")
    os.environ[FIGURES] = "both"  # for desktops and for phones
    home = BUILD / "home"  # without the builder's own settings of IPython, Jupyter and Matplotlib
    home.mkdir(parents=True, exist_ok=True)
    os.environ["HOME"] = str(home)
    os.environ["PYTHONPATH"] = str(ROOT)  # the package beside the book, and no other
    for name in ("NO_COLOR", "TERM"):  # of the terminal, which no cell writes to
        os.environ.pop(name, None)
    logging.getLogger("traitlets").setLevel("WARNING")
    logging.getLogger("matplotlib.font_manager").setLevel("ERROR")  # of fonts that it looks for


def store_at(path: Path) -> JupyterCacheBase:
    """Return the store of results; one that is damaged is made anew.

    It is made here, once: readers that find none would all make it at once.
    """
    for other in path.parent.glob("*"):
        if other != path and other.is_dir():
            shutil.rmtree(other)  # of other versions of the package
    try:
        with closing(sqlite3.connect(path / "global.db")) as database:
            (state,) = database.execute("pragma integrity_check").fetchone()
            database.execute("select * from nbcache, nbproject, settings limit 1")
    except sqlite3.Error as error:
        state = str(error)
    if state != "ok":
        shutil.rmtree(path, ignore_errors=True)
    store = get_cache(path)
    store.list_cache_records()
    trained_folder(store).mkdir(exist_ok=True)
    return store


def trained_folder(store: JupyterCacheBase) -> Path:
    """Return the folder of what cells have trained."""
    return store.path / "trained"


def trained_by(notebook: NotebookNode) -> set[str]:
    """Return the files of what a chapter's cells have trained, or have taken from there."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", ()))
    names = (output.get("metadata", {}).get("scrapbook", {}).get("name", "") for output in outputs)
    return {name.removeprefix(RECORD) + ENDING for name in names if name.startswith(RECORD)}


def known(store: JupyterCacheBase, key: str, notebook: NotebookNode) -> bool:
    """Return whether the results of a chapter are there, and whole."""
    folder = store.path / "executed" / key
    try:
        store.match_cache_notebook(notebook)
        done = nbformat.from_dict(json.loads((folder / "base.ipynb").read_text("utf-8")))
        whole = all((trained_folder(store) / name).exists() for name in trained_by(done))
    except (AttributeError, KeyError, OSError, ValueError):
        whole = False
    if not whole:
        shutil.rmtree(folder, ignore_errors=True)
    return whole


class Chapter(NamedTuple):
    """A chapter whose cells have to run."""

    page: str
    notebook: NotebookNode
    store: JupyterCacheBase
    limit: int  # seconds for a cell

    def length(self) -> int:
        """Return how much code it has."""
        return sum(len(cell.source) for cell in self.notebook.cells if cell.cell_type == "code")


def execute(chapter: Chapter) -> ExecutionResult:
    """Run a chapter's cells in a kernel; one that does not come up is started again.

    It is told which ports to listen at, and until it does, another process may take one.
    """
    starts = 0
    while True:
        starts += 1
        with TemporaryDirectory() as folder:
            profile, cells = Path(folder, "profile_default"), Path(folder, "cells")
            profile.mkdir()
            cells.mkdir()
            (profile / "ipython_kernel_config.py").write_text(PROFILE, "utf-8")
            os.environ["IPYTHONDIR"] = folder  # in the book's own, IPython would replace a $HOME
            try:
                return single_nb_execution(
                    chapter.notebook,
                    str(cells),
                    chapter.limit,
                    allow_errors=False,
                    shutdown_kernel="immediate",  # it has nothing left to do
                )
            except RuntimeError as failure:
                if isinstance(failure, DeadKernelError) or starts == STARTS:
                    raise


class Result(NamedTuple):
    """What has become of a chapter's cells."""

    page: str
    wrong: str  # what went wrong, or nothing
    bundle: CacheBundleIn | None = None  # for the store, if nothing did


def run(chapter: Chapter) -> Result:
    """Run a chapter."""
    if sys.stderr and sys.stderr.isatty():
        print(f"Running {chapter.page}", file=sys.stderr, flush=True)
    try:
        done = execute(chapter)
    except Exception as failure:  # such as a kernel that dies
        return Result(chapter.page, f"{type(failure).__name__}: {failure}")
    if done.err:
        return Result(chapter.page, str(done.exc_string))
    data = {"execution_seconds": done.time}
    return Result(chapter.page, "", CacheBundleIn(chapter.notebook, chapter.page, data=data))


def unknown(env: SphinxEnvType, docnames: list[str]) -> list[Chapter]:
    """Return the chapters among some pages whose results are not there, the longest first."""
    config = env.mystnb_config
    store = store_at(Path(config.execution_cache_path))
    found = {}  # by what results depend on: pages with the same cells run once
    for page in docnames:
        path = env.doc2path(page)
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError as error:
            raise ExtensionError(f"{path}: {error}") from None
        if reader := create_nb_reader(str(path), env.myst_config, config, text):
            try:
                notebook = reader.read(text)
            except Exception as error:  # such as options of a cell that are no YAML
                raise ExtensionError(f"{path}: {error}") from None
            _, key = store.create_hashed_notebook(notebook)
            if not known(store, key, notebook):
                found[key] = Chapter(page, notebook, store, config.execution_timeout)
    return sorted(found.values(), key=Chapter.length, reverse=True)


def run_chapters(app: Sphinx, env: SphinxEnvType, docnames: list[str]) -> None:
    """Run the chapters whose results are not there, and name all that fail."""
    if env.mystnb_config.execution_mode == "off":
        return
    chapters = unknown(env, docnames)
    if not chapters:
        return
    importlib.import_module("matplotlib.font_manager")  # it looks for fonts once, and says so
    store = chapters[0].store
    failed = []

    def keep(*results: Result) -> None:  # here alone: two who store at once remove each other's
        page, wrong, bundle = results[-1]
        try:
            if bundle:
                store.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
        except Exception as failure:  # such as a full disk: Sphinx would go on without a word
            wrong = f"{type(failure).__name__}: {failure}"
        if wrong:
            LOG.warning("the cells do not run\n%s", wrong, location=page)
            failed.append(page)

    workers = app.parallel if parallel_available else 1
    tasks = ParallelTasks(workers) if workers > 1 else SerialTasks()
    for chapter in [*chapters[:workers], *reversed(chapters[workers:])]:  # it begins with the last
        tasks.add_task(run, chapter, keep)
    tasks.join()
    if failed:
        raise ExtensionError(f"no book without the results of {', '.join(sorted(failed))}")


def chapters(env: SphinxEnvType) -> list[str]:
    """Return the names of the pages that have cells."""
    return sorted(page for page, known in env.nb_metadata.items() if known.get("exec_data"))


def executed(env: SphinxEnvType, page: str) -> NotebookNode:
    """Return a chapter as MyST-NB has read it, less the outputs that the page takes."""
    path = Path(env.mystnb_config.output_folder) / f"{page}.ipynb"
    return nbformat.read(path, as_version=4)


def with_results(env: SphinxEnvType, page: str) -> NotebookNode:
    """Return a chapter with all outputs of its cells."""
    store = get_cache(env.config.nb_execution_cache_path)
    _, notebook = store.merge_match_into_notebook(executed(env, page))
    return notebook


def setup(app: Sphinx) -> ExtensionMetadata:
    """Run the cells before anything is read."""
    app.connect("config-inited", prepare)
    app.connect("env-before-read-docs", run_chapters)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
