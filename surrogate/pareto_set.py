"""From a preference to coefficients, so that equal steps of the preference are equal steps along the front.

A preference p (m,) is a point of the simplex. With y' = (y - nadir) / (ideal - nadir) of the search objective, its mix
is where the line p + t (1, …, 1) leaves what can be reached: normal boundary intersection (Das & Dennis 1998), as the
achievement function min_j (y'_j - p_j) maximised over the coefficients. p = e_j is the end of the front at which
metric j is best. The map is made once: nodes on a lattice of the simplex, each started from a neighbour's coefficients
so that they move little from node to node, and improved by the gradient of the surrogate; between nodes it is linear.
Pareto-set learning (Lin et al., arXiv 2210.08495) trains a network to the same end; with surrogates as cheap as these
a lattice is enough, and it says of each node what is reached.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from surrogate.choice import Cloud, choosing_cloud
from surrogate.errors import SurrogateError
from surrogate.front import ideal_and_nadir
from surrogate.observations import Array, to_unit
from surrogate.prediction import Fitted
from surrogate.search import sampled_box

STEPS = {1: 1, 2: 24, 3: 8, 4: 5}  # divisions of the lattice by number of metrics, 3 above
SUM = 0.02  # weight of the sum of all metrics, which settles what the least of them leaves open
SOFT = 40.0  # sharpness of the smooth minimum that is climbed
CLIMBS = 12
NUDGE = 2e-3  # of the box, for the gradient by central differences
FINE = 65  # points of a path whose lengths are measured


@dataclass(frozen=True)
class ParetoSet:
    """Preferences P (k, m) of the nodes, their coefficients X (k, d) and search objective Y (k, m); ideal, nadir (m,)
    of the front, names of the metrics."""

    fitted: Fitted
    names: tuple[str, ...]
    P: Array
    X: Array
    Y: Array
    ideal: Array
    nadir: Array

    def at(self, preference: Array) -> Array:
        """Coefficients (k, d) for preferences (k, m) of the simplex: between the nodes around each."""
        return np.asarray(_weights(self.P, np.atleast_2d(preference)) @ self.X)

    def preference(self, wish: Mapping[str, float]) -> Array:
        """Weights by metric as a preference (m,) of the simplex; what is not named has 0.

        Raises SurrogateError for an unknown name, a negative weight, or none above 0.
        """
        weights = np.zeros(len(self.names))
        for name, value in wish.items():
            if name not in self.names:
                raise SurrogateError(f"The preference names '{name}', which is no metric here.", _allowed(self.names))
            if not np.isfinite(value) or value < 0:
                raise SurrogateError(f"The preference for '{name}' is {value:g}.", "Give numbers from 0.")
            weights[self.names.index(name)] = value
        if not weights.sum() > 0:
            raise SurrogateError("No metric has a preference.", "Give at least one number above 0.")
        return np.asarray(weights / weights.sum())

    def path(self, towards: str, steps: int, start: Array | None = None) -> Array:
        """``steps`` mixes (steps, d) from the least preference for one metric to the front's end where it is best.

        The others keep the ratio that they have in ``start`` (m,), all alike unless given. Neighbours lie equally far
        apart in the search objective, measured along the front with every metric in units of its range there.
        """
        if towards not in self.names:
            raise SurrogateError(f"There is no metric '{towards}' to go towards.", _allowed(self.names))
        if steps < 2:
            raise SurrogateError(f"A path of {steps} steps has no two ends.", "Ask for at least 2.")
        X = self.at(self._ray(self.names.index(towards), start))
        moved = np.linalg.norm(np.diff(self._scaled(self.fitted.objective(X)), axis=0), axis=1)
        length = np.concatenate([[0.0], np.cumsum(moved)])
        wanted = np.linspace(0.0, length[-1], steps)
        return np.stack([np.interp(wanted, length, column) for column in X.T], axis=1)

    def _ray(self, j: int, start: Array | None) -> Array:
        """Preferences (FINE, m) from none for metric j to nothing but it."""
        m = len(self.names)
        rest = np.ones(m) if start is None else np.asarray(start, dtype=np.float64).copy()
        rest[j] = 0.0
        if not rest.sum() > 0:
            rest = np.ones(m)
            rest[j] = 0.0
        share = np.linspace(0.0, 1.0, FINE)[:, None]
        if m == 1:
            return np.ones((FINE, 1))
        return np.asarray((1.0 - share) * rest / rest.sum() + share * np.eye(m)[j])

    def _scaled(self, Y: Array) -> Array:
        return np.asarray((Y - self.nadir) / _width(self.ideal, self.nadir))


def pareto_set(fitted: Fitted, seed: int = 0, cloud: Cloud | None = None) -> ParetoSet:
    """Make the map for a fitted surrogate; ``cloud`` where its front is known already. A second or two."""
    cloud = choosing_cloud(fitted, seed) if cloud is None else cloud
    ideal, nadir = ideal_and_nadir(cloud.search)
    m = cloud.search.shape[1]
    P = lattice(m, STEPS.get(m, 3))
    climb = _Climb(fitted, ideal, nadir)
    scaled = (cloud.search - nadir) / _width(ideal, nadir)
    order = np.argsort(np.abs(P - 1.0 / m).max(axis=1), kind="stable")
    X = np.empty((len(P), fitted.observations.d))
    known: list[int] = []
    for node in order:  # from the middle outwards, so that a solved neighbour lies at hand
        best = cloud.X[int(np.argmax(achieved(scaled, P[node])))]
        starts = [best]
        if known:
            near = min(known, key=lambda other: float(np.abs(P[other] - P[node]).sum()))
            starts.insert(0, X[near])
        X[node] = climb.up(np.array(starts), P[node])
        known.append(int(node))
    return ParetoSet(fitted, cloud.names, P, X, fitted.objective(X), ideal, nadir)


def lattice(m: int, steps: int) -> Array:
    """All points of the simplex with coordinates in multiples of 1/steps, (k, m) (Das & Dennis).

    >>> lattice(2, 2).tolist()
    [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    """
    bars = combinations(range(steps + m - 1), m - 1)
    counts = [np.diff(np.array([-1, *bar, steps + m - 1])) - 1 for bar in bars]
    return np.array(counts, dtype=np.float64) / steps


def achieved(scaled: Array, preference: Array) -> Array:
    """min_j (y'_j - p_j) + 0.02 mean_j y'_j of points (k, m), (k,)."""
    return np.asarray((scaled - preference).min(axis=1) + SUM * scaled.mean(axis=1))


class _Climb:
    """Gradient ascent on the achievement function through the surrogate, inside the sampled box."""

    def __init__(self, fitted: Fitted, ideal: Array, nadir: Array) -> None:
        self._fitted, self._ideal, self._nadir = fitted, ideal, nadir
        o = fitted.observations
        self._low, self._high = o.low, o.high
        lower, upper = sampled_box(o, o.low, o.high)
        self._box = to_unit(np.stack([lower, upper]), o.low, o.high)

    def up(self, starts: Array, preference: Array) -> Array:
        """The better end of climbs from ``starts`` (k, d); the first wins when the others are hardly better."""
        ends = [self._one(start, preference) for start in starts]
        best = max(value for _, value in ends)
        return next(X for X, value in ends if value >= best - 0.01)

    def _one(self, start: Array, preference: Array) -> tuple[Array, float]:
        u = to_unit(start, self._low, self._high)[0]
        value, step = self._value(u[None], preference)[0], 0.1
        for _ in range(CLIMBS):
            slope = self._slope(u, preference)
            size = float(np.abs(slope).max())
            if size < 1e-6:
                break
            tries = np.clip(u + np.outer(step * np.array([1.0, 0.5, 0.25, 0.1]), slope / size), *self._box)
            found = self._value(tries, preference)
            best = int(np.argmax(found))
            if found[best] <= value + 1e-6:
                step *= 0.25
                if step < 0.01:
                    break
                continue
            u, value = tries[best], found[best]
        return self._low + (self._high - self._low) * u, float(value)

    def _scaled(self, u: Array) -> Array:
        Y = self._fitted.objective(self._low + (self._high - self._low) * u)
        return np.asarray((Y - self._nadir) / _width(self._ideal, self._nadir))

    def _value(self, u: Array, preference: Array) -> Array:
        return achieved(self._scaled(u), preference)

    def _slope(self, u: Array, preference: Array) -> Array:
        """Of the achievement function with a smooth minimum, in unit coordinates (d,), by central differences."""
        d = len(u)
        moves = NUDGE * np.eye(d)
        Y = self._scaled(np.concatenate([u[None], u + moves, u - moves]))
        least = np.exp(-SOFT * ((Y[0] - preference) - (Y[0] - preference).min()))
        weight = least / least.sum() + SUM / len(preference)
        return np.asarray((Y[1 : d + 1] - Y[d + 1 :]) @ weight / (2.0 * NUDGE))


def _weights(P: Array, Q: Array) -> Array:
    """How much of each node each query (q, m) is: linear between the nodes of the lattice cell around it, (q, k)."""
    steps = round(1.0 / float(np.min(P[P > 0]))) if len(P) > 1 else 1
    places = {tuple(np.rint(p * steps).astype(int)): node for node, p in enumerate(P)}
    out = np.zeros((len(Q), len(P)))
    for row, q in enumerate(Q):
        for corner, share in _cell(q, steps):
            out[row, places[corner]] += share
    return out


def _cell(q: Array, steps: int) -> list[tuple[tuple[int, ...], float]]:
    """Corners of the lattice's simplex around a preference and their shares (Kuhn's triangulation).

    In running sums the lattice is that of the whole numbers, whose cubes are cut by the order of the fractions.
    """
    sums = np.cumsum(q)[:-1] * steps
    floor = np.floor(sums + 1e-9)
    part = np.clip(sums - floor, 0.0, 1.0)
    order = np.argsort(-part, kind="stable")
    edges = np.concatenate([[1.0], part[order], [0.0]])
    corner, found = floor.copy(), []
    for k in range(len(order) + 1):
        share = float(edges[k] - edges[k + 1])
        if share > 1e-12:
            whole = np.concatenate([[0.0], corner, [float(steps)]])
            found.append((tuple(np.rint(np.diff(whole)).astype(int)), share))
        if k < len(order):
            corner[order[k]] += 1.0
    return found


def _width(ideal: Array, nadir: Array) -> Array:
    return np.where(ideal - nadir > 1e-9, ideal - nadir, 1.0)


def _allowed(names: tuple[str, ...]) -> str:
    return f"Allowed: {', '.join(names)}."
