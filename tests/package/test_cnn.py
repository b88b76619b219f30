"""A classifier learns as PyTorch's does, stops when told to, and refuses what it cannot learn."""

import copy
import gc
import math
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from networks import NETS, PROGRAM, Watch, X, Y, bits, ours, small, theirs

from convdocs import (
    CNN,
    SGD,
    Adam,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    ReLU,
    cross_entropy,
    cross_entropy_backward,
    softmax,
)


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


@pytest.mark.parametrize("size", [1, 3, 7])
def test_the_history_of_labels_for_each_place_is_a_mean_over_all_of_them(size):
    model = CNN([Conv2d(1, 3, 3, dtype="f8", rng=0)])
    labels = np.random.default_rng(1).integers(0, 3, (7, 4, 4))
    model.fit(X, labels, 1, size, optimizer=SGD(lr=0), validation=(X[:3], labels[:3]))
    want = {}
    for name, part in ("", slice(7)), ("val_", slice(3)):
        scores = model(X[part])
        want[f"{name}loss"] = cross_entropy(scores, labels[part])
        want[f"{name}accuracy"] = (scores.argmax(axis=1) == labels[part]).mean()
    assert model.history == [pytest.approx(want)]


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


def test_training_goes_no_further_down_than_the_first_parameters(rng):
    X, y = rng.random((8, 1, 6, 6)), rng.integers(0, 3, 8)

    def network():
        layers = [ReLU(), Conv2d(1, 2, 3, dtype=float, rng=0), ReLU(), MaxPool2d(2), Flatten()]
        return CNN([*layers, Linear(8, 3, dtype=float, rng=1)])

    trained, by_hand = network(), network()
    trained.fit(X, y, epochs=1, batch_size=8, rng=0, optimizer=SGD(0.1))
    order = np.random.default_rng(0).permutation(8)
    by_hand.backward(cross_entropy_backward(by_hand(X[order]), y[order]))
    for one, other in zip(trained.layers, by_hand.layers, strict=True):
        assert one.grads.keys() == other.grads.keys()
        for name, gradient in one.grads.items():
            np.testing.assert_array_equal(gradient, other.grads[name])


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


class Signalled(Adam):
    """An optimiser within whose second step Ctrl-C is pressed."""

    def move(self, *arrays):
        if self.steps == 2:
            os.kill(os.getpid(), signal.SIGINT)
        super().move(*arrays)


@pytest.fixture
def heard():
    """Let Ctrl-C be heard, which processes in the background ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_a_step_that_has_begun_is_made_as_a_whole(heard):
    model, whole = small(), small()
    with pytest.warns(UserWarning, match="interrupted: 2 steps were made"):
        kept_inside(lambda: model.fit(X, Y, 9, 3, rng=0, optimizer=Signalled(0.1)))
    assert signal.getsignal(signal.SIGINT) is heard

    class Stopped(Adam):
        def step(self, layers):
            super().step(layers)
            if self.steps == 2:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        whole.fit(X, Y, 9, 3, rng=0, optimizer=Stopped(0.1))
    assert bits(model) == bits(whole)


class Pressed(np.ndarray):
    """An array that begins to be overwritten: at that moment Ctrl-C is pressed, once."""

    pressed = False

    def __setitem__(self, place, value):
        if not Pressed.pressed:
            Pressed.pressed = True
            os.kill(os.getpid(), signal.SIGINT)
        super().__setitem__(place, value)


def watched(model):
    """Return a model of whose arrays the second begins to be overwritten when Ctrl-C is pressed."""
    Pressed.pressed = False
    model.layers[0].params["bias"] = model.layers[0].params["bias"].view(Pressed)
    return model


def test_weights_are_loaded_as_a_whole(heard):
    other, model = small(1), watched(small())
    assert bits(other) != bits(model)
    with pytest.raises(KeyboardInterrupt):
        model.load_state_dict(other.state_dict())
    assert bits(model) == bits(other)
    assert signal.getsignal(signal.SIGINT) is heard


def test_running_statistics_move_as_a_whole(heard):
    layer, whole = BatchNorm2d(3), BatchNorm2d(3)
    x = np.random.default_rng(0).random((2, 3, 4, 4))
    whole(x, train=True)
    Pressed.pressed = False
    layer.buffers["running_mean"] = layer.buffers["running_mean"].view(Pressed)
    with pytest.raises(KeyboardInterrupt):
        layer(x, train=True)
    for name, buffer in whole.buffers.items():
        np.testing.assert_array_equal(layer.buffers[name], buffer)


def test_a_checkpoint_is_taken_up_as_a_whole(heard, tmp_path):
    path, whole = tmp_path / "a.ckpt", small()
    whole.fit(X, Y, 2, 3, rng=0, checkpoint=path)
    model, optimizer = watched(small()), Adam(3e-3)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, 2, 3, rng=0, optimizer=optimizer, checkpoint=path)
    assert (bits(model), model.history) == (bits(whole), whole.history)
    assert optimizer.steps == 6


def test_a_step_of_ones_own_loop_is_made_as_a_whole(heard):
    def stepped(optimizer, model):
        model.backward(cross_entropy_backward(model(X, train=True), Y))
        optimizer.step(model.layers)

    usual, whole, optimizer, model = Adam(0.1), small(), Signalled(0.1), small()
    for _ in range(2):
        stepped(usual, whole)
    stepped(optimizer, model)
    with pytest.raises(KeyboardInterrupt):
        stepped(optimizer, model)
    assert bits(model) == bits(whole)
    assert optimizer.steps == 2


class End:
    """Something at whose end Ctrl-C is pressed: Python loses what is raised there."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_press_that_python_loses_ends_the_training(heard):
    ends, model = [End()], small()
    model.layers.insert(0, Watch(step=lambda _: ends and ends.pop()))
    with pytest.warns(UserWarning, match="interrupted: 1 steps were made"):
        kept_inside(lambda: model.fit(X, Y, 9, 3, rng=0))
    assert signal.getsignal(signal.SIGINT) is heard


def test_an_error_of_a_step_is_not_taken_for_an_interrupt(heard):
    class Mistaken(Adam):
        def move(self, *arrays):
            os.kill(os.getpid(), signal.SIGINT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        small().fit(X, Y, optimizer=Mistaken())
    assert signal.getsignal(signal.SIGINT) is heard


def test_every_press_within_a_step_reaches_a_handler_of_ones_own(heard):
    presses, model = [], small()
    signal.signal(signal.SIGINT, lambda *press: presses.append(press))
    model.fit(X, Y, 2, 3, rng=0, optimizer=Signalled(0.1))
    assert len(presses) == 4  # one for each parameter of the second step
    assert len(model.history) == 2


def test_a_training_in_another_thread_leaves_the_signals_alone():
    with ThreadPoolExecutor(1) as threads:
        model = threads.submit(lambda: small().fit(X, Y, 1, 3, rng=0)).result()
    assert bits(model) == bits(small().fit(X, Y, 1, 3, rng=0))


def test_an_optimiser_that_has_moved_another_network_is_refused():
    optimizer, first, second = Adam(0.1), small(), small(1)
    first.fit(X, Y, 1, rng=0, optimizer=optimizer)
    before = bits(second)
    with pytest.raises(ValueError, match=r"optimizer must be a new one.* has moved another one"):
        second.fit(X, Y, 1, rng=0, optimizer=optimizer)
    assert bits(second) == before
    first.layers[1:] = [*first.layers[1:-1], small(1).layers[-1]]  # a layer may be another
    first.fit(X, Y, 1, rng=0, optimizer=optimizer)


def test_an_optimiser_is_refused_though_the_network_that_it_has_moved_is_gone():
    optimizer = SGD(0.1, momentum=0.9)
    small().fit(X, Y, 1, rng=0, optimizer=optimizer)
    gc.collect()
    assert optimizer.moved() == []
    model = small(1)
    with pytest.raises(ValueError, match=r"optimizer must be a new one.* has moved another one"):
        model.fit(X, Y, 1, rng=0, optimizer=optimizer)
    model.fit(X, Y, 1, rng=0, optimizer=copy.deepcopy(optimizer))  # a copy has moved none yet


@pytest.mark.parametrize("setting", [{"lr": -1}, {"momentum": "a"}, {"weight_decay": np.nan}])
def test_an_optimiser_that_was_made_wrong_changes_nothing(setting, tmp_path):
    optimizer, model, rng = SGD(0.1), small(), np.random.default_rng(0)
    model.layers.insert(1, BatchNorm2d(4))
    vars(optimizer).update(setting)
    before = bits(model), repr(rng.bit_generator.state)
    with pytest.raises((ValueError, TypeError), match=f"^{next(iter(setting))} must be"):
        model.fit(X, Y, 1, rng=rng, optimizer=optimizer, checkpoint=tmp_path / "file")
    assert (bits(model), repr(rng.bit_generator.state)) == before
    assert not any(tmp_path.iterdir())


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
        model.fit(X, Y, 1, optimizer=copy.copy(optimizer))
    assert everything(model) == before


def test_the_optimizer_of_a_longer_network_is_refused_at_once():
    optimizer = SGD(0.1, momentum=0.9)
    small().fit(X, Y, 1, optimizer=optimizer)
    model = CNN([Flatten(), ReLU(), Linear(36, 3, rng=0)])
    before = everything(model)
    with pytest.raises(ValueError, match=r"optimizer must .*it remembers layers\[\d\]\.\w+ of"):
        model.fit(X, Y, 1, optimizer=copy.copy(optimizer))
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


def test_each_place_of_the_scores_has_probabilities_of_its_own():
    model = CNN([Conv2d(1, 3, 3, dtype="f8", rng=0)])
    scores, proba = model(X), model.predict_proba(X)
    assert proba.shape == (7, 3, 4, 4)
    for i, j in np.ndindex(4, 4):
        np.testing.assert_allclose(proba[:, :, i, j], softmax(scores[:, :, i, j]), rtol=1e-12)


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
