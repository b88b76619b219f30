"""The layers of 1998, beside loops and finite differences, and the two networks that use them."""

import numpy as np
import pytest
import reference

from convdocs import CNN, AvgPool2d, conv2d
from convdocs.book import lenet
from convdocs.book.lenet import SEES, ScaledTanh, Subsampling2d, TableConv2d

SEEN = [[0], [1, 2], [0, 2], [0, 1, 2]]
LAYERS = [  # and the shape of an input
    (lambda t: ScaledTanh(), (3, 2, 4, 5)),
    (lambda t: ScaledTanh(), (4, 7)),
    (lambda t: Subsampling2d(3, dtype=t, rng=0), (2, 3, 4, 6)),
    (lambda t: Subsampling2d(2, dtype=t, rng=0), (3, 2, 5, 3)),
    (lambda t: TableConv2d(3, SEEN, (3, 2), dtype=t, rng=0), (2, 3, 5, 4)),
]


@pytest.mark.parametrize(("make", "shape"), LAYERS)
def test_gradients_agree_with_finite_differences(make, shape, rng):
    layer, x = make(np.float64), rng.normal(size=shape)
    masks = {"weight": layer.seen_maps} if isinstance(layer, TableConv2d) else {}
    dy = rng.normal(size=layer(x).shape)
    assert reference.layer_error(layer, x, dy, **masks) <= reference.EXACT


@pytest.mark.parametrize(("make", "shape"), LAYERS)
def test_the_layer_keeps_the_dtype_and_takes_an_empty_batch(make, shape, rng):
    layer = make(np.float32)
    y = layer(rng.random(shape, np.float32))
    assert y.dtype == layer.backward(np.ones_like(y)).dtype == np.float32
    assert all(layer.grads[name].dtype == np.float32 for name in layer.params)
    assert layer(np.zeros((0, *shape[1:]))).shape == (0, *y.shape[1:])


def test_the_tangent_leads_1_to_1_and_bends_most_there():
    x = np.linspace(-3, 3, 6001)
    y = ScaledTanh()(x)
    np.testing.assert_allclose(y, 1.7159 * np.tanh(2 / 3 * x), rtol=1e-12)
    np.testing.assert_allclose(ScaledTanh()(np.array([1.0, -1.0])), [1, -1], atol=1e-4)
    bend = np.abs(np.diff(y, 2))
    assert abs(abs(x[1 + bend.argmax()]) - 1) < 0.02


@pytest.mark.parametrize("sides", [(4, 6), (5, 3), (2, 2)])
def test_subsampling_is_a_scaled_mean(sides, rng):
    layer, x = Subsampling2d(3, dtype=np.float64, rng=1), rng.normal(size=(2, 3, *sides))
    layer.params["bias"][...] = rng.normal(size=3)
    weight, bias = (layer.params[name][:, None, None] for name in ("weight", "bias"))
    np.testing.assert_allclose(layer(x), 4 * AvgPool2d(2)(x) * weight + bias, rtol=1e-12)


def test_a_map_sees_what_the_table_says(rng):
    layer, x = TableConv2d(3, SEEN, 3, dtype=np.float64, rng=0), rng.normal(size=(2, 3, 6, 5))
    for number, maps in enumerate(SEEN):
        weight = layer.params["weight"][number : number + 1, maps]
        y = conv2d(x[:, maps], weight, layer.params["bias"][number : number + 1])
        np.testing.assert_allclose(layer(x)[:, number], y[:, 0], rtol=1e-12)


def test_loaded_weights_of_what_is_not_seen_count_as_0(rng):
    layer, x = TableConv2d(3, SEEN, 3, dtype=np.float64, rng=0), rng.normal(size=(2, 3, 6, 5))
    before = layer(x)
    dy = rng.normal(size=before.shape)
    dx = layer.backward(dy)
    layer.params["weight"] += ~layer.seen_maps
    np.testing.assert_array_equal(layer(x), before)
    np.testing.assert_array_equal(layer.backward(dy), dx)


def test_training_leaves_what_is_not_seen_at_0(rng):
    model = lenet.lenet5(0)
    X, y = rng.random((20, 1, 32, 32), np.float32), np.arange(20) % 10
    before = model.layers[4].params["weight"].copy()
    model.fit(X, y, epochs=2, batch_size=10, rng=0)
    after = model.layers[4].params["weight"]
    assert np.array_equal(before != 0, after != 0)
    assert np.count_nonzero(after) == 1500
    assert (before[before != 0] != after[before != 0]).mean() > 0.99


def test_the_tables_columns_are_those_of_the_paper():
    rows = [  # Table I, S2 downwards, C3 across
        "X   XXX  XXXX XX",
        "XX   XXX  XXXX X",
        "XXX   XXX  X XXX",
        " XXX  XXXX  X XX",
        "  XXX  XXXX XX X",
        "   XXX  XXXX XXX",
    ]
    seen = np.zeros((6, 16), bool)
    for number, maps in enumerate(SEES):
        seen[list(maps), number] = True
    assert np.array_equal(seen, [[mark == "X" for mark in row] for row in rows])


def test_the_networks_have_the_papers_sizes_and_first_weights():
    model = lenet.lenet5(0)
    shapes = [row.output_shape for row in model.summary((1, 32, 32))]
    maps = [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120, 1, 1)]
    assert shapes == [each for each in maps for _ in (0, 1)] + [(120,), (84,), (84,), (10,)]
    learned = sum(np.count_nonzero(p) for layer in model.layers[:-1] for p in layer.params.values())
    assert learned == 60_000 - 6 - 16  # biases of the subsampling begin at 0
    c3 = model.layers[4].params["weight"]
    for number, maps_seen in enumerate(SEES):
        bound = 2.4 / (25 * len(maps_seen))
        assert 0.9 * bound < np.abs(c3[number]).max() <= bound * (1 + 1e-6)
    assert lenet.lenet5_today(0).summary((1, 32, 32)).parameters == 61_706


def test_a_layer_is_built_again_from_what_it_shows():
    for make, shape in LAYERS:
        layer = make(np.float32)
        again = type(layer)(**layer.options)
        assert repr(again) == repr(layer)
        assert CNN([again])(np.zeros(shape)).shape == layer(np.zeros(shape)).shape


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Subsampling2d(0), "channels must be at least 1"),
        (lambda: Subsampling2d(2, dtype=int), "dtype must be float32 or float64"),
        (lambda: TableConv2d(2, [[0, 2]], 3), "must be below in_channels=2, got 2"),
        (lambda: TableConv2d(2, [[-1]], 3), r"sees\[0\] must be at least 0"),
        (lambda: TableConv2d(2, 5, 3), "sees must hold, .* got 5"),
        (lambda: TableConv2d(2, None, 3), "sees must hold, .* got None"),
        (lambda: TableConv2d(2, [0, 1], 3), r"sees must hold, .* got \[0, 1\]"),
        (lambda: TableConv2d(2, [], 3), "sees must hold a list for at least one map"),
        (lambda: TableConv2d(2, [[0]], 0), "kernel_size must be at least 1"),
        (lambda: Subsampling2d(2)(np.zeros((1, 3, 4, 4))), "x must have 2 channels, got 3"),
        (lambda: Subsampling2d(2)(np.zeros((1, 2, 1, 4))), "must fit into x"),
    ],
)
def test_what_cannot_be_right_is_named(make, named):
    with pytest.raises((ValueError, TypeError), match=named):
        make()


def test_a_summary_counts_what_is_learned_and_how_far_an_output_sees():
    rows = lenet.lenet5(0).summary((1, 32, 32))
    assert [row.receptive_field for row in rows[::2][:5]] == [
        (5, 5),
        (6, 6),
        (14, 14),
        (16, 16),
        (32, 32),
    ]
    assert (rows[4].parameters, rows.parameters) == (1516, 60_850)
    biases = {0: 6 * 28 * 28, 4: 16 * 10 * 10, 8: 120}  # the paper counts their lines, too
    connections = [rows[number].macs + lines for number, lines in biases.items()]
    assert connections == [122_304, 151_600, 48_120]  # as the paper prints
    assert CNN([Subsampling2d(1)]).summary((1, 4, 4))[0].receptive_field == (2, 2)
