"""The built-in demo: a tiny CLIP and six experts, copied into a study folder. No network, nothing precomputed."""

from __future__ import annotations

import difflib
import json
import shutil
from pathlib import Path

from study.checkout import ROOT
from study.errors import StudyError
from study.settings import BaseChoice, ExpertChoice, MethodChoice, Samples, Settings, TaskChoice
from study.study import Study, create

SOURCE = ROOT / "demo"
MODEL = "mergescape-demo.json"
TOKENIZER = "bytes.txt.gz"
DEFAULT = ("digits", "signs", "flags")


def demo_tasks() -> list[str]:
    """The names of all tasks that the demo ships."""
    return sorted(path.parent.name for path in (SOURCE / "tasks").glob("*/sheet.json"))


def write_demo(folder: str | Path, tasks: tuple[str, ...] = DEFAULT, seed: int = 0) -> Study:
    """Write the demo study into a folder: base, one expert per task, sample sheets, study.yaml.

    Raises:
        StudyError: an unknown or repeated task, fewer than two, or the folder holds a study already.
    """
    known = demo_tasks()
    for task in tasks:
        if task not in known:
            near = difflib.get_close_matches(task, known, n=1)
            hint = f" Nearest: '{near[0]}'." if near else ""
            raise StudyError(f"Unknown demo task '{task}'.{hint}", f"Choose from: {', '.join(known)}.")
    if len(tasks) < 2 or len(set(tasks)) < len(tasks):
        raise StudyError(f"The demo needs two to {len(known)} different tasks; got {', '.join(tasks) or 'none'}.")
    place = Path(folder).expanduser()
    titles = {task: json.loads((SOURCE / "tasks" / task / "sheet.json").read_text())["title"] for task in tasks}
    settings = Settings(
        name=f"Demo: {', '.join(titles[task].lower() for task in tasks)}",
        base=BaseChoice(model=f"models/{MODEL}", weights="models/base.safetensors", tokenizer=f"models/{TOKENIZER}"),
        experts=tuple(
            ExpertChoice(name=task, weights=f"models/{task}.safetensors", title=titles[task]) for task in tasks
        ),
        tasks=tuple(
            TaskChoice(name=task, data=f"tasks/{task}", title=titles[task], samples=Samples()) for task in tasks
        ),
        methods=(MethodChoice(name="task_arithmetic"),),
        seed=seed,
    )
    if (place / "study.yaml").exists():
        raise StudyError(f"'{place}' already holds a study.", "Choose another folder, or go on with that one.")
    (place / "models").mkdir(parents=True, exist_ok=True)
    for name in (MODEL, TOKENIZER, "base.safetensors", *(f"{task}.safetensors" for task in tasks)):
        shutil.copyfile(SOURCE / "models" / name, place / "models" / name)
    for task in tasks:
        shutil.copytree(SOURCE / "tasks" / task, place / "tasks" / task, dirs_exist_ok=True)
    shutil.copyfile(SOURCE / "ATTRIBUTION.md", place / "ATTRIBUTION.md")
    return create(place, settings)
