"""Modules import downwards only: the folder listing can be read as an order."""

import ast
import functools
import graphlib
import importlib.metadata
import itertools
import re
import tomllib

import pytest
from places import ROOT

PACKAGE = ROOT / "convdocs"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


@functools.cache
def imported(name):
    """Return the package's modules that one of them names, those for type checkers alone too."""
    path, found = MODULES[name], set()
    parts = name.split(".") + ["__init__"] * (path.name == "__init__.py")
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = parts[: len(parts) - node.level] if node.level else []
            base = ".".join([*start, *(node.module or "").split(".")]).strip(".")
            inside = {f"{base}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= inside or {base}
    return found & MODULES.keys() - {name}


def test_no_module_imports_one_that_imports_it():
    graph = {name: imported(name) for name in MODULES}
    assert graph["convdocs.conv"] >= {"convdocs.layer", "convdocs.windows"}  # it sees imports
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_book_and_the_exchange_serve_nobody_in_the_package():
    for name in MODULES:
        for room in ("convdocs.book", "convdocs.exchange"):
            if not name.startswith(room):
                assert not [used for used in imported(name) if used.startswith(room)], name


def named(path):
    """Return the names of what a file imports from elsewhere, without what is inside them."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module)
    return {name.split(".")[0] for name in found}


@pytest.mark.slow
def test_what_is_imported_is_declared_and_does_not_just_come_along():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    project, groups = settings["project"], settings["dependency-groups"].values()
    listed = itertools.chain(
        project["dependencies"], *project["optional-dependencies"].values(), *groups
    )
    declared = {re.match(r"[\w.-]+", each)[0].lower() for each in listed if isinstance(each, str)}
    assert declared >= {"numpy", "torch", "furo"}
    known, undeclared = importlib.metadata.packages_distributions(), set()
    for folder in ("convdocs", "tests", "benchmarks", "docs/_ext"):
        for path in (ROOT / folder).rglob("*.py"):
            for name in named(path) & known.keys() - {"convdocs"}:
                brought_by = {each.lower().replace("_", "-") for each in (name, *known[name])}
                if not brought_by & declared:
                    undeclared.add((path.name, name))
    assert undeclared == set()
