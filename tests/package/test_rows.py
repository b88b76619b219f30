"""Convolution by rows equals its definition, and is taken where rows lie one below the other."""

import tracemalloc

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal

from convdocs import (
    conv2d,
    conv2d_backward,
    conv_transpose2d_backward,
    memory,
    products,
    rows,
    windows,
)

CASES = {  # x, weight, and how
    "padding": ((2, 4, 5, 6), (3, 4, 3, 3), {"padding": 1}),
    "as many maps as channels": ((2, 3, 5, 4), (3, 3, 3, 3), {"padding": 1}),
    "H != W and kH != kW": ((3, 4, 4, 7), (2, 4, 3, 2), {"padding": (2, 1)}),
    "kernel of one row": ((2, 4, 3, 6), (3, 4, 1, 3), {"padding": (0, 1)}),
    "rows of borders only": ((1, 4, 2, 3), (2, 4, 3, 4), {"padding": (3, 2)}),
    "stride down": ((2, 4, 9, 5), (2, 4, 3, 3), {"padding": 1, "stride": (2, 1)}),
    "dilation across": ((2, 4, 5, 9), (2, 4, 2, 3), {"padding": 1, "dilation": (1, 3)}),
    "same, even kernel": ((2, 3, 5, 4), (3, 3, 2, 4), {"padding": "same"}),
    "one image of one channel": ((1, 1, 6, 7), (1, 1, 3, 3), {"padding": 1}),
}
cases = pytest.mark.parametrize(("x", "w", "how"), CASES.values(), ids=CASES)
blocks = pytest.mark.parametrize("block", [1, 500, 1 << 20])


@pytest.fixture
def taken(monkeypatch):
    """Take this way for layers of any size, and tell how often."""
    monkeypatch.setattr(rows, "FEWEST", 1)
    monkeypatch.setattr(rows, "HIGHEST", np.inf)
    calls = []

    def counted(real):
        def function(*given, **how):
            calls.append(real.__name__)
            return real(*given, **how)

        return function

    for real in rows.correlate, rows.collect:
        monkeypatch.setattr(rows, real.__name__, counted(real))
    return calls


@cases
@blocks
def test_equals_loops(monkeypatch, rng, taken, x, w, how, block):
    monkeypatch.setattr(rows, "BLOCK", block)
    shape, _ = reference.terms(x, w, **how)
    x, w, b, dy = (reference.whole(rng, *shape) for shape in (x, w, w[:1], shape))
    assert_array_equal(conv2d(x, w, b, **how), reference.conv2d(x, w, b, **how), strict=True)
    assert_array_equal(conv2d(x, w, **how), reference.conv2d(x, w, **how), strict=True)
    expected = reference.conv2d_backward(dy, x, w, **how)
    got = conv2d_backward(dy, x, w, **how)
    reference.same_results(got, expected)
    assert got[1].flags.c_contiguous  # as the weights lie, to which optimisers add it
    assert taken[:3] == ["correlate", "correlate", "collect"]


@cases
def test_gradients_equal_differences(rng, taken, x, w, how):
    dy = rng.normal(size=reference.terms(x, w, **how)[0])
    arrays = [rng.normal(size=shape) for shape in (x, w, (w[0],))]
    gradients = conv2d_backward(dy, *arrays[:2], **how)
    error = reference.gradient_error(lambda *a: conv2d(*a, **how), gradients, arrays, dy)
    assert error <= reference.EXACT
    assert taken


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_size_equals_loops(monkeypatch, taken, seed, dtype):
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(rows, "BLOCK", int(rng.integers(1, 2000)))
    N, C, kH = rng.integers(1, 4, 3)
    kW = rng.integers(2, 4)
    F = rng.integers(1, C + 1)
    pad = tuple(map(int, rng.integers(1, 3, 2)))
    H, W = rng.integers(3, 8, 2)
    how = {"padding": pad, "stride": (int(rng.integers(1, 3)), 1)}
    shape, _ = reference.terms((N, C, H, W), (F, C, kH, kW), **how)
    shapes = (N, C, H, W), (F, C, kH, kW), (F,), shape
    x, w, b, dy = (reference.whole(rng, *shape, dtype=dtype) for shape in shapes)
    y = conv2d(x, w, b, **how)
    assert y.dtype == dtype
    assert_array_equal(y, reference.conv2d(x, w, b, **how))
    for got, expected in zip(
        conv2d_backward(dy, x, w, **how), reference.conv2d_backward(dy, x, w, **how), strict=True
    ):
        assert_array_equal(got, expected.astype(dtype), strict=True)
    assert {"correlate", "collect"} <= set(taken)


@pytest.mark.parametrize("layout", reference.LAYOUTS)
def test_the_order_in_memory_changes_nothing(rng, taken, layout):
    x, w, b, dy = (
        reference.whole(rng, *shape) for shape in ((2, 4, 5, 6), (3, 4, 3, 3), (3,), (2, 3, 5, 6))
    )
    reference.layout_changes_nothing(lambda *a: conv2d(*a, padding=1), (x, w, b), layout)
    reference.layout_changes_nothing(lambda *a: conv2d_backward(*a, padding=1), (dy, x, w), layout)
    assert taken


def test_a_transposed_convolution_comes_back_by_rows(rng, taken):
    shapes = (2, 3, 5, 6), (3, 4, 3, 3), (2, 4, 5, 6)
    x, w, dy = (reference.whole(rng, *shape) for shape in shapes)
    dx, dw, _ = conv_transpose2d_backward(dy, x, w, padding=1)
    assert taken == ["correlate", "collect"]
    assert_array_equal(dx, reference.conv2d(dy, w, padding=1))
    assert_array_equal(dw, reference.conv2d_backward(x, dy, w, padding=1)[1])


def test_a_nan_and_what_has_no_end_spoil_only_what_sees_them(rng, taken):
    x, w = rng.normal(size=(2, 4, 6, 6)), rng.normal(size=(3, 4, 3, 3))
    x[1, 0, 0, 5], x[0, 2, 3, 0] = np.nan, np.inf
    y = conv2d(x, w, padding=1)
    assert np.isnan(y).sum() == np.isnan(y[1, :, :2, 4:]).sum() == 12
    assert np.isinf(y).sum() == np.isinf(y[0, :, 2:5, :2]).sum() == 18
    assert taken


# --- Where it is taken ---------------------------------------------------------------------------


def lying(x, w, how):
    """Return the rows of a convolution's windows, or None where patches are written down."""
    padding = how.get("padding", 0)
    borders = ((padding,) * 2,) * 2 if np.ndim(padding) == 0 else tuple((p, p) for p in padding)
    slide = (how.get(name, (1, 1)) for name in ("stride", "dilation"))
    window = windows.Window(w[2:], *slide)
    laid = windows.batch_last(np.zeros(x, np.float32), np.dtype(np.float32), borders)
    return rows.rows_of(windows.windows(laid, window), w[0], how.get("groups", 1))


def test_a_usual_layer_goes_by_rows_that_nothing_was_copied_for():
    x = np.zeros((32, 16, 32, 32), np.float32)
    laid = windows.batch_last(x, x.dtype, ((1, 1), (1, 1)))
    found = rows.rows_of(windows.windows(laid, windows.Window((3, 3), (1, 1), (1, 1))), 16, 1)
    assert found.shape == (3, 32, 3 * 16, 32 * 32)
    assert np.shares_memory(found, laid)


@pytest.mark.parametrize(
    ("x", "w", "how"),
    [
        ((32, 8, 32, 32), (16, 8, 3, 3), {"padding": 1}),  # more maps than channels
        ((32, 2, 32, 32), (2, 2, 3, 3), {"padding": 1}),  # columns of few numbers
        ((1, 256, 14, 14), (256, 256, 3, 3), {"padding": 1}),  # short rows
        ((32, 16, 32, 32), (16, 16, 3, 1), {"padding": (1, 0)}),  # a kernel of one column
        ((32, 16, 32, 32), (16, 8, 3, 3), {"padding": 1, "groups": 2}),
        ((32, 16, 32, 32), (16, 16, 3, 3), {"padding": 1, "stride": (1, 2)}),
        ((32, 16, 32, 32), (16, 16, 3, 3), {"padding": 1, "dilation": (2, 1)}),
        ((32, 16, 32, 32), (16, 16, 3, 3), {}),  # nobody has laid its rows so
    ],
)
def test_other_layers_have_patches(x, w, how):
    assert lying(x, w, how) is None


def test_without_blas_there_are_patches(monkeypatch):
    case = (32, 16, 32, 32), (16, 16, 3, 3), {"padding": 1}
    assert lying(*case) is not None
    monkeypatch.setattr(products, "BLAS", False)
    assert lying(*case) is None


# --- Memory and rounding -------------------------------------------------------------------------


def test_little_memory_is_needed_beside_the_images():
    x, w = np.ones((1, 16, 256, 256), np.float32), np.ones((16, 16, 5, 5), np.float32)
    for function, arrays in (
        (lambda: conv2d(x, w, padding=2), 2),  # the padded images, and the result
        (lambda: conv2d_backward(x, x, w, padding=2), 3),
    ):
        memory.POOL.clear()  # nothing is used again, so that all of it counts
        tracemalloc.start()
        function()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < (arrays + 2) * x.nbytes  # patches would be 25 times as large


def test_the_gradient_of_many_rows_is_added_up_in_parts():
    dy = np.full((33, 4, 20_000, 1), 0.1, np.float32)  # sums of which float32 rounds
    w = np.zeros((4, 4, 3, 3), np.float32)
    _, dw, db = conv2d_backward(dy, np.ones_like(dy), w, padding=1)
    assert_allclose(dw[:, :, 1, 1], 66_000, rtol=3e-5)  # row after row, 16e-5
    assert_allclose(db, 66_000, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("F", [1, 2, 4])
@pytest.mark.parametrize("side", [20_000, 300_000])
def test_the_gradient_of_many_short_rows_is_added_up_in_parts(F, side):
    x, w, how = (8, 4, side, 1), (F, 4, 3, 3), {"padding": 1}
    assert lying(x, w, how) is not None
    dy = np.full((8, F, side, 1), 0.1, np.float32)
    _, dw, _ = conv2d_backward(dy, np.ones(x, np.float32), np.zeros(w, np.float32), **how)
    assert_allclose(dw[:, :, 1, 1], 0.1 * 8 * side, rtol=1e-5)
