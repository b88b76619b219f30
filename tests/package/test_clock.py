"""The clock of the book's measurements."""

import itertools

import pytest

from convdocs.book import clock


def test_the_shortest_of_several_calls_counts(monkeypatch):
    ticks = iter([0, 9, 10, 12, 20, 25])  # calls of 9, 2 and 5 milliseconds
    monkeypatch.setattr(clock, "perf_counter", lambda: next(ticks) / 1024)
    calls = []
    assert clock.seconds(lambda *given: calls.append(given), 3, "b", repeat=3) == 2 / 1024
    assert calls == [(3, "b")] * 3


@pytest.mark.parametrize(("length", "calls"), [(1, 1), (0.15, 2), (0.06, 4), (0.01, 5)])
def test_no_call_begins_after_a_fifth_of_a_second(monkeypatch, length, calls):
    now = itertools.count(0, length)
    monkeypatch.setattr(clock, "perf_counter", lambda: next(now))
    made = []
    assert clock.seconds(made.append, 1) == pytest.approx(length)
    assert len(made) == calls


def test_what_the_clock_cannot_tell_from_nothing_is_called_until_it_can(monkeypatch):
    ticks = iter([5, 5, 5, 5.0001, 5.002, 6, 6.003])  # the first four calls together, and one more
    monkeypatch.setattr(clock, "perf_counter", lambda: next(ticks))
    made = []
    assert clock.seconds(made.append, 1, repeat=2) == pytest.approx(0.002 / 4)
    assert len(made) == 5


def test_no_call_is_an_error():
    with pytest.raises(ValueError, match="repeat"):
        clock.seconds(print, repeat=0)
    with pytest.raises(TypeError, match="function must be one to call, got 3"):
        clock.seconds(3)
