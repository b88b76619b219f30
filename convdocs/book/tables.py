"""Tables that a cell shows: HTML on a page, and lines of text where there is none."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from html import escape
from typing import NamedTuple


class Column(NamedTuple):
    """A column's heading, and the heading over it and its neighbours, if they have one."""

    title: str  #: Its own heading.
    group: str = ""  #: The heading over it.


class Table:
    """Rows of text under headings; the first column says what a row is about.

    Parameters
    ----------
    columns : sequence of Column
        Neighbours of the same group share its heading.
    rows : sequence of sequences of str
        A text for each column.
    caption : str
        What the table says, and how its numbers are meant.

    Raises
    ------
    ValueError
        If there are no columns, or a row has more or fewer texts than there are.

    Examples
    --------
    >>> Table([Column("network"), Column("test", "500 pictures")], [["normal", "83.4"]], "In %.")
    In %.
    <BLANKLINE>
             500 pictures
    network          test
    ---------------------
    normal           83.4
    """

    def __init__(
        self, columns: Sequence[Column], rows: Sequence[Sequence[str]], caption: str
    ) -> None:
        if not columns:
            raise ValueError("columns must be one at least, got none")
        for number, row in enumerate(rows):
            if len(row) != len(columns):
                need = f"rows[{number}] must have a text for each of {len(columns)} columns"
                raise ValueError(f"{need}, got {len(row)}")
        self.columns = columns
        self.rows = rows
        self.caption = caption

    def groups(self) -> list[tuple[str, int]]:
        """Return the headings of the first line, and over how many columns each stands."""
        runs = itertools.groupby(self.columns, key=lambda column: column.group)
        return [(group, len(list(run))) for group, run in runs]

    def __repr__(self) -> str:
        """Return the table as lines of text."""
        lines = [[column.title for column in self.columns], *self.rows]
        widths = [max(map(len, texts)) for texts in zip(*lines, strict=True)]
        over, start = [], 0
        for group, count in self.groups():
            room = sum(widths[start : start + count]) + 2 * (count - 1)
            widths[start] += max(0, len(group) - room)
            over.append(group.rjust(max(room, len(group))))
            start += count

        def line(texts: Sequence[str]) -> str:
            padded = [text.rjust(width) for text, width in zip(texts, widths, strict=True)]
            return "  ".join([texts[0].ljust(widths[0]), *padded[1:]]).rstrip()

        head = ["  ".join(over).rstrip()] if any(group for group, _ in self.groups()) else []
        rule = "-" * (sum(widths) + 2 * len(widths) - 2)
        return "\n".join([self.caption, "", *head, line(lines[0]), rule, *map(line, self.rows)])

    def _repr_html_(self) -> str:
        over = [
            f'<th scope="colgroup" colspan="{count}">{escape(group)}</th>'
            if group
            else "<td></td>" * count
            for group, count in self.groups()
        ]
        under = [f'<th scope="col">{escape(column.title)}</th>' for column in self.columns]
        head = [over, under] if any(column.group for column in self.columns) else [under]
        body = [
            [
                f'<th scope="row">{escape(row[0])}</th>',
                *(f"<td>{escape(text)}</td>" for text in row[1:]),
            ]
            for row in self.rows
        ]

        def lines(rows: list[list[str]]) -> str:
            return "\n".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)

        return (
            '<div class="table-wrapper docutils container">\n<table class="docutils results">\n'
            f"<caption>{escape(self.caption)}</caption>\n"
            f"<thead>\n{lines(head)}\n</thead>\n<tbody>\n{lines(body)}\n</tbody>\n</table>\n</div>"
        )
