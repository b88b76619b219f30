"""What the book adds to Sphinx, an idea in each file; and where things lie."""

from pathlib import Path

DOCS = Path(__file__).parent.parent
ROOT = DOCS.parent
BUILD = (DOCS / "_build").resolve()  # as Sphinx does: a link may lead to a larger disk
