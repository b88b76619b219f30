"""Memory that is used again: never before its last holder is gone, and with a bound."""

import gc
import os
import pickle
import subprocess
import sys
import threading
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from convdocs import (
    CNN,
    Adam,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    ReLU,
    memory,
)

SHAPE = 50, 200  # 40,000 bytes of float32


@pytest.fixture(autouse=True)
def nothing_lies_free():
    memory.POOL.clear()


def address(array):
    return array.__array_interface__["data"][0]


def free():
    held = sum(size * len(blocks) for size, blocks in memory.POOL.blocks.items())
    assert held == memory.POOL.bytes
    return held


def run(code):
    """Run code in a process of its own; return what it prints, and let it print no error."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.mark.parametrize("shape", [(10,), (10_000,)])
@pytest.mark.parametrize("dtype", [object, [("a", "f4"), ("b", "i4")], "U3", "M8[s]", "3f4", bool])
def test_arrays_of_any_dtype_are_those_of_numpy(shape, dtype):
    for make in memory.empty, memory.zeros:
        array, theirs = make(shape, dtype), np.empty(shape, dtype)
        assert (array.shape, array.dtype) == (theirs.shape, theirs.dtype)
        array[...] = theirs
        assert repr(array[0]) == repr(theirs[0])


def test_a_block_is_used_again_by_an_array_of_about_its_size():
    array = memory.empty(SHAPE, np.float32)
    first = address(array)
    del array
    assert 40_000 <= free() <= 45_000
    assert address(memory.empty((25, 398), np.float32)) == first


@pytest.mark.parametrize(
    "hold",
    [
        lambda a: a[3:5],
        lambda a: a.T,
        lambda a: a.reshape(-1)[::7],
        lambda a: a.view(np.int32),
        lambda a: np.broadcast_to(a, (3, *a.shape)),
        lambda a: np.lib.stride_tricks.sliding_window_view(a, (2, 2)),
        lambda a: memoryview(a),
        lambda a: [a],
    ],
)
def test_no_block_is_used_again_while_somebody_holds_it(hold):
    array = memory.empty(SHAPE, np.float32)
    array[...] = 7
    held = hold(array)
    first = address(array)
    del array
    others = [memory.zeros(SHAPE, np.float32) for _ in range(20)]
    assert first not in map(address, others)
    assert np.asarray(held).size
    assert set(np.unique(np.asarray(held).view(np.int32))) == {np.float32(7).view(np.int32)}


@given(st.lists(st.tuples(st.integers(1, 90_000), st.booleans()), max_size=40))
def test_what_lives_keeps_its_numbers(plan):
    alive = []
    for number, (length, stays) in enumerate(plan):
        array = memory.empty((length,), np.float32)
        array.fill(number)
        if stays:
            alive.append((number, array))
        for value, array in alive:
            assert (array == value).all()


@pytest.mark.parametrize("dtype", [bool, "u1", "i8", "f2", "f4", ">f4", "f8", "longdouble", "c16"])
def test_an_array_is_an_ordinary_one(dtype):
    array = memory.empty((7, 50, 100), dtype)
    assert type(array) is np.ndarray
    like = np.empty((7, 50, 100), dtype)
    assert (array.dtype, array.shape, array.strides) == (like.dtype, like.shape, like.strides)
    assert array.flags.writeable
    assert array.flags.aligned
    assert array.flags.c_contiguous
    array[...] = np.arange(array.size).reshape(array.shape) % 2
    file = BytesIO()
    np.save(file, array)
    file.seek(0)
    for twin in array.copy(), pickle.loads(pickle.dumps(array)), np.load(file), array + 0:
        assert_array_equal(twin, array)
        assert not np.shares_memory(twin, array)


def test_small_and_very_large_arrays_are_numpys_own():
    for shape in [], [4], [0, 5], [1 << 12], [(1 << 23) + 1]:
        array = memory.empty(tuple(shape), np.float32)
        assert array.flags.owndata
    assert free() == 0


def test_more_than_there_is_is_an_error_as_numpys():
    with pytest.raises((MemoryError, ValueError)):
        memory.empty((1 << 60,), np.float64)
    with pytest.raises((MemoryError, ValueError)):
        memory.empty((1 << 40, 1 << 40), np.float64)


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=5).flatmap(
        lambda shape: st.tuples(st.just(shape), st.permutations(range(len(shape))))
    )
)
def test_like_another_it_has_its_order_in_memory(drawn):
    shape, axes = drawn
    other = np.zeros([2 * n for n in shape], np.float32).transpose(axes)
    for array in other, other[::2], other[..., ::2]:
        ours, theirs = memory.empty_like(array, np.float64), np.empty_like(array, np.float64)
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        if 0 not in array.shape and 1 not in array.shape:
            assert ours.strides == theirs.strides


def test_a_copy_lies_row_after_row():
    array = np.arange(60_000.0).reshape(2, 300, 100).T
    copied = memory.copy(array, np.float32)
    assert copied.flags.c_contiguous
    assert copied.dtype == np.float32
    assert_array_equal(copied, array)


def test_no_more_lies_free_than_the_bound():
    for size in 1 << 25, 1 << 22, 1 << 15:
        arrays = [memory.empty((size,), np.uint8) for _ in range(memory.KEPT // size + 3)]
        while arrays:
            arrays.pop()
            assert free() <= memory.KEPT
    assert free() > 0


@pytest.mark.slow
def test_threads_share_it():
    wrong = []

    def work(number):
        for turn in range(300):
            arrays = [memory.empty((5000 + 100 * turn,), np.float32) for _ in range(4)]
            for array in arrays:
                array.fill(number)
            wrong.extend(array for array in arrays if (array != number).any())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_has_its_own():
    code = """
import os, numpy as np
from convdocs import memory
held = memory.zeros((100_000,), np.float32)
memory.zeros((100_000,), np.float32)
child = os.fork()
new = memory.empty((100_000,), np.float32)
new.fill(1 + (child == 0))
if child == 0:
    os._exit(int((new != 2).any() or held.any()))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), (new == 1).all(), held.any())
"""
    assert run(code) == "0 True False"


@pytest.mark.slow
@pytest.mark.parametrize(
    "held",
    [
        "array = memory.empty((9999,), float)",
        "import sys; sys.held = memory.empty((9999,), float)",
        "memory.held = memory.empty((9999,), float)",
        "ring = [memory.empty((9999,), float)]; ring.append(ring)",
        "import atexit; atexit.register(lambda a: a.fill(1), memory.empty((9999,), float))",
    ],
)
def test_an_array_may_outlive_the_module(held):
    assert run(f"from convdocs import memory\n{held}\nprint('done')") == "done"


LAYERS = [
    *(Conv2d(1, 6, 5, padding=2), BatchNorm2d(6), ReLU(), MaxPool2d(2)),
    *(Conv2d(6, 9, 3, 2), ReLU(), MaxPool2d(3, 1, 1), Flatten(), Dropout(0.3)),
    *(Linear(324, 99), ReLU(), Linear(99, 5)),
]


def test_training_is_the_same_to_the_last_bit_with_new_memory(monkeypatch, rng):
    X, y = rng.normal(size=(150, 1, 28, 28)).astype(np.float32), rng.integers(0, 5, 150)
    before = X.copy()
    first = pickle.loads(pickle.dumps(CNN(LAYERS)))
    second = pickle.loads(pickle.dumps(first))
    first.fit(X, y, epochs=2, rng=0, optimizer=Adam())
    assert free() > 0
    with monkeypatch.context() as new:
        new.setattr(memory, "MOST", 0)
        second.layers[8].rng = np.random.default_rng(0)
        second.fit(X, y, epochs=2, rng=0, optimizer=Adam())
    for ours, theirs in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert_array_equal(ours, theirs, strict=True)
    assert_array_equal(first.predict_proba(X), second.predict_proba(X), strict=True)
    assert_array_equal(X, before)


def test_inference_keeps_nothing_and_training_gives_everything_back(rng):
    X, y = rng.normal(size=(64, 1, 28, 28)).astype(np.float32), rng.integers(0, 5, 64)
    model = pickle.loads(pickle.dumps(CNN(LAYERS)))
    model.predict(X)
    assert all(getattr(layer, "winners", None) is None for layer in model.layers)
    assert all(layer.x is None for layer in model.layers)
    model.fit(X, y, epochs=1)
    held = free()
    del model
    gc.collect()
    assert free() > held  # what the layers remembered of the last step lies free, too


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts Linux's page faults")
def test_a_warm_step_asks_the_kernel_for_no_memory():
    code = """
import resource, numpy as np
from convdocs import CNN, SGD, Conv2d, Flatten, Linear, MaxPool2d, ReLU
rng = np.random.default_rng(0)
model = CNN([Conv2d(1, 6, 5, padding=2), ReLU(), MaxPool2d(2), Conv2d(6, 16, 5), ReLU(),
             MaxPool2d(2), Flatten(), Linear(400, 120), ReLU(), Linear(120, 10)])
X, y = rng.random((640, 1, 28, 28), np.float32), rng.integers(0, 10, 640)
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
model.fit(X, y, epochs=2, optimizer=SGD(0.01))
before = faults()
model.fit(X, y, epochs=5, optimizer=SGD(0.01))
print((faults() - before) / 100)
"""
    assert float(run(code)) < 100


def test_before_too_much_would_lie_free_all_goes_back():
    memory.POOL.clear()
    arrays = [memory.empty((memory.MOST,), np.uint8) for _ in range(memory.KEPT // memory.MOST)]
    del arrays
    assert memory.POOL.bytes == memory.KEPT
    small = memory.empty((1 << 20,), np.uint8)
    del small
    assert memory.POOL.bytes == 1 << 20
