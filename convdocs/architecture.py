"""A network as plain text, and back: the kind and the options of each layer.

`KINDS` is the one table of the package's layers. What stands in it can be saved and loaded, and
goes to and comes from other libraries; what does not is refused by name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from . import _args
from ._args import Array, shown
from .activation import LeakyReLU, ReLU, Sigmoid, Tanh
from .conv import Conv2d
from .fc import Dropout, Flatten, Linear
from .layer import Layer, blank, check_rows
from .norm import BatchNorm2d
from .pool import AvgPool2d, MaxPool2d
from .residual import Residual
from .transposed import ConvTranspose2d

FEW = 100  # keys that a message shows
COUNTER = "num_batches_tracked"  # the one buffer that only counts: some files do without it


class Kind(NamedTuple):
    """A kind of layer, and how other libraries know it.

    In PyTorch it has the name and the options of the class here. ``operator`` is ONNX's name;
    ``attributes`` says which attribute holds which option, if an operator of one input, and
    nothing else, is the whole layer. Any other has a writer and a reader of its own in `exchange`.
    ``single`` says that ONNX Runtime computes the operator in float32 alone.
    """

    layer: type[Layer]  #: Its class here.
    operator: str  #: ONNX's name of it.
    attributes: Mapping[str, str] | None = None  #: Which attribute holds which option.
    single: bool = False  #: Whether ONNX Runtime computes it in float32 alone.


KINDS = (
    Kind(Conv2d, "Conv", single=True),
    Kind(ConvTranspose2d, "ConvTranspose", single=True),
    Kind(MaxPool2d, "MaxPool"),
    Kind(AvgPool2d, "AveragePool", single=True),
    Kind(BatchNorm2d, "BatchNormalization"),
    Kind(Linear, "Gemm"),
    Kind(Flatten, "Flatten"),
    Kind(ReLU, "Relu", {}),
    Kind(LeakyReLU, "LeakyRelu", {"negative_slope": "alpha"}, single=True),
    Kind(Sigmoid, "Sigmoid", {}),
    Kind(Tanh, "Tanh", {}),
    Kind(Dropout, "Dropout"),
    Kind(Residual, "Add"),
)


def kind_of(where: str, layer: Layer) -> Kind:
    """Return the row of a network's layer in the table, or refuse the layer by its place."""
    for kind in KINDS:
        if type(layer) is kind.layer:
            return kind
    names = ", ".join(kind.layer.__name__ for kind in KINDS)
    raise TypeError(f"{where} must be a layer of convdocs ({names}), got {layer!r}")


def described(layers: Sequence[Layer], where: str = "layers") -> list[tuple[str, dict[str, Any]]]:
    """Return the kind and the options of each layer, and refuse what these would not rebuild.

    Nothing is drawn, and no memory is taken.

    Parameters
    ----------
    layers : sequence of layers
    where : str
        What errors call them.

    Returns
    -------
    list of (str, dict)
        The name of a class and the arguments that build it; nothing but plain text and numbers.

    Raises
    ------
    TypeError
        If a layer is none of the package's own.
    ValueError
        If a layer's arrays are not as its options would build them.

    Examples
    --------
    >>> described([ReLU(), Dropout(0.1)])
    [('ReLU', {}), ('Dropout', {'p': 0.1})]
    """
    description = []
    for number, layer in enumerate(layers):
        place = f"{where}[{number}]"
        kind = kind_of(place, layer)
        options = dict(layer.options)
        if isinstance(layer, Residual):  # its options are rows of layers
            options = {
                "layers": described(layer.body, f"{place}.body"),
                "shortcut": described(layer.shortcut, f"{place}.shortcut") or None,
            }
        entry = kind.layer.__name__, options
        like = blank(partial(_built, number, entry))
        given, built = _shapes(layer, place), _shapes(like, place)
        if given != built:
            need = f"{place}.params must be as {layer!r} builds them, {built}"
            raise ValueError(f"{need}, got {given}")
        description.append((kind.layer.__name__, options))
    return description


def rebuilt(description: Any, arrays: Mapping[str, ArrayLike]) -> list[Layer]:
    """Return the layers of a description, with these arrays as their parameters and buffers.

    Nothing is drawn, and no memory is taken for what the description says alone: the arrays are
    compared with it first. Arrays of the right dtype are taken as they are, not copied.

    Parameters
    ----------
    description : list of (str, dict)
        As `described` returns it, or whatever else a file holds.
    arrays : dict of str to array_like
        As `CNN.state_dict` names them.

    Returns
    -------
    list of layers

    Raises
    ------
    ValueError, TypeError
        If the description is none, or other arrays belong to it; the message says which.

    Examples
    --------
    >>> text = [("Linear", {"in_features": 2, "out_features": 1, "bias": False})]
    >>> (layer,) = rebuilt(text, {"0.weight": [[3, 4]]})
    >>> print(layer([1, 2]))
    [11.]
    """
    if not isinstance(description, list | tuple):
        raise TypeError(f"layers must be a list, got {shown(description)}")
    try:
        layers = blank(lambda: [_built(number, entry) for number, entry in enumerate(description)])
        ours = named_arrays(layers)
    except RecursionError as error:
        raise ValueError(f"layers must not be nested as deep as this: {error}") from None
    state = agreeing(ours, arrays)
    for number, layer in enumerate(layers):
        for group in (layer.params, layer.buffers):
            for name, like in group.items():
                group[name] = np.require(state[f"{number}.{name}"], like.dtype, ["C", "W"])
    return layers


def named_arrays(layers: Iterable[Layer], where: str = "layers") -> dict[str, Array]:
    """Return the live parameters and buffers of all layers, as a state dictionary names them."""
    layers = list(layers)
    check_rows(**{where: layers})
    return {
        f"{number}.{name}": array
        for number, layer in enumerate(layers)
        for name, array in _arrays(layer, f"{where}[{number}]").items()
    }


def writable(ours: Mapping[str, Array]) -> None:
    """Refuse arrays that cannot be written to."""
    for key, array in ours.items():
        if not array.flags.writeable:
            raise ValueError(f"layers must have arrays to write to, got {key!r} for reading alone")


def agreeing(ours: Mapping[str, Array], state: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """Return the arrays of a state dictionary in the dtypes of ``ours``, or say what differs.

    Parameters
    ----------
    ours : dict of str to ndarray
        Arrays of the names, shapes and dtypes that the state must have.
    state : dict of str to array_like

    Returns
    -------
    dict of str to ndarray
        The arrays of ``state``; copies only where the dtype is another. A counter of batches that
        is lacking, as old versions of PyTorch had none, is that of ``ours``.

    Raises
    ------
    ValueError, TypeError
        If a key is missing or superfluous, or an array has another shape or no real numbers, or a
        count of batches is no integer.
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"state must be a dictionary, got {type(state).__name__}")
    counters = {key for key in ours if key.endswith(f".{COUNTER}")} - state.keys()
    state = {**state, **{key: ours[key] for key in counters}}
    wrong = {"lacks": ours.keys() - state.keys(), "has": state.keys() - ours.keys()}
    if any(wrong.values()):
        found = [f"{how} {_listed(keys)}" for how, keys in wrong.items() if keys]
        prefix = _prefix(ours, state.keys() - counters)
        hint = (
            f"; without {prefix!r} at the beginning of each they would be right" if prefix else ""
        )
        need = f"state must have the keys {_listed(ours)}"
        raise ValueError(f"{need}, it {' and '.join(found)}{hint}")
    theirs = {key: _args.numbers(f"state[{key!r}]", state[key]) for key in ours}
    for key, array in ours.items():
        if theirs[key].shape != array.shape:
            need = f"state[{key!r}] must have the shape {array.shape}"
            raise ValueError(f"{need}, got {theirs[key].shape}")
    with np.errstate(all="ignore"):  # too large for float32 is inf, too small is 0
        arrays = {key: theirs[key].astype(ours[key].dtype, copy=False) for key in ours}
    for key, array in arrays.items():
        if array.dtype.kind == "i" and ((array != theirs[key]) | (array < 0)).any():
            raise ValueError(f"state[{key!r}] must hold {array.dtype}, got {shown(theirs[key])}")
    return arrays


def _prefix(ours: Mapping[str, Array], theirs: Collection[Any]) -> str:
    """Return what stands before all keys of a state dictionary, if they fit but for that."""
    needed = {key for key in ours if not key.endswith(f".{COUNTER}")}
    shortest = min(needed, key=len, default="")
    prefixes = {str(key).removesuffix(shortest) for key in theirs if str(key).endswith(shortest)}
    for prefix in filter(None, prefixes):
        if all(f"{prefix}{key}" in theirs for key in needed):
            return prefix if {f"{prefix}{key}" for key in ours} >= set(theirs) else ""
    return ""


def _listed(keys: Collection[Any]) -> str:
    """Return keys as a message shows them: in order, and not at any length."""
    names = [repr(key) for key in sorted(keys, key=str)]
    return f"[{', '.join(names[:FEW] + ['...'] * (len(names) > FEW))}]"


def _built(number: int, entry: Any) -> Layer:
    """Return the layer that one entry of a description builds."""
    try:
        name, options = entry
        classes = {kind.layer.__name__: kind.layer for kind in KINDS}
        if name not in classes:
            raise ValueError(f"a kind is one of {', '.join(classes)}")
        if classes[name] is Residual:  # its options are rows of layers
            options = {
                way: row and [_built(place, each) for place, each in enumerate(row)]
                for way, row in dict(options).items()
            }
        return classes[name](**options)
    except (ValueError, TypeError, RecursionError) as error:
        need = f"layers[{number}] must be the kind of a layer and its options"
        raise ValueError(f"{need}, got {shown(entry)}: {error}") from None


def _arrays(layer: Layer, where: str) -> dict[str, Array]:
    """Return all that a layer saves: its parameters and its buffers."""
    if isinstance(layer, Residual):  # layer by layer, the order of PyTorch
        rows = {"body": layer.body, "shortcut": layer.shortcut}
        return {
            f"{way}.{name}": array
            for way, row in rows.items()
            for name, array in named_arrays(row, f"{where}.{way}").items()
        }
    arrays = {**layer.params, **layer.buffers}
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            need = f"{where} must hold {name!r} as an ndarray"
            raise TypeError(f"{need}, got {shown(array)} in {layer!r}")
        if _args.hides(array):
            need = f"{where} must hold {name!r} without masked numbers"
            raise ValueError(f"{need}, got {shown(array)} in {layer!r}")
    return arrays


def _shapes(layer: Layer, where: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return the dtype and the shape of all that a layer saves."""
    return {name: (array.dtype.name, array.shape) for name, array in _arrays(layer, where).items()}
