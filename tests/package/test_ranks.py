"""What one rank computes of a batch, and what it leaves as it was: no other process is needed."""

import sys
import threading

import numpy as np
import pytest

from convdocs import CNN, Flatten, Linear, ReLU
from convdocs.training import world
from convdocs.training.parallel import Ranks


def test_alone_there_is_no_communicator():
    assert world() is None


class Comm:
    """A communicator that nobody talks with."""

    Allreduce = allgather = bcast = None

    def __init__(self, rank, size):
        self.rank, self.size = rank, size


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 9, 1000])
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_shares_make_up_the_whole_and_differ_by_one_at_most(n, size):
    shares = [Ranks(Comm(rank, size)).share(n) for rank in range(size)]
    places = [list(range(n))[share] for share, _ in shares]
    weights = [weight for _, weight in shares]
    counted = [place for some, w in zip(places, weights, strict=True) for place in some[:w]]
    assert counted == list(range(n))
    assert max(weights) - min(weights) <= 1
    assert min(map(len, places)) >= 1  # each has something to compute


class Twin(Comm):
    """Two ranks, of which the second always has what the first has; it cannot end them."""

    def __init__(self):
        super().__init__(0, 2)

    def Allreduce(self, mine, total):
        total[:] = 2 * mine

    def allgather(self, what):
        return [what, what]

    def bcast(self, what):
        return what


def twins(*layers):
    return CNN([*layers, Flatten(), Linear(4, 2, dtype=float, rng=0)])


IMAGES, LABELS = np.random.default_rng(0).normal(size=(8, 4)), np.arange(8) % 2


def test_a_training_leaves_the_process_as_it_was():
    before = sys.excepthook, threading.active_count()
    twins().fit(IMAGES, LABELS, 2, comm=Twin())
    with pytest.raises(ValueError, match="epochs"):
        twins().fit(IMAGES, LABELS, -1, comm=Twin())
    assert (sys.excepthook, threading.active_count()) == before


class Failing(ReLU):
    """A layer that fails in training."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def __call__(self, x, train=False, rng=None):
        raise self.error


def test_without_a_way_to_end_the_others_the_first_error_is_seen(capsys):
    with pytest.raises(ZeroDivisionError):
        twins(Failing(ZeroDivisionError())).fit(IMAGES, LABELS, comm=Twin())
    assert capsys.readouterr() == ("", "")


def test_without_a_way_to_end_the_others_an_interrupt_ends_this_one():
    with pytest.warns(UserWarning, match="interrupted: 0 steps"):
        twins(Failing(KeyboardInterrupt())).fit(IMAGES, LABELS, comm=Twin())


@pytest.mark.parametrize("stderr", [None, object()])
def test_without_a_terminal_the_others_are_ended_as_well(stderr, monkeypatch):
    class Ending(Twin):
        ended = 0

        def Abort(self, code):
            self.ended = code

    monkeypatch.setattr(sys, "stderr", stderr)
    comm = Ending()
    with pytest.raises(ZeroDivisionError):
        twins(Failing(ZeroDivisionError())).fit(IMAGES, LABELS, comm=comm)
    assert comm.ended == 1


def test_sums_are_added_in_double_precision():
    shares = []

    class Keeping(Twin):
        def allgather(self, what):
            if isinstance(what, tuple):
                shares.append(what)
            return [what, what]

    model = twins().fit(IMAGES[:2], LABELS[:2], 1, comm=Keeping())
    (images, loss, hits) = shares[-1]
    assert loss != float(np.float32(loss))
    assert model.history == [{"loss": 2 * loss / (2 * images), "accuracy": hits / images}]


LACKING = type("Lacking", (), {"rank": 0, "size": 2, "bcast": None})()


@pytest.mark.parametrize("comm", [5, "world", object(), Comm, LACKING])
def test_what_is_no_communicator_is_refused(comm):
    model = CNN([Flatten(), Linear(4, 2, rng=0)])
    with pytest.raises(TypeError, match="comm must be an MPI communicator"):
        model.fit(np.zeros((2, 4)), [0, 1], comm=comm)
