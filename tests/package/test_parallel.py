"""Many processes train the network that one would, and end together however one of them ends."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from places import ROOT

from convdocs import CNN, BatchNorm2d, cross_entropy_backward

pytestmark = pytest.mark.slow  # every test starts processes

MPIEXEC = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}")
STARTS = """
import sys
import numpy as np
from convdocs import *
from convdocs.training import waiting, world
waiting.PATIENCE = 0.5  # before the first wait: who waits for others keeps a core busy
comm = world()
rank, size = (0, 1) if comm is None else (comm.rank, comm.size)
masks = []  # those of dropout, where a program keeps them
X = np.random.default_rng(0).normal(size=(41, 1, 6, 6))
Y = np.arange(41) % 3
def net(*more, dtype="f8"):
    rng = np.random.default_rng(1)
    return CNN([Conv2d(1, 4, 3, dtype=dtype, rng=rng), *more, ReLU(), MaxPool2d(2), Flatten(),
                Linear(16, 3, dtype=dtype, rng=rng)])
def digest(model):  # of every rank, on each
    own = b"".join(p.tobytes() for p in model.state_dict().values())
    return [own] if comm is None else comm.allgather(own)
"""


def started(ranks, program, *arguments):
    """Return the command and the environment that start a program on so many ranks."""
    if MPIEXEC is None:
        pytest.skip("no mpiexec: pip install 'convdocs[mpi]'")
    pytest.importorskip("mpi4py")
    start = [MPIEXEC, "-n", str(ranks)] if ranks else []
    command = [*start, sys.executable, "-c", STARTS + program, *map(str, arguments)]
    idle = {"MPIR_CVAR_ENABLE_HEAVY_YIELD": "1"}  # where MPICH waits for others, it sleeps
    return command, {**os.environ, "OMP_NUM_THREADS": "1", **idle}


def run(ranks, program, *arguments):
    """Run a program on so many ranks, and return how it ended."""
    command, environment = started(ranks, program, *arguments)
    return subprocess.run(
        command, capture_output=True, text=True, timeout=100, env=environment, cwd=ROOT
    )


def trained(ranks, program, path):
    """Return the model that a program saves."""
    done = run(ranks, program, path)
    assert done.returncode == 0, done.stderr
    return CNN.load(path), done.stdout


FITS = {  # 41 images: the last batch is incomplete, in the second case a single one
    "Adam": "net().fit(X, Y, 3, 16, rng=2, validation=(X[:7], Y[:7]), comm=comm)",
    "one left": "net().fit(X, Y, 3, 8, rng=2, validation=(X[:1], Y[:1]), comm=comm)",
    "one a batch": "net().fit(X[:5], Y[:5], 2, 1, rng=2, comm=comm)",
    "momentum": "net().fit(X, Y, 3, 41, np.random.default_rng(2), SGD(0.1, 0.9, 0.01), comm=comm)",
    "blocks": "net(Residual([Conv2d(4, 4, 3, padding=1, dtype='f8', rng=0)]))"
    ".fit(X, Y, 2, 16, rng=2, comm=comm)",
    "batches": "net().fit([(X[:9], Y[:9]), (X[9:], Y[9:])], epochs=3, rng=2, comm=comm)",
}
PROGRAMS = {name: f"model = {fit}" for name, fit in FITS.items()}
SAVE = """
weights = set(digest(model))
if rank == 0:
    model.save(sys.argv[1])
    values = (value for entry in model.history for value in entry.values())
    print(len(weights), len(set(masks)), *values)
"""
SAVE_EACH = """
path = sys.argv[1]
for name, program in {}.items():
    sys.argv[1] = path + name + ".npz"
    exec(program + {!r})
"""


@pytest.fixture(scope="module")
def fits(tmp_path_factory):
    """Return for each number of ranks and training the weights, and the numbers it prints."""
    found = {}
    for ranks in (0, 1, 2, 4):
        path = tmp_path_factory.mktemp("fits")
        programs = {name: PROGRAMS[name] for name in (FITS if ranks == 4 else PROGRAMS)}
        done = run(ranks, SAVE_EACH.format(programs, SAVE), f"{path}{os.sep}")
        assert done.returncode == 0, done.stderr
        for name, said in zip(programs, done.stdout.splitlines(), strict=True):
            weights = CNN.load(path / f"{name}.npz").state_dict()
            found[ranks, name] = weights, np.array(said.split(), float)
    return found


@pytest.mark.xdist_group("fits")  # each number of ranks is started once
@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("ranks", [2, 4])
def test_two_and_four_ranks_give_the_weights_of_one_process(name, ranks, fits):
    (alone, ours), (model, theirs) = fits[0, name], fits[ranks, name]
    assert alone.keys() == model.keys()
    for key, p in alone.items():
        np.testing.assert_allclose(model[key], p, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(theirs, ours, rtol=1e-12)  # sums are of double precision


PROGRAMS["float32"] = (
    "model = net(dtype='f4').fit(X, Y, 3, 16, rng=2, optimizer=SGD(0.1), comm=comm)"
)


@pytest.mark.xdist_group("fits")
def test_in_float32_they_agree_within_its_rounding(fits):
    (alone, _), (model, _) = fits[0, "float32"], fits[2, "float32"]
    for key, p in alone.items():
        np.testing.assert_allclose(model[key], p, rtol=1e-4, atol=1e-5)


PROGRAMS["saved"] = """
from convdocs.training import loop
seldom, loop.SECONDS = loop.SECONDS, -1
model = net(Dropout(0.3)).fit(X, Y, 4, 8, rng=2, comm=comm, checkpoint=sys.argv[1] + ".begun")
loop.SECONDS = seldom
"""


@pytest.mark.xdist_group("fits")
def test_one_rank_under_mpiexec_gives_the_bits_of_one_process(fits):
    for name in (*FITS, "saved"):
        (alone, _), (one, _) = fits[0, name], fits[1, name]
        assert all((one[key] == p).all() for key, p in alone.items()), name


PROGRAMS["norm"] = """
model = net(BatchNorm2d(4, dtype="f8"))
model.fit([(X, Y)], epochs=1, rng=0, optimizer=SGD(0.1), comm=comm)
"""


@pytest.mark.xdist_group("fits")
def test_batch_normalisation_is_over_each_share_and_its_running_means_over_all(fits):
    scope = {}
    exec(STARTS, scope)
    X, Y, shares = scope["X"], scope["Y"], (slice(0, 20), slice(20, 41))
    each = []
    for share in shares:  # by hand: a step of each share, and the weighted mean of the gradients
        net = scope["net"](BatchNorm2d(4, dtype="f8"))
        net.backward(cross_entropy_backward(net(X[share], train=True), Y[share]))
        each.append(net)
    want, got = each[0].state_dict(), fits[2, "norm"][0]
    for number, layer in enumerate(each[0].layers):
        for name in layer.params:
            mean = (
                sum(n * e.layers[number].grads[name] for n, e in zip((20, 21), each, strict=True))
                / 41
            )
            want[f"{number}.{name}"] -= 0.1 * mean
    for name in ("1.running_mean", "1.running_var"):
        want[name] = (20 * each[0].state_dict()[name] + 21 * each[1].state_dict()[name]) / 41
    for key, p in want.items():
        np.testing.assert_allclose(got[key], p, rtol=1e-10, atol=1e-13, err_msg=key)
    assert got["1.num_batches_tracked"] == 1


PROGRAMS["masks"] = """
class Watch(Dropout):
    seen = []
    def __call__(self, x, train=False, rng=None):
        y = super().__call__(x, train, rng)
        if train:
            self.seen.append(self.mask.tobytes())
        return y
watch = Watch(0.5)
model = CNN([Flatten(), watch, Linear(36, 3, rng=0)])
model.fit(X[:40], Y[:40], 3, 8, rng=0, comm=comm)
masks = sum([watch.seen] if comm is None else comm.allgather(watch.seen), [])
model.layers.pop(1)
"""


@pytest.mark.xdist_group("fits")
def test_dropout_is_drawn_for_each_rank_and_step_and_the_weights_stay_the_same(fits):
    assert fits[2, "masks"][1][:2].tolist() == [1, 2 * 15]


PROGRAMS["begin"] = """
model, optimizer = net(), Adam()
if rank:
    model.layers[0].params["weight"] += 1
model.fit(X, Y, 2, 16, rng=2, optimizer=optimizer, comm=comm)
model.fit(X, Y, 2, 16, rng=None, optimizer=optimizer, comm=comm)
"""


@pytest.mark.xdist_group("fits")
def test_ranks_that_begin_differently_begin_alike_all_the_same(fits):
    assert fits[2, "begin"][1][0] == 1


def test_the_script_of_the_book_runs_with_and_without_mpiexec(tmp_path):
    pytest.importorskip("sklearn")
    page = (ROOT / "docs" / "machines.md").read_text()
    (script,) = re.findall(r"^%%writefile train.py\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    program = "\nsys.argv[1] = sys.argv[1].removesuffix('.npz')\n" + script
    alone, _ = trained(0, program, tmp_path / "alone.npz")
    model, said = trained(2, program, tmp_path / "two.npz")
    assert said.count("of the test digits") == 1  # one rank speaks for all
    for key, p in alone.state_dict().items():
        np.testing.assert_allclose(model.state_dict()[key], p, atol=1e-3)


# Errors, and no waiting

DEATHS = {
    "raise": "1 / 0",
    "exit": "sys.exit(3)",
    "interrupt": "raise KeyboardInterrupt",
    "kill": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
}
DIES = """
class Mortal(ReLU):
    calls = 0
    def forward(self, x):
        self.calls += 1
        if rank == size - 1 and self.calls == 5:
            {}
        return super().forward(x)
net(Mortal()).fit(X, Y, 10**6, 8, rng=0, comm=comm)
"""


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
@pytest.mark.parametrize("ranks", [2, 3])
def test_a_rank_that_dies_ends_the_run_with_an_error(death, ranks):
    done = run(ranks, DIES.format(death))
    assert done.returncode != 0
    if "kill" not in death:
        assert f"rank {ranks - 1} of {ranks} ends the run" in done.stderr


def test_an_error_of_one_rank_before_the_training_ends_all():
    done = run(2, "if rank: open('no such file')\nnet().fit(X, Y, rng=0, comm=comm)")
    assert done.returncode != 0
    assert "rank 1 of 2 ends the run" in done.stderr
    assert "no such file" in done.stderr


REFUSED = {  # before the first step: what is wrong on one rank, or not alike on both
    "batch size": ("model.fit(X, Y, 2, 8 + rank, 0, comm=comm)", "batch_size 8, got 9"),
    "epochs": ("model.fit(X, Y, 2 + rank, 8, 0, comm=comm)", "epochs 2, got 3"),
    "images": ("model.fit(X[rank:], Y[rank:], 2, 8, 0, comm=comm)", "images 41, got 40"),
    "network": ("net(*[ReLU()] * rank).fit(X, Y, 2, 8, 0, comm=comm)", "layers"),
    "seed": ("model.fit(X, Y, 2, 8, rng=rank, comm=comm)", "another rng"),
    "optimizer": ("model.fit(X, Y, 2, 8, 0, SGD(0.1 + rank), comm=comm)", r"SGD\(lr=0.1,"),
    "pixels": ("model.fit(X + rank, Y, 2, 8, 0, comm=comm)", "other images or labels"),
    "labels": ("model.fit(X, Y[:: 1 - 2 * rank], 2, 8, 0, comm=comm)", "other images or labels"),
    "validation or none": (
        "model.fit(X, Y, 2, 8, 0, comm=comm, validation=[None, (X, Y)][rank])",
        "another validation set, or none",
    ),
    "size of validation": (
        "model.fit(X, Y, 2, 8, 0, comm=comm, validation=(X[: 5 + rank], Y[: 5 + rank]))",
        "another validation set, or none",
    ),
    "pixels of validation": (
        "model.fit(X, Y, 2, 8, 0, comm=comm, validation=(X + rank, Y))",
        "another validation set, or none",
    ),
    "arrays or batches": (
        "model.fit(*[(X, Y), ([(X, Y)],)][rank], epochs=2, rng=0, comm=comm)",
        "images 41, got None",
    ),
    "wrong epochs": ("model.fit(X, Y, epochs=-rank, comm=comm)", "epochs must be at least 0"),
    "wrong images": ("model.fit(X[:, :, rank:], Y, comm=comm)", "X must fit"),
    "wrong labels": ("model.fit(X, Y + 9 * rank, comm=comm)", "y must be below the 3 classes"),
    "wrong seed": ("model.fit(X, Y, rng=[0, 'seed'][rank], comm=comm)", "rng must"),
    "wrong optimizer": ("model.fit(X, Y, optimizer=[None, 1][rank], comm=comm)", "optimizer must"),
    "wrong progress": ("model.fit(X, Y, progress=[None, 'yes'][rank], comm=comm)", "progress must"),
    "wrong validation": ("model.fit(X, Y, validation=(X[rank:], Y), comm=comm)", "validation"),
    "wrong checkpoint": (
        "model.fit(X, Y, 2, 8, 0, comm=comm, checkpoint=sys.argv[2])",
        "(?<=^ValueError: )checkpoint must",
    ),
    "an error that cannot be sent": ("net(Odd()).fit(X, Y, comm=comm)", "Unsendable: odd"),
    "too small shares": (
        "net(BatchNorm2d(4), MaxPool2d(4)).fit(X, Y, batch_size=3, comm=comm)",
        "X must fit",
    ),
    "single images": (
        "CNN([MaxPool2d(6), BatchNorm2d(1), Flatten(), Linear(1, 3)]).fit(X, Y, 1, 3, comm=comm)",
        "batch_size must give each step at least 4 images .*got 3",
    ),
}
REFUSING = """
import json
class Unsendable(Exception):
    def __init__(self, one, two):
        super().__init__(one)
class Odd(ReLU):
    def forward(self, x):
        if rank:
            raise Unsendable("odd", 2)
        return super().forward(x)
model = net()
before = digest(model)
for call in json.loads(sys.argv[1]):
    said = "nothing"
    try:
        exec(call)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    said = comm.allgather(said if digest(model) == before else "something was changed")
    if rank == 0:
        print(json.dumps(said))
model.fit(X, Y, 1, rng=0, comm=comm)  # they are in step to the end
"""


@pytest.fixture(scope="module")
def refusals(tmp_path_factory):
    """Return what both ranks said to each wrong call, one after the other."""
    path = tmp_path_factory.mktemp("refusals") / "checkpoint"
    path.write_text("hello")
    done = run(2, REFUSING, json.dumps([call for call, _ in REFUSED.values()]), path)
    assert path.read_text() == "hello"
    assert done.returncode == 0, done.stderr
    return dict(zip(REFUSED, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.xdist_group("refusals")
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_or_other_on_one_rank_is_an_error_on_all(name, refusals):
    first, second = refusals[name]
    assert re.match(rf"(Value|Type|Runtime)Error: .*{REFUSED[name][1]}", first)
    assert second == first


UNLIKE = {
    "number of batches": "net().fit([(X, Y)] * (2 - rank), epochs=2, rng=0, comm=comm)",
    "size of batches": "net().fit([(X[rank:], Y[rank:])], epochs=2, rng=0, comm=comm)",
}


@pytest.mark.parametrize("fit", UNLIKE.values(), ids=UNLIKE)
def test_ranks_with_other_batches_are_told_so(fit):
    done = run(2, fit)
    assert done.returncode != 0
    assert "every rank must be given the same batches" in done.stderr


ENDS = {  # a rank that comes to its end while another waits for it
    "the first": (2, "if rank: net().fit(X, Y, comm=comm)"),
    "the last": (3, "if rank < size - 1: net().fit(X, Y, comm=comm)"),
    "all but one": (3, "if rank == 1: net().fit(X, Y, comm=comm)"),
    "exit": (2, "if rank == 1: sys.exit()\nnet().fit(X, Y, comm=comm)"),
    "exit with an error": (3, "if rank == 1: sys.exit(3)\nnet().fit(X, Y, comm=comm)"),
    "once more": (2, "for _ in range(1 + rank): net().fit(X, Y, 1, comm=comm)"),
    "alone": (2, "net().fit(X, Y, 1, comm=[None, comm][rank])"),
}


@pytest.mark.parametrize(("ranks", "program"), ENDS.values(), ids=ENDS)
def test_a_rank_that_ends_while_others_wait_for_it_ends_the_run(ranks, program):
    done = run(ranks, program)
    assert done.returncode != 0
    assert re.search(rf"rank \d of {ranks} ends the run:\n.*every rank must", done.stderr)


def notes_alone(text):
    """Tell whether nothing was written but for whom all wait: on a busy machine that may be."""
    return re.fullmatch(r"(fit on 2 ranks: .*waiting for .*\n)*", text)


def test_ranks_that_end_at_different_times_end_well():
    program = """
import time
net().fit(X, Y, 1, rng=0, comm=comm)
time.sleep(3 * waiting.PATIENCE * rank)
print(rank * "end")
"""
    done = run(2, program)
    assert (done.returncode, done.stdout.strip()) == (0, "end")
    assert notes_alone(done.stderr)


STOPS = """
import os, signal, time
class Stopping(ReLU):
    def forward(self, x):
        if rank == int(sys.argv[1]) and not os.path.exists(sys.argv[2]):
            with open(sys.argv[2] + ".new", "w") as file:
                file.write(str(os.getpid()))
            os.replace(file.name, sys.argv[2])
            os.kill(os.getpid(), signal.SIGSTOP)
        while not os.path.exists(sys.argv[2]):
            time.sleep(0.01)  # the other does not wait for it before it stops
        return super().forward(x)
net(Stopping()).fit(X, Y, 2, 8, rng=0, comm=comm)
print(rank * "end")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGSTOP")
@pytest.mark.parametrize(
    ("stopped", "note"),
    [(1, "fit on 2 ranks: waiting for rank 1"), (0, "rank 1 waiting for rank 0, which does not")],
)
def test_for_a_stopped_rank_a_note_says_who_it_is_and_it_can_go_on(stopped, note, tmp_path):
    command, environment = started(2, STOPS, stopped, tmp_path / "process")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as child:
        timer = threading.Timer(100, child.kill)
        timer.start()
        for line in child.stderr:
            assert notes_alone(line)
            if note in line and (tmp_path / "process").exists():
                os.kill(int((tmp_path / "process").read_text()), signal.SIGCONT)
                break
        out, err = child.communicate()
        timer.cancel()
    assert (child.returncode, out.strip()) == (0, "end")
    assert notes_alone(err)


def test_a_rank_that_is_far_behind_is_named_and_nothing_ends():
    program = """
import time
while rank == 0 and not waiting.WATCHES[0].told:
    time.sleep(0.1)
net().fit(X, Y, 1, rng=0, comm=comm)
"""
    done = run(2, program)
    assert done.returncode == 0
    assert done.stderr.startswith("fit on 2 ranks: waiting for rank 0\n")
    assert notes_alone(done.stderr)


@pytest.mark.xdist_group("fits")
def test_two_ranks_that_are_killed_go_on_to_the_same_bits(fits, tmp_path):
    program = """
from convdocs.training import loop
honest, killed = loop.Training.advance, int(sys.argv[2])
def advance(self, *sums):
    honest(self, *sums)
    if rank == 1 and 6 * self.epoch + self.step == killed:
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
loop.Training.advance = advance
"""
    program += PROGRAMS["saved"] + SAVE
    for killed in (3, 9, 17):
        done = run(2, program, tmp_path / "end.npz", killed)
        assert done.returncode != 0
    done = run(2, program, tmp_path / "end.npz", -1)
    assert done.returncode == 0, done.stderr
    want, said = fits[2, "saved"]
    assert (np.array(done.stdout.split(), float) == said).all()
    end = CNN.load(tmp_path / "end.npz").state_dict()
    assert all((end[key] == p).all() for key, p in want.items())


def test_several_processes_without_mpi4py_are_told_what_is_missing():
    code = "import sys; sys.modules['mpi4py'] = None\nfrom convdocs.training import world\n"
    command = [sys.executable, "-c", code + "print(world())"]
    for name in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"):
        for count in (1, 2):
            done = subprocess.run(
                command, capture_output=True, text=True, env={**os.environ, name: str(count)}
            )
            assert (done.returncode == 0) == (count == 1)
            assert count == 1 or "this needs mpi4py: pip install 'convdocs[mpi]'" in done.stderr
