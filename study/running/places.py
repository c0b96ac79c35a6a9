"""Which machines and devices measure a study, and opening them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import torch

from evaluation.device import available, pick_device
from study.errors import StudyError
from study.measuring.measure import Measurer, Say
from study.measuring.outputs import save_targets
from study.running.cluster import Cluster, Reach
from study.running.executor import Executor, Here
from study.running.loop import Heart
from study.running.processes import Processes
from study.settings import MethodChoice
from study.study import Study

EXECUTORS = ("local", "ray")


@dataclass(frozen=True)
class Place:
    """Where to measure. executor: "local", this machine, or "ray", a cluster at ``address`` (None: the one that this
    machine belongs to). device: one or several with commas between; None: every GPU, else the CPU. workers: how many;
    None: one per device (Ray: per GPU of the cluster, else per node). ship: what a Ray node needs is sent to it even
    where all nodes see the study's folder (a slow shared disk, say)."""

    executor: str = "local"
    device: str | None = None
    workers: int | None = None
    address: str | None = None
    ship: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.executor not in EXECUTORS:
            raise StudyError(f"Unknown executor '{self.executor}'.", f"Allowed: {', '.join(EXECUTORS)}.")
        if self.address is not None and self.executor != "ray":
            raise StudyError("--address names a Ray cluster.", "Add --executor ray.")
        if self.workers is not None and not 1 <= self.workers <= 1000:
            raise StudyError(f"--workers is {self.workers}.", "Give a number from 1 to 1000.")


def devices(place: Place) -> list[str]:
    """The device of each local worker.

    Raises:
        EvaluationError: a device that this machine does not have.
    """
    gpus = [name for name in available() if name.startswith("cuda")]
    named = place.device.split(",") if place.device else gpus or [str(pick_device(None))]
    found = [str(pick_device(name.strip())) for name in named]
    return [found[i % len(found)] for i in range(place.workers or len(found))]


@contextmanager
def opened(study: Study, place: Place, choices: list[MethodChoice], say: Say, heart: Heart) -> Iterator[Executor]:
    """The executor, ready to measure; closed at the end of the block.

    Whatever is made once per study (samples, heads, what methods prepare) is made by this process, before any worker
    is there.

    Raises:
        StudyError, MergingError, EvaluationError: the study cannot be measured at all. Cancelled: somebody said so.
    """
    if place.executor == "ray" and study.code is not None:
        raise StudyError("A Python model is measured on this machine only.", "Leave --executor ray out.")
    if place.executor == "ray":  # this process only prepares, on whatever it has
        here = [str(pick_device("cpu" if place.device == "cpu" else None))]
    else:
        here = devices(place)
    with Measurer(study, here[0], say) as measurer:
        save_targets(study, "validation", measurer.targets("validation"))
        alone = place.executor == "local" and len(here) == 1
        if study.settings.groups is not None or not alone:  # the plan reads how much each layer group moves
            for choice in choices:
                measurer.directions(choice, heart.cancelled)
        if alone:
            yield Here(measurer, heart.cancelled)
            return
        sources = measurer.sources
    del measurer  # its memory is wanted by the workers
    torch.cuda.empty_cache()
    say("starting workers", 0, place.workers or len(here))
    if place.executor == "ray":
        executor: Executor = Cluster(study, Reach(place.address, place.device, place.workers, place.ship), sources)
    else:
        executor = Processes(study, here)
    with closing(executor):
        yield executor
