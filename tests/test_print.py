"""Formulas, the electronic book and the printed one."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_a_formula_that_cannot_be_set_fails_the_build_and_is_named(tmp_path):
    extensions = ROOT / "docs" / "_ext"
    (tmp_path / "conf.py").write_text(f"""
import sys
sys.path.insert(0, {str(extensions)!r})
extensions = ["myst_parser", "mathematics"]
myst_enable_extensions = ["dollarmath"]
""")
    for name, tex in {"index": r"\frac{1}{2}", "wrong": r"\fraq{1}{2}", "sign": "1 ✂ 2"}.items():
        (tmp_path / f"{name}.md").write_text(f"---\norphan: true\n---\n# Title\n\nHere ${tex}$.\n")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", tmp_path, tmp_path / "o"]
    done = subprocess.run(command, capture_output=True, text=True)
    complaints = done.stderr.splitlines()
    assert done.returncode == 1
    assert [name for name in ("index", "wrong", "sign") if name in done.stderr] == ["wrong", "sign"]
    assert any("wrong.md:6" in line and r"\fraq{1}{2}" in line for line in complaints)
    assert any("sign.md:6" in line and "1 ✂ 2" in line for line in complaints)
