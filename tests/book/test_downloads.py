"""What a reader takes home from a chapter: notebooks that read well, and that run."""

import re
from xml.etree import ElementTree

import nbformat
import pytest
from nbclient import NotebookClient
from places import ROOT, SITE

RAW = re.compile(
    r"\{[\w:]+\}`|^```\{|^:\w+:|\$\$ \(|\bFig\. (?!\d)|Exercise (?!\d)|^\([\w-]+\)=", re.MULTILINE
)


@pytest.fixture(scope="module")
def chapters(built):
    """Return the chapters that have cells, in the site as it is now."""
    sources = (ROOT / "docs").glob("*.md")
    return [path.stem for path in sources if "```{code-cell}" in path.read_text()]


def notebook(name):
    return nbformat.read(SITE / "downloads" / f"{name}.ipynb", as_version=4)


def test_every_chapter_links_its_downloads(chapters):
    assert len(chapters) >= 16
    for chapter in chapters:
        page = (SITE / f"{chapter}.html").read_text()
        block = page[page.index('<nav class="downloads"') :]
        links = re.findall(r'href="([^"]+)" download', block[: block.index("</nav>")])
        assert len(links) == 3
        assert all((SITE / link).is_file() for link in links)


def test_notebooks_are_valid_and_carry_their_results(chapters):
    for chapter in chapters:
        for name in (chapter, f"{chapter}-colab"):
            nbformat.validate(notebook(name), relax_add_props=False)
        code = [cell for cell in notebook(chapter).cells if cell.cell_type == "code"]
        outputs = [output for cell in code for output in cell.outputs]
        drawn = {"image/svg+xml", "text/html"}
        pictures = [out for out in outputs if drawn & out.get("data", {}).keys()]
        source = (ROOT / "docs" / f"{chapter}.md").read_text()
        assert len(code) == source.count("```{code-cell}")
        assert len(pictures) >= source.count("  figure:") > 0
        for drawn in pictures:
            if svg := drawn.data.get("image/svg+xml"):
                ElementTree.fromstring(svg)  # one figure, and not the one for phones after it
        bare = [cell for cell in notebook(f"{chapter}-colab").cells if cell.get("outputs")]
        assert not bare


def test_no_directive_is_left(chapters):
    for chapter in chapters:
        texts = [cell.source for cell in notebook(chapter).cells if cell.cell_type == "markdown"]
        assert [text for text in texts if RAW.search(text)] == []


def test_numbers_and_references_are_those_of_the_page(chapters):
    page = (SITE / "edges.html").read_text().replace("\N{NO-BREAK SPACE}", " ")
    text = "\n".join(cell.source for cell in notebook("edges").cells)
    for name, kind in {"fig-row": "Fig. ", "ex-flip": "Exercise "}.items():
        number = re.search(rf'id="{name}".*?caption-number">{kind}([\d.]+)', page, re.DOTALL)[1]
        assert f"{kind}{number}" in text
    number = re.search(r'id="equation-eq-edges".*?eqno">\(([\d.]+)\)', page, re.DOTALL)[1]
    assert f"\\tag{{{number}}}" in text
    assert f"({number})" in text
    assert "307,200 numbers" in text


def test_the_notebook_for_colab_installs_what_its_chapter_needs(chapters):
    for chapter in chapters:
        needs = re.search("^needs: (.*)$", (ROOT / "docs" / f"{chapter}.md").read_text(), re.M)
        extras = f"data,{needs[1].replace(' ', '')}" if needs else "data"
        assert f"whl[{extras}]" in notebook(f"{chapter}-colab").cells[1].source


def test_the_notebook_for_colab_runs_with_the_package_that_it_carries(
    chapters, tmp_path, monkeypatch
):
    site = tmp_path / "site"  # the package is installed here, not in the tests' environment
    site.mkdir()
    for name, value in {"TARGET": site, "NO_DEPS": 1, "NO_INDEX": 1}.items():
        monkeypatch.setenv(f"PIP_{name}", str(value))
    monkeypatch.setenv("PYTHONPATH", str(site))
    book = notebook("two-dimensions-colab")
    book.cells.append(nbformat.v4.new_code_cell("import convdocs; print(convdocs.__file__)"))
    NotebookClient(book, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert book.cells[-1].outputs[-1].text.startswith(str(site))
