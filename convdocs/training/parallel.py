"""Training by many processes: each takes its share of every batch, and MPI adds the gradients up.

The gradient of a mean is the mean of the gradients. With ``n[r]`` of a batch's ``n`` images on
rank ``r``, and ``g[r]`` the gradient of their mean loss there, that of the whole batch is::

    g = (n[0] g[0] + n[1] g[1] + ...) / n

So the ranks begin with the same weights, average their gradients in each step, and therefore make
the same step: they stay one network. What makes that happen is below; `CNN.fit` calls it.
"""

from __future__ import annotations

import contextlib
import copy
import os
import pickle
import sys
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import numpy as np

from .._args import Array
from .._extras import extra
from ..layer import Layer
from .waiting import WATCHES, Watch, end

Result = TypeVar("Result")

# How a process sees that it was started with others: MPICH and Slurm, Open MPI, Slurm alone.
STARTED = "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"


class Communicator(Protocol):
    """What `Ranks` asks of the processes that train together; mpi4py's communicators have it."""

    @property
    def rank(self) -> int:
        """Which of them this process is, from 0."""

    @property
    def size(self) -> int:
        """How many processes there are."""

    def Allreduce(self, mine: Any, total: Any, /) -> None:
        """Write the sum of all processes' arrays into ``total``, on each the same bits."""

    def allgather(self, what: Any, /) -> list[Any]:
        """Return what each process gives, in their order."""

    def bcast(self, what: Any, /) -> Any:
        """Return what process 0 gives."""


def world() -> Communicator | None:
    """Return the communicator of all processes that were started together, or None for one alone.

    The same script then runs with ``python``, with ``mpiexec`` and with a cluster's ``srun``. From
    here on no process waits in `CNN.fit` for another that will never come: an error that nobody
    catches ends them all at once, and one that reaches the end of its script while others wait for
    it does so within a minute. While one is stopped, or far behind, rank 0 writes after half a
    minute for whom all wait. What a script itself says by MPI stays its own affair; so do `CNN.fit`
    with communicators from elsewhere, and an MPI that does not allow threads.

    Returns
    -------
    mpi4py.MPI.Comm or None
        For ``comm`` of `CNN.fit`; its ``rank`` is this process's number, ``size`` how many there
        are.

    Raises
    ------
    ModuleNotFoundError
        If there are several processes, and mpi4py is not installed to let them talk.
    RuntimeError
        If MPI knows of another number of them than were started.
    ValueError
        If the variable in which a starter says how many there are holds no number.

    Examples
    --------
    >>> comm = world()
    >>> first = comm is None or comm.rank == 0  # the one that prints and saves
    """
    count = max(int(os.environ.get(name) or 1) for name in STARTED)
    if count == 1:
        return None
    with extra("mpi"):
        from mpi4py import MPI
    comm = MPI.COMM_WORLD
    if comm.size != count:
        found = f"but MPI knows of {comm.size}: mpi4py must use the MPI that started them"
        raise RuntimeError(f"{count} processes were started, {found}")
    sys.excepthook = lambda kind, error, trace: end(comm, error)
    if not WATCHES and MPI.Query_thread() == MPI.THREAD_MULTIPLE:
        WATCHES.append(Watch(MPI))
    return cast("Communicator", comm)


class Ranks:
    """The processes that train together, as one of them sees it; or one alone, without MPI.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm or None
        Who they are. None, or a communicator of one, is one process alone.

    Attributes
    ----------
    rank, size : int
        This process's number, and how many there are.

    Raises
    ------
    TypeError
        If ``comm`` is not a communicator.

    Examples
    --------
    >>> alone = Ranks(None)
    >>> alone.size, alone.share(10)
    (1, (slice(0, 10, None), 10))
    """

    def __init__(self, comm: Communicator | None) -> None:
        self.rank, self.size = (0, 1) if comm is None else _place(comm)
        self.comm = comm if self.size > 1 else None
        self.watch = next((watch for watch in WATCHES if watch.comm is comm), None)

    def __enter__(self) -> None:
        """Begin to work in step with the other ranks."""

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        """End all ranks if this one left by any error: the others would wait for it."""
        if error is not None and self.comm is not None:
            end(self.comm, error)

    def share(self, n: int) -> tuple[slice, int]:
        """Return which of ``n`` things are this rank's, and how many they are.

        A rank that gets none takes the first, and counts it 0 times: it must compute something to
        take part in what follows.
        """
        start, stop = n * self.rank // self.size, n * (self.rank + 1) // self.size
        return (slice(start, stop) if stop > start else slice(0, 1)), stop - start

    def together(self, act: Callable[[], Result]) -> Result:
        """Return what ``act()`` returns here, or raise on every rank what it raised on any."""
        if self.comm is None:
            return act()
        result, mistake = None, None
        try:
            result = act()
        except Exception as error:
            mistake = _portable(error)
        for rank, raised in enumerate(self.gathered(mistake)):
            if raised is not None:
                raised.add_note(f"(on rank {rank} of {self.size})")
                raise raised
        return cast("Result", result)

    def from_first(self, what: Result) -> Result:
        """Return what rank 0 has, on every rank."""
        if self.comm is None:
            return what
        with self._meeting():
            return cast("Result", self.comm.bcast(what))

    def noise(self, rng: np.random.Generator, *place: int) -> np.random.Generator:
        """Return what layers draw with in the step at this place: alone ``rng``.

        Of several ranks each has a stream of its own, and ``rng`` stays as it is: it draws the
        order of the images, which must be that of one process.
        """
        if self.comm is None:
            return rng
        return np.random.default_rng([int(copy.deepcopy(rng).integers(2**63)), *place, self.rank])

    def gathered(self, what: Result) -> list[Result]:
        """Return what each rank has, in their order."""
        if self.comm is None:
            return [what]
        with self._meeting():
            return self.comm.allgather(what)

    def average(self, layers: Sequence[Layer], counted: int, images: int, saving: bool) -> bool:
        """Replace gradients and running statistics by their mean over the whole batch.

        Parameters
        ----------
        layers : list of layers
            After the backward pass.
        counted : int
            The images that this rank's gradients are the mean over.
        images : int
            The images of the whole batch.
        saving : bool
            Whether this rank is to save after the step, for which all must help it.

        Returns
        -------
        bool
            Whether any rank is to.

        Raises
        ------
        ValueError
            If the ranks' shares do not make up the batch.
        """
        if self.comm is None:
            return saving
        homes = _homes(layers)
        flat, saving = self._sum(homes, counted, images, saving)
        start = 0
        for home, name, like in homes:
            mean = flat[start : start + like.size] / flat.dtype.type(images)
            home[name] = mean.reshape(like.shape).astype(like.dtype, copy=False)
            start += like.size
        return saving

    def agree_that_the_epoch_ends(self, layers: Sequence[Layer]) -> None:
        """Raise an error if another rank has one more batch: it would wait for its gradients."""
        if self.comm is not None:
            self._sum(_homes(layers), 0, 0, False)

    def _meeting(self) -> contextlib.AbstractContextManager[None]:
        """Say that this rank waits for the others within this."""
        return contextlib.nullcontext() if self.watch is None else self.watch.meeting()

    def _sum(
        self, homes: Sequence[Home], counted: int, images: int, saving: bool
    ) -> tuple[Array, bool]:
        """Return the sum over the ranks of all that is averaged, and whether any is to save.

        All goes in one message, since each has its price. A rank at the end of its epoch sends
        one of the same length, that of no images.
        """
        assert self.comm is not None
        parts = [counted * home.get(name, like).ravel() for home, name, like in homes]
        mine = np.concatenate([*parts, np.array([counted, saving], np.float32)])
        flat = np.empty_like(mine)
        with self._meeting():
            self.comm.Allreduce(mine, flat)
        *_, count, savers = flat
        if count != images:
            need = "every rank must be given the same batches"
            found = f"one of {images} images here, and shares of {count:g} in all"
            raise ValueError(f"{need}, got {found}")
        return flat, savers > 0


class Home(NamedTuple):
    """Where an array stands that is averaged, and what it is like before there is one."""

    holder: MutableMapping[str, Array]
    name: str
    like: Array


def _homes(layers: Sequence[Layer]) -> list[Home]:
    """Return where all gradients stand, and then all running statistics."""
    homes = [Home(layer.grads, name, p) for layer in layers for name, p in layer.params.items()]
    buffers = [
        Home(layer.buffers, name, b) for layer in layers for name, b in layer.buffers.items()
    ]
    return homes + [home for home in buffers if home.like.dtype.kind == "f"]


def _place(comm: Communicator) -> tuple[int, int]:
    """Return a process's number and how many there are, or refuse what is no communicator."""
    need = "comm must be an MPI communicator of mpi4py, or None"
    try:
        rank, size = int(comm.rank), int(comm.size)
    except Exception:  # MPI has a type of its own for what is wrong with its null communicator
        raise TypeError(f"{need}, got {type(comm).__name__}") from None
    lacks = [name for name in ("Allreduce", "allgather", "bcast") if not hasattr(comm, name)]
    if size > 1 and lacks:
        raise TypeError(f"{need}, got {type(comm).__name__} without {', '.join(lacks)}")
    return rank, size


def _portable(error: Exception) -> Exception:
    """Return an error that can be sent to other processes: as it is, or else its text."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
