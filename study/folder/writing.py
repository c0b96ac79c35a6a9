"""Files that appear whole or not at all, and the sweeping of what a killed writer left. No torch here."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import Path

# What `replacing` here, merging's writer and the cache of samples call a file that is not complete.
DRAFT = re.compile(r"^\..+\.[a-z0-9_]{8}(\.part)?$")
STALE = 3600.0  # seconds; a younger draft may belong to a process that still writes it


@contextmanager
def replacing(path: Path) -> Iterator[BufferedRandom]:
    """A binary file that becomes ``path`` when the block ends well, complete and safe from a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def replace_text(path: Path, text: str) -> None:
    """Write a text file, UTF-8, whole or not at all."""
    with replacing(path) as file:
        file.write(text.encode())


def sweep(folder: Path, now: float | None = None) -> list[Path]:
    """Remove the drafts that killed writers left below a study's folder more than an hour ago; which ones."""
    gone = []
    before = (time.time() if now is None else now) - STALE
    for path in folder.rglob(".*"):
        if not DRAFT.match(path.name) or path.is_symlink():
            continue
        with suppress(OSError):
            if path.stat().st_mtime < before:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                gone.append(path)
    return gone
