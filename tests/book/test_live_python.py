"""What the tests of live cells run is what readers get: of one version, and unchanged."""

import shutil

import live_python
import pytest


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """Return a folder of the wheels that Pyodide's lock names, to spoil."""
    if live_python.missing():
        pytest.skip("no Pyodide: python tests/live_python.py fetches it")
    folder = shutil.copytree(live_python.WHEELS, tmp_path / "wheels")
    monkeypatch.setattr("_ext.offline.WHEELS", folder)
    return folder


def test_what_is_not_as_the_lock_says_is_missing(wheels):
    assert live_python.missing() == []
    gone, changed, *_ = sorted(live_python.wheels())
    (wheels / gone).unlink()
    with (wheels / changed).open("ab") as file:
        file.write(b"x")
    assert live_python.missing() == [gone, changed]


def test_another_version_than_that_of_readers_is_refused(tmp_path, monkeypatch):
    assert live_python.address().endswith("/full/")
    (tmp_path / "docs").mkdir()
    conf = (live_python.ROOT / "docs" / "conf.py").read_text("utf-8")
    (tmp_path / "docs" / "conf.py").write_text(conf.replace("/v314", "/v315"), "utf-8")
    monkeypatch.setattr(live_python, "ROOT", tmp_path)
    with pytest.raises(ValueError, match=r"/v315\..* Pyodide is 314\..*docs/web/package\.json"):
        live_python.address()
