"""Optimisers equal their papers' formulas and torch.optim, step by step."""

import math
import pickle

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal

from convdocs import SGD, Adam, Conv2d, Linear, ReLU, Residual

STEPS = 6
SGD_CASES = [
    {"lr": 0.1},
    {"lr": 0.1, "momentum": 0.9},
    {"lr": 0.1, "weight_decay": 0.3},
    {"lr": 0.05, "momentum": 0.5, "weight_decay": 0.2},
    {"lr": 0.0, "momentum": 0.5},
]
ADAM_CASES = [
    {},
    {"lr": 0.1},
    {"lr": 0.1, "weight_decay": 0.3},
    {"lr": 0.1, "betas": (0.5, 0.8)},
    {"lr": 0.1, "betas": (0.0, 0.0)},
    {"lr": 0.1, "eps": 0.5},
]
CASES = [(SGD, how) for how in SGD_CASES] + [(Adam, how) for how in ADAM_CASES]
cases = pytest.mark.parametrize(("kind", "how"), CASES, ids=lambda case: str(case))


def layers(dtype=np.float64):
    """Return layers with parameters, and one without."""
    return [Conv2d(1, 2, (2, 3), dtype=dtype, rng=0), ReLU(), Linear(3, 2, dtype=dtype, rng=1)]


def parameters(layers):
    """Return all parameters, in order."""
    return [parameter for layer in layers for parameter in layer.params.values()]


def draw_gradients(rng, layers):
    """Set gradients, as a backward pass would, and return them."""
    for layer in layers:
        layer.grads = {
            name: rng.normal(size=parameter.shape).astype(parameter.dtype)
            for name, parameter in layer.params.items()
        }
    return [gradient for layer in layers for gradient in layer.grads.values()]


def one(value, gradient):
    """Return a layer of one parameter, with that value and gradient."""
    layer = Linear(1, 1, bias=False, dtype=np.float64, rng=0)
    layer.params["weight"][...] = value
    layer.grads = {"weight": np.full((1, 1), float(gradient))}
    return layer


# --- By hand -------------------------------------------------------------------------------------


def test_by_hand_sgd_steps_against_the_gradient():
    layer = one(10, 4)
    SGD(lr=0.5).step([layer])
    assert layer.params["weight"] == 10 - 0.5 * 4


def test_by_hand_momentum_carries_half_of_the_last_step_on():
    layer, optimizer, values = one(10, 4), SGD(lr=0.5, momentum=0.5), []
    for _ in range(3):
        optimizer.step([layer])
        values.append(layer.params["weight"].item())
    assert values == [10 - 2, 10 - 2 - 3, 10 - 2 - 3 - 3.5]  # velocity 4, 2 + 4, 3 + 4


def test_by_hand_weight_decay_joins_the_gradient():
    layer = one(10, 4)
    SGD(lr=0.5, weight_decay=0.25).step([layer])
    assert layer.params["weight"] == 10 - 0.5 * (4 + 0.25 * 10)


@pytest.mark.parametrize("gradient", [4, -4, 1e-3, -1e4])
def test_by_hand_the_first_step_of_adam_has_the_size_of_the_learning_rate(gradient):
    layer = one(10, gradient)
    Adam(lr=0.5, eps=0).step([layer])
    assert_allclose(layer.params["weight"], 10 - 0.5 * np.sign(gradient), rtol=1e-14)


def test_by_hand_the_second_step_of_adam():
    layer, optimizer = one(10, 3), Adam(lr=0.5, betas=(0.5, 0.75), eps=1)
    optimizer.step([layer])
    assert_allclose(layer.params["weight"], 10 - 0.5 * 3 / (3 + 1), rtol=1e-14)
    layer.params["weight"][...], layer.grads = 10, {"weight": np.full((1, 1), 1.0)}
    optimizer.step([layer])
    mean = (0.25 * 3 + 0.5 * 1) / (1 - 0.25)
    square = (0.1875 * 9 + 0.25 * 1) / (1 - 0.5625)
    assert_allclose(layer.params["weight"], 10 - 0.5 * mean / (square**0.5 + 1), rtol=1e-14)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.longdouble])
def test_a_number_of_any_kind_sets_what_a_float_does(kind):
    number = kind(0.25)
    sgd, adam = SGD(number, number, weight_decay=number), Adam(number, (number, number), number)
    assert (sgd.lr, sgd.momentum, sgd.weight_decay) == (0.25, 0.25, 0.25)
    assert (adam.lr, adam.betas, adam.eps) == (0.25, (0.25, 0.25), 0.25)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_by_hand_adam_without_memory_steps_by_the_sign(dtype):
    layer, optimizer = Linear(1, 1, bias=False, dtype=dtype, rng=0), Adam(0.5, (0, 0), eps=0)
    for gradient in 1e4, -1e-4, 1e4:  # far apart: what is forgotten must leave no rounding error
        layer.params["weight"][...] = 10
        layer.grads = {"weight": np.full((1, 1), gradient, dtype)}
        optimizer.step([layer])
        assert_allclose(layer.params["weight"], 10 - 0.5 * np.sign(gradient), rtol=1e-6)


# --- Against the papers and torch.optim ----------------------------------------------------------


def sgd_formula(p, gradients, lr, momentum=0.0, weight_decay=0.0):
    """Return the parameter after all gradients: Sutskever's formula as PyTorch writes it."""
    velocity = 0.0
    for g in gradients:
        velocity = momentum * velocity + g + weight_decay * p
        p = p - lr * velocity
    return p


def adam_formula(p, gradients, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    """Return the parameter after all gradients: algorithm 1 of Kingma and Ba."""
    m = v = 0.0
    for t, g in enumerate(gradients, 1):
        g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        p = p - lr * (m / (1 - betas[0] ** t)) / ((v / (1 - betas[1] ** t)) ** 0.5 + eps)
    return p


@cases
def test_steps_equal_the_formula(rng, kind, how):
    net, optimizer, drawn = layers(), kind(**how), []
    before = [parameter.copy() for parameter in parameters(net)]
    for _ in range(STEPS):
        drawn.append(draw_gradients(rng, net))
        optimizer.step(net)
    formula = sgd_formula if kind is SGD else adam_formula
    for parameter, start, gradients in zip(
        parameters(net), before, zip(*drawn, strict=True), strict=True
    ):
        assert_allclose(parameter, formula(start, gradients, **how), rtol=1e-12, atol=1e-14)


@cases
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_steps_equal_torch(torch, rng, kind, how, dtype):
    net, optimizer = layers(dtype), kind(**how)
    theirs = [torch.nn.Parameter(torch.tensor(parameter)) for parameter in parameters(net)]
    their_optimizer = getattr(torch.optim, kind.__name__)(theirs, **how)
    close = {"rtol": 1e-12, "atol": 1e-14} if dtype == np.float64 else {"rtol": 2e-5, "atol": 1e-6}
    for _ in range(STEPS):
        for tensor, gradient in zip(theirs, draw_gradients(rng, net), strict=True):
            tensor.grad = torch.tensor(gradient)
        their_optimizer.step()
        optimizer.step(net)
        for parameter, tensor in zip(parameters(net), theirs, strict=True):
            assert_allclose(parameter, tensor.detach().numpy(), **close, strict=True)


def test_the_defaults_are_those_of_torch(torch):
    weight = [torch.nn.Parameter(torch.zeros(1))]
    for ours, theirs in (SGD(), torch.optim.SGD(weight)), (Adam(), torch.optim.Adam(weight)):
        options = {name: theirs.defaults[name] for name in vars(ours) if name in theirs.defaults}
        assert len(options) >= 3
        assert {name: getattr(ours, name) for name in options} == options


@cases
def test_an_optimiser_refuses_a_layer_in_another_place(rng, kind, how):
    net, optimizer = layers(), kind(**how)
    draw_gradients(rng, net)
    optimizer.step(net[2:])
    before = [parameter.copy() for parameter in parameters(net)]
    with pytest.raises(ValueError, match=r"layers\[2\] must stand where it .* at 0, got Linear"):
        optimizer.step(net)
    for parameter, same in zip(parameters(net), before, strict=True):
        assert_array_equal(parameter, same)
    optimizer.step(net[2:])
    assert optimizer.steps == 2
    copied = pickle.loads(pickle.dumps(optimizer))
    assert repr(copied) == repr(optimizer)


@cases
def test_an_optimiser_refuses_a_layer_in_another_place_of_a_block(rng, kind, how):
    block = Residual([Linear(4, 4, rng=0), ReLU(), Linear(4, 4, rng=1)])
    optimizer = kind(**how)
    draw_gradients(rng, [block])
    optimizer.step([block])
    for change in (
        lambda: block.body.reverse(),
        lambda: block.body.insert(0, Linear(4, 4, rng=2)),
        lambda: block.shortcut.append(block.body.pop()),
    ):
        first = list(block.body)
        change()
        draw_gradients(rng, [block])
        with pytest.raises(ValueError, match=r"layers\[0\]\.\S+ must stand where .* at body\.\d\."):
            optimizer.step([block])
        block.body[:], block.shortcut[:] = first, []
    draw_gradients(rng, [block])
    optimizer.step([block])
    assert optimizer.steps == 2


def test_layers_that_share_a_parameter_both_keep_their_places(rng):
    net, optimizer = [Linear(3, 3, rng=0), Linear(3, 3, rng=1)], SGD(momentum=0.9)
    net[1].params["weight"] = net[0].params["weight"]
    for _ in range(2):
        draw_gradients(rng, net)
        optimizer.step(net)
    assert optimizer.steps == 2


@cases
def test_layers_may_join_and_leave_where_they_stand(rng, kind, how):
    net, optimizer = layers(), kind(**how)
    draw_gradients(rng, net)
    for some in net[:1], net, net[:2], layers():  # the last are others
        draw_gradients(rng, some)
        optimizer.step(some)
    assert optimizer.steps == 4


# --- What a step changes, and what not -----------------------------------------------------------


@cases
def test_a_step_changes_the_live_arrays_and_nothing_else(rng, kind, how):
    net = layers(np.float32)
    gradients = draw_gradients(rng, net)
    arrays, copies = parameters(net), [gradient.copy() for gradient in gradients]
    kind(**how).step(net)
    assert all(one is other for one, other in zip(parameters(net), arrays, strict=True))
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}
    for gradient, copy in zip(gradients, copies, strict=True):
        assert_array_equal(gradient, copy)


def test_each_optimiser_descends_a_bowl():
    for optimizer in SGD(0.1), SGD(0.05, momentum=0.9), Adam(0.3):
        layer = one(10, 0)
        for _ in range(200):
            layer.grads["weight"] = 2 * (layer.params["weight"] - 3)
            optimizer.step([layer])
        assert_allclose(layer.params["weight"], 3, atol=1e-2)


def test_a_new_learning_rate_holds_from_the_next_step():
    layer, optimizer = one(10, 4), SGD(lr=0.5)
    optimizer.lr = 0.25
    optimizer.step([layer])
    assert layer.params["weight"] == 9


@pytest.mark.parametrize(
    ("kind", "name", "value", "error"),
    [
        (SGD, "lr", "0.1", TypeError),
        (SGD, "lr", -1, ValueError),
        (SGD, "weight_decay", math.nan, ValueError),
        (SGD, "momentum", 2, ValueError),
        (Adam, "lr", None, TypeError),
        (Adam, "betas", (0.9, 1), ValueError),
        (Adam, "eps", "small", TypeError),
    ],
)
def test_a_setting_that_has_become_wrong_changes_nothing(kind, name, value, error):
    layer, optimizer = one(10, 4), kind(0.1)
    optimizer.step([layer])
    before = layer.params["weight"].copy()
    setattr(optimizer, name, value)
    with pytest.raises(error, match=f"^{name} must be"):
        optimizer.step([layer])
    assert (optimizer.steps, layer.params["weight"]) == (1, before)


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_a_step_before_any_backward_pass_is_refused_and_changes_nothing(rng, kind):
    net, optimizer = layers(), kind()
    draw_gradients(rng, net)
    net[2].grads = {}
    before = [parameter.copy() for parameter in parameters(net)]
    with pytest.raises(RuntimeError, match="step needs a backward pass before it"):
        optimizer.step(net)
    assert optimizer.steps == 0
    for parameter, copy in zip(parameters(net), before, strict=True):
        assert_array_equal(parameter, copy)


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_a_parameter_for_reading_alone_is_refused_before_any_other_moves(rng, kind):
    net, optimizer = layers(), kind()
    draw_gradients(rng, net)
    net[2].params["weight"].flags.writeable = False
    before = [parameter.copy() for parameter in parameters(net)]
    with pytest.raises(ValueError, match=r"'2\.weight' of layers must be .* for reading alone"):
        optimizer.step(net)
    assert optimizer.steps == 0
    for parameter, copy in zip(parameters(net), before, strict=True):
        assert_array_equal(parameter, copy)


@pytest.mark.parametrize("kind", [SGD, Adam])
@pytest.mark.parametrize("gradient", [np.ones((2, 3)) + 1j, np.full((2, 3), "1"), [[1.0] * 3] * 2])
def test_a_gradient_that_is_no_array_of_real_numbers_is_refused_before_any_moves(
    rng, kind, gradient
):
    net, optimizer = layers(), kind()
    draw_gradients(rng, net)
    net[2].grads["weight"] = gradient
    before = [parameter.copy() for parameter in parameters(net)]
    with pytest.raises(TypeError, match=r"the gradient of '2\.weight' must be an array of real"):
        optimizer.step(net)
    assert (optimizer.steps, optimizer.memory) == (0, {})
    for parameter, copy in zip(parameters(net), before, strict=True):
        assert_array_equal(parameter, copy)


@cases
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("integers", ["i1", "u8", "?"])
def test_a_gradient_of_integers_moves_as_one_of_their_values(kind, how, dtype, integers):
    moved = []
    for like in (integers, float):
        layer, optimizer = Linear(2, 2, dtype=dtype, rng=0), kind(**how)
        for gradient in ([[1, 0], [1, 1]], [[0, 0], [1, 0]]):
            numbers = np.array(gradient).astype(integers).astype(like)
            layer.grads = {"weight": numbers, "bias": numbers[0]}
            optimizer.step([layer])
        moved += layer.params.values()
    for one, other in zip(moved[:2], moved[2:], strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize("eps", [0, 1e-50])
def test_adam_steps_in_silence_where_a_square_is_too_small(eps):
    layer = Linear(1, 1, bias=False, rng=0)
    layer.grads = {"weight": np.full((1, 1), 1e-30, np.float32)}
    Adam(eps=eps).step([layer])
    assert np.isinf(layer.params["weight"])  # as in PyTorch


REFUSED = [
    (SGD, {"lr": -0.1}, ValueError, "lr"),
    (SGD, {"lr": "0.1"}, TypeError, "lr"),
    (SGD, {"lr": float("nan")}, ValueError, "lr"),
    (SGD, {"momentum": 1.1}, ValueError, "momentum"),
    (SGD, {"weight_decay": -1}, ValueError, "weight_decay"),
    (Adam, {"betas": 0.9}, TypeError, "betas"),
    (Adam, {"betas": (0.9, 1.0)}, ValueError, "betas"),
    (Adam, {"eps": -1e-8}, ValueError, "eps"),
]


@pytest.mark.parametrize(("kind", "how", "error", "name"), REFUSED)
def test_refused(kind, how, error, name):
    with pytest.raises(error, match=f"{name} must be"):
        kind(**how)


def test_a_real_gradient_moves_the_loss_down(rng):
    layer, x = Linear(3, 2, dtype=np.float64, rng=0), reference.whole(rng, 5, 3)
    target, losses = reference.whole(rng, 5, 2), []
    for _ in range(20):
        error = layer(x) - target
        losses.append((error**2).sum())
        layer.backward(2 * error)
        SGD(lr=1e-3).step([layer])
    assert (np.diff(losses) < 0).all()
