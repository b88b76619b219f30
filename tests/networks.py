"""Small networks and images for them: what tests of networks and their training share."""

import numpy as np

from convdocs import (
    CNN,
    AvgPool2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    ReLU,
)
from convdocs.layer import Layer

NETS = {  # layers, as both packages write them
    "small": "Conv2d(1, 4, 3, padding=1), ReLU(), MaxPool2d(2), Flatten(), Linear(36, 3)",
    "LeNet": "Conv2d(1, 3, 3, padding=1), ReLU(), AvgPool2d(2), Conv2d(3, 4, 2), ReLU(),"
    "MaxPool2d(2), Flatten(), Linear(4, 6), ReLU(), Linear(6, 3)",
    "groups": "Conv2d(1, 4, 3), Conv2d(4, 6, (2, 1), (1, 2), (1, 0), 1, 2), ReLU(), Flatten(),"
    "Linear(60, 3, bias=False)",
    "dilated": "Conv2d(1, 2, 2, dilation=(1, 3), padding='same', bias=False), ReLU(),"
    "MaxPool2d(3, 2, 1, ceil_mode=True), AvgPool2d(2, 1, 1, count_include_pad=False), Flatten(),"
    "Linear(50, 4), Dropout(0), Linear(4, 3)",
}
X = np.random.default_rng(0).normal(size=(7, 1, 6, 6))
Y = np.array([0, 1, 2, 1, 0, 2, 2])


def ours(text, dtype="f8", seed=0):
    """Return the network that the text says, each layer with a seed of its own."""
    rng = np.random.default_rng(seed)
    make = {kind.__name__: kind for kind in (MaxPool2d, AvgPool2d, Flatten, ReLU, Dropout)}
    for kind in (Conv2d, Linear):
        make[kind.__name__] = lambda *a, kind=kind, **k: kind(*a, **k, dtype=dtype, rng=rng)
    return CNN(eval(f"[{text}]", make))


def theirs(torch, model, text):
    """Return PyTorch's network with the same parameters."""
    net = torch.nn.Sequential(*eval(f"[{text}]", vars(torch.nn).copy())).double()
    net.load_state_dict({k: torch.from_numpy(v) for k, v in model.state_dict().items()})
    return net


def small(seed=0, dtype="f4"):
    """Return a small network for the images X."""
    return ours(NETS["small"], dtype, seed)


def bits(model):
    """Return all parameters as bytes."""
    return {key: value.tobytes() for key, value in model.state_dict().items()}


def nothing(_):
    """Do nothing."""


class Watch(Layer):
    """A layer that only calls back: with each batch of training, and with all that it sees."""

    def __init__(self, step=nothing, sight=nothing):
        super().__init__()
        self.step, self.sight = step, sight

    def __call__(self, x, train=False, rng=None):
        if train:
            self.step(x)
        return super().__call__(x, train, rng)

    def forward(self, x):
        self.sight(x)
        return x

    def gradients(self, dy, x):
        return (dy,)


# The beginning of a program that trains.
PROGRAM = """
import numpy as np
from convdocs import *
model = CNN([Flatten(), Linear(4, 2, rng=0)])
before = model.state_dict()["1.weight"]
"""
