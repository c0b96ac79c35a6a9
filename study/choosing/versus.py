"""Two fronts against each other: where is one better, and by how much does it matter? Plain data in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import surrogate
from study.errors import StudyError

STEPS = 60
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Stretch:
    """Where task ``y`` must reach at least ``low`` (and at most ``high``): who reaches more of task ``x``.

    ``winner`` 0 or 1, None where they differ by less than the noise; ``gap`` is the median lead in x's own unit.
    """

    low: float
    high: float
    winner: int | None
    gap: float


def shared_tasks(one: Json, other: Json) -> list[Mapping[str, Any]]:
    """The tasks that two fronts have in common: same name, same metric.

    Raises:
        StudyError: there are none.
    """
    known = {(task["name"], task["metric"]) for task in other["tasks"]}
    found = [task for task in one["tasks"] if (task["name"], task["metric"]) in known]
    if not found:
        raise StudyError("These two have no task in common.", "Compare studies that measure the same thing.")
    return found


def points(front: Json, tasks: Sequence[Json]) -> NDArray[np.float64]:
    """The points of a front that nothing of it beats, (k, m), turned so that more is better; predicted where there
    are predictions, else measured."""
    rows = [
        [_sign(task) * float(_middle(row["metrics"][task["name"]])) for task in tasks]
        for row in (front["predicted"] or front["measured"])
    ]
    values = np.array(rows, dtype=np.float64).reshape(-1, len(tasks))
    return values[surrogate.non_dominated(values)] if len(values) else values


def stretches(one: Json, other: Json, x: Json, y: Json) -> list[Stretch]:
    """Along task ``y``, from the least to the most that either front reaches: whose best ``x`` is higher.

    Differences up to half a median standard error of ``x`` count as none: both are measured on the same samples.
    """
    pair = [points(front, [x, y]) for front in (one, other)]
    low = min(values[:, 1].min() for values in pair)
    high = max(values[:, 1].max() for values in pair)
    levels = np.linspace(low, high, STEPS)
    best = np.array([[_best(values, level) for level in levels] for values in pair])
    floor = max(float(front["hypervolume"]["stderr"].get(x["name"], 0.0)) for front in (one, other)) / 2
    lead = np.nan_to_num(best[0] - best[1], nan=0.0)
    winners = [None if abs(value) <= floor else 0 if value > 0 else 1 for value in lead]
    found: list[Stretch] = []
    begun = 0
    for i in range(1, STEPS + 1):
        if i == STEPS or winners[i] != winners[begun]:
            ends = sorted(_sign(y) * float(levels[at]) for at in (begun, i - 1))
            within = np.abs(lead[begun:i])
            finite = within[np.isfinite(within)]
            gap = float(np.median(finite)) if len(finite) else float("inf")
            found.append(Stretch(ends[0], ends[1], winners[begun], gap))
            begun = i
    return found


def beaten(one: Json, other: Json, tasks: Sequence[Json]) -> tuple[float, float]:
    """The share of each front's points that some point of the other beats on every task (C-metric, Zitzler 1999)."""
    first, second = points(one, tasks), points(other, tasks)
    return _share(first, second), _share(second, first)


def _share(losers: NDArray[np.float64], winners: NDArray[np.float64]) -> float:
    if not len(losers) or not len(winners):
        return 0.0
    worse = [(np.all(winners >= row, axis=1) & np.any(winners > row, axis=1)).any() for row in losers]
    return float(np.mean(worse))


def _best(values: NDArray[np.float64], level: float) -> float:
    reached = values[values[:, 1] >= level - 1e-12]
    return float(reached[:, 0].max()) if len(reached) else -np.inf


def _sign(task: Json) -> float:
    return -1.0 if task["direction"] == "min" else 1.0


def _middle(cell: Json) -> float:
    return float(cell["mean"] if "mean" in cell else cell["value"])
