"""The faults, one function each: disturb a real study, let it resume, say what was lost, doubled or different."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

from study.errors import StudyError
from study.repair import repair
from study.store import Store
from study.study import open_study
from study.worker import alive, stop
from tests.conftest import ROOT
from tests.faults.rig import Outcome, Rig, Row, Watch, Worker, content, done
from tests.faults.zygote import TRIALS

PATIENCE = 0.2
VICTIMS = ("models/digits.safetensors", "tasks/flags/sheet.png", "models/base.safetensors")


def kills(rig: Rig, chance: random.Random, times: int) -> Outcome:
    """SIGKILL at random instants: half by the clock, half right before or after a call into kernel or database."""
    outcome = Outcome("worker killed (SIGKILL) at a random instant")
    events = rig.events()
    begun = time.monotonic()
    rig.run(rig.fresh())
    whole = time.monotonic() - begun
    while outcome.times < times:
        folder = rig.fresh()
        watch = Watch(rig, folder, outcome)
        for _ in range(12):
            if _killed(rig, folder, chance, events, whole):
                outcome.times += 1
            watch.look()
        _resume(rig, folder, watch)
        shutil.rmtree(folder)
    return outcome


def _killed(rig: Rig, folder: Path, chance: random.Random, events: int, whole: float) -> bool:
    if chance.random() < 0.5:
        at = chance.randrange(1, events)
        return rig.run(folder, fault={"kind": "kill", "at": at, "always": False}).signal == signal.SIGKILL
    worker = rig.begin(folder)
    time.sleep(chance.random() * whole)
    with suppress(ProcessLookupError):
        os.kill(worker.pid, signal.SIGKILL)
    return worker.wait().signal == signal.SIGKILL


def _resume(rig: Rig, folder: Path, watch: Watch) -> None:
    last = rig.run(folder)
    if last.code != 0:
        watch.outcome.notes.append(f"{folder.name}: the resumed run ended with {last.code}: {last.said[-300:]}")
    watch.end()


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
            _expect(outcome, worker, "no room left")
            watch.look()
            (disk / "ballast").unlink()
            _resume(rig, folder, watch)
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
        _expect(outcome, worker)
        watch.look()
        _resume(rig, folder, watch)
        outcome.times += 1
        shutil.rmtree(folder)
    return outcome


def _expect(outcome: Outcome, worker: Worker, *words: str) -> None:
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
        victim = folder / chance.choice(
            ("models/digits.safetensors", "tasks/flags/sheet.png", "models/base.safetensors")
        )
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
        _resume(rig, folder, watch)
        outcome.times += 1
        shutil.rmtree(folder)
    return outcome


def raises(rig: Rig, chance: random.Random, times: int) -> Outcome:
    """A trial raises something nobody foresaw, once or from then on."""
    outcome = Outcome("a trial raises")
    for number in range(times):
        _in_a_trial(rig, outcome, "raise", 1 + chance.randrange(TRIALS), always=number % 2 == 1)
    return outcome


def not_a_number(rig: Rig, chance: random.Random, times: int) -> Outcome:
    """The merged weights of one trial are NaN."""
    outcome = Outcome("a trial gives NaN")
    for _ in range(times):
        _in_a_trial(rig, outcome, "nan", 1 + chance.randrange(TRIALS), always=False)
    return outcome


def memory(rig: Rig, chance: random.Random, times: int) -> Outcome:
    """The allocator says no in a trial."""
    outcome = Outcome("a trial runs out of memory")
    for number in range(times):
        worker = _in_a_trial(rig, outcome, "memory", 1 + chance.randrange(TRIALS), always=number % 2 == 1)
        problem = worker.refused("Memory ran out")
        outcome.notes.extend([problem] if problem else [])
    return outcome


def _in_a_trial(rig: Rig, outcome: Outcome, kind: str, at: int, always: bool) -> Worker:
    folder = rig.fresh()
    watch = Watch(rig, folder, outcome)
    worker = rig.run(folder, fault={"kind": kind, "at": at, "always": always})
    if worker.code not in (0, 1) or "Traceback" in worker.said:
        outcome.notes.append(f"{kind} at {at}: code {worker.code}, signal {worker.signal}: {worker.said[-300:]}")
    rows = content(folder)
    outcome.doubled += len(rows) - len({row[0] for row in rows})
    if not all(row in rig.rows for row in done(rows)):
        outcome.notes.append(f"{kind} at {at}: a done trial is not the undisturbed one's")
    watch.known = done(rows)
    _resume(rig, folder, watch)
    outcome.times += 1
    shutil.rmtree(folder)
    return worker


def hangs(rig: Rig, chance: random.Random, times: int) -> Outcome:
    """A trial never ends and ignores SIGTERM; the person asks to stop, then resumes."""
    outcome = Outcome("a trial hangs")
    for _ in range(times):
        folder = rig.fresh()
        watch = Watch(rig, folder, outcome)
        worker = rig.begin(folder, fault={"kind": "hang", "at": 1 + chance.randrange(TRIALS), "always": True})
        _until(lambda worker=worker: worker.hangs)
        open_study(folder).store.request_cancel()
        if not stop(folder, PATIENCE) or worker.wait().signal != signal.SIGKILL:
            outcome.notes.append(f"{folder.name}: the hanging worker was not stopped")
        watch.look()
        _resume(rig, folder, watch)
        outcome.times += 1
        shutil.rmtree(folder)
    return outcome


def _until(happened: object, seconds: float = 60) -> None:
    assert callable(happened)
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"it did not happen within {seconds} s"
        time.sleep(0.01)


def second_worker(rig: Rig, chance: random.Random, times: int) -> Outcome:
    """Two workers on one study: the second says so and leaves, the first goes on."""
    outcome = Outcome("a second worker on the study")
    for _ in range(times):
        folder = rig.fresh()
        watch = Watch(rig, folder, outcome)
        first = rig.begin(folder, fault={"kind": "hang", "at": 1 + chance.randrange(TRIALS), "always": True})
        _until(lambda first=first: first.hangs)
        before = content(folder)
        problem = rig.run(folder).refused("another worker", str(first.pid))
        outcome.notes.extend([problem] if problem else [])
        if content(folder) != before:
            outcome.notes.append("the second worker changed the study")
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        _resume(rig, folder, watch)
        outcome.times += 1
        shutil.rmtree(folder)
    return outcome


STARTER = (
    "import sys, time; from pathlib import Path; from study.worker import start;"
    "start(Path(sys.argv[1]), trials=int(sys.argv[2])); print('started', flush=True); time.sleep(600)"
)


def server_stopped(rig: Rig, chance: random.Random, times: int) -> Outcome:
    """The process that started the worker, and all its group, is killed; the worker goes on by itself."""
    outcome = Outcome("server stopped under a running study")
    for _ in range(times):
        folder = rig.fresh()
        watch = Watch(rig, folder, outcome)
        server = subprocess.Popen(
            [sys.executable, "-c", STARTER, str(folder), str(TRIALS)],
            cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert server.stdout is not None
        server.stdout.readline()
        time.sleep(chance.random())
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        server.stdout.close()
        _until(lambda folder=folder: len(done(content(folder))) == TRIALS and not alive(folder), 120)
        watch.end()
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
        _resume(rig, folder, watch)
        outcome.times += 1
        shutil.rmtree(folder)
    return outcome


def _downgrade(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TABLE outputs")
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


ALL = (
    (kills, 200), (disk_full, 10), (quota, 10), (reads_fail, 12), (raises, 10), (memory, 6), (hangs, 6),
    (not_a_number, 6), (server_stopped, 3), (second_worker, 4), (older_version, 10), (corrupt, 40),
)  # fmt: skip


def table(outcomes: list[Outcome]) -> str:
    """The outcomes as text."""
    lines = [f"{'fault':46} {'times':>6} {'lost trials':>12} {'doubled trials':>15} {'differing bytes':>16}"]
    lines += [f"{one.fault:46} {one.times:6} {one.lost:12} {one.doubled:15} {one.bytes:16}" for one in outcomes]
    return "\n".join(lines)
