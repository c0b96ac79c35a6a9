"""The studies on this machine, for the browser: list, find, name, copy, remove, bring back, take in."""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from study.background.worker import alive
from study.errors import StudyError
from study.folder.store import FILE as STORE
from study.folder.study_file import FILE
from study.keeping.pack import contents, snapshot
from study.keeping.unpack import unpack
from study.server import confined
from study.server import home as home
from study.study import Study, open_study

TRASH = ".trash"


@dataclass(frozen=True)
class Entry:
    """One line of the list of studies; ``problem`` is set where the study file is wrong."""

    key: str
    folder: Path
    name: str
    changed: float
    done: int
    running: bool
    problem: str | None = None
    phase: str | None = None  # what the worker said last


def studies() -> list[Entry]:
    """All studies in the home folder, the most recently changed first."""
    place = home()
    folders = [path.parent for path in place.glob(f"*/{FILE}")] if place.is_dir() else []
    return sorted((_entry(folder) for folder in folders), key=lambda entry: -entry.changed)


def _entry(folder: Path) -> Entry:
    changed = max(path.stat().st_mtime for path in (folder / FILE, folder / STORE) if path.exists())
    try:
        study = open_study(folder)
        own = [trial for trial in study.done() if trial.origin != "baseline"]
        phase = study.store.progress().phase
        return Entry(folder.name, folder, study.settings.name, changed, len(own), alive(folder), phase=phase)
    except StudyError as error:
        return Entry(folder.name, folder, folder.name, changed, 0, False, str(error))


def find(key: str) -> Study:
    """The study with this key (its folder's name inside the home folder; never a path).

    Raises:
        StudyError: there is none, or its study.yaml is wrong.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", key) or not (home() / key / FILE).is_file():
        raise StudyError(
            f"The study '{key[:100]}' is not on this computer.",
            "Look into the trash under History, or ask for it as a zip file and bring that in there.",
        )
    return open_study(confined(home() / key))


def new_folder(name: str) -> Path:
    """A folder in the home folder that no study uses yet, named after the study."""
    stem = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()[:60] or "study"
    place = home()
    taken = {path.name for path in place.iterdir()} if place.is_dir() else set()
    key = stem
    number = 2
    while key in taken:
        key, number = f"{stem}-{number}", number + 1
    return place / key


def rename(key: str, name: str) -> None:
    """Give a study another name; its folder and link stay."""
    study = find(key)
    Study(study.folder, study.settings.model_copy(update={"name": name})).save()


def duplicate(key: str) -> str:
    """A copy of a study with everything measured, to be changed without touching the first; its key."""
    study = find(key)
    target = new_folder(f"{key}-copy")
    draft = target.with_name(f".{target.name}.part")
    try:
        for name in contents(study.folder):
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            if name == Path(STORE):
                snapshot(study.folder / name, draft / name)
            else:
                shutil.copyfile(study.folder / name, draft / name)
        draft.replace(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    rename(target.name, f"{study.settings.name} (copy)"[:200])
    return target.name


def take_in(archive: Path, name: str) -> str:
    """A packed study into the home folder; its key, made from the file's name.

    Raises:
        StudyError: the file is not a study's zip, or something in it is not as it must be.
    """
    return unpack(archive, new_folder(Path(name).stem)).folder.name


def remove(key: str) -> str:
    """Move a study to the trash folder; the token brings it back with `restore`.

    Raises:
        StudyError: it is being measured at this moment.
    """
    study = find(key)
    if alive(study.folder):
        raise StudyError(f"'{study.settings.name}' is running.", "Cancel it first.")
    token = f"{key}@{int(time.time() * 1000)}"
    trash = home() / TRASH
    trash.mkdir(exist_ok=True)
    shutil.move(study.folder, trash / token)
    return token


@dataclass(frozen=True)
class Removed:
    """A study in the trash: what brings it back, what it is called, when it was removed."""

    token: str
    name: str
    when: float


def trash() -> list[Removed]:
    """What can be brought back, the last removed first."""
    place = home() / TRASH
    found = []
    for folder in place.iterdir() if place.is_dir() else ():
        key, _, moment = folder.name.partition("@")
        try:
            name = open_study(folder).settings.name
        except StudyError:
            name = key
        found.append(Removed(folder.name, name, int(moment) / 1000 if moment.isdigit() else 0.0))
    return sorted(found, key=lambda one: -one.when)


def empty_trash() -> int:
    """Delete for good what is in the trash; how many studies that were."""
    found = trash()
    for one in found:
        shutil.rmtree(home() / TRASH / one.token)
    return len(found)


def restore(token: str) -> str:
    """Bring a removed study back; its key (another one, if the old one is taken meanwhile)."""
    source = home() / TRASH / Path(token).name
    if not source.is_dir():
        raise StudyError("That study is no longer in the trash.")
    target = new_folder(token.partition("@")[0])
    shutil.move(source, target)
    return target.name
