"""Commands that prepare a study: the field's presets, and the conversion of its legacy checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from study.terminal import Folder, Json, app, progress, show


@app.command()
def preset(
    name: Annotated[str, typer.Argument(help="clip-vit-b-32-eight: CLIP ViT-B/32 and its eight tasks.")],
    folder: Folder,
    source: Annotated[
        Path | None, typer.Option("--from", help="A folder with base/, experts/NAME/, data/NAME/.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Set up a study that the literature knows; base, experts and data come from a folder or the hub."""
    from study.preset import preset as make

    study = make(name, folder, source, say=progress)
    value = {"folder": str(study.folder), "tasks": [task.name for task in study.tasks]}
    show(value, as_json, f"{study.settings.name} in {folder}. Next: python -m study doctor {folder}")
