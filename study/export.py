"""Taking a model home: the checkpoint, its recipe, the frozen heads, a model card, measured on the test split."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from merging import OpenRecipe, Recipe, merge, new_recipe, write
from merging import method as method_of
from study.errors import StudyError
from study.exporting.card import card
from study.exporting.files import CARD, FACTS, HEADS, RECIPE
from study.folder.lock import only_worker
from study.folder.trial import Measured, Trial
from study.front import baselines, shown
from study.measuring.asked import complete, measure_now
from study.measuring.measure import DTYPES, Measurer
from study.settings import MethodChoice
from study.study import Study
from study.varying.forms import check_exact, distance, two_formed

Form = Literal["as base", "float32", "float16", "bfloat16"]


@dataclass(frozen=True)
class Order:
    """What is to be taken home: a method with coefficients, the dtype of the file, frozen or exact."""

    choice: MethodChoice
    coefficients: Mapping[str, float]
    form: Form = "as base"
    exact: bool = False


def export(study: Study, order: Order, out: Path, device: str | None = None) -> dict[str, Any]:
    """Write the merged model into the folder ``out`` and return the JSON of `python -m study export`.

    The folder appears only when everything in it is complete. The metrics are of the test split, measured on
    exactly the weights that the file holds.

    Raises:
        StudyError: ``out`` exists and is not an empty folder, the format is unknown, or the method has no exact form.
        MergingError: the recipe cannot be merged.
    """
    out = out.expanduser().resolve()
    if order.form not in ("as base", *DTYPES):
        raise StudyError(f"Unknown format '{order.form}'.", f"Allowed: as base, {', '.join(DTYPES)}.")
    if order.exact:
        check_exact(method_of(order.choice.name, order.choice.settings))
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StudyError(f"'{out}' exists already.", "Choose a new folder: an export never overwrites anything.")
    _enough_room(study, out)
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    try:
        value = _fill(study, order, draft, out, device)
        draft.chmod(0o755)
        if out.exists():
            out.rmdir()
        draft.replace(out)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return value


def _fill(study: Study, order: Order, draft: Path, out: Path, device: str | None) -> dict[str, Any]:
    """Write every file of the export into ``draft``."""
    identity = study.propose(order.choice, order.coefficients, "asked")
    if _narrow(study):  # a trial is one of narrow directions; what is taken home is of full ones
        measure_now(study, [(order.choice, dict(order.coefficients))], ("validation",), device)
    known = study.store.trial(identity).state == "done"
    splits = ("test",) if known and not order.exact else ("validation", "test")
    alone = nullcontext() if known else only_worker(study.folder)
    with alone, Measurer(study, device, splits=splits, narrow=False) as measurer:
        complete(study, measurer, study.store.trial(identity), splits)
        trial = study.store.trial(identity)
        test, validation = _test(study, order, trial, measurer), _validation(order, trial, measurer)
        # The draft stands beside `out`, so paths relative to one are right for the other.
        base, experts = measurer.vectors.checkpoint, measurer.vectors.experts
        method = measurer.method(order.choice)
        groups = study.settings.groups
        learned = measurer.directions(order.choice).path if method.needs else None
        opened = OpenRecipe(method, base, experts, order.coefficients, order.form, order.exact, learned, groups)
        recipe = new_recipe(opened, draft)
        apart = distance(method, measurer.vectors, order.coefficients, groups)
        hashes = _companions(measurer, draft)
        weights, library = measurer.model.weights_file, measurer.model.library
    hashes[weights] = merge(recipe, draft, draft / weights)[weights]
    (draft / weights).with_suffix(".recipe.yaml").replace(draft / RECIPE)
    text = card(study, recipe, test, validation, baselines(study), hashes, library, draft, apart)
    (draft / CARD).write_text(text, encoding="utf-8")
    facts = {
        "study": os.path.relpath(study.folder, out),
        "trial": trial.id,
        "metrics": shown(test),
        "validation": shown(validation),
        "sha256": hashes,
        "forms": None if apart is None else {"written": "exact" if order.exact else "frozen", "distance": apart},
    }
    (draft / FACTS).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return {
        "out": str(out),
        "sha256": hashes,
        "metrics": facts["metrics"],
        "validation": facts["validation"],
        "recipe": str(out / RECIPE),
        "trial": trial.id,
        "forms": facts["forms"],
        "bytes": (draft / weights).stat().st_size,
    }


def _test(study: Study, order: Order, trial: Trial, measurer: Measurer) -> dict[str, Measured]:
    """The test measurements of exactly the weights that the file will hold."""
    if order.form == study.settings.dtype and not order.exact and not _narrow(study):
        return trial.test
    return measurer.measure(order.choice, order.coefficients, "test", order.exact, order.form).measured


def _validation(order: Order, trial: Trial, measurer: Measurer) -> dict[str, Measured]:
    """What the search saw; of the exact form what it would have seen."""
    if not order.exact or not two_formed(measurer.method(order.choice)):
        return trial.metrics
    return measurer.measure(order.choice, order.coefficients, "validation", True, order.form).measured


def _narrow(study: Study) -> bool:
    """Whether trials are merged from directions in half precision."""
    return study.settings.directions not in (None, "float32")


def _companions(measurer: Measurer, draft: Path) -> dict[str, str]:
    """The architecture's description and every task's frozen head, so that the folder stands on its own."""
    hashes: dict[str, str] = {}
    for name, content in measurer.model.files().items():
        (draft / name).write_bytes(content)
    for name, task in measurer.tasks.items():
        path = draft / HEADS / f"{task.spec.folder}.safetensors"
        tensors = {part: one.detach().to("cpu", torch.float32) for part, one in task.head.tensors().items()}
        facts = {"task": name, "classes": json.dumps(list(task.classes))}
        if task.head.activation:
            facts["activation"] = task.head.activation
        hashes[f"{HEADS}/{path.name}"] = write(path, tensors, facts)
    return hashes


def _enough_room(study: Study, out: Path) -> None:
    """Refuse before the work starts when the disk cannot hold the file."""
    place = next(parent for parent in (out, *out.parents) if parent.exists())
    needed = study.path(study.settings.base.weights)
    size = sum(f.stat().st_size for f in needed.rglob("*") if f.is_file()) if needed.is_dir() else needed.stat().st_size
    free = shutil.disk_usage(place).free
    if free < 2 * size:
        raise StudyError(
            f"The export needs about {2 * size / 1e6:.0f} MB, {free / 1e6:.0f} MB are free at '{place}'.",
            "Choose a folder on another disk.",
        )


def read_recipe(out: Path) -> Recipe:
    """The recipe of an export.

    Raises:
        StudyError: the folder holds none.
    """
    try:
        return Recipe.from_yaml((out / RECIPE).read_text(encoding="utf-8"))
    except OSError as error:
        raise StudyError(
            f"'{out}' has no readable {RECIPE}.", "Name a folder that `python -m study export` wrote."
        ) from error
