"""Running a study: the worker from its lock to its last word, and single trials measured on request."""

from __future__ import annotations

import os
import time
from contextlib import suppress

from evaluation.errors import Cancelled
from study.errors import StudyError, of_the_computer
from study.folder.lock import only_worker
from study.folder.writing import sweep
from study.measuring.measure import Say
from study.running.loop import Heart, Loop, Report
from study.running.places import Place, opened
from study.study import Study


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
