"""Weights to and from PyTorch and safetensors files, under the names of ``torch.nn.Sequential``.

A safetensors file is a state dictionary and nothing else: the length of a header, the header in
JSON, which says of each array its dtype, its shape and where it lies, and the numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import _args, _extras, store
from .._args import Array, Path
from ..architecture import described
from ..network import Network

DTYPES = {  # safetensors' names; BF16 is read as the upper half of a float32
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}


def native(array: Array) -> Array:
    """Return an array in this machine's order of bytes, which is all that other libraries take."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def to_torch(model: Network) -> Any:
    """Return the same network in PyTorch, with a copy of the weights, ready for inference.

    The way back is ``model.load_state_dict(net.state_dict())``; from a GPU, ``net.cpu()`` first.

    Parameters
    ----------
    model : CNN or another Network
        Of the package's own layers.

    Returns
    -------
    torch.nn.Sequential
        Call its ``train()`` before you train it.

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    ValueError, TypeError
        If ``model`` is no network, or a layer not one of the package's own, or one that pools with
        more padding than PyTorch takes.
    """
    torch = _extras.library("torch")
    state = {key: native(array) for key, array in network(model).state_dict().items()}
    net = torch.nn.Sequential(*_modules(described(model.layers)))
    net.load_state_dict({key: torch.from_numpy(array) for key, array in state.items()})
    return net.eval()


def _modules(description: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Any]:
    """Return PyTorch's layers of a description."""
    import torch

    from .torch_residual import Residual

    modules = []
    for kind, described_options in description:
        options = dict(described_options)
        if kind == "Residual":
            rows = {way: row and _modules(row) for way, row in options.items()}
            modules.append(Residual(**rows))
            continue
        if kind == "MaxPool2d" and _wider(options):
            need = "model must have no padding beyond half a kernel, which PyTorch refuses"
            raise ValueError(f"{need}, got {kind} with {options}")
        if "dtype" in options:
            options["dtype"] = getattr(torch, options["dtype"])
        modules.append(getattr(torch.nn, kind)(**options))
    return modules


def _wider(options: Mapping[str, Any]) -> bool:
    """Tell whether pooling pads by more than half its kernel, which dilation makes possible."""
    sides = zip(options["padding"], options["kernel_size"], strict=True)
    return any(2 * padding > kernel for padding, kernel in sides)


def save_safetensors(model: Network, path: Path) -> None:
    """Write the weights alone as a safetensors file, under the names of `CNN.state_dict`.

    Parameters
    ----------
    model : CNN or another Network
    path : path-like
        Exactly this file is written, whole or not at all.

    Raises
    ------
    ImportError
        If safetensors is not installed.
    ValueError, TypeError
        If ``model`` is no network or has weights that such files cannot hold, or ``path`` is no
        path to a file.
    OSError
        If no file can be written there.
    """
    safetensors = _extras.library("safetensors.numpy")
    state = network(model).state_dict()
    for key, array in state.items():
        if array.dtype.itemsize > 8:
            need = "model must have weights of at most 64 bits for safetensors"
            raise ValueError(f"{need}, got {array.dtype} in {key!r}")
    content = safetensors.save(state)
    with store.whole(path) as file:
        file.write(content)


def load_safetensors(model: Network, path: Path) -> None:
    """Overwrite all weights of a network by those of a safetensors file.

    Numbers of half the width, ``float16`` and ``bfloat16``, are read exactly: each is also a number
    of ``float32``. Of quarter width and less there is nothing to read them with.

    Parameters
    ----------
    model : CNN or another Network
        Of the same architecture.
    path : path-like
        The file, of `save_safetensors` or of PyTorch.

    Raises
    ------
    ImportError
        If safetensors is not installed.
    FileNotFoundError
        If there is no such file.
    ValueError, TypeError
        If the file is damaged, or lacks a weight, or has one too many or of another shape, or of a
        dtype that cannot be read; nothing is changed then.
    """
    library = _extras.library("safetensors")
    network(model)
    name = store.readable(path, "a whole safetensors file")
    with open(name, "rb") as file:
        try:
            content = file.read()
            tensors = dict(library.deserialize(content))
            _refuse_doubles(content)
        except Exception as error:  # a damaged file can fail in any way
            need = "path must be a whole safetensors file"
            raise ValueError(f"{need}, got {name!r}: {error}") from error
    try:
        model.load_state_dict({key: _array(key, tensor) for key, tensor in tensors.items()})
    except (ValueError, TypeError) as error:
        need = "path must hold this network's weights"
        raise type(error)(f"{need}, got {name!r}: {error}") from None


def network(model: Network) -> Network:
    """Return ``model``, and refuse what is no network."""
    if not isinstance(model, Network):
        raise TypeError(f"model must be a CNN, got {_args.shown(model)}")
    return model


def _array(key: str, tensor: dict[str, Any]) -> Array:
    """Return the numbers of one entry of a file."""
    kind = tensor["dtype"]
    if kind not in DTYPES:
        need = f"state[{key!r}] must hold float64, float32, float16, bfloat16 or integers"
        raise ValueError(f"{need}, got {kind}")
    array = np.frombuffer(tensor["data"], DTYPES[kind]).reshape(tensor["shape"])
    if kind == "BF16":
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array


def _refuse_doubles(content: bytes) -> None:
    """Refuse a header that names an array twice: libraries differ in which of them they take."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        entry = {}
        for name, value in pairs:
            if name in entry:
                raise ValueError(f"it names {name!r} twice")
            entry[name] = value
        return entry

    length = int.from_bytes(content[:8], "little")
    json.loads(content[8 : 8 + length], object_pairs_hook=once)
