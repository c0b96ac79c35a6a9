"""The first coefficient vectors to measure: anchors, then points that a surrogate can be fitted to.

Faults of MAP's published sampling that are kept out here (its design for 8 experts is {0,1}^8, of rank 37 of 45): the
rank of the quadratic's features is computed and mended, the condition number reported, the box is filled, and a
design never lies on the simplex (sum of coefficients 1) alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surrogate.errors import SurrogateError
from surrogate.kernel import CENTRE, Kernel
from surrogate.observations import Array, check_box, to_unit
from surrogate.quadratic import features
from surrogate.sobol import sobol

KINDS = ("auto", "i-optimal", "sobol", "scaled-simplex", "d-optimal")
NEAR = 0.05


@dataclass(frozen=True)
class Design:
    """X (n, d) points, anchors first; how well they determine the full quadratic.

    rank of its features and the number needed, (d+1)(d+2)/2; condition number of the features (inf when rank <
    needed).
    """

    X: Array
    kind: str
    rank: int
    needed: int
    condition: float


def anchor_points(d: int, low: Array, high: Array, default: float | None = None) -> Array:
    """The points people start from, inside the box, each once: (k, d).

    The base (0), the d experts (one-hot), their average (1/d), 0.3 each (task arithmetic, arXiv 2212.04089) unless
    another equal point lies within 0.05 and tells as much, and the method's own default.
    """
    eye = np.eye(d)
    own = [] if default is None else [default]
    usual = [] if any(abs(c - 0.3) <= NEAR + 1e-9 for c in (1.0 / d, *own)) else [0.3]
    equal = [1.0 / d, *usual, *own]
    points = [np.zeros(d), *eye, *(np.full(d, c) for c in equal)]
    inside = [p for p in points if (p >= low - 1e-12).all() and (p <= high + 1e-12).all()]
    return _distinct(np.array(inside).reshape(-1, d))


def design(
    d: int, n: int, low: Array, high: Array, anchors: Array | None = None, seed: int = 0, kind: str = "auto"
) -> Design:
    """n points in the box [low, high]: the anchors (k, d) first, as many as fit, then a seeded space-filling rest.

    kind: "i-optimal" (least mean variance of a smooth process; the default for d <= 3), "scaled-simplex" (Dirichlet(1)
    x s with s ~ U(.8, .5 d + .3); the default above, where a box is mostly ruined models), "sobol" (scrambled Sobol
    over the box), "d-optimal" (for the quadratic).
    Raises SurrogateError for an unknown kind, an anchor outside the box, or n < 1.
    """
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    check_box(low, high, d)
    if kind not in KINDS:
        raise SurrogateError(f"Unknown design '{kind}'.", f"Allowed: {', '.join(KINDS)}.")
    if n < 1:
        raise SurrogateError(f"A design needs at least 1 point, got n = {n}.")
    chosen = kind if kind != "auto" else ("i-optimal" if d <= 3 else "scaled-simplex")
    first = _checked_anchors(anchors, d, low, high)[:n]
    rest = _fill(d, n - len(first), low, high, first, seed, chosen)
    X = _mended(np.concatenate([first, rest]), len(first), low, high, seed)
    F = features(to_unit(X, low, high) - 0.5)
    rank = int(np.linalg.matrix_rank(F))
    needed = F.shape[1]
    condition = float(np.linalg.cond(F)) if rank == needed else float("inf")
    return Design(X, chosen, rank, needed, condition)


def _fill(d: int, count: int, low: Array, high: Array, first: Array, seed: int, kind: str) -> Array:
    if count <= 0:
        return np.empty((0, d))
    if kind == "sobol":
        return low + (high - low) * sobol(d, count, seed)
    if kind == "scaled-simplex":
        return scaled_simplex(d, count, low, high, seed)
    if kind == "i-optimal":
        return _i_optimal(d, count, low, high, first, seed)
    return _d_optimal(d, count, low, high, first, seed)


def scaled_simplex(d: int, count: int, low: Array, high: Array, seed: int) -> Array:
    """Dirichlet(1) directions times s ~ U(.8, .5 d + .3), in units of each coefficient's bound, cut to the box.

    Dirichlet draws come from Sobol points through -log u, so they are spread as evenly as the box points are.
    """
    u = np.clip(sobol(d + 1, count, seed), 1e-6, 1.0 - 1e-6)
    e = -np.log(u[:, :d])
    s = 0.8 + (0.5 * d + 0.3 - 0.8) * u[:, d:]
    shares = e / e.sum(axis=1, keepdims=True) * s
    origin = np.clip(np.zeros(d), low, high)
    below = np.where(origin > low, origin - low, 0.0)
    points = origin + shares * (high - origin) - np.where(shares < 0.25 / d, below * u[:, d:], 0.0)
    return np.asarray(np.clip(points, low, high))


def _i_optimal(d: int, count: int, low: Array, high: Array, first: Array, seed: int) -> Array:
    """Points after which a smooth process is least uncertain on average (Sacks et al. 1989), given the first ones.

    The process is the logit surrogate's prior; the average is over the box, each coefficient at an end one time in
    five, as sliders are. Greedy, then two rounds of exchanging each point for a better one.
    """
    places = _stretched(sobol(d, 384, seed + 11), 0.1)
    pool = np.concatenate([sobol(d, 384, seed + 12), _stretched(sobol(d, 384, seed + 13), 0.2)])
    prior = Kernel(np.ones(d), 1.0, 1e-4, 2.0)
    both = prior.between(pool, places)

    def best(chosen: Array) -> Array:
        """The point of the pool that takes most variance off the places, given the chosen ones."""
        inverse = np.linalg.inv(prior.between(chosen, chosen) + prior.nugget * np.eye(len(chosen)))
        weights = prior.between(pool, chosen) @ inverse
        shared = both - weights @ prior.between(chosen, places)
        own = prior.own(pool) + prior.nugget - np.einsum("ij,ij->i", weights, prior.between(pool, chosen))
        return np.asarray(pool[int(np.argmax((shared**2).mean(axis=1) / np.maximum(own, 1e-9)))])

    U = to_unit(first, low, high) if len(first) else np.full((1, d), CENTRE)
    fixed = len(U)
    for _ in range(count + len(first) - fixed):
        U = np.concatenate([U, best(U)[None]])
    for i in [*range(fixed, len(U))] * 2:
        U[i] = best(np.delete(U, i, axis=0))
    return np.asarray(low + (high - low) * U[len(first) :])


def _stretched(u: Array, share: float) -> Array:
    """Points of the unit box, stretched and cut so that this share of each coefficient lies at either end."""
    return np.clip(0.5 + (u - 0.5) / (1.0 - 2.0 * share), 0.0, 1.0)


def _d_optimal(d: int, count: int, low: Array, high: Array, first: Array, seed: int) -> Array:
    """Greedy: each point multiplies det(F'F) of the quadratic's features the most (Fedorov exchange, forward
    part)."""
    corners = np.array(np.meshgrid(*[[0.0, 0.5, 1.0]] * d)).reshape(d, -1).T if d <= 6 else np.empty((0, d))
    pool = np.concatenate([corners, sobol(d, 1024, seed)])
    F = features(pool - 0.5)
    M = 1e-6 * np.eye(F.shape[1])
    if len(first):
        A = features(to_unit(first, low, high) - 0.5)
        M = M + A.T @ A
    inverse = np.linalg.inv(M)
    picked: list[int] = []
    for _ in range(count):
        gain = np.einsum("ij,jk,ik->i", F, inverse, F)
        gain[picked] = -1.0
        best = int(np.argmax(gain))
        picked.append(best)
        v = inverse @ F[best]
        inverse = inverse - np.outer(v, v) / (1.0 + F[best] @ v)
    return np.asarray(low + (high - low) * pool[picked])


def _mended(X: Array, fixed: int, low: Array, high: Array, seed: int) -> Array:
    """X with trailing free points exchanged where it lies on the simplex alone or its rank falls short."""
    n, d = X.shape
    needed = (d + 1) * (d + 2) // 2
    if d > 1 and np.allclose(X.sum(axis=1), 1.0):
        X = np.concatenate([X[:-1], low + (high - low) * (0.25 + 0.5 * sobol(d, 1, seed))])
    if n < needed:
        return X
    for free in range(1, n - fixed + 1):
        if np.linalg.matrix_rank(features(to_unit(X, low, high) - 0.5)) >= needed:
            break
        keep = X[: n - free]
        X = np.concatenate([keep, _d_optimal(d, free, low, high, keep, seed)])
    return X


def _checked_anchors(anchors: Array | None, d: int, low: Array, high: Array) -> Array:
    if anchors is None:
        return anchor_points(d, low, high)
    points = np.asarray(anchors, dtype=np.float64).reshape(-1, d)
    outside = ((points < low - 1e-9) | (points > high + 1e-9)).any(axis=1)
    if outside.any():
        row = int(np.argmax(outside))
        raise SurrogateError(
            f"Anchor {row} ({', '.join(f'{c:g}' for c in points[row])}) lies outside the box.",
            "Widen the bounds, or leave this anchor out.",
        )
    return _distinct(points)


def _distinct(points: Array) -> Array:
    """The points in their order, each once."""
    _, index = np.unique(points.round(12), axis=0, return_index=True)
    return points[np.sort(index)]
