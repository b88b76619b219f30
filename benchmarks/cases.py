"""What is measured: the same work for this package and for every competitor that is installed.

Each case gives a dictionary from a competitor's name to a function without arguments. Ours comes
first. All compute in float32, from arrays in the order that each of them prefers.
"""

import functools
import importlib.util
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convdocs import (
    CNN,
    SGD,
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Linear,
    MaxPool2d,
    ReLU,
    Residual,
    conv2d,
    conv2d_backward,
    cross_entropy,
    cross_entropy_backward,
)
from convdocs.exchange import to_torch
from convdocs.layer import Layer

Floats = NDArray[np.float32]
Run = Callable[[], object]
Runs = dict[str, Run]


class Shape(NamedTuple):
    """A convolution of square images by square kernels."""

    batch: int
    channels: int
    side: int
    kernels: int
    kernel: int
    stride: int
    padding: int


class Case(NamedTuple):
    """What is timed, in a table with others of its group."""

    group: str
    name: str


TORCH = importlib.util.find_spec("torch") is not None
ONNX = importlib.util.find_spec("onnxruntime") is not None
STEPS = 16  # batches in an epoch of a training benchmark
TRAINING, BY_HAND = "training step", "training step by hand"  # times are those of an epoch

LAYERS = {
    "LeNet 5x5, 1 to 6": Shape(64, 1, 28, 6, 5, 1, 2),
    "LeNet 5x5, 6 to 16": Shape(64, 6, 14, 16, 5, 1, 0),
    "CIFAR 3x3, 3 to 32": Shape(32, 3, 32, 32, 3, 1, 1),
    "CIFAR 3x3, 32 to 64": Shape(32, 32, 16, 64, 3, 1, 1),
    "ResNet 3x3, 64 to 64": Shape(8, 64, 56, 64, 3, 1, 1),
    "ResNet 3x3, 128 to 128": Shape(8, 128, 28, 128, 3, 1, 1),
    "ResNet 3x3, 64 to 128, stride 2": Shape(8, 64, 56, 128, 3, 2, 1),
    "ResNet 1x1, 64 to 256": Shape(8, 64, 56, 256, 1, 1, 0),
    "AlexNet 11x11, 3 to 64, stride 4": Shape(8, 3, 224, 64, 11, 4, 2),
    "AlexNet 5x5, 64 to 192": Shape(8, 64, 27, 192, 5, 1, 2),
}
GROWTH = {  # the middle one of each row is the same layer
    "image side": [Shape(16, 32, side, 32, 3, 1, 1) for side in (14, 28, 56)],
    "channels": [Shape(16, c, 28, c, 3, 1, 1) for c in (16, 32, 64)],
    "batch": [Shape(n, 32, 28, 32, 3, 1, 1) for n in (8, 16, 32)],
}
PHOTOS = {"0.3 megapixels": (480, 640), "3 megapixels": (1536, 2048), "12 megapixels": (3000, 4000)}


def lenet(rng: np.random.Generator) -> CNN:
    """Return LeNet-5 in the form that is trained today."""
    return CNN([
        *(Conv2d(1, 6, 5, padding=2, rng=rng), ReLU(), MaxPool2d(2)),
        *(Conv2d(6, 16, 5, rng=rng), ReLU(), MaxPool2d(2), Flatten()),
        *(Linear(400, 120, rng=rng), ReLU(), Linear(120, 84, rng=rng), ReLU()),
        Linear(84, 10, rng=rng),
    ])  # fmt: skip


def digits(rng: np.random.Generator) -> CNN:
    """Return the network for digits of 8 x 8 pixels."""
    return CNN([
        *(Conv2d(1, 8, 3, padding=1, rng=rng), ReLU(), MaxPool2d(2)),
        *(Conv2d(8, 16, 3, padding=1, rng=rng), ReLU(), Flatten()),
        Linear(16 * 4 * 4, 10, rng=rng),
    ])  # fmt: skip


def lecture(rng: np.random.Generator) -> CNN:
    """Return the lecture's network for pictures of 32 x 32 pixels."""
    return CNN([
        *(Conv2d(1, 8, 5, rng=rng), ReLU(), MaxPool2d(2)),
        *(Conv2d(8, 16, 5, rng=rng), ReLU(), MaxPool2d(2), Flatten()),
        Linear(16 * 5 * 5, 10, rng=rng),
    ])  # fmt: skip


NETWORKS = {
    "LeNet-5, batch 32": (lenet, 28, 32),
    "LeNet-5, batch 64": (lenet, 28, 64),
    "LeNet-5, batch 256": (lenet, 28, 256),
    "digits of 8 x 8, batch 32": (digits, 8, 32),
    "the lecture's of 32 x 32, batch 50": (lecture, 32, 50),
}


def training(
    network: Callable[[np.random.Generator], CNN], side: int, batch: int, by_hand: bool = False
) -> Runs:
    """Return epochs of `STEPS` steps: shuffle, forward, loss, backward, SGD.

    Ours is ``model.fit``, or the same steps written by hand, as PyTorch's are.
    """
    rng = np.random.default_rng(0)
    X = rng.random((STEPS * batch, 1, side, side), np.float32)
    y = rng.integers(0, 10, len(X))
    model = network(rng)
    optimizer = SGD(lr=0.01)

    def fit() -> None:
        model.fit(X, y, epochs=1, batch_size=batch, rng=rng, optimizer=optimizer)

    def steps() -> None:
        for some in np.split(rng.permutation(len(X)), STEPS):
            scores = model(X[some], train=True)
            cross_entropy(scores, y[some])
            model.backward(cross_entropy_backward(scores, y[some]))
            optimizer.step(model.layers)

    runs: Runs = {"convdocs": steps if by_hand else fit}
    if TORCH:
        import torch

        theirs = to_torch(model).train()
        descent = torch.optim.SGD(theirs.parameters(), lr=0.01)
        images = torch.from_numpy(X)
        labels = torch.from_numpy(y)

        def epoch() -> None:
            for some in torch.randperm(len(images)).split(batch):
                descent.zero_grad()
                scores = theirs(images[some])
                loss = torch.nn.functional.cross_entropy(scores, labels[some])
                loss.backward()
                descent.step()
                loss.item()

        runs["PyTorch"] = epoch
    return runs


def prediction(network: Callable[[np.random.Generator], CNN], side: int, count: int) -> Runs:
    """Return the classes of so many images, 256 at a time."""
    rng = np.random.default_rng(0)
    X = rng.random((count, 1, side, side), np.float32)
    model = network(rng)
    runs: Runs = {"convdocs": lambda: model.predict(X)}
    if TORCH:
        import torch

        theirs = to_torch(model)
        images = torch.from_numpy(X)

        def classes() -> None:
            with torch.no_grad():
                torch.cat([theirs(some).argmax(dim=1) for some in images.split(256)])

        runs["PyTorch"] = classes
    return runs


def layer(shape: Shape, backward: bool) -> Runs:
    """Return one layer, forward, or forward and backward for images, weight and bias."""
    N, C, side, F, k, stride, padding = shape
    rng = np.random.default_rng(0)
    laid = rng.standard_normal((C, side, side, N), np.float32)
    x = laid.transpose(3, 0, 1, 2)  # as a layer of ours hands it to the next
    w = rng.standard_normal((F, C, k, k), np.float32)
    b = rng.standard_normal(F, np.float32)
    y = conv2d(x, w, b, stride, padding)
    dy = np.ones_like(y)  # in y's order
    side_out = y.shape[2]

    def ours() -> None:
        conv2d(x, w, b, stride, padding)
        if backward:
            conv2d_backward(dy, x, w, stride, padding)

    kernels = w.reshape(F, -1)
    patches = rng.standard_normal((C * k * k, side_out * side_out * N), np.float32)
    places = np.empty((F, patches.shape[1]), np.float32)
    dpatches = np.empty_like(patches)

    def product() -> None:
        np.matmul(kernels, patches, out=places)
        if backward:
            places @ patches.T
            np.matmul(kernels.T, places, out=dpatches)

    runs: Runs = {"convdocs": ours}
    if TORCH:
        import torch

        tensor = torch.from_numpy(np.ascontiguousarray(x)).requires_grad_(backward)
        weight, bias = (torch.from_numpy(a).requires_grad_(backward) for a in (w, b))
        grad = torch.from_numpy(np.ascontiguousarray(dy))

        def theirs() -> None:
            out = torch.nn.functional.conv2d(tensor, weight, bias, stride, padding)
            if backward:
                torch.autograd.grad(out, (tensor, weight, bias), grad)

        runs["PyTorch"] = theirs
    if ONNX and not backward:
        runs["ONNX Runtime"] = _session(np.ascontiguousarray(x), w, b, stride, padding)
    runs["bare product"] = product
    return runs


def single(make: Callable[[np.random.Generator], Layer], shape: tuple[int, int, int, int]) -> Runs:
    """Return a layer in training, forward and backward for its input and its parameters."""
    rng = np.random.default_rng(0)
    N, *maps = shape
    x = rng.standard_normal((*maps, N), np.float32).transpose(3, 0, 1, 2)
    ours = make(rng)
    dy = np.ones_like(ours(x, train=True))

    def steps() -> None:
        ours(x, train=True)
        ours.backward(dy)

    runs: Runs = {"convdocs": steps}
    if TORCH:
        import torch

        theirs = to_torch(CNN([ours])).train()
        tensor = torch.from_numpy(np.ascontiguousarray(x)).requires_grad_()
        grad = torch.from_numpy(np.ascontiguousarray(dy))
        wanted = (tensor, *theirs.parameters())
        runs["PyTorch"] = lambda: torch.autograd.grad(theirs(tensor), wanted, grad)
    return runs


def block(C: int, rng: np.random.Generator) -> Layer:
    """Return a residual block of two convolutions, as in ResNet."""
    first, second = (Conv2d(C, C, 3, padding=1, bias=False, rng=rng) for _ in range(2))
    return Residual([first, BatchNorm2d(C), ReLU(), second, BatchNorm2d(C)])


SINGLE: dict[str, tuple[Callable[[np.random.Generator], Layer], tuple[int, int, int, int]]] = {
    "residual block, 16 maps of 32 x 32": (functools.partial(block, 16), (32, 16, 32, 32)),
    **{  # the blocks of ResNet-18, stage by stage
        f"residual block, {C} maps of {side} x {side}": (
            functools.partial(block, C),
            (16, C, side, side),
        )
        for C, side in ((64, 56), (128, 28), (256, 14), (512, 7))
    },
    "transposed 4x4, 64 to 16, stride 2": (
        lambda rng: ConvTranspose2d(64, 16, 4, 2, 1, rng=rng),
        (16, 64, 16, 16),
    ),
    "transposed 4x4, 512 to 256, stride 2": (
        lambda rng: ConvTranspose2d(512, 256, 4, 2, 1, rng=rng),
        (16, 512, 8, 8),
    ),
    "transposed 2x2, 64 to 32, stride 2": (
        lambda rng: ConvTranspose2d(64, 32, 2, 2, rng=rng),
        (16, 64, 16, 16),
    ),
    "transposed 3x3, 32 to 32": (
        lambda rng: ConvTranspose2d(32, 32, 3, 1, 1, rng=rng),
        (16, 32, 28, 28),
    ),
}


def edges(height: int, width: int) -> Runs:
    """Return edge detection on one grey photograph: Sobel's two kernels of 3 x 3."""
    from scipy import signal

    photo = np.random.default_rng(0).random((height, width), np.float32)
    across = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
    kernels = np.stack([across, across.T])
    x = photo[None, None]
    w = kernels[:, None]
    runs: Runs = {"convdocs": lambda: conv2d(x, w)}
    if TORCH:
        import torch

        tensor = torch.from_numpy(x)
        weight = torch.from_numpy(w)
        runs["PyTorch"] = lambda: torch.nn.functional.conv2d(tensor, weight)
    if ONNX:
        runs["ONNX Runtime"] = _session(x, w, np.zeros(2, np.float32), 1, 0)
    runs["SciPy correlate2d"] = lambda: [signal.correlate2d(photo, k, "valid") for k in kernels]
    runs["SciPy correlate"] = lambda: [signal.correlate(photo, k, "valid") for k in kernels]
    return runs


def _session(x: Floats, w: Floats, b: Floats, stride: int, padding: int) -> Run:
    """Return ONNX Runtime's run of one convolution."""
    import onnx
    import onnxruntime
    from onnx import helper, numpy_helper

    node = helper.make_node(
        "Conv", ["x", "w", "b"], ["y"], strides=[stride] * 2, pads=[padding] * 4
    )
    values = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in "xy"]
    fixed = [numpy_helper.from_array(a, n) for a, n in ((w, "w"), (b, "b"))]
    graph = helper.make_graph([node], "conv", values[:1], values[1:], fixed)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return lambda: session.run(None, {"x": x})


CASES: dict[Case, Callable[[], Runs]] = {
    **{
        Case(group, name): functools.partial(training, *network, by_hand=by_hand)
        for group, by_hand in ((TRAINING, False), (BY_HAND, True))
        for name, network in NETWORKS.items()
    },
    Case("prediction, 10,000 images", "LeNet-5"): functools.partial(prediction, lenet, 28, 10_000),
    **{
        Case(f"layer, {name}", key): functools.partial(layer, shape, backward)
        for name, backward in (("forward", False), ("forward and backward", True))
        for key, shape in LAYERS.items()
    },
    **{
        Case("residual and transposed", key): functools.partial(single, *one)
        for key, one in SINGLE.items()
    },
    **{
        Case("edge detection", key): functools.partial(edges, *size) for key, size in PHOTOS.items()
    },
    **{
        Case(
            "growth, forward and backward",
            f"{kind}: {shape.batch} x {shape.channels} x {shape.side} x {shape.side}",
        ): functools.partial(layer, shape, True)
        for kind, shapes in GROWTH.items()
        for shape in shapes
    },
}
