"""What every test module shares: the seed, PyTorch where it is installed, Hypothesis' settings."""

import hypothesis
import numpy as np
import pytest

hypothesis.settings.register_profile("tests", deadline=None, max_examples=100, derandomize=True)
hypothesis.settings.load_profile("tests")


@pytest.fixture
def rng():
    """Return a generator with a fixed seed."""
    return np.random.default_rng(20)


@pytest.fixture(scope="session")
def torch():
    """Return PyTorch, or skip the test that asks for it."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch
