"""Reading a recipe file, ours or mergekit's."""

import os
from pathlib import Path
from typing import Any

from merging.errors import MergingError
from merging.files.plain_yaml import read_yaml
from merging.mergekit.as_recipe import from_mergekit
from merging.mergekit.schema import Configuration, is_mergekit, read_configuration
from merging.recipe import Part, Recipe


def read_merge(path: Path) -> Recipe | Configuration:
    """Read a recipe file, or a mergekit configuration with all that it can say.

    Raises:
        MergingError: no such file, or a wrong recipe.
    """
    data = _data(path)
    return read_configuration(data) if is_mergekit(data) else Recipe.from_mapping(data)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe file; its paths are relative to the file's folder.

    mergekit's configuration becomes a recipe where a recipe can say it; its paths are looked for from the working
    directory, then from the file's folder.

    Raises:
        MergingError: no such file, a wrong recipe, or a mergekit configuration that is more than a recipe.
    """
    data = _data(path)
    if not is_mergekit(data):
        return Recipe.from_mapping(data)
    recipe = from_mergekit(data)
    experts = tuple(_located(part) for part in recipe.experts)
    return recipe.model_copy(update={"base": _located(recipe.base), "experts": experts})


def _data(path: Path) -> dict[str, Any]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise MergingError(f"The recipe '{path}' cannot be read: {why}.") from error
    return read_yaml(text)


def _located(part: Part) -> Part:
    here = Path(part.path)
    return part.model_copy(update={"path": os.path.abspath(here)}) if os.path.exists(here) else part
