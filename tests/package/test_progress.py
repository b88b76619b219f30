"""What a training shows: a bar on a terminal, a warning of what is no number, and else nothing."""

import io
import itertools
import os
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
from networks import PROGRAM, Watch, X, Y, bits, small

from convdocs import (
    SGD,
)
from convdocs.training.progress import Bar


def test_fit_is_silent_when_no_one_watches(capsys):
    small().fit(X, Y, 2, validation=(X, Y))
    small().fit(X, Y, 2, progress=False)
    assert capsys.readouterr() == ("", "")


def test_fit_shows_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    model = small().fit(X, Y, 2, 3, rng=0)
    out, err = capsys.readouterr()
    lines = err.split("\r")
    assert out == lines[0] == ""
    assert [line[:10] for line in lines[1:]] == ["epoch 1/2 "] * 3 + ["epoch 2/2 "] * 3
    assert [line.count("#") for line in lines[1:]] == [6, 13, 20] * 2
    assert lines[-1].endswith(f"loss {model.history[-1]['loss']:.4f}\n")
    assert err.count("\n") == 1
    small().fit(X, Y, 2, progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_shorter_line_leaves_nothing_of_a_longer_one(capsys):
    bar = Bar(1, None, True)
    for step, loss in enumerate([float("nan"), 123.4567, 0.5, float("nan")]):
        bar.step(1, 10 - step, loss)
    bar.end_line()
    lines = capsys.readouterr().err.rstrip("\n").split("\r")[1:]
    said = ["10 loss nan", "9 loss 123.4567", "8 loss 0.5000", "7 loss nan"]
    assert [line.rstrip() for line in lines] == [f"epoch 1/1 step {words}" for words in said]
    for before, after in itertools.pairwise(lines):
        assert len(after) >= len(before.rstrip())


def test_fit_shows_a_bar_if_asked_to(capsys):
    small().fit(X, Y, 1, 7, progress=True)
    assert re.fullmatch(r"\repoch 1/1 \[#{20}\] loss \d\.\d{4}\n", capsys.readouterr().err)
    small().fit(X, Y, 0, progress=True)
    assert capsys.readouterr() == ("", "")


class Stream:
    """What stands for a terminal: it is one, or nobody knows, and takes what is written or not.

    Its text is what one sees: what has been flushed.
    """

    def __init__(self, terminal=True, error=None):
        self.text, self.waiting, self.error = "", "", error
        if terminal is not None:
            self.isatty = lambda: terminal

    def write(self, text):
        if self.error is not None:
            raise self.error
        self.waiting += text

    def flush(self):
        self.text, self.waiting = self.text + self.waiting, ""


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


NOWHERE = {  # no terminal at all, or one that takes nothing
    "none": lambda: None,
    "no stream": object,
    "unknown": lambda: Stream(terminal=None),
    "closed": closed,
    "closed pipe": lambda: Stream(error=BrokenPipeError()),
    "full disk": lambda: Stream(error=OSError(28, "No space left on device")),
    "another alphabet": lambda: Stream(error=UnicodeEncodeError("ascii", "e", 0, 1, "no")),
    "anything": lambda: Stream(error=RuntimeError("the window is gone")),
}


@pytest.mark.parametrize("progress", [None, True])
@pytest.mark.parametrize("stream", NOWHERE.values(), ids=NOWHERE)
def test_without_a_terminal_fit_trains_in_silence(stream, progress, capsys, monkeypatch):
    want = bits(small().fit(X, Y, 2, 3, rng=0))
    monkeypatch.setenv("TERM", "xterm")
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", stream())
        model = small().fit(X, Y, 2, 3, rng=0, progress=progress)
    assert bits(model) == want
    assert capsys.readouterr() == ("", "")  # print(file=None) would write to stdout


def test_what_may_be_no_terminal_gets_a_bar_only_if_asked(monkeypatch):
    stream = Stream(terminal=None)
    monkeypatch.setattr(sys, "stderr", stream)
    small().fit(X, Y, 1, 7)
    assert stream.text == ""
    small().fit(X, Y, 1, 7, progress=True)
    assert stream.text.startswith("\repoch 1/1 [")


class More:
    """Batches of which there are more than were promised."""

    def __len__(self):
        return 2

    def __iter__(self):
        return iter(3 * [(X, Y)])


def test_steps_beyond_those_that_were_promised_are_counted_without_a_bar(capsys):
    small().fit(More(), epochs=1, progress=True)
    parts = re.findall(r"epoch 1/1 (.*?) loss", capsys.readouterr().err)
    assert parts == [f"[{10 * '#':20}]", f"[{20 * '#'}]", "step 3"]


@pytest.mark.parametrize("stream", NOWHERE.values(), ids=NOWHERE)
def test_without_a_terminal_a_warning_ends_nothing(stream, monkeypatch):
    with monkeypatch.context() as patched, warnings.catch_warnings():
        warnings.simplefilter("always")
        patched.setattr(sys, "stderr", stream())
        patched.setattr(warnings, "showwarning", lambda *_: sys.stderr.write("a warning"))
        model = small().fit(np.nan * X, Y, 2, 3, rng=0)
    assert len(model.history) == 2


def test_a_terminal_that_closes_in_the_middle_ends_nothing(monkeypatch):
    stream = Stream()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")

    def close(_):
        if stream.text.count("\r") == 2:
            stream.error = ValueError("I/O operation on closed file.")

    model = small()
    model.layers.insert(0, Watch(close))
    model.fit(X, Y, 2, 3, rng=0)
    assert len(model.history) == 2
    assert stream.text.count("\r") == 2


def idle(monkeypatch):
    """Return what IDLE's window is to a program."""
    monkeypatch.setenv("TERM", "xterm")
    return type("StdOutputFile", (Stream,), {"__module__": "idlelib.run"})()


def dumb(monkeypatch):
    """Return a terminal that can only write on."""
    monkeypatch.setenv("TERM", "dumb")
    return Stream()


@pytest.mark.parametrize("progress", [None, True])
@pytest.mark.parametrize("terminal", [idle, dumb])
def test_a_terminal_that_cannot_go_back_gets_a_line_an_epoch(terminal, progress, monkeypatch):
    stream = terminal(monkeypatch)
    monkeypatch.setattr(sys, "stderr", stream)
    model = small().fit(X, Y, 3, 1, rng=0, progress=progress)
    losses = [entry["loss"] for entry in model.history]
    assert stream.text == "".join(
        f"epoch {n}/3 loss {loss:.4f}\n" for n, loss in enumerate(losses, 1)
    )


# What is no number


def with_one(value):
    """Return the images with one pixel of another value."""
    images = X.copy()
    images[3, 0, 2, 2] = value
    return images


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("size", [1, 3, 7])
def test_a_pixel_that_is_no_number_is_a_warning_once_with_its_step(value, size):
    order = list(np.random.default_rng(0).permutation(7))
    step = order.index(3) // size + 1
    match = rf"the loss is (nan|inf) in step {step} of epoch 1: images of X are NaN or infinite"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        small().fit(with_one(value), Y, 3, size, rng=0)
    (ours,) = [each for each in caught if each.category is UserWarning]
    assert re.match(match, str(ours.message))
    assert ours.filename == __file__  # it points at the call


def test_a_loss_that_stops_being_a_number_is_a_warning_once_with_its_step():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        small().fit(X, Y, 3, 3, rng=0, optimizer=SGD(1e30))
    (ours,) = [each for each in caught if each.category is UserWarning]
    assert re.match(r"the loss is nan in step \d of epoch 1, of finite images", str(ours.message))


def test_weights_that_stop_being_numbers_in_the_last_step_are_a_warning():
    with (
        np.errstate(all="ignore"),
        pytest.warns(UserWarning, match=r"0\.weight.*: NaN or infinite after epoch 1"),
    ):
        small().fit(X, Y, 1, 7, rng=0, optimizer=SGD(1e300))


def test_a_validation_image_that_is_no_number_is_a_warning():
    with pytest.warns(UserWarning, match="val_loss: NaN or infinite after epoch 1"):
        small().fit(X, Y, 2, 3, rng=0, validation=(with_one(np.nan), Y))


def test_the_warning_stands_below_the_bar(capsys):
    with pytest.warns(UserWarning, match="the loss is nan in step 1"):
        small().fit(with_one(np.nan), Y, 1, 7, rng=0, progress=True)
    assert capsys.readouterr().err == f"\repoch 1/1 [{20 * '#'}] loss nan\n"


def test_numbers_are_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small().fit(X, Y, 3, 3, rng=0, validation=(X, Y))


def test_fit_shows_a_bar_on_a_real_terminal():
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    fit = "model.fit(np.ones((4, 1, 2, 2)), [0, 1, 1, 0], epochs=2, batch_size=2)"
    command = [sys.executable, "-c", PROGRAM + fit]
    environment = {**os.environ, "TERM": "xterm"}
    done = subprocess.run(
        command, stderr=theirs, stdout=subprocess.PIPE, check=True, timeout=60, env=environment
    )
    os.close(theirs)
    shown = os.read(ours, 4096).decode()
    os.close(ours)
    assert done.stdout == b""
    assert re.fullmatch(r"(\repoch [12]/2 \[(#{10} {10}|#{20})\] loss \d\.\d{4}){4}\r\n", shown)
