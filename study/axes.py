"""What a study trades off: one axis per task, and one per property of the merged model or number of a Python model."""

from __future__ import annotations

import difflib
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from evaluation.data.corruption import KINDS, LARGE
from evaluation.data.table import is_table
from evaluation.data.texts import SUFFIXES
from evaluation.metric import Metric, metric
from study.errors import StudyError
from study.settings import AxisChoice, Settings, TaskChoice
from study.study import Study

if TYPE_CHECKING:
    from surrogate.link import Link

Direction = Literal["max", "min"]
PROPERTIES = ("distance", "megabytes", "milliseconds")


@dataclass(frozen=True)
class Axis:
    """One number of every mix: its name, what is read (`metric`, a word), its unit, which way is better, its bounds.

    formula: how it is read from a task's outputs; None for what has no samples. squared: its square, not itself, is
    smooth where it is 0, as of a distance.
    """

    name: str
    title: str
    metric: str
    label: str
    unit: str
    direction: Direction
    low: float
    high: float
    formula: Metric | None = None
    squared: bool = False

    @property
    def sign(self) -> float:
        """+1 where more is better, -1 where less is: inside `surrogate` everything is maximised."""
        return 1.0 if self.direction == "max" else -1.0

    @property
    def link(self) -> Link:
        """How the surrogate warps it, turned so that more is better."""
        from surrogate.link import Link, link_for  # here: `status` and the like need none of it, nor its scipy

        low, high = (self.low, self.high) if self.direction == "max" else (-self.high, -self.low)
        return Link("square", low, high) if self.squared else link_for(low, high)


def axes(study: Study) -> list[Axis]:
    """The axes of a study: its tasks in their order, then the others."""
    return [_of_task(task) for task in study.tasks] + [_of_choice(one) for one in study.settings.axes or ()]


def _of_task(task: TaskChoice) -> Axis:
    one = metric(task.metric)
    return Axis(
        task.name, task.title or task.name, one.name, one.title, one.unit, one.direction, one.low, one.high, one
    )


def _of_choice(one: AxisChoice) -> Axis:
    title, far = one.title or one.name, math.inf
    if one.kind == "distance":
        return Axis(one.name, title, one.kind, "Distance from the base", "relative", "min", 0.0, far, squared=True)
    if one.kind == "megabytes":
        return Axis(one.name, title, one.kind, "Size of the checkpoint", "MB", "min", 0.0, far)
    if one.kind == "milliseconds":
        return Axis(one.name, title, one.kind, "Time per sample", "ms", "min", 0.0, far)
    low, high = one.range or (None, None)
    ends = (-far if low is None else low, far if high is None else high)
    return Axis(one.name, title, one.name, title, one.unit or "value", one.direction or "max", *ends)


def find_axis(study: Study, name: str) -> Axis:
    """An axis of the study by name.

    Raises:
        StudyError: no such axis; names the nearest.
    """
    found = {one.name: one for one in axes(study)}
    if name not in found:
        near = difflib.get_close_matches(name, found, n=1)
        hint = f" Nearest: '{near[0]}'." if near else ""
        what = "axis" if study.settings.axes else "task"
        plural = "axes" if study.settings.axes else "tasks"
        raise StudyError(f"Unknown {what} '{name}'.{hint}", f"The {plural} are: {', '.join(found)}.")
    return found[name]


def with_axis(settings: Settings, what: str) -> Settings:
    """Settings with one more axis: a property ("distance", …), or "TASK:KIND:SEVERITY", a corrupted copy of a task.

    The copy reads the same samples with the same metric, and has the classifier of the task's expert.

    Raises:
        StudyError: unknown property, task or corruption, or an axis of that name is there already.
    """
    if what in PROPERTIES:
        added = [one.model_dump(exclude_none=True) for one in settings.axes or ()]
        return _checked(settings, {"axes": [*added, {"name": what, "kind": what}]})
    name, _, how = what.partition(":")
    kind, _, severity = how.partition(":")
    of = next((task for task in settings.tasks if task.name == name), None)
    if of is None or not kind or not severity.isdecimal():
        raise StudyError(
            f"'{what}' is no axis.",
            f"Give {', '.join(PROPERTIES)}, or TASK:KIND:SEVERITY with one of the tasks "
            f"{', '.join(task.name for task in settings.tasks) or '(none)'}, one of {', '.join(KINDS)} and 1 to 5.",
        )
    copy = of.model_dump(exclude_none=True) | {
        "name": f"{name} {kind} {severity}",
        "title": f"{of.title or name}, {kind.replace('_', ' ')} {severity}",
        "corruption": {"kind": kind, "severity": int(severity)},
    }
    if of.expert is None and any(expert.name == name for expert in settings.experts):
        copy["expert"] = name
    return _checked(settings, {"tasks": [*(task.model_dump(exclude_none=True) for task in settings.tasks), copy]})


def corruptions(data: Path) -> tuple[str, ...]:
    """The kinds of corruption for samples at a path: those of texts or of pictures, or all where it does not tell."""
    texts = tuple(kind for kind in KINDS if kind not in LARGE)
    if data.suffix.lower() in SUFFIXES:
        return texts
    return tuple(LARGE) if data.is_dir() and not is_table(data) else KINDS


def held_out(settings: Settings, text: str, folder: Path) -> Settings:
    """Settings with a task that no expert was fine-tuned for, from "NAME=DATA".

    Raises:
        StudyError: not of that form, or an axis of that name is there already.
    """
    name, equals, data = (part.strip() for part in text.partition("="))
    if not (name and equals and data):
        raise StudyError(f"'{text}' is not NAME=DATA.", "Write it like this: --held-out flowers=data/flowers.")
    if ":" not in data:
        place = Path(os.path.abspath(Path(data).expanduser()))
        data = place.relative_to(folder).as_posix() if place.is_relative_to(folder) else str(place)
    tasks = [task.model_dump(exclude_none=True) for task in settings.tasks]
    return _checked(settings, {"tasks": [*tasks, {"name": name, "data": data}]})


def dropped(settings: Settings, name: str) -> Settings:
    """Settings without one axis.

    Raises:
        StudyError: there is none of that name, or it is the last one.
    """
    find_axis(Study(Path(), settings), name)
    tasks = [task.model_dump(exclude_none=True) for task in settings.tasks if task.name != name]
    rest = [one.model_dump(exclude_none=True) for one in settings.axes or () if one.name != name]
    return _checked(settings, {"tasks": tasks, "axes": rest or None})


def _checked(settings: Settings, changed: dict[str, Any]) -> Settings:
    try:
        return Settings.model_validate(settings.model_dump(exclude_none=True) | changed)
    except ValidationError as error:
        told = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise StudyError(f"That cannot be an axis: {told}.", "See: python -m study axes DIR.") from None
