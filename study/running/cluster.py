"""Trials on a Ray cluster that runs already. The only file that knows Ray.

Each worker is an actor with a GPU of its own (or, where the cluster has none, with a node's CPU); what it needs travels
through Ray's object store, which brings every object to a node once. The store of trials stays with the process that
runs the study. An actor that dies is replaced; its trial is given to another one.
"""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from evaluation.data.source import Source
from study.checkout import ROOT
from study.errors import Failure, StudyError
from study.measuring.measure import Measurer
from study.running.executor import Job, Lost, Outcome, measured, portable
from study.running.shipping import Shipment, pack, place
from study.study import Study

CODE = ("merging", "evaluation", "surrogate", "study")
PATIENCE = 10.0  # seconds for a cluster to answer
TRIES = 3  # times that one worker is begun again before it is given up
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reach:
    """The cluster's address (None: this machine's, or RAY_ADDRESS; "local": a new one on this machine), the device
    that workers use (None: a GPU where there is one), how many workers (None: one per GPU, else per node), and whether
    the nodes are sent what they need even where all of them see the study's folder."""

    address: str | None = None
    device: str | None = None
    workers: int | None = None
    ship: bool = False


class Remote:
    """A worker on some node: the study in memory, opened from what was shipped."""

    def __init__(self, shipment: Shipment, device: str, threads: int) -> None:
        """Nothing can fail here; `ready` says what is wrong."""
        self._shipment = shipment
        self._device = device
        self._threads = threads
        self._measurer: Measurer | None = None

    def ready(self) -> Exception | None:
        """Bring everything to this node, once for all its workers, and load it."""
        try:
            self._opened()
        except Exception as error:
            return portable(error, Study(Path(), self._shipment.settings))
        return None

    def measure(self, job: Job) -> Outcome:
        """Do one job."""
        try:
            return measured(self._opened(), job)
        except Exception as error:
            return portable(error, Study(Path(), self._shipment.settings))

    def _opened(self) -> Measurer:
        if self._measurer is None:
            import ray

            torch.set_num_threads(self._threads)  # another number of threads could add in another order
            node = ray.get_runtime_context().get_node_id()
            study = place(self._shipment, node, lambda held: ray.get(held))
            self._measurer = Measurer(study, self._device, sources=self._shipment.sources)
        return self._measurer


@dataclass
class _Slot:
    actor: Any
    ready: Future[Exception | None]
    job: Future[Outcome] | None = None
    begun: int = 1


class Cluster:
    """An executor on a Ray cluster."""

    def __init__(self, study: Study, reach: Reach, sources: Mapping[str, Source]) -> None:
        """Connect, and begin the workers.

        Raises:
            StudyError: Ray is not installed, or no cluster answers at the address.
        """
        self._ray = _connected(reach.address)
        self._mark = study.folder / f".{uuid.uuid4().hex}.job"
        self._mark.touch()
        self._device = reach.device
        shared = self._shared()
        hold = self._ray.put if reach.ship or not shared else None
        self._shipment = self._ray.put(pack(study, sources, self._mark, hold))
        gpus = 0 if reach.device == "cpu" else int(self._ray.cluster_resources().get("GPU", 0))
        nodes = sum(node["Alive"] for node in self._ray.nodes())
        self._gpu = 1 if gpus else 0
        self._slots = [self._begin(1) for _ in range(reach.workers or gpus or nodes)]

    def _shared(self) -> bool:
        """Whether every node sees the study's folder."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        look = self._ray.remote(_seen)
        nodes = [node["NodeID"] for node in self._ray.nodes() if node["Alive"]]
        there = [NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes]
        return all(
            self._ray.get([look.options(num_cpus=0, scheduling_strategy=one).remote(self._mark) for one in there])
        )

    def _begin(self, number: int) -> _Slot:
        wanted = self._ray.remote(Remote).options(num_cpus=1, num_gpus=self._gpu, scheduling_strategy="SPREAD")
        device = self._device or ("cuda" if self._gpu else "cpu")
        actor = wanted.remote(self._shipment, device, torch.get_num_threads())
        return _Slot(actor, actor.ready.remote().future(), begun=number)

    def free(self) -> int:
        """Workers that have loaded the study and have no job.

        Raises:
            StudyError, MergingError, EvaluationError: what a worker met while it loaded the study.
            Failure: every worker died again and again.
        """
        for at, slot in enumerate(self._slots):
            if slot.ready.done() and slot.ready.exception() and (slot.job is None or slot.job.done()):
                log.warning("A Ray worker died: %s", str(slot.ready.exception()).splitlines()[0])
                self._slots[at] = self._begin(slot.begun + 1)
        self._slots = [slot for slot in self._slots if slot.begun <= TRIES]
        if not self._slots:
            raise Failure("Every Ray worker died, again and again.", "Look at the cluster's logs; all trials are kept.")
        for slot in self._slots:
            error = slot.ready.result() if slot.ready.done() and not slot.ready.exception() else None
            if error is not None:
                raise error
        return sum(_idle(slot) for slot in self._slots)

    def submit(self, job: Job) -> Future[Outcome]:
        """Give the job to a free worker."""
        slot = next(slot for slot in self._slots if _idle(slot))
        answer: Future[Outcome] = Future()
        slot.job = answer
        slot.actor.measure.remote(job).future().add_done_callback(lambda done: self._pass_on(done, answer, slot))
        return answer

    def _pass_on(self, done: Future[Outcome], answer: Future[Outcome], slot: _Slot) -> None:
        error = done.exception()
        if isinstance(error, self._ray.exceptions.RayActorError):
            slot.ready = Future()
            slot.ready.set_exception(error)
            answer.set_exception(Lost("a Ray node"))
        elif error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(done.result())

    def close(self) -> None:
        """End the workers at once, and leave the cluster."""
        for slot in self._slots:
            self._ray.kill(slot.actor)
        self._mark.unlink(missing_ok=True)
        self._ray.shutdown()


def _seen(mark: Path) -> bool:
    return mark.exists()


def _idle(slot: _Slot) -> bool:
    return slot.ready.done() and not slot.ready.exception() and (slot.job is None or slot.job.done())


def _connected(address: str | None) -> Any:
    """The ray module, connected."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    try:
        import ray
    except ImportError:
        raise StudyError("Ray is not installed.", "pip install -r requirements-ray.txt") from None
    wanted = address or os.environ.get("RAY_ADDRESS") or "auto"
    code = [str(ROOT / name) for name in CODE]
    try:
        _reach(wanted)
        ray.init(
            address=wanted,
            runtime_env={"py_modules": code, "env_vars": {"OMP_WAIT_POLICY": "PASSIVE"}},
            logging_level=logging.ERROR,
            log_to_driver=False,
            include_dashboard=False if wanted == "local" else None,
        )
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise StudyError(
            f"No Ray cluster answers at '{wanted}': {str(error).splitlines()[0].rstrip('. ')}.",
            "Begin one (ray start --head), or name its --address.",
        ) from None
    return ray


def _reach(address: str) -> None:
    """Knock at HOST:PORT: Ray itself would wait for minutes where nobody is. Raises OSError."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        with socket.create_connection((host, int(port)), PATIENCE):
            pass
