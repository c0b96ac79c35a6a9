"""The command that shows what a study trades off, adds to it and takes from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from study.axes import axes, dropped, held_out, with_axis
from study.commands.terminal import Folder, Json, app, show
from study.folder.lock import only_worker
from study.settings import Settings
from study.study import Study, open_study

ADD = "distance, megabytes, milliseconds, or TASK:KIND:SEVERITY (signs:blur:3), a corrupted copy of a task."


@app.command("axes")
def axes_command(
    folder: Folder,
    add: Annotated[list[str] | None, typer.Option("--add", help=f"One more axis: {ADD}")] = None,
    held: Annotated[
        list[str] | None, typer.Option("--held-out", help="NAME=DATA: a task that nobody fine-tuned for.")
    ] = None,
    drop: Annotated[list[str] | None, typer.Option("--drop", help="Take an axis out of the study.")] = None,
    as_json: Json = False,
) -> None:
    """What is traded off: tasks, corrupted or held-out ones, distance from the base, size, time; add or drop some."""
    study = open_study(folder)
    changed = study.settings
    for name in drop or ():
        changed = dropped(changed, name)
    for what in add or ():
        changed = with_axis(changed, what)
    for text in held or ():
        changed = held_out(changed, text, study.folder)
    note = _changed(study, changed) if changed != study.settings else ""
    study = Study(study.folder, changed)
    value = {
        "axes": [
            {"name": one.name, "title": one.title, "metric": one.metric, "unit": one.unit, "direction": one.direction}
            for one in axes(study)
        ],
        "done": len(study.done()),
    }
    better = {"max": "more is better", "min": "less is better"}
    lines = [f"{one.name}: {one.label} in {one.unit}, {better[one.direction]}" for one in axes(study)]
    show(value, as_json, "\n".join([*lines, *([note] if note else [])]))


def _changed(study: Study, settings: Settings) -> str:
    """Write the changed study.yaml while no worker reads it; what becomes of the trials, in words."""
    before = len(study.done())
    with only_worker(study.folder):
        Study(Path(study.folder), settings).save()
    if not before:
        return ""
    return (
        f"The {before} trials measured so far lack the new axes. They are kept, and count again when study.yaml says "
        "what it said before; the next run measures anew."
    )
