"""Which checkpoints, and which Python file, a study was measured with: kept once, and held to ever after."""

from __future__ import annotations

import json
from pathlib import Path

import merging
from evaluation.models.code import file_fingerprint
from merging import Checkpoint
from study.errors import StudyError
from study.folder.writing import replace_text
from study.study import Study

PINS = "fingerprints.json"
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
    path = study.folder / PINS
    pinned = _pinned(path)
    if CODE_PIN in pinned:  # remembered also while no file is named
        found = {CODE_PIN: pinned[CODE_PIN]} | found
    changed = [name for name, value in found.items() if pinned.get(name, value) != value]
    if changed and study.done(partial=True):
        told = f"The weights of '{changed[0]}' are not the ones that this study's trials were measured with."
        if changed[0] == CODE_PIN:
            told = f"The file '{study.code}' is not the one that this study's trials were measured with."
        raise StudyError(told, "Put the old file back, or make a new study for the new one.")
    if pinned != found:
        replace_text(path, json.dumps(found, indent=1, sort_keys=True))


def _pinned(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        found = error
    if not isinstance(found, dict):
        raise StudyError(
            f"{path} is damaged: it is not a JSON object.",
            f"Set it aside: python -m study repair {path.parent}.",
        )
    return {str(name): str(value) for name, value in found.items()}
