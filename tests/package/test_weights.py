"""Weights come back from PyTorch and from safetensors files as they went."""

import json
import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy
from exchanged import close, digits_network, networks, same, stirred
from hypothesis import given, settings
from places import ROOT

from convdocs import CNN, SGD, Conv2d, Dropout, Flatten, Linear, MaxPool2d, ReLU, Residual, data
from convdocs.exchange import from_onnx, load_safetensors, save_safetensors, to_onnx, to_torch


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights"


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # PyTorch says so once a process
@settings(max_examples=min(50, settings().max_examples))
@given(networks())
def test_the_same_network_in_pytorch(torch, drawn):
    model, shape = drawn
    net = to_torch(model)
    state = net.state_dict()
    assert {k: tuple(v.shape) for k, v in state.items()} == {
        key: array.shape for key, array in model.state_dict().items()
    }
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    with torch.no_grad():
        close(model(x), net(torch.from_numpy(x)).numpy())
    back = CNN([type(layer)(**layer.options) for layer in model.layers])
    back.load_state_dict(state)
    same(back, model)


def test_training_goes_on_in_pytorch_as_here(torch, rng):
    model, other = (stirred(digits_network(), np.random.default_rng(0)) for _ in range(2))
    model.layers[4] = other.layers[4] = Dropout(0)
    net = to_torch(model).train()
    X, y = rng.normal(size=(20, 1, 8, 8)).astype(np.float32), rng.integers(0, 10, 20)
    step = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(3):
        torch.nn.functional.cross_entropy(net(torch.from_numpy(X)), torch.from_numpy(y)).backward()
        step.step()
        step.zero_grad()
    other.load_state_dict(net.state_dict())
    model.fit(X, y, epochs=3, batch_size=20, optimizer=SGD(0.1), rng=0)
    for key, array in model.state_dict().items():
        np.testing.assert_allclose(other.state_dict()[key], array, atol=1e-5)


def test_safetensors_there_and_back(tmp_path):
    model = stirred(digits_network(), np.random.default_rng(3))
    save_safetensors(model, tmp_path / "weights")
    other = digits_network(seed=1)
    load_safetensors(other, tmp_path / "weights")
    same(other, model)
    plain = safetensors.numpy.load_file(tmp_path / "weights")
    assert plain.keys() == model.state_dict().keys()


WRITERS = {
    "save": lambda model, path: model.save(path),
    "safetensors": save_safetensors,
    "ONNX": lambda model, path: to_onnx(model, path, (1, 8, 8)),
    "PyTorch": lambda model, path: pytest.importorskip("torch") and to_torch(model),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_masked_weights_are_not_written(write, tmp_path):
    model = digits_network()
    layer = model.layers[0]
    layer.params["weight"] = np.ma.masked_less(layer.params["weight"], 0)
    with pytest.raises(ValueError, match=r"without masked numbers|no masked numbers"):
        write(model, tmp_path / "file")
    assert not any(tmp_path.iterdir())


def test_padding_that_pytorch_refuses_is_refused(torch):
    pool = MaxPool2d(2, 1, padding=2, dilation=4)
    with pytest.raises(ValueError, match="model must have no padding beyond half a kernel"):
        to_torch(CNN([Residual([pool])]))
    assert to_torch(CNN([MaxPool2d(4, 1, padding=2, dilation=4)]))(torch.zeros(1, 1, 9, 9)).shape


def test_safetensors_of_pytorch(torch, tmp_path):
    from safetensors.torch import load_file, save_file

    model = stirred(digits_network(), np.random.default_rng(3))
    save_file(to_torch(model).state_dict(), tmp_path / "theirs")
    other = digits_network(seed=1)
    load_safetensors(other, tmp_path / "theirs")
    same(other, model)
    save_safetensors(model, tmp_path / "ours")
    net = to_torch(other)
    net.load_state_dict(load_file(tmp_path / "ours"))


def test_other_weights_are_refused_and_change_nothing(tmp_path):
    model, path = digits_network(), tmp_path / "weights"
    right = model.state_dict()
    wrong = {
        "it lacks": {key: right[key] for key in right if key != "0.bias"},
        "it has": right | {"9.bias": right["0.bias"]},
        "shape": right | {"0.bias": np.zeros(5, np.float32)},
    }
    for words, state in wrong.items():
        path.write_bytes(safetensors.numpy.save(state))
        with pytest.raises(ValueError, match=f"path must hold this network's weights.*{words}"):
            load_safetensors(model, path)
        same(model, digits_network())
    save_safetensors(model, path)
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="path must be a whole safetensors file"):
            load_safetensors(model, path)
    same(model, digits_network())


def test_weights_under_other_names_and_of_old_pytorch(path):
    model = stirred(digits_network(), np.random.default_rng(3))
    state = model.state_dict()
    path.write_bytes(safetensors.numpy.save({f"module.{key}": state[key] for key in state}))
    other = digits_network(seed=1)
    with pytest.raises(ValueError, match=r"path must hold this.*weights.*without 'module\.'"):
        load_safetensors(other, path)
    same(other, digits_network(seed=1))
    counter = state.pop("1.num_batches_tracked")
    path.write_bytes(safetensors.numpy.save(state))
    load_safetensors(other, path)
    other.layers[1].buffers["num_batches_tracked"][...] = counter
    same(other, model)


NUMBERS = [0.0, -0.0, 1.0, -1 / 3, 6e-8, 65504.0, np.inf, -np.inf, np.nan]


def test_half_width_numbers_are_read_exactly(torch, path):
    from safetensors.torch import save_file

    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        weight = torch.tensor([NUMBERS], dtype=dtype)
        save_file({"0.weight": weight}, path)
        for ours in (np.float32, np.float64):
            model = CNN([Linear(len(NUMBERS), 1, bias=False, dtype=ours, rng=0)])
            load_safetensors(model, path)
            (read,) = model.state_dict().values()
            assert read.dtype == ours
            np.testing.assert_array_equal(read, weight.to(getattr(torch, read.dtype.name)).numpy())
            np.testing.assert_array_equal(np.signbit(read[0, :2]), [False, True])


@pytest.mark.parametrize("dtype", ["i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"])
def test_whole_numbers_are_read_as_a_state_of_lists_would_be(path, dtype):
    model = CNN([Linear(2, 1, bias=False, rng=0)])
    path.write_bytes(safetensors.numpy.save({"0.weight": np.array([[0, 1]], dtype)}))
    load_safetensors(model, path)
    assert model.layers[0].params["weight"].tolist() == [[0, 1]]


def file(header, numbers=b""):
    """Return a safetensors file with any header."""
    text = header if isinstance(header, str) else json.dumps(header)
    return len(text.encode()).to_bytes(8, "little") + text.encode() + numbers


def entry(dtype="F32", shape=(2, 2), offsets=(0, 16)):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


ONE = '"0.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}'
DAMAGED = {
    "an array named twice": f"{{{ONE}, {ONE}}}",
    "a shape named twice": '{"0.weight": {"dtype": "F32", "shape": [4], "shape": [2, 2], '
    '"data_offsets": [0, 16]}}',
    "a size that the shape contradicts": {"0.weight": entry(shape=(2, 3))},
    "an end behind the end": {"0.weight": entry(shape=(2, 4), offsets=(0, 32))},
    "a gap": {"0.weight": entry(shape=(2, 1), offsets=(8, 16))},
    "a size below 0": {"0.weight": entry(shape=(-2, -2))},
    "a size of 25 digits": {"0.weight": entry(shape=(10**25, 0), offsets=(0, 0))},
    "no such dtype": {"0.weight": entry("F99")},
    "no dictionary": "[1, 2]",
    "no JSON": "weights",
    "nothing but brackets": "[" * 100_000,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_header_names_the_file_and_changes_nothing(path, name):
    path.write_bytes(file(DAMAGED[name], bytes(16)))
    model = CNN([Linear(2, 2, bias=False, rng=0)])
    with pytest.raises(ValueError, match=r"path must be a whole safetensors file, got .*weights"):
        load_safetensors(model, path)
    same(model, CNN([Linear(2, 2, bias=False, rng=0)]))


def test_a_length_of_the_header_beyond_the_file(path):
    for length in (17, 2**31, 2**64 - 1):
        path.write_bytes(length.to_bytes(8, "little") + b"{}")
        with pytest.raises(ValueError, match="path must be a whole safetensors file"):
            load_safetensors(CNN([]), path)


@pytest.mark.parametrize(
    ("dtype", "size"), [("F8_E4M3", 4), ("F8_E5M2", 4), ("F4", 2), ("C64", 32)]
)
def test_a_dtype_that_cannot_be_read_is_named(path, dtype, size):
    path.write_bytes(file({"0.weight": entry(dtype, offsets=(0, size))}, bytes(size)))
    with pytest.raises(ValueError, match=rf"path must hold this .*weights.*0.weight.*got {dtype}"):
        load_safetensors(CNN([Linear(2, 2, bias=False)]), path)


def test_wrong_calls(path):
    for call in (lambda: save_safetensors(3, path), lambda: load_safetensors([ReLU()], path)):
        with pytest.raises(TypeError, match="model must be a CNN"):
            call()
    assert not path.exists()


@pytest.mark.skipif(np.dtype("g").itemsize == 8, reason="a long double is a double here")
def test_numbers_wider_than_such_files_hold_are_refused(path):
    layer = Linear(2, 2, rng=0)
    layer.params["weight"] = layer.params["weight"].astype("g")
    with pytest.raises(ValueError, match=r"at most 64 bits for safetensors, got \w+ in '0.weight'"):
        save_safetensors(CNN([layer]), path)
    assert not path.exists()


def test_what_is_no_network_does_not_go_to_torch(torch):
    with pytest.raises(TypeError, match="model must be a CNN"):
        to_torch("model")


def test_an_interrupted_save_leaves_the_old_file(path, monkeypatch):
    path.write_text("old")

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_safetensors(digits_network(), path)
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert path.read_text() == "old"


def test_a_file_that_is_not_there(path):
    for load in (from_onnx, lambda p: load_safetensors(digits_network(), p)):
        with pytest.raises(FileNotFoundError):
            load(path)
        with pytest.raises(TypeError, match="path must be"):
            load(3)


@pytest.mark.parametrize("parameters", [["weight"], ["weight", "bias"]])
def test_weights_in_the_other_order_of_bytes_travel_as_any(path, parameters, torch):
    model, turned = digits_network(), digits_network()
    for layer in turned.layers:
        for name in layer.params.keys() & set(parameters):
            other = layer.params[name].dtype.newbyteorder()
            layer.params[name] = layer.params[name].astype(other)
    for net in model, turned:
        to_onnx(net, path, (1, 8, 8))
        net.onnx = path.read_bytes()
    assert turned.onnx == model.onnx
    state, expected = to_torch(turned).state_dict(), to_torch(model).state_dict()
    assert all(torch.equal(state[key], expected[key]) for key in expected)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("onnx", lambda p: to_onnx(digits_network(), p, (1, 8, 8))),
        ("onnx", from_onnx),
        ("torch", lambda p: to_torch(digits_network())),
        ("safetensors", lambda p: save_safetensors(digits_network(), p)),
        ("safetensors", lambda p: load_safetensors(digits_network(), p)),
    ],
)
def test_a_library_that_is_missing_is_named_with_its_extra(path, name, call, monkeypatch):
    for module in [name, *(each for each in sys.modules if each.startswith(f"{name}."))]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"pip install 'convdocs\[{name}\]'"):
        call(path)
    assert not path.exists()


def test_state_of_pytorch_with_a_wrong_key(torch):
    model = digits_network()
    state = to_torch(model).state_dict()
    del state["0.bias"]
    with pytest.raises(ValueError, match=r"it lacks \['0.bias'\]"):
        model.load_state_dict(state)


# --- Several processes in PyTorch ----------------------------------------------------------------


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.slow
def test_two_processes_of_torchrun_give_the_weights_of_one(torch, tmp_path):
    model = CNN([Conv2d(1, 4, 3, rng=0), ReLU(), MaxPool2d(2), Flatten(), Linear(36, 10, rng=1)])
    model.save(tmp_path / "start.npz")
    script = ROOT / "docs" / "scripts" / "ddp.py"
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += ["--master-addr=127.0.0.1", f"--master-port={free_port()}", script]
    run = subprocess.Popen(
        [*command, tmp_path / "start.npz", tmp_path / "end.npz"],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = run.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)  # torchrun and all that it has started
        raise
    assert run.returncode == 0, said
    digits = data.digits()
    X, y = digits.X_train[:1200], digits.y_train[:1200]
    model.fit(X, y, epochs=5, batch_size=len(X), optimizer=SGD(0.5), rng=0)
    for key, array in CNN.load(tmp_path / "end.npz").state_dict().items():
        np.testing.assert_allclose(array, model.state_dict()[key], atol=1e-5)
    assert f"{model.score(digits.X_test, digits.y_test):.3f}" in said


@pytest.mark.parametrize("read", [lambda path: load_safetensors(CNN([]), path), from_onnx])
def test_a_folder_holds_no_weights(tmp_path, read):
    with pytest.raises(IsADirectoryError, match=r"path must be a whole .*, not a directory"):
        read(tmp_path)
