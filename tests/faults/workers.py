"""Faults of the worker: killed, hanging, out of memory, wrong in a trial, doubled, left alone by its server."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from study.background.worker import alive, stop
from study.study import open_study
from tests.conftest import ROOT
from tests.faults.rig import Outcome, Rig, Watch, Worker, content, done, resume
from tests.faults.zygote import TRIALS

PATIENCE = 0.2


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
        for _ in range(min(12, times)):
            if _killed(rig, folder, chance, events, whole):
                outcome.times += 1
            watch.look()
        resume(rig, folder, watch)
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
    resume(rig, folder, watch)
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
        stop(folder, PATIENCE)
        if worker.wait().signal != signal.SIGKILL or alive(folder):
            outcome.notes.append(f"{folder.name}: the hanging worker was not stopped")
        watch.look()
        resume(rig, folder, watch)
        outcome.times += 1
        shutil.rmtree(folder)
    return outcome


def _until(happened: object, seconds: float = 240) -> None:
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
        resume(rig, folder, watch)
        outcome.times += 1
        shutil.rmtree(folder)
    return outcome


STARTER = (
    "import sys, time; from pathlib import Path; from study.background.worker import start;"
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
        _until(lambda folder=folder: len(done(content(folder))) == TRIALS and not alive(folder))
        watch.end()
        outcome.times += 1
        shutil.rmtree(folder)
    return outcome
