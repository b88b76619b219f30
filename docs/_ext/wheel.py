"""The package as a wheel, one a build: live cells and notebooks for Colab install it."""

import io
import logging
from pathlib import Path

from flit_core.wheel import WheelBuilder

from . import ROOT


def make(folder: Path) -> None:
    """Write the wheel into a folder that holds no other."""
    logging.getLogger("flit_core").setLevel("WARNING")
    content = io.BytesIO()
    builder = WheelBuilder.from_ini_path(ROOT / "pyproject.toml", content)
    builder.source_time_stamp = (1980, 1, 1, 0, 0, 0)  # of all files, for the same bytes every day
    builder.build(editable=False)
    (folder / builder.wheel_filename).write_bytes(content.getvalue())


def made(folder: Path) -> Path:
    """Return the wheel that was written there."""
    (path,) = folder.glob("convdocs-*.whl")
    return path
