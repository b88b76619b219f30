"""What belongs together stays on one line, where no book need be built to see it."""

import pytest
from _ext import typography
from pages import SOURCES


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("a 3 × 3 kernel", "a 3_×_3 kernel"),
        ("600\n× 512", "600_×_512"),  # where a line of the source ends
        ("by −0.3 ± 0.6 points", "by −0.3_±_0.6 points"),
        ("75 % of 3 GB in 5 s", "75_% of 3_GB in 5_s"),
        (" million, after a number of a cell", "_million, after a number of a cell"),
        ("12 seeds, 3 sizes", "12 seeds, 3 sizes"),
        ("Map 15 speaks, in 3 s", "Map 15 speaks, in 3_s"),
        (" such functions, after a formula", " such functions, after a formula"),
        ("see Fig. 3.1 and Exercise 2.4", "see Fig._3.1 and Exercise_2.4"),
    ],
)
def test_lines_do_not_end_there(written, kept):
    assert typography.kept(written) == kept.replace("_", "\u00a0")


@pytest.mark.parametrize(
    ("printed", "read"),
    [("-0.25", "−0.25"), ("1e-06", "10⁻⁶"), ("2.5e+03", "2.5 × 10³"), ("conv-1", "conv-1")],
)
def test_a_number_of_a_cell_is_written_as_in_a_book(printed, read):
    assert typography.pasted(printed) == read


@pytest.mark.parametrize("name", SOURCES)
def test_a_number_of_a_formula_stands_in_its_own_parentheses_alone(name):
    assert "({eq}" not in SOURCES[name]
