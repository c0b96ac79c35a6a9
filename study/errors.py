"""The errors of this package, and what the computer could not do said as one of them."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "too little memory")
DEVICE = ("CUDA error", "cuDNN error", "CUBLAS", "HIP error", "MPS backend")


class StudyError(ValueError):
    """A request that cannot be met: what, where, the value, what is allowed; ``cure`` says how to mend it."""

    def __init__(self, message: str, cure: str = "") -> None:
        """Keep both parts; ``str()`` joins them into the one line that people see."""
        super().__init__(" ".join(f"{message} {cure}".split()))
        self.cure = cure


class Failure(StudyError):  # noqa: N818 - the word that people see
    """The computer, not the request, is in the way: a full disk, no memory, a file that cannot be read.

    What was done is kept, and the same command goes on once the cure is done.
    """


def of_the_computer(error: BaseException, folder: Path) -> Failure | None:
    """What the computer could not do, in one line with the cure; None if the error is of another kind."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, OSError) and error.errno in FULL or _full_store(error):
        where = getattr(error, "filename", None) or folder
        return Failure(
            f"There is no room left on the disk (or in the quota) of '{where}'.",
            "Free some and give the same command again: every finished trial is kept.",
        )
    if isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY):
        return Failure(
            f"Memory ran out ({_line(error)}).",
            "Close other programs or choose another device, then give the same command again: "
            "every finished trial is kept.",
        )
    if isinstance(error, RuntimeError) and any(words in str(error) for words in DEVICE):
        return Failure(f"The device failed ({_line(error)}).", "Give the same command again, or choose another device.")
    if isinstance(error, OSError):
        where = f" of '{error.filename}'" if error.filename else ""
        return Failure(
            f"Reading or writing{where} failed: {error.strerror or error}.",
            "Mend that and give the same command again: every finished trial is kept.",
        )
    return None


def _full_store(error: BaseException) -> bool:
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorname", "").startswith("SQLITE_FULL")


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
