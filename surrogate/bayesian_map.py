"""Bayesian MAP (arXiv 2406.07529, Algorithm 3): new points where the surrogate errs most, by bins of direction.

Used by the surrogate of that name, for comparison; propose.py finds better fronts. What its public loop gets wrong is
mended: empty bins are the first to be explored instead of never; points on a bin's edge belong to it; every resample
drops a fresh fifth of the trials; errors are those of leaving a trial out, of all trials, scaled so that the
temperature means something; every batch is kept and fitted (the caller refits); rays reach the edge of the box, where
the published radius stops at 0.8.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surrogate.errors import SurrogateError
from surrogate.observations import Array
from surrogate.prediction import Fitted

BAYESIAN = "bayesian-map"
TEMPERATURE = 0.07
DOUBT = 0.5
RESAMPLES = 30
DROPPED = 0.2


def propose_by_bins(fitted: Fitted, count: int, seed: int = 0) -> Array:
    """``count`` points (count, d) inside the box, in bins drawn with probability softmax(score / 0.07).

    Score of a bin: mean squared error of its trials plus half its standard deviation over resamples, as a share of
    the largest. Raises SurrogateError when count < 1, or for more than 12 coefficients (2^11 bins).
    """
    o = fitted.observations
    if count < 1:
        raise SurrogateError(f"At least 1 point must be proposed, got {count}.")
    if o.d > 12:
        raise SurrogateError(f"Bins over d = {o.d} coefficients would be {2 ** (o.d - 1)}.", "Use propose.")
    rng = np.random.default_rng(seed)
    bins = bin_count(o.d)
    error = np.mean((fitted.loo().prediction.mean - o.Y) ** 2, axis=1)
    score = bin_scores(bin_of(angles(o.unit), bins), error, bins ** (o.d - 1), rng)
    chance = np.exp((score - score.max()) / TEMPERATURE)
    drawn = rng.choice(len(score), size=count, p=chance / chance.sum())
    digits = (drawn[:, None] // bins ** np.arange(o.d - 2, -1, -1)) % bins
    ray = direction((digits + rng.random(digits.shape)) * (np.pi / 2 / bins))
    reach = 1.0 / np.maximum(ray.max(axis=1, keepdims=True), 1e-9)
    unit = np.clip(ray * reach * rng.uniform(0.2, 1.0, (count, 1)), 0.0, 1.0)
    return np.asarray(o.low + unit * (o.high - o.low))


def bin_count(d: int) -> int:
    """Bins per angle: 4 below four coefficients, 2 from there on."""
    return 4 if d < 4 else 2


def angles(u: Array) -> Array:
    """Hyperspherical angles in [0, pi/2] of points of the unit box, (k, d - 1)."""
    u = np.maximum(u, 0.0)
    tail = np.sqrt(np.cumsum((u**2)[:, ::-1], axis=1)[:, ::-1])
    return np.asarray(np.arctan2(tail[:, 1:], u[:, :-1]))


def direction(angle: Array) -> Array:
    """Unit vectors (k, d) of hyperspherical angles (k, d - 1)."""
    ones = np.ones((len(angle), 1))
    sines = np.concatenate([ones, np.cumprod(np.sin(angle), axis=1)], axis=1)
    return np.asarray(sines * np.concatenate([np.cos(angle), ones], axis=1))


def bin_of(angle: Array, bins: int) -> NDArray[np.intp]:
    """Number of each point's joint bin, (k,); the last bin of an angle is closed."""
    digits = np.minimum((angle / (np.pi / 2) * bins).astype(np.intp), bins - 1)
    if angle.shape[1] == 0:
        return np.zeros(len(angle), dtype=np.intp)
    return np.asarray(np.ravel_multi_index(tuple(digits.T), (bins,) * angle.shape[1]), dtype=np.intp)


def bin_scores(member: NDArray[np.intp], error: Array, total: int, rng: np.random.Generator) -> Array:
    """Score of every bin, (total,), the largest 1; bins without a trial score 1 too."""
    resampled = np.full((RESAMPLES, total), np.nan)
    for r in range(RESAMPLES):
        kept = rng.random(len(error)) >= DROPPED
        resampled[r] = _means(member[kept], error[kept], total)
    known = np.isfinite(resampled)
    times = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, resampled, 0.0).sum(axis=0) / times
    spread = np.sqrt(np.where(known, (resampled - mean) ** 2, 0.0).sum(axis=0) / times)
    score = _means(member, error, total) + DOUBT * spread
    top = np.nanmax(score) if np.isfinite(score).any() else 1.0
    return np.where(np.isfinite(score), score / max(float(top), 1e-300), 1.0)


def _means(member: NDArray[np.intp], error: Array, total: int) -> Array:
    """Mean error per bin, not a number where a bin is empty."""
    counts = np.bincount(member, minlength=total)
    sums = np.bincount(member, weights=error, minlength=total)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
