"""Wrong calls: each is refused with an error that says what is wrong, and nothing is changed."""

import collections
import datetime
import decimal
import fractions
import functools
import os
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import ANY_SHAPE, FIRST, LAYERS, arguments, one_of

import convdocs
from convdocs import (
    CNN,
    SGD,
    Adam,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    ReLU,
    Residual,
    avg_pool2d,
    avg_pool2d_backward,
    conv1d,
    conv2d,
    conv2d_backward,
    conv_transpose2d,
    conv_transpose2d_backward,
    cross_entropy,
    cross_entropy_backward,
    leaky_relu,
    linear,
    linear_backward,
    max_pool2d,
    max_pool2d_backward,
    relu,
    sigmoid,
    softmax,
    tanh,
)
from convdocs.layer import Layer

REFUSALS = (ValueError, TypeError)
HUGE = 10**30


def wild(*shape):
    """Return numbers from very small to very large."""
    draw = np.random.default_rng(len(shape))
    return (draw.normal(size=shape) * 10.0 ** draw.integers(-35, 30, shape)).astype(np.float32)


@pytest.mark.parametrize(("make", "shape"), LAYERS)
def test_no_layer_speaks_of_numbers_too_small_or_too_large(make, shape):
    layer = make(np.float32)
    with np.errstate(all="raise"):
        layer(wild(*shape))
        y = layer(wild(*shape), train=True)
        layer.backward(wild(*y.shape))


@pytest.mark.parametrize(
    "call",
    [
        lambda: softmax([0, -1000.0]),
        lambda: sigmoid([1000.0, 100, -1000]),
        lambda: tanh([1e-40, 1e-310]),
        lambda: cross_entropy([[0, -1000.0]], [0]),
        lambda: cross_entropy_backward([[0, -1000.0]], [0]),
        lambda: leaky_relu([-1e-308], 1e-10),
        lambda: linear_backward(*map(np.full, [(1, 1)] * 3, [1e-200] * 3)),
    ],
)
def test_no_function_speaks_of_numbers_too_small(call):
    with np.errstate(all="raise"):
        call()


@pytest.mark.parametrize("optimizer", [SGD(1e-30, 0.9), SGD(1e-30), Adam(1e-30), Adam(0.1)])
def test_no_optimiser_speaks_of_numbers_too_small(optimizer):
    layers = [Linear(2, 2, rng=0), Linear(2, 2, rng=0)]
    for layer, size in zip(layers, (1, 1e-30), strict=True):
        layer.grads = {name: np.full_like(p, size) for name, p in layer.params.items()}
    with np.errstate(all="raise"):
        optimizer.step(layers)
        optimizer.step(layers)


def test_a_state_speaks_of_no_number_too_small():
    model = CNN([Linear(2, 1, rng=0)])
    with np.errstate(all="raise"):
        model.load_state_dict({"0.weight": np.array([[1e-50, 1e300]]), "0.bias": np.ones(1)})
    np.testing.assert_array_equal(model.layers[0].params["weight"], [[0, np.inf]])


class Refuses:
    """An object that will not become an array, as a PyTorch tensor that requires a gradient."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


def hostile(*methods, base=object):
    """Return an object of which these methods raise what nobody expects."""

    def fail(self, *args, **how):
        raise ZeroDivisionError("a method of the caller's own")

    return type("Hostile", (base,), dict.fromkeys(methods, fail))()


def masked(values, mask):
    """Return a masked array."""
    return np.ma.array(values, mask=mask)


def a(*shape):
    """Return a read-only array of this shape."""
    array = np.linspace(-1, 1, int(np.prod(shape))).reshape(shape)
    array.flags.writeable = False
    return array


def wide(*shape):
    """Return an array of one number that says to be of this shape."""
    return np.broadcast_to(np.float32(1), shape)


def nonsense():
    """Return what is no argument for anything, in fresh copies."""
    return [
        *(None, "nonsense", "", b"bytes", "1", b"1", 1j, np.complex64(1), object(), object, print),
        *(lambda: 0, ..., NotImplemented, slice(2), {}, {1: 2}, {2}, frozenset(), iter([1])),
        *((i for i in "ab"), decimal.Decimal(2), fractions.Fraction(1, 2), datetime.date.today()),
        *(
            ValueError("x"),
            re,
            re.compile("x"),
            np.datetime64("2020"),
            np.timedelta64(1),
            np.zeros((), "i4,f8")[()],
        ),
        *(np.array("x"), np.array(None), np.array(b"x"), np.array([1j, 2]), np.array([object()])),
        *(np.zeros((2, 4, 6, 6), complex), np.ones((2, 4), object), np.zeros((2, 4), "M8[s]")),
        *(np.zeros((4, 3), "m8[s]"), np.zeros((2, 4), "U3"), np.zeros(2, "i4,f8"), [None], ["a"]),
        *(
            [1, "a"],
            [[1], [2, 3]],
            [1, [2]],
            ([1, 2], 3),
            [{}],
            [1j],
            [b"x"],
            [object()],
            [10**400],
        ),
        *((None, None), [[["a"]]], [decimal.Decimal(1)], [datetime.date.today()], Refuses()),
        *(hostile("__repr__"), hostile("__index__"), hostile("__array__"), hostile("__iter__")),
        *(hostile("__len__", "__getitem__"), hostile("__getattr__"), hostile("__float__")),
        hostile("__repr__", "__index__", "__array__", "__iter__", "__len__", "__float__"),
        *(hostile("__iter__", "__len__", "__repr__", base=kind) for kind in (list, tuple, dict)),
        *([hostile("__repr__", "__float__")], [[0.5, hostile("__float__", "__repr__")]]),
        *(
            np.ma.masked,
            masked(2, True),
            masked([1, 2], [False, True]),
            masked(a(2, 4), a(2, 4) > 0),
        ),
        *([1.0, np.ma.masked], [masked([1.0, 2.0], [True, False]), [1.0, 2.0]]),
        (masked(a(4, 6, 6), True), a(4, 6, 6)),
    ]


def cases(values=(), types=(), either=()):
    """Return wrong values, each with the error that it is answered by."""
    kinds = (ValueError, values), (TypeError, types), (None, either)
    return [(value, kind) for kind, wrong in kinds for value in wrong]


BELOW_0 = [-1, np.int8(-3), -HUGE]
NO_INTEGERS = [
    *(2.0, 1.5, np.float64(2), np.float32(1), np.nan, np.inf, -np.inf, 2 + 0j, range(2)),
    *(True, False, np.True_, np.False_, np.array(2.0), np.array("2")),
]
SEQUENCES = [(2, 2), (1,), [1, 2], (), (1, 2, 3), np.array([1, 2])]
NO_LENGTHS = [(2, 2), [1, 2], (), [], (1, 2, 3), np.array([1, 2]), np.ones((2, 1), int)]
NO_PAIRS = [(), (1,), (1, 2, 3), [], [1, 2, 3, 4], np.array([1, 2, 3]), np.ones((3, 2), int)]
NO_INTEGER_PAIRS = [
    *((1, 2.0), (True, 1), (1, "1"), (None, 1), (np.nan, 1), np.array([1.0, 2.0]), [[1], [2]]),
    *([(1, 2), (3, 4)], np.ones((2, 2), int), [1j, 1]),
]
RAGGED_PAIRS = [(1, (2, 3)), [1, [2]], ([1], [2, 3])]
SIZE_0 = [
    *cases([*BELOW_0, (0, -1), (-1, 0), *NO_PAIRS], [*NO_INTEGERS, *NO_INTEGER_PAIRS]),
    *cases(either=RAGGED_PAIRS),
]
INTEGER_0 = cases(BELOW_0, [*NO_INTEGERS, *SEQUENCES])
LENGTH_0 = [*cases([*BELOW_0, *NO_LENGTHS], [*NO_INTEGERS, (1.0,), [True], ("1",), (None,)])]
LENGTH = [*LENGTH_0, *cases([0, (0,), [-1]])]
INTEGER, SIZE = [*INTEGER_0, (0, ValueError)], [*SIZE_0, *cases([0, (0, 1), (1, 0), np.int64(0)])]
FLAG = cases(types=[0, 1, 1.0, "True", "False", "", [], (True,), np.int64(1), np.nan, HUGE])
REAL = cases(
    [-0.1, -1, np.nan, np.inf, -np.inf, 10**400, np.float32(-1), np.int8(-1), -5e-324],
    ["0.5", True, np.False_, [0.5], (), np.array(0.5), np.array([0.5]), np.array([1, 1]), 1 + 0j],
)
SHARE = [*REAL, *cases([1.1, 2, np.nextafter(1, 2)])]
BETAS = cases(
    [
        *((0.9, 1), (1.0, 0.9), (-0.1, 0.9), (0.9, np.nan), (np.inf, 0.9), (0.9, HUGE)),
        *((), (0.9,), (0.9, 0.99, 0.999)),
    ],
    [
        *(0.9, np.array([0.9, 0.9]), "ab"),
        *((0.9, "0.9"), (True, 0.9), (None, 0.9), ([0.9], 0.9)),
    ],
)
DTYPE = cases(
    types=[
        *(int, bool, complex, object, str, "foo", "float16", "f2", "longdouble", "i4", "f4,f8"),
        *(">f4" if np.little_endian else "<f4", ",", "i4,,i4", "a", "U3", "M8[foo]", np.uint8),
        *(5, 2.0, True, (1, 2), np.ones(2)),
    ]
)
RNG = cases(either=[-1, 1.5, True, False, np.True_, np.nan, [-1], [1.5], np.random, "7", (None,)])
LABELS = cases(  # for 2 examples and 3 classes
    [
        *([0, 3], [-1, 0], np.uint8([0, 255]), [0, 2**40], [0], [0, 1, 2], [], 0),
        *([[0, 1]], [[0], [1]], np.eye(3, dtype=int)[[0, 1]], [[0], [1, 2]]),
    ],
    [
        *([0.0, 1.0], [0, np.nan], [True, False], ["cat", "dog"], 0.5, np.float32([0, 1])),
        *([0, 2**64], np.array([])),
    ],
)
VALIDATION = cases(
    [
        *((a(1, 1, 4, 4), [3]), (a(1, 1, 4, 4), []), (a(1, 1, 4, 4), 0), (a(0, 1, 4, 4), [0])),
        *((a(2, 1, 4, 4), [0]), (a(16), [0]), (a(1, 2, 4, 4), [0]), (7, [0])),
        *((), (1,), (1, 2, 3)),
    ],
    [
        *(5, a(2, 1, 4, 4), "ab", True, (a(1, 1, 4, 4), [0.5])),
        *((1j * a(1, 1, 4, 4), [0]), (None, [0]), ("ab", [0]), (a(1, 1, 4, 4), None)),
    ],
)
INPUT_SHAPE = cases(
    [
        *((), (1,), (1, 4), [1, 4], (1, 1, 4, 4), (1, 4, 0), (1, -4, 4), (0, 4, 4), (2, 4, 4)),
        *((1, 1, 1), (1, 4, 5), (1, HUGE, 4), (1, 2**62, 4), (1, 2**31, 2**31)),
    ],
    [(1, 4.0, 4), (1, 4, None), ("1", 4, 4), (1, True, 4), (1, 4, [4]), (1, 4, np.nan)],
    [4, 4.0, True, np.nan, "1, 4, 4", "144", {1, 4, 5}],
)
KINDS = {
    **dict.fromkeys(("stride", "dilation", "kernel_size"), SIZE),
    **dict.fromkeys(("groups", "in_channels", "out_channels"), INTEGER),
    **dict.fromkeys(("in_features", "out_features", "batch_size"), INTEGER),
    **dict.fromkeys(("ceil_mode", "count_include_pad", "progress", "train"), FLAG),
    **dict.fromkeys(("lr", "weight_decay", "eps"), REAL),
    **dict.fromkeys(("p", "momentum", "negative_slope"), SHARE),
    **dict.fromkeys(("labels", "y"), LABELS),
    **{
        "padding": SIZE_0,
        "output_padding": SIZE_0,
        "epochs": INTEGER_0,
        "betas": BETAS,
        "dtype": DTYPE,
    },
    **{"rng": RNG, "validation": VALIDATION, "input_shape": INPUT_SHAPE},
    "axis": cases([2, -3, HUGE, -HUGE], [*NO_INTEGERS, *SEQUENCES]),
    "bias": cases([a(5), a(7), a(6, 1), a(1, 6), a(0), 1.0]),
    "optimizer": cases(types=[Adam, SGD, "adam", 0.01, [Adam()], True]),
}


def trained():
    """Return a small network and its optimiser, after one step."""
    model, optimizer = CNN([Conv2d(1, 2, 3, rng=0), ReLU(), Flatten(), Linear(8, 3, rng=1)]), Adam()
    X, y = a(2, 1, 4, 4), [0, 2]
    return model.fit(X, y, epochs=1, rng=0, optimizer=optimizer), optimizer


MODEL, OPTIMIZER = trained()
X4, Y4, POOLED = a(2, 4, 6, 6), a(2, 6, 3, 3), a(2, 4, 3, 3)
SLIDE = {"stride": 2, "padding": 1, "dilation": 1, "groups": 2}
SPREAD = {**SLIDE, "output_padding": 1}
POOL = {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": False}
LOSS = {"logits": a(2, 3), "labels": [0, 2]}
DATA = {"X": a(2, 1, 4, 4), "y": [0, 2]}


FUNCTIONS = {  # calls that are right: a function, and its arguments
    "conv1d": (conv1d, {"x": a(2, 4, 9), "weight": a(6, 2, 3), "bias": a(6), **SLIDE}),
    "conv2d": (conv2d, {"x": X4, "weight": a(6, 2, 3, 3), "bias": a(6), **SLIDE}),
    "conv2d_backward": (conv2d_backward, {"dy": Y4, "x": X4, "weight": a(6, 2, 3, 3), **SLIDE}),
    "conv_transpose2d": (
        conv_transpose2d,
        {"x": Y4, "weight": a(6, 2, 3, 3), "bias": a(4), **SPREAD},
    ),
    "conv_transpose2d_backward": (
        conv_transpose2d_backward,
        {"dy": X4, "x": Y4, "weight": a(6, 2, 3, 3), **SPREAD},
    ),
    "max_pool2d": (max_pool2d, {"x": X4, **POOL, "dilation": 1}),
    "max_pool2d_backward": (
        max_pool2d_backward,
        {"dy": POOLED, "x": X4, **POOL, "dilation": 1},
    ),
    "avg_pool2d": (avg_pool2d, {"x": X4, **POOL, "count_include_pad": True}),
    "avg_pool2d_backward": (
        avg_pool2d_backward,
        {"dy": POOLED, "x": X4, **POOL, "count_include_pad": True},
    ),
    "linear": (linear, {"x": a(2, 4), "weight": a(6, 4), "bias": a(6)}),
    "linear_backward": (linear_backward, {"dy": a(2, 6), "x": a(2, 4), "weight": a(6, 4)}),
    "relu": (relu, {"x": a(3)}),
    "leaky_relu": (leaky_relu, {"x": a(3), "negative_slope": 0.1}),
    "sigmoid": (sigmoid, {"x": a(3)}),
    "tanh": (tanh, {"x": a(3)}),
    "softmax": (softmax, {"x": a(2, 3), "axis": 0}),
    "cross_entropy": (cross_entropy, LOSS),
    "cross_entropy_backward": (cross_entropy_backward, LOSS),
    "SGD": (SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}),
    "Adam": (Adam, {"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.1}),
    "CNN": (CNN, {"layers": [ReLU()]}),
}


def of_network(model, optimizer):
    """Return calls that are right of a network and of what trains it."""
    return {
        "SGD.step": (SGD().step, {"layers": model.layers}),
        "Adam.step": (optimizer.step, {"layers": model.layers}),
        "CNN.fit": (
            model.fit,
            {
                **DATA,
                **{"epochs": 1, "batch_size": 2, "rng": 0, "optimizer": optimizer},
                **{"validation": tuple(DATA.values()), "progress": False},
            },
        ),
        "CNN.predict": (model.predict, {"X": DATA["X"]}),
        "CNN.predict_proba": (model.predict_proba, {"X": DATA["X"]}),
        "CNN.score": (model.score, DATA),
        "CNN.summary": (model.summary, {"input_shape": (1, 4, 4)}),
        "CNN.load_state_dict": (model.load_state_dict, {"state": model.state_dict()}),
        "CNN.__call__": (model, {"x": DATA["X"], "train": False, "rng": 0}),
        "CNN.backward": (model.backward, {"dy": model(DATA["X"])}),
    }


def of_layer(kind):
    """Return calls that are right of a new layer."""
    layer, x = one_of(kind)
    calls = {
        f"{kind}.__call__": (layer, {"x": x, "train": False, "rng": 0}),
        f"{kind}.backward": (layer.backward, {"dy": layer(x)}),
    }
    if arguments(layer):
        calls[kind] = (type(layer), arguments(layer))
    return calls


def valid(name):
    """Return a call that is right, of a new network or layer."""
    kind = name.partition(".")[0]
    if kind in FIRST:
        return of_layer(kind)[name]
    return FUNCTIONS[name] if name in FUNCTIONS else of_network(*trained())[name]


VALID = FUNCTIONS | of_network(MODEL, OPTIMIZER)
for kind in FIRST:
    VALID |= of_layer(kind)


def memory():
    """Return all that a call could change, as bytes and text."""
    arrays = [
        *MODEL.state_dict().values(),
        *(x for pair in OPTIMIZER.memory.values() for x in pair),
    ]
    grads = [g for layer in MODEL.layers for g in layer.grads.values()]
    return [x.tobytes() for x in arrays + grads], MODEL.history, OPTIMIZER.steps


def short(value):
    """Return the beginning of a value's text, on one line."""
    try:
        return " ".join(repr(value).split())[:60]
    except ZeroDivisionError:
        return f"a hostile {type(value).__base__.__name__}"


def refused(call, kind=None, pattern=r" must .*(got|rectangular)"):
    """Return what is amiss in how a wrong call is answered; nothing is if it is well refused."""
    before = memory()
    try:
        result = call()
    except Exception as error:
        if type(error) is not kind and (kind or type(error) not in REFUSALS):
            return f"{type(error).__name__}: {error}"
        if not re.search(pattern, str(error), re.DOTALL):
            return f"lacks {pattern!r}: {error}"
    else:
        return f"accepted: {short(result)}"
    return None if memory() == before else "something was changed"


def wrong_values(name, argument):
    """Return the wrong values of an argument, and the error each is answered by."""
    special = KINDS.get(argument, [])
    if argument == "bias" and name[0].isupper():
        special = FLAG
    if name == "conv1d" and argument in ("stride", "padding", "dilation"):
        special = LENGTH_0 if argument == "padding" else LENGTH
    if argument in ("x", "X", "weight", "dy", "logits"):
        special = cases(misshaped(name, argument, VALID[name][1][argument]))
    return [*cases(either=filter(lambda v: not right(name, argument, v), nonsense())), *special]


def right(name, argument, value):
    """Tell what among the nonsense makes sense for this argument."""
    if value is None and argument == "bias":
        return name[0].islower()
    if value is None:
        return argument in ("rng", "optimizer", "validation", "progress", "shortcut") or (
            argument == "stride" and "ool" in name
        )
    if argument == "rng":
        numbers = np.ndarray, np.timedelta64, list, tuple, frozenset
        return isinstance(value, numbers)  # what NumPy takes for a seed, or at least as numbers
    empty = type(value) in (str, dict, frozenset) and not value
    return argument in ("layers", "shortcut") and empty


def misshaped(name, argument, value):
    """Return arrays of a shape that cannot be right."""
    layer, _, method = name.partition(".")
    kinds = [kind.__name__ for kind in ANY_SHAPE]
    free = {"softmax", *map(str.lower, kinds)}  # a layer's function has its name
    if method != "backward" and layer.replace("_", "").lower() in free:
        return []
    if argument == "x" and layer in ("Flatten", "Linear", "linear", "linear_backward"):
        return [1.5, a(), a(3)]
    shapes = [(), (3,), (2, 0), (1, *value.shape), value.shape[1:], value.shape[:-1]]
    shapes += [(*value.shape, 1)]
    if argument == "dy":
        shapes += [(1,) * value.ndim, (*value.shape[:-1], value.shape[-1] + 1)]
        shapes += [value.shape[::-1], (0, *value.shape[1:])]
    return [a(*shape) for shape in shapes]


WRONG = [(name, argument) for name, (_, right) in VALID.items() for argument in right]


@pytest.mark.parametrize("name", VALID)
def test_the_right_call_is_accepted(name):
    call, right = valid(name)
    call(**right)


def test_every_public_name_is_tried():
    assert set(convdocs.__all__) <= {name.partition(".")[0] for name in VALID}


@pytest.mark.parametrize(("name", "argument"), WRONG)
def test_one_wrong_argument(name, argument):
    call, right = VALID[name]
    amiss = []
    for value, kind in wrong_values(name, argument):
        pattern = rf"\b{argument}\b.* must .*(\bgot\b|\brectangular\b|it (has|lacks))"
        answer = refused(lambda value=value: call(**{**right, argument: value}), kind, pattern)
        if answer:
            amiss.append(f"{short(value)} -> {answer}")
    hint = "if any shape is right, add the layer to ANY_SHAPE in samples.py"
    assert not amiss, "\n".join([f"{name} ({hint}):", *amiss])


def test_each_function_and_method_gets_fifty_wrong_calls():
    count = collections.Counter()
    for name, argument in WRONG:
        count[name] += len(wrong_values(name, argument))
    assert min(count.values()) >= 50


class Sums(Layer):
    """A layer that gives one number for each image."""

    def forward(self, x):
        return x.sum(axis=(1, 2, 3))


RELU = ReLU()

# Arguments that are wrong together: a call, its error, and what the message says.
x, w, one = a(2, 4, 6, 6), a(6, 2, 3, 3), a(1, 1, 4, 4)
TOGETHER = [
    (lambda: conv1d(a(2, 3, 9), a(6, 2, 3)), ValueError, r"x must have 2 channels.*got 3"),
    (lambda: conv1d(a(2, 4, 9), a(6, 4, 3), groups=2), ValueError, r"x must have 8 .*got 4"),
    (lambda: conv1d(a(2, 4, 9), a(5, 2, 3), groups=2), ValueError, r"groups=2 kernels, got 5"),
    (lambda: conv1d(a(1, 1, 2), a(1, 1, 3)), ValueError, r"weight must fit into x.* 3 .* 2 \(with"),
    (
        lambda: conv1d(a(1, 1, 4), a(1, 1, 3), dilation=2),
        ValueError,
        r"weight must fit into x.* 5 .* 4 \(with",
    ),
    (lambda: conv1d(a(1, 4), a(1, 1, 2)), ValueError, r"x must .*got \(1, 4\).*x\[None, \.\.\.\]"),
    (lambda: conv1d(a(4), a(1, 1, 2)), ValueError, r"x must .*\(4,\).*x\[None, None, \.\.\.\]"),
    (lambda: conv1d(a(1, 1, 4), a(1, 1, 0)), ValueError, r"weight must .*got .*0"),
    (lambda: conv1d(a(1, 1, 4), a(1, 1, 1), padding="full"), ValueError, r"padding .*got 'full'"),
    (lambda: conv1d(a(1, 1, 4), a(1, 1, 1), 1, 2, "same"), ValueError, r"stride must be 1 .*got"),
    (lambda: conv1d(a(1, 1, 4), a(1, 1, 1), a(2)), ValueError, r"bias must .*\(1,\).*got \(2,\)"),
    (lambda: conv1d(a(1, 1, 4), a(1, 1, 1), padding=HUGE), ValueError, "padding must .*got"),
    (lambda: conv2d(x, w), ValueError, r"x must have 2 channels.*got 4 in shape \(2, 4, 6, 6\)"),
    (lambda: conv2d(x, w, groups=3), ValueError, r"x must have 6 channels.*got 4"),
    (lambda: conv2d(x, w, groups=4), ValueError, r"weight must .*groups=4 kernels, got 6"),
    (lambda: conv2d(x, w, groups=12), ValueError, r"weight must .*groups=12 kernels, got 6"),
    (lambda: conv2d(x, a(0, 2, 3, 3)), ValueError, r"weight must .*got .*\(0, 2, 3, 3\)"),
    (lambda: conv2d(x, a(6, 0, 3, 3)), ValueError, r"weight must .*got .*\(6, 0, 3, 3\)"),
    (lambda: conv2d(x, a(6, 4, 0, 3)), ValueError, r"weight must .*got .*\(6, 4, 0, 3\)"),
    (lambda: conv2d(x, a(6, 4, 7, 7)), ValueError, r"weight must fit into x.* 7 x 7 .* 6 x 6 "),
    (lambda: conv2d(x, a(6, 4, 1, 9)), ValueError, r"weight must fit into x.* 1 x 9 .* 6 x 6 "),
    (
        lambda: conv2d(x, a(6, 4, 9, 9), padding=1),
        ValueError,
        r"weight must fit into x.* 9 x 9 .* 8 x 8 ",
    ),
    (
        lambda: conv2d(x, a(6, 4, 3, 3), dilation=3),
        ValueError,
        r"weight must fit into x.* 7 x 7 .* 6 x 6 ",
    ),
    (lambda: conv2d(x, a(6, 4, 3, 3), dilation=(1, HUGE)), ValueError, "must be .*got"),
    (
        lambda: conv2d(x[0], a(6, 4, 3, 3)),
        ValueError,
        r"x must .*got \(4, 6, 6\).*x\[None, \.\.\.\]",
    ),
    (lambda: conv2d(x[0, 0], a(6, 1, 3, 3)), ValueError, r"x\[None, None, \.\.\.\]"),
    (lambda: conv2d(x, a(6, 4, 3, 3), padding="full"), ValueError, "padding must .*'full'"),
    (lambda: conv2d(x, a(6, 4, 3, 3), padding="Same"), ValueError, "padding must .*'Same'"),
    (lambda: conv2d(x, a(6, 4, 3, 3), padding=""), ValueError, "padding must .*''"),
    (
        lambda: conv2d(x, a(6, 4, 3, 3), padding=("same", "same")),
        TypeError,
        "padding must .*'same'",
    ),
    (lambda: conv2d(x, a(6, 4, 3, 3), None, 2, "same"), ValueError, r"stride must be 1 .*got 2"),
    (lambda: conv2d(x, a(6, 4, 3, 3), None, (1, 2), "same"), ValueError, r"stride .*\(1, 2\)"),
    (lambda: conv2d(x, a(6, 4, 3, 3), a(4)), ValueError, r"bias must .*\(6,\).*got \(4,\)"),
    (lambda: conv2d(x, a(6, 4, 3, 3), True), ValueError, r"bias must .*got \(\)"),
    (lambda: conv2d(x, a(6, 4, 3, 3), 2), ValueError, r"bias must .*got \(\)"),
    (lambda: conv2d(one, one, padding=HUGE), ValueError, "padding must .*got"),
    (lambda: conv2d(one, one, padding=(0, 2**62)), ValueError, "padding must .*got"),
    (lambda: conv2d(one, one, padding=2**45), ValueError, "padding must .*got"),
    (lambda: conv2d(one, a(2, 1, 1, 1), groups=np.uint8(200)), ValueError, "groups=200 .*got 2"),
    (lambda: conv2d_backward(x, x, a(6, 4, 3, 3)), ValueError, r"dy .*\(2, 6, 4, 4\), got"),
    (lambda: conv2d_backward(a(2, 6, 4, 4), x, w), ValueError, "x must have 2 channels.*got 4"),
    (lambda: conv2d_backward(x, x, a(6, 4, 7, 7)), ValueError, "weight must fit into x.* 6 x 6 "),
    (lambda: max_pool2d(x, 7), ValueError, r"kernel_size must fit into x.* 7 x 7 .* 6 x 6 "),
    (lambda: max_pool2d(x, (1, 7)), ValueError, r"kernel_size must fit into x.* 1 x 7 .* 6 x 6 "),
    (
        lambda: max_pool2d(x, 4, dilation=2),
        ValueError,
        r"kernel_size must fit into x.* 7 x 7 .* 6 x 6 ",
    ),
    (lambda: max_pool2d(x, 3, padding=2), ValueError, "padding must .*half .*3 pixels, got 2"),
    (lambda: max_pool2d(x, 2, padding=(1, 2)), ValueError, r"padding must .*half .*got \(1, 2\)"),
    (lambda: max_pool2d(x, 1, padding=1), ValueError, "padding must .*half .*1 pixel.*got 1"),
    (lambda: max_pool2d(x, 2, padding=3, dilation=4), ValueError, "half .*5 pixels, got 3"),
    (lambda: max_pool2d(x, 2, padding="same"), TypeError, "padding must .*'same'"),
    (lambda: max_pool2d(x[0], 2), ValueError, r"x must .*got \(4, 6, 6\)"),
    (lambda: max_pool2d(a(1, 1, 0, 4), 2), ValueError, "x must .*got .*0.* 4"),
    (
        lambda: max_pool2d(a(1, 1, 1, 4), 3, 2, ceil_mode=True),
        ValueError,
        "kernel_size must fit into x.*3 x 3",
    ),
    (lambda: max_pool2d(a(1, 1, 0, 4), 2, padding=1), ValueError, "x must .*got"),
    (lambda: avg_pool2d(a(1, 1, 0, 4), 2, None, 1, False, False), ValueError, "x must .*got"),
    (lambda: max_pool2d_backward(x, x, 2), ValueError, r"dy .*\(2, 4, 3, 3\), got \(2, 4, 6, 6\)"),
    (lambda: max_pool2d_backward(x, x, 7), ValueError, "kernel_size must fit into x.* 6 x 6 "),
    (lambda: max_pool2d_backward(x, x, 3, padding=2), ValueError, "padding must .*half .*got 2"),
    (lambda: avg_pool2d(x, 7), ValueError, r"kernel_size must fit into x.* 7 x 7 .* 6 x 6 "),
    (lambda: avg_pool2d(x, 3, padding=2), ValueError, "padding must .*half .*3 pixels, got 2"),
    (lambda: avg_pool2d(x, 2, padding="valid"), TypeError, "padding must .*'valid'"),
    (lambda: avg_pool2d(x[0, 0], 2), ValueError, r"x must .*got \(6, 6\)"),
    (lambda: avg_pool2d_backward(x, x, 2), ValueError, r"dy .*\(2, 4, 3, 3\), got \(2, 4, 6, 6\)"),
    (lambda: avg_pool2d_backward(x, x, 3, padding=2), ValueError, "padding must .*half .*got 2"),
    (lambda: linear(a(2, 3), a(6, 4)), ValueError, r"x must .*\(\.\.\., 4\), got \(2, 3\)"),
    (lambda: linear(a(2, 4), a(4)), ValueError, r"weight must .*\(out, in\), got \(4,\)"),
    (lambda: linear(a(2, 4), a(6, 4), a(4)), ValueError, r"bias must .*\(6,\), .*got \(4,\)"),
    (lambda: linear(a(2, 0), a(6, 0)), ValueError, r"weight must .*got .*\(6, 0\)"),
    (lambda: linear(a(2, 4), a(0, 4)), ValueError, r"weight must .*got .*\(0, 4\)"),
    (lambda: linear_backward(a(2, 4), a(2, 4), a(6, 4)), ValueError, r"dy .*\(2, 6\), got"),
    (lambda: linear_backward(a(6), a(2, 4), a(6, 4)), ValueError, r"dy .*\(2, 6\), got \(6,\)"),
    (lambda: softmax(5), ValueError, "x must .*axis.*got .*5"),
    (lambda: softmax(a(2, 3), axis=2), ValueError, "axis must .*2 axes, got 2"),
    (lambda: cross_entropy(a(3), [0, 1, 2]), ValueError, r"logits must .*\(N, K\).*got \(3,\)"),
    (lambda: cross_entropy(a(2, 3, 4), [0, 1]), ValueError, r"logits .*\(2, 4\), got \(2,\)"),
    (
        lambda: cross_entropy(a(2, 3, 4), np.zeros((2, 5), int)),
        ValueError,
        r"labels must have the shape \(2, 4\), got \(2, 5\)",
    ),
    (lambda: cross_entropy(a(2, 0), [0, 0]), ValueError, r"logits must .*class.*\(2, 0\)"),
    (lambda: cross_entropy(a(2, 3), [0, 3]), ValueError, "labels must .*3 classes, got 3"),
    (lambda: cross_entropy(a(2, 3), [-1, 0]), ValueError, "labels must be at least 0, got -1"),
    (lambda: cross_entropy(a(2, 3), a(2, 3)), TypeError, "labels must .*got dtype float64"),
    (lambda: cross_entropy(a(2, 3), np.array([0.0, 1])), TypeError, "labels must be integers"),
    (lambda: cross_entropy(a(2, 3), np.eye(3, dtype=int)), ValueError, r"labels .*\(3, 3\)"),
    (lambda: cross_entropy_backward(a(2, 3), [0]), ValueError, r"labels .*\(2,\), got \(1,\)"),
    (lambda: Conv2d(3, 6, 3, groups=2), ValueError, "in_channels must .*groups=2, got 3"),
    (lambda: Conv2d(4, 3, 3, groups=2), ValueError, "out_channels must .*groups=2, got 3"),
    (lambda: Conv2d(300, 3, 3, groups=np.uint8(2)), ValueError, "out_channels must .*got 3"),
    (lambda: Conv2d(1, 1, 3, padding="full"), ValueError, "padding must .*'full'"),
    (lambda: Conv2d(1, 1, 3, stride=2, padding="same"), ValueError, "stride must be 1"),
    (lambda: Conv2d(1, 1, 3, bias=a(1)), TypeError, "bias must be True or False, got"),
    (lambda: Conv2d(1, 1, 3, bias=None), TypeError, "bias must be True or False, got None"),
    (lambda: Conv2d(1, 1), TypeError, "kernel_size"),
    (lambda: Conv2d(1, 1, 3, kernel=3), TypeError, "kernel"),
    (lambda: Conv2d(HUGE, 1, 1), ValueError, "in_channels.* must .*got"),
    (lambda: Conv2d(1, 2**62, 4), ValueError, "out_channels.* must .*got"),
    (lambda: Conv2d(1, 1, HUGE), ValueError, "kernel_size.* must .*got"),
    (lambda: Conv2d(10**9, 10**9, 1), ValueError, "in_channels, out_channels and .* must .*got"),
    (lambda: Linear(HUGE, 1), ValueError, "in_features.* must .*got"),
    (lambda: Linear(2**62, 2), ValueError, "in_features.* must .*got"),
    (lambda: Linear(10**9, 10**9), ValueError, "in_features and out_features must .*got"),
    (lambda: BatchNorm2d(2**40), ValueError, "num_features must .*got"),
    (lambda: BatchNorm2d(2**62), ValueError, "num_features must .*got"),
    (lambda: Linear(4), TypeError, "out_features"),
    (lambda: Linear(4, 2, bias=1), TypeError, "bias must be True or False, got 1"),
    (lambda: Linear(4, 2, device="cuda"), TypeError, "device"),
    (lambda: MaxPool2d(3, padding=2), ValueError, "padding must .*half .*got 2"),
    (lambda: MaxPool2d(2, return_indices=True), TypeError, "return_indices"),
    (lambda: AvgPool2d(3, padding=2), ValueError, "padding must .*half .*got 2"),
    (lambda: AvgPool2d(2, dilation=2), TypeError, "dilation"),
    (lambda: Flatten(1), TypeError, ""),
    (lambda: Flatten(start_dim=2), TypeError, "start_dim"),
    (lambda: ReLU(True), TypeError, ""),
    (lambda: ReLU(inplace=True), TypeError, "inplace"),
    (lambda: Dropout(inplace=True), TypeError, "inplace"),
    (lambda: Conv2d(3, 1, 3)(a(1, 1, 9, 9)), ValueError, "x must have 3 channels.*got 1"),
    (lambda: Conv2d(1, 1, 5)(one), ValueError, "weight must fit into x.* 5 x 5 .* 4 x 4 "),
    (lambda: MaxPool2d(5)(one), ValueError, "kernel_size must fit into x.* 5 x 5 .* 4 x 4 "),
    (lambda: Linear(3, 1)(one), ValueError, r"x must .*\(\.\.\., 3\), got \(1, 1, 4, 4\)"),
    (lambda: CNN([ReLU]), TypeError, r"layers\[0\] must be a layer, got <class"),
    (lambda: CNN([Flatten(), relu]), TypeError, r"layers\[1\] must be a layer, got <function"),
    (lambda: CNN(ReLU()), TypeError, "layers must be a list of layers.*got ReLU"),
    (lambda: CNN(ReLU(), Flatten()), TypeError, ""),
    (lambda: CNN([Flatten(), ReLU(), MODEL]), TypeError, r"layers\[2\] must be a layer, got CNN"),
    (lambda: CNN([layer := ReLU(), layer]), ValueError, r"layers\[1\] must .*own, got .*twice"),
    (lambda: CNN([ReLU()], [ReLU()]), TypeError, ""),
    (lambda: MODEL(a(1, 2, 4, 4)), ValueError, r"x must .*layers\[0\].* 1 channels.*got 2"),
    (lambda: MODEL(a(1, 1, 5, 5)), ValueError, r"x must .*layers\[3\].*8\), got \(1, 18\)"),
    (lambda: MODEL.predict(a(1, 1, 5, 5)), ValueError, r"X must .*layers\[3\].*got \(1, 18\)"),
    (lambda: MODEL.predict(a(16)), ValueError, r"X must .*\(N, C, H, W\), got \(16,\)"),
    (lambda: MODEL.predict(a(1, 4, 4)), ValueError, r"X must .*\(1, 4, 4\)"),
    (lambda: MODEL.predict(a(1, 1, 2, 2)), ValueError, r"X must .*layers\[0\].* 3 x 3 .* 2 x 2 "),
    (lambda: CNN([Sums()]).predict(one), ValueError, r"layers must end .*\(N, K\).*got \(1,\)"),
    (lambda: CNN([Sums()]).predict_proba(one), ValueError, r"layers must end .*\(N, K\).*got"),
    (lambda: CNN([Sums()]).fit(one, [0]), ValueError, r"layers must end .*\(N, K\).*got \(1,\)"),
    (
        lambda: CNN([ReLU()]).fit(one, np.zeros((1, 3, 4), int)),
        ValueError,
        r"y must have the shape \(1, 4, 4\), got \(1, 3, 4\)",
    ),
    (
        lambda: CNN([ReLU()]).score(one, np.ones((1, 4, 4), int)),
        ValueError,
        "y must be below the 1 classes, got 1",
    ),
    (lambda: Residual([Conv2d(1, 2, 3)])(one), ValueError, r"x must get one shape .*got .*2, 2\)"),
    (lambda: Residual([Conv2d(2, 1, 1)])(one), ValueError, r"x must fit layers\[0\].*2 channels"),
    (lambda: Residual([]), ValueError, r"layers must hold at least one layer, got \[\]"),
    (lambda: Residual([ReLU()], [7]), TypeError, r"shortcut\[0\] must be a layer, got 7"),
    (lambda: Residual(2 * [ReLU()]), ValueError, r"layers\[1\] must be a layer of its own"),
    (
        lambda: CNN([RELU, Residual([Residual([RELU])])]),
        ValueError,
        r"layers\[1\] must be a layer of its own",
    ),
    (
        lambda: conv_transpose2d(one, one, padding=4),
        ValueError,
        r"padding must leave something of an output of 7 x 7, got \(4, 4\)",
    ),
    (
        lambda: conv_transpose2d(one, one, stride=2, output_padding=(1, 2)),
        ValueError,
        r"output_padding must be smaller than stride \(2, 2\) .*got \(1, 2\)",
    ),
    (lambda: conv_transpose2d(one, a(2, 1, 1, 1)), ValueError, "x must have 2 channels.*got 1"),
    (
        lambda: conv_transpose2d(one, a(1, 1, 1, 1), groups=2),
        ValueError,
        "weight must .*groups=2 channels, got 1",
    ),
    (
        lambda: conv_transpose2d(one, a(1, 3, 1, 1), a(2)),
        ValueError,
        r"bias must have the shape \(3,\).*got \(2,\)",
    ),
    (lambda: conv_transpose2d(a(1, 1, 0, 4), one), ValueError, "x must have at least one pixel"),
    (lambda: conv_transpose2d(one, one, stride=HUGE), ValueError, "stride must .*got"),
    (lambda: conv_transpose2d(one, one, stride=2**40), ValueError, "x, weight and stride must ask"),
    (
        lambda: conv_transpose2d(one, a(1, 1, 2, 2), stride=2, dilation=2**40),
        ValueError,
        "x, weight, stride and dilation must ask for no more than fits in memory",
    ),
    (
        lambda: conv_transpose2d_backward(one, one, one),
        ValueError,
        r"dy must have the output's shape \(1, 1, 7, 7\), got",
    ),
    (lambda: CNN([ReLU()]).fit(one, [0]), ValueError, r"layers must end .*\(N, K\).*got"),
    (lambda: CNN([ReLU()]).score(one, [0]), ValueError, r"layers must end .*\(N, K\).*got"),
    (lambda: MODEL.fit(one, [0, 1]), ValueError, r"y must .*\(1,\), got \(2,\)"),
    (lambda: MODEL.fit(one, [3]), ValueError, "y must .*3 classes, got 3"),
    (lambda: MODEL.fit(one, [[0]]), ValueError, r"y must .*\(1,\), got \(1, 1\)"),
    (lambda: MODEL.fit(one), TypeError, r"y must .*pairs \(X, y\), got ndarray"),
    (lambda: MODEL.fit(a(0, 1, 4, 4), []), ValueError, r"X must .*image, got .*\(0, 1, 4, 4\)"),
    (lambda: MODEL.score(a(0, 1, 4, 4), []), ValueError, r"X must .*image, got .*\(0, 1, 4, 4\)"),
    (lambda: MODEL.fit(5, [0]), ValueError, r"X must .*got .*\(\)"),
    (lambda: MODEL.score(5, [0]), ValueError, r"X must .*got .*\(\)"),
    (lambda: MODEL.fit(one, [0], validation=(one, [7])), ValueError, r"validation\[1\] .*got 7"),
    (lambda: MODEL.fit(one, [0], validation=one), TypeError, "validation must be a pair.*got"),
    (lambda: MODEL.fit(one, [0], learning_rate=1), TypeError, "learning_rate"),
    (lambda: other.backward(a(2, 4)), ValueError, r"dy must .*\(1, 3\), got \(2, 4\)"),
    (lambda: MODEL.summary((3, 4, 4)), ValueError, r"input_shape must .*layers\[0\].*got 3"),
    (lambda: MODEL.summary((1, 9, 9)), ValueError, r"input_shape must .*layers\[3\].*got"),
    (
        lambda: MODEL.summary((1, 1, 1)),
        ValueError,
        r"input_shape must .*layers\[0\].* 3 x 3 .* 1 x 1 ",
    ),
    (lambda: SGD(0.1, 1.5), ValueError, "momentum must .*0 to 1, got 1.5"),
    (lambda: SGD(lr=np.inf), ValueError, "lr must .*got inf"),
    *(  # numbers that would round the bounds to be compared with them
        (functools.partial(make, **{name: number}), ValueError, f"{name} must .*got")
        for make, name in (
            (SGD, "lr"),
            (SGD, "weight_decay"),
            (Adam, "eps"),
            (functools.partial(BatchNorm2d, 1), "eps"),
            (functools.partial(leaky_relu, 1.0), "negative_slope"),
        )
        for kind in (np.float16, np.float32, np.float64, np.longdouble)
        for number in (kind(np.inf), kind(-np.inf), kind(np.nan), kind(-1))
    ),
    (lambda: BatchNorm2d(1, eps=np.float16(0)), ValueError, "eps must be .* above 0, got"),
    (lambda: BatchNorm2d(1, eps=1e-60), ValueError, "eps must be .* above 0, got"),
    (lambda: BatchNorm2d(1, eps=1e60), ValueError, "eps must be .* above 0, got"),
    (lambda: Residual([ReLU()])(one, train=1), TypeError, "^train must be True or False"),
    (lambda: MODEL.summary((1, 0, 4)), ValueError, "^input_shape must be at least 1, got 0"),
    (
        lambda: conv2d(a(1, 1, 1024, 1024), wide(2**40, 1, 1, 1)),
        ValueError,
        "^x and weight must ask for no more than fits in memory",
    ),
    (
        lambda: conv2d(wide(1, 1, 2**25, 2**25), a(1, 1, 1, 1)),
        ValueError,
        "^x must ask for no more than fits in memory",
    ),
    (
        lambda: ConvTranspose2d(2**40, 2**20, 3),
        ValueError,
        "^in_channels, out_channels and kernel_size must ask for no more than",
    ),
    *(
        (
            functools.partial(conv_transpose2d, a(1, 1, 2, 2), a(1, 1, 1, 1), **how),
            ValueError,
            f"^{names} must ask for no more than fits in memory",
        )
        for how, names in (
            ({"stride": (2**40, 1)}, "x, weight and stride"),
            ({"stride": (1, 2**40)}, "x, weight and stride"),
            ({"stride": 2**40, "output_padding": 1}, "x, weight, stride and output_padding"),
        )
    ),
    (lambda: conv_transpose2d(one, a(1, 0, 1, 1)), ValueError, "weight must hold a number, got"),
    (lambda: conv_transpose2d(one, a(1, 1, 0, 1)), ValueError, "weight must hold a number, got"),
    (
        lambda: MODEL.fit([(np.ma.masked_less(a(1, 1, 4, 4), 9), [0])], epochs=1),
        ValueError,
        r"X of batch 0 must have no masked numbers.*as X\.filled\(0\) does",
    ),
    (
        lambda: ConvTranspose2d(1, 1, 2, dilation=2**40, padding=2**39)(a(0, 1, 4, 4)),
        ValueError,
        r"must ask for no more than fits in memory, got the shape \(1099511627780",
    ),
    (lambda: SGD(momentum=0.9, nesterov=True), TypeError, "nesterov"),
    (lambda: Adam(betas=0.9), TypeError, "betas must be a pair of numbers.*got 0.9"),
    (lambda: Adam(betas=(0.9, 1.0)), ValueError, "betas must .*below 1, got 1.0"),
    (lambda: SGD().step(MODEL), TypeError, r"layers must .*got"),
    (lambda: Adam().step([ReLU(), "conv"]), TypeError, r"layers\[1\] must be a layer, got 'conv'"),
    (lambda: Adam().step(ReLU()), TypeError, "layers must be a list of layers.*got ReLU"),
    (lambda: OPTIMIZER.step(other.layers), ValueError, r"Conv2d.weight must .*got \(3, 1, 3, 3\)"),
]
other = CNN([Conv2d(1, 3, 3, rng=0), ReLU(), Flatten(), Linear(12, 3, rng=1)])
other.backward(np.ones_like(other(one)))


@pytest.mark.parametrize(("call", "kind", "pattern"), TOGETHER, ids=[case[2] for case in TOGETHER])
def test_arguments_that_are_wrong_together(call, kind, pattern):
    assert refused(call, kind, pattern) is None


STATE = MODEL.state_dict()
STATES = [
    ({}, ValueError, r"lacks \['0.bias', '0.weight', '3.bias', '3.weight'\]"),
    ({"0.weight": STATE["0.weight"]}, ValueError, r"lacks \['0.bias', '3.bias', '3.weight'\]"),
    ({**STATE, "4.weight": 1}, ValueError, r"has \['4.weight'\]"),
    ({**STATE, "weight": 1, 0: 2, None: 3}, ValueError, "has .*'weight'"),
    ({k: v for k, v in STATE.items() if k != "3.bias"}, ValueError, r"lacks \['3.bias'\]"),
    ({f"module.{k}": v for k, v in STATE.items()}, ValueError, "lacks"),
    ({**STATE, "3.bias": a(4)}, ValueError, r"3.bias'\] must .*\(3,\), got \(4,\)"),
    ({**STATE, "3.bias": a(3, 1)}, ValueError, r"3.bias'\] must .*\(3,\), got \(3, 1\)"),
    ({**STATE, "3.bias": a()}, ValueError, r"3.bias'\] must .*\(3,\), got \(\)"),
    ({**STATE, "3.weight": STATE["3.weight"].T}, ValueError, r"\(3, 8\), got \(8, 3\)"),
    ({**STATE, "0.weight": a(2, 3, 3, 1)}, ValueError, r"0.weight'\] must .*got \(2, 3, 3, 1\)"),
    ({**STATE, "3.bias": 1j * a(3)}, TypeError, r"3.bias'\] must .*got dtype complex128"),
    ({**STATE, "3.bias": list("abc")}, TypeError, r"3.bias'\] must .*got .*dtype <U1"),
    ({**STATE, "3.bias": None}, TypeError, r"3.bias'\] must .*got None"),
    ({**STATE, "3.bias": [1, [2], 3]}, ValueError, r"3.bias'\] must .*rectangular"),
    (list(STATE.items()), TypeError, "state must be a dictionary, got list"),
    (STATE.keys(), TypeError, "state must be a dictionary, got dict_keys"),
    (MODEL, TypeError, "state must be a dictionary, got CNN"),
    (dict, TypeError, "state must be a dictionary, got type"),
    (a(3), TypeError, "state must be a dictionary, got ndarray"),
]


@pytest.mark.parametrize(("state", "kind", "pattern"), STATES, ids=[case[2] for case in STATES])
def test_state_dictionaries(state, kind, pattern):
    assert refused(lambda: MODEL.load_state_dict(state), kind, pattern) is None


@pytest.mark.parametrize(
    "layer", [*(make("f4") for make, _ in LAYERS), CNN([ReLU()])], ids=lambda layer: repr(layer)
)
def test_a_wrong_call_order_is_a_runtime_error(layer):
    with pytest.raises(RuntimeError, match="backward needs a forward pass"):
        layer.backward(one)


@pytest.mark.parametrize("optimizer", [SGD(), Adam()])
def test_a_step_without_gradients_is_a_runtime_error(optimizer):
    layers = [ReLU(), Linear(1, 1, rng=0)]
    with pytest.raises(RuntimeError, match="step needs a backward pass"):
        optimizer.step(layers)
    assert optimizer.steps == 0
    assert not optimizer.memory


def test_a_refused_call_of_a_layer_leaves_what_it_remembers():
    for layer, bad in [
        (Conv2d(1, 1, 3, rng=0), {"x": a(1, 2, 4, 4)}),
        (MaxPool2d(2), {"x": a(4, 4)}),
        (Flatten(), {"x": 1.0}),
        (Dropout(rng=0), {"x": 2 * one, "train": True, "rng": "no"}),
        (ReLU(), {"x": 1j * one}),
    ]:
        before = layer.backward(np.ones_like(layer(one, train=True, rng=0)))
        with pytest.raises(REFUSALS, match="must"):
            layer(**bad)
        np.testing.assert_array_equal(layer.backward(np.ones_like(layer(one, True, 0))), before)


def outcome(call):
    """Return the result of a call and None, or None and what it was refused with."""
    try:
        return call(), None
    except REFUSALS as error:
        return None, str(error)


# Sizes at random, mostly right, with a plain statement of what is right: refused if not so.
SIZES = st.tuples(*[st.sampled_from([*[1, 2, 3] * 8, 0, -1])] * 2)
PADS = st.tuples(*[st.sampled_from([*[0, 0, 1] * 8, 2, -1])] * 2)
SIDES = st.tuples(*[st.integers(1, 7)] * 2)


@settings(max_examples=5 * settings().max_examples)  # of those drawn, few are quite right
@given(SIDES, SIZES, SIZES, SIZES, PADS, SIZES, st.integers(1, 2), st.integers(1, 2))
def test_conv2d_is_refused_if_and_only_if_it_is_wrong(sides, filters, k, s, p, d, groups, times):
    F, C = filters[0] * groups, max(0, filters[1])
    x, w = a(2, C * times, *sides), a(*(max(0, n) for n in (F, C, *k)))
    room = [h + 2 * b - g * (n - 1) - 1 for h, b, g, n in zip(sides, p, d, k, strict=True)]
    right = min(F, C, *k, *s, *d) >= 1 and min(*p, *room) >= 0 and groups == times
    y, error = outcome(lambda: conv2d(x, w, None, s, p, d, groups))
    if right:
        assert error is None
        assert y.shape == (2, F, room[0] // s[0] + 1, room[1] // s[1] + 1)
    else:
        assert re.match(r"(x|weight|stride|padding|dilation|groups) must .*got", error)


@settings(max_examples=5 * settings().max_examples)  # of those drawn, few are quite right
@given(SIDES, SIZES, SIZES, PADS, SIZES, st.booleans())
def test_pooling_is_refused_if_and_only_if_it_is_wrong(sides, k, s, p, d, largest):
    pool, options, d = (max_pool2d, {"dilation": d}, d) if largest else (avg_pool2d, {}, (1, 1))
    span = [g * (n - 1) + 1 for n, g in zip(k, d, strict=True)]
    room = [h + 2 * b - n for h, b, n in zip(sides, p, span, strict=True)]
    right = min(*k, *s, *d) >= 1 and min(*p, *room) >= 0
    right = right and 2 * p[0] <= span[0] and 2 * p[1] <= span[1]
    y, error = outcome(lambda: pool(a(2, 3, *sides), k, s, p, **options))
    if right:
        assert error is None
        assert y.shape == (2, 3, room[0] // s[0] + 1, room[1] // s[1] + 1)
    else:
        assert re.match(r"(x|kernel_size|stride|padding|dilation) must .*got", error)


# Anything at all for one or two arguments: a result, or a refusal that names an argument.
ODD = [
    *(*range(-3, 7), 2**40, 2**63, HUGE, -HUGE, 0.0, 0.5, -1.5, np.nan, np.inf, 5e-324, 1e308),
    *(True, False, None, "", "a", "same", "0.5", "f4,", b"", np.int8(-128), np.uint8(255)),
]
DTYPES = st.sampled_from(["f8", "f4", "f2", "i8", "u1", "?", "c16", "O", "U2", "M8[s]"])
ANYTHING = st.one_of(
    st.builds(np.ones, st.lists(st.integers(0, 4), max_size=5), DTYPES),
    st.sampled_from(ODD) | st.integers(0, 3),
    st.recursive(st.sampled_from(ODD), lambda inner: st.lists(inner, max_size=4), max_leaves=6),
    st.lists(st.sampled_from(ODD), max_size=3).map(tuple),
    st.integers(0, len(nonsense()) - 1).map(lambda n: nonsense()[n]),
)


@pytest.mark.slow
@pytest.mark.parametrize("name", VALID)
@settings(max_examples=30)
@given(data=st.data())
def test_anything_gives_a_result_or_a_refusal(name, data):
    call, right = valid(name)
    names = st.lists(st.sampled_from(sorted(right)), min_size=1, max_size=2)
    changes = {argument: data.draw(ANYTHING, argument) for argument in data.draw(names)}
    _, error = outcome(lambda: call(**{**right, **changes}))
    some = "|".join(right)
    named = rf"\b({some})\b.* must | must fit into ({some})\b"  # a layer's kernel, into x
    assert error is None or re.search(named, error, re.DOTALL)


def test_what_is_no_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").touch()
    values = [value for value in nonsense() if not isinstance(value, str | bytes)]
    numbers = [10**6, -1, 2.0, np.int64(10**6), HUGE, [], (), ["model"], a(2)]
    amiss = [
        f"{method.__name__}({short(value)}) -> {answer}"
        for method in (MODEL.save, CNN.load)
        for value, kind in [*cases((), [*values, *numbers]), *cases(["a\0b", b"a\0b"])]
        if (answer := refused(lambda: method(value), kind, "path must .*got"))  # noqa: B023
    ]
    assert not amiss, "\n" + "\n".join(amiss)
    assert len(values) + len(numbers) >= 50
    assert os.listdir() == ["model"]


def test_the_number_of_an_open_file_is_no_path(tmp_path):
    MODEL.save(tmp_path / "model")
    with open(tmp_path / "model", "rb") as file:
        for value in (file.fileno(), file):
            with pytest.raises(TypeError, match=r"path must .*got"):
                CNN.load(value)
        os.fstat(file.fileno())  # it is still open


# Errors speak of what the caller passed.
SIGNAL, KERNELS = a(1, 4, 9), a(6, 2, 3)
OF_ONE_DIMENSION = [
    (lambda: conv1d(a(1, 4, 2), KERNELS, groups=2), r"span of 3 .* of 2 \("),
    (lambda: conv1d(SIGNAL, KERNELS, groups=2, dilation=(5,)), r"span of 11 .* of 9 \("),
    (lambda: conv1d(SIGNAL, a(6, 2, 12), groups=2, padding=1), r"span of 12 .* of 11 \("),
    (lambda: conv1d(SIGNAL, KERNELS), r"x must have 2 channels .* got 4 in shape \(1, 4, 9\)$"),
    (lambda: conv1d(SIGNAL, KERNELS, groups=4), r"groups=4 kernels, got 6$"),
    (lambda: conv1d(SIGNAL, a(6, 2, 0), groups=2), r"weight must .* got shape \(6, 2, 0\)$"),
    (lambda: conv1d(SIGNAL, KERNELS, a(5), groups=2), r"\(6,\), .* got \(5,\)$"),
    (lambda: conv1d(SIGNAL, KERNELS, stride=0), "stride must be at least 1, got 0$"),
    (lambda: conv1d(SIGNAL, KERNELS, stride=(0,)), "stride must be at least 1, got 0$"),
    (lambda: conv1d(SIGNAL, KERNELS, None, 2, "same", 1, 2), "with padding='same', got 2$"),
    (lambda: conv1d(SIGNAL, KERNELS, None, (3,), "same", 1, 2), r"='same', got \(3,\)$"),
    (lambda: conv1d(SIGNAL, KERNELS, stride=(1, 2)), r"or a tuple of 1, got \(1, 2\)$"),
    (lambda: conv1d(SIGNAL, KERNELS, padding=[]), r"padding must .* a tuple of 1, got \[\]$"),
    (lambda: conv1d(SIGNAL, KERNELS, padding=2**45, groups=2), "padding must .*memory, got"),
    (lambda: conv1d(a(1, 4, 9, 1), KERNELS), r"\(N, C, L\), got \(1, 4, 9, 1\)$"),
    (lambda: conv1d(SIGNAL, a(6, 2, 3, 1)), r"\(F, C, k\), got \(6, 2, 3, 1\)$"),
]


@pytest.mark.parametrize(
    ("call", "pattern"), OF_ONE_DIMENSION, ids=[pattern for _, pattern in OF_ONE_DIMENSION]
)
def test_conv1d_speaks_of_one_dimension(call, pattern):
    with pytest.raises(ValueError, match=pattern) as caught:
        call()
    assert " x " not in str(caught.value)


def test_masks_that_hide_nothing_and_values_that_are_hidden():
    values = a(1, 1, 4, 4)
    clear = np.ma.array(values, mask=np.zeros(values.shape, bool))
    expected = max_pool2d(values, 2)
    for x in (clear, np.ma.array(values), [clear[0]], (np.ma.array(values[0]),)):
        y = max_pool2d(x, 2)
        assert type(y) is np.ndarray
        np.testing.assert_array_equal(y, expected)
    for hidden in (values > 0.9, values < 2):
        x = np.ma.array(values, mask=hidden)
        for wrong in (x, [x[0]], ([x[0, 0]],), Becomes(x)):
            with pytest.raises(
                ValueError, match=r"^x must have no masked numbers, got .*x\.filled"
            ):
                max_pool2d(wrong, 2)
        assert max_pool2d(x.filled(-9), 2).shape == expected.shape


class Becomes:
    """An object that turns into a masked array."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


def test_a_value_is_shown_on_one_line_and_not_at_any_length():
    for value in (
        "x" * 10**6,
        list(range(10**5)),
        {n: n for n in range(10**5)},
        a(40, 40).tolist(),
    ):
        with pytest.raises(TypeError, match=r"^stride must be an integer") as caught:
            max_pool2d(a(1, 1, 4, 4), 2, stride={"value": value})
        assert len(str(caught.value)) < 300
    with pytest.raises(TypeError) as caught:
        Dropout(a(3, 3))
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"^stride must be at most"):
        max_pool2d(a(1, 1, 4, 4), 2, stride=10**5000)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_a_matrix_of_seeds_is_an_array_of_seeds():
    weights = [
        Conv2d(1, 1, 3, rng=seeds).params["weight"]
        for seeds in (np.matrix([[1, 2]]), np.array([[1, 2]]))  # NumPy ends Python by the first
    ]
    assert (weights[0] == weights[1]).all()
