"""The studies on this machine, for the browser: list, find, name, remove."""

from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from study.errors import StudyError
from study.settings import FILE
from study.store import FILE as STORE
from study.study import Study, open_study
from study.worker import ROOT, alive

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


def home() -> Path:
    """Where the browser keeps studies: MERGESCAPE_HOME, or `studies` in the checkout."""
    return Path(os.environ.get("MERGESCAPE_HOME") or ROOT / "studies").expanduser().resolve()


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
        return Entry(folder.name, folder, study.settings.name, changed, len(own), alive(folder))
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
            "Ask for its folder and put it into the studies folder.",
        )
    return open_study(home() / key)


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


def restore(token: str) -> str:
    """Bring a removed study back; its key (another one, if the old one is taken meanwhile)."""
    source = home() / TRASH / Path(token).name
    if not source.is_dir():
        raise StudyError("That study is no longer in the trash.")
    target = new_folder(token.partition("@")[0])
    shutil.move(source, target)
    return target.name
