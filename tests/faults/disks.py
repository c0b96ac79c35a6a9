"""Faults of the files: a full disk, refused writes, failing reads, an older or a damaged store."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from study.errors import StudyError
from study.folder.store import Store
from study.keeping.repair import repair
from study.study import open_study
from tests.faults.rig import Outcome, Rig, Row, Watch, Worker, content, done, resume
from tests.faults.zygote import TRIALS

VICTIMS = ("models/digits.safetensors", "tasks/flags/sheet.png", "models/base.safetensors")


def disk_full(rig: Rig, chance: random.Random, times: int) -> Outcome:
    """A real small disk that fills at a random moment; needs the right to mount one."""
    outcome = Outcome("disk full (a small real one)")
    disk = rig.place / "disk"
    disk.mkdir()
    needed = sum(len(data) for data in rig.files.values()) + (1 << 19)
    for _ in range(times):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], check=True)
        try:
            folder = Path(shutil.copytree(rig.fresh(), disk / f"study-{outcome.times}"))
            watch = Watch(rig, folder, outcome)
            free = shutil.disk_usage(disk).free
            with open(disk / "ballast", "wb") as ballast:
                os.posix_fallocate(ballast.fileno(), 0, free - chance.randrange(4096, needed))
            worker = rig.run(folder)
            expect(outcome, worker, "no room left")
            watch.look()
            (disk / "ballast").unlink()
            resume(rig, folder, watch)
        finally:
            subprocess.run(["umount", str(disk)], check=True)
        outcome.times += 1
    return outcome


def may_mount() -> str | None:
    """Why no small disk can be mounted here, if so."""
    if sys.platform != "linux" or not shutil.which("mount"):
        return "there is no mount command"
    probe = subprocess.run(
        "unshare --mount mount -t tmpfs -o size=1m tmpfs /mnt", shell=True, capture_output=True, text=True
    )
    return None if probe.returncode == 0 else probe.stderr.strip() or "mounting is not allowed"


def quota(rig: Rig, chance: random.Random, times: int) -> Outcome:
    """Writes that fail: the kernel lets no file grow beyond a random size."""
    outcome = Outcome("writes refused beyond a size limit")
    largest = max(len(data) for data in rig.files.values())
    for _ in range(times):
        folder = rig.fresh()
        watch = Watch(rig, folder, outcome)
        size = int(largest ** chance.uniform(0.5, 1.0)) - 1
        worker = rig.run(folder, limits={"FSIZE": size})
        expect(outcome, worker)
        watch.look()
        resume(rig, folder, watch)
        outcome.times += 1
        shutil.rmtree(folder)
    return outcome


def expect(outcome: Outcome, worker: Worker, *words: str) -> None:
    """It ended with one clear line, or the fault did not reach it."""
    if worker.code != 0:
        problem = worker.refused(*words)
        outcome.notes.extend([problem] if problem else [])


def reads_fail(rig: Rig, chance: random.Random, times: int) -> Outcome:
    """Files that give an input/output error, are gone, are cut short, or cannot be opened for want of handles."""
    outcome = Outcome("reads failing")
    for number in range(times):
        folder = rig.fresh(part=number % 2 == 0)
        watch = Watch(rig, folder, outcome)
        watch.look()
        victim = folder / chance.choice(VICTIMS)
        kept = victim.with_name(f"{victim.name}.kept")
        shutil.move(victim, kept)
        way = ("error", "gone", "short", "handles")[number % 4]
        limits = {}
        if way == "error":
            victim.symlink_to("/proc/self/mem")  # readable in name only: the kernel answers with an error
        elif way == "short":
            victim.write_bytes(kept.read_bytes()[: kept.stat().st_size // 2])
        elif way == "handles":
            shutil.copyfile(kept, victim)
            limits = {"NOFILE": chance.randrange(4, 9)}
        worker = rig.run(folder, limits=limits)
        problem = worker.refused(*(() if way == "handles" else (victim.parent.name,)))
        outcome.notes.extend([f"{way}: {problem}"] if problem else [])
        victim.unlink(missing_ok=True)
        shutil.move(kept, victim)
        watch.look()
        resume(rig, folder, watch)
        outcome.times += 1
        shutil.rmtree(folder)
    return outcome


def older_version(rig: Rig, chance: random.Random, times: int) -> Outcome:
    """A study of schema 1, half measured, is migrated, killed on the way, and goes on; a newer one is left alone."""
    outcome = Outcome("a study of an older version")
    for _ in range(times):
        folder = rig.fresh(part=True)
        watch = Watch(rig, folder, outcome)
        watch.look()
        _downgrade(folder / "trials.sqlite")
        rig.run(folder, fault={"kind": "kill", "at": 1 + chance.randrange(150), "always": False})
        watch.look()
        resume(rig, folder, watch)
        outcome.times += 1
        shutil.rmtree(folder)
    return outcome


def _downgrade(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TABLE outputs")
        db.execute("ALTER TABLE trials DROP COLUMN fidelity")
        db.execute("UPDATE meta SET value = '1'")


def corrupt(rig: Rig, chance: random.Random, times: int) -> Outcome:
    """The store is damaged anywhere; it is reported by file, `repair` rescues what is readable, the run goes on."""
    outcome = Outcome("a damaged store, repaired")
    for _ in range(times):
        folder = rig.copy()
        path = folder / "trials.sqlite"
        _damage(path, chance)
        problem = _report(rig, folder)
        outcome.notes.extend([problem] if problem else [])
        told = repair(folder)
        rescued = done(content(folder))
        strangers = sorted(_measured(rescued) - _measured(rig.rows))
        if strangers or len(rescued) + told["again"] + told["lost"] < TRIALS:
            outcome.notes.append(f"{folder.name}: rescued {len(rescued)}, says {told}, strange {strangers[:1]}")
        resumed = rig.run(folder)
        rows = done(content(folder))
        outcome.lost += len(_measured(rescued) - _measured(rows))
        outcome.doubled += len(rows) - len({row[0] for row in rows})
        if resumed.code != 0 or len(rows) < TRIALS:
            outcome.notes.append(f"{folder.name}: the repaired study could not be finished: {resumed.said[-300:]}")
        if told["lost"] == 0 and _measured(rows) != _measured(rig.rows):
            outcome.notes.append(f"{folder.name}: nothing was lost, and yet it ended differently")
        outcome.times += 1
        shutil.rmtree(folder)
    return outcome


def _measured(rows: list[Row]) -> set[Row]:
    """What was measured, without the order and the reason: those have no other copy to be compared with."""
    return {(row[0], *row[2:]) for row in rows}


def _damage(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    way = chance.randrange(4)
    if way == 0:  # a hole somewhere
        start = chance.randrange(len(data))
        data[start : start + 512] = bytes(len(data[start : start + 512]))
    elif way == 1:  # the beginning is gone
        data[: chance.choice((16, 100, 4096))] = b"\xff" * chance.choice((16, 100, 4096))
    elif way == 2:  # cut short
        del data[chance.randrange(len(data)) :]
    else:  # scattered bytes
        for _ in range(40):
            data[chance.randrange(len(data))] = chance.randrange(256)
    path.write_bytes(bytes(data))


def _report(rig: Rig, folder: Path) -> str | None:
    """A damaged store is named, or what was damaged is nothing that anybody reads."""
    try:
        store = Store(folder / "trials.sqlite", open_study(folder).context)
        store.check()
        store.trials()
        return None
    except StudyError:
        return rig.run(folder).refused("trials.sqlite")
