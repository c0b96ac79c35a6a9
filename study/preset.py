"""Studies that the literature knows, set up by name: base, experts and data from the hub, or from a folder.

A folder of the same form holds base/, experts/NAME/ and data/NAME/ (Parquet shards, or any kind of data).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evaluation.data import labels
from evaluation.errors import EvaluationError
from evaluation.hub import fetch
from study.errors import StudyError
from study.settings import BaseChoice, ExpertChoice, MethodChoice, Samples, Settings, TaskChoice
from study.study import Study, create

PRESETS = {"clip-vit-b-32-eight": "CLIP ViT-B/32, eight tasks"}
FACTS = Path(labels.__file__).parent / "eight.json"
MODEL_FILES = ("*.json", "*.txt", "*.safetensors", "pytorch_model.bin")


def preset(
    name: str,
    folder: Path,
    source: Path | None = None,
    samples: Samples | None = None,
    say: Callable[[str, int, int], None] = lambda phase, done, total: None,
) -> Study:
    """Write the study `name` into `folder`. What is not in `source` (default: the folder itself) is fetched by hub id.

    Raises:
        StudyError: no such preset; or things that are neither there nor can be fetched: each is named with the place
            where it is looked for and its hub id.
    """
    if name not in PRESETS:
        raise StudyError(f"There is no preset '{name}'.", f"Known: {', '.join(PRESETS)}.")
    facts = json.loads(FACTS.read_text(encoding="utf-8"))
    place = (source or folder).expanduser().resolve()
    wanted: list[tuple[Path, str, str, tuple[str, ...]]] = [(place / "base", "model", facts["base"], MODEL_FILES)]
    for key, task in facts["tasks"].items():
        wanted.append((place / "experts" / key, "model", task["expert"], MODEL_FILES))
        wanted.append((place / "data" / key, "dataset", task["data"], (task["files"],)))
    missing = []
    for number, (where, kind, repository, patterns) in enumerate(wanted):
        say(f"fetching {repository}", number, len(wanted))
        if not _there(where):
            reason = _fetch(repository, kind, patterns, where)
            if reason:
                missing.append(f"{where} ({kind} {repository})")
    if missing:
        raise StudyError(
            f"{len(missing)} of {len(wanted)} parts are neither here nor can be fetched ({reason}): "
            f"{'; '.join(missing)}.",
            "Copy each to the place named first, or run this again where there is a network.",
        )
    return create(folder.expanduser().resolve(), _settings(facts, place, samples or Samples(validation=400, test=1000)))


def _there(where: Path) -> bool:
    return where.is_dir() and any(where.iterdir())


def _fetch(repository: str, kind: Any, patterns: tuple[str, ...], where: Path) -> str:
    """Fetch into the folder; why not, if not."""
    try:
        fetch(repository, kind, patterns, where)
    except EvaluationError as error:
        return str(error).removesuffix(error.cure).partition("hub: ")[2].strip(" .")
    return "" if _there(where) else "the repository has no such files"


def _settings(facts: dict[str, Any], place: Path, samples: Samples) -> Settings:
    return Settings(
        name=PRESETS["clip-vit-b-32-eight"],
        base=BaseChoice(model=str(place / "base"), weights=str(place / "base")),
        experts=tuple(
            ExpertChoice(name=key, title=task["title"], weights=str(place / "experts" / key))
            for key, task in facts["tasks"].items()
        ),
        tasks=tuple(
            TaskChoice(
                name=key,
                title=task["title"],
                data=str(place / "data" / key),
                classes=tuple(task["classes"]),
                templates=tuple(task["templates"]),
                samples=samples,
            )
            for key, task in facts["tasks"].items()
        ),
        methods=(MethodChoice(name="task_arithmetic"),),
    )
