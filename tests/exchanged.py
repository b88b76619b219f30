"""What the tests of import and export share: networks, graphs written by hand, ONNX Runtime."""

import numpy as np
import onnx
import onnx.helper as make
import onnxruntime
from hypothesis import strategies as st

from convdocs import (
    CNN,
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
    Sigmoid,
    Tanh,
)


def run(path, x):
    """Return what ONNX Runtime makes of images."""
    how = onnxruntime.SessionOptions()
    how.intra_op_num_threads = 1
    how.log_severity_level = 3  # errors alone
    session = onnxruntime.InferenceSession(path, how, providers=["CPUExecutionProvider"])
    (name,) = (each.name for each in session.get_inputs())
    return session.run(None, {name: x})[0]


def close(one, two):
    """Check that results agree to 1e-5, relative to their size where that is above 1."""
    assert one.shape == two.shape
    largest = np.abs(two[np.isfinite(two)]).max(initial=1)
    np.testing.assert_allclose(one, two, rtol=0, atol=1e-5 * largest)


def same(one, two):
    """Check that two networks have the same layers and, to the last bit, the same weights."""
    assert repr(one) == repr(two)
    one, two = one.state_dict(), two.state_dict()
    assert one.keys() == two.keys()
    for key, array in one.items():
        assert array.dtype == two[key].dtype
        np.testing.assert_array_equal(array, two[key])


def every(layers):
    """Yield layers in a row, and those that they are made of."""
    for layer in layers:
        yield layer
        yield from every(layer.inner())


def stirred(model, rng):
    """Give batch normalisation statistics and weights as after training."""
    for layer in every(model.layers):
        if isinstance(layer, BatchNorm2d):
            for array in (*layer.params.values(), layer.buffers["running_mean"]):
                array[...] = rng.normal(size=array.shape)
            layer.buffers["running_var"][...] = rng.uniform(
                0.5, 2, layer.buffers["running_var"].shape
            )
            layer.buffers["num_batches_tracked"][...] = rng.integers(99)
    return model


def digits_network(seed=0):
    """Return a network with each kind of layer that images of digits need."""
    return CNN(
        [
            *(Conv2d(1, 4, 3, padding="same", rng=seed), BatchNorm2d(4), ReLU(), MaxPool2d(2)),
            *(Dropout(1 / 3), Flatten(), Linear(64, 10, rng=seed)),
        ]
    )


@st.composite
def networks(draw):
    """Draw a network, and the shape of its images."""
    C, H, W = shape = [draw(st.integers(1, high)) for high in (4, 12, 12)]
    layers, rng = [], np.random.default_rng(draw(st.integers(0, 999)))
    two = st.tuples(st.integers(1, 3), st.integers(1, 3))
    for _ in range(draw(st.integers(0, 5))):
        kind, size, stride, dilation = (draw(each) for each in (st.integers(0, 10), two, two, two))
        flag = draw(st.booleans())
        if kind == 0:
            groups = draw(st.sampled_from([g for g in (1, 2, 3, 4) if C % g == 0]))
            F = groups * draw(st.integers(1, 2))
            padding = draw(st.sampled_from([0, 1, (2, 0), "same", "valid"]))
            stride = 1 if padding == "same" else stride
            dilation = 1 if padding == "same" else dilation
            layer = Conv2d(C, F, size, stride, padding, dilation, groups, flag, rng=rng)
        elif kind == 1:
            padding = tuple(draw(st.integers(0, k // 2)) for k in size)
            layer = MaxPool2d(size, stride, padding, dilation, flag)
        elif kind == 2:
            padding = tuple(draw(st.integers(0, k // 2)) for k in size)
            layer = AvgPool2d(size, stride, padding, flag, draw(st.booleans()))
        elif kind == 3:
            more = tuple(draw(st.integers(0, s - 1)) for s in stride)
            layer = ConvTranspose2d(C, 4, size, stride, 0, more, 1, flag, dilation, rng=rng)
        elif kind == 4:
            body = [Conv2d(C, C, 3, padding=1, rng=rng), BatchNorm2d(C), ReLU()]
            layer = Residual(body[: 1 + draw(st.integers(0, 2))])
        elif kind == 5:
            body = [Residual([Tanh()]), Conv2d(C, 3, size, stride, rng=rng), Sigmoid()]
            layer = Residual(body, [Conv2d(C, 3, size, stride, bias=flag, rng=rng)])
        else:
            slope = round(draw(st.floats(0, 1)), 3)
            others = [ReLU(), LeakyReLU(slope), Tanh(), Dropout(draw(st.floats(0, 0.99)))]
            layer = [BatchNorm2d(C), *others][kind - 6]
        try:
            y = layer.forward(np.zeros((1, C, H, W), np.float32))
        except ValueError:  # the kernel is larger than what is left of the image
            continue
        if np.isinf(y).any():  # a window of padding alone: from infinity comes no number
            continue
        layers.append(layer)
        _, C, H, W = y.shape
    end = draw(st.integers(0, 2))
    if end == 1:
        layers += [Flatten(), Linear(C * H * W, 3, draw(st.booleans()), rng=rng), ReLU()]
        layers += [Dropout(), Linear(3, 5, rng=rng)]
    elif end == 2:
        layers += [Linear(W, 3, draw(st.booleans()), rng=rng), ReLU()]
    return stirred(CNN(layers), rng), tuple(shape)


def graph(path, nodes, shape=("N", 2, 6, 6), opset=19, inputs=("x",), outputs=("y",), **arrays):
    """Write a graph by hand: nodes as (operator, inputs, output, attributes); "-" is left out."""
    made = [
        make.make_node(op, [name.strip("-") for name in i.split()], o.split(), name=f"n{n}", **how)
        for n, (op, i, o, how) in enumerate(nodes)
    ]
    kind = onnx.TensorProto.FLOAT
    ends = [
        [make.make_tensor_value_info(name, kind, dims) for name in names]
        for names, dims in ((inputs, shape), (outputs, None))
    ]
    weights = [onnx.numpy_helper.from_array(np.asarray(a), name) for name, a in arrays.items()]
    proto = make.make_model(
        make.make_graph(made, "g", *ends, weights),
        ir_version=9,
        opset_imports=[make.make_opsetid("", opset), make.make_opsetid("org.example", 1)],
    )
    for end in proto.graph.output:  # of whatever shape
        end.type.tensor_type.shape.SetInParent()
    onnx.save(proto, path)
    return path
