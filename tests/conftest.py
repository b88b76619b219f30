"""What test modules share: the seed, PyTorch where it is installed, the built book, a browser."""

import functools
import os
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from places import ROOT, SITE

FLAGS = "--no-sandbox --disable-gpu --disable-background-networking --no-first-run".split()

hypothesis.settings.register_profile("tests", deadline=None, max_examples=100, derandomize=True)
hypothesis.settings.load_profile("tests")


def pytest_collection_modifyitems(items):
    """Put the tests of the book first: what takes long must not begin last."""
    items.sort(key=lambda item: "book" not in item.path.parts)


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
    """Return Chromium, or skip the test that asks for it: playwright allows one to a thread."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not chromium:
        pytest.skip("no Chromium: name one in CHROMIUM")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Say nothing."""


def make(form):
    """Build the book in one of its forms, where it has changed, and return its folder."""
    command = ["make", "-C", ROOT, "-o", ".venv/ready", form, f"BIN={Path(sys.executable).parent}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / "docs" / "_build" / form


@pytest.fixture(scope="session")
def built():
    """Return the folder of the site as it is now; `make test` has built it."""
    return SITE if "BOOK_IS_BUILT" in os.environ else make("html")


@pytest.fixture(scope="session")
def site(browser, built):
    """Return the address that serves the book."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=built))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
