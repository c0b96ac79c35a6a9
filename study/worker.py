"""The worker is a process of its own: start it, see whether it lives, ask it to stop.

Nothing here imports torch, so the browser's process stays small; the work itself is in `study.run`.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from study import waiting
from study.errors import StudyError
from study.server import home, refuse_large, refuse_more_jobs

LOCK = "worker.lock"
LOG = "worker.log"
ROOT = waiting.ROOT


@contextmanager
def only_worker(folder: Path) -> Iterator[None]:
    """Hold the study's lock: two workers never measure one study at a time.

    Raises:
        StudyError: another process holds it. The kernel frees it when that process ends, however it ends.
    """
    path = folder / LOCK
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        # `alive` holds the lock for microseconds when it looks, so one refusal proves nothing; a second of them does.
        for attempt in range(20):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if attempt == 19:
                    pid = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
                    raise StudyError(
                        f"'{folder}' is being measured by another worker (process {pid}).",
                        "Wait for it, or cancel it first.",
                    ) from error
                time.sleep(0.05)
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


def alive(folder: Path) -> bool:
    """Whether a worker holds the study's lock at this moment."""
    _reap()
    try:
        handle = os.open(folder / LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


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
                env=waiting.surroundings(),
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
        pid = _holder(folder)
        if sign is not None and pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, sign)
        deadline = time.monotonic() + patience
        while alive(folder) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not alive(folder):
            return True
    return False


def _holder(folder: Path) -> int | None:
    """The process that wrote its id into the lock file and holds it."""
    text = (folder / LOCK).read_text(encoding="utf-8").strip() if alive(folder) else ""
    return int(text) if text.isdecimal() else None
