"""Fronts: the non-dominated set, its hypervolume, and small subsets of it worth showing. Y is (k, m), maximised.

Hypervolume: moocore (exact; Fonseca et al. 2006, Guerreiro et al. 2021) or its quasi-Monte-Carlo polar approximation.
Polar form used by the greedy subset: HV(Y) is proportional to mean over directions w of max_y min_i ((y_i - r_i) /
w_i)^m: volume in polar coordinates, the ray along w leaving the dominated region at max_y min_i (y_i - r_i) / w_i.
"""

from __future__ import annotations

import heapq

import moocore
import numpy as np
import scipy
from numpy.typing import NDArray

from surrogate.errors import SurrogateError
from surrogate.observations import Array
from surrogate.sobol import sobol

Mask = NDArray[np.bool_]
Index = NDArray[np.intp]
HEIGHTS = 4_000_000  # numbers held while a front is thinned: many points get fewer directions


def non_dominated(Y: Array) -> Mask:
    """Which rows no other row dominates, (k,). Equal rows are all kept.

    >>> non_dominated(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])).tolist()
    [True, True, False]
    """
    Y = _checked(Y)
    if len(Y) == 0:
        return np.zeros(0, dtype=bool)
    if Y.shape[1] == 1:
        return np.asarray(Y[:, 0] == Y.max())
    return np.asarray(moocore.is_nondominated(Y, maximise=True, keep_weakly=True), dtype=bool)


def hypervolume(Y: Array, reference: Array) -> float:
    """Volume between the reference (m,) and the points that exceed it.

    Exact for m <= 5, for m = 6 up to 300 points and above up to 50 points; otherwise approximated (65536 directions,
    relative error about 1e-3).

    >>> hypervolume(np.array([[1.0, 2.0], [2.0, 1.0]]), np.zeros(2))
    3.0
    """
    Y = _checked(Y)
    reference = np.asarray(reference, dtype=np.float64)
    if reference.shape != (Y.shape[1],):
        raise SurrogateError(f"The reference has {reference.size} numbers for {Y.shape[1]} metrics.")
    above = Y[(Y > reference).all(axis=1)]
    if len(above) == 0:
        return 0.0
    m = Y.shape[1]
    if m == 1:
        return float(above.max() - reference[0])
    points = np.unique(above[non_dominated(above)], axis=0)
    if m <= 5 or len(points) <= (300 if m == 6 else 50):
        return float(moocore.hypervolume(points, ref=reference, maximise=True))
    return float(moocore.hv_approx(points, ref=reference, maximise=True, nsamples=65536))


def reference_point(Y: Array) -> Array:
    """Nadir of the front minus a tenth of its range, (m,) (BoTorch's rule).

    A metric that is flat on the front takes the range over all rows, and where that is flat too 1 % of its size:
    otherwise its reference would touch the front and every hypervolume be 0.
    """
    Y = _checked(Y)
    if len(Y) == 0:
        raise SurrogateError("A reference point needs at least one point.", "Measure a trial first.")
    front = Y[non_dominated(Y)]
    spread = np.ptp(front, axis=0)
    everywhere = np.ptp(Y, axis=0)
    tiny = 1e-9 * np.maximum(1.0, np.abs(Y).max(axis=0))
    spread = np.where(spread > tiny, spread, everywhere)
    spread = np.where(spread > tiny, spread, np.maximum(0.1 * np.abs(front[0]), 0.01))
    return np.asarray(front.min(axis=0) - 0.1 * spread)


def ideal_and_nadir(Y: Array) -> tuple[Array, Array]:
    """Best and worst value of each metric on the front of Y, (m,) each."""
    front = _checked(Y)[non_dominated(Y)]
    return front.max(axis=0), front.min(axis=0)


def normalised(Y: Array) -> Array:
    """Y with the front's nadir at 0 and its ideal at 1; a metric that is flat on the front is 1 where it is
    reached."""
    ideal, nadir = ideal_and_nadir(Y)
    width = np.where(ideal - nadir > 1e-12, ideal - nadir, 1.0)
    return np.asarray((Y - ideal) / width + 1.0)


def directions(m: int, count: int, seed: int = 0) -> Array:
    """Directions of the positive orthant, evenly spread, (count, m), unit length."""
    z = np.abs(scipy.special.ndtri(np.clip(0.5 + 0.5 * sobol(m, count, seed), 0.5 + 1e-7, 1.0 - 1e-7)))
    return np.asarray(z / np.linalg.norm(z, axis=1, keepdims=True))


def polar_heights(Y: Array, reference: Array, w: Array) -> Array:
    """min_i ((y_i - r_i) / w_i)^m, 0 outside, for each point and direction: (k, directions)."""
    gain = np.maximum(np.asarray(Y, dtype=np.float64) - reference, 0.0)
    height = np.full((len(gain), len(w)), np.inf)
    for i in range(gain.shape[1]):
        np.minimum(height, gain[:, i, None] * (1.0 / w[None, :, i]), out=height)
    return np.asarray(height ** gain.shape[1])


def greedy_subset(heights: Array, count: int, covered: Array | None = None) -> tuple[Index, Array]:
    """Rows of heights (k, directions) whose union covers most, picked one by one, with the gain of each.

    Lazy greedy: gains only shrink as rows are taken (submodular), so most rows are never looked at twice.
    covered (directions,) is what is covered already, by the measured points for instance.
    """
    top = np.zeros(heights.shape[1]) if covered is None else covered.astype(np.float64)
    gains = np.maximum(heights - top, 0.0).mean(axis=1)
    queue = [(-float(g), i, 0) for i, g in enumerate(gains)]
    heapq.heapify(queue)
    picked: list[int] = []
    won: list[float] = []
    more = np.empty_like(top)
    while queue and len(picked) < count:
        negative, i, stamp = heapq.heappop(queue)
        if stamp < len(picked):
            np.maximum(np.subtract(heights[i], top, out=more), 0.0, out=more)
            fresh = float(np.add.reduce(more)) / len(more)
            heapq.heappush(queue, (-fresh, i, len(picked)))
            continue
        picked.append(i)
        won.append(-negative)
        top = np.maximum(top, heights[i])
    return np.array(picked, dtype=np.intp), np.array(won)


def even_subset(Y: Array, count: int, by: str = "auto", seed: int = 0) -> Index:
    """Indices of at most count rows that stand for the front of Y, the best of every metric always among them.

    by: "hypervolume" (greedy; what "auto" means), "arc" (equal steps along the front; for two metrics only).
    """
    Y = _checked(Y)
    if by not in ("auto", "arc", "hypervolume"):
        raise SurrogateError(f"Unknown way '{by}' to thin a front.", "Allowed: auto, arc, hypervolume.")
    if count < 1:
        raise SurrogateError(f"At least 1 point must be kept, got {count}.")
    at = _distinct_front(Y)
    if len(at) <= count:
        return at
    if Y.shape[1] == 1 or count == 1:
        return np.asarray(at[[int(np.argmax(normalised(Y[at]).min(axis=1)))]])
    if Y.shape[1] == 2 and by == "arc":
        return np.asarray(at[_even_arc(normalised(Y[at]), count)])
    ends = np.unique(np.argmax(Y[at], axis=0))[:count]
    share = normalised(Y[at])
    w = directions(Y.shape[1], int(np.clip(HEIGHTS // len(at), 512, 4096)), seed)
    heights = polar_heights(share, np.full(Y.shape[1], -0.1), w)
    covered = heights[ends].max(axis=0)
    rest, _ = greedy_subset(np.delete(heights, ends, axis=0), count - len(ends), covered)
    others = np.delete(np.arange(len(at)), ends)
    return np.asarray(at[np.sort(np.concatenate([ends, others[rest]]))])


def knee(Y: Array) -> int:
    """Index of the row where giving a little costs most elsewhere: the bend of the front.

    Up to three metrics: farthest beyond the plane through the best points of each metric; above: the highest
    worst-case trade-off, min over others of (what one would lose) / (what one would gain) (Rachmawati & Srinivasan
    2009).
    """
    Y = _checked(Y)
    if len(Y) == 0:
        raise SurrogateError("An empty front has no knee.", "Measure a trial first.")
    at = _distinct_front(Y)
    share = normalised(Y[at])
    if len(at) <= 2 or Y.shape[1] == 1:
        return int(at[np.argmax(share.min(axis=1))])
    if Y.shape[1] <= 3:
        ends = share[np.argmax(share, axis=0)]
        solution, *_ = np.linalg.lstsq(ends, np.ones(len(ends)), rcond=None)
        if (solution > 0).all() and np.isfinite(solution).all():
            return int(at[np.argmax(share @ solution)])
    loss = np.maximum(share[:, None, :] - share[None, :, :], 0.0).sum(axis=2)
    gain = np.maximum(share[None, :, :] - share[:, None, :], 0.0).sum(axis=2)
    ratio = np.where(gain > 1e-12, loss / np.maximum(gain, 1e-12), np.inf)
    return int(at[np.argmax(ratio.min(axis=1))])


def _even_arc(share: Array, count: int) -> Index:
    """Rows nearest to equal steps along a two-metric front; both ends are kept."""
    order = np.argsort(share[:, 0], kind="stable")
    step = np.linalg.norm(np.diff(share[order], axis=0), axis=1)
    arc = np.concatenate([[0.0], np.cumsum(step)])
    wanted = np.linspace(0.0, arc[-1], count)
    return np.unique(order[[int(np.argmin(np.abs(arc - t))) for t in wanted]])


def _distinct_front(Y: Array) -> Index:
    """Rows of the front, equal rows once (the first), in row order."""
    at = np.flatnonzero(non_dominated(Y))
    _, first = np.unique(Y[at], axis=0, return_index=True)
    return np.asarray(at[np.sort(first)], dtype=np.intp)


def _checked(Y: Array) -> Array:
    Y = np.asarray(Y, dtype=np.float64)
    if Y.ndim != 2:
        raise SurrogateError(f"Metrics of a front must be (points, metrics), got shape {Y.shape}.")
    if not np.isfinite(Y).all():
        row, column = np.argwhere(~np.isfinite(Y))[0]
        raise SurrogateError(f"Metric {column} of point {row} is {Y[row, column]}.", "Leave that point out.")
    return Y
