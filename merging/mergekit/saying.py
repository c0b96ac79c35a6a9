"""Writing a recipe into a file as mergekit's YAML."""

import os
from collections.abc import Mapping
from pathlib import Path

from merging.errors import MergingError
from merging.files.tensors import open_tensors
from merging.files.writing import write_text
from merging.mergekit.from_recipe import to_mergekit
from merging.recipe import Part, Recipe


def write_mergekit(recipe: Recipe, folder: Path, out: Path) -> Mapping[str, str]:
    """Write a recipe whose paths are relative to `folder`; return SHA-256 (hex) by file name.

    The paths in `out` are relative to its own folder, from which mergekit is to be run. Layer groups need the base.

    Raises:
        MergingError: mergekit cannot say it, `out` exists, or there is no base to name the tensors of the groups.
    """
    out = Path(out)
    if out.exists():
        raise MergingError(f"'{out}' exists.", "Give a new name.")
    tensors: list[str] = []
    if recipe.groups is not None:
        with open_tensors(Path(folder) / recipe.base.path) as base:
            tensors = [key for key in base.keys() if base.dtype(key).is_floating_point]

    def moved(part: Part) -> Part:
        path = os.path.relpath(Path(folder).resolve() / part.path, out.parent.resolve())
        return part.model_copy(update={"path": Path(path).as_posix()})

    experts = tuple(moved(part) for part in recipe.experts)
    there = recipe.model_copy(update={"base": moved(recipe.base), "experts": experts})
    return {out.name: write_text(out, to_mergekit(there, tensors))}
