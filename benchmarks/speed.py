"""Time every case of `cases`, ours beside the others: run by `make bench`.

Each case has a process of its own: how quickly a library gets memory depends on what its process
had before. The competitors of one case take turns, five times over, so that whatever else the
machine does meets all of them alike. Each group becomes a table in Markdown; the medians of a whole
run also become ``results.json``, which the chapter on speed reads. With words, as in ``speed.py
LeNet``, only the cases that have one of them are timed, and nothing is kept.
"""

import datetime
import importlib.metadata
import json
import multiprocessing
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import peak
from cases import BY_HAND, CASES, STEPS, TRAINING, Case, Run

RESULTS = Path(__file__).parent / "results.json"
TURNS = 5  # of each competitor
SECONDS = 0.1  # how long a turn lasts
ROUNDS = 50  # in a turn, at most

Times = dict[str, dict[str, dict[str, float]]]  # by group, case and competitor


def main(*words: str) -> None:
    """Time the cases that have one of the words, or all, and print a table for each group."""
    chosen = [case for case in CASES if not words or any(word in str(case) for word in words)]
    times: Times = {}
    for group in dict.fromkeys(case.group for case in chosen):
        these = [case for case in chosen if case.group == group]
        times[group] = {case.name: by for case, by in zip(these, apart(these), strict=True)}
        print(*table(group, times[group]), sep="\n", flush=True)
    if len(chosen) == len(CASES):
        memory = peak.measured()
        print(*memory_table(memory), sep="\n")
        RESULTS.write_text(json.dumps(record(times, memory), indent=1) + "\n")


def apart(chosen: list[Case]) -> Iterator[dict[str, float]]:
    """Yield the medians of each case, from a new process for each."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
        yield from pool.map(medians, chosen)


def medians(case: Case) -> dict[str, float]:
    """Return how long each competitor takes, in seconds."""
    runs = CASES[case]()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(TURNS):
        for name, run in runs.items():
            times[name] += turn(run)
    return {name: statistics.median(taken) for name, taken in times.items()}


def turn(run: Run) -> list[float]:
    """Time a competitor for one turn, after two runs to warm up."""
    time.sleep(0.03)  # threads of the last competitor that still wait for work go to sleep
    once = seconds(run)
    run()
    return [seconds(run) for _ in range(int(min(ROUNDS, max(1, SECONDS / max(once, 1e-6)))))]


def seconds(run: Run) -> float:
    """Time one run."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def record(times: Times, memory: peak.Figures) -> dict[str, object]:
    """Return medians in seconds, with the machine and the versions that they belong to."""
    blas: dict[str, Any] = np.show_config(mode="dicts")["Build Dependencies"]["blas"]  # type: ignore[assignment]
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
        "blas": f"{blas['name']} {blas['version']}",
        "versions": versions,
        "groups": times,
        "memory": memory,
    }


def table(group: str, medians: dict[str, dict[str, float]]) -> Iterator[str]:
    """Yield lines of Markdown: for each case our time, theirs, and theirs over ours."""
    others = list(dict.fromkeys(name for by in medians.values() for name in by))
    others.remove("convdocs")
    steps = STEPS if group in (TRAINING, BY_HAND) else 1
    yield ""
    yield f"### {group[0].upper()}{group[1:]}, ms on {os.cpu_count()} cores (theirs / ours)"
    yield ""
    yield f"| | convdocs | {' | '.join(others)} |"
    yield f"| --- |{' ---: |' * (1 + len(others))}"
    ratios: dict[str, list[float]] = {name: [] for name in others}
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


def memory_table(memory: peak.Figures) -> Iterator[str]:
    """Yield lines of Markdown: memory and page faults of each case, ours and theirs."""
    brands = list(next(iter(memory.values())))
    yield ""
    yield "### Memory: MiB at the peak, and page faults once more"
    yield ""
    yield f"| | {' | '.join(brands)} |"
    yield f"| --- |{' ---: |' * len(brands)}"
    for case, by in memory.items():
        cells = (f"{by[name]['MiB']:.0f} MiB, {by[name]['page faults']:.0f}" for name in brands)
        yield f"| {case} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main(*sys.argv[1:])
