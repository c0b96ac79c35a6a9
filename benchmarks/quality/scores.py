"""What is counted. Accuracies Y (k, m), fronts by row numbers; shares of hypervolume are of the pool's true front."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import moocore
import numpy as np

from benchmarks.quality.bed import Bed, Rows
from benchmarks.quality.pools import Array
from surrogate import Prediction, hypervolume, non_dominated, reference_point
from surrogate.front import directions, greedy_subset, polar_heights


@dataclass(frozen=True)
class Truth:
    """The true front of metrics Y (k, m) over the pool, with the reference that hypervolumes are taken from."""

    Y: Array
    reference: Array

    @cached_property
    def front(self) -> Array:
        """Distinct points of the true front, (f, m)."""
        return np.unique(self.Y[non_dominated(self.Y)], axis=0)

    @cached_property
    def whole(self) -> float:
        """Hypervolume of the whole front."""
        return hypervolume(self.front, self.reference)

    @cached_property
    def span(self) -> Array:
        """Range of the front per metric, at least a point."""
        return np.maximum(np.ptp(self.front, axis=0), 0.01)

    def share(self, rows: Rows) -> float:
        """Hypervolume of some rows' true values, as a share of the front's."""
        return hypervolume(self.Y[rows], self.reference) / self.whole

    def best_subset(self, count: int) -> float:
        """Share of the best ``count`` points of the front, found greedily."""
        if len(self.front) <= count:
            return 1.0
        heights = polar_heights(self.front / self.span, self.reference / self.span, directions(self.Y.shape[1], 16384))
        rows, _ = greedy_subset(heights, count)
        return hypervolume(self.front[rows], self.reference) / self.whole

    def distances(self, rows: Rows) -> tuple[float, float]:
        """Generational distance of the non-dominated among some rows, and IGD+; in units of the front's range."""
        found = self.Y[rows]
        found = np.unique(found[non_dominated(found)], axis=0) / self.span
        true = self.front / self.span
        gap = np.sqrt(((found[:, None] - true[None]) ** 2).sum(axis=2)).min(axis=1)
        return float(gap.mean()), float(moocore.igd_plus(found, true, maximise=True))


def truth(Y: Array, easy: bool = False) -> Truth:
    """The truth with BoTorch's reference (nadir less a tenth of the range), or with the pool's minimum when easy."""
    return Truth(Y, Y.min(axis=0) - 1e-9 if easy else reference_point(Y))


def errors(bed: Bed, rows: Rows, prediction: Prediction) -> dict[str, float]:
    """Accuracy error in points and interval coverage over the pool rows that were not measured.

    rmse: root mean square over rows and tasks; rmse_front: on the true front only; coverage and width of the nominal
    90 % interval, and coverage_front.
    """
    held = np.ones(len(bed.X), dtype=bool)
    held[rows] = False
    on_front = held & non_dominated(bed.hard)
    off = prediction.mean - bed.hard
    inside = (bed.hard >= prediction.low - 1e-9) & (bed.hard <= prediction.high + 1e-9)
    variance = bed.hard[held].var(axis=0)
    return {
        "rmse": 100.0 * float(np.sqrt(np.mean(off[held] ** 2))),
        "r2": float(np.median(1.0 - (off[held] ** 2).mean(axis=0) / np.maximum(variance, 1e-12))),
        "rmse_front": 100.0 * float(np.sqrt(np.mean(off[on_front] ** 2))) if on_front.any() else 0.0,
        "coverage": float(inside[held].mean()),
        "coverage_front": float(inside[on_front].mean()) if on_front.any() else 1.0,
        "width": 100.0 * float(np.mean((prediction.high - prediction.low)[held])),
    }


def preferences(m: int, seed: int = 0) -> Array:
    """Preference weights of the slider, (w, m), sums 1: 41 even steps for two tasks, 200 spread points above."""
    if m == 2:
        share = np.linspace(0.0, 1.0, 41)
        return np.stack([share, 1.0 - share], axis=1)
    draws = -np.log(np.random.default_rng(seed).random((200, m)))
    return np.asarray(draws / draws.sum(axis=1, keepdims=True))


def slider_regret(wanted: Array, actual: Array, candidates: Rows) -> float:
    """Points of weighted accuracy lost on ``actual`` by taking what is best by ``wanted``; mean over preferences.

    wanted, actual (k, m); candidates: rows the slider may choose from. Ties in ``wanted`` are averaged.
    """
    losses = []
    for w in preferences(wanted.shape[1]):
        hoped, real = wanted[candidates] @ w, actual @ w
        tied = candidates[hoped >= hoped.max() - 1e-12]
        losses.append(real.max() - real[tied].mean())
    return 100.0 * float(np.mean(losses))
