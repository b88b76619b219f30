"""How Sphinx builds the book."""

import gc
import os
import sys
import tomllib
from pathlib import Path

# A build makes little garbage; to look for it would take a quarter of the time.
gc.disable()

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]  # the book's own extensions, and the package beside it

import convdocs  # noqa: E402

project = "Convolutional Networks, Worked Out"
author = "The convdocs authors"
copyright = "2026, the convdocs authors. Text and figures CC BY 4.0, code MIT"
version = release = convdocs.__version__
exclude_patterns = ["_build", "web", "**~"]
nitpicky = True
numfig = True
numfig_format = {"figure": "Fig.\u00a0%s"}  # a line does not end between them
extensions = [
    "_ext.whole",  # before all that takes time to load: there may be nothing to do
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_exercise",
    "sphinx_togglebutton",
    "sphinxcontrib.bibtex",
    "_ext.numbers",
    "_ext.citations",
    "_ext.execution",
    "_ext.external",
    "_ext.assets",
    "_ext.live",
    "_ext.offline",
    "_ext.labs",
    "_ext.figures",
    "_ext.widths",
    "_ext.depths",
    "_ext.exercises",
    "_ext.terms",
    "_ext.minutes",
    "_ext.overview",
    "_ext.mathematics",
    "_ext.typography",
    "_ext.downloads",
    "_ext.accessible",
    "_ext.findable",
    "_ext.searched",
    "_ext.forms",
    "_ext.together",
    "_ext.ebook",
    "_ext.pdf",
]

html_theme = "furo"
html_title = project
html_search_scorer = str(HERE / "web" / "search" / "scorer.js")
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
PYPROJECT = tomllib.loads((HERE.parent / "pyproject.toml").read_text("utf-8"))
html_theme_options: dict[str, str | list[str]] = {"top_of_page_buttons": []}
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
epub_tocdup = False
epub_tocscope = "includehidden"
epub_exclude_files = ["404.xhtml"]

myst_enable_extensions = ["dollarmath", "substitution"]
myst_substitutions = {"version": version}
myst_heading_anchors = 3

bibtex_bibfiles = ["references.bib"]
bibtex_reference_style = "author_year"
bibtex_default_style = "cited"

autodoc_typehints = "none"  # the docstrings say more than the annotations
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

nb_execution_mode = "cache"
nb_execution_timeout = 600
nb_merge_streams = True
nb_mime_priority_overrides = [
    ("pdf", kind, place)
    for place, kind in enumerate(["text/html", "image/svg+xml", "text/plain"], 1)
]
