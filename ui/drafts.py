"""A study that is being put together: what is missing, and the settings it becomes. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from study.settings import BaseChoice, ExpertChoice, MethodChoice, Samples, Settings, TaskChoice
from ui import copy

Json = dict[str, Any]
SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".json")


def file_problem(name: str, text: str) -> str | None:
    """What is wrong with a path that was typed in; None if a model may be there."""
    path = Path(text.strip().strip('"')).expanduser()
    if not text.strip() or not path.exists():
        return copy.FILE_MISSING.format(name=name, path=text.strip() or "?")
    if path.is_file() and path.suffix not in SUFFIXES:
        return copy.FILE_KIND.format(name=name, kinds=", ".join(SUFFIXES[:4]))
    if not os.access(path, os.R_OK):
        return copy.FILE_LOCKED.format(name=name)
    return None


def model_problems(draft: Mapping[str, Any]) -> list[str]:
    """Everything that keeps the models of a draft from being blended, one line each."""
    rows = experts(draft)
    problems = [] if draft.get("base") and len(rows) >= 2 else [copy.FILES_EMPTY]
    files = [(copy.BASE_NAME, str(draft.get("base") or "")), *rows]
    problems += [line for name, text in files if text and (line := file_problem(name, text))]
    seen: dict[Path, str] = {}
    for name, text in files:
        place = Path(text).expanduser().resolve() if text else None
        if place is not None and place in seen:
            problems.append(copy.FILES_TWICE.format(name=name, other=seen[place]))
        elif place is not None:
            seen[place] = name
    names = [name for name, _ in rows]
    problems += [copy.NAME_TWICE.format(name=name) for name in dict.fromkeys(names) if names.count(name) > 1]
    return problems


def experts(draft: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name, path) of the specialists that have a path; a name is made from the file where none was typed."""
    rows = []
    for i in range(int(draft.get("experts", 2))):
        text = str(draft.get(f"expert_path_{i}") or "").strip().strip('"')
        name = str(draft.get(f"expert_name_{i}") or "").strip() or Path(text).stem
        if text:
            rows.append((name, text))
    return rows


def tasks(draft: Mapping[str, Any]) -> list[Json]:
    """The tasks that have a folder."""
    rows = []
    for i in range(int(draft.get("tasks", 2))):
        data = str(draft.get(f"task_data_{i}") or "").strip().strip('"')
        name = str(draft.get(f"task_name_{i}") or "").strip() or Path(data).name
        if data:
            rows.append({"name": name, "data": data, "metric": draft.get(f"task_metric_{i}") or "accuracy"})
    return rows


def task_problems(draft: Mapping[str, Any]) -> list[str]:
    """Everything that keeps the tasks of a draft from being measured, one line each."""
    rows = tasks(draft)
    problems = [] if rows else [copy.TASKS_EMPTY]
    problems += [
        copy.DATA_MISSING.format(name=row["name"], path=row["data"])
        for row in rows
        if not Path(row["data"]).expanduser().exists()
    ]
    names = [row["name"] for row in rows]
    problems += [copy.NAME_TWICE.format(name=name) for name in dict.fromkeys(names) if names.count(name) > 1]
    return problems


def slug(title: str) -> str:
    """A name for study.yaml from what a person typed."""
    return re.sub(r"[^A-Za-z0-9 ._+-]+", "-", title).strip(" -._+") or "unnamed"


def settings_of(draft: Mapping[str, Any], methods: Sequence[MethodChoice]) -> Settings:
    """The draft as the settings of a study; paths become absolute, because the study's folder is elsewhere."""
    samples = Samples(validation=int(draft.get("validation", 400)), test=int(draft.get("test", 500)))
    names = [name for name, _ in experts(draft)]
    tokenizer = str(draft.get("tokenizer") or "").strip()
    model = str(draft["model"]).strip()
    return Settings(
        name=str(draft.get("name") or "").strip() or ", ".join(names),
        base=BaseChoice(
            model=_absolute(model) if model.endswith(".json") else model,
            weights=_absolute(str(draft["base"])),
            tokenizer=_absolute(tokenizer) if tokenizer else None,
        ),
        experts=tuple(
            ExpertChoice(name=slug(name), title=name, weights=_absolute(path)) for name, path in experts(draft)
        ),
        tasks=tuple(
            TaskChoice(
                name=slug(row["name"]),
                title=row["name"],
                data=_absolute(row["data"]),
                metric=row["metric"],
                samples=samples,
            )
            for row in tasks(draft)
        ),
        methods=tuple(methods),
    )


def _absolute(text: str) -> str:
    return os.path.abspath(Path(text.strip().strip('"')).expanduser())


def draft_from(settings: Settings) -> Json:
    """A study's settings as a draft again, to be mended."""
    draft: Json = {
        "name": settings.name,
        "model": settings.base.model,
        "tokenizer": settings.base.tokenizer or "",
        "base": settings.base.weights,
        "experts": max(2, len(settings.experts)),
        "tasks": max(1, len(settings.tasks)),
        "validation": settings.tasks[0].samples.validation,
        "test": settings.tasks[0].samples.test,
    }
    for i, expert in enumerate(settings.experts):
        draft |= {f"expert_name_{i}": expert.title or expert.name, f"expert_path_{i}": expert.weights}
    for i, task in enumerate(settings.tasks):
        draft |= {
            f"task_name_{i}": task.title or task.name,
            f"task_data_{i}": task.data,
            f"task_metric_{i}": task.metric,
        }
    return draft


def noise_points(n: int) -> float:
    """The standard error in points of a score of 80 % on n examples."""
    return 100 * float((0.8 * 0.2 / max(1, n)) ** 0.5)
