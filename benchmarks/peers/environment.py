"""A virtual environment of the peers' own: never the product's."""

import json
import os
import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TORCH = "torch==2.13.0"
PEERS = ("mergekit==0.1.5", "fusion-bench==0.2.33", "peft==0.21.2", "optuna==5.0.0")
MARK = "installed.json"


def environment(folder: Path, packages: Sequence[str] = (TORCH, *PEERS)) -> Path:
    """Make the environment in `folder`, unless it stands there already, and return its Python."""
    python = folder / "bin" / "python"
    mark = folder / MARK
    wanted = list(packages)
    if mark.is_file() and python.is_file() and json.loads(mark.read_text()) == wanted:
        return python
    venv.create(folder, with_pip=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
    subprocess.run(command, check=True)
    mark.write_text(json.dumps(wanted) + "\n")
    return python


def call(python: Path, script: Path, *arguments: str) -> dict[str, Any]:
    """Run a script of this folder in the peers' environment and return the JSON object of its last line."""
    command = [str(python), str(script), *arguments]
    quiet = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, capture_output=True, text=True, env=quiet, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{script.name} failed in the peers' environment:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
