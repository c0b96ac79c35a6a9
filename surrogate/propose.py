"""Predict, verify, refit: which coefficient vectors to measure next, and when to stop.

A batch is grown greedily: each point adds the most expected hypervolume to the measured front, the expectation taken
over posterior samples of the search objective (so what is uncertain can win, and two points that win together are not
both taken).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surrogate.bayesian_map import BAYESIAN, propose_by_bins
from surrogate.errors import SurrogateError
from surrogate.front import (
    Index,
    Mask,
    directions,
    even_subset,
    greedy_subset,
    non_dominated,
    polar_heights,
    reference_point,
)
from surrogate.gp import FittedProcess
from surrogate.observations import Array, Observations, to_unit
from surrogate.prediction import Fitted
from surrogate.search import predicted_cloud, sampled_box
from surrogate.sobol import sobol

DRAWS = 16
SHORTLIST = 300
SMALL_GAIN = 0.003
SMALL_ERROR = 0.003
TOO_NEAR = 0.01


@dataclass(frozen=True)
class Proposal:
    """The next batch. X (count, d); gain: expected hypervolume gain of the whole batch, relative to the measured
    front's (inf when that is empty); error: leave-one-out error of the surrogate as a share of the metrics' range;
    stop: whether both are so small that measuring on is hardly worth it; reason: that in words."""

    X: Array
    gain: float
    error: float
    stop: bool
    reason: str


def propose(
    fitted: Fitted,
    count: int,
    seed: int = 0,
    pending: Array | None = None,
    low: Array | None = None,
    high: Array | None = None,
) -> Proposal:
    """``count`` new coefficient vectors inside the box, none equal to a measured or a pending one (k, d).

    A BoTorch surrogate proposes by its own acquisition, Bayesian MAP by its bins, every other by greedy hypervolume
    gain under posterior samples. Raises SurrogateError when count < 1.
    """
    if count < 1:
        raise SurrogateError(f"At least 1 point must be proposed, got {count}.")
    o = fitted.observations
    box = sampled_box(o, o.low if low is None else low, o.high if high is None else high)
    waiting = np.empty((0, o.d)) if pending is None else np.asarray(pending, dtype=np.float64).reshape(-1, o.d)
    X, Y = predicted_cloud(fitted, *box, seed=seed)
    at = np.flatnonzero(non_dominated(Y) & _apart(o, X, np.concatenate([o.X, waiting])))
    if len(at) > SHORTLIST:
        at = at[even_subset(Y[at], SHORTLIST, seed=seed)]
    picked, gain = _greedy(fitted, X[at], waiting, count, seed)
    chosen = X[at][picked]
    if isinstance(fitted, FittedProcess):
        chosen = fitted.acquire(count, *box, waiting)
    elif fitted.name == BAYESIAN:
        chosen = np.clip(propose_by_bins(fitted, count, seed), *box)
    chosen = _filled(o, chosen, waiting, count, box, seed)
    error = loo_share(fitted)
    stop = gain < SMALL_GAIN and error < SMALL_ERROR
    return Proposal(chosen, gain, error, stop, _reason(gain, error, stop))


def loo_share(fitted: Fitted) -> float:
    """Leave-one-out error over all metrics, root mean square, as a share of each metric's range."""
    o = fitted.observations
    spans = [
        link.high - link.low if np.isfinite(link.high - link.low) else max(float(np.ptp(o.Y[:, j])), 1e-9)
        for j, link in enumerate(o.links)
    ]
    return float(np.sqrt(np.mean((fitted.loo().rmse / np.array(spans)) ** 2)))


def _greedy(fitted: Fitted, X: Array, waiting: Array, count: int, seed: int) -> tuple[Index, float]:
    """Rows of X to take, and the batch's expected gain relative to what is measured."""
    measured = fitted.observations.for_search().Y
    if len(X) == 0:
        return np.empty(0, dtype=np.intp), 0.0
    samples = fitted.draws(np.concatenate([X, waiting]), DRAWS)
    reference = reference_point(np.concatenate([measured, samples.mean(axis=0)]))
    scale = np.maximum(measured.max(axis=0) - reference, 1e-9)
    w = directions(measured.shape[1], 256, seed)
    base = polar_heights(measured / scale, reference / scale, w).max(axis=0)
    heights = np.concatenate([polar_heights(s / scale, reference / scale, w) for s in samples], axis=1)
    covered = np.tile(base, DRAWS)
    if len(waiting):
        covered = np.maximum(covered, heights[len(X) :].max(axis=0))
    picked, won = greedy_subset(heights[: len(X)], count, covered)
    had = float(base.mean())
    return picked[won > 0], float(won.sum() / had) if had > 0 else float("inf")


def _apart(o: Observations, X: Array, known: Array) -> Mask:
    """Which rows of X lie farther than TOO_NEAR (of the unit box) from every known point."""
    u, v = to_unit(X, o.low, o.high), to_unit(known, o.low, o.high)
    if len(v) == 0:
        return np.ones(len(u), dtype=bool)
    return np.asarray(np.abs(u[:, None, :] - v[None, :, :]).max(axis=2).min(axis=1) > TOO_NEAR)


def _filled(o: Observations, X: Array, waiting: Array, count: int, box: tuple[Array, Array], seed: int) -> Array:
    """X without repeats of known points, filled up to ``count`` with space-filling points."""
    kept: list[Array] = []
    low, high = box
    for point in np.concatenate([X, low + (high - low) * sobol(o.d, 8 * count + 64, seed)]):
        if len(kept) == count:
            break
        known = np.concatenate([o.X, waiting, np.array(kept).reshape(-1, o.d)])
        if _apart(o, point[None], known)[0]:
            kept.append(point)
    return np.array(kept).reshape(-1, o.d)


def _reason(gain: float, error: float, stop: bool) -> str:
    numbers = f"expected gain {gain:.2%} of the front's hypervolume, leave-one-out error {error:.2%} of the range"
    if stop:
        return f"Measuring on would change little: {numbers}."
    what = "the front can still grow" if gain >= SMALL_GAIN else "the surrogate is not yet exact enough"
    return f"Worth going on, {what}: {numbers}."
