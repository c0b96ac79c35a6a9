"""A whole study as one zip file, written as a stream: memory does not grow with the study.

What can be made again is left out (prepared samples, the methods' directions, exports unless asked for), and so is what
belongs to this machine (locks, logs). Weights and data that lie outside the folder stay where they are.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from study.errors import StudyError
from study.folder.store import FILE as STORE
from study.study import Study

CHUNK = 1 << 20
SMALL = (".yaml", ".json", ".csv", ".md", ".txt", ".sqlite")  # the rest (weights, arrays, pictures) hardly shrinks
MADE_AGAIN = ("directions",)
EXPORTS = "exports"
OF_THIS_MACHINE = (".lock", ".log", ".part", ".job", ".sqlite-wal", ".sqlite-shm")


def contents(folder: Path, exports: bool = False) -> list[Path]:
    """The files of a study that go into its zip, relative to the folder, in order; the store is among them."""
    left_out = {*MADE_AGAIN, *(() if exports else (EXPORTS,))}
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        here = Path(place).relative_to(folder)
        folders[:] = [one for one in folders if not one.startswith(".") and not (here == Path(".") and one in left_out)]
        found += [here / name for name in files if _belongs(here, name) and (Path(place) / name).is_file()]
    return sorted(found)


def _belongs(here: Path, name: str) -> bool:
    prepared = here.parts[:1] == ("samples",) and name.endswith(".npy")
    return not name.startswith(".") and not name.endswith(OF_THIS_MACHINE) and not prepared


def size(folder: Path, exports: bool = False) -> int:
    """Bytes of what goes into the zip, before compression."""
    return sum((folder / name).stat().st_size for name in contents(folder, exports))


def pack(study: Study, out: Path, exports: bool = False) -> int:
    """Write a study's zip; its bytes. The file appears only when it is complete.

    Raises:
        StudyError: ``out`` exists, or cannot be written.
    """
    out = out.expanduser().resolve()
    if out.exists():
        raise StudyError(f"'{out}' exists already.", "Choose a new name: nothing is ever overwritten.")
    draft = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with open(draft, "wb") as file:
            for block in stream(study, exports):
                file.write(block)
        draft.replace(out)
    except OSError as error:
        raise StudyError(f"'{out}' cannot be written: {error}.", "Is the disk full, or the folder read-only?") from None
    finally:
        draft.unlink(missing_ok=True)
    return out.stat().st_size


def stream(study: Study, exports: bool = False) -> Iterator[bytes]:
    """The zip file block by block. The store goes in as it is at this instant, whatever a worker writes meanwhile."""
    sink = _Sink()
    with tempfile.TemporaryDirectory() as place, zipfile.ZipFile(sink, "w", allowZip64=True) as archive:
        top = study.folder.name
        for name in contents(study.folder, exports):
            source = study.folder / name
            if name == Path(STORE):
                source = snapshot(source, Path(place) / STORE)
            yield from _add(archive, sink, source, f"{top}/{name.as_posix()}")
    yield sink.take()


def snapshot(store: Path, target: Path) -> Path:
    """A consistent copy of a store that may be written to meanwhile; the path of the copy."""
    with (
        closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)
    return target


def _add(archive: zipfile.ZipFile, sink: _Sink, source: Path, name: str) -> Iterator[bytes]:
    facts = source.stat()
    entry = zipfile.ZipInfo(name, time.localtime(max(facts.st_mtime, 315532800))[:6])  # zip knows no time before 1980
    entry.compress_type = zipfile.ZIP_DEFLATED if name.endswith(SMALL) else zipfile.ZIP_STORED
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    entry.file_size = facts.st_size
    with open(source, "rb") as file, archive.open(entry, "w", force_zip64=facts.st_size > 1 << 31) as target:
        while block := file.read(CHUNK):
            target.write(block)
            yield sink.take()


class _Sink:
    """What zipfile writes to: holds a block until it is taken."""

    def __init__(self) -> None:
        self._held = bytearray()

    def write(self, block: bytes, /) -> int:
        self._held += block
        return len(block)

    def flush(self) -> None:
        """Nothing waits anywhere else."""

    def close(self) -> None:
        """Nothing is open."""

    def take(self) -> bytes:
        taken = bytes(self._held)
        self._held.clear()
        return taken
