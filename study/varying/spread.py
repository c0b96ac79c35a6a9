"""What chance does to a merge: the same coefficients with other draws of a random method, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

import merging
from study.errors import StudyError
from study.folder.lock import only_worker
from study.front import shown
from study.measuring.learned import DIRECTIONS
from study.measuring.measure import Measurer, Say
from study.settings import MethodChoice
from study.study import Study

SEED = "seed"
MOST = 100


def spread(
    study: Study,
    choice: MethodChoice,
    coefficients: Mapping[str, float],
    seeds: int = 5,
    exact: bool = False,
    device: str | None = None,
    say: Say = lambda phase, done, total: None,
) -> dict[str, Any]:
    """Merge and measure one choice with `seeds` seeds from the study's own on; the JSON of `python -m study spread`.

    By seed: every metric on the validation samples, and `apart`, ‖θ − θ_first‖ / ‖θ_first − θ_0‖ over the tensors that
    a forward pass reads. `deviation` is the standard deviation over seeds (n − 1), to be held against `stderr`, that of
    one measurement over its samples, which are the same for every seed. No trials are added.

    Raises:
        StudyError: a method without a seed, too few or too many seeds, or another worker is measuring the study.
    """
    first = _first(choice, seeds)
    rows: list[dict[str, Any]] = []
    with only_worker(study.folder), Measurer(study, device, say) as measurer:
        base = measurer.vectors.base()
        reference: torch.Tensor | None = None
        for seed in range(first, first + seeds):
            measured, weights = _one(measurer, choice, seed, coefficients, exact)
            reference = weights if reference is None else reference
            apart = float((weights - reference).norm()) / max(float((reference - base).norm()), 1e-30)
            rows.append({"seed": seed, "apart": apart, "metrics": measured})
    return {
        "method": choice.name,
        "coefficients": dict(coefficients),
        "exact": exact,
        "seeds": rows,
        "summary": {name: _summary([row["metrics"][name] for row in rows]) for name in rows[0]["metrics"]},
    }


def _first(choice: MethodChoice, seeds: int) -> int:
    kinds = merging.methods()
    own = {name for name, kind in kinds.items() if any(one.name == SEED for one in merging.method_settings(kind))}
    made = merging.method(choice.name, choice.settings)
    if choice.name not in own:
        raise StudyError(f"Method '{choice.name}' draws nothing at random.", f"These do: {', '.join(sorted(own))}.")
    if not 2 <= seeds <= MOST:
        raise StudyError(f"--seeds is {seeds}.", f"Ask for 2 to {MOST}.")
    return int(made.settings[SEED])


def _one(
    measurer: Measurer, choice: MethodChoice, seed: int, coefficients: Mapping[str, float], exact: bool
) -> tuple[dict[str, Any], torch.Tensor]:
    """Measure one seed; directions that were not kept before are not kept after."""
    one = MethodChoice(name=choice.name, settings={**choice.settings, SEED: seed})
    folder = measurer.study.folder / DIRECTIONS
    before = set(folder.iterdir()) if folder.is_dir() else set()
    measurer.buffer.copy_(measurer.vectors.base())  # what no forward pass reads is the base's, for every seed
    file = None
    try:
        found = measurer.measure(one, coefficients, exact=exact).measured
        file = measurer.directions(one).path
        return shown(found), measurer.buffer.to("cpu", copy=True)
    finally:
        measurer.prepared.clear()
        if file is not None and file not in before:
            for place in (file, file.with_suffix(".json")):
                place.unlink(missing_ok=True)


def _summary(values: list[Mapping[str, float]]) -> dict[str, float]:
    found = np.array([one["value"] for one in values])
    return {
        "mean": float(found.mean()),
        "deviation": float(found.std(ddof=1)),
        "low": float(found.min()),
        "high": float(found.max()),
        "stderr": float(np.mean([one["stderr"] for one in values])),
    }


def spread_text(value: Mapping[str, Any]) -> str:
    """The table for people: a row per seed, then mean, deviation over seeds and error of one measurement."""
    tasks = list(value["summary"])
    rows = [["seed", "apart", *tasks]]
    for row in value["seeds"]:
        rows.append([str(row["seed"]), f"{row['apart']:.3f}", *(f"{row['metrics'][t]['value']:.3f}" for t in tasks)])
    for label, key in (("mean", "mean"), ("over seeds ±", "deviation"), ("of samples ±", "stderr")):
        rows.append([label, "", *(f"{value['summary'][task][key]:.3f}" for task in tasks)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([*lines, "apart: distance from the first merge, in lengths of its way from the base"])
