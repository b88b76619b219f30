"""What the tests compare with: loops off the definitions, finite differences, other libraries."""

import itertools
import math

import numpy as np

# --- Gradients by differences --------------------------------------------------------------------

STEP = 2.0**-8
EXACT = 1e-9  # relative: well above what differences reach, well below a slip into float32


def gradient_error(function, gradients, arrays, dy=1.0):
    """Return the worst relative error of ``gradients`` of sum(dy * function(*arrays))."""
    worst = 0.0
    for number, (array, gradient) in enumerate(zip(arrays, gradients, strict=True)):
        assert array.dtype == np.float64
        assert gradient.shape == array.shape
        slope = slopes(function, arrays, number, dy, STEP)
        if distance(slope, gradient) > EXACT:  # Richardson: errors of order STEP ** 2 cancel
            slope = (4 * slopes(function, arrays, number, dy, STEP / 2) - slope) / 3
        worst = np.maximum(worst, distance(slope, gradient))  # which NaN is, too
    return worst


def slopes(function, arrays, number, dy, step):
    """Return the slope of sum(dy * function(*arrays)) along each number of one array."""
    shape = arrays[number].shape
    rises = [
        (moved(function, arrays, number, place, step) * dy).sum() for place in np.ndindex(shape)
    ]
    return np.reshape(rises, shape) / step


def distance(a, b):
    """Return the largest difference of two arrays, as a part of their largest number."""
    return abs(a - b).max(initial=0) / max(abs(a).max(initial=0), abs(b).max(initial=0), 1e-300)


def layer_error(layer, x, dy, **masks):
    """Return `gradient_error` of a layer, for its input and its parameters.

    Of a parameter that has a mask, only the numbers where it is 1 are free.
    """
    params = layer.params
    layer(x)
    gradients = [layer.backward(dy), *layer.grads.values()]

    def function(x, *arrays):
        layer.params = {
            name: array * masks.get(name, 1) for name, array in zip(params, arrays, strict=True)
        }
        return layer.forward(x)

    error = gradient_error(function, gradients, [x, *params.values()], dy)
    layer.params = params
    return error


def moved(function, arrays, number, place, step):
    """Return how the result moves as one number of one array goes from -step/2 to step/2."""
    ends = []
    for end in (step / 2, -step / 2):
        copies = [array.copy() for array in arrays]
        copies[number][place] += end
        ends.append(function(*copies))
    return np.subtract(*ends)


# --- Loops off the definitions -------------------------------------------------------------------


def two(size):
    """Return a size as a pair."""
    return (int(size), int(size)) if np.ndim(size) == 0 else tuple(int(one) for one in size)


def margins(padding, kernel, dilation):
    """Return the (before, after) of both axes."""
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":  # the odd one comes after
        total = [d * (k - 1) for d, k in zip(two(dilation), kernel, strict=True)]
        return tuple((t // 2, math.ceil(t / 2)) for t in total)
    return tuple((p, p) for p in two(padding))


def begins(size, kernel, stride, margin, dilation, ceil_mode=False):
    """Return where windows begin, counted from the image's first pixel."""
    before, after = margin
    span = dilation * (kernel - 1) + 1
    found, begin = [], -before
    while begin + span <= size + after:
        found.append(begin)
        begin += stride
    left_over = begin - stride + span < size + after
    if ceil_mode and left_over and begin < size:
        found.append(begin)
    return found


def terms(x_shape, w_shape, stride=1, padding=0, dilation=1, groups=1):
    """Return the shape of y, and all index triples of y[..] += w[..] * x[..]."""
    (N, _, H, W), (F, D, kH, kW) = x_shape, w_shape
    (sH, sW), (dH, dW) = two(stride), two(dilation)
    rows, columns = margins(padding, (kH, kW), dilation)
    tops, lefts = begins(H, kH, sH, rows, dH), begins(W, kW, sW, columns, dW)
    triples = []
    for n, f, (i, top), (j, left) in itertools.product(
        range(N), range(F), enumerate(tops), enumerate(lefts)
    ):
        for c, u, v in itertools.product(range(D), range(kH), range(kW)):
            h, w = top + u * dH, left + v * dW
            if 0 <= h < H and 0 <= w < W:
                group = f // (F // groups)
                triples.append(((n, f, i, j), (f, c, u, v), (n, group * D + c, h, w)))
    return (N, F, len(tops), len(lefts)), triples


def conv2d(x, w, b=None, **how):
    """Return the convolution, one product at a time."""
    shape, triples = terms(x.shape, w.shape, **how)
    y = np.zeros(shape)
    for at_y, at_w, at_x in triples:
        y[at_y] += w[at_w] * x[at_x]
    if b is not None:
        for f in range(shape[1]):
            y[:, f] += b[f]
    return y


def conv2d_backward(dy, x, w, **how):
    """Return the gradients: each product hands dy on to both of its factors."""
    dx, dw, db = np.zeros(x.shape), np.zeros(w.shape), np.zeros(len(w))
    for at_y, at_w, at_x in terms(x.shape, w.shape, **how)[1]:
        dx[at_x] += dy[at_y] * w[at_w]
        dw[at_w] += dy[at_y] * x[at_x]
    for at_y in np.ndindex(dy.shape):
        db[at_y[1]] += dy[at_y]
    return dx, dw, db


def pools(
    shape, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, count_include_pad=True
):
    """Return the shape of y, and for each place the pixels that it sees and its divisor."""
    N, C, H, W = shape
    kernel, (dH, dW), (pH, pW) = two(kernel_size), two(dilation), two(padding)
    sH, sW = kernel if stride is None else two(stride)
    tops = begins(H, kernel[0], sH, (pH, pH), dH, ceil_mode)
    lefts = begins(W, kernel[1], sW, (pW, pW), dW, ceil_mode)
    places = []
    for n, c, (i, top), (j, left) in itertools.product(
        range(N), range(C), enumerate(tops), enumerate(lefts)
    ):
        seen = [(top + u * dH, left + v * dW) for u, v in np.ndindex(*kernel)]
        pixels = [(n, c, h, w) for h, w in seen if 0 <= h < H and 0 <= w < W]
        padded = [1 for h, w in seen if -pH <= h < H + pH and -pW <= w < W + pW]
        places.append(((n, c, i, j), pixels, len(padded if count_include_pad else pixels)))
    return (N, C, len(tops), len(lefts)), places


def first_maximum(x, pixels):
    """Return the first of the pixels that no other exceeds; a NaN exceeds all."""
    best = pixels[0]
    for pixel in pixels[1:]:
        if not np.isnan(x[best]) and (np.isnan(x[pixel]) or x[pixel] > x[best]):
            best = pixel
    return best


def max_pool2d(x, *args, **how):
    """Return the maximum of each window; of one that sees nothing, minus infinity."""
    shape, places = pools(x.shape, *args, **how)
    y = np.zeros(shape, x.dtype)
    for at_y, pixels, _ in places:
        y[at_y] = x[first_maximum(x, pixels)] if pixels else -np.inf
    return y


def max_pool2d_backward(dy, x, *args, **how):
    """Return the gradient: each window's goes to its first maximum."""
    dx = np.zeros(x.shape)
    for at_y, pixels, _ in pools(x.shape, *args, **how)[1]:
        if pixels:
            dx[first_maximum(x, pixels)] += dy[at_y]
    return dx


def avg_pool2d(x, *args, **how):
    """Return the sum of each window over its divisor."""
    shape, places = pools(x.shape, *args, **how)
    y = np.zeros(shape)
    for at_y, pixels, divisor in places:
        y[at_y] = sum(x[pixel] for pixel in pixels) / divisor
    return y


def avg_pool2d_backward(dy, x, *args, **how):
    """Return the gradient: each window's is shared out evenly."""
    dx = np.zeros(x.shape)
    for at_y, pixels, divisor in pools(x.shape, *args, **how)[1]:
        for pixel in pixels:
            dx[pixel] += dy[at_y] / divisor
    return dx


def linear(x, w, b):
    """Return the weighted sums of rows of ``x``, one product at a time."""
    y = np.zeros((len(x), len(w)))
    for n, o in np.ndindex(y.shape):
        y[n, o] = b[o] + sum(w[o, i] * x[n, i] for i in range(len(w[o])))
    return y


def linear_backward(dy, x, w):
    """Return the gradients: each product hands dy on to both of its factors."""
    dx, dw, db = np.zeros(x.shape), np.zeros(w.shape), np.zeros(len(w))
    for n, o in np.ndindex(dy.shape):
        db[o] += dy[n, o]
        for i in range(x.shape[1]):
            dx[n, i] += dy[n, o] * w[o, i]
            dw[o, i] += dy[n, o] * x[n, i]
    return dx, dw, db


def softmax(row):
    """Return exp(row) over its sum, for one row of moderate numbers."""
    powers = [math.exp(z) for z in row]
    return np.array([power / math.fsum(powers) for power in powers])


def cross_entropy(logits, labels):
    """Return the mean of -log(softmax) at the labels."""
    losses = [-math.log(softmax(z)[k]) for z, k in zip(logits, labels, strict=True)]
    return math.fsum(losses) / len(losses)


# --- Other libraries -----------------------------------------------------------------------------


def onnx_run(operator, *arrays, **attributes):
    """Return what ONNX Runtime makes of a graph of this one operator."""
    import onnx.helper as make
    import onnxruntime

    names = [f"in{number}" for number in range(len(arrays))]
    kinds = [make.np_dtype_to_tensor_dtype(array.dtype) for array in arrays]
    inputs = [
        make.make_tensor_value_info(name, kind, array.shape)
        for name, kind, array in zip(names, kinds, arrays, strict=True)
    ]
    output = make.make_tensor_value_info("out", kinds[0], None)
    attributes = {name: value for name, value in attributes.items() if value is not None}
    node = make.make_node(operator, names, ["out"], **attributes)
    graph = make.make_graph([node], operator, inputs, [output])
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 19)], ir_version=9)
    how = onnxruntime.SessionOptions()
    how.intra_op_num_threads = 1
    how.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), how, providers=["CPUExecutionProvider"]
    )
    return session.run(None, dict(zip(names, arrays, strict=True)))[0]


def autograd(torch, function, arrays, dy=None):
    """Return what PyTorch makes of a function of tensors: the result and the gradients."""
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    y = function(*tensors)
    y.backward(None if dy is None else torch.tensor(dy))
    return y.detach().numpy(), [tensor.grad.numpy() for tensor in tensors]


# --- Arrays --------------------------------------------------------------------------------------


def whole(rng, *shape, dtype=np.float64):
    """Return small whole numbers: all sums of their products are exact, in float32 too."""
    return rng.integers(-8, 9, shape).astype(dtype)


def apart(rng, *shape):
    """Return numbers that all differ by 1 or more, so that no step of differences ties any."""
    size = math.prod(shape)
    return rng.permutation(size).reshape(shape) - size / 2 + 0.25


def reversed_view(array):
    """Return the array as a view with negative strides."""
    turn = (slice(None, None, -1),) * array.ndim
    return array[turn].copy()[turn]


def thinned_view(array):
    """Return the array as a view of every other number of a larger one."""
    large = np.full([2 * side for side in array.shape], 99, array.dtype)
    thin = large[(slice(None, None, 2),) * array.ndim]
    thin[...] = array
    return thin


def batch_innermost(array):
    """Return the array with its first axis innermost in memory: no copy for the package."""
    return np.moveaxis(np.moveaxis(array, 0, -1).copy(), -1, 0)


def read_only(array):
    """Return the array, closed to writing."""
    closed = array.copy(order="K")
    closed.flags.writeable = False
    return closed


LAYOUTS = {
    "C order": np.copy,
    "Fortran order": np.asfortranarray,
    "reversed": reversed_view,
    "every other": thinned_view,
    "batch innermost": batch_innermost,
    "read-only": read_only,
    "read-only, batch innermost": lambda array: read_only(batch_innermost(array)),
    "lists": np.ndarray.tolist,
}


def same_results(got, expected):
    """Assert equality, bit for bit and in dtype, of arrays or tuples of arrays."""
    if isinstance(expected, tuple):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            same_results(one, other)
        return
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected, strict=True)


def layout_changes_nothing(function, arrays, layout):
    """Assert the same result in another memory layout, and inputs left as they were."""
    arrangement = LAYOUTS[layout]
    given = [arrangement(array) for array in arrays]
    expected = function(*(array.copy() for array in arrays))
    for _ in range(2):  # a second call sees what the first did to its inputs
        same_results(function(*given), expected)
    for one, array in zip(given, arrays, strict=True):
        np.testing.assert_array_equal(one, array)
