"""Constants of an ONNX graph: what is known of it without an image, computed within bounds.

A file of a few bytes can ask for terabytes, by a shape or by doubling something often enough. So
ONNX's shape inference says how large a result would be before ONNX's reference evaluator computes
it, and all work together must stay in proportion to the file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import onnx
import onnx.reference

from .._args import Array

FACTOR, LEAST = 16, 1 << 22  # numbers to compute with, for each in the file, and in any case
NODE = 1024  # what one node costs at least, in numbers
SMALL = 1024  # numbers: an array that may say how large another is
SLOWEST = 1 << 20  # steps of an operator that is computed number by number

DRAWN = {"Bernoulli", "Dropout", "Multinomial", "RandomNormal", "RandomNormalLike"}
DRAWN |= {"RandomUniform", "RandomUniformLike"}
NESTED = {"If", "Loop", "Scan", "SequenceMap"}
# No larger than what goes in, though no shape tells how large.
SELECTED = {"Compress", "NonZero", "Unique"}
# What the evaluator computes number by number, or whose work no size of the result tells.
SLOW = {"AveragePool", "CausalConvWithState", "Col2Im", "Conv", "ConvInteger", "ConvTranspose"}
SLOW |= {"DeformConv", "Einsum", "GRU", "GatherND", "GridSample", "ImageDecoder", "LRN", "LSTM"}
SLOW |= {"LinearAttention", "LpPool", "MaxPool", "MaxRoiPool", "MaxUnpool", "NonMaxSuppression"}
SLOW |= {"QLinearConv", "RNN", "Resize", "RoiAlign", "STFT", "Scatter", "ScatterElements"}
SLOW |= {"ScatterND", "TensorScatter", "TfIdfVectorizer", "Upsample"}


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
        if operator in DRAWN | NESTED:
            raise ValueError("it is no constant that can be computed")
        for name, array in arrays.items():
            if array.dtype.kind in "OSUT":
                raise ValueError(f"its input {name!r} is text")
        if operator == "Constant" and [each.name for each in node.attribute] == ["value"]:
            array = _array(node.attribute[0].t)
            self.rest += FACTOR * array.size
            return {node.output[0]: array}
        sizes = [arrays[name].size for name in node.input if name]
        results = [self._size(operator, shape, sizes) for shape in self._shapes(node, arrays)]
        self._pay(node, sizes, results)
        evaluator = onnx.reference.ReferenceEvaluator(self._model(node, arrays))
        with np.errstate(all="ignore"):
            values = evaluator.run(None, dict(arrays))
        names = [name for name in node.output if name]
        for name, value in zip(names, values, strict=True):
            if not isinstance(value, np.ndarray) or value.dtype.kind in "OSUT":
                raise ValueError(f"its output {name!r} is no array of numbers")
        return dict(zip(names, values, strict=True))

    def _shapes(
        self, node: onnx.NodeProto, arrays: Mapping[str, Array]
    ) -> list[list[int | None] | None]:
        """Return the shapes of a node's outputs, as far as they can be told beforehand."""
        inferred = onnx.shape_inference.infer_shapes(
            self._model(node, arrays), check_type=True, strict_mode=True
        )
        shapes: list[list[int | None] | None] = []
        for output in inferred.graph.output:
            kind = output.type.tensor_type
            sides = [
                side.dim_value if side.HasField("dim_value") else None for side in kind.shape.dim
            ]
            shapes.append(sides if kind.HasField("shape") else None)
        return shapes

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
            return 8 * sum(inputs)  # NonZero: a row for each axis
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


def _array(tensor: onnx.TensorProto) -> Array:
    """Return the numbers of a tensor."""
    try:
        return onnx.numpy_helper.to_array(tensor)
    except Exception as error:  # such as a data type that there is not
        raise ValueError(f"the tensor {tensor.name!r} is damaged: {error!r}") from error
