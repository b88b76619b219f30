"""What is a word for the book's own search: a size, such as 3 × 3, is one, too."""

import re

from sphinx.application import Sphinx
from sphinx.search.en import SearchEnglish
from sphinx.util.typing import ExtensionMetadata

# The same stands for what is typed in docs/web/search/scorer.js.
SIZE = re.compile(r"(\d)\s*(?:x|×|\\times)\s*(?=\d)")


class Words(SearchEnglish):
    """English, whose numbers by themselves are left out, but not those of a size."""

    def split(self, input: str) -> list[str]:
        """Return the words of a text."""
        return super().split(SIZE.sub(r"\1x", input))


def setup(app: Sphinx) -> ExtensionMetadata:
    """Take it for English."""
    app.add_search_language(Words)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
