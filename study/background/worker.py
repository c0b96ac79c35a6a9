"""The worker is a process of its own: start it, see whether it lives, ask it to stop.

Nothing here imports torch, so the browser's process stays small; the work itself is in `study.run`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from study.background import waiting
from study.checkout import ROOT, surroundings
from study.folder.lock import held, holder
from study.server import home, refuse_large, refuse_more_jobs

LOG = "worker.log"


def alive(folder: Path) -> bool:
    """Whether a worker holds the study's lock at this moment."""
    _reap()
    return held(folder)


def start(
    folder: Path,
    trials: int | None = None,
    method: str | None = None,
    seed: int | None = None,
    device: str | None = None,
    surrogate: str | None = None,
) -> int:
    """Start a worker in a session of its own, so that it outlives the caller; its process id.

    With ``trials`` None it measures only what is proposed already. Output goes to `worker.log` in the folder.

    Raises:
        StudyError: the study is larger, or more studies are being measured, than this server allows.
    """
    refuse_large(folder)
    refuse_more_jobs(sum(alive(path.parent) for path in home().glob("*/study.yaml")))
    command = [sys.executable, "-m", "study", "run", str(folder)]
    command += ["--trials", str(trials if trials is not None else 0)]
    command += ["--method", method] if method else []
    command += ["--seed", str(seed)] if seed is not None else []
    command += ["--device", device] if device else []
    command += ["--surrogate", surrogate] if surrogate else []
    return spawn(command, folder / LOG)


def spawn(command: list[str], log: Path) -> int:
    """Run a command of this package detached, its output appended to a log; its process id.

    `python -m study …` goes to the process that waits with everything imported, if there is one.
    """
    ours = command[:3] == [sys.executable, "-m", "study"]
    process = waiting.hand_over(command[3:], log) if ours else None
    if process is None:
        with open(log, "ab") as out:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env=surroundings(),
            )
    waiting.give_way(process.pid)
    _CHILDREN.append(process)
    _reap()
    return process.pid


def busy() -> bool:
    """Whether a process that was started from here still works."""
    _reap()
    return bool(_CHILDREN)


def _reap() -> None:
    """Collect finished children without waiting, so that none stays a zombie of a long-lived server."""
    _CHILDREN[:] = [child for child in _CHILDREN if child.poll() is None]


_CHILDREN: list[subprocess.Popen[bytes]] = []


def stop(folder: Path, patience: float = 10.0) -> bool:
    """Make sure that the worker ends: SIGTERM after it ignored the cancel flag for ``patience`` seconds, then SIGKILL.

    A killed worker loses nothing but the trial it was in.
    """
    for sign in (None, signal.SIGTERM, signal.SIGKILL):
        pid = holder(folder)
        if sign is not None and pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, sign)
        deadline = time.monotonic() + patience
        while alive(folder) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not alive(folder):
            return True
    return False
