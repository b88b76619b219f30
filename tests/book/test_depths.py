"""Sections for a second visit are folded on the web and open elsewhere; minutes are counted."""

import subprocess
import sys

import pytest
from places import ROOT

CONF = f"""
import sys
sys.path[:0] = [{str(ROOT / "docs")!r}, {str(ROOT)!r}]
extensions = ["myst_parser", "_ext.depths", "_ext.minutes"]
"""
PAGE = """\
# A chapter

{first}

## Walked

{second}

```python
one = 1

two = 2
```

See the folded parts *Deep* and *Deeper*, the folded
part above, a folded layer, and `folded`.

## Deep

```{{depth}} curious
```

{third}

### Deeper

{fourth}

## Exercises

{fifth}
"""


HEAD = """\
---
file_format: mystnb
kernelspec: {name: python3, display_name: Python 3}
---
"""


BUILD = """
import sys
from sphinx.cmd.build import main
folder, *builders = sys.argv[1:]
sys.exit(any([main(["-q", "-b", each, folder, f"{folder}/{each}"]) for each in builders]))
"""


def build(folder, page, *builders, conf=CONF):
    """Build a page in several forms, in one process; return what was said."""
    folder.mkdir()
    (folder / "conf.py").write_text(conf, encoding="utf-8")
    (folder / "index.md").write_text(page, encoding="utf-8")
    command = [sys.executable, "-c", BUILD, folder, *builders]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    words = {
        name: f"{name} " * count
        for name, count in dict(first=150, second=300, third=75, fourth=75, fifth=450).items()
    }
    folder = tmp_path_factory.mktemp("depths") / "book"
    assert build(folder, PAGE.format(**words), "html", "text") == ""
    return folder


def test_a_page_says_how_long_it_takes(folder):
    page = (folder / "html" / "index.html").read_text(encoding="utf-8")
    # three minutes of prose and a little for two lines and headings; then one, and then three
    said = "4 minutes; 2 more for a second visit; 4 to read the exercises"
    assert f'<p class="minutes">{said}</p>' in page


def test_a_marked_section_is_folded_with_all_that_it_holds(folder):
    page = (folder / "html" / "index.html").read_text(encoding="utf-8")
    before, _, rest = page.partition('<details class="depth curious">')
    inside, _, after = rest.partition("</details>")
    assert "Deep<" in before
    assert "second" in before
    assert all(word in inside for word in ("For the curious", "third", "Deeper<", "fourth"))
    assert "fifth" in after


def test_elsewhere_nothing_is_folded_and_the_section_says_what_it_is(folder):
    text = (folder / "text" / "index.txt").read_text(encoding="utf-8")
    assert text.count("For the curious.") == 1
    words = " ".join(text.split())
    assert (
        'marked parts *Deep* and *Deeper*, the marked part above, a folded layer, and "folded"'
        in words
    )
    assert "marked" not in (folder / "html" / "index.html").read_text(encoding="utf-8")
    assert "third" in text


def test_code_that_only_draws_is_folded_and_counts_apart(tmp_path):
    page = "# A page\n\n{}\n\n## Exercises\n\nNone.\n"
    cell = "```{code-cell} python\n:tags: [aside]\n\n" + "1 + 1\n" * 15 + "```"
    folder = tmp_path / "book"
    conf = CONF.replace("myst_parser", "myst_nb") + "nb_execution_mode = 'off'\n"
    build(folder, HEAD + page.format(cell), "html", "text", conf=conf)
    shown = (folder / "html" / "index.html").read_text(encoding="utf-8")
    assert '<details class="aside"><summary>Show the code</summary>' in shown
    # Fifteen lines of eight seconds, and the page's words.
    assert "1 minute; 3 more for a second visit" in shown
    assert (folder / "text" / "index.txt").read_text(encoding="utf-8").count("1 + 1") == 15


def test_another_depth_is_refused(tmp_path):
    said = build(tmp_path / "wrong", "# A\n\n```{depth} abyss\n```\n", "text")
    assert "the depth of a section must be one of more, curious, got abyss" in said
