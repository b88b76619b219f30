"""One build at a time, and no memory of a build that did not end well.

Sphinx reads again what has changed since it was last read, whatever became of that build. Here a
build that ends well leaves a record of what it made, and of what it was made from. The next one
keeps what lies there only if all of that still holds, and else begins with empty folders. That
runs no cell again: results are kept apart.
"""

import atexit
import fcntl
import functools
import hashlib
import json
import multiprocessing
import multiprocessing.util
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterable, Set
from pathlib import Path
from typing import Any, TextIO

import psutil
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util.typing import ExtensionMetadata

from . import BUILD, DOCS, ROOT

BESIDE = ["pyproject.toml", "requirements.txt", "README.md", "LICENSE", "benchmarks/results.json"]
NOT_OURS = [BUILD.name, "node_modules", "__pycache__"]


@functools.cache
def turn() -> TextIO:
    """Wait until no other build runs, and return what tells others that this one does."""
    BUILD.mkdir(exist_ok=True)
    lock = (BUILD / "lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Another build of this book is running. This one waits for its end.", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def digest(paths: Iterable[Path]) -> str:
    """Return a name for some files and what they hold."""
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(f"{path.relative_to(ROOT)} {path.stat().st_size}\n".encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def sources() -> list[Path]:
    """Return the book's own files, but those that editors leave and what is not ours."""
    found: list[Path] = []
    for folder, folders, files in os.walk(DOCS):
        folders[:] = [name for name in folders if name not in NOT_OURS and name[0] != "."]
        found += [Path(folder, name) for name in files if name[0] not in ".#" and name[-1] != "~"]
    return found


def facts(env: BuildEnvironment) -> str:
    """Return a name for what pages say of each other: titles, their order, numbers, and places."""
    standard = env.domains.standard_domain
    known = [
        sorted((page, title.astext()) for page, title in env.titles.items()),
        sorted(env.toctree_includes.items()),
        sorted((page, sorted(kinds.items())) for page, kinds in env.toc_fignumbers.items()),
        sorted(standard.labels.items()),
        sorted(standard.anonlabels.items()),
        sorted(standard.objects.items()),
        sorted(env.domains.math_domain.equations.items()),
        sorted(env.domains.python_domain.objects.items()),
    ]
    return hashlib.sha256(repr(known).encode()).hexdigest()


class Build:
    """What this run of Sphinx finds, and what it leaves."""

    def __init__(self, app: Sphinx) -> None:
        out = Path(app.outdir)
        self.folders = [out, Path(app.doctreedir), BUILD / "jupyter_execute", BUILD / "web"]
        self.path = Path(app.doctreedir) / "whole.json"
        ours = sources()
        pages = [path for path in ours if path.suffix == ".md"]
        others = [path for path in ours if path.suffix != ".md"]
        package = (ROOT / "convdocs").rglob("*.py")
        beside = [path for name in BESIDE if (path := ROOT / name).exists()]
        self.pages = {path.relative_to(DOCS).as_posix()[:-3]: digest([path]) for path in pages}
        self.by = [digest([*others, *package, *beside]), sys.version, app.config.html_baseurl]
        self.facts = ""
        self.before = self.record()
        self.path.unlink(missing_ok=True)
        self.kept = self.holds(app._fail_on_warnings)
        if not self.kept:
            self.clear()
            out.mkdir(parents=True, exist_ok=True)

    def record(self) -> dict[str, Any]:
        """Return what the last build has left, or nothing if it has not ended well."""
        try:
            return dict(json.loads(self.path.read_text("utf-8")))
        except (OSError, ValueError):
            return {}

    def files(self) -> dict[str, int]:
        """Return the size of each file that has been made."""
        found = (path for folder in self.folders for path in folder.rglob("*") if path.is_file())
        return {str(path): path.stat().st_size for path in found}

    def holds(self, strict: bool) -> bool:
        """Return whether all is as the last build has left it, but for what pages say."""
        before = self.before
        return (
            bool(before)
            and before["by"] == self.by
            and before["pages"].keys() == self.pages.keys()
            and before["files"].items() <= self.files().items()
            and not (strict and before["warnings"])
        )

    def clear(self) -> None:
        """Empty the folders; one that lies elsewhere may hold what is not ours."""
        for folder in self.folders:
            if BUILD in folder.parents:
                shutil.rmtree(folder, ignore_errors=True)

    def changed(self) -> list[str]:
        """Return the pages whose text is not the one that was read, whatever their dates."""
        return [page for page, text in self.pages.items() if self.before["pages"][page] != text]

    def leave(self, warnings: int) -> None:
        """Write the record."""
        record = {"by": self.by, "pages": self.pages, "facts": self.facts, "warnings": warnings}
        self.path.write_text(json.dumps(record | {"files": self.files()}), "utf-8")


@functools.cache
def build(app: Sphinx) -> Build:
    """Return what this run of Sphinx finds, once it is its turn."""
    turn()
    return Build(app)


def begin(app: Sphinx, config: Config) -> None:
    """Look at what lies there before anything else does."""
    build(app)


def find_changed(
    app: Sphinx, env: BuildEnvironment, added: Set[str], changed: Set[str], removed: Set[str]
) -> list[str]:
    """Read the pages whose text has changed."""
    return build(app).changed() if build(app).kept else []


def find_dependent(app: Sphinx, env: BuildEnvironment) -> Iterable[str]:
    """Write all pages where one has changed what others say of it."""
    this = build(app)
    this.facts = facts(env)
    return env.found_docs if this.before.get("facts") != this.facts else []


def finish(app: Sphinx, failure: Exception | None) -> None:
    """Leave a record of a build that has ended well, and say so."""
    if failure:
        return
    build(app).leave(app._warncount)
    if not (app._warncount and app._fail_on_warnings):
        names = {"html": "index.html"}
        name = names.get(app.builder.name, f"{app.config.epub_basename}.{app.builder.name}")
        seconds = round(time.time() - psutil.Process().create_time())
        path = Path(app.outdir) / name
        print(f"The book is built, in {seconds} s. Open {path.as_uri()}")


def end_with_parent(*_: object) -> None:
    """End a process of Sphinx' when the one that started it has gone and awaits it no more."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def end_with_child(*_: object) -> None:
    """End the build when one of its processes was killed, which Sphinx would await for ever."""
    for child in multiprocessing.process._children:  # type: ignore[attr-defined]
        if (code := child.exitcode) and code < 0 and code != -signal.SIGTERM:
            why = f"{signal.Signals(-code).name}; is there memory enough?"
            print(f"A process of the build was killed by {why}", file=sys.stderr)
            raise SystemExit(2)


def end_children() -> None:
    """End the processes that a failing build leaves: they wait to be heard, and it for them."""
    for child in multiprocessing.active_children():
        child.terminate()


def setup(app: Sphinx) -> ExtensionMetadata:
    """Be the first at the beginning and the last at the end."""
    multiprocessing.util.register_after_fork(end_with_parent, end_with_parent)
    signal.signal(signal.SIGCHLD, end_with_child)
    atexit.register(end_children)
    app.connect("config-inited", begin, priority=1)
    app.connect("env-get-outdated", find_changed)
    app.connect("env-get-updated", find_dependent, priority=999)
    app.connect("build-finished", finish, priority=999)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
