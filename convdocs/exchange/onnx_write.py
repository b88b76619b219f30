"""Models and weights to and from other libraries: ONNX, PyTorch and safetensors.

An ONNX file holds a graph of operators with its weights. `to_onnx` writes one node or a few for
each layer; `from_onnx` makes layers of a graph again, as `onnx_read` reads it. Weights alone
travel as a state dictionary, whose keys and shapes are those of ``torch.nn.Sequential``:
`CNN.load_state_dict` takes PyTorch's as it is, and a safetensors file holds nothing else.

Each function imports the library that it needs when it is called, and says which if it is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__, _args, _extras, store
from ..architecture import described
from ..cnn import CNN
from ..conv import Conv2d
from ..fc import Dropout, Flatten, Linear
from ..layer import fitting
from ..norm import BatchNorm2d
from ..pool import AvgPool2d, MaxPool2d
from ..windows import same_borders
from .onnx_read import TRACKED, layers_of

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from ..layer import Layer

    Path = str | os.PathLike[str]

OPSET, IR = 22, 10  # of 2024: the first whose pooling with ceil_mode is that of PyTorch
LARGEST = 2**31 - 1  # bytes of a protocol buffer, which an ONNX file is
STATISTICS = "running_mean", "running_var"


def to_onnx(
    model: CNN, path: Path, input_shape: tuple[int, ...], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a network as an ONNX file, which other programs run.

    The graph takes ``x``, any number of images, and gives ``y``. Weights have the names of
    `CNN.state_dict`, and nodes the numbers of their layers. Weights stay in their dtype, but ONNX
    Runtime convolves float32 only. With a dilation, ``padding='same'`` is written in numbers.

    Parameters
    ----------
    model : CNN
        Of the package's own layers.
    path : path-like
        Exactly this file is written, whole or not at all; ``.onnx`` is a fitting ending.
    input_shape : tuple of int
        (C, H, W) of one image.
    metadata : dict of str to str, optional
        What else a user of the file must know, such as the names of the classes.

    Raises
    ------
    ImportError
        If onnx is not installed.
    ValueError, TypeError
        If an argument cannot be right; the message names it, and nothing is written.

    Examples
    --------
    >>> import tempfile
    >>> from convdocs import ReLU
    >>> model = CNN([Conv2d(1, 4, 3, rng=0), ReLU(), Flatten(), Linear(144, 10, rng=1)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_onnx(model, f"{folder}/model.onnx", (1, 8, 8))
    ...     print(from_onnx(f"{folder}/model.onnx").layers[0].options == model.layers[0].options)
    True
    """
    onnx, make = _extras.library("onnx"), _extras.library("onnx.helper")
    layers, dtype, notes = _checked(model).layers, _dtype(model), _texts(metadata, model)
    kind = make.np_dtype_to_tensor_dtype(dtype)
    if not isinstance(input_shape, tuple | list) or not input_shape:
        raise ValueError(f"input_shape must be (C, H, W), got {input_shape!r}")
    y = np.empty((0, *(_args.integer("input_shape", n, 1) for n in input_shape)), dtype)
    values = [make.make_tensor_value_info("x", kind, ["N", *y.shape[1:]])]
    nodes, here = [], "x"
    for number, layer in enumerate(layers):
        rank = y.ndim
        with fitting("input_shape", number, layer):
            y = layer.forward(y)
        there = "y" if number == len(layers) - 1 else f"{number}.y"
        for op, inputs, output, how in _written(layer, f"{number}.", here, there, rank):
            name = f"{number}.{type(layer).__name__}.{op}"
            nodes.append(make.make_node(op, inputs, [output], name, **how))
        values.append(make.make_tensor_value_info(there, kind, ["N", *y.shape[1:]]))
        here = there
    if not layers:
        nodes.append(make.make_node("Identity", ["x"], ["y"]))
        values.append(make.make_tensor_value_info("y", kind, ["N", *y.shape[1:]]))
    arrays = {key: array for key, array in model.state_dict().items() if TRACKED not in key}
    for number, layer in enumerate(layers):
        if isinstance(layer, Dropout):
            if np.float32(layer.options["p"]) == 1:
                raise ValueError(f"layers[{number}].p must be below 1 for ONNX, got {layer!r}")
            arrays[f"{number}.ratio"] = np.array(layer.options["p"])
    weights = [onnx.numpy_helper.from_array(array, key) for key, array in arrays.items()]
    graph = make.make_graph(nodes, "CNN", values[:1], values[-1:], weights, value_info=values[1:-1])
    proto = make.make_model(
        graph,
        producer_name="convdocs",
        producer_version=__version__,
        opset_imports=[make.make_opsetid("", OPSET)],
        ir_version=IR,
    )
    make.set_model_props(proto, notes)
    onnx.checker.check_model(proto, full_check=True)
    content = proto.SerializeToString()
    with store.whole(path) as file:
        file.write(content)


def from_onnx(path: Path) -> CNN:
    """Return the network that an ONNX file holds, from whichever program it comes.

    It may be made of the operators of the package's layers, in a row from one input to one output.

    Parameters
    ----------
    path : path-like
        The file; weights may lie in another one beside it, as PyTorch writes large ones.

    Returns
    -------
    CNN

    Raises
    ------
    ImportError
        If onnx is not installed.
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged or of another kind, or has what the package has no layer for; the
        message lists all of it.
    """
    onnx, name = _extras.library("onnx"), store.name_of(path)
    try:
        proto = onnx.load(name, format="protobuf")
        onnx.checker.check_model(proto)
    except OSError:
        raise
    except Exception as error:  # a damaged file can fail in any way
        raise ValueError(f"path must be a whole ONNX file, got {name!r}: {error}") from error
    layers, problems = layers_of(proto)
    if problems:
        need = "path must be a graph of the package's layers in a row"
        raise ValueError(f"{need}, got {name!r}, which has {'; '.join(problems)}")
    return CNN(layers)


def to_torch(model: CNN) -> Any:
    """Return the same network in PyTorch, with a copy of the weights, ready for inference.

    The way back is ``model.load_state_dict(net.state_dict())``; from a GPU, ``net.cpu()`` first.

    Parameters
    ----------
    model : CNN
        Of the package's own layers.

    Returns
    -------
    torch.nn.Sequential
        Call its ``train()`` before you train it.

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    """
    torch, layers = _extras.library("torch"), []
    for kind, options in described(_checked(model).layers):
        dtype = {"dtype": getattr(torch, options["dtype"])} if "dtype" in options else {}
        layers.append(getattr(torch.nn, kind)(**options | dtype))
    net = torch.nn.Sequential(*layers)
    net.load_state_dict({key: torch.from_numpy(a) for key, a in model.state_dict().items()})
    return net.eval()


def save_safetensors(model: CNN, path: Path) -> None:
    """Write the weights alone as a safetensors file, under the names of `CNN.state_dict`.

    Parameters
    ----------
    model : CNN
        The network.
    path : path-like
        Exactly this file is written, whole or not at all.

    Raises
    ------
    ImportError
        If safetensors is not installed.
    """
    content = _extras.library("safetensors.numpy").save(_checked(model).state_dict())
    with store.whole(path) as file:
        file.write(content)


def load_safetensors(model: CNN, path: Path) -> None:
    """Overwrite all weights of a network by those of a safetensors file.

    Parameters
    ----------
    model : CNN
        A network of the same architecture.
    path : path-like
        The file, of `save_safetensors` or of PyTorch.

    Raises
    ------
    ImportError
        If safetensors is not installed.
    FileNotFoundError
        If there is no such file.
    ValueError, TypeError
        If the file is damaged, or lacks a weight, or has one too many or of another shape;
        nothing is changed then.
    """
    library, name = _extras.library("safetensors.numpy"), store.name_of(path)
    with open(name, "rb") as file:
        content = file.read()
    try:
        state = library.load(content)
    except Exception as error:  # a damaged file can fail in any way
        raise ValueError(f"path must be a whole safetensors file, got {name!r}: {error}") from error
    try:
        _checked(model).load_state_dict(state)
    except ValueError as error:
        raise ValueError(f"path must hold this network's weights, got {name!r}: {error}") from None


def _checked(model: CNN) -> CNN:
    if not isinstance(model, CNN):
        raise TypeError(f"model must be a CNN, got {model!r}")
    return model


def _dtype(model: CNN) -> np.dtype[Any]:
    """Return the one dtype of all weights, which may not be too many for a file."""
    every = [array for layer in model.layers for array in layer.params.values()]
    size = sum(array.nbytes for array in every)
    if size > LARGEST:
        raise ValueError(f"model must have less than 2 GB of weights for ONNX, got {size:,} bytes")
    described(model.layers)
    kinds = sorted({array.dtype.name for array in every}) or ["float32"]
    if len(kinds) > 1:
        raise ValueError(f"model must have weights of one dtype for ONNX, got {kinds}")
    return np.dtype(kinds[0])


def _texts(metadata: Mapping[str, str] | None, model: CNN) -> dict[str, str]:
    """Return all metadata: the caller's, and the buffers that no operator takes."""
    try:
        given = dict(metadata or {})
    except (TypeError, ValueError):
        raise TypeError(f"metadata must be a dictionary, got {metadata!r}") from None
    for item in given.items():
        if not all(isinstance(each, str) for each in item):
            raise TypeError(f"metadata must hold text under names, got {item!r}")
    state = model.state_dict()
    ours = {key: str(array) for key, array in state.items() if TRACKED in key}
    if both := ours.keys() & given.keys():
        raise ValueError(f"metadata must have other names than buffers, got {sorted(both)}")
    return given | ours


def _written(
    layer: Layer, prefix: str, here: str, there: str, rank: int
) -> list[tuple[str, list[str], str, dict[str, Any]]]:
    """Return a layer's nodes: operator, inputs, output and attributes."""
    o, keys = layer.options, [prefix + name for name in layer.params]
    slide = {}
    if "kernel_size" in o:
        top, left = o["padding"] if isinstance(o["padding"], tuple) else (0, 0)
        slide = {"kernel_shape": o["kernel_size"], "strides": o["stride"]}
        slide["pads"] = (top, left, top, left)
    match layer:
        case Conv2d():
            how = slide | {"dilations": o["dilation"], "group": o["groups"]}
            if o["padding"] == "same" and o["dilation"] != (1, 1):  # ONNX Runtime wants numbers
                (top, bottom), (left, right) = same_borders(o["kernel_size"], o["dilation"])
                how["pads"] = top, left, bottom, right
            elif isinstance(o["padding"], str):
                how["auto_pad"] = {"same": "SAME_UPPER", "valid": "VALID"}[o["padding"]]
                del how["pads"]
            return [("Conv", [here, *keys], there, how)]
        case MaxPool2d():
            how = slide | {"dilations": o["dilation"], "ceil_mode": int(o["ceil_mode"])}
            return [("MaxPool", [here], there, how)]
        case AvgPool2d():
            how = {name: int(o[name]) for name in ("ceil_mode", "count_include_pad")}
            return [("AveragePool", [here], there, slide | how)]
        case BatchNorm2d():
            inputs = [here, *keys, *(prefix + name for name in STATISTICS)]
            how = {"epsilon": o["eps"], "momentum": 1 - o["momentum"]}  # ONNX: the old one's share
            return [("BatchNormalization", inputs, there, how)]
        case Linear() if rank == 2:
            return [("Gemm", [here, *keys], there, {"transB": 1})]
        case Linear():  # along the last of more axes
            turned, product = prefix + "turned", prefix + "product" if o["bias"] else there
            nodes = [("Transpose", keys[:1], turned, {"perm": (1, 0)})]
            nodes.append(("MatMul", [here, turned], product, {}))
            return nodes + [("Add", [product, key], there, {}) for key in keys[1:]]
        case Dropout():
            return [("Dropout", [here, prefix + "ratio"], there, {})]
        case Flatten():
            return [("Flatten", [here], there, {"axis": 1})]
    return [("Relu", [here], there, {})]
