"""A network as plain text, and back: nothing is drawn or allocated before the arrays agree."""

import json
import re
import tracemalloc

import numpy as np
import pytest

from convdocs import (
    CNN,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    ReLU,
    Residual,
    architecture,
)
from convdocs.architecture import agreeing, described, named_arrays, rebuilt
from convdocs.exchange import to_onnx
from convdocs.layer import Layer, blank


def layers():
    return [
        *(Conv2d(4, 6, (3, 2), (1, 2), (0, 1), groups=2, bias=False, rng=0), BatchNorm2d(6)),
        *(ReLU(), MaxPool2d(2, ceil_mode=True), AvgPool2d(2, 1), Dropout(0.3), Flatten()),
        Linear(5, 3, dtype=float, rng=1),
    ]


@pytest.fixture
def undrawn(monkeypatch):
    """Fail when anything is drawn."""

    class Silent(np.random.Generator):
        """A generator that draws nothing."""

        def uniform(self, *args):
            """Fail."""
            raise AssertionError("drawn")

    monkeypatch.setattr("convdocs._args.generator", lambda rng: Silent(np.random.PCG64(0)))


def test_plain_text_and_the_arrays_give_the_same_layers():
    before = layers()
    arrays = named_arrays(before)
    after = rebuilt(json.loads(json.dumps(described(before))), arrays)
    assert repr(after) == repr(before)
    for key, array in named_arrays(after).items():
        assert array is arrays[key]  # as they are: the caller has given them away
    x = np.random.default_rng(0).normal(size=(2, 4, 9, 10)).astype(np.float32)
    for one, two in zip(before[:-1], after[:-1], strict=True):
        assert (one(x) == two(x)).all()
        x = one(x)


@pytest.mark.parametrize(
    ("given", "dtype"),
    [("f8", "f4"), (">f4", "f4"), ("i2", "f4"), ("f4", "f8")],
)
def test_arrays_of_another_kind_or_order_are_brought_into_the_layers(given, dtype):
    weight = np.asfortranarray(np.arange(6).reshape(2, 3).astype(given))
    weight.flags.writeable = False
    (layer,) = rebuilt([["Linear", dict(in_features=3, out_features=2, bias=False, dtype=dtype)]],
                       {"0.weight": weight})  # fmt: skip
    ours = layer.params["weight"]
    assert ours.dtype == np.dtype(dtype)
    assert ours.dtype.isnative
    assert ours.flags.writeable
    assert ours.flags.c_contiguous
    assert (ours == weight).all()


LARGE = {
    "Linear": dict(in_features=2**40, out_features=2**40),
    "Conv2d": dict(in_channels=2**20, out_channels=2**20, kernel_size=[9, 9]),
    "BatchNorm2d": dict(num_features=2**40),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_few_words_make_no_gigabytes(name, undrawn):
    small = {f"0.{each}": np.zeros(3) for each in ("weight", "bias")}
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"state|fits in memory"):
        rebuilt([[name, LARGE[name]]], small)
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("description", "words"),
    [
        (3, "layers must be a list, got 3"),
        ("ReLU", "layers must be a list"),
        ({"ReLU": {}}, "layers must be a list"),
        (["ReLU"], r"layers\[0\] must be the kind of a layer and its options, got 'ReLU'"),
        ([["ReLU", {}], ["Sine", {}]], r"layers\[1\].*'Sine'.*a kind is one of Conv2d,"),
        ([["ReLU", {}, 1]], r"layers\[0\]"),
        ([[["ReLU"], {}]], r"layers\[0\]"),
        ([["ReLU", 3]], r"layers\[0\]"),
        ([["ReLU", {"p": 1}]], r"layers\[0\]"),
        ([["Dropout", {"p": 2}]], r"layers\[0\].*p must be a probability"),
        ([["Linear", {"in_features": 10**30, "out_features": 1}]], r"layers\[0\].*in_features"),
        ([["Linear", {"in_features": 2, "out_features": 1, "dtype": "f2"}]], r"layers\[0\].*dtype"),
        ([["Linear", {"in_features": 2, "out_features": 1}]], "it lacks"),
    ],
)
def test_a_description_that_is_none_says_where(description, words):
    with pytest.raises((ValueError, TypeError), match=words) as caught:
        rebuilt(description, {})
    assert len(str(caught.value)) < 1000


def test_a_long_wrong_description_makes_no_long_message():
    for description in ({"a" * 10**6: 1}, [["a" * 10**6, {}]], [list(range(10**6))]):
        with pytest.raises((ValueError, TypeError)) as caught:
            rebuilt(description, {})
        assert len(str(caught.value)) < 1000


def test_arrays_that_belong_to_other_layers_are_refused():
    state = named_arrays([Linear(3, 2)])
    description = described([Linear(3, 2)])
    for wrong, words in (
        ({"0.weight": state["0.weight"]}, r"it lacks \['0.bias'\]"),
        (state | {"1.weight": 3}, r"it has \['1.weight'\]"),
        (state | {"0.bias": np.zeros(3)}, r"state\['0.bias'\] must have the shape \(2,\)"),
        (state | {"0.bias": ["a", "b"]}, r"state\['0.bias'\] must hold real numbers"),
        ([1], "state must be a dictionary"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            rebuilt(description, wrong)
        with pytest.raises((ValueError, TypeError), match=words):
            agreeing(state, wrong)


class Sine(Layer):
    """A ninth kind of layer."""

    def __init__(self):
        super().__init__()


def test_a_new_kind_is_one_row(monkeypatch):
    with pytest.raises(TypeError, match=r"layers\[1\] must be a layer of convdocs.*got Sine\(\)"):
        described([ReLU(), Sine()])
    rows = (*architecture.KINDS, architecture.Kind(Sine, "Sine", {}))
    monkeypatch.setattr(architecture, "KINDS", rows)
    (layer,) = rebuilt(described([Sine()]), {})
    assert type(layer) is Sine


@pytest.mark.parametrize(
    ("layers", "place"),
    [
        ([Residual([ReLU(), Sine()])], "layers[0].body[1]"),
        ([ReLU(), Residual([ReLU()], [Sine()])], "layers[1].shortcut[0]"),
        ([Residual([ReLU()], [Residual([Sine()])])], "layers[0].shortcut[0].body[0]"),
    ],
)
def test_a_layer_within_a_block_is_named_by_its_place(layers, place):
    with pytest.raises(TypeError, match=f"^{re.escape(place)} must be a layer of convdocs"):
        described(layers)
    with pytest.raises(TypeError, match=f"^{re.escape(place)} must be a layer of convdocs"):
        to_onnx(CNN(layers), "never.onnx", (1, 4, 4))


def test_a_subclass_is_another_kind():
    with pytest.raises(TypeError, match=r"layers\[0\] must be a layer of convdocs"):
        described([type("Mine", (ReLU,), {})()])


def test_options_that_no_longer_tell_the_arrays_are_refused(undrawn):
    layer = ReLU()
    layer.params["weight"] = np.zeros(3)
    with pytest.raises(ValueError, match=re.escape("layers[0].params must be as ReLU() builds")):
        described([layer])


def test_blank_layers_end_with_the_call():
    assert blank(lambda: Linear(10**6, 10**6)).params["weight"].strides == (0, 0)
    with pytest.raises(ValueError, match="p must be"):
        blank(lambda: Dropout(2))
    assert Linear(2, 2, rng=0).params["weight"].any()
