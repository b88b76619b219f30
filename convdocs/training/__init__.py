"""How a network learns: the loop, its batches, checkpoints, and many processes."""
