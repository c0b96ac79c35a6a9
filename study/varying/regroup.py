"""Giving a study layer groups, or taking them away: what was measured at equal numbers comes along."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import merging
from merging.groups import checked_groups, places
from study.errors import StudyError
from study.folder.lock import only_worker
from study.folder.trial import Trial
from study.folder.writing import replacing
from study.measuring.outputs import load_targets, outputs_path, save_targets
from study.study import Study

SPLITS = ("validation", "test")


def parse_groups(text: str) -> int | str | None:
    """Read what is typed for layer groups.

    Raises:
        StudyError: neither a number from 2 to 16, nor slope, nor none.
    """
    if text == "none":
        return None
    try:
        return checked_groups(text if text == "slope" else int(text))
    except (ValueError, merging.MergingError) as error:
        raise StudyError(
            f"'{text}' is no number of layer groups.", "Allowed: slope, none, or a whole number from 2 to 16."
        ) from error


def regroup(study: Study, groups: int | str | None) -> tuple[Study, int]:
    """Change the layer groups in study.yaml; the study as it is now, and how many measured merges came along.

    A merge whose numbers are equal in all groups of each expert is the same merge whatever the groups are, bit for
    bit, so it is not measured again. All others stay in the store and are seen again when the groups are what they
    were.

    Raises:
        StudyError: a worker is measuring. MergingError: the model has too few blocks for that many groups.
    """
    check_depth(study, groups)
    changed = Study(study.folder, study.settings.model_copy(update={"groups": groups}))
    if changed.settings == study.settings:
        return study, 0
    with only_worker(study.folder):
        changed.save()
        for split in SPLITS:
            if targets := load_targets(study, split):
                save_targets(changed, split, targets)
        carried = [_carry(study, changed, trial, point) for trial in study.done() if (point := _equal(study, trial))]
    return changed, len(carried)


def check_depth(study: Study, groups: int | str | None) -> None:
    """Raise MergingError where the model has too few blocks for that many layer groups."""
    if groups is not None:
        with merging.open_tensors(study.path(study.settings.base.weights)) as tensors:
            places([key for key in tensors.keys() if tensors.dtype(key).is_floating_point], checked_groups(groups))


def _equal(study: Study, trial: Trial) -> dict[str, float] | None:
    """One number per expert, where it has the same in all its groups."""
    numbers = [trial.coefficients[name] for name in study.coefficients]
    count = len(numbers) // len(study.experts)
    found = {expert.name: numbers[at * count] for at, expert in enumerate(study.experts)}
    return found if study.everywhere(list(found.values())) == numbers else None


def _carry(study: Study, changed: Study, trial: Trial, point: Mapping[str, float]) -> str:
    numbers = changed.everywhere([point[expert.name] for expert in study.experts])
    coefficients = dict(zip(changed.coefficients, numbers, strict=True))
    choice = changed.method(trial.method).model_copy(update={"settings": trial.settings})
    identity = changed.identity(choice, coefficients)
    origin = "baseline" if trial.origin == "baseline" else "asked"
    changed.store.propose(identity, trial.method, trial.settings, coefficients, origin)
    kept = study.store.outputs()
    for split, measured in zip(SPLITS, (trial.metrics, trial.test), strict=True):
        if measured:
            _copy(outputs_path(study, trial.id, split), outputs_path(changed, identity, split))
            changed.store.finish(identity, measured, trial.seconds, split, kept.get((trial.id, split)))
    return identity


def _copy(source: Path, target: Path) -> None:
    if source.exists() and not target.exists():
        with open(source, "rb") as file, replacing(target) as draft:
            shutil.copyfileobj(file, draft)
