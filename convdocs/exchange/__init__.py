"""Networks and weights to and from other libraries: ONNX, PyTorch and safetensors.

Each function imports the library that it needs when it is called, and says which if it is missing.
"""

from .onnx_write import from_onnx, load_safetensors, save_safetensors, to_onnx, to_torch

__all__ = ["from_onnx", "load_safetensors", "save_safetensors", "to_onnx", "to_torch"]
