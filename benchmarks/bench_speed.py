"""Every case of `cases`, ours beside the others: run by `make bench`.

The competitors of one case take turns, three times over, so that whatever else the machine does
meets all of them alike. `conftest` turns the times into tables.
"""

import functools
import time

import cases
import pytest

TURNS, SECONDS = 3, 0.1  # each competitor's turns, and how long one of them lasts
CASES = {
    **{
        ("training step", f"LeNet-5, batch {n}"): (lambda n=n: cases.training(cases.lenet, 28, n))
        for n in (32, 64, 256)
    },
    ("training step", "digits of the book, batch 32"): lambda: cases.training(cases.digits, 8, 32),
    **{
        (f"layer, {name}", key): (lambda s=shape, b=backward: cases.layer(*s, backward=b))
        for name, backward in (("forward", False), ("forward and backward", True))
        for key, shape in cases.LAYERS.items()
    },
    **{
        ("edge detection", key): (lambda s=size: cases.edges(*s))
        for key, size in cases.PHOTOS.items()
    },
    **{
        ("growth, forward and backward", f"{kind}: {n} x {c} x {s} x {s}"): (
            lambda shape=(n, c, s, *rest): cases.layer(*shape, backward=True)
        )
        for kind, shapes in cases.GROWTH.items()
        for n, c, s, *rest in shapes
    },
}
NAMES = (
    "convdocs",
    "PyTorch",
    "ONNX Runtime",
    "SciPy correlate2d",
    "SciPy correlate",
    "bare product",
)


@functools.lru_cache(maxsize=1)
def runs(case):
    """Return the competitors of one case, built once for all of its turns."""
    return CASES[case]()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("turn", range(TURNS))
@pytest.mark.parametrize("case", CASES, ids=" | ".join)
def test_speed(benchmark, speeds, case, turn, name):
    """Time one competitor for one turn."""
    run = runs(case).get(name)
    if run is None:
        pytest.skip("not for this case, or not installed")
    time.sleep(0.03)  # threads of the last competitor that still wait for work go to sleep
    begin = time.perf_counter()
    run()
    once = time.perf_counter() - begin
    rounds = int(min(50, max(1, SECONDS / max(once, 1e-6))))
    benchmark.pedantic(run, rounds=rounds, warmup_rounds=1)
    group, row = case
    times = speeds.setdefault(group, {}).setdefault(row, {}).setdefault(name, [])
    times += benchmark.stats.stats.data
