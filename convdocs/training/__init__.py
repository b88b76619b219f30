"""How a network learns: the loop, its batches, checkpoints, and many processes."""

from .parallel import Communicator, world

__all__ = ["Communicator", "world"]
