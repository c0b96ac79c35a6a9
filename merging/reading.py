"""Reading a recipe file, ours or mergekit's."""

from pathlib import Path

from merging.errors import MergingError
from merging.mergekit import from_mergekit, is_mergekit
from merging.recipe import Part, Recipe, read_yaml


def read_recipe(path: Path) -> Recipe:
    """Read a recipe file; its paths are relative to the file's folder.

    mergekit's paths, relative to where the command runs, are found there too.

    Raises:
        MergingError: no such file, or a wrong recipe.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise MergingError(f"The recipe '{path}' cannot be read: {why}.") from error
    data = read_yaml(text)
    if not is_mergekit(data):
        return Recipe.from_mapping(data)
    recipe = from_mergekit(data)
    return recipe.model_copy(
        update={
            "base": _located(recipe.base, path.parent),
            "experts": tuple(_located(part, path.parent) for part in recipe.experts),
        }
    )


def _located(part: Part, folder: Path) -> Part:
    here = Path(part.path)
    if (folder / here).exists() or not here.exists():
        return part
    return part.model_copy(update={"path": str(here.resolve())})
