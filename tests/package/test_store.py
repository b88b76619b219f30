"""Model files: bit for bit the same model, whole or not at all, and never another one."""

import contextlib
import io
import json
import os
import pathlib
import pickle
import re
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from samples import LAYERS

from convdocs import CNN, Conv2d, Flatten, Linear, ReLU, layer, store
from convdocs.layer import Layer

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX system")


def model(seed=0):
    """Return a small network."""
    return CNN([Conv2d(1, 2, 3, rng=seed), ReLU(), Flatten(), Linear(8, 3, rng=seed)])


def same(one, two):
    """Tell whether two models are the same to the last bit."""
    if repr(one) != repr(two):
        return False
    one, two = ({k: (p.dtype, p.tobytes()) for k, p in m.state_dict().items()} for m in (one, two))
    return one == two


def content(folder):
    """Return the names and bytes of all files in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def saved(tmp_path):
    """Return the path of a saved model, alone in its folder."""
    model().save(tmp_path / "model.npz")
    return tmp_path / "model.npz"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("make", "shape"), LAYERS)
def test_a_layer_comes_back_bit_for_bit(make, shape, dtype, tmp_path):
    first = CNN([make(dtype)])
    first.save(tmp_path / "model.npz")
    second = CNN.load(tmp_path / "model.npz")
    assert same(first, second)
    assert repr(first) == repr(second)
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    y = first(x)
    assert y.tobytes() == second(x).tobytes()
    assert y.dtype == second(x).dtype
    assert first.backward(y).tobytes() == second.backward(y).tobytes()
    second.save(tmp_path / "again.npz")
    assert (tmp_path / "model.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()


def test_odd_numbers_come_back_bit_for_bit(tmp_path):
    first = CNN([Linear(3, 2, rng=0), Linear(2, 1, dtype="f8", rng=0)])
    first.layers[0].params["weight"][...] = [[np.nan, np.inf, -np.inf], [-0.0, 1e-45, 3.4e38]]
    first.layers[1].params["weight"][...] = [[5e-324, -np.nan]]
    first.save(tmp_path / "model")
    assert same(first, CNN.load(tmp_path / "model"))


def test_a_weight_whose_columns_lie_in_a_row_comes_back(tmp_path):
    first = model()
    for number in 0, 3:
        weight = first.layers[number].params["weight"]
        first.layers[number].params["weight"] = np.asfortranarray(weight)
    first.save(tmp_path / "model")
    assert same(first, CNN.load(tmp_path / "model"))


def test_a_trained_model_and_an_empty_one_come_back(tmp_path):
    trained = model().fit(np.ones((2, 1, 4, 4)), [0, 2], epochs=2, rng=0)
    for network in (trained, CNN([])):
        network.save(tmp_path / "model")
        assert same(network, CNN.load(tmp_path / "model"))


def test_a_subclass_of_the_network_loads_as_itself(saved):
    assert type(type("Net", (CNN,), {}).load(saved)).__name__ == "Net"


def test_a_subclass_that_takes_no_layers_is_not_taken_for_a_damaged_file(saved):
    kind = type("Net", (CNN,), {"__init__": lambda self: CNN.__init__(self, [])})
    with pytest.raises(TypeError, match="positional argument"):
        kind.load(saved)


class Named:
    """A path-like object."""

    def __fspath__(self):
        return "model"


@pytest.mark.parametrize(
    "path",
    [
        *("model", "model.npz", "model.txt", "a b.npz.npz", "modèle-模型", ".hidden", "m" * 255),
        *("./model", pathlib.Path("model"), pathlib.Path("m.NPZ"), b"model", Named()),
    ],
)
def test_exactly_the_given_path_is_written(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model().save(path)
    assert os.listdir() == [os.path.basename(os.fsdecode(path))]
    assert same(CNN.load(path), model())
    model(1).save(path)
    assert len(os.listdir()) == 1
    assert same(CNN.load(path), model(1))


def test_the_file_holds_the_parameters_and_no_pickle(saved):
    with np.load(saved, allow_pickle=False) as file:
        assert set(file.files) == {"convdocs", *model().state_dict()}
        for key, parameter in model().state_dict().items():
            np.testing.assert_array_equal(file[key], parameter)
        json.loads(str(file["convdocs"]))


class Bomb:
    """An object whose pickle makes a folder when it is read."""

    def __reduce__(self):
        return os.mkdir, ("exploded",)


def test_a_pickle_is_not_opened(saved, monkeypatch):
    monkeypatch.chdir(saved.parent)
    for entry in ("0.bias", "convdocs", "other"):
        with np.load(saved) as file:
            arrays = dict(file)
        np.savez("bomb.npz", **(arrays | {entry: np.array([Bomb(), 1], object)}))
        with pytest.raises(ValueError, match=r"path must .*bomb\.npz"):
            CNN.load("bomb.npz")
    pathlib.Path("bomb.npz").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match=r"path must .*bomb\.npz"):
        CNN.load("bomb.npz")
    assert not os.path.exists("exploded")


# Whole or not at all


def write_and_fail(error):
    """Return a stand-in for numpy.savez that fails in the middle."""

    def savez(file, *_, **__):
        file.write(b"PK\x03\x04 half a file")
        raise error

    return savez


@pytest.mark.parametrize(
    "error", [OSError("full"), MemoryError(), KeyboardInterrupt(), SystemExit()]
)
@pytest.mark.parametrize("place", ["numpy.savez", "os.fsync", "os.replace"])
@pytest.mark.parametrize("old", [True, False])
def test_an_exception_leaves_the_old_file_and_nothing_else(
    place, error, old, tmp_path, monkeypatch
):
    if old:
        model().save(tmp_path / "model.npz")
    before = content(tmp_path)
    stand_in = write_and_fail(error)
    if place != "numpy.savez":
        stand_in = lambda *_: (_ for _ in ()).throw(error)  # noqa: E731
    monkeypatch.setattr(place, stand_in)
    with pytest.raises(type(error)):
        model(1).save(tmp_path / "model.npz")
    monkeypatch.undo()
    assert content(tmp_path) == before
    model(1).save(tmp_path / "model.npz")
    assert same(CNN.load(tmp_path / "model.npz"), model(1))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the archive's
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError, TimeoutError])
@pytest.mark.parametrize("entry", [1, 2, 3])
def test_an_interrupt_that_leaves_an_entry_open_stays_what_it_is(saved, monkeypatch, error, entry):
    before, begun = content(saved.parent), []

    def interrupted(self, file, info, zip64):
        begun.append(info)
        real(self, file, info, zip64)
        if len(begun) == entry:  # the archive knows of it, and nobody else does, who could close it
            raise error

    real = zipfile._ZipWriteFile.__init__
    monkeypatch.setattr(zipfile._ZipWriteFile, "__init__", interrupted)
    with pytest.raises(error):
        model(1).save(saved)
    monkeypatch.undo()
    assert len(begun) == entry
    assert content(saved.parent) == before


def test_an_interrupt_when_the_file_has_just_begun_leaves_none(saved, monkeypatch):
    def interrupted(file, wait):
        raise KeyboardInterrupt

    before = content(saved.parent)
    monkeypatch.setattr(store, "_lock", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.whole(saved.parent / "other.npz").__enter__()
    monkeypatch.undo()
    assert content(saved.parent) == before


def test_an_interrupt_while_layers_are_described_leaves_the_next_ones_drawn(tmp_path):
    one, blanks = CNN([Linear(2, 2, rng=0)]), ("blank", "built")

    def interrupted(place):
        """Save, interrupted at an instruction of `blank`; tell whether it has so many."""
        places = iter(range(place))

        def pressed(frame, event, arg):
            if frame.f_code.co_filename == layer.__file__ and frame.f_code.co_name in blanks:
                frame.f_trace_opcodes = True
                if event == "opcode" and next(places, None) is None:
                    raise KeyboardInterrupt
            return pressed

        sys.settrace(pressed)
        try:
            one.save(tmp_path / "model.npz")
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(None)
        return False

    place = 0
    while interrupted(place):
        assert Linear(2, 2, rng=0).params["weight"].all(), place
        place += 1
    assert place > 10


@POSIX
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # by NumPy 2.0
def test_a_full_disk_leaves_the_old_file_and_nothing_else(saved):
    resource = pytest.importorskip("resource")
    before, limits = content(saved.parent), resource.getrlimit(resource.RLIMIT_FSIZE)
    large = CNN([Linear(300, 300, rng=0)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            large.save(saved)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert content(saved.parent) == before


KILLED = """
import sys
from convdocs import CNN, Linear
models = [CNN([Linear(300, 300, rng=seed)]) for seed in (0, 1)]
for step in range(10**9):
    models[step % 2].save(sys.argv[1])
    print("saved", flush=True)
"""


@pytest.mark.slow
@POSIX
def test_a_killed_process_leaves_a_whole_file(tmp_path):
    path = tmp_path / "model.npz"
    either = [CNN([Linear(300, 300, rng=seed)]) for seed in (0, 1)]
    command = [sys.executable, "-c", KILLED, str(path)]
    with open(tmp_path / "log", "w") as log:
        for turn in range(6):
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as child:
                assert child.stdout.readline() == "saved\n"
                time.sleep(0.002 * turn)
                child.kill()
            assert any(same(CNN.load(path), one) for one in either)
    assert (tmp_path / "log").read_text() == ""


def test_what_is_not_ours_stays(saved):
    others = [
        f"model.npz.{os.getpid()}.part",
        "model.npz.part",
        ".1-2.part.npz",
        "1-2.part",
        ".part",
    ]
    (saved.parent / ".3-4.part").mkdir()
    for name in others:
        (saved.parent / name).write_bytes(b"left behind")
    model(1).save(saved)
    assert same(CNN.load(saved), model(1))
    assert sorted(os.listdir(saved.parent)) == sorted([*others, ".3-4.part", "model.npz"])


WRITING = """
import os, sys, threading
from convdocs import CNN, Linear, store
stay = threading.Event()
def begin(folder):
    with store.whole(os.path.join(folder, "other.npz")) as file:
        file.write(b"half a file")
        print("begun", flush=True)
        stay.wait()
threading.Thread(target=begin, args=(sys.argv[1],), daemon=True).start()
sys.stdin.readline()
CNN([Linear(2, 2, rng=0)]).save(os.path.join(sys.argv[1], "model.npz"))
print("saved", flush=True)
sys.stdin.readline()
"""


@POSIX
def test_what_a_killed_process_left_goes_with_the_next_save_and_not_what_one_is_writing(tmp_path):
    command = [sys.executable, "-c", WRITING, tmp_path]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "begun\n"
        (part,) = os.listdir(tmp_path)
        model().save(tmp_path / "model.npz")  # of another process
        assert sorted(os.listdir(tmp_path)) == [part, "model.npz"]
        print(file=child.stdin, flush=True)
        assert child.stdout.readline() == "saved\n"  # of another thread
        assert sorted(os.listdir(tmp_path)) == [part, "model.npz"]
        child.kill()
    (tmp_path / ".convdocs-12-34.part").write_bytes(b"of a machine without locks")
    (tmp_path / ".2024-11.part").write_bytes(b"somebody else's")
    assert len(os.listdir(tmp_path)) == 4
    model().save(tmp_path / "model.npz")
    assert sorted(os.listdir(tmp_path)) == [".2024-11.part", "model.npz"]


def test_a_part_that_is_cleared_before_it_is_locked_is_begun_anew(saved, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    honest, cleared = fcntl.flock, []

    def flock(file, how):
        if not cleared:
            cleared.extend(saved.parent.glob(".*.part"))
            cleared[0].unlink()
        honest(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    model(1).save(saved)
    assert cleared
    assert same(CNN.load(saved), model(1))
    assert os.listdir(saved.parent) == ["model.npz"]


def test_where_files_have_no_locks_it_saves_as_well(saved, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def flock(file, how):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    (saved.parent / ".convdocs-12-34.part").write_bytes(b"perhaps alive")
    model(1).save(saved)
    assert same(CNN.load(saved), model(1))
    assert sorted(os.listdir(saved.parent)) == [".convdocs-12-34.part", "model.npz"]


def test_threads_may_save_to_one_path(saved):
    failures = []

    def save():
        try:
            for _ in range(5):
                model(1).save(saved)
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=save) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert same(CNN.load(saved), model(1))
    assert os.listdir(saved.parent) == ["model.npz"]


def mode(path):
    """Return the permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


@POSIX
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_new_file_follows_the_umask_and_an_old_one_keeps_its_permissions(umask, tmp_path):
    usual = os.umask(umask)
    try:
        model().save(tmp_path / "new")
        assert mode(tmp_path / "new") == 0o666 & ~umask
        for permissions in (0o600, 0o640, 0o444, 0o666):
            (tmp_path / "new").chmod(permissions)
            model().save(tmp_path / "new")
            assert mode(tmp_path / "new") == permissions
    finally:
        os.umask(usual)


@POSIX
@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_its_target_is_written(exists, tmp_path):
    (tmp_path / "models").mkdir()
    target, link = tmp_path / "models" / "model.npz", tmp_path / "latest"
    link.symlink_to(pathlib.Path("models") / "model.npz")
    if exists:
        model().save(target)
    model(1).save(link)
    assert link.is_symlink()
    assert same(CNN.load(target), model(1))
    assert sorted(os.listdir(tmp_path)) == ["latest", "models"]
    assert os.listdir(tmp_path / "models") == ["model.npz"]


def special(folder):
    """Make a file of each kind that is none, and return their paths."""
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("pipe")
    with socket.socket(socket.AF_UNIX) as ours:
        ours.bind(str(folder / "socket"))
    return [folder / "pipe", folder / "link", folder / "socket", pathlib.Path(os.devnull)]


def test_a_folder_is_refused_by_all_that_read(tmp_path):
    with pytest.raises(IsADirectoryError, match="path must be a whole model file, not a directory"):
        CNN.load(tmp_path)
    (tmp_path / "file").touch()
    for path, error in {
        tmp_path: IsADirectoryError,
        tmp_path / "file" / "below": NotADirectoryError,
        tmp_path / ("x" * 300): OSError,
    }.items():
        with pytest.raises(error, match=r"checkpoint must be a file that fit wrote, or none \("):
            model().fit(np.ones((2, 1, 4, 4)), [0, 2], checkpoint=path)


def test_blocks_that_are_nested_too_deep_are_refused(tmp_path):
    path = tmp_path / "deep.npz"
    for depth in (240, 280, 320, 1000):
        layers = '["Residual",{"layers":[' * depth + '["ReLU",{}]' + "]}]" * depth
        np.savez(path, convdocs=np.array(f'{{"format":1,"layers":[{layers}]}}'))
        with pytest.raises(ValueError, match=r"path must be .*deep\.npz"):
            CNN.load(path)


@POSIX
def test_a_special_file_is_refused_and_stays_what_it_is(tmp_path):
    for path in special(tmp_path):
        before = path.lstat(), path.stat()
        with pytest.raises(
            ValueError, match=f"path must be a regular file.*got '{path}', which is"
        ):
            model().save(path)
        with pytest.raises(
            ValueError, match=f"path must be a whole model file.*'{path}', which is"
        ):
            CNN.load(path)
        with pytest.raises(ValueError, match=f"checkpoint must .*'{path}', which is"):
            model().fit(np.ones((2, 1, 4, 4)), [0, 2], checkpoint=path)
        assert [(s.st_mode, s.st_ino) for s in (path.lstat(), path.stat())] == [
            (s.st_mode, s.st_ino) for s in before
        ]
    assert sorted(os.listdir(tmp_path)) == ["link", "pipe", "socket"]


@POSIX
@pytest.mark.parametrize("path", ["loop", "dangling", "new/", "no/model", "sub", "model.npz/x"])
def test_an_error_names_the_path_and_no_temporary_one(path, saved, monkeypatch):
    monkeypatch.chdir(saved.parent)
    os.symlink("loop", "loop")
    os.symlink("no/model", "dangling")
    os.mkdir("sub")
    with pytest.raises(OSError, match=r"path must ") as caught:
        model(1).save(path)
    assert caught.value.filename == path
    assert ".part" not in str(caught.value)
    assert sorted(os.listdir()) == ["dangling", "loop", "model.npz", "sub"]
    assert os.path.islink("loop")
    assert os.path.islink("dangling")


@POSIX
def test_an_error_in_the_middle_names_the_path_and_no_temporary_one(saved, monkeypatch):
    def replace(part, path):
        raise PermissionError(1, "Operation not permitted", part, None, path)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(PermissionError, match=r"path must .*Operation not permitted") as caught:
        model(1).save(saved)
    assert caught.value.filename == str(saved)
    assert ".part" not in str(caught.value)


@pytest.fixture
def shared():
    """Return the path of a saved model in a folder that other users can reach, and be such a one.

    Root may write everywhere, and pytest's own folders are closed to all others.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "model.npz")
        model().save(path)
        path.parent.chmod(0o777)
        if root := os.geteuid() == 0:
            os.seteuid(65534)
        yield path
        if root:
            os.seteuid(0)
        path.parent.chmod(0o700)


@contextlib.contextmanager
def writable_by_none(path, mode):
    """Take a path's permissions, as its owner, for a while."""
    user, before = os.geteuid(), path.stat().st_mode

    def change(to):
        os.seteuid(os.getuid())
        path.chmod(to)
        os.seteuid(user)

    change(mode)
    try:
        yield
    finally:
        change(before)


@POSIX
def test_a_write_protected_file_is_not_replaced(shared):
    model(1).save(shared.parent / "new")  # the folder would let it be
    before = content(shared.parent)
    with writable_by_none(shared, 0o444), pytest.raises(PermissionError, match=r"path must .*npz"):
        model(1).save(shared)
    assert content(shared.parent) == before


@POSIX
def test_an_unwritable_folder_is_an_os_error(shared):
    before = content(shared.parent)
    with writable_by_none(shared.parent, 0o555):
        with pytest.raises(PermissionError, match=r"path must .*model\.npz"):
            model(1).save(shared)
        with pytest.raises(PermissionError):
            model(1).save(shared.parent / "new")
    assert content(shared.parent) == before


@pytest.mark.parametrize(
    "path", ["no such folder/model", "model.npz/model", ".", "", "sub", "sub/"]
)
def test_what_is_no_place_for_a_file_is_an_os_error(path, saved, monkeypatch):
    (saved.parent / "work" / "sub").mkdir(parents=True)
    monkeypatch.chdir(saved.parent / "work")
    model().save("model.npz")
    for call in (model(1).save, CNN.load):
        with pytest.raises(OSError, match=r"(?i)directory|invalid"):
            call(path)
    assert sorted(os.listdir()) == ["model.npz", "sub"]
    assert sorted(os.listdir("..")) == ["model.npz", "work"]
    assert os.listdir("sub") == []


def test_a_missing_file_is_not_found(tmp_path):
    for path in (tmp_path / "none", str(tmp_path / "none"), tmp_path / "no" / "model"):
        with pytest.raises(FileNotFoundError, match="No such file"):
            CNN.load(path)


# What cannot be saved


class Swish(Layer):
    """A layer of the reader's own."""

    def forward(self, x):
        return x / (1 + np.exp(-x))


class Conv(Conv2d):
    """A kind of convolution of the reader's own."""


@pytest.mark.parametrize("layer", [Swish(), Conv(1, 1, 1)])
def test_a_layer_of_the_readers_own_is_refused_by_name(layer, saved):
    before = content(saved.parent)
    for path in (saved, saved.parent / "new"):
        with pytest.raises(TypeError, match=rf"layers\[1\] must .*got {type(layer).__name__}\("):
            CNN([ReLU(), layer]).save(path)
    assert content(saved.parent) == before


@pytest.mark.parametrize(
    "weight", [np.ones((3, 9), "f4"), np.ones((3, 8), object), np.ones((3, 8), "c8"), np.float32(1)]
)
def test_a_parameter_that_could_not_be_loaded_is_refused(weight, saved):
    before, broken = content(saved.parent), model()
    broken.layers[3].params["weight"] = weight
    with pytest.raises((ValueError, TypeError), match=r"layers\[3\].* must .*got"):
        broken.save(saved)
    assert content(saved.parent) == before


def test_a_parameter_of_another_precision_is_refused_or_kept(saved):
    changed, x = model(), np.random.default_rng(0).normal(size=(2, 1, 4, 4))
    changed.layers[3].params["weight"] = np.random.default_rng(1).normal(size=(3, 8))
    try:
        changed.save(saved)
    except (ValueError, TypeError):
        assert same(CNN.load(saved), model())
    else:
        np.testing.assert_array_equal(CNN.load(saved)(x), changed(x))


# Damaged and foreign files


def answer(path):
    """Return the loaded model, or None if the file was refused as it should be."""
    try:
        return CNN.load(path)
    except ValueError as error:
        if type(error) is ValueError and "path must" in str(error) and path.name in str(error):
            return None
        raise


def test_a_cut_file_is_refused(saved):
    whole, path = saved.read_bytes(), saved.parent / "cut.npz"
    for length in {*range(0, len(whole), 37), *range(len(whole) - 60, len(whole)), 1, 2, 3, 4, 5}:
        path.write_bytes(whole[:length])
        assert answer(path) is None, length
        path.write_bytes(whole[length + 1 :])  # without its beginning
        assert answer(path) is None or same(answer(path), model()), length


@pytest.mark.slow
@pytest.mark.parametrize(("flip", "step"), [(0xFF, 4), (0x01, 7)])
def test_a_flipped_byte_never_gives_another_model(flip, step, saved):
    whole, path, refused = saved.read_bytes(), saved.parent / "flipped.npz", 0
    for place in range(0, len(whole), step):
        damaged = bytearray(whole)
        damaged[place] ^= flip
        path.write_bytes(damaged)
        loaded = answer(path)
        assert loaded is None or same(loaded, model()), place
        refused += loaded is None
    assert refused > len(whole) // step // 4


def test_a_length_that_hides_the_arrays_behind_it_is_refused(saved):
    whole = saved.read_bytes()
    heads = [head.start() for head in re.finditer(rb"PK\x01\x02", whole)]
    for number, head in enumerate(heads[:-1]):
        for later in heads[number + 2 :] or [whole.rindex(b"PK\x05\x06")]:
            damaged = bytearray(whole)
            hidden = later - heads[number + 1]  # as the length of a comment
            damaged[head + 32 : head + 34] = hidden.to_bytes(2, "little")
            saved.write_bytes(damaged)
            with pytest.raises(ValueError, match="path must be a whole model file"):
                store.read(saved)


def test_any_compression_method_and_flag_is_read_rightly_or_refused(saved):
    whole, path = saved.read_bytes(), saved.parent / "method.npz"
    heads = [whole.rindex(b"PK\x01\x02"), whole.index(b"PK\x01\x02")]
    for place in (*(head + 10 for head in heads), *(head + 8 for head in heads), 6, 8):
        for value in (*range(16), *range(16, 256, 9), 93, 95, 98):
            path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            loaded = answer(path)
            assert loaded is None or same(loaded, model()), (place, value)


@pytest.mark.slow
def test_a_damaged_block_never_gives_another_model(saved):
    whole, path = saved.read_bytes(), saved.parent / "block.npz"
    for place in range(0, len(whole) - 16, 16):
        for block in (bytes(16), b"\xff" * 16, whole[:16], os.urandom(16)):
            path.write_bytes(whole[:place] + block + whole[place + 16 :])
            loaded = answer(path)
            assert loaded is None or same(loaded, model()), (place, block)


def zipped(**entries):
    """Return the bytes of a zip file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, value in entries.items():
            archive.writestr(name, value)
    return buffer.getvalue()


def npy(array):
    """Return the bytes of a .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npz(**arrays):
    """Return the bytes of a .npz file."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def lzma(data):
    """Return the bytes of a zip file that claims to be compressed by LZMA, and is not."""
    whole = bytearray(zipped(**{"convdocs.npy": data}))
    for place in (8, whole.index(b"PK\x01\x02") + 10):
        whole[place] = zipfile.ZIP_LZMA
    return bytes(whole)


HEADER = b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (%s,), }"
DESCRIBED = np.array('{"format": 1, "layers": []}')
HUGE = (HEADER % b"9999999999999").ljust(127) + b"\n"
FOREIGN = {
    "empty": b"",
    "one byte": b"P",
    "zeros": bytes(1000),
    "text": b"hello, world\n" * 20,
    "UTF-16": "weights".encode("utf-16"),
    "PNG": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(100),
    "JSON": b'{"format": 1, "layers": []}',
    "pickle": pickle.dumps({"weight": [1.0, 2.0]}),
    "npy": npy(np.ones(3)),
    "npy of text": npy(np.array('{"format": 1, "layers": []}')),
    "empty zip": zipped(),
    "zip": zipped(readme="hello"),
    "zip without a suffix": zipped(convdocs='{"format": 1, "layers": []}'),
    "zip with text for an array": zipped(**{"convdocs.npy": "hello"}),
    "zip with an empty array file": zipped(**{"convdocs.npy": b""}),
    "zip with a huge array": zipped(**{"convdocs.npy": HUGE}),
    "zip with a wrong header": zipped(**{"convdocs.npy": b"\x93NUMPY\x01\x00\x04\x00{[(\n"}),
    "zip with a newer array": zipped(**{"convdocs.npy": b"\x93NUMPY\x09\x00" + bytes(100)}),
    "zip with more than an array": zipped(**{"convdocs.npy": npy(DESCRIBED) + b"more"}),
    "zip with broken LZMA": lzma(b"\x00\x00\x05\x00\xff" + bytes(100)),
    "other arrays": npz(x=np.ones(3), y=np.ones(2)),
    "arrays named as ours": npz(**model().state_dict()),
    "a number for a description": npz(convdocs=np.array(1.5)),
    "an empty description": npz(convdocs=np.array("")),
    "no JSON": npz(convdocs=np.array("{format: 1}")),
    "deep JSON": npz(convdocs=np.array("[" * 100_000)),
    "bytes": npz(convdocs=np.array(b'{"format": 1, "layers": []}')),
    "two descriptions": npz(convdocs=np.array(['{"format": 1, "layers": []}'] * 2)),
}


@pytest.mark.parametrize("data", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_file_is_refused(data, tmp_path):
    (tmp_path / "file.npz").write_bytes(data)
    with pytest.raises(ValueError, match=r"path must .*file\.npz"):
        CNN.load(tmp_path / "file.npz")
    assert content(tmp_path) == {"file.npz": data}


LINEAR = {"in_features": 2, "out_features": 1, "bias": True, "dtype": "float32"}
CONV = {"in_channels": 1, "out_channels": 1, "kernel_size": [1, 1]}
POOL = {"kernel_size": [2, 2], "stride": [2, 2], "padding": [0, 0]}
PARAMETERS = {"0.weight": np.ones((1, 2), "f4"), "0.bias": np.ones(1, "f4")}


def one(kind, options, **more):
    """Return a description of one layer."""
    return {"format": 1, "layers": [[kind, options]], **more}


DESCRIPTIONS = [
    *(None, 1, "text", [], [1], {}, {"layers": []}, {"format": 1}, {"format": 0, "layers": []}),
    *({"format": 2, "layers": []}, {"format": "1", "layers": []}, {"format": None, "layers": []}),
    *({"format": [], "layers": []}, {"format": 1, "layers": None}, {"format": 1, "layers": 1}),
    *({"format": 1, "layers": "Linear"}, {"format": 1, "layers": {"Linear": {}}}),
    *({"format": 1, "layers": ["Linear"]}, {"format": 1, "layers": [["Linear"]]}),
    *({"format": 1, "layers": [["Linear", LINEAR, 1]]}, {"format": 1, "layers": [None]}),
    *(one("Softmax", {}), one("CNN", {"layers": []}), one("Layer", {}), one("linear", LINEAR)),
    *(one("__class__", {}), one(1, {}), one(None, {}), one([], {}), one({}, {}), one("", {})),
    *(one("Linear", None), one("Linear", []), one("Linear", [2, 1]), one("Linear", "text")),
    *(one("Linear", {}), one("Linear", LINEAR | {"device": "cuda"}), one("Linear", {"": 1})),
    *(one("Linear", LINEAR | {"in_features": v}) for v in (3, 0, -1, 2.0, "2", None, [2], True)),
    *(one("Linear", LINEAR | {"in_features": v}) for v in (10**12, 10**30, 10**400)),
    *(one("Linear", LINEAR | {"out_features": v}) for v in (2, 0, -1, 1.0, "1", None, {}, True)),
    *(one("Linear", LINEAR | {"bias": v}) for v in (False, None, 1, "yes", [])),
    *(
        one("Linear", LINEAR | {"dtype": v})
        for v in ("float16", "i4", "", "O", None, 4, [], {}, ",")
    ),
    *(one("Conv2d", CONV | {"kernel_size": v}) for v in (0, [1], [1, 1, 1], None, "1", [1, 1.0])),
    *(one("Conv2d", CONV | {"padding": v}) for v in ("full", -1, None, [0, [0]], {})),
    *(one("Conv2d", CONV | {"groups": v}) for v in (2, 0, None, [1], 1.0)),
    *(one("MaxPool2d", POOL | {"padding": v}) for v in (2, -1, None, "same")),
    *(one("MaxPool2d", POOL | {"ceil_mode": v}) for v in (0, None, "no")),
    *(one("AvgPool2d", POOL | {"count_include_pad": v}) for v in (0, None, "no")),
    *(one("AvgPool2d", POOL | {"dilation": 1}), one("MaxPool2d", {})),
    *(one("Dropout", {"p": v}) for v in (-1, 2, float("nan"), float("inf"), "0.5", None, [])),
    *(one("ReLU", {"inplace": True}), one("Flatten", {"start_dim": 1}), one("ReLU", {"x": 1})),
]


@pytest.mark.parametrize("description", DESCRIPTIONS, ids=lambda d: json.dumps(d)[:60])
def test_a_wrong_description_is_refused(description, tmp_path):
    arrays = PARAMETERS if re.search("Linear|Conv2d", str(description)) else {}
    path = tmp_path / "file.npz"
    path.write_bytes(npz(convdocs=np.array(json.dumps(description)), **arrays))
    with pytest.raises(ValueError, match=r"path must .*file\.npz"):
        CNN.load(path)


ARRAYS = [
    *({}, {"0.weight": PARAMETERS["0.weight"]}, PARAMETERS | {"1.bias": np.ones(1)}),
    *(PARAMETERS | {"0.bias": v} for v in (np.ones(2), np.ones((1, 1)), np.ones(()), np.ones(0))),
    *(PARAMETERS | {"0.bias": v} for v in (np.array([1j]), np.array(["1"]), np.array([None]))),
    *(
        PARAMETERS | {"0.bias": v}
        for v in (np.array([b"1"]), np.zeros(1, "M8[s]"), np.zeros(1, "V4"))
    ),
]


@pytest.mark.parametrize("arrays", ARRAYS)
def test_wrong_parameters_are_refused(arrays, tmp_path):
    path, right = tmp_path / "file.npz", one("Linear", LINEAR)
    path.write_bytes(npz(convdocs=np.array(json.dumps(right)), **PARAMETERS))
    assert CNN.load(path)([[1, 1]]) == 3  # so that the arrays alone are to blame
    path.write_bytes(npz(convdocs=np.array(json.dumps(right)), **arrays))
    with pytest.raises(ValueError, match=r"path must .*file\.npz"):
        CNN.load(path)


def test_a_newer_format_is_named(tmp_path):
    (tmp_path / "file").write_bytes(npz(convdocs=np.array('{"format": 2, "layers": []}')))
    with pytest.raises(ValueError, match=r"path must .*format.* 2\b"):
        CNN.load(tmp_path / "file")


# Files that promise more than they hold

PROMISES = {
    "a huge layer": one("Linear", LINEAR | {"in_features": 20_000, "out_features": 20_000}),
    "a huge convolution": one("Conv2d", CONV | {"in_channels": 2**20, "out_channels": 2**20}),
    "a huge kernel": one("Conv2d", CONV | {"kernel_size": [2**20, 2**20]}),
    "many channels": one("BatchNorm2d", {"num_features": 2**31}),
    "no layer": one("Linear", LINEAR | {"in_features": 2**60, "out_features": 2**60}),
    "many layers": {"format": 1, "layers": [["Linear", LINEAR | {"in_features": 10**8}]] * 9},
}


def memory_of(call):
    """Return the most memory that Python and NumPy took in a call."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("description", PROMISES.values(), ids=PROMISES)
def test_a_file_that_promises_more_than_it_holds_takes_no_memory(description, tmp_path):
    path = tmp_path / "file.npz"
    path.write_bytes(npz(convdocs=np.array(json.dumps(description)), **PARAMETERS))

    def load():
        with pytest.raises(ValueError, match=r"path must .*file\.npz"):
            CNN.load(path)

    assert memory_of(load) < 2**21


@pytest.mark.slow
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packed_file_is_refused_before_it_is_unpacked(method, tmp_path):
    path = tmp_path / "file.npz"
    head = HEADER % str(10**7).encode()
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("convdocs.npy", npy(np.array(json.dumps({"format": 1, "layers": []}))))
        archive.writestr("0.weight.npy", head.ljust(127) + b"\n" + bytes(4 * 10**7))
    assert path.stat().st_size < 2**17

    def load():
        with pytest.raises(ValueError, match=r"path must .*file\.npz.*compressed"):
            CNN.load(path)

    assert memory_of(load) < 2**21


def test_entries_that_share_their_bytes_are_refused(tmp_path):
    inner = zipped(**{"0.npy": npy(np.ones(1000))})
    place, end = inner.index(b"PK\x01\x02"), inner.index(b"PK\x05\x06")
    entry = inner[place:end]
    many = b"".join(entry.replace(b"0.npy", b"%d.npy" % n) for n in range(10))
    counts = struct.pack("<HHLL", 10, 10, len(many), place)
    path = tmp_path / "file.npz"
    path.write_bytes(inner[:place] + many + inner[end : end + 8] + counts + b"\0\0")
    assert len(zipfile.ZipFile(path).infolist()) == 10
    with pytest.raises(ValueError, match=r"path must .*file\.npz.*holds less than it says"):
        CNN.load(path)


def test_a_checkpoint_that_promises_more_than_it_holds_is_refused(tmp_path):
    path = tmp_path / "file.npz"
    path.write_bytes(npz(convdocs=HUGE))

    def fit():
        with pytest.raises(ValueError, match=r"checkpoint must .*file\.npz"):
            model().fit(np.ones((2, 1, 4, 4)), [0, 2], checkpoint=path)

    assert memory_of(fit) < 2**21


def test_saving_builds_no_second_network(tmp_path):
    large = CNN([Linear(1500, 1500, rng=0)])
    size = large.layers[0].params["weight"].nbytes
    assert memory_of(lambda: large.save(tmp_path / "model")) < 1.5 * size  # what is written
    assert memory_of(lambda: CNN.load(tmp_path / "model")) < 3 * size  # the file's, and a copy
