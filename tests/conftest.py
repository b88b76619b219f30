"""What test modules share: the seed, PyTorch where it is installed, the built book, a browser."""

import gc
import os
import shutil
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from places import SITE, make

os.environ["LC_ALL"] = "C.UTF-8"  # as in `make`: no language that a machine may lack
# With the last, V8 hands no work to other threads, which costs more on pages so short-lived.
FLAGS = (
    "--no-sandbox --disable-gpu --disable-background-networking --no-first-run "
    "--js-flags=--single-threaded"
).split()

# `make quick` names its own profile: the same examples, but fewer.
for name, examples in {"quick": 20, "tests": 100}.items():
    hypothesis.settings.register_profile(
        name, deadline=None, max_examples=examples, derandomize=True
    )
hypothesis.settings.load_profile("tests")


BOOK = Path(__file__).parent / "book"
AGAIN = pytest.mark.flaky(reruns=1, only_rerun=["pytest-timeout", "no end of"])


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Look for no garbage while tests are collected, and never again among what that made."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(tryfirst=True)  # pytest-xdist looks for groups in a hook of its own
def pytest_collection_modifyitems(items):
    """Put the tests of the book first, and then slow ones: what takes long must not begin last.

    All tests that ask for the Python of a browser go to one worker, which starts it once.

    Where tests share the processor, one of these that hangs, as a browser may, begins once more.
    To ask that of all would take each test 30 ms: the workers count in one place.
    """
    items.sort(key=lambda item: (item.path.parent != BOOK, not item.get_closest_marker("slow")))
    for item in items:
        for name in {"python", "cold"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group(name))
    if "PYTEST_XDIST_WORKER" in os.environ:
        for item in items:
            if item.path.parent == BOOK:
                item.add_marker(AGAIN)


def pytest_terminal_summary(terminalreporter):
    """Say of tests that began once more what had ended them."""
    for report in terminalreporter.stats.get("rerun", ()):
        why = [line for line in report.longreprtext.splitlines() if line.startswith("E ")][:1]
        terminalreporter.line(" ".join(["BEGUN AGAIN", report.nodeid, *why]))


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


@pytest.fixture(scope="session")
def browser():
    """Return Chromium, or skip the test that asks for it: playwright allows one to a thread.

    Without all that a window has, it takes half the time.
    """
    chromium = os.environ.get("CHROMIUM")
    for name in ("chromium-headless-shell", "chromium"):
        chromium = chromium or shutil.which(name)
    if not chromium:
        pytest.skip("no Chromium: name one in CHROMIUM")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def built():
    """Return the folder of the site as it is now; `make test` has built it."""
    return SITE if "BOOK_IS_BUILT" in os.environ else make("html")


@pytest.fixture(scope="session")
def site(browser, built):
    """Return the address that serves the book."""
    from pages import served  # with playwright, which only the book's tests need

    with served(built) as address:
        yield address
