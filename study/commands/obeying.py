"""The process that has imported everything and waits for one command (`study.background.waiting` keeps it).

Importing torch and the model libraries takes seconds, and a person who presses a button should not sit through them.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import sys
from contextlib import suppress
from pathlib import Path

from study.commands.terminal import main as command

PATIENCE = 1800.0  # seconds without an order after which it gives its memory back
WANTED = ("torch", "study.run", "study.export", "scipy.stats")


def main() -> None:
    """Import, wait for one order on stdin, obey it. Ends without a word when the asker has gone."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for name in WANTED:
        with suppress(Exception):  # a command that needs it meets the same error and writes it into its log
            importlib.import_module(name)
    with suppress(Exception):
        importlib.import_module("evaluation.models.lean").open_clip()
    from merging import describe, methods  # after the rest: it loads torch

    listed = {"methods": [describe(kind) for kind in methods().values()]}
    sys.stdout.write(json.dumps(listed, ensure_ascii=False) + "\n")
    sys.stdout.flush()
    readable, _, _ = select.select([sys.stdin], [], [], PATIENCE)
    line = sys.stdin.readline() if readable else ""
    if not line:
        return
    order = json.loads(line)
    _redirect(Path(order["log"]))
    sys.argv = ["study", *order["words"]]
    command()


def _redirect(log: Path) -> None:
    """Standard output and error into the log, standard input from nowhere."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (out, 1), (out, 2)):
        os.dup2(source, target)


if __name__ == "__main__":
    main()
