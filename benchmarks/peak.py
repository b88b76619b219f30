"""What a training and a convolution ask of the system: memory at its peak, and page faults.

Each is measured in a process of its own, for what a process has once had it keeps:
``peak.py NAME BRAND`` prints the figures of one as JSON, ``measured`` those of all.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cases

Figures = dict[str, dict[str, dict[str, float]]]  # by case, library, and what is measured

RUNS: dict[str, Callable[[], cases.Runs]] = {
    "LeNet-5, an epoch at batch 32": lambda: cases.training(cases.lenet, 28, 32),
    "LeNet-5, an epoch at batch 256": lambda: cases.training(cases.lenet, 28, 256),
    "edge detection, 12 megapixels": lambda: cases.edges(3000, 4000),
}


def measured() -> Figures:
    """Return for each case and library how many MiB it takes, and page faults when warm."""
    brands = ["convdocs", *["PyTorch"] * cases.TORCH]
    return {name: {brand: _alone(name, brand) for brand in brands} for name in RUNS}


def main(name: str, brand: str) -> None:
    """Print what one case takes in this process, beside what it takes to begin."""
    cases.TORCH = brand == "PyTorch"  # ours begins without it
    run = RUNS[name]()[brand]
    before = most()
    for _ in range(3):
        run()
    warm = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    run()
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - warm
    print(json.dumps({"MiB": (most() - before) / 2**20, "page faults": faults}))


def most() -> int:
    """Return the bytes that this process has had at its peak."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux getrusage would count the parent's, too
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _alone(name: str, brand: str) -> dict[str, float]:
    """Return what a new process says of a case."""
    command = [sys.executable, __file__, name, brand]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
