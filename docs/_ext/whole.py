"""One build at a time, and no page that is not of this build or of one that ended well.

Sphinx reads again what has changed since it was last read, whatever became of that build, and
writes again what it thinks has changed with it. Here a build that ends well leaves a record of what
it was made from, and of what it made. Where all of that still holds, nothing is done. Where pages
have been edited, they are read, and all are written to an empty folder. Else all is read: that runs
no cell again, since results are kept apart. (`make live` shows drafts, and leaves it to Sphinx.)

What has been read is the same for all forms of the book, so of it there is a record of its own.
"""

import atexit
import fcntl
import functools
import hashlib
import json
import multiprocessing
import multiprocessing.process
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
from sphinx.environment import BuildEnvironment
from sphinx.util.typing import ExtensionMetadata

from . import BUILD, DOCS, ROOT

SITES = ["html", "offline"]
FILES = ["pdf", "epub"]
BESIDE = ["pyproject.toml", "requirements.txt", "README.md", "LICENSE", "benchmarks/results.json"]
NOT_OURS = ["_build", "node_modules", "__pycache__"]


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


def sources() -> list[Path]:
    """Return the files that the book is made from, but those that editors leave beside them."""
    found = [*(ROOT / "convdocs").rglob("*.py")]
    found += [path for name in BESIDE if (path := ROOT / name).exists()]
    for folder, folders, files in os.walk(DOCS, followlinks=True):  # as Sphinx does
        folders[:] = [name for name in folders if name not in NOT_OURS and name[0] != "."]
        found += [Path(folder, name) for name in files if name[0] not in ".#" and name[-1] != "~"]
    return sorted(found)


def digest(paths: Iterable[Path]) -> str:
    """Return a name for some files and what they hold."""
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(f"{path.relative_to(ROOT)} {path.stat().st_size}\n".encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def sizes(*folders: Path) -> dict[str, int]:
    """Return the size of each file in some folders, but of records."""
    found = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {str(path): path.stat().st_size for path in found if path.suffix != ".json"}


def record(path: Path) -> dict[str, Any]:
    """Return what a build has left, or nothing if it has not ended well."""
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError):
        return {}


class Build:
    """What a run of Sphinx finds, and what it leaves."""

    def __init__(self, app: Sphinx) -> None:
        self.out = Path(app.outdir)
        self.final = self.out.parent == BUILD and self.out.name in SITES + FILES
        self.doctrees = Path(app.doctreedir)
        self.folders = [self.doctrees, BUILD / "jupyter_execute", BUILD / "web"]
        pages = {path for path in sources() if path.suffix == ".md" and DOCS in path.parents}
        self.pages = {path.relative_to(DOCS).as_posix()[:-3]: digest([path]) for path in pages}
        self.by = [digest({*sources()} - pages), sys.version]
        self.others = self.made() if self.out.name in SITES else {}
        date = "" if self.out.name in SITES else os.environ.get("SOURCE_DATE_EPOCH", "")
        settings = [repr(app.config.overrides), app.config.html_baseurl, date]
        self.written_by = [*self.by, *settings, *self.others]
        self.before = record(self.path("read"))
        self.kept = (
            bool(self.before)
            and self.before["by"] == self.by
            and self.before["pages"].keys() == self.pages.keys()
            and self.before["files"].items() <= sizes(*self.folders).items()
        )

    def path(self, name: str) -> Path:
        """Return where there is a record of what was read, or of one form of the book."""
        return self.doctrees / f"{name}.json"

    def made(self) -> dict[str, Path]:
        """Return the files that have been made of the very same book in its other forms."""
        found: dict[str, Path] = {}
        for form in FILES:
            before = record(self.path(form))
            if before and (before["by"][0], before["pages"]) == (self.by[0], self.pages):
                for path in (BUILD / form).glob(f"*.{form}"):
                    found[form] = path
        return found

    def whole(self) -> bool:
        """Return whether what would be written is there."""
        before = record(self.path(self.out.name))
        return (
            bool(before)
            and (before["by"], before["pages"]) == (self.written_by, self.pages)
            and before["files"].items() <= sizes(self.out).items()
        )

    def edited(self) -> list[str]:
        """Return the pages whose text is not the one that was read, whatever their dates."""
        return [page for page, text in self.pages.items() if self.before["pages"][page] != text]

    def touched(self) -> bool:
        """Return whether Sphinx may think that something has changed."""
        read = self.path("read").stat().st_mtime
        return any(path.stat().st_mtime >= read for path in sources())

    def begin(self) -> None:
        """Empty the folders whose contents are not to be kept, or end where all of them are."""
        as_read = self.kept and not self.edited() and not self.touched()
        if as_read and self.final and self.whole():
            self.say()
            raise SystemExit
        if not self.kept:
            self.empty(*self.folders)
        for name in [self.out.name] if as_read else [self.out.name, "read"]:
            self.path(name).unlink(missing_ok=True)
        if self.final or not self.kept:
            self.empty(self.out)
        self.out.mkdir(parents=True, exist_ok=True)

    def empty(self, *folders: Path) -> None:
        """Empty some folders, but none that lies elsewhere: it may hold what is not ours."""
        for folder in folders:
            if BUILD in folder.parents:
                shutil.rmtree(folder, ignore_errors=True)

    def end(self) -> None:
        """Leave a record of what was read, and one of what was written."""
        made = {"read": (self.by, self.folders), self.out.name: (self.written_by, [self.out])}
        for name, (by, folders) in made.items():
            kept = {"by": by, "pages": self.pages, "files": sizes(*folders)}
            self.path(name).write_text(json.dumps(kept), "utf-8")

    def say(self) -> None:
        """Say how long it took, and where the book is."""
        path = self.out / "index.html"
        if not path.exists():
            (path,) = self.out.glob(f"*.{self.out.name}")
        seconds = round(time.time() - psutil.Process().create_time())
        print(f"The book is built, in {seconds} s. Open {path.as_uri()}")


@functools.cache
def build(app: Sphinx) -> Build:
    """Return what this run of Sphinx finds, once it is its turn."""
    turn()
    return Build(app)


def find_edited(
    app: Sphinx, env: BuildEnvironment, added: Set[str], changed: Set[str], removed: Set[str]
) -> list[str]:
    """Read the pages whose text has changed."""
    return build(app).edited() if build(app).kept else []


def end(app: Sphinx, failure: Exception | None) -> None:
    """Leave a record of a build that has ended well, and say so."""
    if not failure and not (app._warncount and build(app).final):
        build(app).end()
        if build(app).final:
            build(app).say()


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
    build(app).begin()
    app.connect("env-get-outdated", find_edited)
    app.connect("build-finished", end, priority=999)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
