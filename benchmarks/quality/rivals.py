"""Surrogates that are compared: how each is fitted to the same measured rows, and which pool rows it calls the front.

The quadratic stands here three times: as MAP published it (arXiv 2406.07529: least squares on accuracy, no link),
and with this project's mending (ridge chosen by leave-one-out, noise known) under an identity and a sigmoid link.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.quality.bed import Bed, Rows
from benchmarks.quality.pools import Array
from surrogate import Fitted, Prediction, choose, even_subset, non_dominated, surrogate
from surrogate.quadratic import features
from surrogate.search import is_young, sampled_box

Z90 = 1.6448536269514722
DRAWS = 16


@dataclass(frozen=True)
class LeastSquares:
    """MAP's quadratic as published, solved exactly: beta (p, m), sigma (m,), inverse of F'F (p, p)."""

    beta: Array
    sigma: Array
    inverse: Array
    name: str = "least-squares"

    def predict(self, X: Array) -> Prediction:
        """Accuracies (k, m) with the textbook interval of a regression."""
        F = features(X - 0.5)
        mean = F @ self.beta
        h = np.maximum(np.einsum("ij,jk,ik->i", F, self.inverse, F), 0.0)
        sd = self.sigma * np.sqrt(1.0 + h)[:, None]
        return Prediction(mean, sd, mean - Z90 * sd, mean + Z90 * sd)


def least_squares(bed: Bed, rows: Rows) -> LeastSquares:
    """Raises ValueError below (d+1)(d+2)/2 trials: then the published quadratic has no unique fit."""
    F, Y = features(bed.X[rows] - 0.5), bed.hard[rows]
    n, p = F.shape
    if n < p:
        raise ValueError(f"The published quadratic needs {p} trials; there are {n}.")
    beta, *_ = np.linalg.lstsq(F, Y, rcond=None)
    rest = ((Y - F @ beta) ** 2).sum(axis=0) / max(n - p, 1)
    return LeastSquares(beta, np.sqrt(np.maximum(rest, 1e-12)), np.linalg.pinv(F.T @ F))


Model = Fitted | LeastSquares
Fit = Callable[[Bed, Rows, int], Model]


def _named(name: str, link: str = "logit", search: str = "hard") -> Fit:
    def fit(bed: Bed, rows: Rows, seed: int) -> Model:
        return surrogate(name).fit(bed.observations(rows, link, search), seed)

    return fit


def _chosen(bed: Bed, rows: Rows, seed: int) -> Model:
    return choose(bed.observations(rows, search="soft"), seed)


@dataclass(frozen=True)
class Rival:
    """A surrogate as it is used. search: "soft" picks the front by soft accuracy, "hard" by predicted accuracy."""

    name: str
    title: str
    search: str
    fit: Fit


RIVALS = {
    rival.name: rival
    for rival in (
        Rival("chosen", "Chosen by leave-one-out (the product's default)", "soft", _chosen),
        Rival("logits", "Per-sample logits, soft accuracy searched", "soft", _named("logits", search="soft")),
        Rival("logits-hard", "Per-sample logits, accuracy searched", "hard", _named("logits")),
        Rival("map-published", "MAP quadratic, least squares", "hard", lambda bed, rows, _: least_squares(bed, rows)),
        Rival("quadratic", "MAP quadratic, mended", "hard", _named("quadratic", "identity")),
        Rival("sigmoid", "MAP sigmoid, mended", "hard", _named("quadratic")),
        Rival("quadratic-soft", "Quadratic on soft accuracy", "soft", _named("quadratic", search="soft")),
        Rival("gp", "GP per metric (BoTorch)", "hard", _named("gp")),
    )
}


def least_trials(rival: Rival, d: int) -> int:
    """Fewest trials a rival can be fitted to."""
    full = (d + 1) * (d + 2) // 2
    known = {"map-published": full, "chosen": d + 3, "logits": d + 3, "logits-hard": d + 3, "gp": d + 2}
    return known.get(rival.name, 2 * d + 1)


def predicted_rows(model: Model, bed: Bed, count: int, search: str, seed: int, shown: Array) -> Rows:
    """At most ``count`` pool rows that stand for the predicted front, picked as the product picks them.

    The same cut to the sampled box and the same trust region while trials are few; the candidates are the pool's rows,
    thinned by greedy hypervolume for any number of tasks. shown (k, m): predicted accuracies of all rows.
    """
    believed = believed_rows(model, bed)
    soft = search == "soft" and not isinstance(model, LeastSquares)
    Y = model.objective(bed.X[believed]) if soft else shown[believed]
    at = np.flatnonzero(non_dominated(Y))
    Y = Y[at]
    if len(at) > count and soft:
        Y = model.draws(bed.X[believed[at]], DRAWS).mean(axis=0)
    return np.asarray(believed[at[even_subset(Y, count, "hypervolume", seed)]], dtype=np.intp)


def believed_rows(model: Model, bed: Bed) -> Rows:
    """Pool rows that the product would look at: in the sampled box, and while trials are few, trusted or measured."""
    if isinstance(model, LeastSquares):
        return np.arange(len(bed.X))
    o = model.observations
    lower, upper = sampled_box(o, o.low, o.high)
    keep = ((bed.X >= lower - 1e-12) & (bed.X <= upper + 1e-12)).all(axis=1)
    if is_young(o):
        measured = (bed.X[:, None] == o.X[None]).all(axis=2).any(axis=1)
        keep &= model.trusted(bed.X) | measured
    return np.flatnonzero(keep if keep.any() else np.ones(len(bed.X), dtype=bool))
