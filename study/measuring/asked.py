"""Single trials measured on request, and what one trial lacks: measured, and its outcome kept."""

from __future__ import annotations

import sys
from contextlib import nullcontext

from study.folder.lock import only_worker
from study.folder.trial import Trial
from study.measuring.measure import Measurer
from study.measuring.outputs import save_outputs, save_targets
from study.settings import MethodChoice
from study.study import Study


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
    lacking = [split for split in splits if _lacks(trial, (split,))]
    for number, split in enumerate(lacking):
        first = trial.fidelity if split == "validation" else None
        result = measurer.measure(choice, trial.coefficients, split, first=first, again=number > 0)
        save_targets(study, split, measurer.targets(split))
        sha256 = save_outputs(study, trial.id, split, result.outputs)
        study.store.finish(trial.id, result.measured, result.seconds, split, sha256)


def _tell(phase: str, done: int, total: int) -> None:
    if done == 0:
        sys.stderr.write(f"{phase} …\n")
