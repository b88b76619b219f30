"""Compare two built sites, file by file: but for chapters that read a clock, they must be equal.

Usage: python .ci/same.py ONE OTHER
"""

import re
import sys
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"
CLOCK = re.compile(r"perf_counter|convdocs\.book\.clock")


def files(site):
    """Return the bytes of each file of a site."""
    return {
        path.relative_to(site).as_posix(): path.read_bytes()
        for path in site.rglob("*")
        if path.is_file()
    }


def excused(*sites):
    """Return the files that may differ, as the page "How this book is made" says.

    These are the chapters that read a clock, with their figures and notebooks, and Sphinx's own
    note of the folder that it was built in.
    """
    about = (DOCS / "about.md").read_text("utf-8")
    timed = [path.stem for path in DOCS.glob("*.md") if CLOCK.search(path.read_text("utf-8"))]
    unsaid = [name for name in timed if f"{{doc}}`{name}`" not in about]
    if unsaid:
        sys.exit(f"docs/about.md must say that these chapters read a clock: {unsaid}")
    names = {".buildinfo"}
    for name in timed:
        names |= {f"{name}.html", f"downloads/{name}.ipynb", f"downloads/{name}-colab.ipynb"}
        for site in sites:
            names |= set(re.findall(r'"(_images/[^"]*)"', site[f"{name}.html"].decode()))
    return names


def main():
    """Print what differs, and fail if anything does."""
    one, other = (files(Path(name)) for name in sys.argv[1:3])
    every = one.keys() | other.keys()
    different = {name for name in every if one.get(name) != other.get(name)} - excused(one, other)
    if different or not every:
        sys.exit("\n".join(["Two builds differ in:", *sorted(different)]))
    print(f"Two builds are equal, all {len(every)} files but the pages that read a clock.")


main()
