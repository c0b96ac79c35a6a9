"""Proof that an export is what it says: rebuild it from the recipe, compare the bytes, measure again."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from merging import Part, Recipe, merge
from study.errors import StudyError
from study.export import read_recipe
from study.exporting.files import FACTS, HEADS
from study.exporting.loading import weights_of
from study.front import shown
from study.measuring.learned import DIRECTIONS
from study.measuring.measure import Measurer
from study.settings import MethodChoice
from study.study import Study, open_study


def verify(out: Path, study: Path | None = None, device: str | None = None, code: Path | None = None) -> dict[str, Any]:
    """The JSON of `python -m study verify` (contract.md).

    ``study``: where its study is now, if one of the two has moved.

    Raises:
        StudyError: not an export, or its study is not where it was. MergingError: base or experts changed.
    """
    out = out.expanduser().resolve()
    recipe = read_recipe(out)
    try:
        facts = json.loads((out / FACTS).read_text(encoding="utf-8"))
        recorded, metrics, place = facts["sha256"], facts["metrics"], out / facts["study"]
    except (OSError, ValueError, KeyError) as error:
        raise StudyError(
            f"'{out / FACTS}' is missing or damaged.", "Name a folder that `python -m study export` wrote."
        ) from error
    found = {name: _sha256(out / name) for name in recorded}
    source = open_study(study or place, code)
    if study is not None:
        recipe = _moved(recipe, source)
    with tempfile.TemporaryDirectory() as folder:
        weights = weights_of(recorded)
        again = merge(recipe, out, Path(folder) / weights)[weights]
    identical = found == recorded and again == found[weights]
    measured = _measure_again(
        source, recipe.method, dict(recipe.settings), recipe.coefficients, recipe.dtype, recipe.exact, device
    )
    return {
        "identical": identical,
        "metrics_equal": _lasting(source, measured) == _lasting(source, metrics),
        "sha256": found,
        "metrics": measured,
        "heads": sorted(name for name in found if name.startswith(HEADS)),
    }


def _moved(recipe: Recipe, study: Study) -> Recipe:
    """The recipe with its files where the study has them; fingerprints still say whether they are the same."""
    weights = {one.name: one.weights for one in study.experts}
    strangers = [part.name for part in recipe.experts if part.name not in weights]
    if strangers:
        raise StudyError(
            f"'{study.folder}' has no expert '{strangers[0]}'; it has {', '.join(weights)}.",
            "Name the study that the export was made from.",
        )

    def put(part: Part, place: str) -> Part:
        return part.model_copy(update={"path": str(study.path(place).resolve())})

    changed: dict[str, object] = {
        "base": put(recipe.base, study.settings.base.weights),
        "experts": tuple(put(part, weights[part.name]) for part in recipe.experts),
    }
    if recipe.prepared is not None:
        file = study.folder.resolve() / DIRECTIONS / Path(recipe.prepared.path).name
        changed["prepared"] = recipe.prepared.model_copy(update={"path": str(file)})
    return recipe.model_copy(update=changed)


def _lasting(study: Study, metrics: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """What must be the same each time: all but how long it took."""
    timed = {axis.name for axis in study.settings.axes or () if axis.kind == "milliseconds"}
    return {name: one for name, one in metrics.items() if name not in timed}


def _measure_again(
    source: Study,
    method: str,
    settings: dict[str, bool | int | float | str],
    coefficients: dict[str, float],
    dtype: str,
    exact: bool,
    device: str | None,
) -> dict[str, dict[str, float]]:
    """Measure the rebuilt model on the test split, from the experts and not from the file that is being verified."""
    choice = MethodChoice(name=method, settings=settings)
    same = replace(source, settings=source.settings.model_copy(update={"dtype": dtype}))
    with Measurer(same, device, splits=("test",), narrow=False) as measurer:
        return shown(measurer.measure(choice, coefficients, "test", exact).measured)


def _sha256(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StudyError(f"'{path}' cannot be read: {error}.", "The export is incomplete; export it again.") from error
