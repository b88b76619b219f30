"""Two figures in one text become two files, whoever reads them first; no book need be built."""

from _ext import widths

WIDE = '<?xml version="1.0"?>\n<svg width="9pt"><svg/></svg>\n'
NARROW = '<svg width="4pt"></svg>\n'


def test_two_figures_are_parted():
    assert widths.parted(WIDE + NARROW) == (WIDE, NARROW)
    for alone in (WIDE, NARROW, "", "<svg/>"):
        assert widths.parted(alone) == (alone, "")


def test_the_file_keeps_the_wide_one_however_often_it_is_read(tmp_path):
    path = tmp_path / "a.svg"
    path.write_text(WIDE + NARROW)
    for _ in range(2):
        other = widths.files(path)
        assert (path.read_text(), other.read_text()) == (WIDE, NARROW)
    assert sorted(tmp_path.iterdir()) == [other, path]


def test_what_has_no_figure_for_phones_gets_none(tmp_path):
    path = tmp_path / "a.svg"
    path.write_text(WIDE)
    assert not widths.files(path).exists()
    assert path.read_text() == WIDE
