"""Fingerprints kept from one run to the next: files that nobody has touched since are not read again.

Touched, as git's index has it: another inode, size, time of change of the contents or of the file's entry. A file that
changed in the last moments before it was read is read again, since a clock's step may hide another change. What the
program has written is always verified from its bytes, never from here. No torch here, which takes seconds to load.
"""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

FORMAT = 1
CACHE = "MERGESCAPE_CACHE"  # environment: another folder; empty: nothing is kept
SETTLED = 2 * 10**9  # nanoseconds; the coarsest clock of a file system in use
State = tuple[tuple[str, int, int, int, int], ...]


def state(files: Sequence[Path]) -> State:
    """Return what changes when a file is written anew: place, inode, size, and the times of change in nanoseconds."""
    states = [(os.path.realpath(file), os.stat(file)) for file in files]
    return tuple((path, one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns) for path, one in states)


def remembered(files: Sequence[Path], first: bytes, take: Callable[[], str]) -> str:
    """Return the fingerprint kept of `files` (and `first`, which belongs to it); else `take` it and keep it.

    A cache that cannot be read or written costs the time of reading the files, and nothing else.
    """
    before, begun = state(files), time.time_ns()
    place = _place(before, first)
    if place is None:
        return take()
    known = _known(place, before)
    if known is not None:
        return known
    found = take()
    newest = max(max(mtime, ctime) for *_, mtime, ctime in before)
    if newest + SETTLED < begun and state(files) == before:
        with suppress(OSError):
            _keep(place, before, found)
    return found


def folder() -> Path | None:
    """The folder of what is kept; None: nothing is kept. `study.server` says the same without torch."""
    named = os.environ.get(CACHE)
    if named == "":
        return None
    try:
        usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mergescape"
        return Path(named).expanduser() if named else usual
    except RuntimeError:  # no home
        return None


def _place(files: State, first: bytes) -> Path | None:
    """Where the fingerprint of these files is kept: one place a checkpoint, however often it changes."""
    cache = folder()
    if cache is None:
        return None
    whose = json.dumps([FORMAT, [path for path, *_ in files], first.hex()])
    return cache / "fingerprints" / f"{hashlib.sha256(whose.encode()).hexdigest()[:32]}.json"


def _known(place: Path, files: State) -> str | None:
    try:
        kept = json.loads(place.read_text(encoding="utf-8"))
        same = kept["files"] == [list(each) for each in files]
        found = str(kept["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if same and len(found) == hashlib.sha256().digest_size * 2 else None


def _keep(place: Path, files: State, found: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=place.parent, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"files": files, "fingerprint": found}, file)
        os.replace(temporary, place)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
