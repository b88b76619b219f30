"""What the checker of answers says: right, wrong in which way, or what came in place of numbers."""

import datetime
import decimal
import fractions
import re
import types

import numpy as np
import pytest

from convdocs import CNN, Conv2d
from convdocs.book import answer, check

EYE = np.eye(2)


def said(capsys, *arguments, **how):
    """Return what `check` prints, which is always one line."""
    check(*arguments, **how)
    text = capsys.readouterr().out
    assert text.endswith("\n")
    assert text.count("\n") == 1
    return text[:-1]


RIGHT = [
    (24, 24),
    (24.0, np.int64(24)),
    ([1, 2], np.array([1.0, 2])),
    ((1.25, 0.8), np.array([1.25, 0.8])),
    (np.eye(2, dtype=np.float32), np.eye(2)),
    (range(3), [0, 1, 2]),
    (fractions.Fraction(1, 4), 0.25),
    ([decimal.Decimal("0.5"), fractions.Fraction(1, 2)], [0.5, 0.5]),
    (np.array([1, 2], object), [1, 2]),
    (True, True),
    ([True, False], np.array([True, False])),
    (1, True),
    ([], []),
    (np.zeros((0, 3)), np.zeros((0, 3))),
    (np.inf, np.inf),
    ([np.nan, 1], [np.nan, 1]),
    (10**20, 1e20),
]


@pytest.mark.parametrize(("yours", "right"), RIGHT)
def test_right_answers(capsys, yours, right):
    assert said(capsys, yours, right) == "Right."


@pytest.mark.parametrize("yours", [..., [...], [[1, ...]], (..., 2), [[1], [..., 2]]])
def test_dots_stand_for_no_answer_yet(capsys, yours):
    assert said(capsys, yours, 24) == "Write your answer for the dots."


TOLERANCES = [  # yours, right, tolerance, and how many are wrong, the first of them where
    ([1.001, 2, 5], [1, 2, 3], 1e-2, "1 of 3 numbers is wrong, the first at [2]"),
    ([1.001, 2, 5], [1, 2, 3], 1e-9, "2 of 3 numbers are wrong, the first at [0]"),
    ([1 + 1e-7, 2, 5], [1, 2, 3], 1e-6, "1 of 3 numbers is wrong, the first at [2]"),
    ([1 + 1e-7, 2, 3], [1, 2, 3], 1e-9, "1 of 3 numbers is wrong, the first at [0]"),
    ([1.02, 2, 3], [1, 2, 3], 1e-2, "Right."),  # of the largest, 3
    ([1.04, 2, 3], [1, 2, 3], 1e-2, "1 of 3 numbers is wrong, the first at [0]"),
    ([1, 2, 3], [1, 2, 3], 0, "Right."),
    ([1 + 2**-52, 2, 3], [1, 2, 3], 0, "1 of 3 numbers is wrong, the first at [0]"),
    (0, 1e-9, 1e-6, "too small"),
    (1e-9, 1e-9 * (1 + 1e-7), 1e-6, "Right."),
    ([1e-7, 0], [0, 0], 1e-6, "Right."),
    ([1e-5, 0], [0, 0], 1e-6, "1 of 2 numbers is wrong, the first at [0]"),
]


@pytest.mark.parametrize(("yours", "right", "tolerance", "words"), TOLERANCES)
def test_it_counts_by_the_tolerance_given(capsys, yours, right, tolerance, words):
    assert words in said(capsys, yours, right, tolerance)


class Refuses:
    """An object that will be nothing else, and says nothing of itself."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no array")

    def __repr__(self):
        raise RuntimeError("no text")

    __len__ = __iter__ = __float__ = __repr__


class Odd(float):
    """A number that is none when it is asked."""

    def __float__(self):
        raise RuntimeError("no number")


class RudeList(list):
    """A list that does not say what it holds."""

    def __iter__(self):
        raise RuntimeError("no parts")


ITSELF = []
ITSELF.append(ITSELF)
NO_NUMBERS = [
    (None, "that is None; does your function return its result?"),
    ([None, 1], "that holds None; does your function return its result?"),
    (np.array([1, None]), "that holds None; does your function return its result?"),
    (print, "that is a function; call it, and give what it returns."),
    (lambda: 24, "that is a function; call it, and give what it returns."),
    (np.sin, "that is a function; call it, and give what it returns."),
    ([np.sum], "that holds a function; call it, and give what it returns."),
    ("24", "that is a text; write numbers without quotes."),
    (b"24", "that is a text; write numbers without quotes."),
    ("", "that is a text; write numbers without quotes."),
    (np.array("24"), "that is a text; write numbers without quotes."),
    (["1", "2"], "that holds a text; write numbers without quotes."),
    ([1, "two"], "that holds a text; write numbers without quotes."),
    (True, "that is True or False, and numbers are wanted."),
    (np.False_, "that is True or False, and numbers are wanted."),
    ([True, 2.5], "that holds True or False, and numbers are wanted."),
    (np.array([True, False]), "that is True or False, and numbers are wanted."),
    (1j, "that is a complex number, and numbers are wanted."),
    ([1, 2j], "that holds a complex number, and numbers are wanted."),
    (np.zeros(3, complex), "that is a complex number, and numbers are wanted."),
    (Conv2d(1, 1, 1), "that is a Conv2d, and numbers are wanted."),
    (CNN([]), "that is a CNN, and numbers are wanted."),
    (object(), "that is an object, and numbers are wanted."),
    ([object()], "that holds an object, and numbers are wanted."),
    (int, "that is a class, and numbers are wanted."),
    (types, "that is a module, and numbers are wanted."),
    ({1, 2}, "that is a set, and numbers are wanted."),
    ({1: 2}, "that is a dict, and numbers are wanted."),
    ((i for i in "ab"), "that is a generator, and numbers are wanted."),
    (NotImplemented, "that is a NotImplementedType, and numbers are wanted."),
    (datetime.date.today(), "that is a date, and numbers are wanted."),
    (np.datetime64("2020"), "that is a datetime64, and numbers are wanted."),
    (np.zeros(2, "i4,f8"), "that is a void, and numbers are wanted."),
    (Refuses(), "that is a Refuses, and numbers are wanted."),
    ([Refuses()], "that holds a Refuses, and numbers are wanted."),
    ([1, [Refuses()]], "that holds a Refuses, and numbers are wanted."),
    (Odd(1), "that is an Odd, and numbers are wanted."),
    (decimal.Decimal("sNaN"), "that is a Decimal, and numbers are wanted."),
    (ITSELF, "that is a list, and numbers are wanted."),
    ([[1, 2], [3]], "that is a list whose parts have different shapes."),
    ([1, [2]], "that is a list whose parts have different shapes."),
    (10**400, "that holds a number too large to compare."),
    ([1, -(10**400)], "that holds a number too large to compare."),
    (np.nan, "that is NaN; was something divided by zero?"),
    (-np.inf, "that is infinite; was something divided by zero?"),
    ([1, np.nan, 3], "1 of 3 numbers is NaN, the first at [1]."),
    ([[1, np.inf], [np.inf, 3]], "2 of 4 numbers are infinite, the first at [0, 1]."),
    ([np.nan, -np.inf], "2 of 2 numbers are NaN or infinite, the first at [0]."),
]


@pytest.mark.parametrize(("yours", "words"), NO_NUMBERS, ids=[words for _, words in NO_NUMBERS])
@pytest.mark.parametrize("right", [7919.25, [7919.25, 7127.5, 6841.125]])
def test_what_is_no_number_is_called_by_its_name(capsys, yours, words, right):
    assert said(capsys, yours, right) == f"Not yet: {words}"


DIFFERENCES = [  # each way that an answer may differ
    (
        [[1, 3], [2, 4]],
        [[1, 2], [3, 4]],
        "the numbers are right, but rows and columns are exchanged.",
    ),
    ([[1], [2]], [[1, 2]], "the numbers are right, but rows and columns are exchanged."),
    ([24], 24, "the number is right, but it should stand alone, without a list."),
    (24, [24], "the number is right, but a list is wanted; write it in square brackets."),
    ([[1, 2, 3]], [1, 2, 3], "the numbers are right, but the shape is (1, 3)."),
    ([], 24, "that is empty."),
    (np.zeros((2, 0)), [[1, 2]], "that is empty."),
    ([1, 2, 3], [1, 2], "3 numbers came, and that is too many."),
    ([1, 2], [1, 2, 3], "2 numbers came, and that is too few."),
    (24, [24, 25], "one number came, and that is too few."),
    ([24, 25], 24, "2 numbers came, and that is too many."),
    ([1], [1, 2], "one number came, and that is too few."),
    ([[1, 2, 3]], [[1, 2]], "the shape is (1, 3), and that is not the right one."),
    ([5], 24, "the shape is (1,), and that is not the right one."),
    ([[1, 2]], [3, 4], "the shape is (1, 2), and that is not the right one."),
    (-24, 24, "the sign is the other way round."),
    ([-1, 2], [1, -2], "every sign is the other way round."),
    ([3, 2, 1], [1, 2, 3], "the numbers are right, but their order is reversed."),
    (
        [[4, 3], [2, 1]],
        [[1, 2], [3, 4]],
        "the numbers are right, but their order is reversed; was the kernel turned, or",
    ),
    ([6, 7], [1, 2], "2 of 2 numbers are wrong"),
    ([160, 4_821_600], [156, 4_821_600], "1 of 2 numbers is wrong"),
    ([9213, 61_100_840], [9216, 61_100_840], "1 of 2 numbers is wrong, the first at [0], which is"),
    ([[9215], [10**9]], [[9216], [10**9]], "1 of 2 numbers is wrong, the first at [0, 0]"),
    ([6, 7, 9], [1, 2, 4], "all numbers are off by the same amount; a bias, perhaps?"),
    ([3, 6, 12], [1, 2, 4], "all numbers are 3 times what they should be."),
    ([0, 0, 0], [1, 2, 4], "3 of 3 numbers are wrong, the first at [0], which is too small."),
    ([5, 7], [0, 0], "2 of 2 numbers are wrong, the first at [0], which is too large."),
    (25, 24, "too large by exactly one."),
    (23, 24, "too small by exactly one."),
    (57, 57.665, "too small, but close; look for what was left out or rounded."),
    (3, 2.5, "too large."),
    (3.5, 2.5, "too large."),
    (
        [1.4, 0.3, 2.4],
        [1.41, 0.35, 2.449],
        "3 of 3 numbers are wrong, the first at [0], which is "
        "too small, but close; look for what was left out or rounded.",
    ),
    (24.5, 24, "too large, but close; look for what was left out or rounded."),
    (22.9, 24, "too small, but close; look for what was left out or rounded."),
    (48, 24, "too large."),
    (24, np.inf, "too small."),
    (24, -np.inf, "too large."),
    (1e308, -1e308, "the sign is the other way round."),
    (1e308, -1e307, "too large."),
    ([[1, 2, 9]], [[1, 2, 3]], "1 of 3 numbers is wrong, the first at [0, 2], which is too large."),
    ([1, 0, 0], [1, 2, 3], "2 of 3 numbers are wrong, the first at [1], which is too small."),
    ([1, 2], [1, np.nan], "1 of 2 numbers is wrong, the first at [1], which is not the right one."),
    (1, np.nan, "not the right one."),
    (
        [False, False],
        [True, False],
        "1 of 2 is wrong, the first at [0].",
    ),
    (
        [True, True, False],
        [False, True, True],
        "2 of 3 are wrong, the first at [0].",
    ),
    (False, True, "that is not the right choice."),
]


@pytest.mark.parametrize(("yours", "right", "words"), DIFFERENCES)
def test_each_way_to_differ_is_said(capsys, yours, right, words):
    assert said(capsys, yours, right).startswith(f"Not yet: {words}")


@pytest.mark.parametrize(
    "right",
    [np.array(7919.25), np.array([7919.25, 7127.5]), np.array([[7919.25, 7127.5], [1, 6841.125]])],
    ids=lambda right: str(right.shape),
)
def test_the_right_numbers_are_never_told(capsys, rng, right):
    wrong = [
        right + rng.normal(size=right.shape),
        right * 1.01,
        right[..., None],
        right[None, None],
    ]
    wrong += [0 * right, right + 3, right * 2, -right, np.flip(right), [right, right], 7919]
    wrong += [[*np.ravel(right), 5], np.where(right == right.max(), 5, right)]
    for yours in wrong:
        numbers = re.findall(r"\d+\.?\d*", said(capsys, yours, right))
        assert not {float(number) for number in numbers} & {7919.25, 7127.5, 6841.125}


def test_a_list_that_hides_its_parts_is_no_traceback(capsys):
    assert said(capsys, RudeList(["a"]), 24).startswith("Not yet: that ")


def test_nothing_that_is_handed_in_changes(capsys):
    yours, right = np.array([3.0, 2, 1]), np.array([1.0, 2, 3])
    said(capsys, yours, right)
    assert yours.tolist() == [3, 2, 1]
    assert right.tolist() == [1, 2, 3]


@pytest.mark.parametrize("tolerance", [-1e-6, np.nan, np.inf, "1e-6", None, True, 1j, [1e-6]])
def test_a_tolerance_that_is_none_is_refused(tolerance):
    with pytest.raises((ValueError, TypeError), match=r"^tolerance must be a number of at least 0"):
        check(24, 24, tolerance)


@pytest.mark.parametrize("right", [None, ["a"], 1j, print, object(), [[1], [1, 2]], ...])
def test_a_right_answer_without_numbers_is_refused(right):
    with pytest.raises(TypeError, match=r"^right must be numbers: that "):
        check(24, right)


def test_a_named_answer_names_the_usual_mistakes(capsys):
    answer("side", 28, wrong={"the padding was forgotten.": 24, "it was rounded up.": 29})
    assert said(capsys, 28, "side") == "Right."
    assert said(capsys, 24, "side") == "Not yet: the padding was forgotten."
    assert said(capsys, 29.0, "side") == "Not yet: it was rounded up."
    assert said(capsys, 27, "side") == "Not yet: too small by exactly one."
    assert said(capsys, ..., "side") == "Write your answer for the dots."


def test_a_named_answer_has_its_own_tolerance(capsys):
    answer("share", 0.31, tolerance=0.05)
    assert said(capsys, 0.30, "share") == "Right."
    assert said(capsys, 0.28, "share") != "Right."


@pytest.mark.parametrize("yours", [[1, 3, 2], [3, 2, 4], [-2, -3, -1], [4, 6, 2], [2.1, 3, 1]])
def test_numbers_that_stand_for_words_are_neither_large_nor_turned(capsys, yours):
    answer("which", [2, 3, 1], wrong={"(c) is paper.": [2, 3, 5]}, choice=True)
    words = r"Not yet: \d of 3 (is|are) wrong, the first at \[\d\]\."
    assert re.fullmatch(words, said(capsys, yours, "which"))
    assert said(capsys, [2, 3], "which") == "Not yet: 2 numbers came, and that is too few."
    assert said(capsys, [2, 3, 5], "which") == "Not yet: (c) is paper."
    assert said(capsys, (2, 3, 1.0), "which") == "Right."


def turn(a):
    return a[::-1]


def test_a_function_is_compared_on_cases(capsys):
    cases = [(np.arange(3.0),), (np.arange(2),)]
    mistake = {"nothing was turned.": lambda a: a}
    answer("turn", turn, wrong=mistake, cases=cases)

    def forgets(a):
        a[0] = a[0]

    def breaks(a):
        return a[7]

    def changes(a):
        turned = a[::-1].copy()
        a[:] = 9
        return turned

    assert said(capsys, turn, "turn") == "Right."
    assert said(capsys, lambda a: a.copy(), "turn") == "Not yet: nothing was turned."
    where = "Not yet: for the arguments ([0.0, 1.0, 2.0],), "
    assert said(capsys, forgets, "turn").startswith(f"{where}that is None; does your function")
    assert said(capsys, breaks, "turn").startswith(f"{where}IndexError: index 7")
    assert said(capsys, changes, "turn") == f"{where}an argument was changed on the way."
    assert said(capsys, 3, "turn").startswith("Not yet: a function is wanted")
    assert said(capsys, ..., "turn") == "Write your answer for the dots."
    assert (cases[0][0] == np.arange(3)).all()


@pytest.mark.parametrize("kind", [list, tuple, lambda parts: {"parts": parts}])
def test_a_function_that_changes_parts_of_an_argument_harms_no_later_check(kind, capsys):
    def parts(case):
        return case["parts"] if isinstance(case, dict) else case

    answer("total", lambda case: sum(part.sum() for part in parts(case)), cases=[(kind([EYE]),)])

    def changes(case):
        parts(case)[0][:] = 3
        return 2

    where = "Not yet: for the arguments "
    assert said(capsys, changes, "total").startswith(where)
    assert said(capsys, changes, "total").endswith("an argument was changed on the way.")
    assert said(capsys, lambda case: 3, "total").startswith(where)
    assert said(capsys, lambda case: 2, "total") == "Right."
    assert (EYE == np.eye(2)).all()


@pytest.mark.parametrize("other", [5, None, [], {}, "a", EYE, [1, 3], 2.0, True])
def test_a_part_that_was_replaced_by_anything_was_changed(other, capsys):
    case = [[1, 2], {"a": 1}, (1, 2), 2, "b", [np.nan]]
    for number in range(len(case)):
        answer("one", lambda parts: 1, cases=[(case,)])

        def replaces(parts, number=number):
            parts[number] = other
            return 1

        assert said(capsys, replaces, "one").endswith("an argument was changed on the way.")
    assert said(capsys, lambda parts: 1, "one") == "Right."


def test_a_function_that_makes_a_list_longer_has_changed_it(capsys):
    def longer(numbers):
        numbers.append(3)
        return 6

    answer("sum", sum, cases=[([1, 2, np.nan],), ([1, 2],)])
    assert said(capsys, longer, "sum").startswith("Not yet")
    answer("sum", lambda numbers: sum(numbers[:2]), cases=[([1, 2, np.nan],), ([1, 2],)])
    assert said(capsys, lambda numbers: sum(numbers[:2]), "sum") == "Right."
    assert said(capsys, lambda numbers: numbers.append(3) or 3, "sum").endswith("on the way.")


def test_a_function_that_still_returns_dots_has_no_answer_yet(capsys):
    answer("turn", turn, cases=[(np.arange(3.0),)])
    assert said(capsys, lambda a: ..., "turn") == "Write your answer for the dots."
    assert said(capsys, lambda a: [1, ...], "turn") == "Write your answer for the dots."


def test_what_a_function_prints_comes_once(capsys):
    answer(
        "turn", turn, wrong={"a.": lambda a: a, "b.": lambda a: 2 * a}, cases=[(np.arange(3.0),)]
    )
    check(lambda a: print("here") or a + 1, "turn")
    assert capsys.readouterr().out.count("here") == 1


def test_a_wrong_function_that_stops_is_no_match(capsys):
    answer("turn", turn, wrong={"it stops.": lambda a: a[9]}, cases=[(np.arange(3.0),)])
    assert said(capsys, lambda a: a + 1, "turn").startswith("Not yet: for the arguments")


def test_large_arguments_are_named_by_their_shape(capsys):
    answer("sum", np.sum, cases=[(np.ones((4, 5)), 0)])
    assert said(capsys, lambda a, axis: a, "sum").startswith(
        "Not yet: for the arguments (an array of (4, 5), 0), the shape is (4, 5)"
    )


def test_answers_that_cannot_be_asked_for_are_refused():
    with pytest.raises(ValueError, match="cases must hold the arguments of a call at least"):
        answer("f", np.sum)
    with pytest.raises(TypeError, match="right must be numbers or a function: that is None"):
        answer("none", None)
    with pytest.raises(ValueError, match="'half' does not"):
        answer("same", 0.5, wrong={"half": 1 / 2})
    with pytest.raises(ValueError, match="tolerance must be a number of at least 0"):
        answer("side", 28, tolerance=-1)
    with pytest.raises(KeyError, match="no answer is kept as 'nowhere'"):
        check(1, "nowhere")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1], 3), "name must be a text, got"),
        ((7, 3), "name must be a text, got"),
        (("name", 3, [1]), "wrong must be a dictionary, got"),
        (("name", len, None, 3), "cases must be a list of tuples, got"),
        (("name", len, None, [3]), "cases must be a list of tuples, got"),
        (("name", len, None, iter([(3,)])), "cases must be a list of tuples, got"),
    ],
)
def test_an_answer_that_cannot_be_kept_is_refused(arguments, message):
    with pytest.raises(TypeError, match=message):
        answer(*arguments)
