"""Ctrl-C: it waits for the end of what must not be left half done, and is not lost."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

Press = tuple[int, FrameType | None]  # what a handler is given


@contextlib.contextmanager
def unbroken() -> Iterator[None]:
    """Let Ctrl-C wait for the end of a change, half of which would stay in the network.

    If the change itself raises an error, that error comes out, and a press during it is dropped.
    """
    usual = signal.getsignal(signal.SIGINT)
    if not callable(usual) or not _in_main_thread():
        yield
        return
    came: list[Press] = []
    signal.signal(signal.SIGINT, lambda *press: came.append(press))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    for press in came:
        usual(*press)


@contextlib.contextmanager
def heard() -> Iterator[Callable[[], None]]:
    """Give a function that raises KeyboardInterrupt if Ctrl-C was pressed within this.

    Python raises it wherever it is. In the end of an object, a ``__del__``, it would be lost.
    """
    usual, came = signal.getsignal(signal.SIGINT), False
    if usual is not signal.default_int_handler or not _in_main_thread():
        yield lambda: None
        return

    def hear(*press: Any) -> None:
        nonlocal came
        came = True
        signal.default_int_handler(*press)

    def check() -> None:
        if came:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, hear)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, usual)


def _in_main_thread() -> bool:
    """Tell whether this is the thread that hears signals."""
    return threading.current_thread() is threading.main_thread()
