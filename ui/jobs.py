"""Exports as processes of their own: start one, see how it stands, read what it left. No torch here."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from study.background.worker import LOG, spawn
from study.errors import StudyError
from study.exporting.files import FACTS
from study.exporting.loading import weights_of
from study.server import refuse_hub, refuse_large
from study.study import Study

GOOD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")


@dataclass(frozen=True)
class Export:
    """One export: *running*, *done* or *failed*; ``facts`` is what a finished one says of itself."""

    name: str
    folder: Path
    state: str
    started: float
    coefficients: dict[str, float]
    method: str
    facts: dict[str, Any]
    error: str = ""


def good_name(name: str) -> bool:
    """Whether a name can be a folder name anywhere."""
    return GOOD_NAME.fullmatch(name) is not None and not name.endswith(".")


def free_name(study: Study, wanted: str) -> str:
    """The wanted name, or with a number behind it if an export has it already."""
    taken = {one.name for one in exports(study)}
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}-{number}", number + 1
    return name


def start_export(
    study: Study, coefficients: Mapping[str, float], method: str, name: str, dtype: str, exact: bool = False
) -> None:
    """Start `python -m study export` in the background; its output goes beside the export's folder.

    ``exact``: what a frozen method elects or masks is worked out anew for these coefficients.

    Raises:
        StudyError: the name could lead elsewhere, the study is larger than this server allows, or its folder cannot be
            written.
    """
    if not good_name(name):
        raise StudyError(f"'{name[:80]}' cannot be the name of an export.", "Use letters, digits, '.', '_' and '-'.")
    refuse_large(study.folder)
    place = study.folder / "exports"
    log = place / f"{name}.log"
    command = _command("export", study, coefficients, method)
    command += ["--format", dtype, *(["--exact"] if exact else []), "--out", str(place / name), "--json"]
    note = {"coefficients": dict(coefficients), "method": method, "dtype": dtype, "started": time.time()}
    with _writing(place):
        place.mkdir(exist_ok=True)
        log.unlink(missing_ok=True)
        pid = spawn(command, log)
        note |= {"pid": pid, "born": born(pid)}
        (place / f"{name}.job").write_text(json.dumps(note), encoding="utf-8")


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    """Raise StudyError where a folder that a job would write into cannot be written."""
    try:
        yield
    except OSError as error:
        why = f"'{place}' cannot be written: {error.strerror or error}."
        raise StudyError(why, "Allow Mergescape to write there, or free some space on that disk.") from None


def start_check(study: Study, coefficients: Mapping[str, float], method: str) -> tuple[str, int, float]:
    """Start `python -m study measure --test` for one mix; (study, process, when it began), for `working`."""
    with _writing(study.folder):
        pid = spawn([*_command("measure", study, coefficients, method), "--test", "--json"], study.folder / LOG)
    return study.folder.name, pid, born(pid)


def _command(name: str, study: Study, coefficients: Mapping[str, float], method: str) -> list[str]:
    at = ",".join(f"{expert}={value!r}" for expert, value in coefficients.items())
    return [sys.executable, "-m", "study", name, str(study.folder), "--at", at, "--method", method]


def forms_log(study: Study, coefficients: Mapping[str, float], method: str) -> Path:
    """Where a comparison of the two forms of one mix writes; no export can be called so."""
    return study.folder / "exports" / f".forms-{study.identity(study.method(method), coefficients)}.log"


def start_forms(study: Study, coefficients: Mapping[str, float], method: str) -> tuple[str, int, float]:
    """Start `python -m study forms` for one mix; (its log, process, when it began), for `working`."""
    refuse_large(study.folder)
    log = forms_log(study, coefficients, method)
    with _writing(log.parent):
        log.parent.mkdir(exist_ok=True)
        log.unlink(missing_ok=True)
        pid = spawn([*_command("forms", study, coefficients, method), "--json"], log)
    return str(log), pid, born(pid)


def forms(study: Study, coefficients: Mapping[str, float], method: str) -> tuple[dict[str, Any], str]:
    """What the comparison of the two forms of a mix found, or why it found nothing; empty where nobody asked."""
    said = last_line(forms_log(study, coefficients, method), whole=True)
    try:
        found = json.loads(said)
    except ValueError:
        return {}, said[:500]
    return (found, "") if isinstance(found, dict) else ({}, said[:500])


def start_push(export: Export, repo: str, public: bool) -> tuple[str, int, float]:
    """Start `python -m study push` for a finished export; (its log, process, when it began)."""
    refuse_hub()
    log = export.folder.with_suffix(".push.log")
    command = [sys.executable, "-m", "study", "push", str(export.folder), repo, *(["--public"] if public else [])]
    with _writing(log.parent):
        log.unlink(missing_ok=True)
        pid = spawn([*command, "--json"], log)
    return str(log), pid, born(pid)


def exports(study: Study) -> list[Export]:
    """All exports of a study, the newest first."""
    place = study.folder / "exports"
    jobs = sorted(place.glob("*.job")) if place.is_dir() else []
    return sorted((_read(job) for job in jobs), key=lambda one: -one.started)


def _read(job: Path) -> Export:
    note = json.loads(job.read_text(encoding="utf-8"))
    folder = job.with_suffix("")
    facts = folder / FACTS
    common = (note["started"], note["coefficients"], note["method"])
    if facts.is_file():
        return Export(folder.name, folder, "done", *common, json.loads(facts.read_text(encoding="utf-8")))
    if working(int(note["pid"]), float(note.get("born") or note["started"])):
        return Export(folder.name, folder, "running", *common, {})
    return Export(folder.name, folder, "failed", *common, {}, last_line(job.with_suffix(".log")))


def born(pid: int) -> float:
    """When a process began, in seconds since the epoch; now, if it is gone already."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return time.time()


def working(pid: int, since: float) -> bool:
    """Whether that very process still works (a number may be given again, and a dead child lingers as a zombie)."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - since) < 60
    except psutil.Error:
        return False


def last_line(log: Path, whole: bool = False) -> str:
    """The last line of a log: the one line in which a command says what was wrong; ``whole``: however long it is."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1][: None if whole else 500] if lines else ""


def files(export: Export) -> list[tuple[str, int]]:
    """(name, bytes) of the files of a finished export, the weights first; files in folders are `folder/name`."""
    found = [path for path in export.folder.rglob("*") if path.is_file()]
    rows = [(path.relative_to(export.folder).as_posix(), path.stat().st_size) for path in found]
    weights = weights_of(export.facts["sha256"])
    return sorted(rows, key=lambda row: (row[0] != weights, row[0]))
