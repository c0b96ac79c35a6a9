"""Trials that saw all validation samples and trials that saw the first few, as one table for a surrogate.

Never is a value on few samples put beside one on all: either everything is read on the few (the search does that), or
what a trial has not seen is filled in from those that saw it, with the error of that in the noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.metric import Metric
from study.folder.trial import Measured, Trial
from surrogate.fidelity import complete

Array = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Seen:
    """One task over n trials: values (n,) in the metric's own direction, noise (n,) their sampling variance, outputs
    (n, s, C) and targets (s,), or None where a task keeps none."""

    values: Array
    noise: Array
    outputs: NDArray[Any] | None
    targets: NDArray[Any] | None


def comparable(trials: Sequence[Trial], needed: int) -> list[Trial]:
    """Those that can stand in one table: no merge twice, and partial ones only beside ``needed`` whole ones."""
    whole = [trial for trial in trials if trial.fidelity is None]
    if len(whole) < needed:
        return whole
    known = [trial.coefficients for trial in whole]
    return [trial for trial in trials if trial.fidelity is None or trial.coefficients not in known]


def seen_on(
    task: str, one: Metric, trials: Sequence[Trial], kept: Sequence[Arrays], targets: Arrays, first: int | None
) -> Seen:
    """A task's column: read on the ``first`` samples only, or on all with what is missing filled in."""
    told = [trial.metrics[task] for trial in trials]
    values = np.array([measured.value for measured in told])
    noise = np.array([variance(one, measured) for measured in told])
    if not targets or not all(task in outputs for outputs in kept):
        return Seen(values, noise, None, None)
    truth = targets[task]
    if first is not None:
        outputs = np.stack([each[task][:first] for each in kept])
        return _read(one, outputs, truth[:first])
    if all(trial.fidelity is None for trial in trials):
        return Seen(values, noise, np.stack([each[task] for each in kept]), truth)
    return _filled(one, [trial.fidelity for trial in trials], [each[task] for each in kept], truth, (values, noise))


def variance(one: Metric, seen: Measured) -> float:
    """Sampling variance; a share of exactly 0 or 1 has a standard error of 0, but is not known exactly."""
    return max(seen.stderr**2, _floor(one, seen.n))


def _floor(one: Metric, n: int) -> float:
    return 0.02 / n if one.unit in ("fraction", "correlation") else 0.0


def _read(one: Metric, outputs: NDArray[Any], targets: NDArray[Any]) -> Seen:
    values = np.asarray(one(outputs, targets), dtype=np.float64)
    stderr = np.asarray(one.stderr(outputs, targets), dtype=np.float64)
    return Seen(values, np.maximum(stderr**2, _floor(one, len(targets))), outputs, targets)


def _filled(
    one: Metric,
    fidelity: Sequence[int | None],
    kept: Sequence[NDArray[Any]],
    targets: NDArray[Any],
    known: tuple[Array, Array],
) -> Seen:
    """Partial trials completed from the whole ones, group by group of equal fidelity; whole ones as they are."""
    values, noise = (part.copy() for part in known)
    whole = np.stack([outputs for outputs, count in zip(kept, fidelity, strict=True) if count is None])
    outputs = np.stack([np.resize(each, whole.shape[1:]) for each in kept])
    for count in sorted({count for count in fidelity if count is not None}):
        rows = [row for row, own in enumerate(fidelity) if own == count]
        found = complete(whole, np.stack([kept[row] for row in rows]))
        read = _read(one, found.outputs, targets)
        outputs[rows], values[rows] = found.outputs, read.values
        noise[rows] = read.noise + found.error(one.function, whole, targets) ** 2
    return Seen(values, noise, outputs, targets)
