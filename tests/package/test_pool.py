"""Pooling equals its definition, ONNX Runtime and PyTorch, ties and gradients included."""

import tracemalloc

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import convdocs
from convdocs import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward, pool
from convdocs.windows import Window, tile, windows

SHAPES = {  # x, and how; these hold for both poolings
    "one pixel": ((1, 1, 1, 1), {"kernel_size": 1}),
    "tiles": ((2, 3, 4, 6), {"kernel_size": 2}),
    "kH != kW": ((2, 2, 6, 5), {"kernel_size": (3, 2)}),
    "tiles that leave a remainder": ((2, 2, 7, 8), {"kernel_size": (2, 3)}),
    "windows overlap": ((1, 2, 5, 7), {"kernel_size": 3, "stride": (1, 2)}),
    "windows leave gaps": ((1, 2, 8, 9), {"kernel_size": (2, 1), "stride": (3, 4)}),
    "the whole map": ((2, 3, 4, 5), {"kernel_size": (4, 5)}),
    "padding": ((2, 2, 5, 4), {"kernel_size": 3, "padding": 1}),
    "padding, even window": ((1, 2, 5, 6), {"kernel_size": (2, 4), "padding": (1, 2), "stride": 2}),
    "padding of one axis": ((1, 1, 4, 5), {"kernel_size": (1, 3), "padding": (0, 1)}),
    "only the padding makes it fit": ((1, 2, 1, 2), {"kernel_size": (3, 4), "padding": (1, 1)}),
    "ceil_mode": ((1, 2, 5, 8), {"kernel_size": (2, 3), "ceil_mode": True}),
    "ceil_mode, nothing left": ((1, 1, 6, 9), {"kernel_size": (2, 3), "ceil_mode": True}),
    "ceil_mode, overlap": ((2, 1, 6, 8), {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
    "ceil_mode, padding": (
        (1, 2, 6, 7),
        {"kernel_size": (3, 4), "stride": (2, 3), "padding": (1, 2), "ceil_mode": True},
    ),
    "ceil_mode, a window would begin outside": (
        (1, 1, 5, 4),
        {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True},
    ),
    "ceil_mode, larger than the map": ((1, 1, 2, 3), {"kernel_size": 4, "ceil_mode": True}),
}
WIDE = "padding up to half the dilated window"  # PyTorch stops at half the window's numbers
MAX = SHAPES | {
    "dilation": ((2, 2, 7, 8), {"kernel_size": (2, 3), "stride": 1, "dilation": (3, 2)}),
    "dilation, padding": (
        (1, 2, 6, 7),
        {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 1), "dilation": (2, 3)},
    ),
    WIDE: ((1, 2, 6, 7), {"kernel_size": (3, 2), "stride": 1, "padding": (2, 1), "dilation": 3}),
    "everything": (
        (2, 2, 9, 8),
        {
            "kernel_size": (3, 2),
            "stride": (2, 3),
            "padding": (1, 1),
            "dilation": (2, 3),
            "ceil_mode": True,
        },
    ),
}
AVERAGE = {
    f"{name}{', real pixels only' if not count else ''}": (x, how | {"count_include_pad": count})
    for name, (x, how) in SHAPES.items()
    for count in (True, False)
}
max_cases = pytest.mark.parametrize(("x", "how"), MAX.values(), ids=MAX)
torch_cases = pytest.mark.parametrize("name", [name for name in MAX if name != WIDE])
average_cases = pytest.mark.parametrize(("x", "how"), AVERAGE.values(), ids=AVERAGE)
POOLS = (max_pool2d, max_pool2d_backward), (avg_pool2d, avg_pool2d_backward)
layouts = pytest.mark.parametrize("layout", reference.LAYOUTS)


# --- By hand -------------------------------------------------------------------------------------

IMAGE = np.array([[[[1.0, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12, 13, 14, 15]]]])


def test_by_hand_maximum():
    assert_array_equal(max_pool2d(IMAGE, 2), [[[[7, 9]]]])
    assert_array_equal(max_pool2d(IMAGE, 2, ceil_mode=True), [[[[7, 9, 10], [12, 14, 15]]]])
    assert_array_equal(max_pool2d(IMAGE, 3, padding=1), [[[[7, 10]]]])
    assert_array_equal(max_pool2d(IMAGE, 2, 1, dilation=2), [[[[13, 14, 15]]]])


def test_by_hand_average():
    assert_array_equal(avg_pool2d(IMAGE, 2), [[[[4, 6]]]])
    assert_array_equal(avg_pool2d(IMAGE, 2, ceil_mode=True), [[[[4, 6, 7.5], [11.5, 13.5, 15]]]])


def test_by_hand_the_padding_counts_or_not():
    nines = np.full((1, 1, 2, 2), 9.0)
    assert_array_equal(avg_pool2d(nines, 3, padding=1), [[[[4]]]])
    assert_array_equal(avg_pool2d(nines, 3, padding=1, count_include_pad=False), [[[[9]]]])
    hanging = avg_pool2d(nines, 3, 2, 1, ceil_mode=True)  # beyond the padding nothing counts
    assert_array_equal(hanging, [[[[4, 18 / 6], [18 / 6, 9 / 4]]]])


def test_by_hand_an_all_negative_map_never_gives_the_padding():
    assert_array_equal(max_pool2d(-IMAGE, 3, padding=1), [[[[-1, -3]]]])
    assert_array_equal(max_pool2d(-IMAGE, 2, ceil_mode=True), [[[[-1, -3, -5], [-11, -13, -15]]]])


def test_by_hand_gradients():
    x, dy = [[[[1, 5, 2], [4, 3, 6]]]], [[[[10, 20]]]]
    dx = [[[[0, 10, 0], [0, 0, 20]]]]
    assert_array_equal(max_pool2d_backward(dy, x, 2, 1), dx)
    assert_array_equal(avg_pool2d_backward(dy, x, 2, 1), [[[[2.5, 7.5, 5], [2.5, 7.5, 5]]]])


def test_by_hand_overlapping_windows_add_up_at_their_common_maximum():
    dx = max_pool2d_backward([[[[1, 10]]]], [[[[0, 7, 0]]]], (1, 2), 1)
    assert_array_equal(dx, [[[[0, 11, 0]]]])


def test_by_hand_the_first_of_equal_maxima_in_row_major_order_gets_the_gradient():
    dx = max_pool2d_backward([[[[5.0]]]], [[[[1, 3, 2], [3, 3, 0]]]], (2, 3))
    assert_array_equal(dx, [[[[0, 5, 0], [0, 0, 0]]]])
    dx = max_pool2d_backward([[[[5.0]]]], [[[[1, 2, 3], [3, 2, 3]]]], (2, 3))
    assert_array_equal(dx, [[[[0, 0, 5], [0, 0, 0]]]])


# --- Ties and extremes ---------------------------------------------------------------------------

LOWEST = [(np.float32, -np.inf), (np.float64, -np.inf), (np.int8, -128), (np.uint8, 0), (bool, 0)]


@pytest.mark.parametrize("dtype", [np.float64, np.uint8, np.int16])
def test_a_constant_map_hands_its_gradient_to_the_first_real_pixel(dtype):
    x, dy = np.full((1, 1, 3, 3), 7, dtype), np.array([[[[1.0, 2], [3, 4]]]])
    dx = max_pool2d_backward(dy, x, 2, 2, padding=1)
    assert_array_equal(dx, [[[[1, 2, 0], [3, 4, 0], [0, 0, 0]]]])


@pytest.mark.parametrize(("dtype", "lowest"), LOWEST)
def test_the_lowest_number_wins_over_the_padding(dtype, lowest):
    x, dy = np.full((1, 1, 3, 3), lowest, dtype), np.array([[[[1.0, 2], [3, 4]]]])
    assert_array_equal(max_pool2d(x, 2, padding=1), x[:, :, :2, :2], strict=True)
    dx = max_pool2d_backward(dy, x, 2, padding=1)
    assert_array_equal(dx, [[[[1, 2, 0], [3, 4, 0], [0, 0, 0]]]])


@max_cases
def test_ties_equal_loops(rng, x, how):
    x = rng.integers(0, 2, x).astype(float)
    dy = reference.whole(rng, *reference.pools(x.shape, **how)[0])
    expected = reference.max_pool2d_backward(dy, x, **how)
    assert_array_equal(max_pool2d_backward(dy, x, **how), expected, strict=True)


@torch_cases
def test_ties_equal_torch(torch, rng, name):
    x, how = MAX[name]
    x = rng.integers(0, 2, x).astype(float)
    dy = reference.whole(rng, *reference.pools(x.shape, **how)[0])
    dx = max_pool2d_backward(dy, x, **how)
    _, (expected,) = reference.autograd(
        torch, lambda a: torch.nn.functional.max_pool2d(a, **how), [x], dy
    )
    assert_array_equal(dx, expected)


# --- Against loops, differences and other libraries ----------------------------------------------


@max_cases
@pytest.mark.parametrize("shift", [0, -1000])
def test_maximum_equals_loops(rng, x, how, shift):
    x = reference.apart(rng, *x) + shift
    y = max_pool2d(x, **how)
    assert_array_equal(y, reference.max_pool2d(x, **how), strict=True)
    dy = reference.whole(rng, *y.shape)
    expected = reference.max_pool2d_backward(dy, x, **how)
    assert_array_equal(max_pool2d_backward(dy, x, **how), expected, strict=True)


@average_cases
def test_average_equals_loops(rng, x, how):
    x = rng.normal(size=x)
    y = avg_pool2d(x, **how)
    assert_allclose(y, reference.avg_pool2d(x, **how), rtol=1e-13, atol=1e-14, strict=True)
    dy = rng.normal(size=y.shape)
    expected = reference.avg_pool2d_backward(dy, x, **how)
    dx = avg_pool2d_backward(dy, x, **how)
    assert_allclose(dx, expected, rtol=1e-13, atol=1e-14, strict=True)


@max_cases
def test_the_gradient_of_the_maximum_equals_differences(rng, x, how):
    x, dy = reference.apart(rng, *x), rng.normal(size=reference.pools(x, **how)[0])
    dx = max_pool2d_backward(dy, x, **how)
    assert (
        reference.gradient_error(lambda a: max_pool2d(a, **how), [dx], [x], dy) <= reference.EXACT
    )


@average_cases
def test_the_gradient_of_the_average_equals_differences(rng, x, how):
    x, dy = rng.normal(size=x), rng.normal(size=reference.pools(x, **how)[0])
    dx = avg_pool2d_backward(dy, x, **how)
    assert (
        reference.gradient_error(lambda a: avg_pool2d(a, **how), [dx], [x], dy) <= reference.EXACT
    )


@pytest.mark.parametrize(("function", "backward"), POOLS)
def test_the_check_by_differences_catches_a_wrong_gradient(rng, function, backward):
    x, dy = reference.apart(rng, 1, 2, 5, 6), rng.normal(size=(1, 2, 2, 3))
    dx = backward(dy, x, 2)
    wrong = (-dx, dx[:, ::-1], np.roll(dx, 1, axis=2), dx.swapaxes(2, 3).reshape(dx.shape), 2 * dx)
    assert reference.gradient_error(lambda a: function(a, 2), [dx], [x], dy) <= reference.EXACT
    for gradient in wrong:
        assert reference.gradient_error(lambda a: function(a, 2), [gradient], [x], dy) > 1e-2


def onnx_pool(operator, x, how):
    """Return ONNX Runtime's pooling with options written as ours."""
    kernel, pads = reference.two(how["kernel_size"]), reference.two(how.get("padding", 0))
    attributes = {
        "kernel_shape": kernel,
        "strides": reference.two(how.get("stride", kernel)),
        "pads": pads * 2,
        "dilations": reference.two(how.get("dilation", 1)),
        "ceil_mode": int(how.get("ceil_mode", False)),
    }
    if operator == "AveragePool":
        attributes["count_include_pad"] = int(how["count_include_pad"])
    return reference.onnx_run(operator, x, **attributes)


@max_cases
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int8])
def test_maximum_equals_onnx_runtime(rng, x, how, dtype):
    x = rng.integers(-100 * (dtype != np.uint8), 100, x).astype(dtype)
    assert_array_equal(max_pool2d(x, **how), onnx_pool("MaxPool", x, how), strict=True)


@average_cases
def test_average_equals_onnx_runtime(rng, x, how):
    x = rng.normal(size=x).astype(np.float32)
    expected = onnx_pool("AveragePool", x, how)
    assert_allclose(avg_pool2d(x, **how), expected, rtol=1e-5, atol=1e-6, strict=True)


@torch_cases
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_maximum_equals_torch(torch, rng, name, dtype):
    x, how = MAX[name]
    x = reference.apart(rng, *x).astype(dtype)
    dy = reference.whole(rng, *reference.pools(x.shape, **how)[0], dtype=dtype)
    y, (dx,) = reference.autograd(
        torch, lambda a: torch.nn.functional.max_pool2d(a, **how), [x], dy
    )
    reference.same_results(max_pool2d(x, **how), y)
    reference.same_results(max_pool2d_backward(dy, x, **how), dx)


@average_cases
def test_average_equals_torch(torch, rng, x, how):
    x, dy = rng.normal(size=x), rng.normal(size=reference.pools(x, **how)[0])
    y, (dx,) = reference.autograd(
        torch, lambda a: torch.nn.functional.avg_pool2d(a, **how), [x], dy
    )
    assert_allclose(avg_pool2d(x, **how), y, rtol=1e-12, atol=1e-13, strict=True)
    assert_allclose(avg_pool2d_backward(dy, x, **how), dx, rtol=1e-12, atol=1e-13, strict=True)


# --- Properties ----------------------------------------------------------------------------------


@st.composite
def poolings(draw, dilated):
    """Draw x of few different numbers (ties), dy and how: any options that fit."""
    pairs = [st.tuples(st.integers(1, most), st.integers(1, most)) for most in (4, 4, 3)]
    kernel, stride = draw(pairs[0]), draw(st.none() | pairs[1])
    dilation = draw(pairs[2]) if dilated else (1, 1)
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    padding = tuple(draw(st.integers(0, span // 2)) for span in spans)
    least = [max(1, span - 2 * p) for span, p in zip(spans, padding, strict=True)]
    H, W = (draw(st.integers(side, side + 5)) for side in least)
    how = {"kernel_size": kernel, "stride": stride, "padding": padding}
    how["ceil_mode"] = draw(st.booleans())
    how |= {"dilation": dilation} if dilated else {"count_include_pad": draw(st.booleans())}
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    x = rng.integers(-2, 3, (draw(st.integers(0, 2)), draw(st.integers(1, 2)), H, W))
    dy = reference.whole(rng, *reference.pools(x.shape, **how)[0])
    layout = draw(st.sampled_from(["C order", "Fortran order", "reversed", "batch innermost"]))
    return reference.LAYOUTS[layout](x.astype(float)), reference.LAYOUTS[layout](dy), how


@given(poolings(dilated=True))
def test_any_maximum_equals_loops(case):
    x, dy, how = case
    assert_array_equal(max_pool2d(x, **how), reference.max_pool2d(x, **how), strict=True)
    expected = reference.max_pool2d_backward(dy, x, **how)
    assert_array_equal(max_pool2d_backward(dy, x, **how), expected, strict=True)


@given(poolings(dilated=False))
def test_any_average_equals_loops(case):
    x, dy, how = case
    expected = reference.avg_pool2d(x, **how)
    assert_allclose(avg_pool2d(x, **how), expected, rtol=1e-13, atol=1e-14, strict=True)
    expected = reference.avg_pool2d_backward(dy, x, **how)
    dx = avg_pool2d_backward(dy, x, **how)
    assert_allclose(dx, expected, rtol=1e-13, atol=1e-14, strict=True)


@given(poolings(dilated=True))
def test_the_maximum_hands_on_all_of_its_gradient(case):
    x, dy, how = case
    _, places = reference.pools(x.shape, **how)
    handed_on = sum(dy[place] for place, pixels, _ in places if pixels)
    assert max_pool2d_backward(dy, x, **how).sum() == handed_on


@given(poolings(dilated=False))
def test_the_backward_pass_of_the_average_is_the_adjoint(case):
    x, dy, how = case
    there, back = (avg_pool2d(x, **how) * dy).sum(), (x * avg_pool2d_backward(dy, x, **how)).sum()
    assert_allclose(there, back, rtol=1e-12, atol=1e-12)


@given(poolings(dilated=True))
def test_the_maximum_commutes_with_a_growing_function(case):
    x, _, how = case
    assert_array_equal(max_pool2d(x**3 + 1, **how), max_pool2d(x, **how) ** 3 + 1)


# --- Dtypes, memory orders, special numbers ------------------------------------------------------

DTYPES = [  # x, its maximum, its average (and both gradients)
    ("float32", "float32", "float32"),
    ("float64", "float64", "float64"),
    ("float16", "float16", "float32"),
    ("uint8", "uint8", "float64"),
    ("int8", "int8", "float64"),
    ("int64", "int64", "float64"),
    ("bool", "bool", "float64"),
]


@pytest.mark.parametrize(("x_type", "max_type", "average_type"), DTYPES)
def test_dtypes(rng, x_type, max_type, average_type):
    x = rng.integers(0, 2, (2, 1, 5, 5)).astype(x_type)
    y, mean = max_pool2d(x, 3, 2, 1), avg_pool2d(x, 3, 2, 1)
    assert (y.dtype, mean.dtype) == (np.dtype(max_type), np.dtype(average_type))
    assert_array_equal(y, reference.max_pool2d(x, 3, 2, 1))
    assert_allclose(mean, reference.avg_pool2d(x.astype(float), 3, 2, 1), rtol=1e-6)
    dy = np.ones(y.shape, average_type)
    for backward in (max_pool2d_backward, avg_pool2d_backward):
        assert backward(dy, x, 3, 2, 1).dtype == average_type
        double = np.float64
        assert backward(dy.astype(double), x, 3, 2, 1).dtype == double
        assert backward(dy.astype(int), x.astype(int), 3, 2, 1).dtype == double


def test_an_eight_bit_image_does_not_overflow():
    assert avg_pool2d(np.full((1, 1, 4, 4), 255, np.uint8), 4)[0, 0, 0, 0] == 255


def test_a_large_integer_is_not_rounded():
    large = 2**53 + 1
    assert max_pool2d(np.full((1, 1, 2, 2), large), 2)[0, 0, 0, 0] == large


@layouts
@pytest.mark.parametrize("name", ["tiles", "padding", "ceil_mode, padding", "one pixel"])
@pytest.mark.parametrize("batch", [1, 2])
def test_memory_layout_changes_nothing(rng, layout, name, batch):
    x, how = SHAPES[name]
    x = reference.whole(rng, batch, *x[1:])
    dy = reference.whole(rng, *reference.pools(x.shape, **how)[0])
    for forward in (max_pool2d, avg_pool2d):
        reference.layout_changes_nothing(lambda a, f=forward: f(a, **how), [x], layout)
    for backward in (max_pool2d_backward, avg_pool2d_backward):
        reference.layout_changes_nothing(lambda *a, f=backward: f(*a, **how), [dy, x], layout)


@pytest.mark.parametrize("pool", ["max_pool2d", "avg_pool2d"])
def test_broadcast_views_are_read_as_what_they_show(rng, pool):
    x = np.broadcast_to(reference.whole(rng, 1, 1, 1, 6), (2, 3, 4, 6))
    dy = np.broadcast_to(8.0, (2, 3, 2, 3))
    for _ in range(2):
        assert_array_equal(getattr(convdocs, pool)(x, 2), getattr(reference, pool)(x, 2))
        expected = getattr(reference, f"{pool}_backward")(dy, x, 2)
        assert_array_equal(getattr(convdocs, f"{pool}_backward")(dy, x, 2), expected)


def test_results_are_new_writable_arrays(rng):
    x = reference.whole(rng, 1, 1, 3, 3)
    dy = x.copy()
    results = max_pool2d(x, 1), avg_pool2d(x, 1)
    for result in (*results, max_pool2d_backward(dy, x, 1), avg_pool2d_backward(dy, x, 1)):
        assert result.flags.writeable
        assert not np.shares_memory(result, x)
        assert not np.shares_memory(result, dy)


def test_windows_that_tile_meet_each_pixel_once():
    for side, kernel, stride, dilation in np.ndindex(13, 5, 8, 4):
        if 0 in (kernel, stride, dilation) or dilation * (kernel - 1) >= side:
            continue
        window = Window((kernel, 1), (stride, 1), (dilation, 1))
        met = np.zeros((1, side, 1, 1))
        for u in range(kernel):
            windows(met, window)[:, u] += 1
        if tile((side, 1), window):  # what is written to all of them needs no zeros before it
            assert (met == 1).all(), (side, window)
        else:
            assert (kernel > 1 and dilation > 1) or kernel != stride or side % kernel


def test_numpy_integers_serve_as_sizes(rng):
    x = reference.whole(rng, 1, 2, 8, 9)
    sizes = np.array([3, 2]), (np.int8(2), np.int64(3)), [np.uint8(1), 1]
    plain = (3, 2), (2, 3), (1, 1)
    assert_array_equal(max_pool2d(x, *sizes, np.int32(2)), max_pool2d(x, *plain, 2))
    assert_array_equal(avg_pool2d(x, *sizes, np.True_), avg_pool2d(x, *plain, True))


def test_gradients_for_other_maps_than_the_last_have_the_maxima_of_those(rng):
    layer, (x, other) = convdocs.MaxPool2d(2), rng.normal(size=(2, 2, 3, 4, 6))
    y = layer(x, train=True)
    (dx,) = layer.gradients(y, other)
    assert_array_equal(dx, max_pool2d_backward(y, other, 2))
    assert_array_equal(layer.backward(y), max_pool2d_backward(y, x, 2))


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_and_infinity_travel_as_in_torch(torch, rng, special, dtype):
    x = reference.whole(rng, 2, 2, 5, 6, dtype=dtype)
    x[0, 0, 2, 1:4] = x[1, 1, 0] = special
    for ours, theirs in (
        (max_pool2d, torch.nn.functional.max_pool2d),
        (avg_pool2d, torch.nn.functional.avg_pool2d),
    ):
        expected = theirs(torch.tensor(x), 3, 2, 1).numpy()
        assert_allclose(ours(x, 3, 2, 1), expected, rtol=1e-6)


def test_a_nan_is_a_maximum_and_gets_the_gradient():
    x = np.array([[[[1, np.nan, 9], [np.inf, 5, 6]]]])
    assert_array_equal(max_pool2d(x, (2, 2), 1), [[[[np.nan, np.nan]]]])
    dx = max_pool2d_backward([[[[1, 10]]]], x, (2, 2), 1)
    assert_array_equal(dx, [[[[0, 11, 0], [0, 0, 0]]]])


@pytest.mark.parametrize("how", [{}, {"stride": 1, "padding": 1, "ceil_mode": True}])
def test_an_empty_batch_gives_an_empty_result(how):
    x = np.ones((0, 3, 5, 6), np.float32)
    shape, _ = reference.pools(x.shape, 2, **how)
    for forward, backward in POOLS:
        y = forward(x, 2, **how)
        assert (y.shape, y.dtype) == (shape, np.float32)
        reference.same_results(backward(y, x, 2, **how), x)


# --- Windows larger than the image ---------------------------------------------------------------


@st.composite
def large_windows(draw, **more):
    """Return an image's shape and a window about as large or larger, which fits by padding."""
    sides, kernel, padding = [], [], []
    how = {name: draw(strategy) for name, strategy in more.items()}
    for _ in "HW":
        sides.append(draw(st.integers(1, 4)))
        kernel.append(draw(st.integers(1, 9)))
        span = how.get("dilation", 1) * (kernel[-1] - 1) + 1
        padding.append(draw(st.integers(0, span // 2)))
    stride = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    how |= {"kernel_size": tuple(kernel), "stride": stride, "padding": tuple(padding)}
    return (1, 2, *sides), {**how, "ceil_mode": draw(st.booleans())}


def as_loops_say(name, shape, how):
    """Assert that a pooling equals loops, forward and backward, or is refused where they end."""
    rng = np.random.default_rng(0)
    x = reference.apart(rng, *shape)
    forward, backward = (getattr(convdocs, full) for full in (name, f"{name}_backward"))
    y = getattr(reference, name)(x, **how)
    if y.size == 0:
        with pytest.raises(ValueError, match="kernel_size must fit into x"):
            forward(x, **how)
        return
    assert_allclose(forward(x, **how), y, rtol=1e-13, strict=True)
    dy = reference.whole(rng, *y.shape)
    dx = getattr(reference, f"{name}_backward")(dy, x, **how)
    assert_allclose(backward(dy, x, **how), dx, rtol=1e-13, atol=1e-13, strict=True)


@pytest.mark.parametrize("k", [3 * 10**9, 4 * 10**9, 2**32, 2**40, 2**62])
def test_a_mean_over_more_numbers_than_an_integer_counts(k):
    x = np.ones((1, 1, 5, 5))
    y = avg_pool2d(x, k, padding=k // 2)  # each window sees all of the image
    np.testing.assert_allclose(y, np.full(y.shape, 25 / k / k), rtol=1e-14)
    dx = avg_pool2d_backward(np.ones_like(y), x, k, padding=k // 2)
    np.testing.assert_allclose(dx, np.full(x.shape, y.size / k / k), rtol=1e-14)


@given(large_windows(dilation=st.integers(1, 4)))
def test_maxima_of_windows_larger_than_the_image_equal_loops(drawn):
    as_loops_say("max_pool2d", *drawn)


@given(large_windows(count_include_pad=st.booleans()))
def test_averages_of_windows_larger_than_the_image_equal_loops(drawn):
    as_loops_say("avg_pool2d", *drawn)


@pytest.mark.parametrize("where", [lambda x: x, np.round, np.zeros_like, lambda x: x * np.nan])
@pytest.mark.parametrize(("shape", "how"), MAX.values(), ids=MAX)
def test_maxima_window_by_window_are_the_same(monkeypatch, rng, shape, how, where):
    x = where(rng.normal(size=shape))
    y = max_pool2d(x, **how)
    dy = reference.whole(rng, *y.shape)
    dx = max_pool2d_backward(dy, x, **how)
    monkeypatch.setattr(pool, "_wide", lambda seen: True)
    assert_array_equal(max_pool2d(x, **how), y, strict=True)
    assert_array_equal(max_pool2d_backward(dy, x, **how), dx, strict=True)


@pytest.mark.parametrize(("shape", "how"), AVERAGE.values(), ids=AVERAGE)
def test_averages_window_by_window_are_the_same(monkeypatch, rng, shape, how):
    x = reference.whole(rng, *shape)
    y = avg_pool2d(x, **how)
    dy = reference.whole(rng, *y.shape)
    dx = avg_pool2d_backward(dy, x, **how)
    monkeypatch.setattr(pool, "_wide", lambda seen: True)
    assert_array_equal(avg_pool2d(x, **how), y, strict=True)
    assert_allclose(avg_pool2d_backward(dy, x, **how), dx, rtol=1e-12, atol=1e-12, strict=True)


def test_a_window_of_a_million_pixels_takes_no_million_steps(monkeypatch):
    monkeypatch.setattr(pool, "_positions", None)  # what would go through them one by one
    x = np.zeros((2, 1, 1024, 1024), np.float32)
    x[:, 0, 700, 3] = 2**20
    assert_array_equal(max_pool2d(x, 1024), np.full((2, 1, 1, 1), 2**20, np.float32))
    assert_array_equal(avg_pool2d(x, 1024), np.ones((2, 1, 1, 1), np.float32))
    dy = np.float32([3, 5]).reshape(2, 1, 1, 1)
    assert_array_equal(max_pool2d_backward(dy, x, 1024), x * dy / 2**20)
    assert_array_equal(avg_pool2d_backward(dy, x, 1024), np.broadcast_to(dy / 2**20, x.shape))


HUGE = 30_000


@pytest.mark.parametrize("stride", [None, 1, (1, 7)])
def test_a_huge_window_costs_no_more_than_the_image(stride):
    x = np.arange(6.0).reshape(1, 1, 2, 3)  # every window sees all of it
    how = {"kernel_size": HUGE, "stride": stride, "padding": HUGE // 2}
    tracemalloc.start()
    y = max_pool2d(x, **how)
    assert_array_equal(y, np.full(y.shape, 5.0))
    dx = max_pool2d_backward(np.ones(y.shape), x, **how)
    assert_array_equal(dx.ravel(), [0, 0, 0, 0, 0, y.size])
    for counted, count in (True, HUGE**2), (False, 6):
        how["count_include_pad"] = counted
        assert_allclose(avg_pool2d(x, **how), np.full(y.shape, 15 / count))
        dx = avg_pool2d_backward(np.ones(y.shape), x, **how)
        assert_allclose(dx, np.full(x.shape, y.size / count))
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


@pytest.mark.parametrize("pool", [max_pool2d, avg_pool2d])
@pytest.mark.parametrize("kernel", [HUGE, (HUGE, 1), 3])
def test_no_image_costs_nothing_however_large_it_would_be(pool, kernel):
    tracemalloc.start()
    x = np.empty((0, 1, HUGE, HUGE), np.float32)
    y = pool(x, kernel)
    assert len(y) == 0
    backward = getattr(convdocs, f"{pool.__name__}_backward")
    assert backward(np.empty(y.shape), x, kernel).shape == x.shape
    assert tracemalloc.get_traced_memory()[1] < 4e6
    tracemalloc.stop()


# --- Refusals ------------------------------------------------------------------------------------

REFUSED = {  # x, how, what the message names
    "no batch axis": ((1, 4, 4), {"kernel_size": 2}, "x must have the shape"),
    "window beyond the map": ((1, 1, 2, 4), {"kernel_size": 3}, "kernel_size must fit into x"),
    "padding above half": ((1, 1, 4, 4), {"kernel_size": 3, "padding": 2}, "padding must be"),
    "padding above half, one axis": (
        (1, 1, 4, 4),
        {"kernel_size": (4, 1), "padding": (2, 1)},
        "padding must be",
    ),
    "stride of 0": ((1, 1, 4, 4), {"kernel_size": 2, "stride": 0}, "stride"),
    "no window": ((1, 1, 4, 4), {"kernel_size": 0}, "kernel_size"),
    "three sizes": ((1, 1, 4, 4), {"kernel_size": (2, 2, 2)}, "kernel_size"),
}


@pytest.mark.parametrize(("x", "how", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_forward_and_backward(x, how, message):
    for forward, backward in POOLS:
        with pytest.raises(ValueError, match=message):
            forward(np.ones(x), **how)
        with pytest.raises(ValueError, match=message):
            backward(np.ones((1, 1, 1, 1)), np.ones(x), **how)


def test_dilation_widens_the_window_that_padding_may_half_fill():
    how = {"kernel_size": 3, "stride": 1, "padding": 2, "dilation": 2}
    assert max_pool2d(np.ones((1, 1, 4, 4)), **how).shape == (1, 1, 4, 4)
    with pytest.raises(
        ValueError, match=r"padding must be at most half of what kernel_size spans .* 5 pixels"
    ):
        max_pool2d(np.ones((1, 1, 4, 4)), **how | {"padding": 3})


@pytest.mark.parametrize("backward", [max_pool2d_backward, avg_pool2d_backward])
def test_dy_must_have_the_outputs_shape(backward):
    with pytest.raises(ValueError, match=r"dy must have the output's shape \(1, 2, 2, 3\)"):
        backward(np.ones((1, 2, 1, 1)), np.ones((1, 2, 4, 6)), 2)  # would broadcast
