"""The predicted front: many coefficient vectors through a surrogate, the non-dominated ones kept. Never outside the
box.

Up to three coefficients a dense grid, above a scaled-simplex cloud; both refined by jitter around the front found so
far and by the measured points. MAP's published search ran over [-3, 3]^N with data in [0, 1]^N; 48-87 % of its front
lay outside the data and promised up to 97 points too much. The box here is the study's, cut to where it was sampled,
and while trials are few also to where the surrogate's uncertainty is one that leave-one-out has validated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surrogate.design import scaled_simplex
from surrogate.errors import SurrogateError
from surrogate.front import Index, even_subset, non_dominated
from surrogate.observations import Array, Observations, check_box
from surrogate.prediction import Fitted, Prediction
from surrogate.sobol import sobol
from surrogate.tied import tied_points

GRID = {1: 201, 2: 33, 3: 12}


@dataclass(frozen=True)
class Front:
    """Predicted points: X (k, d) coefficients, search (k, m) the objective they were chosen by, prediction to be
    shown."""

    X: Array
    search: Array
    prediction: Prediction


def sampled_box(o: Observations, low: Array, high: Array) -> tuple[Array, Array]:
    """[low, high] cut to the extent of the trials plus 5 % of the box, so that nothing is extrapolated far."""
    slack = 0.05 * (high - low)
    lower = np.maximum(low, o.X.min(axis=0) - slack)
    upper = np.minimum(high, o.X.max(axis=0) + slack)
    empty = lower >= upper
    return np.where(empty, low, lower), np.where(empty, high, upper)


def is_young(o: Observations) -> bool:
    """Whether there are so few trials that a surrogate is believed only near them: n < 2.5 (d + 1)."""
    return o.n < 2.5 * (o.d + 1)


def candidates(d: int, low: Array, high: Array, seed: int, count: int) -> Array:
    """Where to look first: a grid for d <= 3, a scaled-simplex cloud with a share of box points above. (k, d)."""
    if d in GRID:
        axes = [np.linspace(low[i], high[i], GRID[d]) for i in range(d)]
        return np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], axis=1)
    box = low + (high - low) * sobol(d, max(1, count // 8), seed + 1)
    return np.concatenate([scaled_simplex(d, count - len(box), low, high, seed), box])


def predicted_cloud(
    fitted: Fitted,
    low: Array | None = None,
    high: Array | None = None,
    seed: int = 0,
    count: int = 1600,
    rounds: int = 2,
) -> tuple[Array, Array]:
    """All coefficient vectors looked at, X (k, d), with their search objective (k, m); inside the sampled box.

    count points first (d >= 4; a grid below), then half as many again in each round, jittered around the front found
    so far.
    """
    o = fitted.observations
    low = o.low if low is None else np.asarray(low, dtype=np.float64)
    high = o.high if high is None else np.asarray(high, dtype=np.float64)
    check_box(low, high, o.d)
    lower, upper = sampled_box(o, low, high)
    inside = ((o.X >= lower) & (o.X <= upper)).all(axis=1)
    if o.ties is None:
        fresh = candidates(o.d, lower, upper, seed, count)
    else:
        fresh = tied_points(o.ties, count, lower, upper, seed)
    X = np.concatenate([o.X[inside], fresh])
    X = _believed(fitted, X, int(inside.sum()))
    Y = fitted.objective(X)
    rng = np.random.default_rng(seed)
    for step in range(rounds if o.d > 1 else 0):
        X_new = _jitter(X, Y, lower, upper, count // 2, 0.12 / (1.0 + 2.0 * step), rng)
        X_new = _believed(fitted, X_new, 0)
        X, Y = np.concatenate([X, X_new]), np.concatenate([Y, fitted.objective(X_new)])
    return X, Y


def predicted_front(
    fitted: Fitted,
    low: Array | None = None,
    high: Array | None = None,
    seed: int = 0,
    points: int = 50,
    count: int = 1600,
) -> Front:
    """At most ``points`` coefficient vectors that stand for the predicted front, best first metric first.

    They are chosen by the search objective (soft accuracy where the observations carry it) and shown with the
    metrics. Raises SurrogateError when points < 1 or the box is empty.
    """
    if points < 1:
        raise SurrogateError(f"At least 1 point must be asked for, got {points}.")
    X, Y = predicted_cloud(fitted, low, high, seed, count)
    at = _settled(fitted, X, Y, max(4 * points, 200), seed)
    X, Y = X[at], Y[at]
    if len(at) > points:
        Y = fitted.draws(X, 16).mean(axis=0)
    keep = even_subset(Y, points, seed=seed)
    keep = keep[np.lexsort(Y[keep].T[::-1])[::-1]]
    return Front(X[keep], Y[keep], fitted.predict(X[keep]))


def _settled(fitted: Fitted, X: Array, Y: Array, most: int, seed: int) -> Index:
    """Rows of the cloud's front, thinned to ``most``."""
    at = np.flatnonzero(non_dominated(Y))
    return at if len(at) <= most else at[even_subset(Y[at], most, seed=seed)]


def _believed(fitted: Fitted, X: Array, measured: int) -> Array:
    """X without the points that are not trusted while trials are few; the first ``measured`` rows always stay."""
    if not is_young(fitted.observations) or len(X) == 0:
        return X
    keep = fitted.trusted(X)
    keep[:measured] = True
    return X[keep] if keep.any() else X


def _jitter(
    X: Array, Y: Array, lower: Array, upper: Array, count: int, width: float, rng: np.random.Generator
) -> Array:
    """count new points: parents from the front, moved by a normal step or towards another parent."""
    front = np.flatnonzero(non_dominated(Y))
    parents = X[front[rng.permutation(len(front))[:512]]]
    chosen = np.arange(count) % len(parents)
    other = parents[rng.integers(len(parents), size=count)]
    towards = rng.random((count, 1)) * (rng.random((count, 1)) < 0.5)
    step = rng.standard_normal((count, X.shape[1])) * width * (upper - lower)
    sparse = rng.random((count, X.shape[1])) < np.maximum(2.0 / X.shape[1], 0.4)
    moved = parents[chosen] + towards * (other - parents[chosen]) + step * sparse
    return np.asarray(np.clip(moved, lower, upper))
