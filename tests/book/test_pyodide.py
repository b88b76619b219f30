"""What the tests of live cells run is what readers get: of one version, and unchanged."""

import shutil

import pyodide
import pytest


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """Return a folder of the wheels that Pyodide's lock names, to spoil."""
    if pyodide.missing():
        pytest.skip("no Pyodide: python tests/pyodide.py fetches it")
    folder = shutil.copytree(pyodide.WHEELS, tmp_path / "wheels")
    monkeypatch.setattr(pyodide, "WHEELS", folder)
    return folder


def test_what_is_not_as_the_lock_says_is_missing(wheels):
    assert pyodide.missing() == []
    gone, changed, *_ = sorted(pyodide.wheels())
    (wheels / gone).unlink()
    with (wheels / changed).open("ab") as file:
        file.write(b"x")
    assert pyodide.missing() == [gone, changed]


def test_another_version_than_that_of_readers_is_refused(tmp_path, monkeypatch):
    assert pyodide.address().endswith("/full/")
    (tmp_path / "docs").mkdir()
    conf = (pyodide.ROOT / "docs" / "conf.py").read_text("utf-8")
    (tmp_path / "docs" / "conf.py").write_text(conf.replace("/v314", "/v315"), "utf-8")
    monkeypatch.setattr(pyodide, "ROOT", tmp_path)
    with pytest.raises(ValueError, match=r"/v315\..* Pyodide is 314\..*docs/web/package\.json"):
        pyodide.address()
