"""The network computes what PyTorch's does, learns, stops when told to, and counts correctly."""

import math
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convdocs import (
    CNN,
    SGD,
    Adam,
    AvgPool2d,
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


def slopes(model, array, step=1e-6):
    """Return the loss's derivative for each number of an array, by central differences."""
    result = np.empty(array.shape)
    for place in np.ndindex(*array.shape):
        kept, losses = array[place], []
        for sign in (1, -1):
            array[place] = kept + sign * step
            losses.append(cross_entropy(model(x), Y))
        array[place], result[place] = kept, (losses[0] - losses[1]) / (2 * step)
    return result


x = X.copy()


@pytest.mark.parametrize("text", NETS.values(), ids=NETS)
def test_gradients_are_the_slopes_of_the_loss(text):
    model = ours(text)
    dx = model.backward(cross_entropy_backward(model(x), Y))
    np.testing.assert_allclose(dx, slopes(model, x), rtol=1e-5, atol=1e-9)
    for layer in model.layers:
        for name, parameter in layer.params.items():
            want = slopes(model, parameter)
            np.testing.assert_allclose(layer.grads[name], want, rtol=1e-5, atol=1e-8)
            assert abs(want).max() > 1e-3  # so that a gradient of 0 would not pass


def test_a_wrong_gradient_is_seen():
    model = ours(NETS["small"])
    model.backward(cross_entropy_backward(model(x), Y))
    wrong = 1.0001 * model.layers[0].grads["weight"]
    assert not np.allclose(wrong, slopes(model, model.layers[0].params["weight"]), 1e-5, 1e-8)


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
    done = subprocess.run(command, stderr=theirs, stdout=subprocess.PIPE, check=True, timeout=60)
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
    program = PROGRAM + "\n".join(
        [
            "import signal, warnings",
            # In the background, where tests may run, a shell lets this signal be ignored.
            "signal.signal(signal.SIGINT, signal.default_int_handler)",
            "print('ready', flush=True)",
            "with warnings.catch_warnings(record=True) as caught:",
            "    model.fit(np.ones((4, 1, 2, 2)), [0, 1, 1, 0], epochs=10**7, batch_size=1)",
            "after = model.state_dict()['1.weight']",
            "print(caught[0].message, np.isfinite(after).all(), (after != before).any())",
        ]
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout.readline() == "ready\n"
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(0.5)  # it trains
            child.send_signal(signal.SIGINT)
            out, err = child.communicate(timeout=30)
        finally:
            child.kill()
    assert re.fullmatch(r"training interrupted: \d+ steps were made True True\n", out)
    assert (child.returncode, err) == (0, "")


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
