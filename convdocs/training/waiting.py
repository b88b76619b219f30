"""What happens when one of many processes does not come to where the others wait for it.

In MPI a process waits for the others for ever, and is not told who is missing. So each has a second
thread, which watches how long it waits. A rank that has waited for long says so to rank 0; that
asks all who else waits there, and writes down who does not answer. A rank that has come to the end
of its script hears the question as well: it will never come, and so it ends the run.
"""

from __future__ import annotations

import atexit
import contextlib
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .progress import written

PATIENCE = 30.0  # seconds that a rank waits for others before it says so
TAG = 29_714  # of the messages that say it: no other is taken


class Place(NamedTuple):
    """Where a rank is: at its last meeting with all others, waiting for them, or past it."""

    meeting: int
    since: float | None = None


class Watch:
    """A second thread that watches how long this rank waits for others, and talks about it.

    It begins at once, and ends with the process.

    Parameters
    ----------
    mpi : module
        `mpi4py.MPI`, whose ``COMM_WORLD`` is watched.
    """

    def __init__(self, mpi: Any) -> None:
        self.mpi, self.comm = mpi, mpi.COMM_WORLD
        self.place = Place(0)
        self.heard: dict[int, int] = {}  # of whom: for rank 0, at which meeting it waits
        self.asked = Place(0)  # the last meeting that rank 0 has asked about, and when
        self.said = 0  # the last meeting of which this rank has said that it waits
        self.told = 0  # the last meeting of which it has written for whom
        self.sent: list[Any] = []  # messages must be kept until they are received
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        atexit.register(self._part)

    @contextlib.contextmanager
    def meeting(self) -> Iterator[None]:
        """Say that this rank is now where all must come."""
        number = self.place.meeting + 1
        self.place = Place(number, time.monotonic())
        try:
            yield
        finally:
            self.place = Place(number)

    def _run(self) -> None:
        """Look now and then."""
        while not self.over.wait(PATIENCE / 20) and not self.mpi.Is_finalized():
            asked = self._hear()
            if self.comm.rank == 0:
                self._ask_around(self.place)
            else:
                self._complain(self.place, asked)

    def _ask_around(self, place: Place) -> None:
        """As rank 0, find out for whom all wait, if any has waited for long."""
        now = time.monotonic()
        if place.since is not None and now > place.since + PATIENCE:
            self.heard[0] = place.meeting
        late = max(self.heard.values(), default=0)
        if late < place.meeting or (late == place.meeting and place.since is None):
            return  # all came in the meantime
        if self.asked.meeting < late:
            self.asked = Place(late, now)
            for rank in range(1, self.comm.size):
                self._say(rank, late)
        elif self.told < late and now > (self.asked.since or now) + PATIENCE / 5:
            self.told = late
            if place.meeting == late:
                self.heard[0] = late  # it waits as well, if not for as long
            ranks = [str(r) for r in range(self.comm.size) if self.heard.get(r) != late]
            names = ", ".join(ranks[:9] + ["..."] * (len(ranks) > 9))
            self._write(f"waiting for rank{'s' * (len(ranks) > 1)} {names}")

    def _complain(self, place: Place, asked: bool) -> None:
        """As another rank, say to rank 0 that this one waits, if it has for long or is asked."""
        waited = 0 if place.since is None else time.monotonic() - place.since
        if place.since is not None and (asked or (waited > PATIENCE and self.said < place.meeting)):
            self.said = place.meeting
            self._say(0, place.meeting)
        elif waited > 2 * PATIENCE and self.told < place.meeting:
            self.told = place.meeting
            if not self.sent[-1][0].Test():
                self._write(f"rank {self.comm.rank} waiting for rank 0, which does not answer")

    def _say(self, rank: int, meeting: int) -> None:
        """Say to another rank that somebody waits at this meeting."""
        content = np.array([meeting])
        self.sent.append((self.comm.Issend(content, rank, TAG), content))

    def _hear(self) -> bool:
        """Take down what others say, and tell whether they did."""
        status, content = self.mpi.Status(), np.zeros(1, int)
        heard = False
        while self.comm.Iprobe(self.mpi.ANY_SOURCE, TAG, status):
            self.comm.Recv(content, status.Get_source(), TAG)
            self.heard[status.Get_source()] = int(content[0])
            heard = True
        return heard

    def _write(self, text: str) -> None:
        """Write on the terminal who waits for whom."""
        written(sys.stderr, f"fit on {self.comm.size} ranks: {text}\n")

    def _part(self) -> None:
        """Wait at the end of the script until all have come there, unless one waits elsewhere."""
        self.over.set()
        self.thread.join()
        if self.mpi.Is_finalized():
            return
        all_there = self.comm.Ibarrier()
        while not all_there.Test():
            self._hear()
            if max(self.heard.values(), default=0) > self.place.meeting:
                need = "every rank must make the same calls of fit"
                end(self.comm, RuntimeError(f"{need}; this one has ended, and others wait for it"))
            time.sleep(0.02)
        until = time.monotonic() + 1
        self._hear()  # what was sent before the end must be received
        while not all(request.Test() for request, _ in self.sent) and time.monotonic() < until:
            self._hear()


WATCHES: list[Watch] = []  # the one over all processes, once `world` has been called


def end(comm: Any, error: BaseException) -> None:
    """Say what went wrong, and end all processes, where the communicator can."""
    abort = getattr(comm, "Abort", None)
    if abort is None:
        return
    text = "".join(traceback.format_exception(error))
    written(sys.stderr, f"rank {comm.rank} of {comm.size} ends the run:\n{text}")
    time.sleep(0.2)  # let it be passed on before all ends
    abort(1)
