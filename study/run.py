"""The worker's loop: measure what is proposed, plan more, until the budget is spent or someone cancels."""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass

from evaluation.errors import Cancelled, EvaluationError
from merging import MergingError
from study.errors import Failure, StudyError, of_the_computer
from study.measure import Measurer, Say
from study.observe import save_outputs, save_targets
from study.plan import extend, first_points
from study.settings import MethodChoice
from study.study import Study
from study.trial import Trial
from study.worker import only_worker
from study.writing import sweep

BASELINE = MethodChoice(name="task_arithmetic")  # its one-hot and zero points are the experts and the base themselves
STREAK = 3
BEAT = 2.0  # seconds between two signs of life inside a trial
LOOK = 0.25  # seconds between two looks of a paused worker
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """How a run ended: *finished* or *cancelled*, and how many trials it measured."""

    end: str
    measured: int
    failed: int


def run(
    study: Study,
    trials: int = 0,
    method: str | None = None,
    seed: int | None = None,
    device: str | None = None,
    surrogate: str | None = None,
) -> Report:
    """Measure what is proposed, then plan up to ``trials`` trials per method and measure those.

    Raises:
        StudyError, MergingError, EvaluationError: the study cannot be measured at all; every done trial is kept.
        Failure: the disk is full, memory ran out, a file cannot be read; the same call goes on once that is mended.
    """
    with only_worker(study.folder):
        store = study.store
        store.check()
        sweep(study.folder)
        choices = [study.method(method)] if method else list(study.settings.methods)
        store.begin(os.getpid(), ", ".join(choice.name for choice in choices), trials)
        store.recover()
        try:
            with Measurer(study, device, _sparing(store.say)) as measurer:
                report = _Loop(study, measurer, seed, surrogate).run(choices, trials)
        except Cancelled:
            store.say("cancelled", 0, 0)
            return Report("cancelled", 0, 0)
        except Exception as error:
            failure = of_the_computer(error, study.folder)
            with suppress(StudyError):  # on a full disk there may be no room for these words either
                store.say("failed", 0, 0, str(failure or error) or type(error).__name__)
            if failure is not None and failure is not error:
                raise failure from error
            raise
        store.say(report.end, report.measured, report.measured)
        return report


class _Loop:
    def __init__(self, study: Study, measurer: Measurer, seed: int | None, surrogate: str | None) -> None:
        self.study = study
        self.measurer = measurer
        self.seed = study.settings.seed if seed is None else seed
        self.surrogate = surrogate
        self.measured = 0
        self.failed: set[str] = set()
        self.retried: set[str] = set()
        self.streak: set[str] = set()
        self._beat = time.monotonic()
        save_targets(study, "validation", measurer.targets("validation"))

    def run(self, choices: list[MethodChoice], budget: int) -> Report:
        self._baselines(choices, budget)
        while True:
            self._work_off(budget * len(choices))
            if self._cancelled():
                return Report("cancelled", self.measured, len(self.failed))
            if self._retry():
                continue
            more = [self._extend(choice, budget) for choice in choices] if budget else []
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
        default = self.measurer.default(choice)
        if self.study.settings.groups is not None:
            self.measurer.directions(choice, self._stop_or_beat)  # the plan reads how much each group moves
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
        while not self._cancelled():
            waiting = [trial for trial in self.study.store.trials() if trial.state == "proposed"]
            if not waiting:
                return
            # What a person asked for goes first: somebody is waiting for it, even while the rest is paused.
            asked = next((one for one in waiting if one.origin == "asked"), None)
            paused = asked is None and self.study.store.progress().pause
            done = len([one for one in self.study.done() if one.origin != "baseline"])
            self.study.store.say("paused" if paused else "measuring", done, max(budget, done + len(waiting)))
            if paused:
                time.sleep(LOOK)
            else:
                self._measure(asked or waiting[0])

    def _measure(self, trial: Trial) -> None:
        store = self.study.store
        choice = self.study.method(trial.method).model_copy(update={"settings": trial.settings})
        store.start(trial.id)
        begun = time.perf_counter()
        try:
            result = self.measurer.measure(choice, trial.coefficients, should_stop=self._stop_or_beat)
        except Cancelled:
            store.recover()
            return
        except Exception as error:
            if isinstance(error, StudyError) or of_the_computer(error, self.study.folder):
                raise  # the next trial would meet the same
            store.fail(trial.id, str(error).splitlines()[0] if str(error) else type(error).__name__)
            log.warning("trial %d failed: %s", trial.number, error)
            self._failed(trial, error)
            return
        sha256 = save_outputs(self.study, trial.id, "validation", result.outputs)
        saved = time.perf_counter()
        known = result.seconds["merge"] + result.seconds["forward"]
        seconds = {**result.seconds, "other": saved - begun - known}
        store.finish(trial.id, result.measured, seconds, sha256=sha256)
        self.failed.discard(trial.id)
        self.streak.clear()
        self.measured += 1

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

    def _stop_or_beat(self) -> bool:
        if time.monotonic() - self._beat > BEAT:
            self._beat = time.monotonic()
            self.study.store.beat()
        return self._cancelled()

    def _cancelled(self) -> bool:
        return self.study.store.progress().cancel


def _sparing(say: Say) -> Say:
    """Tell every new phase, and its steps at most five times a second: each telling is a disk write."""
    last: list[tuple[str, float]] = [("", 0.0)]

    def told(phase: str, done: int, total: int) -> None:
        now = time.monotonic()
        if phase != last[0][0] or now - last[0][1] > 0.2:
            last[0] = (phase, now)
            say(phase, done, total)

    return told


def measure_now(
    study: Study,
    asked: list[tuple[MethodChoice, dict[str, float]]],
    splits: tuple[str, ...],
    device: str | None = None,
) -> list[Trial]:
    """Measure given coefficients for real and keep them as done trials, in the order asked.

    Raises:
        StudyError: another worker is measuring the study, or coefficients are wrong.
    """
    store = study.store
    ids = [study.propose(choice, coefficients, "asked") for choice, coefficients in asked]
    wanted = {trial.id: trial for trial in store.trials() if trial.id in ids}
    missing = [one for one in dict.fromkeys(ids) if _lacks(wanted[one], splits)]
    if missing:
        # Only the validation split belongs to the plan; the held-out one may be measured beside a running worker.
        alone = only_worker(study.folder) if any(wanted[one].state != "done" for one in missing) else nullcontext()
        with alone, Measurer(study, device, _tell, splits) as measurer:
            for identity in missing:
                complete(study, measurer, wanted[identity], splits)
    found = {trial.id: trial for trial in store.trials() if trial.id in ids}
    return [found[one] for one in ids]


def _lacks(trial: Trial, splits: tuple[str, ...]) -> bool:
    return ("validation" in splits and trial.state != "done") or ("test" in splits and not trial.test)


def complete(study: Study, measurer: Measurer, trial: Trial, splits: tuple[str, ...]) -> None:
    """Measure the splits that a trial lacks, with samples that the measurer has loaded, and keep the outcome."""
    choice = study.method(trial.method).model_copy(update={"settings": trial.settings})
    for split in splits:
        if (split == "validation" and trial.state == "done") or (split == "test" and trial.test):
            continue
        result = measurer.measure(choice, trial.coefficients, split)
        save_targets(study, split, measurer.targets(split))
        sha256 = save_outputs(study, trial.id, split, result.outputs)
        study.store.finish(trial.id, result.measured, result.seconds, split, sha256)


def _tell(phase: str, done: int, total: int) -> None:
    if done == 0:
        sys.stderr.write(f"{phase} …\n")
