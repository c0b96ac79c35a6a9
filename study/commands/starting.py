"""Commands that make a study: the demo, the field's presets, and the conversion of its legacy checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from study.commands.terminal import Folder, Json, app, progress, show
from study.errors import StudyError


@app.command()
def demo(
    folder: Folder,
    tasks: Annotated[str, typer.Option(help="Two or more of the demo's tasks, or 'all'.")] = "digits,signs,flags",
    seed: Annotated[int, typer.Option(help="Which samples are drawn.")] = 0,
    as_json: Json = False,
) -> None:
    """Write the built-in demo study into DIR: a tiny CLIP, its experts, their tasks. No network."""
    from study.demo import demo_tasks, write_demo

    chosen = demo_tasks() if tasks.strip() == "all" else [part.strip() for part in tasks.split(",") if part.strip()]
    study = write_demo(folder, tuple(chosen), seed)
    value = {
        "folder": str(study.folder),
        "experts": [e.name for e in study.experts],
        "tasks": [t.name for t in study.tasks],
    }
    show(
        value,
        as_json,
        f"Demo study with {', '.join(chosen)} in {folder}. Next: python -m study run {folder} --trials 12",
    )


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


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="A whole-module pickle (.pt) of an older tool.")],
    target: Annotated[Path, typer.Argument(help="The .safetensors file to write.")],
    complete: Annotated[
        Path | None, typer.Option("--complete-with", help="A checkpoint for what it lacks: CLIP's text tower.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn a legacy checkpoint into safetensors without running anything in it."""
    from merging.files.legacy import convert as turn

    if target.exists() or target.suffix != ".safetensors":
        raise StudyError(f"'{target}' cannot be written.", "Name a new file that ends in .safetensors.")
    done = turn(source, target, complete)
    value = {
        "out": str(target),
        "tensors": done.tensors,
        "completed": done.completed,
        "stubs": list(done.stubs),
        "sha256": done.sha256,
    }
    named = f" Named in it, and not run: {', '.join(done.stubs[:6])}." if done.stubs else ""
    show(value, as_json, f"{done.tensors} tensors written to {target} ({done.completed} from {complete}).{named}")
