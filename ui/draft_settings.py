"""A draft as the settings of a study, and a study's settings as a draft again. Pure.

What the form has no field for (classes, prompts, a classifier of one's own, seed, dtype, …) is carried along unseen, as
long as the row that it belongs to stays what it was.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from study.axes import PROPERTIES, with_axis
from study.errors import StudyError
from study.measuring.samples import placed
from study.server import confined
from study.settings import MethodChoice, Samples, Screening, Settings, TaskChoice, title_of
from ui import drafts

Json = dict[str, Any]
SHOWN = ("name", "title", "data", "metric", "samples")  # the form's own fields of a task; the rest is carried along
COUNTS = {"validation": 400, "test": 500, "calibration": 64}
CARRIED = ("seed", "dtype", "compile", "directions", "bounds")


def settings_of(draft: Mapping[str, Any], methods: Sequence[MethodChoice]) -> Settings:
    """The draft as the settings of a study; paths become absolute, because the study's folder is elsewhere.

    Raises:
        StudyError: what was typed cannot stand in one study; says what, in one line.
    """
    names = [name for name, _ in drafts.experts(draft)]
    tokenizer, model = str(draft.get("tokenizer") or "").strip(), str(draft["model"]).strip()
    local = model.endswith(".json") or ("/" in model and Path(model).expanduser().exists())
    screening = (
        {"samples": draft["screening"], "finalists": draft.get("finalists", 8)} if draft.get("screening") else None
    )
    value = {
        **drafts.carried(draft),
        "name": str(draft.get("name") or "").strip() or ", ".join(names),
        "base": {
            "model": _absolute(model) if local else model,
            "weights": _absolute(str(draft["base"])),
            "tokenizer": _absolute(tokenizer) if tokenizer else None,
        },
        "experts": [
            {**_named(name, draft.get("experts_kept") or ()), "weights": _absolute(path)}
            for name, path in drafts.experts(draft)
        ],
        "tasks": [_task(draft, row) for row in drafts.tasks(draft)],
        "axes": _axes(draft) or None,
        "methods": tuple(methods),
        "groups": draft.get("groups"),
        "screening": screening,
    }
    try:
        settings = Settings.model_validate(value)
    except ValidationError as error:
        told = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise StudyError(f"{told[0].upper()}{told[1:]}.") from None
    for copy in drafts.copies(draft):
        settings = _spoiled(settings, copy)
    return settings


def slug(title: str) -> str:
    """A name for study.yaml from what a person typed."""
    return re.sub(r"[^A-Za-z0-9 ._+-]+", "-", title).strip(" -._+") or "unnamed"


def _named(typed: str, kept: Sequence[Mapping[str, Any]]) -> Json:
    """Name and title of what is called so on the form: those it had, where something was called so before."""
    known = next((one for one in kept if typed == (one.get("title") or one.get("name"))), None)
    return {"name": slug(typed), "title": title_of(typed)} if known is None else {
        "name": known["name"], "title": known.get("title")
    }  # fmt: skip


def _task(draft: Mapping[str, Any], row: Mapping[str, Any]) -> Json:
    kept = row["kept"]
    same = kept.get("data") == row["data"]
    counts = _counts(draft)
    samples = {} if counts == draft.get("counted") else counts  # what every task had for itself, while nobody says else
    return {
        **({key: one for key, one in kept.items() if key not in SHOWN} if same else {}),
        **_named(row["name"], [kept] if kept else ()),
        "data": placed(row["data"], lambda here: _absolute(str(here))),
        "metric": row["metric"],
        "samples": {**counts, **(kept.get("samples") or {}), **samples},
    }


def _counts(draft: Mapping[str, Any]) -> dict[str, int]:
    """How many samples each split of a task gets."""
    return {name: int(draft.get(name, usual)) for name, usual in COUNTS.items()}


def _axes(draft: Mapping[str, Any]) -> list[Json]:
    """The properties that are ticked, as they were called; then what only a Python model has."""
    kept = {one["kind"]: one for one in draft.get("axes_kept") or () if one["kind"] in PROPERTIES}
    ticked = [kept.get(kind, {"name": kind, "kind": kind}) for kind in draft.get("properties") or ()]
    return ticked + [one for one in draft.get("axes_kept") or () if one["kind"] not in PROPERTIES]


def _spoiled(settings: Settings, copy: Mapping[str, Any]) -> Settings:
    """With one more task: a spoiled copy, under the name that it had where it is the same one."""
    of = next(task for task in settings.tasks if (task.title or task.name) == copy["of"] or task.name == copy["of"])
    added = with_axis(settings, f"{of.name}:{copy['kind']}:{copy['severity']}")
    kept, last = copy["kept"], added.tasks[-1]
    if not kept or kept["corruption"] != {"kind": copy["kind"], "severity": copy["severity"]}:
        return added
    called = last.model_copy(update={name: kept.get(name) for name in ("name", "title", "expert")})
    return added.model_copy(update={"tasks": (*added.tasks[:-1], called)})


def _absolute(text: str) -> str:
    return os.path.abspath(confined(Path(text.strip().strip('"')).expanduser()))


def draft_from(settings: Settings, folder: Path = Path()) -> Json:
    """A study's settings as a draft again, to be mended; ``folder`` is what its paths are relative to."""
    samples = settings.tasks[0].samples if settings.tasks else Samples()
    spoiled = [task for task in settings.tasks if task.corruption and _original(settings, task)]
    plain = [task for task in settings.tasks if task not in spoiled]
    axes = settings.axes or ()
    draft: Json = {
        "name": settings.name,
        "model": _found(settings.base.model, folder),
        "tokenizer": _found(settings.base.tokenizer or "", folder),
        "base": _found(settings.base.weights, folder),
        "experts": max(2, len(settings.experts)),
        "tasks": max(1, len(plain)),
        **samples.model_dump(include=set(COUNTS)),
        "methods": [one.name for one in settings.methods],
        "settings": {one.name: dict(one.settings) for one in settings.methods},
        "bounds": {one.name: one.bounds or settings.bounds for one in settings.methods},
        "groups": settings.groups,
        "screening": settings.screening.samples if settings.screening else 0,
        "finalists": (settings.screening or Screening(samples=1)).finalists,
        "properties": [one.kind for one in axes if one.kind in PROPERTIES],
        "axes_kept": [one.model_dump(mode="json", exclude_none=True) for one in axes],
        "copies": len(spoiled),
        "counted": samples.model_dump(include=set(COUNTS)),
        "experts_kept": [one.model_dump(include={"name", "title"}) for one in settings.experts],
        "carried": settings.model_dump(mode="json", include=set(CARRIED), exclude_defaults=True),
        "carried_for": _found(settings.base.weights, folder),
    }
    for i, expert in enumerate(settings.experts):
        draft |= {f"expert_name_{i}": expert.title or expert.name, f"expert_path_{i}": _found(expert.weights, folder)}
    for i, task in enumerate(plain):
        data = placed(task.data, lambda here: _found(str(here), folder))
        kept = task.model_dump(mode="json", exclude_none=True)
        head = {"head": _found(task.head, folder)} if task.head else {}
        draft |= {f"task_name_{i}": task.title or task.name, f"task_data_{i}": data, f"task_metric_{i}": task.metric}
        draft[f"task_kept_{i}"] = kept | head | {"data": data}
    for i, task in enumerate(spoiled):
        of, how = _original(settings, task), task.corruption
        draft |= {f"copy_of_{i}": (of.title or of.name) if of else "", f"copy_kind_{i}": how.kind if how else ""}
        draft |= {f"copy_severity_{i}": how.severity if how else 3, f"copy_kept_{i}": task.model_dump(mode="json")}
    return draft


def _original(settings: Settings, task: TaskChoice) -> TaskChoice | None:
    """The task that another one is a spoiled copy of."""
    return next((one for one in settings.tasks if one.data == task.data and one.corruption is None), None)


def _found(text: str, folder: Path) -> str:
    """A path of a study file as an absolute one, where something is there; a name as it is."""
    whole = folder / Path(text).expanduser()
    return os.path.abspath(whole) if text and whole.exists() else text
