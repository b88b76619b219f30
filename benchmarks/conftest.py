"""Turn pytest-benchmark's times into Markdown tables: medians in ms, and ratios to ours.

The medians of a whole run also become ``results.json``, which the chapter on speed reads.
"""

import datetime
import importlib.metadata
import json
import os
import platform
import statistics
from pathlib import Path

import pytest
from bench_speed import CASES

RESULTS = Path(__file__).parent / "results.json"
SPEEDS = pytest.StashKey()


@pytest.fixture(scope="session")
def speeds(request):
    """Return all times so far, by group, case and competitor."""
    return request.config.stash.setdefault(SPEEDS, {})


def pytest_benchmark_group_stats():
    """Leave out pytest-benchmark's own table, which has a line for each turn."""
    return []


def pytest_terminal_summary(terminalreporter, config):
    """Print a table for each group, and keep the medians if nothing was left out."""
    groups = {
        group: {c: {n: statistics.median(t) for n, t in by.items()} for c, by in cases.items()}
        for group, cases in config.stash.get(SPEEDS, {}).items()
    }
    for group, medians in groups.items():
        for line in table(group, medians):
            terminalreporter.write_line(line)
    if sum(map(len, groups.values())) == len(CASES):
        RESULTS.write_text(json.dumps(record(groups), indent=1) + "\n")


def record(groups):
    """Return medians in seconds, with the machine and the versions that they belong to."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    versions = {}
    for name in ("numpy", "torch", "onnxruntime", "scipy"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "machine": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "date": datetime.date.today().isoformat(),
        "versions": versions,
        "groups": groups,
    }


def table(group, medians):
    """Return lines of Markdown: for each case our time, theirs, and theirs over ours."""
    others = list(dict.fromkeys(name for by in medians.values() for name in by))
    others.remove("convdocs")
    steps = 4 if group == "training step" else 1
    yield ""
    yield f"### {group[0].upper()}{group[1:]}, ms on {os.cpu_count()} cores (theirs / ours)"
    yield ""
    yield f"| | convdocs | {' | '.join(others)} |"
    yield f"| --- |{' ---: |' * (1 + len(others))}"
    ratios = {name: [] for name in others}
    for case, by in medians.items():
        cells = []
        for name in others:
            if name in by:
                ratios[name].append(by[name] / by["convdocs"])
                cells.append(f"{1e3 * by[name] / steps:.2f} ({ratios[name][-1]:.2f})")
            else:
                cells.append("")
        yield f"| {case} | {1e3 * by['convdocs'] / steps:.2f} | {' | '.join(cells)} |"
    if not group.startswith("growth"):
        means = (f"{statistics.geometric_mean(r):.2f}" for r in ratios.values())
        yield f"| geometric mean of the ratios | | {' | '.join(means)} |"
