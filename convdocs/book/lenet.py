"""LeNet-5 as its paper prints it, and what is called so today.

Layers of 1998 that no library has any more stand here: a convolution with a table of which map sees
which, a subsampling that learns, and a scaled hyperbolic tangent. All numbers are from Y. LeCun,
L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document recognition",
Proceedings of the IEEE 86(11), 1998.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import DTypeLike

from .. import _args, memory
from .._args import Array, Rng, Size
from ..activation import ReLU
from ..cnn import CNN
from ..conv import Conv2d, conv2d, conv2d_backward
from ..fc import Flatten, Linear
from ..layer import Layer, new_array
from ..pool import MaxPool2d
from ..windows import Patch, batch_first, batch_last, must_fit

AMPLITUDE, SLOPE = 1.7159, 2 / 3  # of the hyperbolic tangent: it leads 1 to 1, and -1 to -1
SPREAD = 2.4  # first weights lie within this over the number of inputs of a unit
SEES = (  # Table I: for each map of C3, the maps of S2 that it sees
    *((i, (i + 1) % 6, (i + 2) % 6) for i in range(6)),
    *((i, (i + 1) % 6, (i + 2) % 6, (i + 3) % 6) for i in range(6)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    tuple(range(6)),
)


class ScaledTanh(Layer):
    """A layer that squashes: ``1.7159 tanh(2 x / 3)``, number by number.

    Examples
    --------
    >>> print(ScaledTanh()(np.array([-100.0, -1, 0, 1])).round(3))
    [-1.716 -1.     0.     1.   ]
    """

    def forward(self, x: Array) -> Array:
        """Return the squashed numbers."""
        x = _args.numbers("x", x)
        y = memory.empty_like(x, _args.floating(x))
        np.tanh(np.multiply(x, SLOPE, out=y), out=y)
        y *= AMPLITUDE
        return y

    @_args.silent
    def gradients(self, dy: Array, x: Array) -> tuple[Array, ...]:
        """Return the gradient for the numbers: with ``y``, the slope is ``S (A - y y / A)``."""
        _args.same_shape("dy", dy, x.shape)
        slope = self.forward(x)
        slope *= slope
        slope *= -SLOPE / AMPLITUDE
        slope += SLOPE * AMPLITUDE
        return (np.multiply(slope, dy),)


class Subsampling2d(Layer):
    """A layer that adds 2 x 2 numbers, multiplies by a coefficient and adds a bias, both learned.

    Parameters
    ----------
    channels : int
        Maps; each has a coefficient and a bias of its own.
    dtype : dtype
        Of the parameters, float32 or float64.
    rng : int or numpy.random.Generator, optional
        What the initial coefficients are drawn with. Biases begin at 0.

    Attributes
    ----------
    params : dict of str to ndarray
        ``'weight'``, the coefficients, and ``'bias'``, each of shape (channels,).

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    Examples
    --------
    >>> layer = Subsampling2d(6, rng=0)
    >>> layer(np.zeros((3, 6, 28, 28), np.float32)).shape
    (3, 6, 14, 14)
    >>> layer.params["weight"].size + layer.params["bias"].size
    12
    """

    named = ("weight", "bias")

    def __init__(self, channels: int, dtype: DTypeLike = np.float32, rng: Rng = None) -> None:
        C = _args.integer("channels", channels, 1)
        draw, numbers = _args.generator(rng).uniform, _args.parameter_dtype(dtype)
        super().__init__(channels=C, dtype=numbers.name)
        bound = SPREAD / 4  # a unit has four inputs
        with _args.in_memory("channels", (C,)):
            weight = new_array((C,), numbers, lambda shape: draw(-bound, bound, shape))
            self.params = {"weight": weight, "bias": new_array((C,), numbers, np.zeros)}

    @_args.silent
    def forward(self, x: Array) -> Array:
        """Return the maps, each side half as long."""
        y = self._sums(x)
        y *= self.params["weight"][:, None, None, None]
        y += self.params["bias"][:, None, None, None]
        return batch_first(y)

    @_args.silent
    def gradients(self, dy: Array, x: Array) -> tuple[Array, ...]:
        """Return the gradients for the maps, the coefficients and the biases."""
        sums = self._sums(x)
        C, oH, oW, N = sums.shape
        _args.same_shape("dy", dy, (N, C, oH, oW))
        dy = batch_last(dy, sums.dtype)
        dsums = dy * self.params["weight"][:, None, None, None]
        dlaid = memory.zeros((C, *x.shape[2:], N), sums.dtype)
        for quarter in _quarters(dlaid):  # each number is in one sum, with a factor of 1
            quarter[...] = dsums
        sums *= dy
        dweight, dbias = sums.reshape(C, -1).sum(axis=1), dy.reshape(C, -1).sum(axis=1)
        return batch_first(dlaid), dweight, dbias

    def sees(self, patch: Patch) -> Patch:
        """Return the squares of 2 x 2 behind a patch of the output."""
        (top, bottom), (left, right) = patch
        return (2 * top, 2 * bottom + 1), (2 * left, 2 * right + 1)

    def _sums(self, x: Array) -> Array:
        """Return the sums of 2 x 2 numbers, as (C, oH, oW, N)."""
        x = _args.numbers("x", x, "N C H W")
        C = len(self.params["weight"])
        if x.shape[1] != C:
            raise ValueError(f"x must have {C} channels, got {x.shape[1]} in shape {x.shape}")
        must_fit("the subsampling", (2, 2), x.shape[2:])
        a, b, c, d = _quarters(batch_last(x, _args.floating(x, self.params["weight"])))
        sums = np.add(a, b, out=memory.empty(a.shape, a.dtype))
        sums += c
        sums += d
        return sums


def _quarters(laid: Array) -> list[Array]:
    """Return four views of (C, H, W, N), each with one corner of all squares of 2 x 2."""
    H, W = (side - side % 2 for side in laid.shape[1:3])  # a last odd one has no partner
    return [laid[:, u:H:2, v:W:2] for u in (0, 1) for v in (0, 1)]


class TableConv2d(Conv2d):
    """A convolution (cross-correlation) each of whose maps sees only some of those before it.

    It is one that sees all of them, with weights of 0, which training leaves at 0.

    Parameters
    ----------
    in_channels : int
        Maps that come in.
    sees : sequence of sequences of int
        For each map that goes out, the numbers of the maps that it sees.
    kernel_size : int or pair of int
        Rows and columns of a kernel.
    dtype : dtype
        Of the parameters, float32 or float64.
    rng : int or numpy.random.Generator, optional
        What the initial parameters are drawn with.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be right; the message names it.

    Examples
    --------
    >>> layer = TableConv2d(6, SEES, kernel_size=5, rng=0)
    >>> layer(np.zeros((2, 6, 14, 14), np.float32)).shape
    (2, 16, 10, 10)
    >>> int(np.count_nonzero(layer.params["weight"])) + layer.params["bias"].size
    1516
    """

    def __init__(
        self,
        in_channels: int,
        sees: Sequence[Sequence[int]],
        kernel_size: Size,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        C = _args.integer("in_channels", in_channels, 1)
        rows = _rows(sees)
        seen = np.zeros((len(rows), C, 1, 1), bool)
        for number, maps in enumerate(rows):
            for each in maps:
                if _args.integer(f"sees[{number}]", each, 0) >= C:
                    raise ValueError(f"sees[{number}] must be below in_channels={C}, got {each}")
                seen[number, each] = True
        super().__init__(C, len(rows), kernel_size, dtype=dtype, rng=rng)
        self.options = {
            "in_channels": C,
            "sees": rows,
            "kernel_size": self.options["kernel_size"],
            "dtype": self.options["dtype"],
        }
        self.seen_maps = seen
        self.params["weight"] = self._seen(self.params["weight"])

    def forward(self, x: Array) -> Array:
        """Return the feature maps."""
        return conv2d(x, self._seen(self.params["weight"]), self.params["bias"])

    def gradients(self, dy: Array, x: Array) -> tuple[Array, ...]:
        """Return the gradients for the maps, the weight and the bias; of what is not seen, 0."""
        dx, dweight, dbias = conv2d_backward(dy, x, self._seen(self.params["weight"]))
        return dx, self._seen(dweight), dbias

    def learned(self) -> int:
        """Return how many numbers training can change: not the weights of what is not seen."""
        return self._weights() + len(self.params["bias"])

    def macs(self, x: Array, y: Array) -> int:
        """Return the multiply-accumulates for an image: for what is not seen, none."""
        return self._weights() * math.prod(y.shape[2:])

    def _seen(self, weights: Array) -> Array:
        """Return weights, or their gradients, with 0 for what is not seen."""
        return np.where(self.seen_maps, weights, weights.dtype.type(0))

    def _weights(self) -> int:
        """Return how many weights belong to what is seen."""
        return self.params["weight"][0, 0].size * int(self.seen_maps.sum())


def _rows(sees: Iterable[Iterable[int]]) -> tuple[tuple[int, ...], ...]:
    """Return what each map sees, as tuples."""
    try:
        rows = tuple(map(tuple, sees))
    except TypeError:
        need = "sees must hold, for each map that goes out, a list of maps that come in"
        raise TypeError(f"{need}, got {_args.shown(sees)}") from None
    if not rows:
        raise ValueError("sees must hold a list for at least one map, got none")
    return rows


def lenet5(rng: Rng = None) -> CNN:
    """Return LeNet-5 of 1998: its table, its subsampling, its tangent, its first weights.

    Its ten outputs are the one thing that is not as printed: their weights are learned, where the
    paper has patterns that were drawn by hand.
    """
    rng = _args.generator(rng)
    c1, c3 = Conv2d(1, 6, 5, rng=rng), TableConv2d(6, SEES, 5, rng=rng)
    c5, f6 = Conv2d(16, 120, 5, rng=rng), Linear(120, 84, rng=rng)
    output = Linear(84, 10, rng=rng)
    for layer in (c1, c3, c5, f6, output):
        rows = layer.params["weight"].reshape(len(layer.params["weight"]), -1)  # views
        drawn, inputs = 1 / math.sqrt(rows.shape[1]), np.count_nonzero(rows, axis=1)
        rows *= (SPREAD / inputs / drawn)[:, None].astype(rows.dtype)
    s2, s4 = Subsampling2d(6, rng=rng), Subsampling2d(16, rng=rng)
    maps = [c1, ScaledTanh(), s2, ScaledTanh(), c3, ScaledTanh(), s4, ScaledTanh()]
    return CNN([*maps, c5, ScaledTanh(), Flatten(), f6, ScaledTanh(), output])


def lenet5_today(rng: Rng = None) -> CNN:
    """Return what tutorials call LeNet-5: all pairs of maps, max pooling, ReLU."""
    rng = _args.generator(rng)
    first = [Conv2d(1, 6, 5, rng=rng), ReLU(), MaxPool2d(2)]
    second = [Conv2d(6, 16, 5, rng=rng), ReLU(), MaxPool2d(2)]
    last = [Linear(400, 120, rng=rng), ReLU(), Linear(120, 84, rng=rng), ReLU()]
    return CNN([*first, *second, Flatten(), *last, Linear(84, 10, rng=rng)])
