"""How sure a predicted front is: attainment bands for up to three metrics, and for any number the chance of being on
it."""

from __future__ import annotations

from dataclasses import dataclass

import moocore
import numpy as np

from surrogate.errors import SurrogateError
from surrogate.front import even_subset, non_dominated
from surrogate.observations import Array
from surrogate.prediction import Fitted

PERCENT = (5.0, 50.0, 95.0)
MOST = 400


@dataclass(frozen=True)
class Bands:
    """Uncertainty of a front in the search objective.

    surfaces: for two and three metrics, percent -> (points, m): the surface that this share of the posterior fronts
    reaches or exceeds (Grunert da Fonseca et al. 2001), so 95 is the cautious edge and 5 the hopeful one; empty above
    three metrics. membership (k,): share of posterior fronts on which each given point is non-dominated among the
    given points.
    """

    surfaces: dict[float, Array]
    membership: Array


def bands(fitted: Fitted, X: Array, count: int = 48) -> Bands:
    """Bands of the front through the points X (k, d), from ``count`` posterior samples of the search objective."""
    if len(X) == 0:
        raise SurrogateError("An empty front has no bands.", "Give at least one point.")
    samples = fitted.draws(X, count)
    masks = np.stack([non_dominated(Y) for Y in samples])
    m = samples.shape[2]
    surfaces: dict[float, Array] = {}
    if m in (2, 3):
        points = np.concatenate([-Y[keep] for Y, keep in zip(samples, masks, strict=True)])
        sets = np.repeat(np.arange(count), masks.sum(axis=1))
        found = moocore.eaf(points, sets=sets, percentiles=list(PERCENT))
        surfaces = {p: _thinned(-found[np.isclose(found[:, -1], p), :-1]) for p in PERCENT}
    return Bands(surfaces, masks.mean(axis=0))


def _thinned(surface: Array) -> Array:
    """At most MOST points of a surface, evenly; three metrics can give tens of thousands."""
    return surface if len(surface) <= MOST else surface[even_subset(surface, MOST)]
