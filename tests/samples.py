"""Layers of each kind, with all options: what tests say of every layer, they say of these."""

import inspect

import numpy as np

from convdocs import (
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    LeakyReLU,
    Linear,
    MaxPool2d,
    ReLU,
    Residual,
    Sigmoid,
    Tanh,
)

LAYERS = [  # a maker for parameters of a dtype, and the shape of an input
    (lambda t: Conv2d(4, 6, 3, rng=0, dtype=t), (2, 4, 9, 9)),
    (lambda t: Conv2d(4, 6, (3, 2), (2, 1), (0, 3), (1, 2), 2, False, t, 0), (2, 4, 9, 9)),
    (lambda t: Conv2d(4, 4, 2, padding="same", groups=4, rng=0, dtype=t), (2, 4, 9, 9)),
    (lambda t: Conv2d(4, 1, np.int64(3), padding="valid", rng=0, dtype=t), (2, 4, 9, 9)),
    (lambda t: ConvTranspose2d(4, 6, 3, rng=0, dtype=t), (2, 4, 5, 5)),
    (
        lambda t: ConvTranspose2d(
            4, 6, (3, 2), (2, 3), (0, 1), (1, 2), 2, False, (1, 2), dtype=t, rng=0
        ),
        (2, 4, 5, 5),
    ),
    (lambda t: MaxPool2d(2), (2, 4, 9, 9)),
    (lambda t: MaxPool2d((3, 2), (1, 2), 1, (2, 1), ceil_mode=True), (2, 4, 9, 9)),
    (lambda t: AvgPool2d((2, 3)), (2, 4, 9, 9)),
    (lambda t: AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False), (2, 4, 9, 9)),
    (lambda t: BatchNorm2d(4, dtype=t), (2, 4, 9, 9)),
    (lambda t: BatchNorm2d(4, 1e-3, 0.5, dtype=t), (2, 4, 9, 9)),
    (lambda t: Linear(4, 3, rng=0, dtype=t), (5, 4)),
    (lambda t: Linear(4, 3, bias=False, rng=0, dtype=t), (5, 4)),
    (lambda t: Flatten(), (2, 4, 9, 9)),
    (lambda t: ReLU(), (2, 4, 9, 9)),
    (lambda t: LeakyReLU(), (2, 4, 9, 9)),
    (lambda t: LeakyReLU(0.25), (2, 4)),
    (lambda t: Sigmoid(), (2, 4, 9)),
    (lambda t: Tanh(), (2, 4, 9)),
    (lambda t: Dropout(rng=0), (2, 4)),
    (lambda t: Dropout(0.1, rng=0), (2, 4)),
    (lambda t: Dropout(1 / 3, rng=0), (2, 4)),
    (lambda t: Residual([Conv2d(4, 4, 3, padding=1, rng=0, dtype=t), ReLU()]), (2, 4, 6, 6)),
    (
        lambda t: Residual(
            [Conv2d(4, 6, 3, 2, 1, rng=0, dtype=t), BatchNorm2d(6, dtype=t), Residual([Tanh()])],
            [Conv2d(4, 6, 1, 2, rng=0, dtype=t)],
        ),
        (2, 4, 6, 6),
    ),
]
ANY_SHAPE = (ReLU, LeakyReLU, Sigmoid, Tanh, Dropout)  # these take numbers of any shape


FIRST = {}  # of each kind, the first of them
for make, shape in LAYERS:
    FIRST.setdefault(type(make(np.float32)).__name__, (make, shape))


def one_of(kind):
    """Return a layer of a kind and an input for it, with small numbers that differ."""
    make, shape = FIRST[kind]
    return make(np.float32), np.linspace(-1, 1, int(np.prod(shape))).reshape(shape)


def arguments(layer):
    """Return the arguments that build a layer again."""
    takes_rng = "rng" in inspect.signature(type(layer)).parameters
    return {**layer.options, **({"rng": 0} if takes_rng else {})}
