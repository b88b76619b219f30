"""What belongs together stays on one line, and a minus is not the hyphen that Python prints."""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.typing import ExtensionMetadata

UNIT = "%|µs|ms|s|min|px|bytes?|kB|MB|GB|GHz|thousand|million|billion|trillion"
TOGETHER = [  # each with spaces that must not break, or ends of lines of the source
    re.compile(r"\s[×±]\s"),
    re.compile(rf"(?:(?<=\d)|^)\s(?=(?:{UNIT})(?!\w))"),
    re.compile(r"(?<=\bFig\.)\s(?=\d)"),
    re.compile(r"(?<=\bExercise)\s(?=\d)"),
]
POWER = re.compile(r"(\d(?:\.\d+)?)e([+-]\d+)")
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
CODE = nodes.literal, nodes.FixedTextElement, nodes.math, nodes.math_block, nodes.raw, nodes.comment
JOINER = "\u2060"  # keeps what is before and after it on one line
WORD = 12  # characters of code: longer code may break
SHORT = 24  # characters of TeX: a longer formula needs its breaks on a phone


def pasted(text: str) -> str:
    """Return a number that a cell has computed as a sentence writes it."""
    if found := POWER.fullmatch(text):
        power = f"10{str(int(found[2])).translate(RAISED)}"
        return power if found[1] == "1" else f"{found[1]} × {power}"
    return re.sub(r"(?<!\w)-(?=\d)", "−", text)


def kept(text: str) -> str:
    """Return a text in which no line ends within what belongs together."""
    for pattern in TOGETHER:
        text = pattern.sub(lambda found: re.sub(r"\s", "\u00a0", found[0]), text)
    return text


class Keep(SphinxPostTransform):
    """Change the sentences of a page."""

    default_priority = 400  # when cells have given their numbers

    def run(self, **kwargs: Any) -> None:
        """Change texts, and let no line begin with the point or comma after a formula."""
        for text in list(self.document.findall(nodes.Text)):
            if is_code(text):
                continue
            number = "pasted-text" in text.parent.get("classes", ())
            new = kept(pasted(text) if number else text)
            if new != text:
                text.parent.replace(text, nodes.Text(new))
        for code in self.document.findall(nodes.literal):
            if len(code.astext()) <= WORD:
                code["classes"].append("together")
        for formula in list(self.document.findall(nodes.math)):
            after = formula.next_node(nodes.Text, descend=False, siblings=True)
            place = formula.parent.index(formula) + 1
            if after is None or formula.parent[place] is not after:
                continue
            if not (mark := re.match(r"[.,;:?!)]+", after)):
                continue
            if len(formula.astext()) <= SHORT:
                both = nodes.inline("", "", formula.deepcopy(), nodes.Text(mark[0]))
                both["classes"].append("together")
                formula.parent[place - 1 : place + 1] = [both, nodes.Text(after[mark.end() :])]
            else:
                formula.parent.replace(after, nodes.Text(f"{JOINER}{after}"))


def is_code(node: nodes.Node | None) -> bool:
    """Return whether a text is no sentence's."""
    while node is not None:
        if isinstance(node, CODE):
            return True
        node = node.parent
    return False


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add what does it."""
    app.add_post_transform(Keep)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
