"""A network computes what PyTorch's does, counts correctly, and says what images would fit."""

import copy
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from networks import NETS, X, Y, bits, ours, small, theirs
from numpy.testing import assert_array_equal

from convdocs import (
    CNN,
    SGD,
    Adam,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    LeakyReLU,
    Linear,
    MaxPool2d,
    ReLU,
    Residual,
    Tanh,
    cross_entropy,
    cross_entropy_backward,
)
from convdocs.architecture import named_arrays


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


LARGE = dict.fromkeys(["LeNet", "dilated"], pytest.mark.slow)


@pytest.mark.parametrize(
    "text", [pytest.param(NETS[name], id=name, marks=LARGE.get(name, ())) for name in NETS]
)
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


@pytest.mark.parametrize("count", [1.5, np.nan, np.inf, np.uint64(2**64 - 1), 1e30, -4])
def test_a_count_of_batches_that_is_no_integer_is_refused(count):
    model = CNN([Residual([BatchNorm2d(1)])])
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"body\.0\.num_batches_tracked'\] must hold int64, got"):
        model.load_state_dict({**before, "0.body.0.num_batches_tracked": count})
    for key, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[key])
    for whole in 3.0, True, np.uint8(7):
        model.load_state_dict({**before, "0.body.0.num_batches_tracked": whole})
        assert model.state_dict()["0.body.0.num_batches_tracked"] == whole


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


@settings(max_examples=min(60, settings().max_examples))
@given(STACK)
def test_the_receptive_field_is_what_backpropagation_reaches(layers):
    side = 79  # the widest field of three such layers: 7 + 3 * 6 + 9 * 6
    assert CNN(layers).summary((1, side, side))[-1].receptive_field == seen(layers, side)


def reach(net, side):
    """Return the most rows and columns of the image that reach one of an output's inner places."""
    for _, array in sorted(named_arrays(net.layers).items()):
        array[...] = 1
    y = net(np.ones((1, 1, side, side)))
    most = np.zeros(2, int)
    for down, right in np.ndindex(6, 6):
        dy = np.zeros_like(y)
        dy[0, 0, y.shape[2] // 2 + down, y.shape[3] // 2 + right] = 1
        places = np.argwhere(net.backward(dy)[0, 0])
        if len(places):  # a stride beyond the kernel leaves outputs that see nothing
            most = np.maximum(most, np.ptp(places, axis=0) + 1)
    return tuple(most.tolist())


UP = st.builds(ConvTranspose2d, *[st.just(1)] * 2, PAIR, PAIR, dilation=PAIR)
PADDED = st.builds(Conv2d, *[st.just(1)] * 2, PAIR, padding=st.just("same"), dilation=PAIR)


@pytest.mark.slow
@settings(max_examples=min(60, settings().max_examples))
@given(CONVOLUTION | PADDED, UP, PAIR, st.integers(1, 3), PAIR, PAIR)
def test_the_receptive_field_is_the_most_that_reaches_an_output(first, up, kernel, s, pad, other):
    block = Residual(
        [Conv2d(1, 1, kernel, s, pad)],
        [Conv2d(1, 1, kernel, s, other)],
    )
    net, side = CNN([first, up, block]), 61
    try:
        net(np.ones((1, 1, side, side)))
    except ValueError:  # two ways that end in different shapes
        reject()
    field = net.summary((1, side, side))[-1].receptive_field
    assert (field if all(field) else (0, 0)) == reach(net, side)


def test_what_two_ways_see_lies_apart():
    ways = [Conv2d(1, 1, 2, stride=3)], [Conv2d(1, 1, 2, stride=3, padding=1)]
    assert CNN([Residual(*ways)]).summary((1, 8, 8))[0].receptive_field == (3, 3)
    up = ConvTranspose2d(1, 1, 2, stride=2, dilation=3)  # of an even place one input, of an odd one
    assert CNN([up]).summary((1, 6, 6))[0].receptive_field == (1, 1)
    far = ConvTranspose2d(1, 1, (2, 1), stride=3, dilation=10**9 + 1)
    assert CNN([far]).summary((1, 6, 6))[0].receptive_field == (1, 1)


def test_after_a_refused_call_there_is_no_way_back():
    net = CNN([LeakyReLU(), BatchNorm2d(1)])
    one = np.ones((1, 1, 1, 1))
    net(2 * one)
    with pytest.raises(ValueError, match="two numbers in each channel"):
        net(-2 * one, train=True)
    with pytest.raises(RuntimeError, match="needs a forward pass"):
        net.backward(one)
    net(2 * one)
    with pytest.raises(TypeError, match="x must hold real numbers"):  # no layer took it
        net("a")
    assert net.backward(one).shape == one.shape


def test_a_layer_that_came_into_the_list_twice_is_refused():
    net = CNN([Conv2d(1, 1, 3, padding=1, rng=0), Tanh(), Flatten(), Linear(16, 2, rng=0)])
    net.layers.insert(1, net.layers[0])
    x, y = np.ones((4, 1, 4, 4)), [0, 1, 0, 1]
    for use in (lambda: net(x), lambda: net.fit(x, y, 1)):
        with pytest.raises(ValueError, match=r"layers\[1\] must be a layer of its own"):
            use()


@pytest.mark.parametrize("use", ["predict", "predict_proba"])
def test_scores_of_no_class_are_refused(use):
    with pytest.raises(ValueError, match=r"^layers must end in scores .*, got \(2, 0\)"):
        getattr(CNN([ReLU()]), use)(np.ones((2, 0)))


def junk(net):
    net.layers.append("ReLU")


def junk_in_a_block(net):
    net.layers[0].body.append(ReLU)


def a_block_in_itself(net):
    net.layers[0].body.append(net.layers[0])


@pytest.mark.parametrize("spoil", [junk, junk_in_a_block, a_block_in_itself])
@pytest.mark.parametrize("called", [False, True])
def test_a_list_that_holds_something_else_by_now_is_refused(spoil, called, tmp_path):
    net = CNN([Residual([Tanh()]), Flatten(), Linear(16, 2, rng=0)])
    x, y = np.ones((4, 1, 4, 4)), [0, 1, 0, 1]
    state = net.state_dict()
    if called:
        net(x)
    spoil(net)
    place = r"layers\[3\]" if spoil is junk else r"layers\[0\]"
    for use in (
        lambda: net(x),
        lambda: net.backward(np.ones((4, 2))),
        lambda: net.predict(x),
        lambda: net.predict_proba(x),
        lambda: net.score(x, y),
        lambda: net.fit(x, y, 1),
        lambda: net.fit([(x, y)], epochs=1),
        lambda: net.summary((1, 4, 4)),
        net.state_dict,
        lambda: net.load_state_dict(state),
        lambda: net.save(tmp_path / "net.npz"),
        lambda: SGD().step(net.layers),
        lambda: CNN(net.layers),
    ):
        with pytest.raises((TypeError, ValueError), match=f"{place} must be a layer"):
            use()
    assert list(tmp_path.iterdir()) == []


def test_a_state_is_not_loaded_where_an_array_is_for_reading_alone():
    net = CNN([Conv2d(1, 1, 1, rng=0), Conv2d(1, 1, 1, rng=1)])
    net.layers[1].params["weight"].flags.writeable = False
    state = net.state_dict()
    with pytest.raises(ValueError, match=r"to write to, got '1\.weight' for reading alone"):
        net.load_state_dict({key: array + 1 for key, array in state.items()})
    for key, array in net.state_dict().items():
        assert_array_equal(array, state[key])


WHOLE = np.array([[[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]]])  # a kernel as one may type it


@pytest.mark.parametrize("weight", [WHOLE, WHOLE.tolist(), WHOLE > 0])
def test_a_weight_that_no_step_can_move_is_refused_before_any_other_moves(weight):
    net = ours("Conv2d(1, 1, 3, padding=1), Conv2d(1, 1, 3), Flatten(), Linear(16, 2)")
    net.layers[1].params["weight"] = weight
    X, y = np.ones((4, 1, 6, 6)), [0, 1, 0, 1]
    before = net.layers[0].params["weight"].copy()
    with pytest.raises(TypeError, match=r"must (hold 'weight' as an nd|be an )array"):
        net.fit(X, y, epochs=1)
    net.backward(np.ones_like(net(X)))
    with pytest.raises(TypeError, match=r"'1\.weight' of layers must be an array of floating"):
        SGD().step(net.layers)
    assert_array_equal(net.layers[0].params["weight"], before)


def test_running_means_of_integers_are_refused_in_training():
    net = CNN([BatchNorm2d(1), Flatten(), Linear(4, 2)])
    net.layers[0].buffers["running_mean"] = np.zeros(1, int)
    with pytest.raises(TypeError, match=r"'0\.running_mean' of layers must be .* got int64"):
        net.fit(np.ones((4, 1, 2, 2)), [0, 1, 0, 1], epochs=1)


@pytest.mark.parametrize("shape", [(1, 3, 3, 3), (1, 3, 3, 4)])
def test_other_axes_are_advised_only_where_they_are_amiss(shape):
    net = CNN([Conv2d(3, 4, 3, padding=1), AvgPool2d(3), BatchNorm2d(4)])
    with pytest.raises(ValueError, match="at least two numbers in each channel"):
        net(np.zeros(shape), train=True)


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


def test_images_with_the_right_channels_are_told_what_else_is_wrong():
    model = CNN([Conv2d(3, 2, (1, 5), rng=0), ReLU()])
    with pytest.raises(ValueError, match="weight must fit into x, got a span of 1 x 5"):
        model(np.zeros((2, 3, 8, 3)))
    with pytest.raises(ValueError, match=r"\.transpose\(0, 3, 1, 2\) fits"):
        model(np.zeros((2, 8, 8, 3)))


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
