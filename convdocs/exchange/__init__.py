"""Networks and weights to and from other libraries: ONNX, PyTorch and safetensors.

An ONNX file holds a graph of operators with its weights: `to_onnx` writes one node or a few for
each layer, and `from_onnx` makes layers of a graph again. Weights alone travel as a state
dictionary, whose keys and shapes are those of ``torch.nn.Sequential``: `CNN.load_state_dict` takes
what PyTorch's ``state_dict()`` returns, in any dtype that NumPy has, and a safetensors file holds
nothing else.

Each function imports the library that it needs when it is called, and says which if it is missing.
"""

from .onnx_read import from_onnx
from .onnx_write import to_onnx
from .weights import load_safetensors, save_safetensors, to_torch

__all__ = ["from_onnx", "load_safetensors", "save_safetensors", "to_onnx", "to_torch"]
