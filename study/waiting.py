"""A process that has imported everything and waits for one command: what it is asked for then starts at once.

Importing torch and the model libraries takes seconds, and a person who presses a button should not sit through them.
The browser's process keeps one such process ready; it never has more than one, and it loads nothing itself. Without one
(`keep_ready` was not called, or it died) a command starts in a fresh interpreter.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import subprocess
import sys
import threading
from contextlib import nullcontext, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SWITCH = "MERGESCAPE_READY"  # 0: keep none ready (where memory is short)
PATIENCE = 1800.0  # seconds without an order after which it gives its memory back
WANTED = ("torch", "study.run", "study.export", "open_clip")
_lock = threading.Lock()
_ready: list[subprocess.Popen[bytes]] = []
_told: list[str] = []


def keep_ready() -> None:
    """See to it that one process waits; costs nothing where one does. Never raises: it is only about speed."""
    if os.environ.get(SWITCH, "1") == "0":
        return
    with _lock:
        _ready[:] = [one for one in _ready if one.poll() is None]
        if _ready:
            return
        command = [sys.executable, "-m", "study.waiting"]
        try:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env=surroundings(),
            )
        except OSError:  # no process to be had: commands start in fresh interpreters
            return
        give_way(process.pid)
        _ready.append(process)
    threading.Thread(target=_listen, args=(process,), daemon=True).start()


def told() -> str | None:
    """What the waiting process said of the merging methods (the JSON of `python -m merging --list`), once it did."""
    return _told[0] if _told else None


def _listen(process: subprocess.Popen[bytes]) -> None:
    with process.stdout or nullcontext() as said:
        line = said.readline() if said else b""
    if line.strip():
        _told[:] = [line.decode()]


def hand_over(words: list[str], log: Path) -> subprocess.Popen[bytes] | None:
    """Give `python -m study WORDS` to the waiting process, output appended to a log; None if none waits."""
    with _lock:
        while _ready:
            process = _ready.pop()
            if process.poll() is None and process.stdin is not None:
                order = json.dumps({"words": words, "log": str(log)}) + "\n"
                try:
                    process.stdin.write(order.encode())
                    process.stdin.close()
                except OSError:  # it died between the two lines
                    continue
                return process
    return None


def give_way(pid: int) -> None:
    """Let the screen go before the work: a mix measured a little later is not noticed, a screen that sticks is."""
    with suppress(OSError):  # it has ended already
        os.setpriority(os.PRIO_PROCESS, pid, 5)


def surroundings() -> dict[str, str]:
    """The environment of a command of this package: it finds the package from any folder."""
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths).rstrip(":")}


def main() -> None:
    """Import, wait for one order on stdin, obey it. Ends without a word when the asker has gone."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for name in WANTED:
        with suppress(Exception):  # a command that needs it meets the same error and writes it into its log
            importlib.import_module(name)
    from merging import describe, methods

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
    from study.commands import main as command

    command()


def _redirect(log: Path) -> None:
    """Standard output and error into the log, standard input from nowhere."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (out, 1), (out, 2)):
        os.dup2(source, target)


if __name__ == "__main__":
    main()
