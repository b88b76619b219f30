"""Where the project and the built site lie."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
SITE = ROOT / "docs" / "_build" / "html"
