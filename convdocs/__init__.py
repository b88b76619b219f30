"""Convolutional networks in NumPy, written to be read.

Names, shapes and defaults are those of ``torch.nn.functional`` and ``torch.nn``, as far as these
functions and layers go: give options by name, for some of PyTorch's are left out, and note that
`softmax` is over the last axis unless told otherwise. Everything takes and returns NumPy arrays,
and needs nothing else. Integers are computed in float64 and half precision in float32, in which the
result stays; what only picks numbers, as ReLU and max pooling do, keeps their dtype. An argument
that cannot be right raises ValueError or TypeError, and the message names it, what it got and what
it needs; a masked array that hides anything is such an argument, since NumPy would drop its mask.

What is not for every network is imported by name: real pictures (`convdocs.data`), networks to and
from other libraries (`convdocs.exchange`), training by many processes
(`convdocs.training.parallel`), and what the book's cells need (`convdocs.book`). Where these need
more than NumPy, they say which extra brings it, as in ``pip install 'convdocs[data]'``.
"""

from .activation import LeakyReLU, ReLU, Sigmoid, Tanh, leaky_relu, relu, sigmoid, tanh
from .cnn import CNN
from .conv import Conv2d, conv1d, conv2d, conv2d_backward
from .fc import Dropout, Flatten, Linear, linear, linear_backward
from .loss import cross_entropy, cross_entropy_backward, softmax
from .norm import BatchNorm2d
from .optim import SGD, Adam
from .pool import (
    AvgPool2d,
    MaxPool2d,
    avg_pool2d,
    avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)
from .residual import Residual
from .transposed import ConvTranspose2d, conv_transpose2d, conv_transpose2d_backward

__version__ = "0.1.0"

__all__ = [
    "CNN",
    "SGD",
    "Adam",
    "AvgPool2d",
    "BatchNorm2d",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "Flatten",
    "LeakyReLU",
    "Linear",
    "MaxPool2d",
    "ReLU",
    "Residual",
    "Sigmoid",
    "Tanh",
    "avg_pool2d",
    "avg_pool2d_backward",
    "conv1d",
    "conv2d",
    "conv2d_backward",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "cross_entropy",
    "cross_entropy_backward",
    "leaky_relu",
    "linear",
    "linear_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "relu",
    "sigmoid",
    "softmax",
    "tanh",
]
