"""From a front to one point: what a person wishes (at least so much on this task), the knee, the balanced point.

A Cloud is made once per fit; choosing from it takes milliseconds whatever the number of coefficients, and asks no
surrogate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from surrogate.errors import SurrogateError
from surrogate.front import even_subset, ideal_and_nadir, knee, non_dominated
from surrogate.observations import Array
from surrogate.prediction import Fitted, Prediction
from surrogate.search import predicted_cloud


@dataclass(frozen=True)
class Cloud:
    """Points to choose from: X (k, d), search (k, m) the objective they are ranked by, prediction, metric names."""

    X: Array
    search: Array
    prediction: Prediction
    names: tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """One point of a cloud: its row, coefficients (d,), whether the wish is met, what is missing to it (m,), and the
    cost: how far each metric (m,) stays below the best any point of the cloud reaches."""

    index: int
    coefficients: Array
    met: bool
    missing: Array
    cost: Array


def choosing_cloud(fitted: Fitted, seed: int = 0, most: int = 400, count: int = 1600) -> Cloud:
    """The predicted front in fine steps (at most ``most`` points) with full predictions, ready to choose from."""
    X, Y = predicted_cloud(fitted, seed=seed, count=count)
    at = np.flatnonzero(non_dominated(Y))
    if len(at) > most:
        at = at[even_subset(Y[at], most, seed=seed)]
    return Cloud(X[at], Y[at], fitted.predict(X[at]), fitted.observations.names)


def best_for(
    cloud: Cloud, want: Mapping[str, float] | None = None, weights: Mapping[str, float] | None = None
) -> Choice:
    """The point for a wish: each named metric at least the given value, then the best augmented Tchebycheff value.

    want: metric name -> least value of the metric that is shown (maximised); weights: metric name -> importance >= 0,
    default 1 each. When no point meets the wish, the one that misses it least (its worst shortfall, in units of the
    front's range) is chosen and says what is missing. Raises SurrogateError for an unknown name or a negative weight.
    """
    least = _per_metric(cloud.names, want or {}, -np.inf, "wish")
    weight = _per_metric(cloud.names, weights or {}, 1.0, "weight")
    if (weight < 0).any() or not (weight > 0).any():
        raise SurrogateError("Weights must not be negative, and one must be positive.", "Give numbers from 0 to 1.")
    shown = cloud.prediction.mean
    ideal, nadir = ideal_and_nadir(shown)
    width = np.where(ideal - nadir > 1e-9, ideal - nadir, 1.0)
    short = np.maximum(least - shown, 0.0)
    worst = (short / width).max(axis=1)
    feasible = worst <= 1e-12
    score = tchebycheff(cloud.search, weight)
    if feasible.any():
        row = int(np.argmax(np.where(feasible, score, -np.inf)))
    else:
        near = worst <= worst.min() + 0.02
        row = int(np.argmax(np.where(near, score, -np.inf)))
    return _choice(cloud, row, short[row], bool(feasible[row]))


def knee_of(cloud: Cloud) -> Choice:
    """The knee of the cloud's front in the search objective."""
    return _choice(cloud, knee(cloud.search), np.zeros(len(cloud.names)), True)


def balanced(cloud: Cloud) -> Choice:
    """The point whose worst metric, between the front's worst and best, is highest."""
    row = int(np.argmax(tchebycheff(cloud.search, np.ones(len(cloud.names)))))
    return _choice(cloud, row, np.zeros(len(cloud.names)), True)


def tchebycheff(Y: Array, weight: Array) -> Array:
    """Augmented Tchebycheff, higher is better: -max_j w_j (1 - share_j) - 0.01 sum_j w_j (1 - share_j), (k,).

    It reaches every point of a front, hollow parts too, which a weighted sum does not. A metric of weight 0 only
    breaks ties.
    """
    ideal, nadir = ideal_and_nadir(Y)
    width = np.where(ideal - nadir > 1e-9, ideal - nadir, 1.0)
    regret = (ideal - Y) / width
    w = weight / weight.max()
    return np.asarray(-(w * regret).max(axis=1) - 0.01 * (w * regret).sum(axis=1) - 1e-4 * regret.sum(axis=1))


def _choice(cloud: Cloud, row: int, missing: Array, met: bool) -> Choice:
    cost = cloud.prediction.mean.max(axis=0) - cloud.prediction.mean[row]
    return Choice(row, cloud.X[row], met, missing, cost)


def _per_metric(names: tuple[str, ...], values: Mapping[str, float], default: float, what: str) -> Array:
    out = np.full(len(names), default)
    for name, value in values.items():
        if name not in names:
            close = get_close_matches(name, names, 1)
            raise SurrogateError(
                f"The {what} names '{name}', which is no metric here.",
                f"Nearest: '{close[0]}'." if close else f"Allowed: {', '.join(names)}.",
            )
        if not np.isfinite(value):
            raise SurrogateError(f"The {what} for '{name}' is {value}, a number is needed.")
        out[names.index(name)] = value
    return out
