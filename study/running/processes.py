"""One process per device of this machine, each with the study in memory; one that dies is replaced.

Standard processes and pipes (concurrent.futures); a pool of one per device, so that the death of one process breaks
only its own.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import torch

from study.measuring.measure import Measurer
from study.running.executor import Job, Lost, Outcome, measured, portable
from study.settings import Settings
from study.study import Study

log = logging.getLogger(__name__)


@dataclass
class _Here:
    """What a worker process knows; set once, when it begins."""

    study: Study
    device: str
    stop: Any
    threads: int
    measurer: Measurer | None = None


_here: list[_Here] = []


def _begin(folder: Path, settings: Settings, code: Path | None, device: str, stop: Any, threads: int) -> None:
    """First thing in a worker: never outlive the process that started it, however that one ends."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()
    _here.append(_Here(Study(folder, settings, code), device, stop, threads))


def _follow(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _opened() -> Measurer:
    """The study in this process's memory, loaded when first asked for."""
    own = _here[0]
    if own.measurer is None:
        torch.set_num_threads(own.threads)  # another number of threads could add in another order
        own.measurer = Measurer(own.study, own.device)
    return own.measurer


def _measure(job: Job) -> Outcome:
    own = _here[0]
    try:
        return measured(_opened(), job, own.stop.is_set)
    except Exception as error:
        return portable(error, own.study)


def _warm() -> None:
    """Load everything while there is nothing to do yet; what is wrong is said by the first job."""
    try:
        _opened()
    except Exception as error:
        log.debug("not opened: %s", error)


@dataclass
class _Slot:
    device: str
    pool: ProcessPoolExecutor
    job: Future[Outcome] | None = None
    broken: bool = field(default=False)


class Processes:
    """An executor with one worker process per entry of ``devices`` (one device may be named several times)."""

    def __init__(self, study: Study, devices: list[str]) -> None:
        """Start them; each loads the study while the others do."""
        self._study = study
        self._context = multiprocessing.get_context("spawn")  # a forked process could not use CUDA
        self._stop = self._context.Event()
        self._threads = torch.get_num_threads()
        self._slots = [_Slot(device, self._pool(device)) for device in devices]

    def _pool(self, device: str) -> ProcessPoolExecutor:
        given = (self._study.folder, self._study.settings, self._study.code, device, self._stop, self._threads)
        pool = ProcessPoolExecutor(1, self._context, _begin, given)
        pool.submit(_warm)
        return pool

    def free(self) -> int:
        """Workers without a job; a dead one counts, for it is replaced when it is needed."""
        return sum(slot.job is None or slot.job.done() for slot in self._slots)

    def submit(self, job: Job) -> Future[Outcome]:
        """Give the job to a free worker."""
        slot = next(slot for slot in self._slots if slot.job is None or slot.job.done())
        if slot.broken:
            slot.pool.shutdown(wait=False)
            slot.pool, slot.broken = self._pool(slot.device), False
        answer: Future[Outcome] = Future()
        slot.job = answer
        try:
            slot.pool.submit(_measure, job).add_done_callback(lambda done: _pass_on(done, answer, slot))
        except BrokenProcessPool:  # it died while it had nothing to do
            slot.broken = True
            answer.set_exception(Lost(slot.device))
        return answer

    def close(self) -> None:
        """Ask every worker to stop after its batch, and wait until they have ended."""
        self._stop.set()
        for slot in self._slots:
            slot.pool.shutdown(wait=True, cancel_futures=True)


def _pass_on(done: Future[Outcome], answer: Future[Outcome], slot: _Slot) -> None:
    if done.cancelled():
        answer.cancel()
    elif isinstance(done.exception(), BrokenProcessPool):
        slot.broken = True
        answer.set_exception(Lost(slot.device))
    elif (error := done.exception()) is not None:
        answer.set_exception(error)
    else:
        answer.set_result(done.result())
