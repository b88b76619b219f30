"""How Sphinx builds the book."""

import hashlib
import logging
import os
import shutil
import sys
import tomllib
import zlib
from pathlib import Path

from docutils import nodes
from sphinx.util.logging import getLogger

import convdocs

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))  # the book's own extensions, an idea each

project = "Convolutional Networks, Worked Out"
author = "The convdocs authors"
copyright = "2026, the convdocs authors. Text and figures CC BY 4.0, code MIT"
version = release = convdocs.__version__
exclude_patterns = ["_build", "web"]
nitpicky = True
numfig = True
extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_exercise",
    "sphinx_togglebutton",
    "sphinxcontrib.bibtex",
    "live",
    "downloads",
    "mathematics",
    "paper",
    "accessible",
    "findable",
    "figures",
    "web",
]

html_theme = "furo"
html_title = project
html_favicon = "_static/favicon.svg"
html_scaled_image_link = False  # every picture has its size, and none is a link
html_css_files = ["book.css"]
html_js_files = ["page.js"]
templates_path = ["_templates"]
copybutton_selector = ":not(.output) > div.highlight > pre"  # code, not what it printed
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# Where the book is published, if it is: for link previews, the sitemap and canonical addresses.
html_baseurl = os.environ.get("READTHEDOCS_CANONICAL_URL", "")

# Each page leads to its source where pyproject.toml says where that is.
PYPROJECT = tomllib.loads((HERE.parent / "pyproject.toml").read_text())
html_theme_options = {"top_of_page_buttons": []}
if repository := PYPROJECT["project"].get("urls", {}).get("Repository"):
    html_theme_options = {
        "top_of_page_buttons": ["view", "edit"],
        "source_repository": repository,
        "source_branch": "main",
        "source_directory": "docs/",
    }

# Where a reader's browser finds Python, once a cell is run, and not before.
live_python = "https://cdn.jsdelivr.net/pyodide/v314.0.3/full/"

html_static_path = ["_static", str(HERE / "_build" / "web")]
html_math_renderer = "katex"

epub_basename = "convolutional-networks"
epub_title = project
epub_description = "A course book in which nothing was typed that could be computed."
epub_publisher = epub_contributor = author
epub_identifier = epub_uid = "convolutional-networks-worked-out"
epub_cover = ("_static/cover.png", "epub-cover.html")
epub_show_urls = "no"
epub_tocdepth = 2
epub_exclude_files = ["404.xhtml"]

myst_enable_extensions = ["dollarmath", "substitution"]
myst_substitutions = {"version": version}
myst_heading_anchors = 3

bibtex_bibfiles = ["references.bib"]
bibtex_reference_style = "author_year"

autodoc_typehints = "none"  # the docstrings say more than the annotations
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

# A chapter's cells run when the chapter, or anything that its results may depend on, has changed.
# MyST-NB looks at the cells alone, so the rest names the folder that results are kept in.
nb_execution_mode = "cache"
nb_execution_show_tb = True  # a failing cell is a warning with its traceback, and -W an error
nb_execution_in_temp = True
nb_execution_timeout = 120
nb_merge_streams = True
nb_mime_priority_overrides = [("pdf", "image/svg+xml", 10), ("pdf", "text/plain", 100)]


def results_folder():
    """Return the folder of this package's results, and remove those of other versions of it."""
    package = Path(convdocs.__file__).parent
    read = [HERE.parent / "requirements.txt", *HERE.parent.glob("benchmarks/results.json")]
    digest = hashlib.sha256()
    for path in [*sorted(package.rglob("*.py")), *read]:
        digest.update(path.read_bytes())
    results = HERE / "_build" / "results"
    ours = results / digest.hexdigest()[:16]
    for other in results.glob("*"):
        if other != ours:
            shutil.rmtree(other)
    return ours


nb_execution_cache_path = str(results_folder())

# Kernels start alike on every machine: without the builder's own IPython profile, without colours
# in tracebacks, and without remarks on how they are reached. They hand over what a cell prints when
# it ends: parts that a clock divides would come back with line breaks where they were cut.
IPYTHON = HERE / "_build" / "ipython"
PROFILE = IPYTHON / "profile_default" / "ipython_kernel_config.py"
PROFILE.parent.mkdir(parents=True, exist_ok=True)
PROFILE.write_text("""
c.IPKernelApp.log_level = "ERROR"
c.InteractiveShell.colors = "nocolor"
c.InteractiveShellApp.exec_lines = ["__import__('sys').stdout.flush_interval = 3600"]
""")
os.environ["IPYTHONDIR"] = str(IPYTHON)
os.environ["OMP_NUM_THREADS"] = "1"  # chapters run side by side, each on a core of its own
logging.getLogger("traitlets").setLevel("WARNING")

# Links to other projects' pages: the few that the book uses, so that no build asks the network.
EXTERNAL = {
    "python": "https://docs.python.org/3/",
    "numpy": "https://numpy.org/doc/stable/",
    "matplotlib": "https://matplotlib.org/stable/",
}


def inventory(name):
    """Write one project's lines of external.txt as an inventory that intersphinx reads."""
    path = HERE / "_build" / "external" / f"{name}.inv"
    lines = [line.split() for line in (HERE / "external.txt").read_text().splitlines()]
    entries = [f"{what} {role} 1 {page} -" for where, role, what, page in lines if where == name]
    head = f"# Sphinx inventory version 2\n# Project: {name}\n# Version:\n# zlib\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head.encode() + zlib.compress("\n".join(entries).encode() + b"\n"))
    return str(path)


intersphinx_mapping = {name: (url, inventory(name)) for name, url in EXTERNAL.items()}


def check_alternative_texts(app, doctree, docname):
    """Warn of a figure that says nothing to someone who cannot see it."""
    for image in doctree.findall(nodes.image):
        text = image.get("alt", "")
        if len(text) < 15 or text.endswith((".svg", ".png")):
            message = "%s: a figure has no alternative text (image: alt: ...), or one too short: %r"
            getLogger(__name__).warning(message, docname, text, location=image)


def setup(app):
    """Connect the check to the build."""
    app.connect("doctree-resolved", check_alternative_texts)
