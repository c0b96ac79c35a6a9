"""Real samples with what a merge says of each: what it gets right, what flips against the base or an expert."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from study.errors import StudyError
from study.front import baselines, fitted
from study.measuring.outputs import load_outputs, load_targets
from study.measuring.samples import drawn
from study.settings import MethodChoice
from study.study import Study, find_task, vector
from surrogate.joint import logits_of

Classes = NDArray[np.intp]


@dataclass(frozen=True)
class Look:
    """One task's validation samples through the eyes of several models.

    ids (n,) of the samples, targets (n,) true classes, said: predicted classes (n,) by "mix", "base", "average" and
    "expert:NAME". ``measured`` tells whether the mix was really evaluated or is predicted.
    """

    task: str
    classes: tuple[str, ...]
    ids: tuple[str, ...]
    targets: Classes
    said: Mapping[str, Classes]
    measured: bool

    def right(self, who: str) -> NDArray[np.bool_]:
        """Which samples a model gets right, (n,)."""
        return np.asarray(self.said[who] == self.targets)

    def gained(self, against: str) -> NDArray[np.intp]:
        """Rows that the mix gets right and another model does not."""
        return np.flatnonzero(self.right("mix") & ~self.right(against))

    def lost(self, against: str) -> NDArray[np.intp]:
        """Rows that another model gets right and the mix does not."""
        return np.flatnonzero(~self.right("mix") & self.right(against))

    def confusion(self, who: str = "mix") -> NDArray[np.int64]:
        """How often true class i was called j, (C, C)."""
        size = len(self.classes)
        return np.bincount(self.targets * size + self.said[who], minlength=size * size).reshape(size, size)


def look(study: Study, choice: MethodChoice, coefficients: Mapping[str, float], task: str) -> Look:
    """What a merge says of every validation sample: its own outputs where measured, else the logit surrogate's.

    Raises:
        StudyError: nothing was measured yet, or the task has no classes to show. SurrogateError: too few trials.
    """
    find_task(study, task)
    checked = study.check(choice, coefficients)
    targets = load_targets(study)
    if task not in targets:
        raise StudyError(f"Nothing was measured on '{task}' yet.", "Run some trials first.")
    source, split = drawn(study, task)
    outputs, measured = _outputs(study, choice, checked, task)
    said = {"mix": outputs.argmax(axis=-1)}
    for label, line in baselines(study).items():
        said[label] = load_outputs(study, line["trial"])[task].argmax(axis=-1)
    return Look(task, class_names(study, task, source.classes), split.ids, targets[task], said, measured)


def _outputs(
    study: Study, choice: MethodChoice, coefficients: Mapping[str, float], task: str
) -> tuple[NDArray[np.floating], bool]:
    """Outputs (n, C) of a merge on a task, and whether they were measured."""
    identity = study.identity(choice, coefficients)
    if any(trial.id == identity for trial in study.done(choice.name)):
        return load_outputs(study, identity)[task], True
    model = logits_of(fitted(study, choice, "logits"))
    at = model.outputs_at(np.array([vector(study, coefficients)]))
    return at[model.observations.names.index(task)][0], False


def class_names(study: Study, task: str, own: tuple[str, ...]) -> tuple[str, ...]:
    """What a task's answers are called: as the study says, else as its data does."""
    return find_task(study, task).classes or own


def picture(study: Study, task: str, identity: str) -> Image | str:
    """The picture (or text) behind a sample's id.

    Raises:
        StudyError: the id is not one of the task's samples.
    """
    source, split = drawn(study, task)
    if identity not in split.ids:
        raise StudyError(f"Task '{task}' has no sample '{identity[:80]}'.")
    return source.read(identity)
