"""`python -m study repair`: every file of a study checked, damaged ones set aside, readable trials rescued.

Nothing is deleted: what is damaged moves to the folder `damaged/` of the study.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
import time
import zipfile
import zlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from study.axes import axes
from study.errors import Failure, StudyError
from study.folder.lock import only_worker
from study.folder.pins import PINS
from study.folder.store import FILE as STORE
from study.folder.store import Store
from study.folder.study_file import FILE
from study.folder.trial import Measured, Trial
from study.keeping.salvage import Salvaged, salvage
from study.measuring.outputs import load_outputs, load_targets, refuse_bomb
from study.settings import MethodChoice
from study.study import Study, open_study

RESCUED = "trials.rescued.sqlite"
DAMAGED = "damaged"
AGAIN = "Set aside; it is measured again by the next run."
CACHE = "Set aside; it is made again by the next run."
UNREADABLE = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, KeyError)


def repair(folder: Path) -> dict[str, Any]:
    """Check and mend a study folder; {"found": [{"file", "problem", "done"}], "trials", "done", "again", "lost"}.

    ``again`` counts trials that the next run measures again, ``lost`` those that are known to have been there and could
    not be read.

    Raises:
        StudyError: no study stands there, a worker is measuring it, or a newer version wrote it.
    """
    folder = folder.expanduser().resolve()
    if not (folder / FILE).exists() and not (folder / STORE).exists():
        raise StudyError(f"'{folder}' holds no study.", f"Name a folder with {FILE} and {STORE} in it.")
    with only_worker(folder):
        return _Repair(folder).run()


class _Repair:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.found: list[dict[str, str]] = []
        self.aside = folder / DAMAGED / time.strftime("%Y%m%d-%H%M%S")
        self.again: set[str] = set()
        self.lost = 0

    def run(self) -> dict[str, Any]:
        study = self._settings()
        self._pins()
        context = study.context if study else ""
        self._store(context)
        store = Store(self.folder / STORE, context)
        if study is not None:
            self._identities(study)
            self._outputs(store, study)
        self._caches()
        trials = store.trials() if study else []
        done = sum(trial.state == "done" for trial in trials)
        counts = {"trials": len(trials), "done": done, "again": len(self.again), "lost": self.lost}
        return {"folder": str(self.folder), "found": self.found, **counts}

    def _tell(self, path: Path, problem: str, done: str) -> None:
        self.found.append({"file": path.relative_to(self.folder).as_posix(), "problem": problem, "done": done})

    def _set_aside(self, path: Path) -> None:
        target = self.aside / path.relative_to(self.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, target)

    def _settings(self) -> Study | None:
        try:
            return open_study(self.folder)
        except StudyError as error:
            self._tell(self.folder / FILE, str(error).rstrip("."), "Mend it by hand; it was left as it is.")
            return None

    def _pins(self) -> None:
        path = self.folder / PINS
        try:
            whole = not path.exists() or isinstance(json.loads(path.read_text(encoding="utf-8")), dict)
        except UNREADABLE:
            whole = False
        if not whole:
            self._set_aside(path)
            self._tell(path, "it is not a JSON object", CACHE)

    def _store(self, context: str) -> None:
        """Exchange a damaged store for one with the rows that could be read."""
        path, rescued = self.folder / STORE, self.folder / RESCUED
        if not rescued.exists():
            try:
                if path.exists():
                    store = Store(path, context)
                    store.check()
                    store.trials()
                return
            except Failure:
                raise
            except StudyError as error:
                if re.search(r"has schema \d", str(error)):
                    raise  # whole, but of a newer version
                rows = salvage(path)
                self.lost = _missing(rows, self.folder)
                kept = f"{len(rows.trials)} trials were rescued, {self.lost} lost; the old file is in {DAMAGED}/."
                self._tell(path, str(error).split(" Rescue what")[0].rstrip("."), kept)
                _write(rows, rescued)
        # From here on a kill costs nothing: the rescued file is whole, and the next repair goes on here.
        for old in (path, *(path.with_name(f"{path.name}-{end}") for end in ("wal", "shm"))):
            if old.exists():
                self.aside.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(old, self.aside / old.name)
                if old != path:
                    old.unlink()
        os.replace(rescued, path)

    def _identities(self, study: Study) -> None:
        """A trial's id is the hash of what it is: a row that does not fit its id is damaged."""
        path = self.folder / STORE
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            wanted = "id, context, method, settings, coefficients, fidelity, number"
            for row in db.execute(f"SELECT {wanted} FROM trials").fetchall():
                fits = _identity(study, *row[2:6]) == row[0]
                if fits and row[1] != study.context:
                    db.execute("UPDATE trials SET context = ? WHERE id = ?", (study.context, row[0]))
                elif not fits and row[1] == study.context:
                    db.execute("DELETE FROM measurements WHERE trial = ?", (row[0],))
                    db.execute("DELETE FROM outputs WHERE trial = ?", (row[0],))
                    db.execute("DELETE FROM trials WHERE id = ?", (row[0],))
                    self.lost += 1
                    self._tell(path, f"trial {row[6]} is not what its id says", "It was left out.")
            db.execute("COMMIT")

    def _outputs(self, store: Store, study: Study) -> None:
        """Put trials whose outputs are damaged back to *proposed*: measured again, they give the same numbers."""
        hashes = store.outputs()
        tasks, everything = {task.name for task in study.tasks}, {one.name for one in axes(study)}
        for trial in store.trials():
            for split, measured in (("validation", trial.metrics), ("test", trial.test)):
                path = self.folder / "outputs" / f"{trial.id}.{split}.npz"
                wanted = trial.state == "done" if split == "validation" else bool(measured)
                if not wanted:
                    continue
                problem = _problem(path, hashes.get((trial.id, split)), tasks) if tasks else None
                again = None if problem else _read_again(study, trial, split)
                if again and again != {name: replace(one, seconds=0.0) for name, one in measured.items()}:
                    _forget(store.path, trial.id, split)
                    store.finish(trial.id, again, trial.seconds, split, sha256(path))
                    told = f"what it says of trial {trial.number} is not what the trial's outputs say"
                    self._tell(store.path, told, "The numbers were read again from the outputs.")
                    continue
                if not problem and set(measured) != everything:
                    problem = f"trial {trial.number} has measurements of {len(measured)} of {len(everything)} axes"
                if problem:
                    if path.exists():
                        self._set_aside(path)
                    _forget(store.path, trial.id, split)
                    self._tell(path, problem, AGAIN)
                    self.again.add(trial.id)

    def _caches(self) -> None:
        for path in sorted((self.folder / "outputs").glob("targets.*.npz")):
            self._drop_unless(path, _problem(path, None, set()))
        for header in sorted((self.folder / "directions").glob("*.json")):
            self._drop_unless(header, _directions_problem(header))
        for path in sorted((self.folder / "samples").glob("*/*.npy")):
            self._drop_unless(path, _array_problem(path))

    def _drop_unless(self, path: Path, problem: str | None) -> None:
        if problem:
            self._set_aside(path)
            self._tell(path, problem, CACHE)


def _identity(study: Study, method: str, settings: str, coefficients: str, fidelity: int | None) -> str:
    try:
        choice = MethodChoice(name=method, settings=json.loads(settings))
        return study.identity(choice, json.loads(coefficients), fidelity)
    except (ValueError, TypeError, AttributeError):
        return ""


def _missing(rows: Salvaged, folder: Path) -> int:
    """How many trials are known to have been there: numbers are given without gaps, outputs bear a trial's id."""
    numbers = {int(str(row[0])) for row in rows.trials.values()}
    named = {path.name.split(".")[0] for path in (folder / "outputs").glob("*.validation.npz")} - {"targets"}
    return max(max(numbers, default=0) - len(numbers), len(named - set(rows.trials)))


def _write(rows: Salvaged, path: Path) -> None:
    """A new store with these rows, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
    Store(draft, "")
    with closing(sqlite3.connect(draft, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        for row in sorted(rows.trials.values(), key=lambda row: int(str(row[0]))):
            db.execute(f"INSERT INTO trials VALUES ({', '.join('?' * 15)})", (*row, None)[:15])
        for row in rows.measurements.values():
            db.execute("INSERT INTO measurements VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        for (trial, split), digest in rows.outputs.items():
            db.execute("INSERT INTO outputs VALUES (?, ?, ?)", (trial, split, digest))
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("PRAGMA journal_mode = DELETE")
    os.replace(draft, path)


def _forget(path: Path, trial: str, split: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("DELETE FROM measurements WHERE trial = ? AND split = ?", (trial, split))
        db.execute("DELETE FROM outputs WHERE trial = ? AND split = ?", (trial, split))
        if split == "validation":
            db.execute("UPDATE trials SET state = 'proposed', finished = NULL WHERE id = ?", (trial,))
        db.execute("COMMIT")


def _read_again(study: Study, trial: Trial, split: str) -> dict[str, Measured] | None:
    """Read the metrics once more from sound outputs and the true classes kept beside them; None without those."""
    try:
        outputs, targets = load_outputs(study, trial.id, split), load_targets(study, split)
    except StudyError:
        return None
    first = trial.fidelity if split == "validation" else None
    targets = {name: known[:first] for name, known in targets.items()}
    if any(task.name not in targets or len(outputs[task.name]) != len(targets[task.name]) for task in study.tasks):
        return None
    kept = trial.metrics if split == "validation" else trial.test
    measured: dict[str, Measured] = {}
    for one in axes(study):
        if one.formula is None:  # it has no outputs to be read from again
            measured |= {one.name: replace(kept[one.name], seconds=0.0)} if one.name in kept else {}
            continue
        seen = outputs[one.name], targets[one.name]
        value, error = float(one.formula(*seen)), float(one.formula.stderr(*seen))
        measured[one.name] = Measured(one.metric, value, error, len(seen[1]))
    return measured


def sha256(path: Path) -> str:
    """The hash (hex) of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _problem(path: Path, digest: str | None, names: set[str]) -> str | None:
    """What is wrong with a file of arrays by task, if anything."""
    try:
        if digest is not None and sha256(path) != digest:
            return "its content is not what was written"
        with open(path, "rb") as whole, np.load(whole, allow_pickle=False) as file:
            refuse_bomb(file, path)
            shapes = {name: file[name].shape for name in file.files}
    except FileNotFoundError:
        return "it is missing"
    except UNREADABLE as error:
        return f"it cannot be read ({error})"
    absent = sorted(names - set(shapes))
    return f"it has nothing of the task '{absent[0]}'" if absent else None


def _array_problem(path: Path) -> str | None:
    try:
        np.load(path, mmap_mode="r", allow_pickle=False)
    except UNREADABLE as error:
        return f"it cannot be read ({error})"
    return None


def _directions_problem(header: Path) -> str | None:
    matrix = header.with_suffix(".f32")
    try:
        facts = json.loads(header.read_text(encoding="utf-8"))
        needed = int(facts["rows"]) * int(facts["size"]) * 4
        held = matrix.stat().st_size
    except (*UNREADABLE, TypeError) as error:
        return f"it cannot be read ({error})"
    return None if held == needed else f"{matrix.name} has {held} bytes, not {needed}"
