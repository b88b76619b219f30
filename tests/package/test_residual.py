"""A residual block is its two ways and their sum, wherever it goes: memory, files, libraries."""

import copy

import numpy as np
import onnx
import pytest
import reference
from exchanged import close, every, graph, run, same, stirred
from numpy.testing import assert_allclose, assert_array_equal

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
    Linear,
    ReLU,
    Residual,
    Tanh,
)
from convdocs.exchange import from_onnx, load_safetensors, save_safetensors, to_onnx, to_torch
from convdocs.training import loop


def block(C=4, F=6, stride=2, dtype="f4", rng=None):
    """Return a block as in ResNet, whose shortcut is a convolution."""
    rng = np.random.default_rng(3) if rng is None else rng
    how = {"bias": False, "dtype": dtype, "rng": rng}
    norm = lambda: BatchNorm2d(F, dtype=dtype)  # noqa: E731
    body = [Conv2d(C, F, 3, stride, 1, **how), norm(), ReLU(), Conv2d(F, F, 3, 1, 1, **how), norm()]
    return Residual(body, [Conv2d(C, F, 1, stride, **how), norm()])


def model(dtype="f4", seed=0):
    """Return a small network for images of (1, 8, 8) with blocks of three kinds."""
    rng = np.random.default_rng(seed)
    how = {"dtype": dtype, "rng": rng}
    plain = [Conv2d(4, 4, 3, padding=1, **how), Residual([Tanh()]), ReLU()]
    first = [Conv2d(1, 4, 3, padding=1, **how), ReLU(), Residual(plain)]
    last = [ReLU(), AvgPool2d(4), Flatten(), Linear(6, 3, **how)]
    return CNN([*first, block(dtype=dtype, rng=rng), *last])


X = np.random.default_rng(0).normal(size=(12, 1, 8, 8))
Y = np.arange(12) % 3


# --- By hand -------------------------------------------------------------------------------------


def test_by_hand():
    layer = Linear(2, 2, dtype="f8", rng=0)
    layer.params["weight"][...] = [[1, 2], [3, 4]]
    layer.params["bias"][...] = [5, 6]
    added = Residual([layer])
    assert_array_equal(added(np.array([[1.0, 10]])), [[1 + 26, 10 + 49]])
    assert_array_equal(added.backward([[1.0, 100]]), [[1 + 301, 100 + 402]])
    assert_array_equal(added.grads["body.0.weight"], [[1, 10], [100, 1000]])


def test_a_shortcut_brings_its_input_into_shape(rng):
    body, past = Conv2d(2, 3, 3, rng=0), Conv2d(2, 3, 3, rng=1)
    x = rng.normal(size=(2, 2, 5, 6)).astype(np.float32)
    assert_array_equal(Residual([body], [past])(x), body(x) + past(x))
    assert Residual([body], []).shortcut == []
    assert Residual([body]).options["shortcut"] is None


def test_integers_are_added_in_float64():
    x = np.full((1, 2), 200, np.uint8)
    assert_array_equal(Residual([ReLU()])(x), [[400.0, 400.0]], strict=True)


# --- Names, and what a layer holds ---------------------------------------------------------------


def test_parameters_and_buffers_are_those_of_the_layers():
    layer = block()
    assert list(layer.params)[:4] == [
        *("body.0.weight", "body.1.weight", "body.1.bias", "body.3.weight"),
    ]
    assert list(layer.params)[-3:] == ["shortcut.0.weight", "shortcut.1.weight", "shortcut.1.bias"]
    assert next(iter(layer.buffers)) == "body.1.running_mean"
    assert layer.params["body.3.weight"] is layer.body[3].params["weight"]
    new = np.zeros((6, 6, 3, 3), np.float32)
    layer.params["body.3.weight"] = new
    assert layer.body[3].params["weight"] is new
    layer.params["body.3.weight"] += 1
    assert layer.body[3].params["weight"].all()
    assert len(layer.params) == 9
    assert not layer.grads
    for name in ("weight", "body.9.weight", "body.0.bias", "other.0.weight", 7):
        with pytest.raises(KeyError):
            layer.params[name]
    for name in ("body.3", "body.3.", "body", ""):  # no name of an array
        with pytest.raises(KeyError):
            layer.params[name] = new
    layer.grads = {"body.1.bias": new}
    assert layer.body[1].grads == {"bias": new}
    del layer.grads["body.1.bias"]
    assert layer.body[1].grads == {}
    assert repr(layer.grads) == "{}"


def test_a_shallow_copy_remembers_for_itself(rng):
    layer, x = block(), rng.normal(size=(3, 4, 6, 6))
    y = layer(x, train=True)
    dx = layer.backward(np.ones_like(y))
    twin = copy.copy(layer)
    twin(x[:1])
    assert_array_equal(layer.backward(np.ones_like(y)), dx)
    assert twin.params["body.0.weight"] is layer.params["body.0.weight"]


def test_a_refused_input_changes_nothing(rng):
    layer = Residual([BatchNorm2d(2), Residual([Dropout(0.5, rng=0)]), Conv2d(2, 2, (3, 1), rng=0)],
                     [Conv2d(2, 2, (3, 1), rng=1)])  # fmt: skip
    x = rng.normal(size=(2, 2, 5, 5)).astype(np.float32)
    y = layer(x, train=True, rng=0)
    dx, held = layer.backward(np.ones_like(y)), {k: v.copy() for k, v in layer.buffers.items()}
    with pytest.raises(ValueError, match=r"x must fit layers\[2\], Conv2d.* weight must fit"):
        layer(x[:, :, :2], train=True)
    assert_array_equal(layer.backward(np.ones_like(y)), dx)
    for name, array in layer.buffers.items():
        assert_array_equal(array, held[name])


def test_the_summary_sees_by_the_longest_way():
    rows = CNN([Conv2d(1, 4, 3), block(), Residual([Conv2d(6, 6, 1)], [Conv2d(6, 6, 3, 1, 1)])])
    rows = rows.summary((1, 12, 12))
    assert [row.receptive_field[0] for row in rows] == [3, 9, 13]  # 3 + 2 + 4, and 4 more
    weights = 4 * 6 * 9 + 6 * 6 * 9 + 4 * 6
    assert rows[1].macs == (weights + 3 * 6) * 5 * 5
    assert rows[1].parameters == weights + 3 * 2 * 6
    assert rows[1].output_shape == (6, 5, 5)


def test_two_ways_with_borders_said_differently_see_the_same_patch():
    block = Residual([Conv2d(1, 1, 3, padding="same")], [Conv2d(1, 1, 3, padding=1)])
    assert CNN([block]).summary((1, 9, 9))[0].receptive_field == (3, 3)


def test_a_seed_is_one_stream_for_all_layers_of_a_block():
    x, rng = np.ones((1, 1, 20, 20)), np.random.default_rng(3)
    want = Dropout(0.5)(Dropout(0.5)(x, train=True, rng=rng), train=True, rng=rng)
    block = Residual([Dropout(0.5), Dropout(0.5)])
    assert_array_equal(block(x, train=True, rng=3), x + want)


@pytest.mark.parametrize("layer", [Conv2d(3, 3, 3, padding=1, rng=0), ReLU()])
def test_the_sum_lies_as_the_next_layer_reads_it(rng, layer):
    block = Residual([layer])  # a ReLU alone leaves numbers as they lie
    x = rng.random((4, 3, 6, 5), np.float32)
    y = block(x)
    assert y.transpose(1, 2, 3, 0).flags.c_contiguous
    assert block.backward(np.ones_like(x)).transpose(1, 2, 3, 0).flags.c_contiguous
    assert_array_equal(y, block.body[0](x) + x)


def test_names_come_in_the_order_of_torch(torch):
    block = Residual(
        [BatchNorm2d(2), Residual([Conv2d(2, 2, 1), BatchNorm2d(2)])], [BatchNorm2d(2)]
    )
    net = CNN([block, BatchNorm2d(2)])
    assert list(net.state_dict()) == list(to_torch(net).state_dict())


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
def test_the_receptive_field_of_a_transposed_convolution_is_what_reaches_an_output(stride, kernel):
    up = ConvTranspose2d(1, 1, kernel, stride, bias=False, dtype="f8", rng=0)
    layers = [Conv2d(1, 1, 3, dtype="f8", rng=1), up, Conv2d(1, 1, 2, dtype="f8", rng=2)]
    net = CNN(layers)
    y = net(np.zeros((1, 1, 14, 30)))
    widest = 0
    for place in range(18, 24):
        dy = np.zeros_like(y)
        dy[0, 0, 8, place] = 1
        seen = np.flatnonzero(net.backward(dy).any(axis=(0, 1, 2)))
        if seen.size:  # a stride beyond the kernel leaves outputs that see nothing
            widest = max(widest, np.ptp(seen) + 1)
    assert net.summary((1, 14, 30))[-1].receptive_field[1] == widest


def test_the_fewest_images_are_those_of_any_layer():
    inner = Residual([AvgPool2d(3, 1, 1), BatchNorm2d(2)])
    assert inner.least_images(np.zeros((1, 2, 1, 1))) == 2
    assert inner.least_images(np.zeros((1, 2, 2, 1))) == 1
    with pytest.raises(ValueError, match="batch_size must give each step at least 2 images"):
        CNN([inner, Flatten()]).fit(np.zeros((3, 2, 1, 1)), [0, 1, 0], batch_size=2)


# --- Training ------------------------------------------------------------------------------------


@pytest.mark.parametrize("train", [False, True])
def test_equals_torch(torch, rng, train):
    ours = stirred(CNN([block(dtype="f8")]), rng)
    theirs = to_torch(ours).train(train)
    x, dy = rng.normal(size=(3, 4, 6, 6)), rng.normal(size=(3, 6, 3, 3))
    y, (dx,) = reference.autograd(torch, theirs, [x], dy)
    assert_allclose(ours(x, train=train), y, rtol=1e-10, atol=1e-12)
    assert_allclose(ours.backward(dy), dx, rtol=1e-10, atol=1e-12)
    for key, parameter in theirs.named_parameters():
        gradient = ours.layers[0].grads[key.removeprefix("0.")]
        assert_allclose(gradient, parameter.grad.numpy(), rtol=1e-10, atol=1e-11)
    for key, buffer in theirs.named_buffers():
        assert_allclose(ours.state_dict()[key], buffer.numpy(), rtol=1e-12)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_a_training_equals_torch(torch, optimizer):
    ours = model("f8")
    theirs = to_torch(ours).train()
    step = getattr(torch.optim, optimizer)(theirs.parameters(), lr=0.01)
    for _ in range(4):
        loss = torch.nn.functional.cross_entropy(theirs(torch.tensor(X)), torch.tensor(Y))
        step.zero_grad()
        loss.backward()
        step.step()
    ours.fit(X, Y, 4, 12, rng=0, optimizer={"SGD": SGD, "Adam": Adam}[optimizer](lr=0.01))
    for key, array in theirs.state_dict().items():
        assert_allclose(ours.state_dict()[key], array.numpy(), rtol=1e-6, atol=1e-8)


@pytest.mark.slow
def test_the_gradients_equal_differences(rng):
    layer = stirred(CNN([block(2, 3, dtype="f8")]), rng).layers[0]
    layer.body[2] = Tanh()
    x, dy = rng.normal(size=(2, 2, 4, 4)), rng.normal(size=(2, 3, 2, 2))
    assert reference.layer_error(layer, x, dy) <= reference.EXACT


def test_a_checkpoint_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    class Stopped(Exception):
        pass

    honest = loop.Training.advance

    def advance(self, *how):
        honest(self, *how)
        if self.epoch == 1:
            raise Stopped

    want = model().fit(X, Y, 3, 5, rng=2).state_dict()
    with monkeypatch.context() as patched:
        patched.setattr(loop.Training, "advance", advance)
        with pytest.raises(Stopped):
            model().fit(X, Y, 3, 5, rng=2, checkpoint=tmp_path / "c.npz")
    got = model().fit(X, Y, 3, 5, rng=2, checkpoint=tmp_path / "c.npz").state_dict()
    assert got.keys() == want.keys()
    for key, array in want.items():
        assert_array_equal(got[key], array)


# --- There and back ------------------------------------------------------------------------------


def test_saved_and_loaded(tmp_path, rng):
    ours = stirred(model(), rng)
    ours.save(tmp_path / "model.npz")
    back = CNN.load(tmp_path / "model.npz")
    same(ours, back)
    assert_array_equal(back(X), ours(X))
    back.fit(X, Y, 1, 6, rng=0)
    save_safetensors(ours, tmp_path / "weights")
    load_safetensors(back, tmp_path / "weights")
    same(ours, back)


WRONG = [
    [["Residual", {"layers": 7}]],
    [["Residual", 7]],
    [["Residual", [1, 2]]],
    [["Residual", {"layers": [["Nothing", {}]]}]],
    [["Residual", {"layers": [["ReLU", {}]], "more": None}]],
    [["Residual", {"layers": [["ReLU"]], "shortcut": None}]],
    [["Residual", {"layers": []}]],
]


@pytest.mark.parametrize("description", WRONG, ids=repr)
def test_a_description_that_is_none_is_refused(description):
    from convdocs.architecture import rebuilt

    with pytest.raises(ValueError, match=r"layers\[0\] must be the kind of a layer"):
        rebuilt(description, {})


def test_onnx_runtime_computes_the_same_and_the_network_comes_back(tmp_path, rng):
    ours, path = stirred(model(), rng), tmp_path / "model.onnx"
    to_onnx(ours, path, (1, 8, 8))
    x = X.astype(np.float32)
    close(run(path, x), ours(x))
    back = from_onnx(path)
    same(back, ours)
    assert_array_equal(back(x), ours(x))
    assert [node.op_type for node in onnx.load(path).graph.node].count("Add") == 3


def test_what_onnx_cannot_say_is_refused_by_its_place(tmp_path):
    double = CNN([Residual([Conv2d(1, 1, 1, dtype="f8")])])
    with pytest.raises(ValueError, match=r"layers\[0\]\.body\[0\] must be of a network of float32"):
        to_onnx(double, tmp_path / "m.onnx", (1, 8, 8))
    up = ConvTranspose2d(1, 1, 2, dilation=2, output_padding=1)
    with pytest.raises(ValueError, match=r"shortcut\[0\]\.output_padding must be smaller"):
        to_onnx(CNN([Residual([Conv2d(1, 1, 2, padding=2)], [up])]), tmp_path / "m.onnx", (1, 8, 8))


W = np.random.default_rng(5).normal(size=(2, 2, 3, 3)).astype(np.float32)
ONE = [1, 1, 1, 1]
GRAPHS = {  # sums as other programs write them
    "the shortcut first": (
        [("Relu", "x", "a", {}), ("Conv", "a w", "b", {"pads": ONE}), ("Add", "a b", "y", {})],
        ["Residual(layers=[Conv2d", "shortcut=None"],
    ),
    "a block in a block": (
        [("Relu", "x", "a", {}), ("Tanh", "a", "b", {}), ("Add", "b a", "c", {}),
         ("Conv", "c w", "d", {"pads": ONE}), ("Add", "d a", "y", {})],
        ["Residual(layers=[Residual(layers=[Tanh()], shortcut=None), Conv2d"],
    ),
    "ways of two layers that part at the input": (
        [("Conv", "x w", "a", {}), ("Relu", "a", "b", {}), ("Identity", "x", "i", {}),
         ("Conv", "i w", "c", {}), ("Tanh", "c", "d", {}), ("Add", "d b", "y", {})],
        ["shortcut=[Conv2d"],
    ),
    "a border of its own on one way": (
        [("Pad", "x p", "q", {}), ("Conv", "q w", "a", {}), ("Add", "a x", "y", {})],
        ["padding=(1, 1)", "shortcut=None"],
    ),
    "a bias behind the weights of a way": (
        [("Conv", "x w", "a", {"pads": ONE}), ("Add", "h a", "b", {}), ("Add", "b x", "y", {})],
        ["bias=True", "shortcut=None"],
    ),
    "a bias of what is transposed": (
        [("ConvTranspose", "x w", "a", {"pads": ONE}), ("Add", "a h", "b", {}),
         ("Add", "b x", "y", {})],
        ["ConvTranspose2d", "bias=True"],
    ),
    "a size that is asked for on the way": (
        [("Relu", "x", "a", {}), ("Shape", "a", "s", {}), ("Conv", "a w", "b", {"pads": ONE}),
         ("Reshape", "b s", "d", {}), ("Add", "d a", "y", {})],
        ["Residual(layers=[Conv2d"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("shape", [("N", 2, 6, 6), (2, 2, 6, 6), ("N", 2, "H", "W")])
def test_a_sum_of_another_program_becomes_a_block(tmp_path, name, shape, rng):
    nodes, words = GRAPHS[name]
    path = tmp_path / "model.onnx"
    bias = rng.normal(size=(2, 1, 1)).astype(np.float32)
    graph(path, nodes, shape, w=W, h=bias, p=np.array([0, 0, 1, 1, 0, 0, 1, 1]))
    if "asked" in name and "H" in shape:
        return
    found = from_onnx(path)
    x = rng.normal(size=(2, 2, 6, 6)).astype(np.float32)
    close(found(x), run(path, x))
    for word in words:
        assert word in repr(found)
    assert len(list(every(found.layers))) <= 5


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the exporter that needs no more
def test_what_pytorch_exports(torch, tmp_path, rng):
    ours, path = stirred(model(), rng), tmp_path / "model.onnx"
    x = torch.from_numpy(X.astype(np.float32))
    torch.onnx.export(to_torch(ours), (x,), path, dynamo=False)
    back = from_onnx(path)
    close(back(x.numpy()), ours(x.numpy()))
    assert [type(layer) for layer in back.layers].count(Residual) == 2


# --- What is changed in a block ------------------------------------------------------------------


def test_an_error_names_the_row_in_which_a_layer_stands():
    layer, x = Residual([Conv2d(3, 4, 1)], [ReLU(), Conv2d(5, 4, 1)]), np.ones((1, 3, 2, 2))
    for call in layer, layer.forward:
        with pytest.raises(ValueError, match=r"^x must fit shortcut\[1\], Conv2d\(in_channels=5, "):
            call(x)
        with pytest.raises(ValueError, match=r"^x must fit layers\[0\], Conv2d\(in_channels=3, "):
            call(x[:, :2])


def test_a_shortcut_may_grow_as_a_body_may(rng, tmp_path):
    for layer in (Residual([Tanh()]), Residual([Tanh()], []), Residual([Tanh()], [Dropout()])):
        layer.shortcut.append(Conv2d(2, 2, 1, rng=0))
        layer.body.append(ReLU())
        assert list(layer.params)[-1].startswith("shortcut.")
        x = rng.normal(size=(2, 2, 3, 3)).astype(np.float32)
        CNN([layer]).save(tmp_path / "model.npz")
        twins = copy.copy(layer), copy.deepcopy(layer), *CNN.load(tmp_path / "model.npz").layers
        for twin in twins:
            assert repr(twin) == repr(layer)
            assert_array_equal(twin(x), layer(x))
        twins[0].shortcut.pop()  # a row of its own
        assert len(layer.shortcut) == len(twins[0].shortcut) + 1


def test_parameters_that_cannot_be_taken_leave_all_as_they_were():
    layer = Residual([Conv2d(1, 1, 1, rng=0)], [Residual([Linear(2, 2, rng=0)])])
    before = layer.params.copy()
    assert type(before) is dict
    for name in ("weight", "body.1.weight", "shortcut.0.body.1.weight", 7):
        with pytest.raises(KeyError):
            layer.params = {**before, name: np.zeros(1)}
        assert dict(layer.params) == before
    layer.params = {key: array + 1 for key, array in before.items()}
    for key, array in before.items():
        assert_array_equal(layer.params[key], array + 1)


def test_parameters_join_others_as_those_of_a_dictionary_do():
    layer = Residual([Conv2d(1, 1, 1, rng=0)], [Conv2d(1, 1, 1, rng=1)])
    own, new = layer.params, np.zeros((1, 1, 1, 1), np.float32)
    assert list(reversed(own)) == list(own)[::-1]
    others = {"body.0.bias": new, "more": new}
    assert own | others == dict(own) | others
    assert others | own == others | dict(own)
    assert own | own == dict(own)
    assert type(own | own) is dict
    for one, other in (own, 5), (5, own), (own, [("more", new)]):
        with pytest.raises(TypeError, match="unsupported operand"):
            one | other
    layer.params |= {"shortcut.0.weight": new}
    own |= {"body.0.weight": new}
    for row in layer.shortcut, layer.body:
        assert row[0].params["weight"] is new
    assert list(layer.params) == list(own)


def test_a_subclass_keeps_what_is_its_own_in_copies():
    class Scaled(Residual):
        def __init__(self, layers, scale):
            super().__init__(layers)
            self.scale = scale

    layer = Scaled([Tanh()], 3)
    layer(np.ones((1, 2)))
    for twin in (copy.copy(layer), copy.deepcopy(layer)):
        assert twin.scale == 3
        assert twin.x is None
        assert twin.body[0].x is None


@pytest.mark.parametrize(
    "last",
    [
        lambda n: Residual([Linear(n, n)]),
        lambda n: Residual([Residual([Tanh(), Linear(n, n)]), ReLU()]),
        lambda n: Residual([ReLU()], [Linear(n, n)]),
    ],
)
def test_fully_connected_layers_in_a_block_see_the_whole_image(last):
    row = CNN([Conv2d(1, 2, 3), Flatten(), last(72), Tanh()]).summary((1, 8, 8))[-1]
    assert row.receptive_field == (8, 8)
    flat = [Flatten(), Linear(72, 5)]
    block = Residual(flat, [Flatten(), Linear(72, 5)])
    assert CNN([Conv2d(1, 2, 3), block]).summary((1, 8, 8))[-1].receptive_field == (8, 8)
    alone = CNN([Conv2d(1, 2, 3), Flatten(), Residual([Tanh()])]).summary((1, 8, 8))[-1]
    assert alone.receptive_field == (3, 3)


def test_a_fully_connected_layer_on_maps_sees_their_rows():
    for layer in (Linear(6, 6), Residual([Linear(6, 6)])):
        row = CNN([Conv2d(1, 2, 3), layer]).summary((1, 9, 8))[-1]
        assert row.receptive_field == (3, 8)


@pytest.mark.parametrize("train", [False, True])
def test_a_call_that_is_refused_moves_no_statistics(rng, train):
    net = CNN([BatchNorm2d(1), Residual([BatchNorm2d(1)]), Flatten(), Linear(16, 2, rng=0)])
    x = rng.normal(size=(3, 1, 4, 4))
    net(x, train=True)
    before = net.state_dict()
    with pytest.raises(ValueError, match=r"x must fit layers\[3\]"):
        net(x[:, :, 1:], train=train)
    for key, array in net.state_dict().items():
        assert_array_equal(array, before[key])


def test_a_layer_that_stands_twice_is_named_by_its_place():
    layer = ReLU()
    for rows, place in [
        (([layer], [layer]), r"shortcut\[0\]"),
        (([Tanh()], [Residual([layer]), layer]), r"shortcut\[1\]"),
        (([Residual([layer]), Residual([layer])],), r"layers\[1\]"),
    ]:
        with pytest.raises(ValueError, match=f"{place} must be a layer of its own, got one twice"):
            Residual(*rows)
    with pytest.raises(ValueError, match=r"layers\[1\] must be a layer of its own"):
        CNN([Residual([layer]), layer])


def test_a_wrong_name_wherever_it_stands_leaves_all_as_it_was():
    layer = Residual([Conv2d(1, 1, 1, rng=0)], [Residual([Linear(2, 2, rng=0)])])
    before = layer.params.copy()
    for name in ("weight", "body.1.weight", "body.0.", "shortcut.0.body.1.weight", 7):
        with pytest.raises(KeyError) as error:
            layer.params = {name: np.zeros(1), **before}
        assert error.value.args == (name,)
        assert dict(layer.params) == before
    for name in ("body.0.nothing", "shortcut.0.body.0.nothing", "shortcut.0.body.9.weight"):
        with pytest.raises(KeyError, match=f"^'{name}'$"):
            layer.params[name]
        with pytest.raises(KeyError, match=f"^'{name}'$"):
            del layer.params[name]


def test_what_is_not_among_the_new_arrays_is_gone():
    layer = Residual([ReLU(), Conv2d(1, 1, 1, rng=0)])
    layer.params = {"body.1.weight": layer.params["body.1.weight"]}
    assert list(layer.params) == ["body.1.weight"]


def test_the_fewest_images_are_those_of_any_place():
    one = np.zeros((1, 2, 1, 1))
    assert Residual([BatchNorm2d(2), ReLU()]).least_images(one) == 2
    assert Residual([ReLU()], [BatchNorm2d(2)]).least_images(one) == 2


def test_receptive_fields_through_a_block():
    up = ConvTranspose2d(1, 1, 3, 2, padding=1, output_padding=1)
    for layers, field in {
        (Conv2d(1, 1, 2, 2), up): (4, 4),  # which places see most differs within the block
        (Conv2d(1, 1, 1, 2), ConvTranspose2d(1, 1, 1, 2, output_padding=1)): (1, 1),  # or nothing
    }.items():
        assert CNN([Residual(layers)]).summary((1, 8, 8))[0].receptive_field == field


# --- A list that has changed ---------------------------------------------------------------------


@pytest.mark.parametrize("what", [ReLU, "itself"])
def test_a_block_that_holds_something_else_by_now_is_refused(what, tmp_path, torch):
    inner = Residual([Tanh()])
    net = CNN([inner, Flatten(), Linear(16, 2, rng=0)])
    inner.body.append(inner if what == "itself" else what)
    for use in (
        lambda: to_torch(net),
        lambda: to_onnx(net, tmp_path / "net.onnx", (1, 4, 4)),
        lambda: save_safetensors(net, tmp_path / "net.safetensors"),
        lambda: Residual([inner]),
        lambda: SGD().step([inner]),
    ):
        with pytest.raises((TypeError, ValueError), match=r"^layers\[0\] must be a layer"):
            use()
    with pytest.raises((TypeError, ValueError), match=r"^shortcut\[1\] must be a layer"):
        Residual([Tanh()], [ReLU(), inner])
    with pytest.raises((TypeError, ValueError), match=r"^layers\[1\] must be a layer"):
        inner(np.ones((2, 1, 4, 4)))
    assert list(tmp_path.iterdir()) == []
