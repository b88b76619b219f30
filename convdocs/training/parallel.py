"""Training by many processes: each takes its share of every batch, and MPI adds the gradients up.

The gradient of a mean is the mean of the gradients. With ``n[r]`` of a batch's ``n`` images on
rank ``r``, and ``g[r]`` the gradient of their mean loss there, that of the whole batch is::

    g = (n[0] g[0] + n[1] g[1] + ...) / n

So the ranks begin with the same weights, average their gradients in each step, and therefore make
the same step: they stay one network. What makes that happen is below; `CNN.fit` calls it.
"""

from __future__ import annotations

import copy
import os
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..layer import Layer

    Result = TypeVar("Result")

# How a process sees that it was started with others: MPICH and Slurm, Open MPI, Slurm alone.
STARTED = "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"


def world() -> Any:
    """Return the communicator of all processes that were started together, or None for one alone.

    The same script then runs with ``python``, with ``mpiexec`` and with a cluster's ``srun``. From
    here on an error in one process ends them all, instead of leaving the others to wait for it.

    Returns
    -------
    mpi4py.MPI.Comm or None
        For ``comm`` of `CNN.fit`; its ``rank`` is this process's number, ``size`` how many there
        are.

    Raises
    ------
    ModuleNotFoundError
        If there are several processes, and mpi4py is not installed to let them talk.

    Examples
    --------
    >>> comm = world()
    >>> first = comm is None or comm.rank == 0  # the one that prints and saves
    """
    count = max(int(os.environ.get(name) or 1) for name in STARTED)
    if count == 1:
        return None
    try:
        from mpi4py import MPI
    except ModuleNotFoundError as error:
        need = f"{count} processes need mpi4py to train together: pip install 'convdocs[mpi]'"
        raise ModuleNotFoundError(need) from error
    comm = MPI.COMM_WORLD
    if comm.size != count:
        found = f"but MPI knows of {comm.size}: mpi4py must use the MPI that started them"
        raise RuntimeError(f"{count} processes were started, {found}")
    end_together(comm)
    return comm


def end_together(comm: Any) -> None:
    """Let an error that nobody catches end all processes, and not only its own."""
    sys.excepthook = lambda kind, error, trace: end(comm, error)


def end(comm: Any, error: BaseException) -> None:
    """Say what went wrong, and end all processes."""
    text = "".join(traceback.format_exception(error))
    sys.stderr.write(f"rank {comm.rank} of {comm.size} ends the run:\n{text}")
    sys.stderr.flush()
    time.sleep(0.2)  # let it be passed on before all ends
    comm.Abort(1)


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

    def __init__(self, comm: Any) -> None:
        try:
            self.rank, self.size = (0, 1) if comm is None else (int(comm.rank), int(comm.size))
        except (AttributeError, TypeError):
            need = "comm must be an MPI communicator of mpi4py, or None"
            raise TypeError(f"{need}, got {type(comm).__name__}") from None
        self.comm = comm
        if self.size > 1:
            end_together(comm)

    def __enter__(self) -> None:
        """Begin to work in step with the other ranks."""

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        """End all ranks if this one left by any error: the others would wait for it."""
        if error is not None and self.size > 1:
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
        if self.size == 1:
            return act()
        result, mistake = None, None
        try:
            result = act()
        except Exception as error:
            mistake = error
        for raised in self.comm.allgather(mistake):
            if raised is not None:
                raise raised
        return cast("Result", result)

    def from_first(self, what: Result) -> Result:
        """Return what rank 0 has, on every rank."""
        return what if self.size == 1 else self.comm.bcast(what)

    def noise(self, rng: np.random.Generator, *place: int) -> np.random.Generator:
        """Return what layers draw with in the step at this place: alone ``rng``.

        Of several ranks each has a stream of its own, and ``rng`` stays as it is: it draws the
        order of the images, which must be that of one process.
        """
        if self.size == 1:
            return rng
        return np.random.default_rng([int(copy.deepcopy(rng).integers(2**63)), *place, self.rank])

    def total(self, *numbers: float) -> Sequence[float]:
        """Return the sum of each number over the ranks."""
        if self.size == 1:
            return numbers
        return np.asarray(self.comm.allgather(numbers)).sum(axis=0).tolist()

    def average(
        self, layers: Sequence[Layer], weight: int, n: int, *numbers: float
    ) -> Sequence[float]:
        """Replace gradients and running statistics by their mean over the ranks; sum the numbers.

        Parameters
        ----------
        layers : list of layers
            After the backward pass.
        weight : int
            The images that this rank's gradients are the mean over.
        n : int
            The images of the whole batch; 0 where the epoch ends, to see that it does for all:
            nothing is replaced then.
        *numbers : float
            What else to add up on the way.

        Returns
        -------
        sequence of float
            The sums of the numbers.

        Raises
        ------
        ValueError
            If the ranks' shares do not make up the batch.
        """
        if self.size == 1:
            return numbers
        homes = [(layer.grads, name, p) for layer in layers for name, p in layer.params.items()]
        buffers = [
            (layer.buffers, name, b) for layer in layers for name, b in layer.buffers.items()
        ]
        homes += [each for each in buffers if each[2].dtype.kind == "f"]
        arrays = [
            home.get(name, like) for home, name, like in homes
        ]  # no gradient yet: any will do
        tail = np.array([weight, *numbers], np.float32)
        mine = np.concatenate([*(weight * array.ravel() for array in arrays), tail])
        flat = np.empty_like(mine)
        self.comm.Allreduce(mine, flat)  # one message for all, since each has its price
        count, *sums = flat[len(flat) - len(tail) :].tolist()
        if count != n:
            need = "every rank must be given the same batches"
            raise ValueError(f"{need}, got one of {n} images here, and shares of {count:g} in all")
        if n == 0:
            return sums
        start = 0
        for (home, name, _), array in zip(homes, arrays, strict=True):
            mean = flat[start : start + array.size] / flat.dtype.type(n)
            home[name] = mean.reshape(array.shape).astype(array.dtype, copy=False)
            start += array.size
        return sums
