"""Running a study: the worker from its lock to its last word, and single trials measured on request."""

from __future__ import annotations

import os
import sys
import time
from contextlib import nullcontext, suppress

from evaluation.errors import Cancelled
from study.errors import StudyError, of_the_computer
from study.loop import Heart, Loop, Report
from study.measure import Measurer, Say
from study.observe import save_outputs, save_targets
from study.places import Place, opened
from study.settings import MethodChoice
from study.study import Study
from study.trial import Trial
from study.worker import only_worker
from study.writing import sweep


def run(
    study: Study,
    trials: int = 0,
    method: str | None = None,
    seed: int | None = None,
    device: str | None = None,
    surrogate: str | None = None,
    place: Place | None = None,
) -> Report:
    """Measure what is proposed, then plan up to ``trials`` trials per method and measure those.

    ``place`` says where; without it, on ``device`` of this machine.

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
        heart = Heart(study)
        try:
            with opened(study, place or Place(device=device), choices, _sparing(store.say), heart) as executor:
                report = Loop(study, executor, heart, seed, surrogate).run(choices, trials)
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
        result = measurer.measure(
            choice, trial.coefficients, split, first=trial.fidelity if split == "validation" else None
        )
        save_targets(study, split, measurer.targets(split))
        sha256 = save_outputs(study, trial.id, split, result.outputs)
        study.store.finish(trial.id, result.measured, result.seconds, split, sha256)


def _tell(phase: str, done: int, total: int) -> None:
    if done == 0:
        sys.stderr.write(f"{phase} …\n")
