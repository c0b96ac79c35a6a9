"""A study that is being put together: what is missing (`ui.draft_settings` makes settings of it). Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from study.axes import corruptions
from study.errors import StudyError
from study.folder.layers import labels
from study.headers import shapes
from study.measuring import samples
from study.preflight import glance
from study.server import outside, refuse_hub
from study.settings import CODE
from ui import copy, words
from ui import copy_setup as told

Json = dict[str, Any]
MOST = 32  # specialists of one study
MOST_GROUPS = 16  # of layers
DEFAULT_KIND = "ViT-B-32"
DESCRIPTIONS = ("open_clip_config.json", "config.json")  # what a folder with a model says of it
ADAPTER = "adapter_config.json"
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
    if path.is_dir():
        inside = {one.suffix for one in path.iterdir()}
        return None if inside & {*SUFFIXES[:4]} or (path / ADAPTER).exists() else copy.FOLDER_BARE.format(name=name)
    damaged = path.suffix == ".safetensors" and shapes(path) is None
    return copy.FILE_DAMAGED.format(name=name) if damaged else None


def still_needed(draft: Mapping[str, Any]) -> str | None:
    """What a draft lacks before it can be looked at, in one line; None if starting model and specialists are named."""
    lacking = 2 - len(experts(draft))
    if draft.get("base") and lacking <= 0:
        return None
    if not draft.get("base") and lacking == 2:
        return copy.FILES_EMPTY
    needed = [] if draft.get("base") else [copy.NEEDED_BASE]
    needed += [copy.NEEDED[lacking]] if lacking > 0 else []
    return copy.FILES_NEEDED.format(list=words.listed(needed))


def model_problems(draft: Mapping[str, Any]) -> list[str]:
    """Everything that keeps the models of a draft from being blended, one line each."""
    rows = experts(draft)
    problems = [line] if (line := still_needed(draft)) else []
    base = str(draft.get("base") or "")
    files = [(copy.BASE_NAME, base), *rows]
    wrong = {text: line for name, text in files if text and (line := file_problem(name, text))}
    problems += [*wrong.values(), *doubles([one for one in files if one[1] not in wrong])]
    problems += [line] if problems == [] and (line := kind_problem(str(draft.get("model") or ""))) else []
    return problems + [line for name, text in rows if (line := misfit(name, text, base))]


def doubles(files: Sequence[tuple[str, str]]) -> list[str]:
    """A line for every file that is named twice, and for every name that two different files have."""
    places: dict[Path, str] = {}
    lines, names = [], []
    for number, (name, text) in enumerate(files):
        place = Path(text.strip().strip('"')).expanduser().resolve() if text else None
        if place is not None and place in places:
            other = copy.ANOTHER if places[place] == name else places[place]
            lines.append(copy.FILES_TWICE.format(name=name, other=other))
        elif place is not None:
            places[place] = name
            names += [name] if number else []
    return lines + [copy.NAME_TWICE.format(name=name) for name in dict.fromkeys(names) if names.count(name) > 1]


def kind_problem(text: str) -> str | None:
    """What is wrong with a kind of model, as far as that can be told without opening it."""
    name = text.strip()
    if not name:
        return told.KIND_EMPTY
    near = glance.unknown(name)
    if near is None or name == CODE or name.startswith(("timm:", "torchvision:", "hf-hub:")):
        return None
    path = Path(name).expanduser()
    if path.exists():
        return outside(path)
    if path.suffix == ".json" or path.is_absolute() or name.startswith(("~", ".")):
        return told.KIND_PATH.format(path=name)
    if "/" in name:  # on a hub, perhaps
        return None
    return told.KIND_UNKNOWN.format(name=name, near=near)


def read_kind(draft: Json) -> bool:
    """Take the kind of model from the starting model's own folder where nobody named one; whether it was taken."""
    text = str(draft.get("base") or "").strip().strip('"')
    if draft.get("model") != DEFAULT_KIND or not text or file_problem("", text):
        return False
    path = Path(text).expanduser()
    place = path if path.is_dir() else path.parent
    told_by = [name for name in DESCRIPTIONS if (place / name).is_file()]
    if told_by:
        draft["model"] = str(place)
    return bool(told_by)


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
    found = shapes(path)
    if found is None:
        return told.GLANCE_LATER
    start = shapes(Path(base.strip().strip('"')).expanduser()) if base else None
    if start is None:
        return told.GLANCE_OK.format(count=words.count(glance.weights(found)))
    return None if glance.misfit(start, found) else told.GLANCE_SAME


def misfit(name: str, text: str, base: str) -> str | None:
    """Why a specialist's header does not fit that of the starting model; None if it does, or if neither can say."""
    start, found = (shapes(Path(one.strip().strip('"')).expanduser()) if one.strip() else None for one in (base, text))
    wrong = glance.misfit(start, found) if start and found else None
    return misfit_line(name, wrong, len(start or ())) if wrong else None


def at_field(name: str, text: str, base: str | None = None) -> str | None:
    """What is wrong with the file of one field, to be said beside it; None if nothing is, or nothing was typed."""
    clean = text.strip().strip('"')
    return (file_problem(name, text) or (misfit(name, clean, base) if base else None)) if clean else None


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
            metric = draft.get(f"task_metric_{i}") or "accuracy"
            rows.append({"name": name, "data": data, "metric": metric, "kept": draft.get(f"task_kept_{i}") or {}})
    return rows


def name_tasks(draft: Json) -> None:
    """One task for every specialist, called like it, while nobody has typed a task."""
    names = [name for name, _ in experts(draft)]
    typed = any(draft.get(f"task_{part}_{i}") for i in range(int(draft.get("tasks", 2))) for part in ("name", "data"))
    if names and not typed and not by_code(draft) and not draft.get("tasks_named"):
        draft |= {"tasks": len(names), "tasks_named": True, **{f"task_name_{i}": one for i, one in enumerate(names)}}


def task_problems(draft: Mapping[str, Any]) -> list[str]:
    """Everything that keeps the tasks of a draft from being measured, one line each."""
    rows = tasks(draft)
    problems = [] if rows or by_code(draft) else [copy.TASKS_EMPTY]
    problems += [line for row in rows if (line := data_problem(row["name"], row["data"]))]
    names = [row["name"] for row in rows]
    problems += [copy.NAME_TWICE.format(name=name) for name in dict.fromkeys(names) if names.count(name) > 1]
    return problems


def by_code(draft: Mapping[str, Any]) -> bool:
    """Whether the model is a Python file of somebody's own, which has numbers and no tasks."""
    return draft.get("model") == CODE


def carried(draft: Mapping[str, Any]) -> Json:
    """What a changed study had that no form shows (seed, dtype, …); nothing once the starting model is another one."""
    return dict(draft.get("carried") or {}) if draft.get("carried_for") == draft.get("base") else {}


def data_problem(name: str, text: str) -> str | None:
    """What is wrong with where a task's examples are; None if they may be there."""
    here = samples.place(text)
    if here is None:
        try:
            refuse_hub()
        except StudyError as error:
            return str(error)
        return None
    found = here.expanduser()
    return outside(found) or (None if found.exists() else copy.DATA_MISSING.format(name=name, path=here))


def extra_problems(draft: Mapping[str, Any], budget: int) -> list[str]:
    """What does not go together beyond models and tasks, one line each: few examples, more strengths than mixes."""
    problems = []
    few, many = int(draft.get("screening") or 0), int(draft.get("validation", 400))
    if few and few >= many:
        problems.append(told.FEW_TOO_MANY.format(few=few, many=many))
    strengths = len(experts(draft)) * len(labels(draft.get("groups")))
    if budget < strengths + 2:
        cure = told.FEWER_LAYERS if draft.get("groups") else told.MORE_MIXES
        problems.append(told.TOO_FEW.format(n=strengths, need=strengths + 2, budget=budget, cure=cure))
    wanted = [(one["of"], one["kind"], one["severity"]) for one in copies(draft)]
    twice = dict.fromkeys(one for one in wanted if wanted.count(one) > 1)
    problems += [told.COPY_TWICE.format(of=of, kind=told.KINDS[kind], severity=how) for of, kind, how in twice]
    return problems


def copies(draft: Mapping[str, Any]) -> list[Json]:
    """The spoiled copies that are asked for: {"of": a task as the form calls it, "kind", "severity", "kept"}."""
    known = [row["name"] for row in tasks(draft)]
    found = []
    for i in range(int(draft.get("copies", 0))):
        of, kind = draft.get(f"copy_of_{i}"), draft.get(f"copy_kind_{i}")
        if of in known and kind:
            severity, kept = int(draft.get(f"copy_severity_{i}", 3)), draft.get(f"copy_kept_{i}") or {}
            found.append({"of": of, "kind": kind, "severity": severity, "kept": kept})
    return found


def layer_choices(draft: Mapping[str, Any]) -> list[int | str | None]:
    """How strengths can be divided over the layers of the starting model; every way where a glance cannot tell."""
    text = str(draft.get("base") or "").strip().strip('"')
    found = shapes(Path(text).expanduser()) if text else None
    most = MOST_GROUPS if found is None else min(MOST_GROUPS, glance.layers(found))
    return [None, *(["slope"] if most > 1 else []), *range(2, most + 1)]


def spoilings(data: str) -> tuple[str, ...]:
    """The ways of spoiling that fit a task's examples."""
    here = samples.place(data)
    return corruptions(Path(data) if here is None else here.expanduser())


def noise_points(n: int) -> float:
    """The standard error in points of a score of 80 % on n examples."""
    return 100 * float((0.8 * 0.2 / max(1, n)) ** 0.5)
