"""A study's zip file back into a folder. The file is somebody else's: nothing in it is believed.

Only regular files below the target are written, names and sizes are checked before and while writing, and the folder
appears only when everything is there and `study.yaml` and the store could be read.
"""

from __future__ import annotations

import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from study.errors import StudyError
from study.folder.study_file import FILE
from study.study import Study, open_study

MOST_FILES = 200_000
MOST_GROWTH = 200  # times the zip's own size; a store of numbers shrinks to a tenth, a bomb to a thousandth
ROOM = 200_000_000  # bytes of disk that stay free
CHUNK = 1 << 20
BAD = re.compile(r'[\\:*?"<>|\x00-\x1f]')
CURE = "Take one that was downloaded under History, or made with: python -m study pack DIR OUT.zip."


def unpack(archive: Path, target: Path) -> Study:
    """Write a packed study into the folder ``target``, which must not exist yet.

    Raises:
        StudyError: one line: not a zip, not a study, a name that leads outside, a link, too large, no room.
    """
    target = target.expanduser().resolve()
    if target.exists():
        raise StudyError(f"'{target}' exists already.", "Choose a new folder: nothing is ever overwritten.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".incoming-", dir=target.parent))
    except OSError as error:
        raise StudyError(f"'{target}' cannot be made: {error}.", "Choose another folder.") from None
    try:
        with zipfile.ZipFile(archive) as opened:
            for entry, name in _checked(opened, archive, draft):
                _write(opened, entry, draft / name)
        _ = open_study(draft).store.revision()
        draft.chmod(0o755)
        draft.replace(target)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, zlib.error) as error:
        shutil.rmtree(draft, ignore_errors=True)
        if isinstance(error, StudyError):
            raise StudyError(str(error).replace(str(draft), archive.name)) from None
        why = f": {error}" if zipfile.is_zipfile(archive) else ""
        raise StudyError(f"'{archive}' is not a readable zip file{why}.", CURE) from None
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return open_study(target)


def _checked(opened: zipfile.ZipFile, archive: Path, draft: Path) -> list[tuple[zipfile.ZipInfo, str]]:
    """The entries with their names below the study's folder; refuses the whole zip if one is wrong."""
    entries = [entry for entry in opened.infolist() if not entry.is_dir()]
    if len(entries) > MOST_FILES:
        raise StudyError(f"'{archive}' holds {len(entries):,} files; at most {MOST_FILES:,} are allowed.", CURE)
    for entry in entries:
        _check(entry, archive)
    tops = {entry.filename.partition("/")[0] for entry in entries if "/" in entry.filename}
    names = [entry.filename for entry in entries]
    top = "" if FILE in names else next((f"{one}/" for one in sorted(tops) if f"{one}/{FILE}" in names), None)
    if top is None:
        raise StudyError(f"'{archive}' holds no {FILE}, so it is not a study.", CURE)
    kept = [(entry, entry.filename.removeprefix(top)) for entry in entries if entry.filename.startswith(top)]
    lowered = [name.lower() for _, name in kept]
    if len(set(lowered)) < len(lowered):
        twice = next(name for name in lowered if lowered.count(name) > 1)
        raise StudyError(f"'{archive}' holds '{twice[:80]}' twice.", CURE)
    _check_room(sum(entry.file_size for entry, _ in kept), archive, draft)
    return kept


def _check(entry: zipfile.ZipInfo, archive: Path) -> None:
    name = entry.filename
    path = PurePosixPath(name)
    shown = ascii(name[:80])
    kind = entry.external_attr >> 16
    if path.is_absolute() or ".." in path.parts or not path.parts or BAD.search(name) or len(name) > 400:
        raise StudyError(f"'{archive}' holds the name {shown}, which may lead outside the study.", CURE)
    if any(part.startswith(".") for part in path.parts):
        raise StudyError(f"'{archive}' holds the hidden file {shown}.", CURE)
    if stat.S_IFMT(kind) not in (0, stat.S_IFREG):
        raise StudyError(f"'{archive}' holds {shown}, which is a link or a device, not a file.", CURE)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise StudyError(f"'{archive}' holds {shown}, compressed in a way that is not known.", CURE)
    if entry.flag_bits & 0x1:
        raise StudyError(f"'{archive}' is encrypted.", CURE)


def _check_room(needed: int, archive: Path, draft: Path) -> None:
    if needed > MOST_GROWTH * archive.stat().st_size:
        raise StudyError(f"'{archive}' would grow to {needed / archive.stat().st_size:.0f} times its size.", CURE)
    free = shutil.disk_usage(draft).free
    if needed + ROOM > free:
        raise StudyError(
            f"The study needs {needed / 1e6:.0f} MB, {free / 1e6:.0f} MB are free at '{draft.parent}'.",
            "Free some space, or choose a folder on another disk.",
        )


def _write(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> None:
    """One file, never more bytes than the zip's directory said."""
    path.parent.mkdir(parents=True, exist_ok=True)
    left = entry.file_size
    with opened.open(entry) as source, open(path, "xb") as file:
        while block := source.read(CHUNK):
            left -= len(block)
            if left < 0:
                raise StudyError(f"{ascii(entry.filename[:80])} is larger than the zip says.", CURE)
            file.write(block)
