"""The examples run as they are printed."""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def test_the_demo_in_python(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / "demo_in_python.py"), str(tmp_path), "8"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env={**os.environ}, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "8 merges measured" in done.stdout
    assert "rebuilt byte for byte: True" in done.stdout
