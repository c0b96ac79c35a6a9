"""Which checkpoints, and which Python file, a study was measured with: kept once, and held to ever after."""

from __future__ import annotations

import json

import merging
from evaluation.models.code import file_fingerprint
from merging import Checkpoint
from study.errors import StudyError
from study.folder.pins import PINS, pinned
from study.folder.writing import replace_text
from study.study import Study

CODE_PIN = "code:"  # no expert can be called so


def references(study: Study) -> tuple[Checkpoint, list[Checkpoint]]:
    """The base and the experts as checked references.

    Raises:
        MergingError: a checkpoint is missing, unreadable, holds NaN, or could run code.
        StudyError: a checkpoint is not the one that earlier trials were measured with.
    """
    settings = study.settings
    base = merging.reference("base", study.path(settings.base.weights))
    experts = [merging.reference(expert.name, study.path(expert.weights)) for expert in settings.experts]
    found = {one.name: one.fingerprint for one in (base, *experts)}
    _pin(study, found | ({CODE_PIN: file_fingerprint(study.code)} if study.code else {}))
    return base, experts


def _pin(study: Study, found: dict[str, str]) -> None:
    """Refuse weights that changed under a study; remember them the first time."""
    known = pinned(study.folder)
    if CODE_PIN in known:  # remembered also while no file is named
        found = {CODE_PIN: known[CODE_PIN]} | found
    changed = [name for name, value in found.items() if known.get(name, value) != value]
    if changed and study.done(partial=True):
        told = f"The weights of '{changed[0]}' are not the ones that this study's trials were measured with."
        if changed[0] == CODE_PIN:
            told = f"The file '{study.code}' is not the one that this study's trials were measured with."
        raise StudyError(told, "Put the old file back, or make a new study for the new one.")
    if known != found:
        replace_text(study.folder / PINS, json.dumps(found, indent=1, sort_keys=True))
