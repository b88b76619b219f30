"""The build keeps its promises: no stale page, no page that fails in silence, no wasted work."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from places import ROOT

CHAPTERS = [path for path in (ROOT / "docs").glob("*.md") if "{code-cell}" in path.read_text()]
WORKBENCHES = ["draw", "try"]  # pages to try things on, without exercises
PAGE = """---
file_format: mystnb
kernelspec:
  name: python3
---

# A page

```{code-cell} python
---
mystnb:
  image:
    alt: A grid of one number, which the package has computed.
  figure:
    caption: One number.
    name: fig-one
---
from convdocs import conv2d
from convdocs.book import plot

open("RUNS", "a").write("x")
y = conv2d([[[[2]]]], [[[[3]]]])[0, 0]
print("the answer is", y.item())
plot.numbers({"y": y})
```

The figure is {numref}`fig-one`.
"""


@pytest.fixture
def book(tmp_path):
    """Return a copy of the project whose book has one small page."""
    for part in ("convdocs", "docs"):
        ignored = shutil.ignore_patterns("_build", "__pycache__", "*.md", "api")
        shutil.copytree(ROOT / part, tmp_path / part, ignore=ignored)
    for name in ("LICENSE", "Makefile", "README.md", "pyproject.toml", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "ready").touch()  # the environment that these tests run in serves
    (tmp_path / "docs" / "index.md").write_text("# Book\n\n```{toctree}\npage\n```\n")
    write(tmp_path, PAGE)
    return tmp_path


def write(book, page):
    (book / "docs" / "page.md").write_text(page.replace("RUNS", f"{book}/runs"))


def build(book, folder=".", **more):
    """Return the exit code, the output, and how many cells have run."""
    before = runs(book)
    command = ["make", "-C", book / folder, "html", f"BIN={Path(sys.executable).parent}"]
    environment = {"PYTHONPATH": str(book), "PATH": "/usr/bin:/bin", "HOME": str(book)}
    done = subprocess.run(command, env=environment | more, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr, runs(book) - before


def runs(book):
    counter = book / "runs"
    return len(counter.read_text()) if counter.exists() else 0


def html(book):
    return (book / "docs" / "_build" / "html" / "page.html").read_text()


def test_a_page_runs_when_the_package_or_its_cells_change_and_only_then(book):
    code, output, ran = build(book)
    assert (code, ran) == (0, 1), output
    assert f"file://{book}/docs/_build/html/index.html" in output
    assert "the answer is 6.0" in html(book)

    assert build(book, "docs")[::2] == (0, 0)  # nothing changed; and it works from docs/ too

    conv = book / "convdocs" / "conv.py"
    conv.write_text(conv.read_text().replace("return batch_first(y)", "return batch_first(-y)"))
    assert build(book)[::2] == (0, 1)
    assert "the answer is -6.0" in html(book)
    assert len(list((book / "docs" / "_build" / "results").iterdir())) == 1

    write(book, PAGE.replace("[[[[3]]]]", "[[[[4]]]]"))
    assert build(book)[::2] == (0, 1)
    assert "the answer is -8.0" in html(book)

    write(book, PAGE.replace("[[[[3]]]]", "[[[[4]]]]") + "\nMore text, the same cells.\n")
    assert build(book)[::2] == (0, 0)
    assert "More text" in html(book)


WRONG = {
    "a cell that raises": (
        ('print("the', 'raise ValueError("on purpose")\nprint("the'),
        ["page.md", 'raise ValueError("on purpose")', "ValueError: on purpose"],
    ),
    "a figure without alternative text": (
        ("    alt: A grid of one number, which the package has computed.", "    width: 200px"),
        ["page", "alternative text"],
    ),
    "an alternative text that says nothing": (
        ("A grid of one number, which the package has computed.", "figure 1"),
        ["page", "alternative text"],
    ),
    "an undefined reference": (
        ("{numref}`fig-one`", "{numref}`fig-two`"),
        ["page.md", "fig-two"],
    ),
    "an unknown function": (
        ("{numref}`fig-one`", "{py:func}`convdocs.conv3d`"),
        ["page.md", "convdocs.conv3d"],
    ),
    "a number that no cell gives": (
        ("{numref}`fig-one`", "{glue:text}`nothing`"),
        ["page.md", "nothing"],
    ),
}


@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_page_fails_the_build_and_fails_it_again(book, change, words):
    assert PAGE.count(change[0]) == 1
    write(book, PAGE.replace(*change))
    for _ in range(2):
        code, output, _ = build(book)
        assert code != 0
        assert all(word in output for word in words), output


def test_a_book_that_knows_its_addresses_says_them(book):
    (book / "docs" / "404.md").write_text("---\norphan: true\n---\n\n# Nothing\n\nNo page.\n")
    assert build(book)[0] == 0
    out = book / "docs" / "_build" / "html"
    for says in ("canonical", "og:url", "og:image", "Edit this page", "View this page", "<base"):
        assert says not in html(book) + (out / "404.html").read_text()
    assert "Sitemap" not in (out / "robots.txt").read_text()
    assert '<meta name="description" content="The figure is Fig. 1.">' in html(book)

    address, repository = "https://example.org/en/latest/", "https://github.com/example/book"
    with (book / "pyproject.toml").open("a") as file:
        file.write(f'\n[project.urls]\nRepository = "{repository}"\n')
    assert build(book, READTHEDOCS_CANONICAL_URL=address)[0] == 0
    assert f'<link rel="canonical" href="{address}page.html">' in html(book)
    assert f'<meta property="og:image" content="{address}_static/preview.png">' in html(book)
    with Image.open(out / "_static" / "preview.png") as picture:
        assert picture.size == (1200, 630)
    assert f'href="{repository}/edit/main/docs/page.md"' in html(book)
    assert f'href="{repository}/blob/main/docs/page.md?plain=true"' in html(book)
    # Any address that does not exist shows this page, whose links start from its own.
    head = (out / "404.html").read_text().partition("<link")[0]
    assert f'<base href="{address}404.html">' in head
    listed = re.findall(r"<loc>(.*)</loc>", (out / "sitemap.xml").read_text())
    assert listed == [f"{address}index.html", f"{address}page.html"]
    assert f"Sitemap: {address}sitemap.xml" in (out / "robots.txt").read_text()


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
    spoken = re.findall(r"^    alt: |^stepper\.", text, re.M)  # a stepper says its frames itself
    assert len(spoken) == len(re.findall(r"^    caption: ", text, re.M))


TYPED = re.compile(r"\d+\.\d+|\d{1,3}(?:,\d{3})+|\d+(?=\s?%)|(?<![-\w])\d{4,}")
YEAR = re.compile(r"(?:1[89]|20)\d\d")
DEFINED = {  # what is chosen, or printed by others, and no result of ours
    "layers": ["By the counts, 95 %"],
    "connected": ["more than 90 % sure"],
    "hyperparameters": ["3.1 rows"],
    "problem": [
        "1,000 nodes",
        "1,000 inputs",
        "only 100,000 parameters",
        "4,032 × 3,024",
        "the lecture's 100,000",
        "1,024 pixels",
    ],
    "training": ["95 % **confidence interval**"],
    "inside": ["1.2 million photographs"],
    "history": ["5.0 %", "1,000 classes"],
    "architectures": ["650,000 units", "paper is 1,024", "Its 3.6 is said", "paper prints 3.8"],
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
