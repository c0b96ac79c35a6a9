"""The lock of a study: one process at a time measures it. The kernel frees it however that process ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from study.errors import StudyError

LOCK = "worker.lock"


@contextmanager
def only_worker(folder: Path) -> Iterator[None]:
    """Hold the study's lock: two workers never measure one study at a time.

    Raises:
        StudyError: another process holds it.
    """
    path = folder / LOCK
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        # `held` holds the lock for microseconds when it looks, so one refusal proves nothing; a second of them does.
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


def held(folder: Path) -> bool:
    """Whether a process holds the study's lock at this moment."""
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


def holder(folder: Path) -> int | None:
    """The process that wrote its id into the lock file and holds it."""
    text = (folder / LOCK).read_text(encoding="utf-8").strip() if held(folder) else ""
    return int(text) if text.isdecimal() else None
