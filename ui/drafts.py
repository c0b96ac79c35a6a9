"""A study that is being put together: what is missing, and the settings it becomes. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from study import glance
from study.server import confined, outside
from study.settings import BaseChoice, ExpertChoice, MethodChoice, Samples, Settings, TaskChoice, title_of
from ui import copy, words
from ui import copy_setup as told

Json = dict[str, Any]
MOST = 32  # specialists of one study
SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".json")


def file_problem(name: str, text: str) -> str | None:
    """What is wrong with a path that was typed in; None if a model may be there."""
    path = Path(text.strip().strip('"')).expanduser()
    if problem := outside(path):
        return problem
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
    wrong = {text: line for name, text in files if text and (line := file_problem(name, text))}
    problems += wrong.values()
    seen: dict[Path, str] = {}
    for name, text in files:
        if text in wrong:
            continue
        place = Path(text).expanduser().resolve() if text else None
        if place is not None and place in seen:
            problems.append(copy.FILES_TWICE.format(name=name, other=seen[place]))
        elif place is not None:
            seen[place] = name
    names = [name for name, _ in rows]
    problems += [copy.NAME_TWICE.format(name=name) for name in dict.fromkeys(names) if names.count(name) > 1]
    return problems + misfits(str(draft.get("base") or ""), rows)


def experts(draft: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name, path) of the specialists that have a path; a name is made from the file where none was typed."""
    rows = []
    for i in range(int(draft.get("experts", 2))):
        text = str(draft.get(f"expert_path_{i}") or "").strip().strip('"')
        name = str(draft.get(f"expert_name_{i}") or "").strip() or Path(text).stem
        if text:
            rows.append((name, text))
    return rows


def glance_at(name: str, text: str, base: str | None = None) -> str | None:
    """One line about a file that was typed in, from its header alone; None where there is nothing to say (yet)."""
    clean = text.strip().strip('"')
    if not clean or file_problem(name, text):
        return None
    path = Path(clean).expanduser()
    found = glance.shapes(path)
    if found is None:
        return told.GLANCE_LATER
    start = glance.shapes(Path(base.strip().strip('"')).expanduser()) if base else None
    if start is None:
        return told.GLANCE_OK.format(count=words.count(glance.weights(found)))
    return None if glance.misfit(start, found) else told.GLANCE_SAME


def misfits(base: str, rows: Sequence[tuple[str, str]]) -> list[str]:
    """A line for every specialist whose header does not fit that of the starting model."""
    start = glance.shapes(Path(base.strip().strip('"')).expanduser()) if base else None
    lines = []
    for name, text in rows if start else ():
        found = glance.shapes(Path(text).expanduser())
        wrong = glance.misfit(start, found) if start and found else None
        if wrong:
            lines.append(misfit_line(name, wrong, len(start or ())))
    return lines


def misfit_line(name: str, wrong: glance.Misfit, count: int) -> str:
    """Why a specialist does not fit the starting model, in words."""
    facts = {"name": name, "all": count, "first": wrong.first}
    if wrong.other_shape:
        found, expected = (" x ".join(map(str, one or ())) for one in (wrong.found, wrong.expected))
        return told.GLANCE_SHAPE.format(n=wrong.other_shape, found=found, expected=expected, **facts)
    if wrong.missing:
        return told.GLANCE_MISSING.format(n=wrong.missing, **facts)
    return told.GLANCE_EXTRA.format(n=wrong.extra, **facts)


def models_in(text: str) -> list[Path]:
    """The model files of a folder, and its sub-folders that hold a model, by name."""
    folder = Path(text.strip().strip('"')).expanduser()
    if outside(folder) or not folder.is_dir():
        return []
    here = [one for one in folder.iterdir() if not outside(one)]
    files = [one for one in here if one.is_file() and one.suffix in SUFFIXES[:4]]
    inner = [one for one in here if one.is_dir() and any(one.glob("*.safetensors"))]
    return sorted([*files, *inner])


def add_experts(draft: Json, paths: Sequence[Path]) -> list[str]:
    """Put models behind the specialists that have a path already; the names of the fields that changed."""
    have = experts(draft)
    known = {str(Path(path).expanduser().resolve()) for _, path in have} | {str(draft.get("base") or "")}
    fresh = [path for path in paths if str(path.resolve()) not in known]
    rows = [*have, *((path.stem, str(path)) for path in fresh)][:MOST]
    draft["experts"] = max(2, len(rows))
    changed = []
    for i, (name, path) in enumerate(rows):
        draft |= {f"expert_name_{i}": name, f"expert_path_{i}": path}
        changed += [f"expert_name_{i}", f"expert_path_{i}"]
    return changed


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
    for row in rows:
        place = Path(row["data"]).expanduser()
        if problem := outside(place):
            problems.append(problem)
        elif not place.exists():
            problems.append(copy.DATA_MISSING.format(name=row["name"], path=row["data"]))
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
            ExpertChoice(name=slug(name), title=title_of(name), weights=_absolute(path))
            for name, path in experts(draft)
        ),
        tasks=tuple(
            TaskChoice(
                name=slug(row["name"]),
                title=title_of(row["name"]),
                data=_absolute(row["data"]),
                metric=row["metric"],
                samples=samples,
            )
            for row in tasks(draft)
        ),
        methods=tuple(methods),
        groups=draft.get("groups"),
    )


def _absolute(text: str) -> str:
    return os.path.abspath(confined(Path(text.strip().strip('"')).expanduser()))


def draft_from(settings: Settings) -> Json:
    """A study's settings as a draft again, to be mended."""
    samples = settings.tasks[0].samples if settings.tasks else Samples()
    draft: Json = {
        "name": settings.name,
        "model": settings.base.model,
        "tokenizer": settings.base.tokenizer or "",
        "base": settings.base.weights,
        "experts": max(2, len(settings.experts)),
        "tasks": max(1, len(settings.tasks)),
        "validation": samples.validation,
        "test": samples.test,
        "methods": [one.name for one in settings.methods],
        "settings": {one.name: dict(one.settings) for one in settings.methods},
        "bounds": {one.name: one.bounds for one in settings.methods if one.bounds},
        "groups": settings.groups,
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
