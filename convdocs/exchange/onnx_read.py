"""Networks from ONNX files, of whichever program they come."""

from __future__ import annotations

from typing import Any

from .. import _extras, store
from .._args import Path
from ..architecture import COUNTER, named_arrays
from ..cnn import CNN
from ..layer import Layer

MOST = 2**63 - 1  # that a count of batches can hold
LISTED = 50  # problems that an error lists
LONG = 300  # characters of each


def from_onnx(path: Path) -> CNN:
    """Return the network that an ONNX file holds, from whichever program it comes.

    It may be made of the operators of the package's layers, in a row from one input to one output,
    with sums of two ways from one place for residual blocks, in float32 or float64. Attributes that
    are left out are those of the file's version of the standard. What does not depend on the image
    is computed, whatever operators it takes, if the work is in proportion to the file; nothing of
    the file is executed. Of dropout and batch normalisation, only those for inference are taken.

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
    ValueError, TypeError
        If ``path`` is no path, or the file is damaged or of another kind, or fits no image, or has
        what the package has no layer for; the message lists all of it, with the nodes' names.
    """
    onnx = _extras.library("onnx")
    from .onnx_graph import layers_of

    name = store.readable(path, "a whole ONNX file")
    try:
        proto = onnx.load(name, format="protobuf")
        onnx.checker.check_model(proto)
        layers, problems, cause = layers_of(proto)
        if not problems:
            _count_batches(layers, proto)
    except OSError:
        raise
    except Exception as error:  # a damaged file can fail in any way
        need = "path must be a whole ONNX file"
        raise ValueError(f"{need}, got {name!r}: {_cut(str(error))}") from error
    if problems:
        listed = [_cut(problem) for problem in dict.fromkeys(problems)]
        more = [f"{len(listed) - LISTED} more"] if len(listed) > LISTED else []
        need = "path must be a graph of the package's layers in a row"
        text = f"{need}, got {name!r}, which has {'; '.join(listed[:LISTED] + more)}"
        raise ValueError(text) from cause
    return CNN(layers)


def _cut(text: str) -> str:
    """Return a text that a file may have made as long as it likes, at some length."""
    return text if len(text) <= LONG else f"{text[:LONG]}..."


def _count_batches(layers: list[Layer], proto: Any) -> None:
    """Take from the metadata the one buffer that no operator takes."""
    arrays = named_arrays(layers)
    counts = {key: array for key, array in arrays.items() if key.endswith(COUNTER)}
    for prop in proto.metadata_props:
        if not isinstance(prop.key, str) or not isinstance(prop.value, str):
            raise ValueError(f"the metadata {prop.key!r} are no text")  # not UTF-8
        if prop.key in counts:
            if not prop.value.isdecimal() or len(prop.value) > 19 or int(prop.value) > MOST:
                raise ValueError(f"the metadata {prop.key} must be a number of batches")
            counts[prop.key][...] = int(prop.value)
