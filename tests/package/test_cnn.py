"""The network computes what PyTorch's does, learns, stops when told to, and counts correctly."""

import copy
import io
import math
import os
import pickle
import re
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convdocs import (
    CNN,
    SGD,
    Adam,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    ReLU,
    cross_entropy,
    cross_entropy_backward,
)
from convdocs.architecture import named_arrays
from convdocs.layer import Layer

NETS = {  # layers, as both packages write them
    "small": "Conv2d(1, 4, 3, padding=1), ReLU(), MaxPool2d(2), Flatten(), Linear(36, 3)",
    "LeNet": "Conv2d(1, 3, 3, padding=1), ReLU(), AvgPool2d(2), Conv2d(3, 4, 2), ReLU(),"
    "MaxPool2d(2), Flatten(), Linear(4, 6), ReLU(), Linear(6, 3)",
    "groups": "Conv2d(1, 4, 3), Conv2d(4, 6, (2, 1), (1, 2), (1, 0), 1, 2), ReLU(), Flatten(),"
    "Linear(60, 3, bias=False)",
    "dilated": "Conv2d(1, 2, 2, dilation=(1, 3), padding='same', bias=False), ReLU(),"
    "MaxPool2d(3, 2, 1, ceil_mode=True), AvgPool2d(2, 1, 1, count_include_pad=False), Flatten(),"
    "Linear(50, 4), Dropout(0), Linear(4, 3)",
}
X = np.random.default_rng(0).normal(size=(7, 1, 6, 6))
Y = np.array([0, 1, 2, 1, 0, 2, 2])


def ours(text, dtype="f8", seed=0):
    """Return the network that the text says, each layer with a seed of its own."""
    rng = np.random.default_rng(seed)
    make = {kind.__name__: kind for kind in (MaxPool2d, AvgPool2d, Flatten, ReLU, Dropout)}
    for kind in (Conv2d, Linear):
        make[kind.__name__] = lambda *a, kind=kind, **k: kind(*a, **k, dtype=dtype, rng=rng)
    return CNN(eval(f"[{text}]", make))


def theirs(torch, model, text):
    """Return PyTorch's network with the same parameters."""
    net = torch.nn.Sequential(*eval(f"[{text}]", vars(torch.nn).copy())).double()
    net.load_state_dict({k: torch.from_numpy(v) for k, v in model.state_dict().items()})
    return net


def small(seed=0, dtype="f4"):
    """Return a small network for the images X."""
    return ours(NETS["small"], dtype, seed)


def bits(model):
    """Return all parameters as bytes."""
    return {key: value.tobytes() for key, value in model.state_dict().items()}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("text", NETS.values(), ids=NETS)
def test_forward_and_backward_are_those_of_torch(text, torch):
    model = ours(text)
    net = theirs(torch, model, text)
    x = torch.tensor(X, requires_grad=True)
    y = net(x)
    torch.nn.functional.cross_entropy(y, torch.tensor(Y)).backward()
    logits = model(X)
    dx = model.backward(cross_entropy_backward(logits, Y))
    np.testing.assert_allclose(logits, y.detach(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(dx, x.grad, rtol=1e-10, atol=1e-12)
    grads = {f"{n}.{k}": g for n, layer in enumerate(model.layers) for k, g in layer.grads.items()}
    assert list(model.state_dict()) == list(net.state_dict())
    for name, parameter in net.named_parameters():
        np.testing.assert_allclose(grads[name], parameter.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_training_is_that_of_torch(name, torch):
    options = {"lr": 0.05, "weight_decay": 0.01, **({"momentum": 0.9} if name == "SGD" else {})}
    model = ours(NETS["LeNet"])
    net = theirs(torch, model, NETS["LeNet"])
    model.fit(X, Y, 6, batch_size=7, rng=0, optimizer={"SGD": SGD, "Adam": Adam}[name](**options))
    optimizer = getattr(torch.optim, name)(net.parameters(), **options)
    for _ in range(6):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(torch.tensor(X)), torch.tensor(Y)).backward()
        optimizer.step()
    for key, parameter in net.state_dict().items():
        np.testing.assert_allclose(model.state_dict()[key], parameter, rtol=1e-7, atol=1e-9)


def slopes(model, x, array, step=1e-6):
    """Return the loss's derivative for each number of the images or of a parameter."""
    result = np.empty(array.shape)
    for place in np.ndindex(*array.shape):
        kept, losses = array[place], []
        for sign in (1, -1):
            array[place] = kept + sign * step
            losses.append(cross_entropy(model(x), Y))
        array[place], result[place] = kept, (losses[0] - losses[1]) / (2 * step)
    return result


@pytest.mark.parametrize("text", NETS.values(), ids=NETS)
def test_gradients_are_the_slopes_of_the_loss(text):
    model, x = ours(text), X.copy()
    dx = model.backward(cross_entropy_backward(model(x), Y))
    np.testing.assert_allclose(dx, slopes(model, x, x), rtol=1e-5, atol=1e-9)
    for layer in model.layers:
        for name, parameter in layer.params.items():
            want = slopes(model, x, parameter)
            np.testing.assert_allclose(layer.grads[name], want, rtol=1e-5, atol=1e-8)
            assert abs(want).max() > 1e-3  # so that a gradient of 0 would not pass


def test_a_wrong_gradient_is_seen():
    model = ours(NETS["small"])
    model.backward(cross_entropy_backward(model(X), Y))
    wrong = 1.0001 * model.layers[0].grads["weight"]
    assert not np.allclose(wrong, slopes(model, X, model.layers[0].params["weight"]), 1e-5, 1e-8)


def test_gradients_are_overwritten_and_parameters_are_live():
    model = small(dtype="f8")
    dy = np.ones_like(model(X))
    first = model.backward(dy), model.layers[0].grads["weight"].copy()
    second = model.backward(dy), model.layers[0].grads["weight"]
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, two)
    before = model(X)
    model.layers[4].params["bias"] -= 1
    np.testing.assert_allclose(model(X), before - 1)


def test_state_dictionaries_are_copies_under_the_names_of_torch():
    model = small()
    before, state = bits(model), model.state_dict()
    assert list(state) == ["0.weight", "0.bias", "4.weight", "4.bias"]
    for array in state.values():
        array += 1
    assert bits(model) == before
    live = [p for layer in model.layers for p in layer.params.values()]
    model.load_state_dict(state)
    changed = bits(model)
    assert changed != before
    for array in state.values():
        array += 1
    assert bits(model) == changed
    assert all(p is q for p, q in zip(live, named_arrays(model.layers).values(), strict=True))
    assert not CNN([ReLU(), Dropout()]).state_dict()


def test_loading_keeps_the_dtype_and_takes_lists_and_tensors(torch):
    source, model = small(1, "f8"), small(0, "f4")
    for convert in (np.ndarray.tolist, torch.from_numpy, lambda p: p):
        model.load_state_dict({k: convert(p) for k, p in source.state_dict().items()})
        for key, parameter in model.state_dict().items():
            assert parameter.dtype == np.float32
            np.testing.assert_array_equal(parameter, source.state_dict()[key].astype("f4"))


def test_loading_live_parameters_in_another_order():
    model = CNN([Linear(2, 2, rng=0), Linear(2, 2, rng=1)])
    state, old = named_arrays(model.layers), model.state_dict()
    model.load_state_dict({k: state[f"{1 - int(k[0])}{k[1:]}"] for k in state})
    for key, parameter in model.state_dict().items():
        np.testing.assert_array_equal(parameter, old[f"{1 - int(key[0])}{key[1:]}"])


def normed():
    """Return a network with every kind of name."""
    return CNN([Conv2d(1, 4, 6, rng=0), BatchNorm2d(4), Flatten(), Linear(4, 3, rng=0)])


@pytest.mark.parametrize("prefix", ["module.", "model.module.", "net.0.", "_orig_mod."])
def test_names_behind_a_prefix_are_told_it(prefix):
    model = normed()
    before, state = bits(model), {f"{prefix}{k}": p for k, p in model.state_dict().items()}
    with pytest.raises(ValueError, match="state must have the keys") as caught:
        model.load_state_dict(state)
    for said in (*state, *model.state_dict(), f"without '{prefix}' at the beginning of each"):
        assert said in str(caught.value)
    del state[f"{prefix}1.num_batches_tracked"]
    with pytest.raises(ValueError, match=re.escape(f"without '{prefix}' at")):
        model.load_state_dict(state)
    assert bits(model) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda state: {k.replace("0.", "conv."): p for k, p in state.items()},
        lambda state: {**{f"module.{k}": p for k, p in state.items()}, "module.9.bias": 0},
        lambda state: {f"module.{k}": p for k, p in state.items() if k != "0.bias"},
        lambda state: {**{f"module.{k}": p for k, p in state.items()}, **state},
        lambda state: {**state, 5: 0},
        lambda state: {},
    ],
)
def test_other_names_are_told_what_is_there_and_no_prefix(change):
    state = change(normed().state_dict())
    with pytest.raises(ValueError, match="state must have the keys") as caught:
        normed().load_state_dict(state)
    for key in state.keys() - normed().state_dict().keys():
        assert str(key) in str(caught.value)
    assert "at the beginning" not in str(caught.value)


def test_a_state_that_counts_no_batches_leaves_the_counter(torch):
    model = normed()
    model(np.zeros((4, 1, 6, 6)), train=True)
    state = {k: p + 1 for k, p in model.state_dict().items()}
    del state["1.num_batches_tracked"]
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 6), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(4, 3)
    )
    theirs.load_state_dict({k: torch.from_numpy(p) for k, p in model.state_dict().items()})
    theirs.load_state_dict({k: torch.from_numpy(p) for k, p in state.items()})
    model.load_state_dict(state)
    for key, array in theirs.state_dict().items():
        np.testing.assert_array_equal(model.state_dict()[key], array)
    assert model.state_dict()["1.num_batches_tracked"] == 1


def test_loading_what_float32_cannot_hold_is_refused_or_infinite_and_never_half_done():
    model = small()
    before, state = bits(model), small(1, "f8").state_dict()
    state["4.weight"] *= 1e300
    try:
        model.load_state_dict(state)
    except ValueError:
        assert bits(model) == before
    else:
        assert np.isinf(model.state_dict()["4.weight"]).all()


def nothing(_):
    """Do nothing."""


class Watch(Layer):
    """A layer that only calls back: with each batch of training, and with all that it sees."""

    def __init__(self, step=nothing, sight=nothing):
        super().__init__()
        self.step, self.sight = step, sight

    def __call__(self, x, train=False, rng=None):
        if train:
            self.step(x)
        return super().__call__(x, train, rng)

    def forward(self, x):
        self.sight(x)
        return x

    def gradients(self, dy, x):
        return (dy,)


def test_fit_learns_and_returns_the_model():
    model = small()
    before = cross_entropy(model(X), Y)
    assert model.fit(X, Y, epochs=60, batch_size=3, rng=0, optimizer=Adam(0.01)) is model
    assert cross_entropy(model(X), Y) < before / 4
    assert model.score(X, Y) == 1
    assert len(model.history) == 60
    assert model.history[-1]["loss"] < model.history[0]["loss"] / 4
    assert model.history[-1]["accuracy"] == 1


@pytest.mark.parametrize("optimizer", [lambda: None, SGD, Adam, lambda: SGD(0.1, 0.9, 0.1)])
def test_the_same_seed_gives_the_same_bits(optimizer):
    def run(seed):
        model = small()
        model.layers.insert(3, Dropout(0.3))
        return bits(model.fit(X, Y, 3, 2, rng=seed, optimizer=optimizer())), model.history

    assert run(5) == run(5) == run(np.random.default_rng(5))
    assert run(5) != run(6)


@pytest.mark.parametrize(("size", "sizes"), [(3, [3, 3, 1]), (7, [7]), (1, [1] * 7), (99, [7])])
def test_each_epoch_shows_every_image_once_in_a_new_order(size, sizes):
    steps, images = [], np.arange(7.0).reshape(7, 1)
    model = CNN([Watch(steps.append), Linear(1, 3, rng=0)])
    model.fit(images, Y, epochs=2, batch_size=size, rng=0)
    assert [len(batch) for batch in steps] == sizes * 2
    epochs = np.concatenate(steps)[:, 0].reshape(2, 7)
    np.testing.assert_array_equal(np.sort(epochs), [np.arange(7)] * 2)
    assert list(epochs[0]) != list(epochs[1])


@pytest.mark.parametrize("size", [1, 3, 7])
def test_the_history_holds_loss_and_accuracy_over_all_images(size):
    model = small(dtype="f8")
    logits, before = model(X), bits(model)
    model.fit(X, Y, 2, size, optimizer=SGD(lr=0), validation=(X[:3], Y[:3]))
    model.fit(X, Y, 1, size, optimizer=SGD(lr=0))
    want = {"loss": cross_entropy(logits, Y), "accuracy": model.score(X, Y)}
    held = {"val_loss": cross_entropy(logits[:3], Y[:3]), "val_accuracy": model.score(X[:3], Y[:3])}
    assert model.history == [pytest.approx(want | held)] * 2 + [pytest.approx(want)]
    assert all(type(value) is float for entry in model.history for value in entry.values())
    assert bits(model) == before


def test_nothing_is_learned_from_the_validation_set():
    models = small(), small()
    models[0].fit(X, Y, 3, 2, rng=0)
    models[1].fit(X, Y, 3, 2, rng=0, validation=[-X, Y[::-1]])
    assert bits(models[0]) == bits(models[1])


def test_no_epochs_change_nothing():
    model = small()
    before = bits(model)
    assert model.fit(X, Y, epochs=0) is model
    assert bits(model) == before
    assert model.history == []


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("kind", ["u1", "i8", "?", "f2", "f4", "f8"])
def test_any_numbers_train_and_the_parameters_keep_their_dtype(dtype, kind):
    images = (100 * abs(X)).astype("u1").astype(kind)
    images.flags.writeable = False
    model = small(dtype=dtype).fit(images, Y.astype("i1"), 2, 3, rng=0)
    assert {p.dtype for p in model.state_dict().values()} == {np.dtype(dtype)}
    assert all(np.isfinite(p).all() for p in model.state_dict().values())
    twin = small(dtype=dtype).fit(images.tolist(), Y.tolist(), 2, 3, rng=0)
    if kind in ("u1", "i8", "?", "f8"):  # what a list's numbers become
        assert bits(twin) == bits(model)
    assert model(images).dtype == np.result_type(dtype, "f8" if kind in ("u1", "i8", "?") else kind)


def test_one_image_and_one_class_are_enough():
    model = CNN([Flatten(), Linear(36, 1, rng=0)]).fit(X[:1], [0], 2, rng=0)
    assert model.history[-1] == {"loss": 0, "accuracy": 1}


# Progress


def test_fit_is_silent_when_no_one_watches(capsys):
    small().fit(X, Y, 2, validation=(X, Y))
    small().fit(X, Y, 2, progress=False)
    assert capsys.readouterr() == ("", "")


def test_fit_shows_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    model = small().fit(X, Y, 2, 3, rng=0)
    out, err = capsys.readouterr()
    lines = err.split("\r")
    assert out == lines[0] == ""
    assert [line[:10] for line in lines[1:]] == ["epoch 1/2 "] * 3 + ["epoch 2/2 "] * 3
    assert [line.count("#") for line in lines[1:]] == [6, 13, 20] * 2
    assert lines[-1].endswith(f"loss {model.history[-1]['loss']:.4f}\n")
    assert err.count("\n") == 1
    small().fit(X, Y, 2, progress=False)
    assert capsys.readouterr() == ("", "")


def test_fit_shows_a_bar_if_asked_to(capsys):
    small().fit(X, Y, 1, 7, progress=True)
    assert re.fullmatch(r"\repoch 1/1 \[#{20}\] loss \d\.\d{4}\n", capsys.readouterr().err)
    small().fit(X, Y, 0, progress=True)
    assert capsys.readouterr() == ("", "")


class Stream:
    """What stands for a terminal: it is one, or nobody knows, and takes what is written or not."""

    def __init__(self, terminal=True, error=None):
        self.text, self.error = "", error
        if terminal is not None:
            self.isatty = lambda: terminal

    def write(self, text):
        if self.error is not None:
            raise self.error
        self.text += text

    def flush(self):
        """Do nothing."""


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


NOWHERE = {  # no terminal at all, or one that takes nothing
    "none": lambda: None,
    "no stream": object,
    "unknown": lambda: Stream(terminal=None),
    "closed": closed,
    "closed pipe": lambda: Stream(error=BrokenPipeError()),
    "full disk": lambda: Stream(error=OSError(28, "No space left on device")),
    "another alphabet": lambda: Stream(error=UnicodeEncodeError("ascii", "e", 0, 1, "no")),
    "anything": lambda: Stream(error=RuntimeError("the window is gone")),
}


@pytest.mark.parametrize("progress", [None, True])
@pytest.mark.parametrize("stream", NOWHERE.values(), ids=NOWHERE)
def test_without_a_terminal_fit_trains_in_silence(stream, progress, capsys, monkeypatch):
    want = bits(small().fit(X, Y, 2, 3, rng=0))
    monkeypatch.setenv("TERM", "xterm")
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", stream())
        model = small().fit(X, Y, 2, 3, rng=0, progress=progress)
    assert bits(model) == want
    assert capsys.readouterr() == ("", "")  # print(file=None) would write to stdout


@pytest.mark.parametrize("stream", NOWHERE.values(), ids=NOWHERE)
def test_without_a_terminal_a_warning_ends_nothing(stream, monkeypatch):
    with monkeypatch.context() as patched, warnings.catch_warnings():
        warnings.simplefilter("always")
        patched.setattr(sys, "stderr", stream())
        patched.setattr(warnings, "showwarning", lambda *_: sys.stderr.write("a warning"))
        model = small().fit(np.nan * X, Y, 2, 3, rng=0)
    assert len(model.history) == 2


def test_a_terminal_that_closes_in_the_middle_ends_nothing(monkeypatch):
    stream = Stream()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")

    def close(_):
        if stream.text.count("\r") == 2:
            stream.error = ValueError("I/O operation on closed file.")

    model = small()
    model.layers.insert(0, Watch(close))
    model.fit(X, Y, 2, 3, rng=0)
    assert len(model.history) == 2
    assert stream.text.count("\r") == 2


def idle(monkeypatch):
    """Return what IDLE's window is to a program."""
    monkeypatch.setenv("TERM", "xterm")
    return type("StdOutputFile", (Stream,), {"__module__": "idlelib.run"})()


def dumb(monkeypatch):
    """Return a terminal that can only write on."""
    monkeypatch.setenv("TERM", "dumb")
    return Stream()


@pytest.mark.parametrize("progress", [None, True])
@pytest.mark.parametrize("terminal", [idle, dumb])
def test_a_terminal_that_cannot_go_back_gets_a_line_an_epoch(terminal, progress, monkeypatch):
    stream = terminal(monkeypatch)
    monkeypatch.setattr(sys, "stderr", stream)
    model = small().fit(X, Y, 3, 1, rng=0, progress=progress)
    losses = [entry["loss"] for entry in model.history]
    assert stream.text == "".join(
        f"epoch {n}/3 loss {loss:.4f}\n" for n, loss in enumerate(losses, 1)
    )


# What is no number


def with_one(value):
    """Return the images with one pixel of another value."""
    images = X.copy()
    images[3, 0, 2, 2] = value
    return images


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("size", [1, 3, 7])
def test_a_pixel_that_is_no_number_is_a_warning_once_with_its_step(value, size):
    order = list(np.random.default_rng(0).permutation(7))
    step = order.index(3) // size + 1
    match = rf"the loss is (nan|inf) in step {step} of epoch 1: images of X are NaN or infinite"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        small().fit(with_one(value), Y, 3, size, rng=0)
    (ours,) = [each for each in caught if each.category is UserWarning]
    assert re.match(match, str(ours.message))
    assert ours.filename == __file__  # it points at the call


def test_a_loss_that_stops_being_a_number_is_a_warning_once_with_its_step():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        small().fit(X, Y, 3, 3, rng=0, optimizer=SGD(1e30))
    (ours,) = [each for each in caught if each.category is UserWarning]
    assert re.match(r"the loss is nan in step \d of epoch 1, of finite images", str(ours.message))


def test_weights_that_stop_being_numbers_in_the_last_step_are_a_warning():
    with (
        np.errstate(all="ignore"),
        pytest.warns(UserWarning, match=r"0\.weight.*: NaN or infinite after epoch 1"),
    ):
        small().fit(X, Y, 1, 7, rng=0, optimizer=SGD(1e300))


def test_a_validation_image_that_is_no_number_is_a_warning():
    with pytest.warns(UserWarning, match="val_loss: NaN or infinite after epoch 1"):
        small().fit(X, Y, 2, 3, rng=0, validation=(with_one(np.nan), Y))


def test_the_warning_stands_below_the_bar(capsys):
    with pytest.warns(UserWarning, match="the loss is nan in step 1"):
        small().fit(with_one(np.nan), Y, 1, 7, rng=0, progress=True)
    assert capsys.readouterr().err == f"\repoch 1/1 [{20 * '#'}] loss nan\n"


def test_numbers_are_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small().fit(X, Y, 3, 3, rng=0, validation=(X, Y))


PROGRAM = """
import numpy as np
from convdocs import *
model = CNN([Flatten(), Linear(4, 2, rng=0)])
before = model.state_dict()["1.weight"]
"""


def test_fit_shows_a_bar_on_a_real_terminal():
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    fit = "model.fit(np.ones((4, 1, 2, 2)), [0, 1, 1, 0], epochs=2, batch_size=2)"
    command = [sys.executable, "-c", PROGRAM + fit]
    environment = {**os.environ, "TERM": "xterm"}
    done = subprocess.run(
        command, stderr=theirs, stdout=subprocess.PIPE, check=True, timeout=60, env=environment
    )
    os.close(theirs)
    shown = os.read(ours, 4096).decode()
    os.close(ours)
    assert done.stdout == b""
    assert re.fullmatch(r"(\repoch [12]/2 \[(#{10} {10}|#{20})\] loss \d\.\d{4}){4}\r\n", shown)


# Ctrl-C


class Interrupting(SGD):
    """An optimiser that is interrupted at its fourth step."""

    def step(self, layers):
        if self.steps == 3:
            raise KeyboardInterrupt
        super().step(layers)


def interrupt_at(call):
    """Return a function that raises KeyboardInterrupt at one of its calls."""
    calls = []

    def count(_):
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt

    return count


def kept_inside(call):
    """Return the result of a call whose interrupt, let through, would end all tests."""
    try:
        return call()
    except KeyboardInterrupt:
        raise AssertionError("the interrupt went through") from None


def check_interrupted(model, steps, epochs, **options):
    """Check that an interrupted training warns, and leaves a model that has learned and works."""
    before = bits(model)
    with pytest.warns(UserWarning, match=f"interrupted: {steps} steps") as caught:
        result = kept_inside(lambda: model.fit(X, Y, 9, 3, rng=0, **options))
    assert caught[0].filename == __file__  # the warning points at the call
    assert result is model
    assert len(model.history) == epochs
    assert all(np.isfinite(p).all() for p in model.state_dict().values())
    assert bits(model) != before
    assert len(model.predict(X)) == 7
    options.pop("optimizer", None)
    model.fit(X, Y, 1, 3, rng=0, **options)
    assert len(model.history) == epochs + 1
    assert all(entry.keys() == model.history[0].keys() for entry in model.history)


@pytest.mark.parametrize("progress", [False, True])
def test_an_interrupted_step_keeps_what_was_learned(progress, capsys):
    check_interrupted(small(), 3, 1, optimizer=Interrupting(0.1), progress=progress)
    assert capsys.readouterr().err[-1:] == ("\n" if progress else "")


@pytest.mark.parametrize(("step", "epochs"), [(3, 0), (4, 1), (6, 1), (7, 2)])
def test_an_interrupted_layer_keeps_what_was_learned(step, epochs):
    model = small()
    model.layers.insert(1, Watch(step=interrupt_at(step)))
    check_interrupted(model, step - 1, epochs)


def test_an_interrupted_validation_keeps_what_was_learned():
    def sight(x):
        if len(x) == 7 and not interrupted:  # training has batches of three
            interrupted.append(True)
            raise KeyboardInterrupt

    model, interrupted = small(), []
    model.layers.insert(1, Watch(sight=sight))
    check_interrupted(model, 3, 0, validation=(X, Y))  # the epoch has no complete entry


def test_any_other_error_is_not_swallowed():
    def fail(_):
        raise ZeroDivisionError

    model = small()
    model.layers.insert(0, Watch(fail))
    with pytest.raises(ZeroDivisionError):
        model.fit(X, Y)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to send")
def test_a_real_interrupt_keeps_what_was_learned():
    program = (
        PROGRAM
        + """
import signal, warnings
# In the background, where tests may run, a shell lets this signal be ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
class Telling(ReLU):
    def __call__(self, x, train=False, rng=None):
        print("a step", flush=True)
        return super().__call__(x, train, rng)
model.layers.append(Telling())
with warnings.catch_warnings(record=True) as caught:
    model.fit(np.ones((4, 1, 2, 2)), [0, 1, 1, 0], epochs=10**7, batch_size=1)
after = model.state_dict()["1.weight"]
print(caught[0].message, np.isfinite(after).all(), (after != before).any())
"""
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            for _ in range(3):
                assert child.stdout.readline() == "a step\n"
            child.send_signal(signal.SIGINT)
            out, err = child.communicate(timeout=60)
        finally:
            child.kill()
    last = out.splitlines()[-1]
    assert re.fullmatch(r"training interrupted: \d+ steps were made True True", last)
    assert (child.returncode, err) == (0, "")


# What cannot be trained with is refused before anything changes


def single():
    """Return a network whose maps have one pixel where they are normalised."""
    return CNN([Conv2d(1, 4, 6, rng=0), BatchNorm2d(4), ReLU(), Flatten(), Linear(4, 3, rng=0)])


def everything(model):
    """Return what training changes, buffers and memory of the last images with them."""
    return bits(model), [layer.x for layer in model.layers], list(model.history)


MANY = np.random.default_rng(2).normal(size=(65, 1, 6, 6))
FEW = {
    "one left": ((MANY, np.arange(65) % 3), {"batch_size": 64}, r"batch_size must .*1 of 65"),
    "one each": ((X, Y), {"batch_size": 1}, "batch_size must .*got 1"),
    "one of three": ((X, Y), {"batch_size": 3}, "batch_size must .*got 3, which leaves 1 of 7"),
    "one image": ((X[:1], Y[:1]), {}, "X must hold at least 2 images .*got 1"),
    "one batch": (([(X, Y), (X[:1], Y[:1])],), {"epochs": 0}, None),
}


@pytest.mark.parametrize(("data", "options", "match"), FEW.values(), ids=FEW)
def test_too_few_images_to_normalise_are_refused_at_once(data, options, match):
    model, rng = single(), np.random.default_rng(0)
    before, drawn = everything(model), rng.bit_generator.state
    if match is None:  # of an iterable nobody knows before
        with pytest.raises(ValueError, match=r"X of batch 1 must hold at least 2 images.*got 1"):
            model.fit(*data, rng=rng)
        assert bits(model) != before[0]  # what was learned stays
        return
    with pytest.raises(ValueError, match=match):
        model.fit(*data, rng=rng, **options)
    assert everything(model) == before
    assert rng.bit_generator.state == drawn


@pytest.mark.parametrize("size", [2, 5, 7, 63, 65, 99])
def test_enough_images_to_normalise_train(size):
    labels = np.arange(65) % 3
    count = 65 if size % 2 or size == 2 else 64
    count -= count % size == 1
    assert len(single().fit(MANY[:count], labels[:count], 2, size, rng=0).history) == 2


def test_larger_maps_train_with_single_images():
    model = CNN([Conv2d(1, 4, 5, rng=0), BatchNorm2d(4), Flatten(), Linear(16, 3, rng=0)])
    assert len(model.fit(X, Y, 2, 1, rng=0).history) == 2


def test_the_optimizer_of_another_network_is_refused_at_once():
    optimizer, model = Adam(), small()
    CNN([Linear(36, 3, rng=0)]).fit(X.reshape(7, 36), Y, 1, optimizer=optimizer)
    before = everything(model)
    with pytest.raises(
        ValueError, match=r"optimizer must .*layers\[0\]\.weight of shape \(3, 36\)"
    ):
        model.fit(X, Y, 1, optimizer=optimizer)
    assert everything(model) == before


@pytest.mark.parametrize("number", [0, 1, 4])
def test_weights_that_cannot_be_written_to_are_refused_at_once(number):
    model = single()
    before = everything(model)
    group = model.layers[number].buffers or model.layers[number].params
    name = next(iter(group))
    group[name] = np.broadcast_to(group[name], group[name].shape)  # a view that is read-only
    with pytest.raises(ValueError, match=rf"layers must .*got '{number}\.{name}' for reading"):
        model.fit(X, Y, 1)
    assert everything(model) == before


# Errors speak of what was passed


GREY = np.random.default_rng(1).normal(size=(300, 6, 6))
LABELS = np.arange(300) % 3
AXES = {  # what was passed, its shape, and what would fit
    "no channels": (GREY, "(300, 6, 6)", "[:, None]"),
    "one image without": (GREY[:1], "(1, 6, 6)", "[:, None]"),
    "no batch": (GREY[0], "(6, 6)", "[None, None]"),
    "channels last": (GREY[..., None], "(300, 6, 6, 1)", ".transpose(0, 3, 1, 2)"),
    "flat": (GREY.reshape(300, 36), "(300, 36)", ".reshape(-1, 1, 6, 6)"),
}
WAYS = {  # by which images come to a network
    "fit": ("X", lambda model, X: model.fit(X, LABELS[: len(X)], 1)),
    "predict": ("X", lambda model, X: model.predict(X)),
    "predict_proba": ("X", lambda model, X: model.predict_proba(X)),
    "score": ("X", lambda model, X: model.score(X, LABELS[: len(X)])),
    "call": ("x", lambda model, X: model(X)),
    "validation": (
        "validation[0]",
        lambda model, X_val: model.fit(X, Y, 1, validation=(X_val, LABELS[: len(X_val)])),
    ),
    "batches": ("X of batch 0", lambda model, X: model.fit([(X, LABELS[: len(X)])], epochs=1)),
}


@pytest.mark.parametrize(("name", "way"), WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(("images", "shape", "advice"), AXES.values(), ids=AXES)
def test_images_with_other_axes_are_told_their_shape_and_what_fits(
    images, shape, advice, name, way
):
    with pytest.raises(ValueError, match="must") as caught:
        way(small(), images)
    said = f"{name} must have the shape (N, C, H, W), got {shape}; {name.split()[0]}{advice} fits"
    assert str(caught.value) == said
    way(small(), eval(f"images{advice}"))  # and it does


def test_a_single_image_of_three_channels_is_told_what_fits():
    model = CNN([Conv2d(3, 2, 6, rng=0), Flatten(), Linear(2, 3, rng=0)])
    with pytest.raises(ValueError, match=r"got \(3, 6, 6\); X\[None\] fits"):
        model.predict(np.zeros((3, 6, 6)))


@pytest.mark.parametrize(("name", "way"), WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(
    ("images", "shape"),
    [
        (GREY[:, None].repeat(2, axis=1), "got 2 in shape (300, 2, 6, 6)"),
        (GREY[:, None].repeat(2, axis=2), "got (300, 72)"),
    ],
    ids=["channels", "size"],
)
def test_images_that_do_not_fit_are_told_their_own_number(images, shape, name, way):
    with pytest.raises(ValueError, match="must") as caught:
        way(small(), images)
    assert str(caught.value).startswith(f"{name} must fit layers[")
    assert str(caught.value).endswith(shape)


@pytest.mark.parametrize("shape", [(300, 35), (300, 5, 6), (300,), (300, 1, 1, 6, 6), ()])
def test_where_nothing_would_fit_there_is_no_advice(shape):
    for name, way in WAYS.values():
        if shape == () and name not in ("x", "X"):
            continue
        with pytest.raises((ValueError, TypeError)) as caught:
            way(small(), np.zeros(shape)) if shape else small().predict(np.zeros(shape))
        assert str(shape) in str(caught.value)
        assert "becomes" not in str(caught.value)
        assert "fits" not in str(caught.value)


# What a network keeps


@pytest.mark.parametrize("use", ["call", "train", "backward", "fit"])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_of_a_network_holds_weights_and_options_alone(use, copied):
    def network():
        layers = [Conv2d(1, 4, 3, padding=1, rng=0), BatchNorm2d(4), ReLU(), MaxPool2d(2)]
        return CNN([*layers, AvgPool2d(3), Flatten(), Dropout(0.5), Linear(4, 3, rng=0)])

    images, labels = np.random.default_rng(0).normal(size=(500, 1, 6, 6)), np.arange(500) % 3
    model, fresh = network(), len(pickle.dumps(network()))
    if use == "fit":
        model.fit(images, labels, 1, 500, rng=0)
    else:
        scores = model(images, train=use != "call", rng=0)
        if use == "backward":
            model.backward(cross_entropy_backward(scores, labels))
    assert len(pickle.dumps(model)) < fresh + 500
    twin = copied(model)
    assert len(pickle.dumps(twin)) < fresh + 500
    assert bits(twin) == bits(model)
    assert repr(twin) == repr(model)
    assert twin.history == model.history
    np.testing.assert_array_equal(twin(images), model(images))
    with pytest.raises(RuntimeError, match="needs a forward pass"):
        copied(model).backward(np.ones((500, 3)))


@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.1, 0.9), Adam()])
def test_an_optimizer_holds_what_it_remembers_of_the_weights_alone(optimizer):
    model = small().fit(X, Y, 2, 3, rng=0, optimizer=optimizer)
    remembered = sum(array.nbytes for each in optimizer.memory.values() for array in each)
    weights = sum(array.nbytes for array in model.state_dict().values())
    assert remembered in (0, weights, 2 * weights)
    assert len(pickle.dumps(optimizer)) < remembered + 2000


# Prediction


def test_predictions_agree_with_each_other():
    model = small().fit(X, Y, 3, rng=0)
    proba = model.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(model.predict(X), proba.argmax(axis=1))
    assert model.predict(X).dtype.kind == "i"
    assert model.score(X, Y) == (model.predict(X) == Y).mean()
    assert type(model.score(X, Y)) is float
    assert math.isclose(
        cross_entropy(model(X), Y), -np.log(proba[np.arange(7), Y]).mean(), rel_tol=1e-5
    )


def test_many_images_are_predicted_as_few_are():
    model, images = small(dtype="f8"), np.random.default_rng(1).normal(size=(600, 1, 6, 6))
    whole = model.predict_proba(images)
    parts = [model.predict_proba(part) for part in np.array_split(images, 7)]
    np.testing.assert_allclose(whole, np.concatenate(parts), rtol=1e-12)
    assert whole.shape == (600, 3)


def test_no_images_give_no_predictions():
    model = small()
    assert model.predict(X[:0]).shape == (0,)
    assert model.predict_proba(X[:0]).shape == (0, 3)
    assert model(X[:0]).shape == (0, 3)
    assert model.backward(np.ones((0, 3))).shape == (0, 1, 6, 6)


def test_a_tie_goes_to_the_smallest_class():
    model = small()
    model.layers[4].params["weight"][...] = 0
    model.layers[4].params["bias"][...] = [0, 1, 1]
    np.testing.assert_array_equal(model.predict(X), [1] * 7)


def test_looking_does_not_disturb_what_backward_needs():
    model = small()
    model.layers.insert(3, Dropout(0.5))
    logits = model(X, train=True, rng=0)
    want = model.backward(np.ones_like(logits))
    model(X, train=True, rng=0)
    model.predict(-X[:2]), model.predict_proba(-X), model.score(-X, Y), model.summary((1, 6, 6))
    model.state_dict(), repr(model)
    np.testing.assert_array_equal(model.backward(np.ones_like(logits)), want)


def test_dropout_is_for_training_alone():
    model = small()
    model.layers.insert(4, Dropout(0.5, rng=0))
    np.testing.assert_array_equal(model(X), model(X))
    np.testing.assert_array_equal(model(X).argmax(1), model.predict(X))
    assert (model(X, train=True, rng=0) != model(X)).any()
    np.testing.assert_array_equal(model(X, train=True, rng=0), model(X, train=True, rng=0))
    assert (model(X, train=True) != model(X, train=True)).any()


def test_the_layers_may_come_from_any_iterable_and_are_shown():
    model = CNN(layer for layer in (Flatten(), Dropout(0.25)))
    assert repr(model) == "CNN([\n    Flatten(),\n    Dropout(p=0.25),\n])"
    assert repr(CNN([])) == "CNN([])"
    np.testing.assert_array_equal(CNN([])(X), X)


# What the network costs, and what it sees


LENET = "Conv2d(1, 6, 5, padding=2), ReLU(), MaxPool2d(2), Conv2d(6, 16, 5), ReLU(), MaxPool2d(2),"
LENET += "Flatten(), Linear(400, 120), ReLU(), Linear(120, 84), ReLU(), Linear(84, 10)"
COUNTS = [
    ("Conv2d", (6, 28, 28), 156, 117_600, (5, 5)),
    ("ReLU", (6, 28, 28), 0, 0, (5, 5)),
    ("MaxPool2d", (6, 14, 14), 0, 0, (6, 6)),
    ("Conv2d", (16, 10, 10), 2_416, 240_000, (14, 14)),
    ("ReLU", (16, 10, 10), 0, 0, (14, 14)),
    ("MaxPool2d", (16, 5, 5), 0, 0, (16, 16)),
    ("Flatten", (400,), 0, 0, (16, 16)),
    ("Linear", (120,), 48_120, 48_000, (32, 32)),
    ("ReLU", (120,), 0, 0, (32, 32)),
    ("Linear", (84,), 10_164, 10_080, (32, 32)),
    ("ReLU", (84,), 0, 0, (32, 32)),
    ("Linear", (10,), 850, 840, (32, 32)),
]


def test_the_summary_of_lenet_5_is_the_count_by_hand():
    model = ours(LENET, "f4")
    summary = model.summary((1, 28, 28))
    assert [tuple(row) for row in summary] == COUNTS
    assert summary.parameters == 61_706 == sum(p.size for p in model.state_dict().values())
    assert summary.macs == 416_520
    lines = str(summary).splitlines()
    assert len(lines) == 12 + 4
    assert lines[-1].split() == ["total", "61,706", "416,520"]
    for line, (name, shape, *counts, field) in zip(lines[2:-2], COUNTS, strict=True):
        cells = re.split(r"  +", line)
        sizes = [" x ".join(map(str, sides)) for sides in (shape, field)]
        assert cells == [name, sizes[0], *(f"{count:,}" for count in counts), sizes[1]]


ONE = [  # a layer, the image's shape, and its row: output, parameters, MACs, receptive field
    ("Conv2d(8, 12, (3, 1), 2, groups=4)", (8, 9, 9), (12, 4, 5), 84, 1440, (3, 1)),
    ("Conv2d(3, 8, 1, bias=False)", (3, 5, 4), (8, 5, 4), 24, 480, (1, 1)),
    ("Conv2d(4, 4, 3, groups=4, padding='same')", (4, 6, 6), (4, 6, 6), 40, 1296, (3, 3)),
    ("Conv2d(1, 2, (2, 3), dilation=(3, 2))", (1, 8, 8), (2, 5, 4), 14, 240, (4, 5)),
    ("Conv2d(1, 1, 3, stride=(2, 3), padding=1)", (1, 7, 7), (1, 4, 3), 10, 108, (3, 3)),
    ("MaxPool2d((2, 3), 1, dilation=2)", (1, 9, 9), (1, 7, 5), 0, 0, (3, 5)),
    ("AvgPool2d(3, 2, 1, ceil_mode=True)", (1, 8, 8), (1, 5, 5), 0, 0, (3, 3)),
    ("Dropout()", (2, 3, 4), (2, 3, 4), 0, 0, (1, 1)),
    ("Flatten()", (2, 3, 4), (24,), 0, 0, (1, 1)),
    ("Linear(4, 5, bias=False)", (2, 3, 4), (2, 3, 5), 20, 120, (1, 1)),
]


@pytest.mark.parametrize(("layer", "shape", "output", "parameters", "macs", "field"), ONE)
def test_the_summary_of_one_layer(layer, shape, output, parameters, macs, field):
    (row,) = ours(layer).summary(shape)
    assert row[1:4] == (output, parameters, macs)
    if not layer.startswith("Linear"):
        assert row.receptive_field == field


def test_a_fully_connected_layer_sees_the_whole_image():
    rows = ours("Conv2d(1, 1, 3), AvgPool2d(2), Flatten(), Linear(12, 2)").summary((1, 8, 10))
    assert rows[-1].receptive_field == (8, 10)
    assert ours("Flatten(), Linear(80, 2)").summary((1, 8, 10))[-1].receptive_field == (8, 10)


def test_the_summary_needs_no_memory_for_an_image():
    rows = ours("Conv2d(3, 8, 3), MaxPool2d(2)").summary((3, 10**5, 10**5))
    assert rows[-1].output_shape == (8, 49_999, 49_999)


@pytest.mark.parametrize(
    ("shape", "words"),
    [((3, 6, 6), "got 3 in shape (N, 3, 6, 6)"), ((1, 6, 8), "got (N, 48)")],
)
def test_a_summary_for_other_images_names_their_shape(shape, words):
    with pytest.raises(ValueError, match=r"input_shape must fit layers\[\d\]") as caught:
        small().summary(shape)
    assert str(caught.value).endswith(words)


def seen(layers, side):
    """Return how many rows and columns of the image the centre output gets its number from."""
    model = CNN(layers)
    for layer in layers:
        for parameter in layer.params.values():
            parameter[...] = 1
    y = model(np.ones((1, 1, side, side)))
    dy = np.zeros_like(y)
    dy[0, 0, y.shape[2] // 2, y.shape[3] // 2] = 1
    places = np.argwhere(model.backward(dy)[0, 0])
    return tuple(int(n) for n in places.max(axis=0) - places.min(axis=0) + 1)


PAIR = st.tuples(st.integers(1, 3), st.integers(1, 3))
CONVOLUTION = st.builds(Conv2d, *[st.just(1)] * 2, PAIR, PAIR, dilation=PAIR)
STACK = st.lists(CONVOLUTION | st.builds(AvgPool2d, PAIR, PAIR), min_size=1, max_size=3)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(STACK)
def test_the_receptive_field_is_what_backpropagation_reaches(layers):
    side = 79  # the widest field of three such layers: 7 + 3 * 6 + 9 * 6
    assert CNN(layers).summary((1, side, side))[-1].receptive_field == seen(layers, side)


def test_training_goes_no_further_down_than_the_first_parameters(rng):
    X, y = rng.random((8, 1, 6, 6)), rng.integers(0, 3, 8)

    def network():
        layers = [ReLU(), Conv2d(1, 2, 3, dtype=float, rng=0), ReLU(), MaxPool2d(2), Flatten()]
        return CNN([*layers, Linear(8, 3, dtype=float, rng=1)])

    trained, by_hand = network(), network()
    trained.fit(X, y, epochs=1, batch_size=8, rng=0, optimizer=SGD(0.1))
    order = np.random.default_rng(0).permutation(8)
    by_hand.backward(cross_entropy_backward(by_hand(X[order]), y[order]))
    for ours, theirs in zip(trained.layers, by_hand.layers, strict=True):
        assert ours.grads.keys() == theirs.grads.keys()
        for name, gradient in ours.grads.items():
            np.testing.assert_array_equal(gradient, theirs.grads[name])
