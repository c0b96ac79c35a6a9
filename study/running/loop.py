"""The worker's loop: measure what is proposed, plan more, until the budget is spent or someone cancels.

Nothing is planned while a trial of the plan is still out: the plan follows from finished batches alone, so it is the
same however many workers there are and whichever of them is the quickest.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass

import merging
from evaluation.errors import Cancelled, EvaluationError
from merging import MergingError
from study.errors import Failure, StudyError, of_the_computer
from study.folder.trial import Trial
from study.measuring.measure import Result
from study.measuring.outputs import save_outputs
from study.running.executor import Executor, Job, Lost, Outcome, parts, together
from study.running.plan import extend, first_points, propose_finalists
from study.settings import MethodChoice
from study.study import Study

BASELINE = MethodChoice(name="task_arithmetic")  # its one-hot and zero points are the experts and the base themselves
STREAK = 3
LOSSES = 3  # workers that may die of one trial
BEAT = 2.0  # seconds between two signs of life
LOOK = 0.25  # seconds between two looks while there is nothing to do
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """How a run ended: *finished* or *cancelled*, and how many trials it measured."""

    end: str
    measured: int
    failed: int


@dataclass(frozen=True)
class _Out:
    """A trial that is being measured, in one part or several."""

    trial: Trial
    begun: float
    parts: tuple[Future[Outcome], ...]

    @property
    def back(self) -> bool:
        return all(one.done() for one in self.parts)


class Heart:
    """Asks whether somebody cancelled, and gives a sign of life to those who look."""

    def __init__(self, study: Study) -> None:
        """The last beat is now."""
        self._store = study.store
        self._last = time.monotonic()

    def cancelled(self) -> bool:
        """Whether the work should stop."""
        if time.monotonic() - self._last > BEAT:
            self._last = time.monotonic()
            self._store.beat()
        return self._store.progress().cancel


class Loop:
    """One run over a study's methods with an executor."""

    def __init__(self, study: Study, executor: Executor, heart: Heart, seed: int | None, surrogate: str | None) -> None:
        """``seed`` and ``surrogate`` None: the study's own."""
        self.study = study
        self.executor = executor
        self.seed = study.settings.seed if seed is None else seed
        self.surrogate = surrogate
        self.measured = 0
        self.failed: set[str] = set()
        self.retried: set[str] = set()
        self.streak: set[str] = set()
        self._out: list[_Out] = []
        self._losses: Counter[str] = Counter()
        self._cancelled: Callable[[], bool] = heart.cancelled

    def run(self, choices: list[MethodChoice], budget: int) -> Report:
        """Work until nothing is proposed and nothing more is planned."""
        self._baselines(choices, budget)
        while True:
            self._work_off(budget * len(choices))
            if self._cancelled():
                return Report("cancelled", self.measured, len(self.failed))
            if self._retry():
                continue
            more = [self._extend(choice, budget) for choice in choices] if budget else []
            if budget and not any(more):
                more = [propose_finalists(self.study, choice, self.seed) for choice in choices]
            if not any(more):
                return Report("finished", self.measured, len(self.failed))

    def _retry(self) -> bool:
        """Give every failed trial a second chance, before anything is planned from the others.

        So a passing fault leaves no mark on the plan.
        """
        again = self.failed - self.retried
        self.retried |= again
        self.study.store.retry(sorted(again))
        return bool(again)

    def _extend(self, choice: MethodChoice, budget: int) -> bool:
        default = merging.method(choice.name, choice.settings).default(len(self.study.experts))
        return extend(self.study, choice, budget, self.seed, default, self.surrogate)

    def _baselines(self, choices: list[MethodChoice], budget: int) -> None:
        """The base, each expert and their average, which every plot shows, whatever method is searched."""
        low, high = self.study.bounds(BASELINE)
        if not budget or any(one.name == BASELINE.name and not one.settings for one in choices) or low > 0 or high < 1:
            return
        names = self.study.coefficients
        for origin, point in first_points(self.study, BASELINE, self.seed, None):
            if origin == "anchor":
                self.study.propose(BASELINE, dict(zip(names, point, strict=True)), "baseline")

    def _work_off(self, budget: int) -> None:
        """Measure until nothing is proposed; back early when somebody cancelled."""
        while not self._cancelled():
            waiting = [trial for trial in self.study.store.trials() if trial.state == "proposed"]
            if not waiting and not self._out:
                return
            # What a person asked for goes first: somebody is waiting for it, even while the rest is paused.
            asked = [one for one in waiting if one.origin == "asked"]
            paused = not asked and self.study.store.progress().pause
            done = len([one for one in self.study.done(partial=True) if one.origin != "baseline"])
            total = max(budget, done + len(waiting) + len(self._out))
            self.study.store.say("paused" if paused else "measuring", done, total)
            if not paused:
                self._send(asked or waiting)
            if self._out:
                self._collect()
            else:
                time.sleep(LOOK)
        for one in self._out:
            self.study.store.withdraw(one.trial.id)
        self._out.clear()

    def _send(self, waiting: list[Trial]) -> None:
        """Begin as many trials as there are free workers; where workers are left over, each trial in parts."""
        free = self.executor.free()
        count = min(free, len(waiting))
        names = [task.name for task in self.study.tasks]
        share = 1 if self.study.settings.axes else free // max(count, 1)  # an axis may be read from all tasks together
        for trial in waiting[:count]:
            choice = self.study.method(trial.method).model_copy(update={"settings": trial.settings})
            self.study.store.start(trial.id)
            begun = time.perf_counter()
            jobs = [Job(choice, trial.coefficients, some, trial.fidelity) for some in parts(names, share)]
            self._out.append(_Out(trial, begun, tuple(self.executor.submit(job) for job in jobs)))

    def _collect(self) -> None:
        """Wait a moment for answers, and keep those of the trials that are complete."""
        wait([part for one in self._out for part in one.parts if not part.done()], LOOK, FIRST_COMPLETED)
        back = [one for one in self._out if one.back]
        self._out = [one for one in self._out if not one.back]
        for one in back:
            self._keep(one)

    def _keep(self, one: _Out) -> None:
        if any(part.exception() for part in one.parts):
            self._lost(one)
            return
        found = [part.result() for part in one.parts]
        error = next((each for each in found if isinstance(each, Exception)), None)
        if error is not None:
            self._met(one.trial, error)
            return
        result = together([each for each in found if isinstance(each, Result)])
        sha256 = save_outputs(self.study, one.trial.id, "validation", result.outputs)
        known = result.seconds["merge"] + result.seconds["forward"]
        other = time.perf_counter() - one.begun - known if len(found) == 1 else result.seconds["other"]
        seconds = {**result.seconds, "other": other}
        self.study.store.finish(one.trial.id, result.measured, seconds, sha256=sha256)
        self.failed.discard(one.trial.id)
        self.streak.clear()
        self.measured += 1

    def _lost(self, one: _Out) -> None:
        """A worker died: its trial is proposed again, unless workers keep dying of it."""
        error = next(each for part in one.parts if (each := part.exception()))
        if not isinstance(error, Lost):
            raise error
        self._losses[one.trial.id] += 1
        log.warning("The worker on %s died in trial %d; it is measured again.", error, one.trial.number)
        if self._losses[one.trial.id] == LOSSES:
            raise Failure(
                f"{LOSSES} workers died one after the other while they measured trial {one.trial.number}.",
                "Often memory ran out: use fewer workers or another device, then give the same command again.",
            )
        self.study.store.withdraw(one.trial.id)

    def _met(self, trial: Trial, error: Exception) -> None:
        """A trial could not be measured: stop where the next one would meet the same, else note it and go on."""
        if isinstance(error, Cancelled):
            self.study.store.withdraw(trial.id)
            return
        if isinstance(error, StudyError) or of_the_computer(error, self.study.folder):
            raise error
        self.study.store.fail(trial.id, str(error).splitlines()[0] if str(error) else type(error).__name__)
        log.warning("trial %d failed: %s", trial.number, error)
        self._failed(trial, error)

    def _failed(self, trial: Trial, error: Exception) -> None:
        """Note a failure; stop where it is not the trial's own.

        Weights that cannot be computed with are a matter of the coefficients. Anything else, three trials in a row, is
        a fault of the method or the computer that the next trial would meet too.
        """
        self.failed.add(trial.id)
        if isinstance(error, (MergingError, EvaluationError)):
            return
        self.streak.add(trial.id)
        if len(self.streak) == STREAK:
            raise Failure(
                f"{STREAK} trials in a row failed, the last with {type(error).__name__}: {error}.",
                "Mend that and give the same command again: every finished trial is kept.",
            ) from error
