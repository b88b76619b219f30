"""What cells hand to their pages: numbers for the text, and JSON that nothing can break out of."""

import base64
import html.parser
import json

import numpy as np
import pytest

from convdocs.book import embed, note
from convdocs.book.notes import LARGEST

IPython = pytest.importorskip("IPython")
myst_nb = pytest.importorskip("myst_nb")


@pytest.fixture
def page(monkeypatch):
    """Return what cells give to a page, as they would in a notebook: numbers, and elements."""
    given = {"glued": {}, "shown": []}
    monkeypatch.setattr(IPython, "get_ipython", object)
    monkeypatch.setattr(IPython.display, "display", given["shown"].append)
    monkeypatch.setattr(
        myst_nb, "glue", lambda name, value, display: given["glued"].update({name: value})
    )
    return given


class Elements(html.parser.HTMLParser):
    """The elements of a page, as a browser takes them apart: each with its attributes and text."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes), []))

    def handle_data(self, data):
        self.found[-1][2].append(data)


def embedded(page, name, value):
    """Return what a script reads of a value in its page, where nothing else has come to be."""
    embed(name, value)
    ((tag, attributes, text),) = Elements(page["shown"].pop().data).found
    assert (tag, attributes) == ("script", {"type": "application/json", "id": name})
    return json.loads("".join(text))


def test_notes_are_plain_numbers(page):
    note(width=512, share=np.float32(0.5), count=np.int64(3), mean=np.array([[0.25]]))
    assert page["glued"] == {"width": 512, "share": 0.5, "count": 3, "mean": 0.25}
    assert {type(number) for number in page["glued"].values()} == {int, float}


NO_NUMBERS = ["512", None, [1, 2], [], np.nan, np.inf, 1j, True, np.True_, {}, print, object(), ...]


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_what_is_no_number_names_itself_and_nothing_is_noted(page, value):
    with pytest.raises((ValueError, TypeError), match=r"^height must (be|hold) "):
        note(width=512, height=value)
    assert not page["glued"]


EMBEDDED = [
    {"identity": [[1]], "text": "<!-- </script><script>alert(1)</script> ]]> & \u2028 é \ud800"},
    [None, True, False, 1.5, -3, "", [], {}],
    {"</script>": "<b>"},
]


@pytest.mark.parametrize("value", EMBEDDED)
def test_what_json_can_hold_comes_back_and_nothing_breaks_out(page, value):
    assert embedded(page, "some-data", value) == value


def test_numbers_of_numpy_are_numbers(page):
    value = [np.float32(1.5), np.float64(0.1), np.int64(3), np.bool_(True), np.array(7)]
    assert embedded(page, "data", value) == [1.5, 0.1, 3, True, 7]


@pytest.mark.parametrize(
    "array", [np.arange(6).reshape(2, 3), np.zeros((0, 2)), np.eye(2)[:, ::-1]]
)
def test_arrays_come_back_in_float32(page, array):
    packed = embedded(page, "data", {"x": array})["x"]
    numbers = np.frombuffer(base64.b64decode(packed["float32"]), "<f4")
    np.testing.assert_array_equal(numbers.reshape(packed["shape"]), array)


ITSELF = []
ITSELF.append(ITSELF)
DEEP = []
for _ in range(100_000):
    DEEP = [DEEP]
NO_JSON = {
    "nan": np.nan,
    "infinity": [-np.inf],
    "nan of numpy": {"x": np.float32(np.nan)},
    "an array with nan": np.array([1, np.nan]),
    "a masked array": np.ma.array([1, 2], mask=[0, 1]),
    "beyond float32": np.array([1e39]),
    "a set": {1},
    "bytes": b"x",
    "complex": 1j,
    "a complex array": np.zeros(2, complex),
    "an array of texts": np.array(["a"]),
    "an array of objects": np.array([None]),
    "dates": np.array("2020", "M8[D]"),
    "keys": {(1, 2): 3},
    "itself": ITSELF,
    "deep": DEEP,
    "a function": print,
    "huge": np.zeros(LARGEST // 4),
    "huge in parts": [np.zeros(LARGEST // 16)] * 4,
    "long": "x" * LARGEST,
}


@pytest.mark.parametrize("value", NO_JSON.values(), ids=NO_JSON)
def test_what_json_cannot_hold_is_refused(page, value):
    with pytest.raises((ValueError, TypeError), match=r"^value must "):
        embed("data", value)
    assert not page["shown"]


@pytest.mark.parametrize("name", ["", "a b", '"', "a>", "1", "é", "a\n", None, 3, b"a"])
def test_a_name_that_is_no_id_is_refused(page, name):
    with pytest.raises(ValueError, match=r"^name must be an id, .* got "):
        embed(name, 1)
    assert not page["shown"]


def test_outside_of_a_notebook_nothing_happens(capsys):
    note(width=512)
    embed("data", [1])
    assert capsys.readouterr().out == ""
