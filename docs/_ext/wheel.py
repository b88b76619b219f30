"""The package as a wheel, one a build: live cells and notebooks for Colab install it."""

import logging
from pathlib import Path

from flit_core.wheel import make_wheel_in

ROOT = Path(__file__).parent.parent.parent


def make(folder: Path) -> None:
    """Write the wheel into a folder that holds no other, with the same bytes at any time."""
    logging.getLogger("flit_core").setLevel("WARNING")
    for old in folder.glob("convdocs-*.whl"):
        old.unlink()
    make_wheel_in(ROOT / "pyproject.toml", folder)


def made(folder: Path) -> Path:
    """Return the wheel that was written there."""
    (path,) = folder.glob("convdocs-*.whl")
    return path
