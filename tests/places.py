"""Where the project and the built site lie, and how the book is built in its other forms."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SITE = ROOT / "docs" / "_build" / "html"


def make(form):
    """Build the book in one of its forms, where it has changed, and return its folder."""
    command = ["make", "-C", ROOT, "-o", ".venv/ready", form, f"BIN={Path(sys.executable).parent}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / "docs" / "_build" / form
