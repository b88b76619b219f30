"""The benchmarks run, keep what the chapter on speed reads, and print what was measured."""

import json
import os

import cases
import numpy as np
import peak
import pytest
import speed
from places import ROOT

RECORD = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))
SMALL = cases.Shape(2, 1, 6, 3, 3, 1, 1)


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Replace the cases by two small ones, and what they are kept in; return that."""
    few = {
        cases.Case("layer, forward", "small"): lambda: cases.layer(SMALL, False),
        cases.Case("edge detection", "tiny"): lambda: cases.edges(5, 6),
    }
    for module in (cases, speed):
        monkeypatch.setattr(module, "CASES", few)
    monkeypatch.setattr(speed, "SECONDS", 0)
    monkeypatch.setattr(speed, "apart", lambda chosen: map(speed.medians, chosen))
    monkeypatch.setattr(speed, "RESULTS", tmp_path / "results.json")
    first = dict.fromkeys(list(peak.RUNS)[:1])
    monkeypatch.setattr(peak, "RUNS", first)  # in this process: a new one measures
    return tmp_path / "results.json"


def test_the_record_has_every_case():
    assert [cases.Case(group, name) for group, by in RECORD["groups"].items() for name in by] == [
        *cases.CASES
    ]


@pytest.mark.slow
def test_a_whole_run_is_kept_in_the_form_of_the_record(quick, capsys):
    speed.main()
    kept = json.loads(quick.read_text())
    assert kept.keys() == RECORD.keys()
    assert list(kept["groups"]) == ["layer, forward", "edge detection"]
    for times in (
        *kept["groups"]["layer, forward"].values(),
        kept["groups"]["edge detection"]["tiny"],
    ):
        assert next(iter(times)) == "convdocs"
        assert all(taken > 0 for taken in times.values())
    (memory,) = kept["memory"].values()
    assert memory["convdocs"]["MiB"] > 0
    assert memory["convdocs"]["page faults"] < 100 * cases.STEPS
    printed = capsys.readouterr().out
    assert "### Memory" in printed
    assert "### Layer, forward, ms on" in printed
    assert "\n| tiny | " in printed


@pytest.mark.slow
def test_a_part_is_printed_and_not_kept(quick, capsys):
    speed.main("tiny", "nothing")
    assert not quick.exists()
    printed = capsys.readouterr().out
    assert "| tiny | " in printed
    assert "| small | " not in printed


@pytest.mark.slow
def test_each_case_is_timed_in_a_process_of_its_own(monkeypatch):
    case = cases.Case("edge detection", "0.3 megapixels")
    monkeypatch.setattr(speed, "medians", process)
    assert len({os.getpid(), *speed.apart([case, case])}) == 3


def process(case):
    """Return which process this is."""
    return os.getpid()


def test_every_competitor_computes_the_same(rng):
    runs = cases.edges(7, 9)
    ours = runs.pop("convdocs")()
    assert {"SciPy correlate2d", "SciPy correlate"} <= runs.keys()
    for name, run in runs.items():
        theirs = run()
        for kernel in range(2):
            # SciPy has a picture a kernel, PyTorch a batch of one image, ONNX Runtime a list of it
            batch = {"ONNX Runtime": theirs[0], "PyTorch": theirs}.get(name)
            found = theirs[kernel] if batch is None else batch[0][kernel]
            assert abs(ours[0, kernel] - np.asarray(found)).max() < 1e-5, name


@pytest.mark.parametrize("backward", [False, True])
def test_layers_run(backward):
    runs = cases.layer(SMALL, backward)
    assert {"convdocs", "bare product"} <= runs.keys()
    for run in runs.values():
        run()


@pytest.mark.slow
@pytest.mark.parametrize(("network", "side"), [(cases.digits, 8), (cases.lenet, 28)])
def test_networks_learn(network, side):
    for run in cases.training(network, side, 2).values():
        run()


def test_a_table_has_ours_theirs_and_the_ratio():
    medians = {
        "small": {"convdocs": 0.002, "PyTorch": 0.004, "ONNX Runtime": 0.001},
        "large": {"convdocs": 0.02, "PyTorch": 0.01},
    }
    lines = list(speed.table("layer, forward", medians))
    assert lines[3:] == [
        "| | convdocs | PyTorch | ONNX Runtime |",
        "| --- | ---: | ---: | ---: |",
        "| small | 2.00 | 4.00 (2.00) | 1.00 (0.50) |",
        "| large | 20.00 | 10.00 (0.50) |  |",
        "| geometric mean of the ratios | | 1.00 | 0.50 |",
    ]
    (step, *_) = [line for line in speed.table(cases.TRAINING, medians) if "| small" in line]
    assert step == "| small | 0.12 | 0.25 (2.00) | 0.06 (0.50) |"  # of the sixteen in an epoch
