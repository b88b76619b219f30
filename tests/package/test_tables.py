"""Tables that cells show: their headings belong to what stands under them."""

from xml.etree import ElementTree

import pytest

from convdocs.book.tables import Column, Table

COLUMNS = [Column("network"), Column("parameters"), Column("test", "few"), Column("moved", "few")]
ROWS = [["normal", "103,510", "83.8", "50.7"], ["a < b", "1", "99.9 ± 0.1", "2"]]


def test_as_html_each_cell_has_its_headings():
    text = Table(COLUMNS, ROWS, "In % & more")._repr_html_()
    (table,) = ElementTree.fromstring(text)  # so it is also well-formed for electronic books
    assert table.find("caption").text == "In % & more"
    over, under = table.findall("thead/tr")
    assert [(cell.tag, cell.get("colspan"), cell.text) for cell in over] == [
        ("td", None, None),
        ("td", None, None),
        ("th", "2", "few"),
    ]
    assert [(cell.get("scope"), cell.text) for cell in under] == [
        ("col", column.title) for column in COLUMNS
    ]
    for line, row in zip(table.findall("tbody/tr"), ROWS, strict=True):
        assert [cell.text for cell in line] == row
        assert [cell.tag for cell in line] == ["th", "td", "td", "td"]
        assert line[0].get("scope") == "row"


def test_without_groups_there_is_one_line_of_headings():
    text = Table(COLUMNS[:2], [row[:2] for row in ROWS], "")._repr_html_()
    assert len(ElementTree.fromstring(text).findall("table/thead/tr")) == 1
    assert "few" not in text


def test_as_text_it_is_aligned():
    assert str(Table(COLUMNS, ROWS, "In %.")).splitlines() == [
        "In %.",
        "",
        "                                   few",
        "network  parameters        test  moved",
        "--------------------------------------",
        "normal      103,510        83.8   50.7",
        "a < b             1  99.9 ± 0.1      2",
    ]


def test_a_group_that_is_wider_than_its_columns_has_room():
    text = str(Table([Column("a"), Column("b", "a long heading")], [["1", "2"]], "Of what."))
    assert text.splitlines()[2:] == [
        "   a long heading",
        "a               b",
        "-----------------",
        "1               2",
    ]


def test_a_row_of_another_length_is_refused():
    with pytest.raises(
        ValueError, match=r"rows\[1\] must have a text for each of 4 columns, got 3"
    ):
        Table(COLUMNS, [ROWS[0], ROWS[1][:3]], "")


def test_a_table_of_no_columns_is_refused():
    with pytest.raises(ValueError, match="columns must be one at least, got none"):
        Table([], [], "")
