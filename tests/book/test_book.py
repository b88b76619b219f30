"""The build keeps its promises: no stale page, no page that fails in silence, no wasted work.

Small books in copies of the project, which share what their cells have given.
"""

import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import live_python
import pytest
from _ext import execution
from jupyter_cache import get_cache
from jupyter_cache.cache.main import JupyterCacheBase
from jupyter_cache.executors.utils import ExecutionResult
from nbclient.exceptions import DeadKernelError
from nbformat.v4 import new_code_cell, new_notebook
from pages import served
from PIL import Image
from places import ROOT
from playwright.sync_api import expect
from sphinx.errors import ExtensionError

pytestmark = pytest.mark.xdist_group("book")  # its tests share the first book

CHAPTERS = [
    path for path in (ROOT / "docs").glob("*.md") if "{code-cell}" in path.read_text("utf-8")
]
WORKBENCHES = ["draw", "try"]  # pages to try things on, without exercises
BIN = f"BIN={Path(sys.executable).parent}"
HEAD = "---\nfile_format: mystnb\nkernelspec:\n  name: python3\n---\n\n"
PAGE = f"""{HEAD}# A page

```{{code-cell}} python
---
mystnb:
  image:
    alt: A grid of one number, which the package has computed.
  figure:
    caption: One number.
    name: fig-one
---
from pathlib import Path
import convdocs
from convdocs.book import plot

with Path(convdocs.__file__).parent.with_name("runs").open("a") as file:
    print("x", end="", file=file)
y = convdocs.conv2d([[[[2]]]], [[[[3]]]])[0, 0]
print("the answer is", y.item())
plot.numbers({{"y": y}})
```

The figure is {{numref}}`fig-one`, and $x$.
"""
OTHER = """# Another page

$$a = b$$ (eq-other)

Here is {eq}`eq-other` on {doc}`page`, and {py:func}`~convdocs.conv.conv2d`.
"""


API = """# Convolution

```{eval-rst}
.. automodule:: convdocs.conv
   :members: conv2d
```
"""


INDEX = "# Book\n\n```{toctree}\npage\nother\nconv\n```\n"
DIES = "import os; os._exit(3)"


def cell(code):
    """Return a page of one cell, which no other page leads to."""
    head = HEAD.replace("kernelspec", "orphan: true\nkernelspec")
    return f"{head}# A page\n\n```{{code-cell}} python\n{code}\n```\n"


class Done(NamedTuple):
    """What came of a build."""

    code: int
    output: str
    ran: int  # cells


class Book:
    """A copy of the project whose book has two small pages, and one of the package."""

    def __init__(self, folder, results=None):
        self.folder = folder
        self.docs = folder / "docs"
        ignored = shutil.ignore_patterns("_build", "__pycache__", "node_modules", "*.md", "api")
        for part in ("convdocs", "docs"):
            shutil.copytree(ROOT / part, folder / part, ignore=ignored)
        modules = Path("docs", "web", "node_modules")
        (folder / modules).symlink_to(ROOT / modules)
        for name in ("LICENSE", "Makefile", "README.md", "pyproject.toml", "requirements.txt"):
            shutil.copy(ROOT / name, folder)
        (folder / ".venv").mkdir()
        (folder / ".venv" / "ready").touch()  # the environment that these tests run in serves
        if results:
            shutil.copytree(results, self.docs / "_build" / "results")
        self.write("index", INDEX)
        self.write("page", PAGE)
        self.write("other", OTHER)
        self.write("conv", API)
        self.write("404", "---\norphan: true\n---\n\n# Nothing\n\nNo page.\n")

    def write(self, page, text):
        (self.docs / f"{page}.md").write_text(text, "utf-8")

    def runs(self):
        counter = self.folder / "runs"
        return len(counter.read_text()) if counter.exists() else 0

    def command(self, *forms, folder="."):
        return [
            "make",
            "--no-print-directory",
            "-C",
            self.folder / folder,
            *(forms or ["html"]),
            BIN,
        ]

    def build(self, *forms, folder=".", **environment):
        before = self.runs()
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder)} | environment
        how = {"env": environment, "capture_output": True, "encoding": "utf-8", "timeout": 600}
        done = subprocess.run(self.command(*forms, folder=folder), **how)
        return Done(done.returncode, done.stdout + done.stderr, self.runs() - before)

    def built(self, *forms, **environment):
        """Build what must not fail."""
        done = self.build(*forms, **environment)
        assert done.code == 0, done.output
        return done

    def html(self, page="page"):
        return (self.docs / "_build" / "html" / f"{page}.html").read_text("utf-8")

    def site(self):
        """Return all files of the site, but Sphinx' own note of the folder."""
        site = self.docs / "_build" / "html"
        found = (path for path in site.rglob("*") if path.is_file() and path.name != ".buildinfo")
        return {str(path.relative_to(site)): path.read_bytes() for path in found}


def differing(first, second):
    """Return the names of the files in which two sites differ."""
    return sorted(name for name in first | second if first.get(name) != second.get(name))


class First(NamedTuple):
    """A book that was built from nothing, whose cells ran."""

    book: Book
    copy: Path  # of its folder
    results: Path
    site: dict[str, bytes]


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Return the first book."""
    folder = tmp_path_factory.mktemp("first")
    book = Book(folder / "book")
    done = book.built()
    assert done.ran == 1
    address = (book.docs / "_build" / "html" / "index.html").as_uri()
    assert re.fullmatch(rf"The book is built, in \d+ s\. Open {re.escape(address)}\n", done.output)
    copy = shutil.copytree(book.folder, folder / "copy", symlinks=True)
    return First(book, copy, copy / "docs" / "_build" / "results", book.site())


@pytest.fixture
def new(tmp_path, first):
    """Return a book that is to be built, with the results that the first one's cells have given."""
    return Book(tmp_path / "book", first.results)


@pytest.fixture
def book(first):
    """Return the first book where it was built, and as it was then."""
    shutil.rmtree(first.book.folder)
    shutil.copytree(first.copy, first.book.folder, symlinks=True)  # with the times of its files
    return first.book


MORE = f"{PAGE}\n$$c$$ (eq-new)\n"  # which moves the number of the other page's formula


@pytest.fixture(scope="module")
def edited(tmp_path_factory, first):
    """Return the site of a book that was built from nothing after an edit."""
    book = Book(tmp_path_factory.mktemp("edited") / "book", first.results)
    book.write("page", MORE)
    assert book.built().ran == 0  # the package is the one whose results were handed over
    assert '<span class="eqno">(2)' in book.html("other")
    return book.site()


def test_a_page_runs_when_the_package_or_its_cells_change_and_only_then(book):
    assert "the answer is 6.0" in book.html()

    conv = book.folder / "convdocs" / "conv.py"
    text = conv.read_text("utf-8")
    assert text.count("return batch_first(correlate(") == 1
    conv.write_text(text.replace("batch_first(correlate(", "batch_first(-correlate("), "utf-8")
    assert book.built().ran == 1
    assert "the answer is -6.0" in book.html()
    assert len(list((book.docs / "_build" / "results").iterdir())) == 1

    book.write("page", PAGE.replace("[[[[3]]]]", "[[[[4]]]]") + "\nMore text.\n")
    assert book.build(folder="docs")[::2] == (0, 1)  # it works from docs/ too
    assert "the answer is -8.0" in book.html()
    assert "More text." in book.html()


FIGURE = "    alt: A grid of one number, which the package has computed."
TITLE = f"{HEAD}# A wrong page\n\n"
WRONG = {
    "no alternative text": (PAGE.replace(FIGURE, "    width: 200px"), "alternative text"),
    "an alternative text that says nothing": (
        PAGE.replace(FIGURE, "    alt: figure 1"),
        "alternative text",
    ),
    "an undefined reference": (TITLE + "{numref}`fig-two`", "fig-two"),
    "an unknown function": (TITLE + "{py:func}`convdocs.conv3d`", "conv3d"),
    "a number that no cell gives": (TITLE + "{glue:text}`nothing`", "nothing"),
    "a formula that cannot be set": (TITLE + r"$\fraq{1}{2}$", r"\fraq{1}{2}"),
}


def test_a_wrong_page_fails_the_build_and_fails_it_again(book):
    assert PAGE.count(FIGURE) == 1
    names = [f"wrong-{number}" for number in range(len(WRONG))]
    book.write("index", INDEX.replace("page\n", "\n".join(["page", *names, ""])))
    for name, (text, _) in zip(names, WRONG.values(), strict=True):
        book.write(name, text.replace("name: fig-one", f"name: fig-{name}"))
    for _ in range(2):
        done = book.build()
        assert done.code != 0
        assert "The book is built" not in done.output
        for name, (_, word) in zip(names, WRONG.values(), strict=True):
            lines = [line for line in done.output.splitlines() if f"{name}.md" in line]
            assert any(word in line for line in lines), (name, done.output)


def test_every_chapter_whose_cells_fail_is_named_and_a_kernel_that_dies(book):
    for page, code in {"raises": "raise ValueError('on purpose')", "dies": DIES}.items():
        book.write(page, cell(code))
    done = book.build()
    assert (done.code, done.ran) == (2, 0)
    for words in ("raises.md", "ValueError: on purpose", "dies.md", "Kernel died"):
        assert words in done.output
    assert "no book without the results of dies, raises" in done.output


DRAWN = """<svg xmlns="http://www.w3.org/2000/svg" width="9pt" height="9pt" viewBox="0 0 9 9">
<svg><rect width="9" height="9"/></svg>
<svg><metadata>its author's</metadata></svg>
</svg>
"""
FREE = (
    HEAD
    + """# Searching

% a note to its author

## Cell by cell

![A drawing by hand, in which other drawings lie.](drawn.svg)

$$c = d$$ (eq_one)

Here is {eq}`eq_one`, {math}`x^2` and {numref}`Figure %s <fig-one>`.

```{code-cell} python
1 + 1
```
"""
)


def test_chapters_may_be_written_in_other_ways_than_this_books(book, browser):
    book.write("index", INDEX.replace("other\n", "other\nrooms/free\n"))
    (book.docs / "rooms").mkdir()
    book.write("rooms/free", FREE)
    (book.docs / "rooms" / "drawn.svg").write_text(DRAWN, "utf-8")
    book.built()
    assert [path.name for path in (book.docs / "rooms").iterdir() if path.suffix == ".svg"] == [
        "drawn.svg"
    ]
    assert (book.docs / "rooms" / "drawn.svg").read_text("utf-8") == DRAWN
    folder = book.docs / "_build" / "html"
    text = (folder / "downloads" / "rooms" / "free.ipynb").read_text("utf-8")
    assert r"\\tag{2}" in text
    assert "Here is (2), $x^2$ and Figure 1." in text
    assert "a note" not in text
    page, wrong = browser.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    with served(folder) as site:
        page.goto(f"{site}rooms/free.html")
        expect(page.get_by_role("button", name="Run: cell 1")).to_be_visible()
    page.close()
    assert wrong == []


def test_a_page_that_cannot_be_read_is_named_with_its_line(book):
    book.write("odd", PAGE.replace("One number.", "One number: two.").replace("fig-one", "fig-odd"))
    done = book.build()
    assert (done.code, done.ran) == (2, 0)
    assert "odd.md: Code cell 1 at line " in done.output, done.output


@pytest.mark.parametrize(
    ("failures", "starts"),
    [([], 1), ([RuntimeError("no answer")], 2), ([RuntimeError] * 3, 3), ([DeadKernelError], 1)],
)
def test_a_kernel_that_does_not_come_up_is_started_again(monkeypatch, failures, starts):
    came, left = [], iter(failures)

    def run_once(notebook, *how, **more):
        came.append(notebook)
        if failure := next(left, None):
            raise failure
        return "done"

    monkeypatch.setattr(execution, "single_nb_execution", run_once)
    chapter = execution.Chapter("page", "its notebook", None, 10)
    if len(failures) < starts:
        assert execution.execute(chapter) == "done"
    else:
        with pytest.raises(failures[-1]):
            execution.execute(chapter)
    assert came == ["its notebook"] * starts


def test_a_store_of_results_that_is_damaged_is_made_anew(book, first):
    (store,) = (book.docs / "_build" / "results").iterdir()
    (notebook,) = store.glob("executed/*/base.ipynb")
    whole = notebook.read_bytes()
    damages = {store / "global.db": b"no database " * 1000, notebook: whole[: len(whole) // 2]}
    for (path, content), text in zip(damages.items(), (MORE, PAGE), strict=True):
        path.write_bytes(content)
        (store.parent / ".DS_Store").touch()  # as some systems leave it in any folder
        book.write("page", text)  # so that it is read
        assert book.built().ran == 1, path
    assert differing(book.site(), first.site) == []


TRAINS = """
from pathlib import Path
import numpy as np
import convdocs
from convdocs import CNN, Flatten, Linear
from convdocs.book import fit

real = CNN.fit
def counted(*how):
    with Path(convdocs.__file__).parent.with_name("trainings").open("a") as file:
        file.write("x")
    return real(*how)

CNN.fit = counted
X = np.eye(4, dtype=np.float32).reshape(4, 1, 2, 2)
net = fit(CNN([Flatten(), Linear(4, 2, rng=0)]), X, [0, 1, 0, 1], epochs=2, rng=0)
print("the loss is", net.history[-1]["loss"])
"""


def test_what_a_page_has_trained_others_take_and_the_site_carries(book):
    trainings = book.folder / "trainings"
    for page in ("one", "two"):  # each runs, since the cells differ
        book.write(page, cell(f"{TRAINS}# on page {page}"))
    book.built()
    assert trainings.read_text() == "x"
    losses = {re.search(r"the loss is [\d.]+", book.html(page))[0] for page in ("one", "two")}
    assert len(losses) == 1
    carried = {name for name in book.site() if "trained/" in name}
    assert len(carried) == 1

    for page in ("one", "two"):
        book.write(page, cell(f"{TRAINS.replace('epochs=2', 'epochs=3')}# on page {page}"))
    book.built()
    assert trainings.read_text() == "xx"
    changed = {name for name in book.site() if "trained/" in name}
    assert len(changed) == 1
    assert changed != carried

    (results,) = (book.docs / "_build" / "results").iterdir()
    (results / "trained" / Path(*changed).name).unlink()
    text = cell(f"{TRAINS.replace('epochs=2', 'epochs=3')}# on page one")
    book.write("one", f"{text}\nMore text.\n")
    book.built()
    assert {name for name in book.site() if "trained/" in name} == changed


def test_builds_in_any_order_give_a_clean_builds_pages_and_offer_the_book_as_one_file(book, edited):
    book.write("old", "---\norphan: true\n---\n\n# A page that is left out later\n")
    book.write("other", OTHER.replace("Another page", "A third page"))  # which every page shows
    assert book.built().ran == 0
    (book.docs / "old.md").unlink()
    book.write("other", OTHER)
    link = '<a href="downloads/convolutional-networks.epub" download>EPUB</a>'
    assert link not in book.html()
    book.built("epub")  # of the book before the last edit, so that no page leads to it
    book.write("page", MORE)
    book.built()
    assert differing(book.site(), edited) == []

    book.built("epub")
    book.built()
    assert link in book.html()
    made = book.docs / "_build" / "epub" / "convolutional-networks.epub"
    assert book.site()["downloads/convolutional-networks.epub"] == made.read_bytes()
    book.write("other", OTHER.replace("Here is", "There is"))
    book.built()
    assert link not in book.html()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
def test_after_an_interrupt_pages_are_those_of_a_clean_build(book, edited, number):
    book.write("page", MORE)
    # The moment when Sphinx has saved what it has read, and has not written all of its pages.
    saved = book.docs / "_build" / "doctrees" / "book" / "environment.pickle"
    before = saved.stat().st_mtime_ns
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-j", "2", "-d", saved.parent, "docs"]
    command.append("docs/_build/html")
    # What runs these tests may ignore Ctrl-C, and those that it starts would do so, too.
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    sphinx = subprocess.Popen(command, cwd=book.folder, start_new_session=True, preexec_fn=heard)
    while not saved.exists() or saved.stat().st_mtime_ns == before:
        assert sphinx.poll() is None
        time.sleep(0.005)
    if number == signal.SIGINT:  # which reaches all that run on a terminal
        os.killpg(sphinx.pid, number)
    else:
        sphinx.send_signal(number)
    assert sphinx.wait(60) != 0
    book.built()
    assert differing(book.site(), edited) == []


def test_what_is_damaged_where_the_book_is_built_is_made_again(book, first):
    build = book.docs / "_build"
    figures = [*(build / "jupyter_execute").glob("*.svg")]
    assert len(figures) == 2  # one for phones
    read = build / "doctrees" / "book"
    small = [path for path in read.iterdir() if path.suffix in (".css", ".js")]
    assert len(small) > 2
    page = build / "html" / "other.html"  # so that what was read is written again
    others = [
        build / "web" / "live.js",
        build / "web" / "digits.npz",
        build / "web" / "mnist.npz",
    ]
    for damaged in ([page, *figures], [page, *small], [*others, *read.iterdir()]):
        for path in damaged:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        book.built()
        assert differing(book.site(), first.site) == []


def test_a_change_of_what_pages_are_made_by_is_seen_on_them(book):
    changes = [
        ("web/page/page.js", "// What every page", "console.info(1234567);\n//", "_static/page.js"),
        ("_static/book.css", "color-scheme: light", "color-scheme: only light", "_static/book.css"),
        ("_templates/page.html", "#131416", "#131417", "page.html"),
        ("_ext/accessible.py", "Contents of the book", "All that is here", "page.html"),
    ]
    for changed in (changes[:1], changes[1:]):
        for name, old, new, _ in changed:
            text = (book.docs / name).read_text("utf-8")
            assert old in text
            (book.docs / name).write_text(text.replace(old, new), "utf-8")
        book.built()
        for *_, new, page in changed:
            shown = (book.docs / "_build" / "html" / page).read_text("utf-8")
            assert new.split("\n")[0].rstrip(";") in shown


def fail(book, connect):
    """Let the book's settings do something while Sphinx works on twenty pages more."""
    for number in range(20):
        book.write(f"more-{number:02}", "---\norphan: true\n---\n\n# One more\n\nText.\n")
    with (book.docs / "conf.py").open("a", encoding="utf-8") as file:
        file.write(f"""
import signal
from sphinx.util.logging import getLogger

def shout(app, page, *_):
    getLogger("book").warning("a warning of many words " * 10_000)  # more than a pipe holds

def die(app, page, *_):
    if page == "more-11":
        os.kill(os.getpid(), signal.SIGKILL)

def fail(app, doctree, page):
    if page == "more-19":
        raise RuntimeError("on purpose")

def setup(app):
    {connect}
""")


def test_a_build_that_fails_while_its_writers_wait_to_be_heard_ends(new):
    fail(new, 'app.connect("html-page-context", shout); app.connect("doctree-resolved", fail)')
    done = new.build()
    assert done.code == 2
    assert "on purpose" in done.output


@pytest.mark.skipif(os.cpu_count() == 1, reason="where one process does it all, nobody waits")
@pytest.mark.parametrize("event", ["source-read", "html-page-context"])
def test_a_build_ends_when_one_of_its_processes_is_killed(new, event):
    fail(new, f'app.connect("{event}", die)')
    done = new.build()
    assert done.code == 2
    assert "killed by SIGKILL" in done.output


def test_of_two_builds_at_once_one_waits(new, first):
    with ThreadPoolExecutor() as two:
        said = [done.output for done in two.map(lambda _: new.built(), range(2))]
    assert sorted("Another build of this book is running" in output for output in said) == [0, 1]
    assert all("The book is built" in output for output in said)
    assert differing(new.site(), first.site) == []


def test_chapters_that_all_run_in_a_new_book_share_one_store_of_results(tmp_path):
    book = Book(tmp_path / "book")
    book.write("page", "# A page without cells\n")
    for number in range(4):
        book.write(f"more-{number}", cell(f"print({number} // 3 * 7000)"))  # three are the same
    book.built()
    for number in range(4):
        assert f">{number // 3 * 7000}\n<" in book.html(f"more-{number}")


def end_at_once(monkeypatch, store, count):
    """Run chapters whose cells take no time; return their notebooks."""
    cells = [new_notebook(cells=[new_code_cell(f"print({number})")]) for number in range(count)]
    chapters = [execution.Chapter(f"page-{k}", one, store, 10) for k, one in enumerate(cells)]
    monkeypatch.setattr(execution, "unknown", lambda env, names: chapters)
    monkeypatch.setattr(execution, "execute", lambda chapter: ExecutionResult(None, "", 1.0))
    env = SimpleNamespace(mystnb_config=SimpleNamespace(execution_mode="cache"))
    execution.run_chapters(SimpleNamespace(parallel=count), env, [])
    return cells


def test_results_of_chapters_that_end_at_once_are_stored_one_by_one(monkeypatch, tmp_path):
    store = get_cache(tmp_path / "store")
    keep = JupyterCacheBase.cache_notebook_bundle

    def alone(*arguments, **options):
        (tmp_path / "storing").mkdir()  # no other process does
        time.sleep(0.2)
        keep(*arguments, **options)
        (tmp_path / "storing").rmdir()

    monkeypatch.setattr(JupyterCacheBase, "cache_notebook_bundle", alone)
    for cells in end_at_once(monkeypatch, store, 4):
        assert store.match_cache_notebook(cells).data == {"execution_seconds": 1.0}


def test_a_result_that_cannot_be_stored_names_its_chapter(monkeypatch, tmp_path):
    def full(*arguments, **options):
        raise OSError("No space left on device")

    monkeypatch.setattr(JupyterCacheBase, "cache_notebook_bundle", full)
    with pytest.raises(ExtensionError, match=r"no book without the results of page-0, page-1$"):
        end_at_once(monkeypatch, get_cache(tmp_path), 2)


def surroundings(folder):
    """Return what may be set around a build, with a home that has settings of its own."""
    files = {
        ".config/matplotlib/matplotlibrc": "axes.grid: True\nfont.size: 30\ntext.usetex: True\n",
        ".ipython/profile_default/ipython_config.py": "raise SystemExit\n",
        ".ipython/profile_default/startup/first.py": "print('hello')\n",
        ".local/share/jupyter/kernels/python3/kernel.json": '{"argv": ["false"], "language": ""}',
        "modules/sitecustomize.py": "raise SystemExit\n",
        "modules/convdocs.py": "raise SystemExit\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return {
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / ".config"),
        "JUPYTER_PATH": str(folder / ".local" / "share" / "jupyter"),
        "JUPYTER_PREFER_ENV_PATH": "0",
        "LANG": "xx_XX.UTF-8",
        "LC_ALL": "xx_XX.ISO-8859-1",
        "TZ": "Asia/Kathmandu",
        "COLUMNS": "20",
        "FORCE_COLOR": "1",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "NODE_OPTIONS": "--nonsense",
        "MPLBACKEND": "nonsense",
        "MATPLOTLIBRC": str(folder / ".config" / "matplotlib" / "matplotlibrc"),
        "OMP_NUM_THREADS": "7",
        "OPENBLAS_CORETYPE": "Prescott",
        "SOURCE_DATE_EPOCH": "",
        "PYTHONPATH": str(folder / "modules"),
        "PYTHONHOME": str(folder),
        "PYTHONSTARTUP": str(folder / "modules" / "sitecustomize.py"),
        "PYTHONOPTIMIZE": "2",
        "PYTHONSAFEPATH": "1",
        "PYTHONWARNINGS": "error",
        "PYTHONHASHSEED": "20",
        "PYTHONUTF8": "0",
        "PYTHONIOENCODING": "ascii",
    }


def test_the_book_is_the_same_wherever_it_is_built_and_whatever_is_set_there(tmp_path, first):
    odd = Book(tmp_path / "an #odd & 'näme' of $HOME [1];")
    done = odd.built(**surroundings(tmp_path / "home"))
    assert done.ran == 1
    assert differing(odd.site(), first.site) == []


def test_what_is_built_may_lie_elsewhere(book, tmp_path):
    kept = book.docs / "_build"
    kept.rename(tmp_path / "large disk")
    kept.symlink_to(tmp_path / "large disk")
    book.write("page", PAGE + "\nSee {numref}`nothing`.\n")
    assert [book.build().code for _ in range(2)] == [2, 2]  # and not whole the second time
    book.write("page", PAGE)
    assert "The book is built" in book.built().output


def test_a_folder_of_pages_may_lie_elsewhere(book, tmp_path):
    (book.docs / "part").symlink_to(tmp_path)
    for word in ("first", "second"):
        (tmp_path / "x.md").write_text(f"---\norphan: true\n---\n\n# X\n\nThe {word}.\n", "utf-8")
        book.built()
        assert f"The {word}." in book.html("part/x")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("```{cards}\nnowhere | fig | Words.\n```", "index: there is no page nowhere"),
        ("```{cards}\n404 | fig | Words.\n```", "index: 404 is no chapter with a number"),
        ("```{track}\nA heading | bare\n```", "index: the page bare has no title"),
    ],
)
def test_an_overview_that_cannot_be_given_names_the_page(book, text, said):
    book.write("bare", "---\norphan: true\n---\n\nNo title.\n")
    book.write("index", f"{INDEX}\n{text}\n")
    done = book.build()
    assert done.code == 2
    assert said in done.output


def test_a_page_in_another_encoding_is_named(book):
    (book.docs / "other.md").write_bytes("# Ä\n".encode("latin-1"))
    done = book.build()
    assert done.code == 2
    assert "other.md: 'utf-8' codec can't decode" in done.output


def test_an_environment_of_another_folder_is_made_anew(tmp_path):
    folder = tmp_path / "a folder"
    for name in (".venv/ready", "docs/web/package-lock.json"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).touch()
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, folder)
    for known, anew in {"": False, f"{folder}\n": False, f"{tmp_path}\n": True}.items():
        (folder / ".venv" / "ready").write_text(known, "utf-8")
        would = ["make", "-n", "-C", folder, ".venv/ready"]
        said = subprocess.run(would, capture_output=True, encoding="utf-8", check=True).stdout
        assert ("Making the environment" in said) == anew


def test_packages_of_scripts_that_are_a_link_are_refused_and_stay(tmp_path):
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "file").touch()
    (tmp_path / "docs" / "web").mkdir(parents=True)
    (tmp_path / "docs" / "web" / "package-lock.json").touch()
    (tmp_path / "docs" / "web" / "node_modules").symlink_to(theirs)
    done = subprocess.run(["make", "-C", tmp_path, "html"], capture_output=True, encoding="utf-8")
    assert done.returncode == 2
    assert "node_modules is a link" in done.stderr
    assert [path.name for path in theirs.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["feature%2Fx", "a?b", "C:"])
def test_a_folder_whose_name_no_address_can_hold_is_refused_at_once(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    done = subprocess.run(["make", "-C", folder, "html"], capture_output=True, encoding="utf-8")
    assert done.returncode == 2
    assert "A folder's name has a" in done.stderr
    assert str(folder) in done.stderr
    assert [path.name for path in folder.iterdir()] == ["Makefile"]


def test_an_environment_that_is_a_link_is_refused_and_stays(tmp_path):
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "docs" / "web").mkdir(parents=True)
    (tmp_path / "docs" / "web" / "package-lock.json").touch()
    theirs = tmp_path / "theirs" / "python"
    theirs.parent.mkdir()
    theirs.touch()
    (tmp_path / ".venv").symlink_to("theirs")
    done = subprocess.run(["make", "-C", tmp_path, "html"], capture_output=True, encoding="utf-8")
    assert done.returncode == 2
    assert ".venv is a link" in done.stderr
    assert theirs.exists()


def test_the_extensions_say_how_text_is_written_and_call_nothing_outdated(book):
    modules = [f"_ext.{path.stem}" for path in (book.docs / "_ext").glob("*.py")]
    kinds = ["EncodingWarning", "DeprecationWarning", "PendingDeprecationWarning"]
    errors = [f"-Werror::{kind}:{module}" for kind in kinds for module in modules]
    for form in ("html", "epub"):
        command = [sys.executable, "-Xwarn_default_encoding", *errors, "-m", "sphinx", "-q", "-W"]
        command += ["-b", form, "-d", f"docs/_build/doctrees/{form}", "docs", f"docs/_build/{form}"]
        done = subprocess.run(command, cwd=book.folder, capture_output=True, encoding="utf-8")
        assert done.returncode == 0, done.stderr
    for path in (book.docs / "_ext").glob("*.py"):  # also what this small book does not call
        assert "self.app" not in path.read_text("utf-8"), path


def test_a_book_that_knows_its_addresses_says_them(book):
    out = book.docs / "_build" / "html"
    for says in ("canonical", "og:url", "Report an error", "Edit this page", "View this", "<base"):
        assert says not in book.html() + book.html("404")
    assert '<meta property="og:image" content="./_static/preview.png">' in book.html()
    assert "Sitemap" not in (out / "robots.txt").read_text("utf-8")
    assert '<meta name="description" content="The figure is Fig. 1, and' in book.html()

    address, repository = "https://example.org/en/latest/", "https://github.com/example/book"
    with (book.folder / "pyproject.toml").open("a") as file:
        file.write(f'\n[project.urls]\nRepository = "{repository}"\n')
    book.built(READTHEDOCS_CANONICAL_URL=address)
    assert f'<link rel="canonical" href="{address}page.html">' in book.html()
    assert f'<meta property="og:image" content="{address}_static/preview.png">' in book.html()
    with Image.open(out / "_static" / "preview.png") as picture:
        assert picture.size == (1200, 630)
    assert f'href="{repository}/edit/main/docs/page.md"' in book.html()
    assert f'href="{repository}/blob/main/docs/page.md?plain=true"' in book.html()
    assert f'<a href="{repository}/issues/new?title=On+page+page">Report an' in book.html()
    # Any address that does not exist shows this page, whose links start from its own.
    head = book.html("404").partition("<link")[0]
    assert f'<base href="{address}404.html">' in head
    listed = re.findall(r"<loc>(.*)</loc>", (out / "sitemap.xml").read_text("utf-8"))
    assert listed == [f"{address}{name}.html" for name in ("conv", "index", "other", "page")]
    assert f"Sitemap: {address}sitemap.xml" in (out / "robots.txt").read_text("utf-8")


def test_offline_python_lies_beside_the_pages(book, browser):
    if live_python.missing():
        pytest.skip("no Pyodide: python tests/live_python.py fetches it")
    (book.docs / "_build" / "pyodide").symlink_to(live_python.WHEELS)
    book.built("offline")
    context = browser.new_context()
    asked = []
    with served(book.docs / "_build" / "offline") as site:
        context.route(lambda url: not url.startswith(site), lambda route: route.abort())
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{site}page.html")
        shown = page.locator(".cell")
        shown.get_by_role("button", name="Run:").click()
        expect(shown).to_have_attribute("data-live", "done", timeout=120_000)
        expect(shown.locator(".cell_output")).to_contain_text("the answer is 6")
    context.close()
    assert [url for url in asked if not url.startswith((site, "blob:", "data:"))] == []
    assert f"{site}_static/python/pyodide.asm.wasm" in asked


def cells(path):
    """Return the code of each cell that a reader sees, without its options."""
    for cell in re.findall(r"```\{code-cell\} python\n(.*?)```", path.read_text(), re.DOTALL):
        head = r"---\n.*?---\n" if cell.startswith("---") else r"(?::\w+: .*\n)*"
        options = re.match(head, cell, re.DOTALL if cell.startswith("---") else 0)[0]
        code = cell.removeprefix(options)
        if not re.search("remove-(cell|input)", options + code):
            yield code


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_cells_are_short(path):
    for code in cells(path):
        lines = code.strip().splitlines()
        assert len(lines) <= 15, code
        assert max(map(len, lines)) <= 88, code


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_exercise_has_a_solution_and_every_figure_a_caption(path):
    text = path.read_text()
    exercises = re.findall(r"\{exercise-start\}.*\n:label: (.*)", text)
    assert len(exercises) >= (0 if path.stem in WORKBENCHES else 4)
    assert re.findall(r"\{solution-start\} (.*)", text) == exercises
    starts = re.findall(r"\{exercise-start\}.*?\{exercise-end\}", text, re.DOTALL)
    level = r":class: (easy|medium|hard|project) minutes-\d+\n"
    assert [each for each in starts if not re.search(level, each)] == []
    assert [each for each in starts if each.count("```{hint}\n:class: dropdown\n") != 1] == []
    folded = re.findall(r"\{solution-start\} .*\n(?::label: .*\n)?:class: dropdown", text)
    assert len(folded) == len(exercises)
    spoken = re.findall(r"^    alt: |^stepper\.", text, re.M)  # a stepper says its frames itself
    assert len(spoken) == len(re.findall(r"^    caption: ", text, re.M))


TYPED = re.compile(r"\d+\.\d+|\d{1,3}(?:,\d{3})+|\d+(?=\s?%)|(?<![-\w])\d{4,}")
YEAR = re.compile(r"(?:1[89]|20)\d\d")
DEFINED = {  # what is chosen, or printed by others, and no result of ours
    "layers": ["By the counts, 95 %"],
    "connected": ["more than 90 % sure"],
    "hyperparameters": ["3.1 rows"],
    "stacks": ["7 % higher"],
    "problem": [
        "1,000 nodes",
        "1,000 inputs",
        "only 100,000 parameters",
        "4,032 × 3,024",
        "the lecture's 100,000",
        "1,024 pixels",
    ],
    "training": ["95 % **confidence interval**", "1,024 pixels"],
    "inside": ["1.2 million photographs"],
    "history": ["5.0 %", "1,000 classes"],
    "architectures": [
        "0.95 %",
        "0.95 percent",
        "15,000, 30,000 and",
        "60,000",
        "to 0.8 %",
        "background −0.1, ink 1.175",
        "paper is 1,024",
        "it prints 3.6, both",
        "paper prints 3.8",
    ],
}


def prose(path):
    """Return what a page says in words: captions and alternative texts too, but not exercises."""
    text = path.read_text()
    said = "\n".join(re.findall(r"^ +(?:alt|caption): (.*)$", text, re.M))
    text = re.sub(r"```\{exercise-start\}.*?\{solution-end\}\n```", "", text, flags=re.DOTALL)
    for not_words in (
        r"\A---.*?\n---\n",  # front matter
        r"^(```+|\$\$)[^\n]*\n.*?^\1",  # cells, directives, equations
        r"\{[\w:]+\}`[^`]*`",  # roles
        r"`[^`]*`",
        r"\$[^$]*\$",
        r"\]\([^)]*\)",
    ):
        text = re.sub(not_words, "", text, flags=re.DOTALL | re.MULTILINE)
        said = re.sub(not_words, "", said)
    return said + text


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_no_number_is_typed_that_a_cell_could_compute(path):
    text = re.sub(r"\s+", " ", prose(path))
    for phrase in DEFINED.get(path.stem, []):
        assert phrase in text
        text = text.replace(phrase, "")
    assert not [number for number in TYPED.findall(text) if not YEAR.fullmatch(number)]


def test_typed_numbers_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "It is 97 % in 1989, or {glue:text}`x:.1f` or $1234$, and 1,234 and 0.5 of 3 × 3.\n"
    )
    assert TYPED.findall(prose(page)) == ["97", "1989", "1,234", "0.5"]
