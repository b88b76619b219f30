"""What each ONNX operator is in layers: a reader for each, found in `READERS` by its name.

A reader gets a node, with the arrays that it takes beside the maps, and what is known of the maps
that come in. It returns the layers that compute the same, or raises an error that says why there
are none.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import architecture
from .._args import Array, shown
from ..architecture import Kind
from ..conv import Conv2d
from ..fc import Dropout, Flatten, Linear
from ..layer import Layer, blank
from ..norm import BatchNorm2d
from ..pool import AvgPool2d, MaxPool2d
from ..transposed import ConvTranspose2d
from ..windows import Pair
from .onnx_node import Maps, Node, Pad, Side, Sliding

INFERENCE = "export the network for inference"


def _kernels(node: Node, axes: str) -> Array:
    """Return the weights of a convolution, or of a transposed one."""
    weight = node.array(1)
    if weight.ndim != 4 or 0 in weight.shape:
        raise ValueError(f"weights of shape {weight.shape}, not {axes}")
    said = list(node.attributes.get("kernel_shape", weight.shape[2:]))
    if said != [*weight.shape[2:]]:
        raise ValueError(f"kernel_shape={said} for weights of shape {weight.shape}")
    return weight


def _conv(node: Node, maps: Maps) -> list[Layer]:
    weight = _kernels(node, "(F, C, kH, kW)")
    F, C, kH, kW = weight.shape
    slide = Sliding.of(node, maps, (kH, kW), value=0)
    window = slide.window
    auto = node.attributes["auto_pad"]
    padding: Pair | str
    if auto == b"VALID" and node.pad is None:
        padding = "valid"
    elif slide.keeps_size and (auto == b"SAME_UPPER" or not slide.even):
        padding = "same"
    else:
        padding = slide.padding()
    groups = node.attributes["group"]
    options = {
        "in_channels": C * groups,
        "out_channels": F,
        "kernel_size": window.kernel,
        "stride": window.stride,
        "padding": padding,
        "dilation": window.dilation,
        "groups": groups,
        "bias": node.optional(2) is not None,
    }
    return [_built(Conv2d, maps, options, weight=weight, bias=node.optional(2))]


def _conv_transpose(node: Node, maps: Maps) -> list[Layer]:
    weight = _kernels(node, "(C, F, kH, kW)")
    C, F, kH, kW = weight.shape
    if node.attributes.get("output_shape") or node.attributes["auto_pad"].startswith(b"SAME"):
        raise ValueError("output_shape or auto_pad, from which programs make different borders")
    slide = Sliding.of(node, maps, (kH, kW), value=0)
    groups = node.attributes["group"]
    options = {
        "in_channels": C,
        "out_channels": F * groups,
        "kernel_size": (kH, kW),
        "stride": slide.window.stride,
        "padding": slide.padding(),
        "output_padding": tuple(node.attributes.get("output_padding", (0, 0))),
        "dilation": slide.window.dilation,
        "groups": groups,
        "bias": node.optional(2) is not None,
    }
    return [_built(ConvTranspose2d, maps, options, weight=weight, bias=node.optional(2))]


def _max_pool(node: Node, maps: Maps) -> list[Layer]:
    slide = Sliding.of(node, maps, node.pair("kernel_shape"), value=-math.inf)
    window = slide.window
    if window.dilation != (1, 1) and node.attributes["auto_pad"].startswith(b"SAME"):
        raise ValueError("dilations with auto_pad, of which programs make different borders")
    ceil_mode = node.flag("ceil_mode", 0)
    if ceil_mode and node.pad is not None:  # whose rows count as the image's, where windows begin
        raise ValueError("ceil_mode=1 behind a Pad: in a layer, no window begins in the padding")
    if slide.even or ceil_mode:
        pads = slide.padding()
        return [MaxPool2d(window.kernel, window.stride, pads, window.dilation, ceil_mode)]
    # What is added at the end tells how many windows there are, and is no number's maximum.
    sides = maps.known()
    for ceil_mode in (False, True):
        layer = MaxPool2d(window.kernel, window.stride, slide.low, window.dilation, ceil_mode)
        try:
            y = layer.forward(np.empty((0, 1, *sides)))
        except ValueError:  # it asks for larger images
            continue
        if list(y.shape[2:]) == slide.places(sides):
            return [layer]
    raise slide.uneven()


def _average_pool(node: Node, maps: Maps) -> list[Layer]:
    slide = Sliding.of(node, maps, node.pair("kernel_shape"), value=math.nan)
    window = slide.window
    if window.dilation != (1, 1):
        raise ValueError(f"dilations={list(window.dilation)}, which AvgPool2d has none of")
    flags = node.flag("ceil_mode", 0), node.flag("count_include_pad", 0)
    return [AvgPool2d(window.kernel, window.stride, slide.padding(), *flags)]


def _whole(pool: type[Layer], node: Node, maps: Maps) -> list[Layer]:
    """Pool whole maps: a window of their size."""
    return [pool(kernel_size=maps.known())]


def _reduced(pool: type[Layer], node: Node, maps: Maps) -> list[Layer]:
    """Pool over the axes that a reduction names."""
    named = node.attributes.get("axes") if node.optional(1) is None else node.optional(1)
    axes = [] if named is None else _integers(named)
    if not axes and node.flag("noop_with_empty_axes", 0):
        return []
    sides = maps.known()
    if not axes:
        raise ValueError("no axes, which stands for all, the images among them")
    over = {axis % 4 for axis in axes if -4 <= axis < 4}
    if len(over) != len(axes) or not over <= {2, 3}:
        raise ValueError(f"axes={shown(axes)}, other axes than rows and columns")
    layer = pool(kernel_size=tuple(n if axis in over else 1 for axis, n in enumerate(sides, 2)))
    if node.flag("keepdims", 1):
        return [layer]
    if len(over) == 1:
        raise ValueError(f"keepdims=0 with axes={axes}, which leaves no maps and no rows")
    return [layer, Flatten()]


def _norm(node: Node, maps: Maps) -> list[Layer]:
    training = node.flag("training_mode", 0) or not node.flag("is_test", 1)
    if training or len(node.results) > 1:
        raise ValueError(f"training_mode; {INFERENCE}")
    if not node.flag("spatial", 1):
        raise ValueError("spatial=0, statistics for each pixel")
    scale, bias, mean, var = (node.array(number) for number in range(1, 5))
    options = {
        "num_features": scale.size,
        "eps": _short(node.attributes["epsilon"]),
        "momentum": round(1 - _short(node.attributes["momentum"]), 9),
    }
    arrays = {"weight": scale, "bias": bias, "running_mean": mean, "running_var": var}
    return [_built(BatchNorm2d, maps, options, **arrays)]


def _gemm(node: Node, maps: Maps) -> list[Layer]:
    if node.flag("transA", 0):
        raise ValueError("transA=1, which turns images and features")
    if len(maps.shape) != 1:
        raise ValueError(f"maps of {len(maps.shape)} axes beside the images, not rows")
    weight = node.array(1)
    bias = node.optional(2)
    if weight.ndim != 2:
        raise ValueError(f"weights of shape {weight.shape}, not of two axes")
    if not node.flag("transB", 0):
        weight = weight.T
    if bias is not None:
        if not node.flag("broadcast", 1):
            raise ValueError("broadcast=0")
        bias = _times(_bias(bias, len(weight), axis=1, axes=2), node.attributes["beta"])
    weight = _times(weight, node.attributes["alpha"])
    return [_linear(maps, weight, bias)]


def _matmul(node: Node, maps: Maps) -> list[Layer]:
    weight = node.array(1)
    if weight.ndim != 2:
        raise ValueError(f"weights of shape {weight.shape}, not (in, out)")
    return [_linear(maps, weight.T, None)]


def _add(node: Node, maps: Maps) -> list[Layer]:
    """Give the layer before a bias."""
    layer = maps.behind
    if not isinstance(layer, Conv2d | ConvTranspose2d | Linear) or layer.options["bias"]:
        raise ValueError("only a bias behind weights can be added")
    if node.since < 7:
        raise ValueError("a sum by the rules of before opset 7")
    axes = len(maps.shape) + 1
    outputs = layer.options["out_features" if isinstance(layer, Linear) else "out_channels"]
    axis = axes - 1 if isinstance(layer, Linear) else 1
    weight = layer.params["weight"]
    bias = _bias(node.summand(), outputs, axis, axes)
    _check_dtype("bias", bias, maps)
    layer.options["bias"] = True
    layer.params["bias"] = np.array(bias, weight.dtype)
    return []


def _dropout(node: Node, maps: Maps) -> list[Layer]:
    train = node.optional(2)
    if not node.flag("is_test", 1) or (train is not None and train.any()):
        raise ValueError(f"training_mode; {INFERENCE}")
    given = node.optional(1)
    if given is None:
        given = np.array(node.attributes.get("ratio", 0.5), np.float32)
    if given.size != 1 or given.dtype.kind != "f":
        raise ValueError(f"a ratio of {given.dtype} and shape {given.shape}, not one number")
    ratio = given.reshape(())[()]
    return [Dropout(float(ratio) if ratio.dtype == np.float64 else _short(ratio))]


def _flatten(node: Node, maps: Maps) -> list[Layer]:
    axis = node.attributes["axis"]
    count = len(maps.shape) + 1
    if axis < 0 and node.since >= 11:
        axis += count
    # Axes of one number between the images and the rest make no difference.
    if 1 <= axis <= count and all(side == Side(1) for side in maps.shape[: axis - 1]):
        return [Flatten()]
    raise ValueError(f"axis={node.attributes['axis']}, not 1")


def _reshape(node: Node, maps: Maps) -> list[Layer]:
    """See whether a new shape is one row for each image."""
    said = node.attributes["shape"] if node.since < 5 else node.array(1)
    new = _integers(said)
    text = shown(new)
    old = [maps.images, *(side.size for side in maps.shape)]
    if not node.flag("allowzero", 0):
        new = [old[i] if n == 0 and i < len(old) else n for i, n in enumerate(new)]
    if new.count(-1) == 1 and (rest := -math.prod(new)) > 0:
        new[new.index(-1)] = math.prod(old) // rest
    if new == [old[0], math.prod(old[1:])]:
        return [Flatten()]
    if new == old:
        return []
    raise ValueError(f"the shape {text}, not one row for each image")


def _squeeze(node: Node, maps: Maps) -> list[Layer]:
    """See whether rows remain when axes of one number are left out."""
    named = node.attributes.get("axes") if node.since < 13 else node.optional(1)
    if named is None:
        raise ValueError("no axes, which stands for all of one number, the images among them")
    count = len(maps.shape) + 1
    axes = {axis + count if axis < 0 else axis for axis in _integers(named)}
    left_out = {axis for axis, side in enumerate(maps.shape, 1) if side == Side(1)}
    if len(maps.shape) - len(axes) != 1 or not axes <= left_out:
        raise ValueError(f"axes={sorted(axes)}, which leaves no row for each image")
    return [Flatten()]


def _pad(node: Node, maps: Maps) -> Found:
    if node.attributes.get("mode", b"constant") != b"constant" or node.optional(3) is not None:
        raise ValueError("only a border of one number, of all axes, can be added")
    pads = node.attributes.get("pads", ()) if node.since < 11 else node.array(1)
    value = np.array(node.attributes.get("value", 0), maps.dtype)
    if (given := node.optional(2)) is not None:
        _check_dtype("a border", given, maps)
        value = given.reshape(())
    sides = _integers(pads)
    if len(sides) != 8 or any(sides[:2] + sides[4:6]) or min(sides) < 0:
        raise ValueError(f"pads={shown(sides)}, not around rows and columns")
    if not any(sides):
        return []
    return Pad(float(value), ((sides[2], sides[6]), (sides[3], sides[7])))


def _identity(node: Node, maps: Maps) -> list[Layer]:
    return []


def _elementwise(kind: Kind, node: Node, maps: Maps) -> list[Layer]:
    """Make a layer by its row in the table: each option is an attribute."""
    names = kind.attributes or {}
    if odd := node.given.keys() - names.values() - {"consumed_inputs"}:
        raise ValueError(f"the attributes {sorted(odd)}, which the layer has none of")
    return [kind.layer(**{name: _plain(node.attributes[names[name]]) for name in names})]


Found = list[Layer] | Pad
PADDED = {"Conv", "MaxPool"}  # what may take a border from the node before
Reader = Callable[[Node, Maps], Found]

READERS: dict[str, Reader] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalMaxPool": functools.partial(_whole, MaxPool2d),
    "GlobalAveragePool": functools.partial(_whole, AvgPool2d),
    "ReduceMax": functools.partial(_reduced, MaxPool2d),
    "ReduceMean": functools.partial(_reduced, AvgPool2d),
    "BatchNormalization": _norm,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Add": _add,
    "Dropout": _dropout,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Pad": _pad,
    "Identity": _identity,
}


def reader_of(operator: str) -> Reader | None:
    """Return what reads an operator, if there is anything."""
    for kind in architecture.KINDS:
        if kind.operator == operator and kind.attributes is not None:
            return functools.partial(_elementwise, kind)
    return READERS.get(operator)


def _linear(maps: Maps, weight: Array, bias: Array | None) -> Layer:
    """Return a fully connected layer of weights (out, in)."""
    out, inputs = weight.shape
    options = {"in_features": inputs, "out_features": out, "bias": bias is not None}
    return _built(Linear, maps, options, weight=weight, bias=bias)


def _built(
    kind: type[Layer], maps: Maps, options: Mapping[str, Any], **arrays: Array | None
) -> Layer:
    """Return a layer with copies of these arrays; a buffer that is not given is 0."""
    layer = blank(lambda: kind(**options, dtype=maps.dtype))
    for group in (layer.params, layer.buffers):
        for name, like in group.items():
            array = arrays.get(name)
            if array is None:
                group[name] = np.zeros(like.shape, like.dtype)
                continue
            if array.shape != like.shape:
                raise ValueError(f"{name} of shape {array.shape}, not {like.shape}")
            _check_dtype(name, array, maps)
            group[name] = np.array(array, like.dtype, order="C")
    return layer


def _check_dtype(name: str, array: Array, maps: Maps) -> None:
    if array.dtype != maps.dtype:
        raise ValueError(f"{name} of {array.dtype} for maps of {maps.dtype}")


def _bias(bias: Array, outputs: int, axis: int, axes: int) -> Array:
    """Return a summand as one number for each output, or refuse one that is another.

    ``axis`` is that of the outputs, among ``axes``. Along all others, the summand must be the same.
    """
    missing = axes - bias.ndim
    need = [1] * axes
    need[axis] = outputs
    if missing < 0 or any(
        n not in (1, most) for n, most in zip(bias.shape, need[missing:], strict=True)
    ):
        raise ValueError(f"a bias of shape {bias.shape} for {outputs} outputs of {axes} axes")
    return np.broadcast_to(bias.reshape(-1), (outputs,))


def _integers(numbers: Array | Sequence[int]) -> list[int]:
    """Return the numbers of an attribute or of an input, or refuse what is no list of integers."""
    array = np.asarray(numbers)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"{array.dtype} of shape {array.shape}, not a list of integers")
    return [int(number) for number in array]


def _times(array: Array, factor: float) -> Array:
    """Return a product in the array's own dtype."""
    with np.errstate(all="ignore"):
        return array if factor == 1 else array * array.dtype.type(factor)


def _short(number: Any) -> float:
    """Return the shortest decimal that a float32 stands for: 0.1, not 0.10000000149."""
    return float(str(np.float32(number)))


def _plain(value: Any) -> Any:
    """Return an attribute as the option of a layer."""
    if isinstance(value, float):
        return _short(value)
    return value.decode() if isinstance(value, bytes) else value
