"""Convolution equals its definition, SciPy, ONNX Runtime and PyTorch, and so do its gradients."""

import tracemalloc

import numpy as np
import pytest
import reference
import scipy
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from convdocs import (
    avg_pool2d,
    avg_pool2d_backward,
    conv1d,
    conv2d,
    conv2d_backward,
    conv_transpose2d,
    conv_transpose2d_backward,
    max_pool2d,
    max_pool2d_backward,
    patches,
    products,
    windows,
)

CASES = {  # x, weight, and how
    "one pixel": ((1, 1, 1, 1), (1, 1, 1, 1), {}),
    "kernel of the image's size": ((2, 3, 4, 5), (2, 3, 4, 5), {}),
    "H != W and kH != kW": ((2, 3, 5, 7), (4, 3, 3, 2), {}),
    "even kernel": ((2, 2, 6, 5), (3, 2, 2, 4), {}),
    "kernel of one row": ((1, 2, 5, 6), (2, 2, 1, 3), {"padding": (0, 1)}),
    "pointwise": ((2, 3, 4, 5), (4, 3, 1, 1), {}),
    "stride that leaves a remainder": ((2, 2, 8, 7), (3, 2, 3, 2), {"stride": (2, 3)}),
    "stride beyond the kernel": ((2, 1, 8, 9), (2, 1, 2, 2), {"stride": (3, 4)}),
    "padding": ((2, 2, 4, 5), (3, 2, 3, 3), {"padding": 1}),
    "padding H != W": ((2, 2, 4, 5), (3, 2, 3, 4), {"padding": (2, 1)}),
    "padding beyond the kernel": ((1, 1, 2, 3), (2, 1, 2, 2), {"padding": 3}),
    "only the padding makes it fit": ((1, 2, 1, 2), (2, 2, 3, 4), {"padding": (1, 2)}),
    "dilation": ((2, 2, 7, 8), (3, 2, 3, 2), {"dilation": (2, 3)}),
    "valid": ((1, 2, 5, 4), (2, 2, 2, 3), {"padding": "valid"}),
    "same": ((2, 2, 5, 4), (3, 2, 3, 5), {"padding": "same"}),
    "same, even kernel": ((2, 2, 5, 4), (3, 2, 2, 4), {"padding": "same"}),
    "same, dilation": ((1, 2, 5, 6), (2, 2, 2, 3), {"padding": "same", "dilation": (3, 2)}),
    "groups": ((2, 4, 5, 4), (6, 2, 3, 2), {"groups": 2}),
    "depthwise": ((2, 3, 5, 5), (3, 1, 3, 3), {"groups": 3, "padding": 1}),
    "depthwise, two kernels each": ((1, 3, 4, 5), (6, 1, 2, 3), {"groups": 3, "stride": 2}),
    "everything": (
        (2, 4, 9, 8),
        (6, 2, 2, 3),
        {"stride": (2, 1), "padding": (1, 2), "dilation": (3, 2), "groups": 2},
    ),
}
cases = pytest.mark.parametrize(("x", "w", "how"), CASES.values(), ids=CASES)
layouts = pytest.mark.parametrize("layout", reference.LAYOUTS)


def arrays_for(rng, x, w, how, dtype=np.float64):
    """Return x, weight, bias and dy of whole numbers: in any order, their sums are exact."""
    shape, _ = reference.terms(x, w, **how)
    return tuple(reference.whole(rng, *shape, dtype=dtype) for shape in (x, w, (w[0],), shape))


# --- By hand -------------------------------------------------------------------------------------

IMAGE = np.arange(1.0, 10).reshape(1, 1, 3, 3)  # 1 2 3 / 4 5 6 / 7 8 9
DIAGONAL = np.array([[[[1.0, 0], [0, 10]]]])


def test_by_hand_the_kernel_is_not_flipped():
    assert_array_equal(conv2d(IMAGE, DIAGONAL), [[[[51, 62], [84, 95]]]])


def test_by_hand_same_pads_right_and_bottom():
    y = conv2d(IMAGE, DIAGONAL, padding="same")
    assert_array_equal(y, [[[[51, 62, 3], [84, 95, 6], [7, 8, 9]]]])


def test_by_hand_stride_padding_dilation():
    assert_array_equal(conv2d(IMAGE, DIAGONAL, stride=2, padding=1), [[[[10, 30], [70, 95]]]])
    assert_array_equal(conv2d(IMAGE, DIAGONAL, dilation=2), [[[[91]]]])


def test_by_hand_channels_add_up_and_the_bias_joins():
    x = np.array([[[[1.0, 2]], [[10.0, 20]]]])
    assert_array_equal(conv2d(x, [[[[3]], [[4]]], [[[5]], [[6]]]], [100, 200])[0, 0], [[143, 186]])
    assert_array_equal(conv2d(x, [[[[3]], [[4]]], [[[5]], [[6]]]], [100, 200])[0, 1], [[265, 330]])


def test_by_hand_groups_are_blind_to_each_other():
    x = np.array([[[[1.0]], [[10.0]]]])
    assert_array_equal(conv2d(x, [[[[2]]], [[[3]]]], groups=2).ravel(), [2, 30])


def test_by_hand_gradients():
    dx, dw, db = conv2d_backward([[[[1, 0], [0, 2]]]], IMAGE, DIAGONAL)
    assert_array_equal(dx, [[[[1, 0, 0], [0, 12, 0], [0, 0, 20]]]])
    assert_array_equal(dw, [[[[1 + 2 * 5, 2 + 2 * 6], [4 + 2 * 8, 5 + 2 * 9]]]])
    assert_array_equal(db, [3])


# --- Against loops, differences and other libraries ----------------------------------------------


@cases
def test_equals_loops(rng, x, w, how):
    x, w, b, dy = arrays_for(rng, x, w, how)
    assert_array_equal(conv2d(x, w, b, **how), reference.conv2d(x, w, b, **how), strict=True)
    assert_array_equal(conv2d(x, w, **how), reference.conv2d(x, w, **how), strict=True)
    got, expected = conv2d_backward(dy, x, w, **how), reference.conv2d_backward(dy, x, w, **how)
    reference.same_results(got, expected)


@cases
def test_gradients_equal_differences(rng, x, w, how):
    dy = rng.normal(size=reference.terms(x, w, **how)[0])
    arrays = [rng.normal(size=shape) for shape in (x, w, (w[0],))]
    gradients = conv2d_backward(dy, *arrays[:2], **how)
    error = reference.gradient_error(lambda *a: conv2d(*a, **how), gradients, arrays, dy)
    assert error <= reference.EXACT


WRONG = {
    "sign of dx": lambda dx, dw, db: (-dx, dw, db),
    "sign of dweight": lambda dx, dw, db: (dx, -dw, db),
    "dbias is a mean": lambda dx, dw, db: (dx, dw, db / 3),
    "dx shifted by a pixel": lambda dx, dw, db: (np.roll(dx, 1, axis=3), dw, db),
    "dweight flipped": lambda dx, dw, db: (dx, dw[:, :, ::-1, ::-1], db),
    "dx in single precision": lambda dx, dw, db: (dx.astype(np.float32), dw, db),
    "dbias is no number": lambda dx, dw, db: (dx, dw, np.nan * db),
}


@pytest.mark.parametrize("spoil", WRONG.values(), ids=WRONG)
def test_the_check_by_differences_catches_a_wrong_gradient(rng, spoil):
    arrays = [rng.normal(size=shape) for shape in ((2, 2, 4, 5), (3, 2, 2, 3), (3,))]
    dy = rng.normal(size=(2, 3, 3, 3))
    gradients = conv2d_backward(dy, *arrays[:2])
    assert reference.gradient_error(conv2d, gradients, arrays, dy) <= reference.EXACT
    assert not reference.gradient_error(conv2d, spoil(*gradients), arrays, dy) <= reference.EXACT


def test_the_check_by_differences_catches_a_missing_flip(rng):
    x, w, dy = rng.normal(size=(1, 1, 5, 5)), rng.normal(size=(1, 1, 3, 3)), np.ones((1, 1, 3, 3))
    flipped = conv2d(dy, w[:, :, ::-1, ::-1], padding=2)  # the gradient of a correlation
    unflipped = conv2d(dy, w, padding=2)
    assert reference.gradient_error(lambda x: conv2d(x, w), [flipped], [x], dy) <= reference.EXACT
    assert reference.gradient_error(lambda x: conv2d(x, w), [unflipped], [x], dy) > 1e-2


@pytest.mark.parametrize("mode", ["valid", "same"])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 3), (3, 2), (4, 2), (5, 4)])
def test_one_channel_equals_scipy(rng, mode, kernel):
    x, w = rng.normal(size=(7, 6)), rng.normal(size=kernel)
    y = conv2d(x[None, None], w[None, None], padding=mode)[0, 0]
    if mode == "same":  # SciPy puts an even kernel's odd pixel left and top: `origin` moves it
        origin = [-1 if side % 2 == 0 else 0 for side in kernel]
        expected = scipy.ndimage.correlate(x, w, mode="constant", origin=origin)
    else:
        expected = scipy.signal.correlate2d(x, w, mode="valid")
    assert_allclose(y, expected, rtol=1e-12, atol=1e-13)


@cases
def test_equals_onnx_runtime(rng, x, w, how):
    x, w, b, _ = arrays_for(rng, x, w, how, np.float32)
    pads = reference.margins(how.get("padding", 0), w.shape[2:], how.get("dilation", 1))
    same = how.get("padding") == "same" and "dilation" not in how
    expected = reference.onnx_run(
        "Conv",
        *(x, w, b),
        strides=reference.two(how.get("stride", 1)),
        dilations=reference.two(how.get("dilation", 1)),
        group=how.get("groups", 1),
        auto_pad="SAME_UPPER" if same else None,
        pads=None if same else [side for sides in zip(*pads, strict=True) for side in sides],
    )
    assert_array_equal(conv2d(x, w, b, **how), expected, strict=True)


@cases
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_equals_torch(torch, rng, x, w, how, dtype):
    x, w, b, dy = arrays_for(rng, x, w, how, dtype)
    y, gradients = reference.autograd(
        torch, lambda *a: torch.nn.functional.conv2d(*a, **how), (x, w, b), dy
    )
    reference.same_results(conv2d(x, w, b, **how), y)
    reference.same_results(conv2d_backward(dy, x, w, **how), tuple(gradients))


# --- Properties ----------------------------------------------------------------------------------


@st.composite
def convolutions(draw):
    """Draw x, weight, bias, dy and how: any options that fit, whole numbers, either precision."""
    kernel, stride, dilation = (
        draw(st.tuples(st.integers(1, most), st.integers(1, most))) for most in (4, 3, 3)
    )
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    padding = draw(
        st.sampled_from(["valid", "same"]) | st.tuples(st.integers(0, 3), st.integers(0, 3))
    )
    if padding == "same":
        stride = (1, 1)
    pads = reference.margins(padding, kernel, dilation)
    H, W = (
        draw(st.integers(max(1, span - sum(pad)), max(1, span - sum(pad)) + 4))
        for span, pad in zip(spans, pads, strict=True)
    )
    groups, inner, outer, N = draw(
        st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 2), st.integers(0, 2))
    )
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x, w = (N, groups * inner, H, W), (groups * outer, inner, *kernel)
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    numbers = arrays_for(rng, x, w, how, draw(st.sampled_from([np.float32, np.float64])))
    layout = draw(st.sampled_from(["C order", "Fortran order", "reversed", "batch innermost"]))
    return tuple(reference.LAYOUTS[layout](array) for array in numbers), how


@given(convolutions())
def test_any_convolution_equals_loops(case):
    (x, w, b, dy), how = case
    y, gradients = conv2d(x, w, b, **how), conv2d_backward(dy, x, w, **how)
    assert y.dtype == gradients[0].dtype == gradients[1].dtype == gradients[2].dtype == x.dtype
    assert_array_equal(y, reference.conv2d(x, w, b, **how))
    for got, expected in zip(gradients, reference.conv2d_backward(dy, x, w, **how), strict=True):
        assert_array_equal(got, expected)


@given(convolutions())
def test_the_backward_pass_is_the_adjoint(case):
    (x, w, _, dy), how = case
    dx, dw, _ = conv2d_backward(dy, x, w, **how)
    assert (conv2d(x, w, **how) * dy).sum() == (x * dx).sum() == (w * dw).sum()


@given(convolutions())
def test_the_result_is_linear(case):
    (x, w, b, _), how = case
    y = conv2d(x, w, b, **how)
    assert_array_equal(conv2d(2 * x, 3 * w, 6 * b, **how), 6 * y)
    assert_array_equal(conv2d(x, w, **how) + conv2d(x, 0 * w, b, **how), y)


# --- Dtypes, memory orders, special numbers ------------------------------------------------------

DTYPES = [  # x, weight and bias, result
    ("float32", "float32", "float32"),
    ("float64", "float64", "float64"),
    ("float32", "float64", "float64"),
    ("float64", "float32", "float64"),
    ("float16", "float16", "float32"),
    ("float16", "float32", "float32"),
    ("uint8", "uint8", "float64"),
    ("int64", "float32", "float64"),
    ("bool", "float32", "float64"),
    ("bool", "bool", "float64"),
]


@pytest.mark.parametrize(("x_type", "w_type", "y_type"), DTYPES)
def test_dtypes(rng, x_type, w_type, y_type):
    x, w = rng.integers(0, 9, (2, 2, 3, 4)).astype(x_type), rng.integers(0, 9, (3, 2, 2, 2))
    w, b, dy = w.astype(w_type), np.array([1, 0, 1], w_type), np.ones((2, 3, 2, 3), w_type)
    y, gradients = conv2d(x, w, b), conv2d_backward(dy, x, w)
    assert {y.dtype, *(gradient.dtype for gradient in gradients)} == {np.dtype(y_type)}
    assert_array_equal(y, reference.conv2d(x.astype(float), w.astype(float), b.astype(float)))


def test_an_eight_bit_image_does_not_overflow():
    white = np.full((1, 3, 4, 4), 255, np.uint8)
    assert conv2d(white, white)[0, 0, 0, 0] == 48 * 255**2


def test_half_precision_does_not_overflow():
    bright = np.full((1, 1, 4, 4), 1000, np.float16)
    assert conv2d(bright, bright)[0, 0, 0, 0] == 16 * 1000**2


def test_float32_keeps_its_precision_against_float64(rng):
    x, w = rng.normal(size=(2, 16, 9, 9)), rng.normal(size=(8, 16, 3, 3))
    single = conv2d(x.astype(np.float32), w.astype(np.float32))
    assert_allclose(single, conv2d(x, w), rtol=1e-4, atol=1e-4)


@layouts
@pytest.mark.parametrize("name", ["everything", "pointwise", "one pixel"])
def test_memory_layout_changes_nothing(rng, layout, name):
    x, w, b, dy = arrays_for(rng, *CASES[name])
    how = CASES[name][2]
    reference.layout_changes_nothing(lambda *a: conv2d(*a, **how), (x, w, b), layout)
    reference.layout_changes_nothing(lambda *a: conv2d_backward(*a, **how), (dy, x, w), layout)


def test_broadcast_views_are_read_as_what_they_show(rng):
    row = reference.whole(rng, 1, 1, 1, 5)
    x, w = np.broadcast_to(row, (2, 3, 4, 5)), np.broadcast_to(row[..., :2], (4, 3, 3, 2))
    b, dy = np.broadcast_to(7.0, 4), np.broadcast_to(3.0, (2, 4, 2, 4))
    for _ in range(2):
        assert_array_equal(conv2d(x, w, b), reference.conv2d(x, w, b))
        reference.same_results(conv2d_backward(dy, x, w), reference.conv2d_backward(dy, x, w))


def test_results_are_new_writable_arrays(rng):
    x, w, b, dy = arrays_for(rng, (1, 1, 4, 4), (1, 1, 1, 1), {})
    for result in (conv2d(x, w), conv2d(x, w, b), *conv2d_backward(dy, x, w)):
        assert result.flags.writeable
        assert not any(np.shares_memory(result, array) for array in (x, w, b, dy))


def test_numpy_integers_serve_as_sizes(rng):
    x, w, b, dy = arrays_for(rng, *CASES["everything"])
    how = {"stride": (2, 1), "padding": (1, 2), "dilation": (3, 2), "groups": 2}
    arrays = {"stride": np.array([2, 1]), "padding": [np.int8(1), np.uint8(2)]}
    arrays |= {"dilation": (np.int64(3), np.int32(2)), "groups": np.int16(2)}
    reference.same_results(conv2d(x, w, b, **arrays), conv2d(x, w, b, **how))
    same = conv2d_backward(dy, x, w, **how)
    reference.same_results(conv2d_backward(dy, x, w, **arrays), same)


def test_one_size_stands_for_both(rng):
    x, w, b, _ = arrays_for(rng, (1, 1, 9, 9), (1, 1, 3, 3), {})
    pairs = conv2d(x, w, b, (2, 2), (1, 1), (3, 3))
    assert_array_equal(conv2d(x, w, b, 2, 1, 3), pairs, strict=True)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["x", "weight", "bias"])
def test_nan_and_infinity_travel_as_in_torch(torch, rng, special, where):
    x, w, b = (reference.whole(rng, *shape) for shape in ((2, 2, 5, 4), (3, 2, 2, 3), (3,)))
    {"x": x, "weight": w, "bias": b}[where].flat[-1] = special
    expected = torch.nn.functional.conv2d(*map(torch.tensor, (x, w, b)), padding=1).numpy()
    assert not np.isfinite(expected).all()
    with np.errstate(invalid="ignore"):  # as everywhere in NumPy, 0 * inf warns
        assert_array_equal(conv2d(x, w, b, padding=1), expected)


def test_a_nan_spoils_only_the_windows_that_see_it(rng):
    x, w, _, _ = arrays_for(rng, (2, 2, 6, 6), (3, 2, 3, 3), {})
    x[1, 0, 0, 5] = np.nan
    spoilt = np.isnan(conv2d(x, w))
    assert spoilt[1, :, 0, 3].all()
    assert spoilt.sum() == 3


@pytest.mark.parametrize("how", [{}, {"padding": 1, "stride": 2, "groups": 2}])
def test_an_empty_batch_gives_an_empty_result(how):
    x, w, b = np.ones((0, 4, 5, 6), np.float32), np.ones((2, 4, 3, 3), np.float32), np.ones(2)
    w = w[:, : 4 // how.get("groups", 1)]
    y = conv2d(x, w, b.astype(np.float32), **how)
    assert (y.shape, y.dtype) == (reference.terms(x.shape, w.shape, **how)[0], np.float32)
    dx, dw, db = conv2d_backward(y, x, w, **how)
    reference.same_results((dx, dw, db), (x, np.zeros_like(w), np.zeros(2, np.float32)))


@pytest.mark.parametrize("N", [0, 1, 8, 9, 19])
@pytest.mark.parametrize("borders", [((0, 0), (0, 0)), ((1, 2), (0, 3))])
@pytest.mark.parametrize("kind", ["of whole pages", "one for all", "with rests"])
def test_the_batch_comes_last_whatever_the_images_take(rng, N, borders, kind):
    x = rng.random((N, 1, 32, 32 + (kind == "with rests")), np.float32)
    if kind == "one for all":
        x = np.broadcast_to(x[:1], x.shape) if N else x
    for dtype in np.float32, np.float64:
        laid = windows.batch_last(x, np.dtype(dtype), borders)
        expected = np.pad(x, ((0, 0), (0, 0), *borders)).transpose(1, 2, 3, 0)
        assert_array_equal(laid, expected.astype(dtype), strict=True)


# --- In blocks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["everything", "stride that leaves a remainder", "same", "groups"])
@pytest.mark.parametrize("rows", [1, 2, 3])
def test_blocks_of_rows_give_the_same(monkeypatch, rng, name, rows):
    x, w, how = CASES[name]
    x = (*x[:2], x[2] + 12, x[3])
    x, w, b, dy = arrays_for(rng, x, w, how)
    whole = conv2d(x, w, b, **how), *conv2d_backward(dy, x, w, **how)
    row = x.itemsize * len(x) * x.shape[1] * np.prod(w.shape[2:]) * dy.shape[3]
    blocks = []
    cut = patches.blocks
    monkeypatch.setattr(patches, "BLOCK", int(rows * row))
    monkeypatch.setattr(
        patches, "blocks", lambda *given: blocks.append(list(cut(*given))) or blocks[-1]
    )
    parts = conv2d(x, w, b, **how), *conv2d_backward(dy, x, w, **how)
    forward, for_weights, *_ = map(len, blocks)
    assert forward == for_weights == -(-dy.shape[2] // rows)
    reference.same_results(parts, whole)
    reference.same_results(parts[0], reference.conv2d(x, w, b, **how))
    reference.same_results(parts[1:], reference.conv2d_backward(dy, x, w, **how))


@pytest.mark.parametrize("name", ["everything", "padding", "same", "groups"])
@pytest.mark.parametrize("places", [0, 1, 2, 3])
def test_blocks_smaller_than_a_row_give_the_same(monkeypatch, rng, name, places):
    x, w, how = CASES[name]
    x, w, b, dy = arrays_for(rng, x, w, how)
    place = x.itemsize * len(x) * x.shape[1] * w.shape[2] * w.shape[3]
    monkeypatch.setattr(patches, "BLOCK", places * place)
    reference.same_results(conv2d(x, w, b, **how), reference.conv2d(x, w, b, **how))
    expected = reference.conv2d_backward(dy, x, w, **how)
    reference.same_results(conv2d_backward(dy, x, w, **how), expected)


def test_the_patches_of_a_large_image_never_lie_in_memory_at_once():
    x, w = np.ones((1, 1, 512, 512)), np.ones((1, 1, 9, 9))  # patches of 165 MB
    for function in (
        lambda: conv2d(x, w),
        lambda: conv2d_backward(np.ones((1, 1, 504, 504)), x, w),
    ):
        tracemalloc.start()
        function()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 40e6


@pytest.mark.parametrize("name", ["everything", "stride that leaves a remainder", "same", "groups"])
@pytest.mark.parametrize("columns", [1, 7])
def test_products_in_pieces_give_the_same(monkeypatch, rng, name, columns):
    x, w, how = CASES[name]
    x, w, b, dy = arrays_for(rng, x, w, how)
    monkeypatch.setattr(patches, "SMALL_PRODUCT", columns * w.size // how.get("groups", 1))
    reference.same_results(conv2d(x, w, b, **how), reference.conv2d(x, w, b, **how))
    expected = reference.conv2d_backward(dy, x, w, **how)
    reference.same_results(conv2d_backward(dy, x, w, **how), expected)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("block", [3, 200, 2000])
def test_many_kernels_of_tall_patches_give_the_same(monkeypatch, rng, name, block):
    x, w, how = CASES[name]
    x, w, b, dy = arrays_for(rng, x, w, how)
    settings = {"FEW_WEIGHTS": 0, "MANY_KERNELS": 1, "TALL": 1, "BLOCK": block}
    for constant, number in settings.items():
        monkeypatch.setattr(patches, constant, number)
    reference.same_results(conv2d(x, w, b, **how), reference.conv2d(x, w, b, **how))
    expected = reference.conv2d_backward(dy, x, w, **how)
    reference.same_results(conv2d_backward(dy, x, w, **how), expected)


@pytest.mark.parametrize(("F", "k", "blocks"), [(8, 4, 64), (9, 4, 64), (9, 8, 16), (9, 32, 8)])
def test_a_block_of_tall_patches_is_larger_where_blas_rearranges(monkeypatch, F, k, blocks):
    # With one image, 256 places; patches of 16, 64 and 1024 numbers.
    seen = np.ones((1, k, k, 16, 16, 1), np.float32)
    kernels = np.ones((1, F, k * k), np.float32)
    monkeypatch.setattr(patches, "BLOCK", seen.nbytes // 64)
    monkeypatch.setattr(patches, "TALL", 16)
    monkeypatch.setattr(patches, "FEW_WEIGHTS", 8 * 16)
    assert len(list(patches.blocks(seen, kernels))) == blocks


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("same", [True, False])
def test_images_read_by_pixels_and_images_added_to_are_the_same(monkeypatch, rng, name, same):
    x, w, how = CASES[name]
    if same:
        w = (x[1], *w[1:])  # as many kernels as channels
    x, w, _, dy = arrays_for(rng, x, w, how)
    expected = reference.conv2d_backward(dy, x, w, **how)
    reference.same_results(conv2d_backward(dy, x, w, **how), expected)
    monkeypatch.setattr(patches, "_readable", lambda *_: False)
    reference.same_results(conv2d_backward(dy, x, w, **how), expected)


def test_a_kernel_as_large_as_the_image_makes_no_needless_products(monkeypatch, rng):
    sizes = []

    def counted(a, b, out=None):
        sizes.append(a.size * b.shape[-1] * (b.size // (b.shape[-1] * b.shape[-2])))
        return np.matmul(a, b, out=out)

    monkeypatch.setattr(patches, "matmul", counted)
    x, w, _, dy = arrays_for(rng, (2, 4, 9, 9), (3, 4, 9, 9), {})
    reference.same_results(conv2d_backward(dy, x, w), reference.conv2d_backward(dy, x, w))
    assert 0 < sum(sizes) <= 2 * 2 * w.size  # two products for two images


@pytest.mark.parametrize("padding", [0, 1, 2, 3])
def test_a_weight_without_end_reaches_only_the_pixels_that_it_met(padding):
    x, w = np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3))
    dy = np.ones_like(conv2d(x, w, padding=padding))
    w[0, 0, 0, 0] = np.inf
    dx, _, _ = conv2d_backward(dy, x, w, padding=padding)
    met = reference.conv2d_backward(dy, x, np.ones_like(w) * (w == np.inf), padding=padding)[0] > 0
    assert np.isinf(dx[met]).all()
    assert np.isfinite(dx[~met]).all()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("most", [1, 200, products.MOST])
def test_without_blas_the_results_are_the_same(monkeypatch, rng, name, most):
    x, w, how = CASES[name]
    x, w, b, dy = arrays_for(rng, x, w, how)
    monkeypatch.setattr(products, "BLAS", False)
    monkeypatch.setattr(products, "MOST", most)
    monkeypatch.setattr(np, "matmul", None)  # nothing of it is left
    reference.same_results(conv2d(x, w, b, **how), reference.conv2d(x, w, b, **how))
    expected = reference.conv2d_backward(dy, x, w, **how)
    reference.same_results(conv2d_backward(dy, x, w, **how), expected)


def test_no_product_without_blas_is_larger_than_can_be_counted(monkeypatch):
    sizes = []

    def counted(how, a, b, out):
        sizes.append(out.size * a.shape[-1])
        out[...] = a @ b

    monkeypatch.setattr(products, "BLAS", False)
    monkeypatch.setattr(products, "MOST", 200)
    monkeypatch.setattr(np, "einsum", counted)
    a, b = np.ones((2, 3, 4)), np.ones((2, 4, 50))
    assert_array_equal(products.matmul(a, b), np.full((2, 3, 50), 4.0))
    assert max(sizes) <= 200


def test_a_kernel_of_one_pixel_leaves_the_images_as_they_are(rng):
    x = rng.random((3, 2, 4, 5)).transpose(1, 2, 3, 0).copy().transpose(3, 0, 1, 2)  # no patch copy
    w, before = rng.random((4, 2, 1, 1)), x.copy()
    dx, _, _ = conv2d_backward(np.ones((3, 4, 4, 5)), x, w)
    assert_array_equal(x, before)
    assert not np.shares_memory(dx, x)


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape", [(1, 8, 400, 400), (64, 8, 50, 50), (2000, 8, 6, 60)], ids=["image", "batch", "row"]
)
def test_memory_beside_the_arrays_themselves_is_bounded(shape):
    x, w = np.ones(shape, np.float32), np.ones((8, 8, 5, 5), np.float32)  # patches of 128 MB
    dy = np.ones_like(conv2d(x, w, padding=2))
    arrays = 2 * (x.nbytes + dy.nbytes)  # in the package's order, and the results
    for function in (conv2d, x, w, None, 1, 2), (conv2d_backward, dy, x, w, 1, 2):
        tracemalloc.start()
        function[0](*function[1:])
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak - arrays < 64e6


# --- One dimension -------------------------------------------------------------------------------

HOW_1D = [
    {},
    {"stride": 2},
    {"padding": 3},
    {"padding": "same"},
    {"dilation": 3},
    {"groups": 2},
    {"stride": 3, "padding": 2, "dilation": 2, "groups": 2},
]


def signals(rng, how, k):
    """Return x, weight and bias of whole numbers."""
    shapes = (2, 4, 11), (2, 4 // how.get("groups", 1), k), (2,)
    return tuple(reference.whole(rng, *shape, dtype=np.float32) for shape in shapes)


@pytest.mark.parametrize("how", HOW_1D, ids=str)
@pytest.mark.parametrize("k", [1, 2, 3])
def test_conv1d_equals_onnx_runtime(rng, how, k):
    x, w, b = signals(rng, how, k)
    pads = ((k - 1) // 2, k // 2) if how.get("padding") == "same" else [how.get("padding", 0)] * 2
    expected = reference.onnx_run(
        "Conv",
        *(x, w, b),
        strides=[how.get("stride", 1)],
        dilations=[how.get("dilation", 1)],
        group=how.get("groups", 1),
        pads=pads,
    )
    assert_array_equal(conv1d(x, w, b, **how), expected, strict=True)


@pytest.mark.parametrize("how", HOW_1D, ids=str)
@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_conv1d_equals_torch(torch, rng, how, k):
    x, w, b = signals(rng, how, k)
    expected = torch.nn.functional.conv1d(*map(torch.tensor, (x, w, b)), **how).numpy()
    assert_array_equal(conv1d(x, w, b, **how), expected, strict=True)


def test_conv1d_with_the_kernel_flipped_is_numpys_convolution(rng):
    x, w = rng.normal(size=9), rng.normal(size=4)
    y = conv1d(x[None, None], w[None, None, ::-1])[0, 0]
    assert_allclose(y, np.convolve(x, w, mode="valid"), rtol=1e-12)


def test_conv1d_by_hand():
    assert_array_equal(conv1d([[[1, 2, 4, 8, 16]]], [[[1, 10]]], [1], 2), [[[22, 85]]])


# --- Refusals ------------------------------------------------------------------------------------

REFUSED = {  # x, weight, how, what the message names
    "no batch axis": ((1, 4, 4), (1, 1, 2, 2), {}, "x must have the shape"),
    "kernel beyond the image": ((1, 1, 2, 4), (1, 1, 3, 3), {}, "weight must fit into x"),
    "same with a stride": ((1, 1, 4, 4), (1, 1, 2, 2), {"padding": "same", "stride": 2}, "stride"),
    "unknown padding": ((1, 1, 4, 4), (1, 1, 2, 2), {"padding": "full"}, "padding"),
    "negative padding": ((1, 1, 4, 4), (1, 1, 2, 2), {"padding": -1}, "padding"),
    "stride of 0": ((1, 1, 4, 4), (1, 1, 2, 2), {"stride": 0}, "stride"),
    "dilation of 0": ((1, 1, 4, 4), (1, 1, 2, 2), {"dilation": (1, 0)}, "dilation"),
    "three sizes": ((1, 1, 4, 4), (1, 1, 2, 2), {"stride": (1, 1, 1)}, "stride"),
    "channels differ": ((1, 2, 4, 4), (1, 3, 2, 2), {}, "x must have 3 channels"),
    "kernels do not split": ((1, 2, 4, 4), (3, 1, 2, 2), {"groups": 2}, "weight must have"),
}


@pytest.mark.parametrize(("x", "w", "how", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_forward_and_backward(x, w, how, message):
    with pytest.raises(ValueError, match=message):
        conv2d(np.ones(x), np.ones(w), **how)
    with pytest.raises(ValueError, match=message):
        conv2d_backward(np.ones((1, 1, 1, 1)), np.ones(x), np.ones(w), **how)


def test_dy_must_have_the_outputs_shape():
    x, w = np.ones((1, 1, 4, 5)), np.ones((2, 1, 2, 2))
    with pytest.raises(ValueError, match=r"dy must have the output's shape \(1, 2, 3, 4\)"):
        conv2d_backward(np.ones((1, 2, 1, 1)), x, w)  # would broadcast
    with pytest.raises(ValueError, match=r"bias must have the shape \(2,\)"):
        conv2d(x, w, np.ones(1))


@pytest.mark.parametrize("far", [3, 2**31, 2**59, 2**60, 2**63 - 1])
def test_of_a_single_place_no_stride_is_seen_and_of_a_single_pixel_no_dilation(far):
    x, w, dy = np.arange(9.0).reshape(1, 1, 3, 3), np.ones((1, 1, 2, 2)), np.ones((1, 1, 1, 1))
    for stride, (rows, columns) in {(far, 1): (1, 2), (1, far): (2, 1), far: (1, 1)}.items():
        assert_array_equal(conv2d(x, w, stride=stride), conv2d(x, w)[:, :, :rows, :columns])
    assert_array_equal(conv2d(x, w[:, :, :1, :1], dilation=far), x)
    dx, dw, _ = conv2d_backward(dy, x, w, stride=far)
    assert_array_equal(dx[0, 0], [[1, 1, 0], [1, 1, 0], [0, 0, 0]])
    assert_array_equal(dw, x[:, :, :2, :2])
    assert_array_equal(conv1d(x[:, :, 0], w[:, :, 0], stride=far), [[[1]]])
    assert max_pool2d(x, 2, far).item() == 4
    assert avg_pool2d(x, 2, far).item() == 2
    assert_array_equal(max_pool2d_backward(dy, x, 2, far)[0, 0], np.diag([0, 1, 0]))
    assert_array_equal(avg_pool2d_backward(dy, x, 2, far), dx / 4)
    assert_array_equal(conv_transpose2d(dy, w, stride=far), w)
    assert_array_equal(conv_transpose2d_backward(w, dy, w, stride=far)[0], [[[[4]]]])


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize("shape", [(2, 1, 0, 3), (2, 1, 3, 0), (0, 1, 0, 0), (2, 1, 0, 0)])
def test_images_without_pixels_have_gradients_where_padding_makes_windows(shape, stride, dilation):
    x, w = np.zeros(shape), np.ones((3, 1, 4, 2))
    how = {"padding": (4, 2), "stride": stride, "dilation": dilation}
    y = conv2d(x, w, **how)
    dx, dw, db = conv2d_backward(np.ones(y.shape), x, w, **how)
    assert (dx.shape, dw.shape) == (x.shape, w.shape)
    assert not dw.any()
    assert db.tolist() == [y[:, 0].size] * 3
