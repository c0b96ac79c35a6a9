"""What the fault tests work with: a small real study, its undisturbed twin, workers to disturb, and the comparison."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from study.background.worker import alive
from study.demo import write_demo
from study.folder.writing import DRAFT
from study.study import Study
from tests.conftest import ROOT
from tests.faults.zygote import TRIALS

Row = tuple[Any, ...]
NOT_COMPARED = ("trials.", "worker.lock", "worker.log")  # the store is compared row by row, without its clocks
GIVEN = ("models", "tasks")  # copied from the demo, never written


def small_study(folder: Path) -> Path:
    """Two experts of the demo on 24 samples each: a trial takes some hundredths of a second, and all of it is real."""
    study = write_demo(folder, ("digits", "flags"))
    few = tuple(
        task.model_copy(
            update={"samples": task.samples.model_copy(update={"validation": 24, "test": 24, "calibration": 0})}
        )
        for task in study.tasks
    )
    Study(study.folder, study.settings.model_copy(update={"tasks": few})).save()
    return study.folder


def content(folder: Path) -> list[Row]:
    """(id, origin, coefficients, state, measurements) of every trial, in their order, without any time."""
    path = folder / "trials.sqlite"
    if not path.exists():
        return []
    try:
        return _rows(path)
    except sqlite3.OperationalError:  # on a full disk SQLite cannot even make the index of its journal
        with tempfile.TemporaryDirectory() as elsewhere:
            for part in path.parent.glob(f"{path.name}*"):
                if not part.name.endswith("-shm"):
                    shutil.copy(part, elsewhere)
            return _rows(Path(elsewhere) / path.name)


def _rows(path: Path) -> list[Row]:
    with closing(sqlite3.connect(path, timeout=30)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'measurements'").fetchone():
            return []
        db.execute("BEGIN")
        measured: dict[str, list[Row]] = {}
        for trial, *row in db.execute(
            "SELECT trial, split, task, metric, value, stderr, n FROM measurements ORDER BY trial, split, task"
        ):
            measured.setdefault(trial, []).append(tuple(row))
        return [
            (identity, origin, coefficients, state, tuple(measured.get(identity, ())))
            for identity, origin, coefficients, state in db.execute(
                "SELECT id, origin, coefficients, state FROM trials ORDER BY number"
            )
        ]


def done(rows: list[Row]) -> list[Row]:
    """The finished ones."""
    return [row for row in rows if row[3] == "done"]


def files(folder: Path) -> dict[str, bytes]:
    """Everything that the worker wrote under a final name, by path."""
    found = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and inside.parts[0] not in GIVEN and not DRAFT.match(path.name):
            if not inside.name.startswith(NOT_COMPARED):
                found[inside.as_posix()] = path.read_bytes()
    return found


def differing(one: bytes, other: bytes) -> int:
    """How many bytes differ."""
    return sum(a != b for a, b in zip(one, other, strict=False)) + abs(len(one) - len(other)) if one != other else 0


@dataclass
class Outcome:
    """One line of the table; everything but ``times`` should be 0."""

    fault: str
    times: int = 0
    lost: int = 0
    doubled: int = 0
    bytes: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, doubled or different, and nothing else was wrong."""
        return not (self.lost or self.doubled or self.bytes or self.notes)


class Watch:
    """Looks at a disturbed study again and again; tells what was lost, doubled, half-written or out of order."""

    def __init__(self, rig: Rig, folder: Path, outcome: Outcome) -> None:
        self.rig = rig
        self.folder = folder
        self.outcome = outcome
        self.known: list[Row] = []

    def look(self) -> None:
        """What must hold at any instant: done trials stay, the store is a prefix of the undisturbed one's."""
        rows = content(self.folder)
        finished = done(rows)
        self.outcome.lost += len([row for row in self.known if row not in finished])
        self.outcome.doubled += sum(count - 1 for count in Counter(row[2] for row in rows).values())
        if [row[:3] for row in rows] != [row[:3] for row in self.rig.rows[: len(rows)]]:
            self.outcome.notes.append(f"{self.folder.name}: the plan is not the undisturbed one's beginning")
        if finished != self.rig.rows[: len(finished)]:
            self.outcome.notes.append(f"{self.folder.name}: the done trials are not the undisturbed ones' beginning")
        self._half_written()
        self.known = finished

    def _half_written(self) -> None:
        for name, data in files(self.folder).items():
            if name in self.rig.files and self.rig.files[name] != data:
                self.outcome.bytes += differing(self.rig.files[name], data)
                self.outcome.notes.append(f"{self.folder.name}: {name} is not what an undisturbed run wrote")

    def end(self) -> None:
        """What must hold once the study was resumed and finished: equal to the undisturbed one, bit for bit."""
        self.look()
        mine = files(self.folder)
        for name in sorted(set(mine) | set(self.rig.files)):
            self.outcome.bytes += differing(mine.get(name, b""), self.rig.files.get(name, b""))
        rows = content(self.folder)
        if rows != self.rig.rows:
            self.outcome.notes.append(f"{self.folder.name}: {len(done(rows))} of {len(self.rig.rows)} trials are equal")


class Rig:
    """The forking process, and the undisturbed study that it measured first."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.twin = small_study(place / "undisturbed")
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote", str(self.twin)],
            cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._number = 0
        assert self._answer() == {"ready": True}
        self.rows = content(self.twin)
        self.files = files(self.twin)
        assert len(done(self.rows)) == TRIALS, self.rows

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._zygote.stdin is not None and self._zygote.stdout is not None
        self._zygote.stdin.close()
        self._zygote.wait(timeout=30)
        self._zygote.stdout.close()

    def _answer(self) -> dict[str, Any]:
        assert self._zygote.stdout is not None
        line = self._zygote.stdout.readline()
        assert line, "the forking process ended"
        value = json.loads(line)
        assert isinstance(value, dict)
        return value

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._zygote.stdin is not None
        self._zygote.stdin.write(json.dumps(order) + "\n")
        self._zygote.stdin.flush()
        return self._answer()

    def fresh(self, part: bool = False) -> Path:
        """A study in which nothing was measured; ``part``: the first five trials were."""
        self._number += 1
        folder = small_study(self.place / f"study-{self._number}")
        if part:
            assert self.run(folder, trials=5).code == 0
        return folder

    def copy(self) -> Path:
        """A copy of the undisturbed study."""
        self._number += 1
        return Path(shutil.copytree(self.twin, self.place / f"study-{self._number}"))

    def start(self, *words: str, fault: dict[str, Any] | None = None, limits: dict[str, int] | None = None) -> Worker:
        """Fork `python -m study WORDS…`."""
        self._number += 1
        log = self.place / f"order-{self._number}.err"
        order = {"words": list(words), "log": str(log), "fault": fault, "limits": limits or {}}
        return Worker(self, int(self._ask(order)["pid"]), log)

    def begin(self, folder: Path, trials: int = TRIALS, **what: Any) -> Worker:
        """Fork a worker of a study."""
        return self.start("run", str(folder), "--trials", str(trials), "--device", "cpu", **what)

    def run(self, folder: Path, trials: int = TRIALS, **what: Any) -> Worker:
        """A worker that has ended."""
        return self.begin(folder, trials, **what).wait()

    def events(self) -> int:
        """How many instants a whole run has at which it can be killed: its calls into the kernel and the database."""
        worker = self.run(self.fresh(), fault={"kind": "count", "at": 0, "always": False})
        return int(worker.log.with_suffix(".events").read_text())


@dataclass
class Worker:
    """A forked command: ``code`` or ``signal`` once it has ended."""

    rig: Rig
    pid: int
    log: Path
    code: int | None = None
    signal: int | None = None

    def wait(self, seconds: float = 240) -> Self:
        """Wait for its end."""
        end = self.rig._ask({"wait": self.pid, "seconds": seconds})
        self.code, self.signal = end.get("code"), end.get("signal")
        assert end, f"still working after {seconds} s: {self.log.read_text()}"
        return self

    @property
    def said(self) -> str:
        """What it wrote to stderr."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def hangs(self) -> bool:
        """Whether it has reached the fault in which it waits for ever."""
        return self.log.with_suffix(".hangs").exists()

    def refused(self, *words: str) -> str | None:
        """What is wrong with the way it ended: it should be code 1 or 2, and one line that holds these words."""
        lines = [line for line in self.said.splitlines() if "failed: " not in line or "It failed" in line]
        if self.code not in (1, 2):
            return f"code {self.code}, signal {self.signal}: {self.said[-300:]}"
        if len(lines) != 1 or "Traceback" in self.said or not all(word in lines[0] for word in words):
            return f"not one clear line with {words}: {self.said[-300:]}"
        return None


def sha256(path: Path) -> str:
    """The hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def nobody_works(folder: Path) -> bool:
    """Whether the study's lock is free."""
    return not alive(folder)


def resume(rig: Rig, folder: Path, watch: Watch) -> None:
    """Run the study to its end and look at what became of it."""
    last = rig.run(folder)
    if last.code != 0:
        watch.outcome.notes.append(f"{folder.name}: the resumed run ended with {last.code}: {last.said[-300:]}")
    watch.end()
