"""A study's tasks as evaluation wants them, and where their prepared samples are kept. No torch here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from evaluation.data.corruption import Corruption, corrupted
from evaluation.data.opening import HUB, TORCHVISION, open_source
from evaluation.data.source import Source
from evaluation.samples import Drawn, recorded
from evaluation.task import TaskSpec
from study.study import Study, find_task

FOLDER = "samples"


def specs(study: Study) -> list[TaskSpec]:
    """The tasks, with paths made absolute; the expert of a task's name is its own unless it names another."""
    own = {expert.name: study.path(expert.weights) for expert in study.experts}
    return [
        TaskSpec(
            name=task.name,
            title=task.title or task.name,
            data=Path(placed(task.data, lambda here: study.path(str(here)))),
            metric=task.metric,
            samples=task.samples.model_dump(),
            templates=task.templates or (),
            classes=task.classes,
            head=study.path(task.head) if task.head else None,
            expert=own.get(task.expert or task.name),
            unreadable=task.unreadable,
            corruption=Corruption(task.corruption.kind, task.corruption.severity) if task.corruption else None,
        )
        for task in study.tasks
    ]


def place(text: str) -> Path | None:
    """Where the data of a task are on this computer, as a study file writes it; None: on a model hub."""
    if text.startswith(HUB):
        return None
    if text.startswith(TORCHVISION):
        return Path(text.removeprefix(TORCHVISION).partition(":")[2] or ".")
    return Path(text)


def placed(text: str, moved: Callable[[Path], str | Path]) -> str:
    """The data of a task as a study file writes it, with the place on this computer changed."""
    here = place(text)
    if here is None:
        return text
    if text.startswith(TORCHVISION):
        return f"{TORCHVISION}{text.removeprefix(TORCHVISION).partition(':')[0]}:{moved(here)}"
    return str(moved(here))


def spec(study: Study, task: str) -> TaskSpec:
    """One task.

    Raises:
        StudyError: no such task; names the nearest.
    """
    find_task(study, task)
    return next(one for one in specs(study) if one.name == task)


def drawn(study: Study, task: str, split: str = "validation") -> tuple[Source, Drawn]:
    """The source of a task's samples and which of them a split holds.

    Raises:
        StudyError: no such task. EvaluationError: its data cannot be read.
    """
    wanted = spec(study, task)
    source, seed = open_source(wanted.data), study.settings.seed
    samples = recorded(wanted, source, seed, study.folder / FOLDER)
    return corrupted(source, wanted.corruption, seed), samples.splits[split]
