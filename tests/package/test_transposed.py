"""Transposed convolution equals loops, a convolution's backward pass, PyTorch and ONNX Runtime."""

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from convdocs import (
    CNN,
    Conv2d,
    ConvTranspose2d,
    Residual,
    conv2d,
    conv2d_backward,
    conv_transpose2d,
    conv_transpose2d_backward,
    memory,
    patches,
)

CASES = {  # x, weight, and how
    "one pixel": ((1, 1, 1, 1), (1, 1, 1, 1), {}),
    "H != W and kH != kW": ((2, 3, 3, 4), (3, 4, 3, 2), {}),
    "pointwise": ((2, 3, 4, 5), (3, 4, 1, 1), {}),
    "stride": ((2, 2, 3, 4), (2, 3, 3, 2), {"stride": (2, 3)}),
    "tiles": ((2, 3, 3, 2), (3, 2, 2, 3), {"stride": (2, 3)}),
    "tiles and more": ((2, 3, 3, 2), (3, 2, 2, 2), {"stride": 2, "output_padding": 1}),
    "stride beyond the kernel": ((2, 1, 3, 4), (1, 2, 2, 2), {"stride": (3, 4)}),
    "padding": ((2, 2, 4, 5), (2, 3, 3, 3), {"padding": 1}),
    "padding H != W": ((2, 2, 4, 5), (2, 3, 4, 3), {"padding": (2, 1)}),
    "padding beyond the kernel": ((1, 1, 6, 7), (1, 2, 2, 2), {"padding": 2}),
    "output padding": ((2, 2, 3, 4), (2, 3, 3, 3), {"stride": 2, "output_padding": (1, 0)}),
    "both paddings": (
        (2, 2, 3, 4),
        (2, 3, 3, 3),
        {"stride": 2, "padding": 1, "output_padding": 1},
    ),
    "output padding of a dilation": (
        (1, 2, 3, 2),
        (2, 1, 2, 1),
        {"dilation": 3, "output_padding": (1, 2)},
    ),
    "dilation": ((2, 2, 3, 4), (2, 3, 3, 2), {"dilation": (2, 3)}),
    "groups": ((2, 4, 3, 4), (4, 3, 3, 2), {"groups": 2}),
    "depthwise": ((2, 3, 4, 4), (3, 1, 3, 3), {"groups": 3, "padding": 1}),
    "everything": (
        (2, 4, 4, 3),
        (4, 3, 2, 3),
        {
            **{"stride": (2, 3), "padding": (1, 2), "output_padding": (1, 2)},
            **{"dilation": (3, 2), "groups": 2},
        },
    ),
}
cases = pytest.mark.parametrize(("x", "w", "how"), CASES.values(), ids=CASES)
layouts = pytest.mark.parametrize("layout", reference.LAYOUTS)


def by_loops(x, w, b=None, **how):
    """Return the transposed convolution, one product at a time, off its definition."""
    (sH, sW), (pH, pW), (oH, oW), (dH, dW) = (
        reference.two(how.get(name, default))
        for name, default in (
            *(("stride", 1), ("padding", 0), ("output_padding", 0), ("dilation", 1)),
        )
    )
    groups = how.get("groups", 1)
    (N, C, H, W), (_, D, kH, kW) = x.shape, w.shape
    height = (H - 1) * sH - 2 * pH + dH * (kH - 1) + oH + 1
    width = (W - 1) * sW - 2 * pW + dW * (kW - 1) + oW + 1
    y = np.zeros((N, D * groups, height, width))
    for n, c, i, j in np.ndindex(x.shape):
        for f, u, v in np.ndindex(D, kH, kW):
            row, column = i * sH + u * dH - pH, j * sW + v * dW - pW
            if 0 <= row < height and 0 <= column < width:
                y[n, c // (C // groups) * D + f, row, column] += w[c, f, u, v] * x[n, c, i, j]
    return y if b is None else y + np.reshape(b, (-1, 1, 1))


def arrays_for(rng, x, w, how, dtype=np.float64):
    """Return x, weight, bias and dy of whole numbers: in any order, their sums are exact."""
    shape = by_loops(np.zeros(x), np.zeros(w), **how).shape
    return tuple(reference.whole(rng, *s, dtype=dtype) for s in (x, w, shape[1:2], shape))


def test_by_hand():
    x, w = [[[[1, 10]]]], [[[[1, 2, 3]]]]
    assert_array_equal(conv_transpose2d(x, w), [[[[1, 12, 23, 30]]]])
    assert_array_equal(conv_transpose2d(x, w, padding=(0, 1)), [[[[12, 23]]]])
    y = conv_transpose2d(x, w, [100], stride=(1, 3), output_padding=(0, 1))
    assert_array_equal(y, [[[[101, 102, 103, 110, 120, 130, 100]]]])


@cases
def test_equals_loops(rng, x, w, how):
    x, w, b, _ = arrays_for(rng, x, w, how)
    expected = by_loops(x, w, b, **how)
    assert_array_equal(conv_transpose2d(x, w, b, **how), expected, strict=True)
    assert_array_equal(conv_transpose2d(x, w, **how), by_loops(x, w, **how), strict=True)


@cases
def test_is_the_backward_pass_of_a_convolution_and_the_other_way_round(rng, x, w, how):
    if max(reference.two(how.get("output_padding", 0))) >= max(reference.two(how.get("stride", 1))):
        pytest.skip("a convolution would see one place more")
    x, w, _, dy = arrays_for(rng, x, w, how)
    same = {name: value for name, value in how.items() if name != "output_padding"}
    image, weights, _ = conv2d_backward(x, dy, w, **same)
    assert_array_equal(conv_transpose2d(x, w, **how), image)
    dx, dw, db = conv_transpose2d_backward(dy, x, w, **how)
    assert_array_equal(dx, conv2d(dy, w, **same))
    assert_array_equal(dw, weights)
    assert_array_equal(db, dy.sum(axis=(0, 2, 3)))


@pytest.mark.parametrize("order", "CF")
def test_the_gradient_of_the_bias_adds_up_a_million_places_in_float32(order):
    dy = np.full((64, 2, 128, 128), 0.1, np.float32, order)
    x, w = np.ones((64, 1, 128, 128), np.float32), np.ones((1, 2, 1, 1), np.float32)
    assert_allclose(conv_transpose2d_backward(dy, x, w)[2], 0.1 * 2**20, rtol=1e-6)


@cases
def test_gradients_equal_differences(rng, x, w, how):
    dy = rng.normal(size=by_loops(np.zeros(x), np.zeros(w), **how).shape)
    arrays = [rng.normal(size=shape) for shape in (x, w, dy.shape[1:2])]
    gradients = conv_transpose2d_backward(dy, *arrays[:2], **how)
    error = reference.gradient_error(lambda *a: conv_transpose2d(*a, **how), gradients, arrays, dy)
    assert error <= reference.EXACT


@cases
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_torch(torch, rng, x, w, how, dtype):
    x, w, b, dy = (rng.normal(size=a.shape).astype(dtype) for a in arrays_for(rng, x, w, how))
    f = torch.nn.functional.conv_transpose2d
    y, gradients = reference.autograd(torch, lambda *a: f(*a, **how), [x, w, b], dy)
    close = {"rtol": 1e-4, "atol": 1e-5} if dtype == np.float32 else {"rtol": 1e-11, "atol": 1e-12}
    assert_allclose(conv_transpose2d(x, w, b, **how), y, **close, strict=True)
    for ours, theirs in zip(conv_transpose2d_backward(dy, x, w, **how), gradients, strict=True):
        assert_allclose(ours, theirs, **close, strict=True)


@cases
def test_equals_onnx_runtime(rng, x, w, how):
    more, stride = (reference.two(how.get(name, 1)) for name in ("output_padding", "stride"))
    if "output_padding" in how and any(np.greater_equal(more, stride)):
        pytest.skip("ONNX Runtime takes no output padding as wide as the stride")
    x, w, b, _ = arrays_for(rng, x, w, how, np.float32)
    two = {name: reference.two(value) for name, value in how.items() if name != "groups"}
    expected = reference.onnx_run(
        "ConvTranspose",
        *(x, w, b),
        strides=two.get("stride"),
        pads=two.get("padding", (0, 0)) * 2,
        output_padding=two.get("output_padding"),
        dilations=two.get("dilation"),
        group=how.get("groups", 1),
    )
    assert_allclose(conv_transpose2d(x, w, b, **how), expected, rtol=1e-6, strict=True)


@given(
    st.tuples(*(st.integers(1, high) for high in (3, 2, 2, 4, 4, 3, 3))),
    *(st.tuples(st.integers(1, 3), st.integers(1, 3)) for _ in range(2)),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from(sorted(reference.LAYOUTS)),
    st.integers(0, 999),
)
def test_any_equals_loops_and_its_adjoint(sizes, stride, dilation, padding, dtype, layout, seed):
    groups, D, N, H, W, kH, kW = sizes
    rng, C = np.random.default_rng(seed), 2 * groups
    more = tuple(int(rng.integers(max(s, d))) for s, d in zip(stride, dilation, strict=True))
    how = {"stride": stride, "dilation": dilation, "groups": groups, "output_padding": more}
    x, w = (N, C, H, W), (C, D, kH, kW)
    sides = by_loops(np.zeros(x), np.zeros(w), **how).shape[2:]
    padding = tuple(min(p, (side - 1) // 2) for p, side in zip(padding, sides, strict=True))
    how["padding"] = padding
    x, w, b, dy = arrays_for(rng, x, w, how, dtype)
    x, dy = (reference.LAYOUTS[layout](array) for array in (x, dy))
    dtype = np.dtype(np.float64 if layout == "lists" else dtype)
    y = conv_transpose2d(x, w, b, **how)
    x, dy = np.asarray(x), np.asarray(dy)
    assert_array_equal(y, by_loops(x, w, b, **how).astype(dtype), strict=True)
    dx, dw, db = conv_transpose2d_backward(dy, x, w, **how)
    without = conv_transpose2d(x, w, **how)
    assert (dx * x).sum() == (dw * w).sum() == (without * dy).sum()
    assert_array_equal(db, dy.sum(axis=(0, 2, 3)))


@layouts
def test_memory_layout_changes_nothing(rng, layout):
    x, w, how = CASES["everything"]
    x, w, b, dy = arrays_for(rng, x, w, how)
    reference.layout_changes_nothing(lambda *a: conv_transpose2d(*a, **how), [x, w, b], layout)
    backward = lambda *a: conv_transpose2d_backward(*a, **how)  # noqa: E731
    reference.layout_changes_nothing(backward, [dy, x, w], layout)


@pytest.mark.parametrize("name", ["everything", "both paddings", "tiles", "groups"])
@pytest.mark.parametrize("places", [0, 1, 3])
def test_blocks_give_the_same(monkeypatch, rng, name, places):
    x, w, how = CASES[name]
    x, w, b, dy = arrays_for(rng, x, w, how)
    whole = conv_transpose2d(x, w, b, **how), *conv_transpose2d_backward(dy, x, w, **how)
    place = x.itemsize * len(x) * w.shape[1] * how.get("groups", 1) * w.shape[2] * w.shape[3]
    monkeypatch.setattr(patches, "BLOCK", places * place)
    parts = conv_transpose2d(x, w, b, **how), *conv_transpose2d_backward(dy, x, w, **how)
    reference.same_results(parts, whole)


def test_eight_bit_images_and_an_empty_batch():
    x, w = np.full((1, 1, 2, 2), 200, np.uint8), np.full((1, 1, 1, 1), 200, np.uint8)
    assert_array_equal(conv_transpose2d(x, w), np.full((1, 1, 2, 2), 40_000.0), strict=True)
    empty = np.ones((0, 2, 3, 3), np.float32)
    w = np.ones((2, 4, 2, 2), np.float32)
    assert conv_transpose2d(empty, w, stride=2).shape == (0, 4, 6, 6)
    dx, dw, db = conv_transpose2d_backward(np.ones((0, 4, 4, 4), np.float32), empty, w)
    assert dx.shape == (0, 2, 3, 3)
    assert not dw.any()
    assert not db.any()


def test_the_arguments_have_the_order_of_torch(torch):
    ours = ConvTranspose2d(4, 6, 3, 2, 1, 1, 2, False, 2, rng=0)
    theirs = torch.nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2, False, 2)
    for name, value in ours.options.items():
        if name not in ("dtype", "bias"):
            assert getattr(theirs, name) == value
    assert theirs.bias is None
    assert tuple(theirs.weight.shape) == ours.params["weight"].shape


def test_the_widest_dtype_decides():
    x, w = np.ones((1, 1, 2, 2), np.float32), np.ones((1, 1, 1, 1), np.float32)
    assert conv_transpose2d(x, w, np.ones(1)).dtype == np.float64
    for k in range(3):
        given = [x, x, w]
        given[k] = given[k].astype(float)
        assert {a.dtype for a in conv_transpose2d_backward(*given)} == {np.dtype(float)}


def test_nothing_is_left_unwritten(monkeypatch):
    monkeypatch.setattr(memory, "empty", lambda shape, dtype: np.full(shape, 7, dtype))
    y = conv_transpose2d([[[[1.0, 2]]]], [[[[3.0]]]], dilation=3, output_padding=(0, 2))
    assert_array_equal(y, [[[[3, 6, 0, 0]]]])


@pytest.mark.parametrize("padding", [(0, 0), (1, 0)])
def test_the_gradient_of_a_bias_is_exact_for_tall_images(padding):
    dy = np.full((1, 2, 200_000, 1), 0.1, np.float32)
    x = np.ones((1, 1, 200_000 + 2 * padding[0], 1), np.float32)
    w = np.ones((1, 2, 1, 1), np.float32)
    assert_allclose(conv_transpose2d_backward(dy, x, w, padding=padding)[2], 20_000, rtol=1e-6)


def test_the_summary_counts_what_is_spread():
    (row,) = CNN([ConvTranspose2d(2, 3, 2, stride=2)]).summary((2, 4, 5))
    assert row[1:4] == ((3, 8, 10), 2 * 3 * 4 + 3, 2 * 4 * 5 * 3 * 4)


def test_padding_shifts_what_a_place_of_the_output_sees():
    block = Residual([ConvTranspose2d(1, 1, 3, padding=1)], [Conv2d(1, 1, 3, padding=1)])
    assert CNN([block]).summary((1, 9, 9))[0].receptive_field == (3, 3)
