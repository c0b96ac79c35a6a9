"""Keeping one process ready that has imported everything (`study.commands.obeying`): it obeys at once.

Importing torch and the model libraries takes seconds, and a person who presses a button should not sit through them.
The browser's process keeps one such process ready; it never has more than one, and it loads nothing itself. Without one
(`keep_ready` was not called, or it died) a command starts in a fresh interpreter.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import nullcontext, suppress
from pathlib import Path

from study.checkout import ROOT, surroundings

SWITCH = "MERGESCAPE_READY"  # 0: keep none ready (where memory is short)
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
        command = [sys.executable, "-m", "study.commands.obeying"]
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
