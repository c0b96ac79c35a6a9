"""Where trials are measured: in this process, or by workers that each hold the study on a device of their own.

A worker measures one job at a time, and what it finds does not depend on who else works: the same weights, samples and
batches give the same bits. Which trials there are, and in which order, is decided elsewhere (study/running/plan.py),
and the store is written by the caller alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from evaluation.errors import Cancelled, EvaluationError
from merging import MergingError
from study.errors import StudyError, of_the_computer
from study.folder.trial import Measured
from study.measuring.measure import Measurer, Result
from study.settings import MethodChoice
from study.study import Study

KNOWN = (StudyError, MergingError, EvaluationError, Cancelled)
Outcome = Result | Exception


@dataclass(frozen=True)
class Job:
    """A merge to be measured on these tasks: on all their validation samples, or on the ``first`` so many."""

    choice: MethodChoice
    coefficients: dict[str, float]
    tasks: tuple[str, ...]
    first: int | None = None


class Lost(Exception):  # noqa: N818 - what happened, not what is wrong with the request
    """The worker died before it answered; somebody else can do the job."""


class Executor(Protocol):
    """Workers that measure jobs."""

    def free(self) -> int:
        """How many jobs would be begun at once."""
        ...

    def submit(self, job: Job) -> Future[Outcome]:
        """Begin a job; only while one is free. The future holds what was measured or the error that it met; its own
        exception is `Lost`."""
        ...

    def close(self) -> None:
        """End all workers; what they were measuring is given up."""
        ...


class Here:
    """This process measures, one job after the other."""

    def __init__(self, measurer: Measurer, should_stop: Callable[[], bool]) -> None:
        """``measurer`` holds the study already; ``should_stop`` is asked between two batches."""
        self._measurer = measurer
        self._should_stop = should_stop

    def free(self) -> int:
        """Always one: a job is done when `submit` returns."""
        return 1

    def submit(self, job: Job) -> Future[Outcome]:
        """Measure now."""
        future: Future[Outcome] = Future()
        try:
            future.set_result(measured(self._measurer, job, self._should_stop))
        except Exception as error:
            future.set_result(error)
        return future

    def close(self) -> None:
        """The measurer belongs to the caller."""


def measured(measurer: Measurer, job: Job, should_stop: Callable[[], bool] = lambda: False) -> Result:
    """Do a job with a measurer that is open already."""
    return measurer.measure(job.choice, job.coefficients, should_stop=should_stop, first=job.first, tasks=job.tasks)


def portable(error: Exception, study: Study) -> Exception:
    """The error as one that another process can be told: ours as they are, others as what they say."""
    if isinstance(error, KNOWN):
        return error
    return of_the_computer(error, study.folder) or RuntimeError(f"{type(error).__name__}: {error}")


def parts(tasks: Sequence[str], count: int) -> list[tuple[str, ...]]:
    """Tasks in at most ``count`` parts of consecutive ones, as even as can be.

    >>> parts(["a", "b", "c"], 2)
    [('a', 'b'), ('c',)]
    """
    cuts = np.array_split(np.arange(len(tasks)), max(1, min(count, len(tasks))))
    return [tuple(tasks[i] for i in cut) for cut in cuts]


def together(results: Sequence[Result]) -> Result:
    """What the parts of one trial found, as one; each part merged for itself, so the merge counts once."""
    if len(results) == 1:
        return results[0]
    outputs: dict[str, NDArray[np.float32]] = {}
    found: dict[str, Measured] = {}
    for one in results:
        timed = {name: _whole(found[name], new) for name, new in one.measured.items() if name in found}
        found.update(one.measured | timed)
        outputs.update(one.outputs)
    seconds = {part: sum(one.seconds[part] for one in results) for part in ("forward", "other")}
    return Result(found, outputs, {"merge": max(one.seconds["merge"] for one in results), **seconds})


def _whole(one: Measured, other: Measured) -> Measured:
    """A property of the model that two parts of one trial have found; a time per sample is that over the samples of
    both."""
    if one.metric != "milliseconds":
        return one
    n = one.n + other.n
    return replace(one, value=(one.value * one.n + other.value * other.n) / n, n=n)
