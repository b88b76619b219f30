"""Every cell of every chapter, run in a browser by the page's own buttons; and what a cell may be.

The chapters share one Python, which each of them finds as if it had just been started.
"""

import re

import pytest
from pages import CELL, LIVE, press, running, write

SHOWN = """() => [...document.querySelectorAll('[id^=cell-]')].map(cell => ({
  id: cell.id, state: cell.dataset.live, tags: cell.className,
  text: [...cell.querySelectorAll('.cell_output .output')].map(each => each.textContent).join(''),
  pictures: cell.querySelectorAll('.cell_output img, .cell_output svg').length,
}))"""
SOLUTIONS = "document.querySelectorAll('.toggle-button').forEach(each => each.click())"
# A browser can lose its Python, and its page waits for ever: then `make test` opens the page again.
OVER = """() => {
  const all = [...document.querySelectorAll('[id^=cell-]')];
  const states = all.map(each => each.dataset.live).join();
  if (window.states !== states) [window.states, window.since] = [states, performance.now()];
  const running = all.filter(each => each.dataset.live === 'running').map(each => each.id);
  if (performance.now() - window.since > 100_000) throw new Error(`no end of ${running}`);
  const ended = all.filter(each => !['built', 'waiting', 'running'].includes(each.dataset.live));
  return ended.length === all.length ||
    ended.some(each => each.dataset.live !== 'done' && !each.matches('script'));
}"""
NUMBER = re.compile(r"[-+]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?")
DIFFERENCE = re.compile(r"([-+][\d.]+) ± +([\d.]+)(?: +(clear))?")


def value(number):
    return float(number.replace(",", ""))


def near(a, b, tags, text):
    """Return whether two numbers can be the same one, from the build and from the browser.

    The browser has another BLAS, and another decoder of photographs.
    Three tags in the chapters name the cells that cannot print the same: `clock` prints measured
    times, `rounding` the size of rounding errors, and `training` accuracies of networks that
    amplify them, in percent or as fractions.
    """
    x, y = value(a), value(b)
    if "tag_training" in tags:
        return abs(x - y) <= (2 if "%" in text else 0.02)
    if "tag_rounding" in tags:
        return abs(x - y) <= 1e-5 + 0.05 * max(abs(x), abs(y))
    if "tag_clock" in tags:  # a machine may be a hundred times slower, but not out of this world
        low, high = sorted((abs(x), abs(y)))
        return x * y >= 0 and (low == 0 or high <= 1000 * low)  # zero: too short to be counted
    return a == b


def alike(before, after, tags):
    """Return whether a cell printed what it printed in the build."""
    if before.rstrip() == after.rstrip():
        return True
    if "tag_training" in tags and "clear" in before + after:
        # Which differences exceed their intervals depends on the numbers, and so does the word.
        for d, half, clear in DIFFERENCE.findall(after):
            beyond = abs(value(d)) - value(half)
            if abs(beyond) > 0.1 and (beyond > 0) != bool(clear):
                return False
        before, after = (DIFFERENCE.sub(r"\1 ± \2", text) for text in (before, after))
    words = [NUMBER.sub("#", text).split() for text in (before, after)]
    numbers = zip(NUMBER.findall(before), NUMBER.findall(after), strict=False)
    return words[0] == words[1] and all(near(a, b, tags, before) for a, b in numbers)


@pytest.mark.parametrize("chapter", LIVE)
def test_every_cell_of_the_chapter_shows_what_the_build_showed(python, chapter):
    page = python.open(chapter)
    before = page.evaluate(SHOWN)
    page.evaluate(SOLUTIONS)
    last = page.locator(CELL).last
    press(last, "Run all above")
    press(last, "Run")
    page.wait_for_function(OVER, polling=100, timeout=0)
    after, wrong = page.evaluate(SHOWN), page.wrong
    page.close()
    assert wrong == []
    assert {cell["id"]: cell["state"] for cell in after if cell["state"] != "done"} == {}
    different = [
        (old["id"], old["text"], new["text"])
        for old, new in zip(before, after, strict=True)
        if not alike(old["text"], new["text"], new["tags"]) or old["pictures"] != new["pictures"]
    ]
    assert different == []


@pytest.mark.parametrize(
    ("before", "after", "tags", "same"),
    [
        ("3 of 4\n", "3 of 4", "", True),
        ("3 of 4", "3 of 5", "", False),
        ("0.25 ms", "25.0 ms", "tag_clock", True),
        ("0 %", "15 %", "tag_clock", True),
        ("0 µs more", "2200 µs more", "tag_clock", True),
        ("2200 µs more", "-1 µs more", "tag_clock", False),
        ("0.25 ms", "nan ms", "tag_clock", False),
        ("0.25 ms", "-0.25 ms", "tag_clock", False),
        ("0.25 ms", "2500.00 ms", "tag_clock", False),
        ("1.0e-16", "1.04e-16", "tag_rounding", True),
        ("0.50", "0.60", "tag_rounding", False),
        ("95.0 %", "96.9 %", "tag_training", True),
        ("95.0 %", "97.1 %", "tag_training", False),
        ("0.950", "0.969", "tag_training", True),
        ("0.950", "0.972", "tag_training", False),
        ("+1.3 ± 1.2 clear %", "+1.1 ± 1.3 %", "tag_training", True),
        ("+1.3 ± 1.2 clear %", "+1.1 ± 1.4 clear %", "tag_training", False),
        ("+1.3 ± 1.2 clear %", "-1.8 ± 1.4 %", "tag_training", False),
    ],
)
def test_what_cells_print_is_compared_by_their_tags(before, after, tags, same):
    assert alike(before, after, tags) == same


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("", ""),
        ("# nothing but a remark", ""),
        ("None", ""),
        ("x = 1 + 1", ""),
        ("1 + 1", "2\n"),
        ("1 + 1;", ""),
        ("1 + 1 ;\n\n# the end", ""),
        ("1 + 1;  # quiet", ""),
        ("1 + 1  # no quiet;", "2\n"),
        ("'a;'", "'a;'\n"),
        ("'''a;\n   \nb;'''", "'a;\\n   \\nb;'\n"),
        ("x = 1; x + 1", "2\n"),
        ("x = [];\nx.append(1);\nprint(x);", "[1]\n"),
        ("print(1)\n2", "1\n2\n"),
        ("for i in range(2):\n    i", ""),
        ("for i in range(2):\n    print(i);", "0\n1\n"),
        ("(1 +\n 1)", "2\n"),
        ("import asyncio\n\nawait asyncio.sleep(0, 'late')", "'late'\n"),
        ("async def f():\n    return 3\n\nx = await f()\nx", "3\n"),
        (
            "class Shown:\n    def _repr_html_(self):\n        1 / 0\n\nShown",
            "<class '__main__.Shown'>\n",
        ),
        ("from __future__ import annotations\nlen", "<built-in function len>\n"),
    ],
)
def test_a_cell_shows_its_last_value_as_a_notebook_does(python, source, shown):
    error, found = python.run(source)
    assert (error, "".join(text for _, text in found)) == (None, shown)
    assert {kind for kind, _ in found} <= {"text"}


def test_a_last_value_has_its_richest_form(python):
    source = "class A:\n    def {}(self):\n        return {}\n\nA()"
    assert python.run(source.format("_repr_html_", "'<b>a</b>'")) == (None, [("html", "<b>a</b>")])
    assert python.run(source.format("_repr_svg_", "'<svg/>'")) == (None, [("svg", "<svg/>")])
    assert python.run(source.format("_repr_png_", "b'png'")) == (None, [("png", "cG5n")])
    assert python.run(source.format("_repr_html_", "None"))[1][0][1].startswith(
        "<__main__.A object"
    )


def test_a_warning_is_given_once_and_between_what_is_printed(python):
    error, found = python.run(
        "print('first')\nprint('\\d')\nimport warnings\nwarnings.warn('mind')\n4"
    )
    text = "".join(text for _, text in found)
    assert error is None
    assert text.count("SyntaxWarning") == 1
    assert text.index("first") < text.index("mind") < text.index("4\n")


@pytest.mark.parametrize(
    ("source", "sent"),
    [
        ("print('a', 'b')\nprint('c', end='')\n1", ["a b\n", "c1\n"]),
        ("for n in range(3):\n    print(n, end='\\r')", ["0\r", "1\r", "2\r"]),
        ("print('a', end='', flush=True)\nprint('b', end='')", ["a", "b"]),
    ],
)
def test_what_is_printed_is_sent_by_lines(python, source, sent):
    assert python.run(source) == (None, [("text", text) for text in sent])


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("for n in range(10**6):\n    print(n)", None),
        ("print('x' * 10**7)", None),
        ("print(50_000 * 'xy', end='')\nprint('z')", None),
        ("'x' * 10**7", None),
        ("raise ValueError('x' * 10**7)", "ValueError"),
        ("def f(n):\n    g(n)\n\ndef g(n):\n    f(n)\n\nf('x')", "RecursionError"),
    ],
)
def test_no_cell_shows_more_than_a_page_can_bear(python, source, error):
    found, shown = python.run(source)
    text = "".join(text for _, text in shown)
    assert found == error
    assert len(text) < 100_100
    assert ("… and more, which is not shown." in text) == (len(text) > 99_999)
    assert python.run("print(50_000 * 'xy', end='')") == (None, [("text", 50_000 * "xy")])


@pytest.mark.parametrize(
    ("source", "name", "lines"),
    [
        ("1 +", "SyntaxError", ['  File "cell 5", line 1', "    1 +", "       ^"]),
        ("x = '''", "SyntaxError", ['  File "cell 5", line 1']),
        ("if x:\nx = 1", "IndentationError", ['  File "cell 5", line 2', "    x = 1", "    ^"]),
        ("  x = 1", "IndentationError", ['  File "cell 5", line 1']),
        ("1 / 0", "ZeroDivisionError", ['  File "cell 5", line 1, in <module>', "    1 / 0"]),
        ("1 / 0;", "ZeroDivisionError", ['  File "cell 5", line 1, in <module>', "    1 / 0;"]),
        (
            "def f():\n    return nothing\n\nf()\n1",
            "NameError",
            ['  File "cell 5", line 4, in <module>', '  File "cell 5", line 2, in f'],
        ),
        ("import asyncio\nawait asyncio.sleep(0)\n1 / 0", "ZeroDivisionError", ["    1 / 0"]),
        ("exit()", "SystemExit", ["SystemExit"]),
        (
            "class A:\n    def __repr__(self):\n        return 1 / 0\n\nA()",
            "ZeroDivisionError",
            ['  File "cell 5", line 3, in __repr__'],
        ),
    ],
)
def test_an_error_is_told_by_its_place_in_the_cell(python, source, name, lines):
    error, found = python.run(source, "cell 5")
    assert error == name
    (text,) = [text for kind, text in found if kind == "error"]
    for line in lines:
        assert line in text
    for ours in ("_base.py", '"<exec>"', "in run", "in evaluate"):
        assert ours not in text


def test_an_error_in_a_function_of_another_cell_shows_its_lines(python):
    assert python.run("def f(x):\n    return 1 / x", "cell 1") == (None, [])
    error, [(kind, text)] = python.run("f(0)", "cell 2")
    assert (error, kind) == ("ZeroDivisionError", "error")
    for line in ('"cell 2", line 1', "    f(0)", '"cell 1", line 2, in f', "    return 1 / x"):
        assert line in text


def test_a_product_may_have_more_multiplications_than_a_browsers_numpy_counts(python):
    source = """
import numpy as np
from convdocs import linear
x = np.ones((1500, 1024), np.float32)
assert x.size * len(x) > np.iinfo(np.intp).max
np.unique(linear(x, x))
"""
    assert python.run(source) == (None, [("text", "array([1024.], dtype=float32)\n")])


def test_each_page_finds_python_as_if_it_had_just_been_started(python):
    page = python.open("edges")
    page.close()
    change = """
import convdocs
from convdocs import exchange
convdocs.conv2d = None
left = open("left", "w")
"""
    assert python.run(change) == (None, [])
    python.open("edges").close()
    look = """
import os
import convdocs
assert not os.listdir()
assert "left" not in globals() and "exchange" not in vars(convdocs)
from convdocs import conv2d
conv2d([[[[2]]]], [[[[3]]]]).item()
"""
    assert python.run(look) == (None, [("text", "6.0\n")])


def test_a_page_that_never_ends_does_not_keep_python_from_the_next(python):
    page = python.open("edges")
    cell = page.locator(CELL).first
    write(cell, "while True:\n    pass")
    press(cell, "Run")
    running(cell)
    python.open("edges").close()
    assert python.run("6 * 7") == (None, [("text", "42\n")])
