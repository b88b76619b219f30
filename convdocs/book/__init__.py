"""What the book's pages need beside the package: figures, numbers for the text, checks of answers.

`plot` needs matplotlib and is imported by name, as in ``from convdocs.book import plot``.
"""

from .check import answer, check
from .gradient import numeric_gradient
from .notes import embed, note
from .trained import fit, outcome

__all__ = ["answer", "check", "embed", "fit", "note", "numeric_gradient", "outcome"]
