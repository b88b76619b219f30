"""The clock of the book's measurements."""

import pytest

from convdocs.book import clock


def test_the_shortest_of_several_calls_counts(monkeypatch):
    ticks = iter([0, 9, 10, 12, 20, 25])  # calls of 9, 2 and 5 seconds
    monkeypatch.setattr(clock, "perf_counter", lambda: next(ticks))
    calls = []
    assert clock.seconds(lambda *given: calls.append(given), 3, "b", repeat=3) == 2
    assert calls == [(3, "b")] * 3


def test_no_call_is_an_error():
    with pytest.raises(ValueError, match="repeat"):
        clock.seconds(print, repeat=0)
