"""What a training shows of itself while it runs."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from types import FrameType
from typing import Any


class Bar:
    """A progress bar on one line of the terminal; where it cannot go back, a line an epoch.

    Parameters
    ----------
    epochs : int
    steps : int or None
        In each epoch; of an iterable without a length nobody knows.
    progress : bool or None
        Whether to show it; None is on a terminal, and nowhere else.
    """

    def __init__(self, epochs: int, steps: int | None, progress: bool | None) -> None:
        self.epochs, self.steps, self.stream = epochs, steps, sys.stderr
        terminal = _is_terminal(self.stream)
        self.shown = terminal if progress is None else progress
        self.goes_back = not terminal or _goes_back(self.stream)
        self.open = False  # whether a line has begun that must be ended
        self.wide = 0  # letters on it

    def step(self, epoch: int, step: int, loss: float) -> None:
        """Show how far a training is; epochs and steps count from 1."""
        if self.goes_back:
            part = f"step {step}"
            if self.steps is not None and step <= self.steps:  # an iterable may give more
                part = f"[{'#' * (20 * step // self.steps):20}]"
            self.open = True
            text = f"epoch {epoch}/{self.epochs} {part} loss {loss:.4f}"
            self._write(f"\r{text:{self.wide}}")  # and nothing of what stood there stays
            self.wide = len(text)

    def epoch(self, epoch: int, loss: float) -> None:
        """Show that an epoch has ended."""
        if not self.goes_back:
            self._write(f"epoch {epoch}/{self.epochs} loss {loss:.4f}\n")

    def end_line(self) -> None:
        """End the line of the bar, so that something else can be shown."""
        if self.open:
            self.open = False
            self.wide = 0
            self._write("\n")

    @contextlib.contextmanager
    def line(self) -> Iterator[None]:
        """End the line of the bar, however what is shown ends."""
        try:
            yield
        finally:
            self.end_line()

    def _write(self, text: str) -> None:
        """Write to the terminal, if it is there to be written to."""
        if self.shown:
            self.shown = written(self.stream, text)


def written(stream: Any, text: str) -> bool:
    """Write to a stream, and tell whether it took it: there may be none, or a closed one."""
    try:
        stream.write(text)
        stream.flush()
    except Exception:
        return False
    return True


def warn(text: str) -> None:
    """Warn, in the line that called the package from outside; where nobody can hear it, go on."""
    level, frame = 1, sys._getframe()
    while frame.f_back and _is_ours(frame):
        level, frame = level + 1, frame.f_back
    try:
        warnings.warn(text, stacklevel=level)
    except Warning:  # asked to be an error
        raise
    except Exception:  # no terminal, or one that does not take it
        return


def _is_ours(frame: FrameType) -> bool:
    """Tell whether a call was made within this package."""
    return str(frame.f_globals.get("__name__")).startswith(f"{__package__.partition('.')[0]}.")


def _is_terminal(stream: Any) -> bool:
    """Tell whether a stream is a terminal; anything can stand for `sys.stderr`, or nothing."""
    try:
        return bool(stream.isatty())
    except Exception:
        return False


def _goes_back(stream: Any) -> bool:
    """Tell whether a terminal writes over its line after a carriage return: IDLE's does not."""
    return os.environ.get("TERM") != "dumb" and not type(stream).__module__.startswith("idlelib")
