"""The examples run as they are printed."""

from pathlib import Path

from tests.conftest import ROOT
from tests.forking import run_script


def test_the_demo_in_python(tmp_path: Path) -> None:
    done = run_script(ROOT / "examples" / "demo_in_python.py", str(tmp_path), "8", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "8 merges measured" in done.stdout
    assert "rebuilt byte for byte: True" in done.stdout
