"""Constants of an ONNX graph: what is known of it without an image, computed within bounds.

A file of a few bytes can ask for terabytes, by a shape or by doubling something often enough. So
ONNX's shape inference says how large a result would be before ONNX's reference evaluator computes
it, and all work together must stay in proportion to the file.

The evaluator takes many operators of old versions for those of today. So ONNX's version converter
makes them of today first; what is computed wrongly all the same is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import onnx
import onnx.reference
import onnx.version_converter

from .._args import Array

FACTOR = 16  # numbers to compute with, for each that the file holds
LEAST = 1 << 22  # and these in any case
NODE = 4096  # what one node costs at least, in numbers
SMALL = 1024  # numbers: an array that may say how large another is
SLOWEST = 1 << 20  # steps of an operator that is computed number by number
TODAY = 22  # the version of the standard to compute by

# What draws numbers, and what holds graphs of its own, is no constant.
NEVER = set(
    """Bernoulli Dropout If Loop Multinomial RandomNormal RandomNormalLike RandomUniform
    RandomUniformLike Scan SequenceMap""".split()
)
# No larger than what goes in, though no shape tells how large.
SELECTED = {"Compress", "NonZero", "Unique"}
# What the evaluator computes number by number, or whose work the size of the result does not tell.
SLOW = set(
    """Attention AveragePool CausalConvWithState Col2Im Conv ConvInteger ConvTranspose DeformConv
    Einsum GRU GatherElements GatherND GridSample ImageDecoder LRN LSTM LinearAttention LpPool
    MaxPool MaxRoiPool MaxUnpool MelWeightMatrix NegativeLogLikelihoodLoss NonMaxSuppression
    QLinearConv RNN Resize ReverseSequence RoiAlign STFT Scatter ScatterElements ScatterND
    SoftmaxCrossEntropyLoss TensorScatter TfIdfVectorizer Upsample""".split()
)


class Constants(dict[str, Array]):
    """The arrays of a graph whose values are known, under their names.

    Parameters
    ----------
    proto : onnx.ModelProto
        A valid one, with all its weights.

    Raises
    ------
    ValueError
        If one of its tensors is damaged.
    """

    def __init__(self, proto: onnx.ModelProto) -> None:
        super().__init__()
        self.opsets = proto.opset_import
        for tensor in proto.graph.initializer:
            self[tensor.name] = _array(tensor)
        self.rest = LEAST + FACTOR * sum(array.size for array in self.values())

    def compute(self, node: onnx.NodeProto) -> None:
        """Compute a node of the standard whose inputs are all known.

        Raises
        ------
        ValueError
            If its result is random or no array of numbers, or too large, or takes too long.
        """
        self.update(self.results(node, {name: self[name] for name in node.input if name}))

    def results(self, node: onnx.NodeProto, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Return what a node makes of these arrays, under the names of its outputs."""
        operator = node.op_type
        if operator in NEVER:
            raise ValueError("it is no constant that can be computed")
        for name, array in arrays.items():
            if array.dtype.kind in "OSUT":
                raise ValueError(f"its input {name!r} is text")
        if operator == "Constant" and [each.name for each in node.attribute] == ["value"]:
            array = _array(node.attribute[0].t)
            self.rest += FACTOR * array.size
            return {node.output[0]: array}
        sizes = [arrays[name].size for name in node.input if name]
        model = self._model(node, arrays)
        results = [self._size(operator, shape, sizes) for shape in _shapes(model)]
        self._pay(node, sizes, results)
        version = next(each.version for each in self.opsets if each.domain in ("", "ai.onnx"))
        if _mistaken(node, version):
            raise ValueError("ONNX's own evaluator computes this constant wrongly")
        evaluator = onnx.reference.ReferenceEvaluator(_of_today(model, version))
        with np.errstate(all="ignore"):
            values = evaluator.run(None, dict(arrays))
        names = [name for name in node.output if name]
        for name, value in zip(names, values, strict=True):
            if not isinstance(value, np.ndarray) or value.dtype.kind in "OSUT":
                raise ValueError(f"its output {name!r} is no array of numbers")
            if operator == "LogSoftmax" and not np.isfinite(value).all():
                raise ValueError("it is a constant that is not finite")  # the logarithm of 0
        return dict(zip(names, values, strict=True))

    def _model(self, node: onnx.NodeProto, arrays: Mapping[str, Array]) -> onnx.ModelProto:
        """Return a model of one node, that knows the small ones of its inputs."""
        make = onnx.helper
        inputs = [
            make.make_tensor_value_info(
                name, make.np_dtype_to_tensor_dtype(array.dtype), array.shape
            )
            for name, array in arrays.items()
        ]
        outputs = [make.make_empty_tensor_value_info(name) for name in node.output if name]
        known = [
            onnx.numpy_helper.from_array(array, name)
            for name, array in arrays.items()
            if array.size <= SMALL
        ]
        graph = make.make_graph([node], "constant", inputs, outputs, known)
        return make.make_model(graph, opset_imports=self.opsets)

    @staticmethod
    def _size(operator: str, shape: list[int | None] | None, inputs: list[int]) -> int:
        """Return how many numbers a result has at most."""
        if shape is not None and None not in shape:
            sides = [side for side in shape if side is not None]
            if min(sides, default=0) < 0:
                raise ValueError(f"its result has the shape {sides}")
            return math.prod(sides)
        if operator in SELECTED:
            return 64 * sum(inputs)  # NonZero: a row for each axis, of which NumPy has so many
        raise ValueError("how large its result is cannot be told beforehand")

    def _pay(self, node: onnx.NodeProto, inputs: list[int], results: list[int]) -> None:
        """Take the work of a node from what is left."""
        self.rest -= NODE + sum(inputs) + sum(results)
        if self.rest < 0:
            raise ValueError("it makes constants out of all proportion to the file")
        if node.op_type in SLOW:
            window = [n for a in node.attribute if a.name == "kernel_shape" for n in a.ints]
            if math.prod(max(1, n) for n in [*inputs, *results, *window]) > SLOWEST:
                raise ValueError("it is a constant that takes too long to compute")


def _mistaken(node: onnx.NodeProto, version: int) -> bool:
    """Tell whether the reference evaluator is known to compute a node wrongly."""
    attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    pads = set(attributes.get("pads", [0]))
    rounded_up = attributes.get("ceil_mode", 0) == 1
    return {
        "ConvTranspose": attributes.get("group", 1) != 1,
        "Hardmax": version < 13,
        "LRN": True,
        "LpNormalization": attributes.get("p", 2) == 1,
        "LpPool": rounded_up,
        "MaxPool": attributes.get("auto_pad") == b"SAME_LOWER"
        or len(pads) > 1
        or (rounded_up and pads != {0}),
        "Resize": version < 11 and attributes.get("mode", b"nearest") != b"nearest",
        "Upsample": attributes.get("mode", b"nearest") != b"nearest",
    }.get(node.op_type, False)


def _of_today(model: onnx.ModelProto, version: int) -> onnx.ModelProto:
    """Return a model of one node by today's version of the standard, where that has the node."""
    if version >= TODAY:
        return model
    try:
        return onnx.version_converter.convert_version(model, TODAY)
    except Exception:  # of a type of its own: the node has changed in a way that it does not know
        return model


def _shapes(model: onnx.ModelProto) -> list[list[int | None] | None]:
    """Return the shapes of a model's outputs, as far as they can be told beforehand."""
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    shapes: list[list[int | None] | None] = []
    for output in inferred.graph.output:
        kind = output.type.tensor_type
        sides = [side.dim_value if side.HasField("dim_value") else None for side in kind.shape.dim]
        shapes.append(sides if kind.HasField("shape") else None)
    return shapes


def _array(tensor: onnx.TensorProto) -> Array:
    """Return the numbers of a tensor."""
    try:
        return onnx.numpy_helper.to_array(tensor)
    except Exception as error:  # such as a data type that there is not
        raise ValueError(f"the tensor {tensor.name!r} is damaged: {error!r}") from error
