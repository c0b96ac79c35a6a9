"""MAP's quadratic (arXiv 2406.07529), mended: closed form, weighted by the noise, ridged, in the box, with honest
errors.

Notation, per metric: v = unit coefficients - 1/2; F (n, p) features; z = link(y); var = variance of z by the delta
method, noise / slope^2; beta minimises sum (z - F beta)^2 / var + |beta_1..|^2 / tau^2; h = leverages; sigma2 = scale
of the errors. What differs from the published code: no iterative fit from a saturated start (it collapses for 4 and
more experts), bounds of the metric in the link, delta-method weights, ridge chosen by closed-form leave-one-out on
the metric's own scale, fewer features when there are fewer trials than coefficients of the full quadratic.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy
from numpy.typing import NDArray

from surrogate.link import Link
from surrogate.observations import Array, Observations, check_points, need_trials, to_unit
from surrogate.prediction import LeaveOneOut, Prediction

Z90 = 1.6448536269514722
PRIOR_SCALES = (100.0, 10.0, 3.0, 1.0, 0.3)


def features(v: Array, diagonal: bool = False) -> Array:
    """1, v_i, v_i^2 and, unless diagonal, v_i v_j (i < j): (k, (d+1)(d+2)/2) or (k, 2d+1).

    >>> features(np.array([[2.0, 3.0]])).tolist()
    [[1.0, 2.0, 3.0, 4.0, 9.0, 6.0]]
    """
    v = np.atleast_2d(v)
    k, d = v.shape
    columns = [np.ones((k, 1)), v, v * v]
    if not diagonal and d > 1:
        i, j = np.triu_indices(d, 1)
        columns.append(v[:, i] * v[:, j])
    return np.concatenate(columns, axis=1)


@dataclass(frozen=True)
class Regression:
    """One metric's fit. beta (p,); root (p, p) with root root' = (F' V^-1 F + ridge)^-1; z, error and leverage
    (n,)."""

    link: Link
    diagonal: bool
    tau: float
    beta: Array
    root: Array
    variance: Array
    z: Array
    error: Array
    leverage: Array
    sigma2: float
    noise_ratio: float

    def mean(self, v: Array) -> Array:
        """Fitted value on the link scale at v (k, d)."""
        return np.asarray(features(v, self.diagonal) @ self.beta)

    def spread(self, v: Array) -> Array:
        """f' (F' V^-1 F + ridge)^-1 f at v (k, d), in units of sigma2."""
        return np.asarray(((features(v, self.diagonal) @ self.root) ** 2).sum(axis=1))

    def noise(self, z: Array) -> Array:
        """Variance that a new measurement has on the link scale, in units of sigma2."""
        slope = np.maximum(self.link.slope(z), 1e-4)
        return self.noise_ratio / (slope if self.link.kind == "logit" else slope**2)

    def left_out(self) -> tuple[Array, Array]:
        """Closed-form leave-one-out on the link scale: z without trial i, and its variance (error included)."""
        keep = np.maximum(1.0 - self.leverage, 1e-9)
        return self.z - self.error / keep, self.sigma2 * self.variance / keep


@dataclass(frozen=True)
class Quadratic:
    """The quadratic surrogate of MAP, one regression per metric.

    Under the name of Bayesian MAP new trials are proposed where it errs most (bayesian_map.py), not where the front
    gains.
    """

    name: str = "quadratic"
    title: str = "Quadratic (MAP)"

    def min_trials(self, d: int) -> int:
        """2d + 1: a constant, and a slope and a curvature per coefficient."""
        return 2 * d + 1

    def full_trials(self, d: int) -> int:
        """(d+1)(d+2)/2: the trials from which products of coefficients are fitted too."""
        return (d + 1) * (d + 2) // 2

    def fit(self, observations: Observations, seed: int = 0) -> FittedQuadratic:
        """Raises SurrogateError below min_trials, with both numbers."""
        o = observations
        cure = f"Measure {self.min_trials(o.d) - o.n} more, or use the linear-logit preview."
        need_trials(self.title, o.d, self.min_trials(o.d), o.n, cure)
        order = o.canonical()
        v = (o.unit - 0.5)[order]
        fits = tuple(regress(v, o.Y[order, j], o.noise[order, j], o.links[j]) for j in range(o.m))
        search = self.fit(o.for_search(), seed) if o.searches_otherwise else None
        return FittedQuadratic(o, fits, seed, search, self.name)


@dataclass(frozen=True)
class FittedQuadratic:
    """A quadratic that has seen its trials; see prediction.Fitted."""

    observations: Observations
    fits: tuple[Regression, ...]
    seed: int
    search: FittedQuadratic | None = field(default=None, repr=False)
    name: str = "quadratic"

    def predict(self, X: Array) -> Prediction:
        """Metrics (k, m) with error; the interval is for a measurement there, so what a quadratic cannot follow is
        in."""
        v = self._v(X)
        return _stack([_predict(f, f.mean(v), f.sigma2 * (f.spread(v) + f.noise(f.mean(v)))) for f in self.fits])

    def objective(self, X: Array) -> Array:
        """The search objective, (k, m)."""
        if self.search is not None:
            return self.search.objective(X)
        v = self._v(X)
        return np.stack([f.link.inverse(f.mean(v)) for f in self.fits], axis=1)

    def draws(self, X: Array, count: int) -> Array:
        """Samples (count, k, m) of the search objective: coefficients of the quadratic drawn from their posterior."""
        if self.search is not None:
            return self.search.draws(X, count)
        v = self._v(X)
        rng = np.random.default_rng(self.seed)
        out = []
        for f in self.fits:
            shift = f.root @ rng.standard_normal((f.root.shape[1], count))
            beta = f.beta[:, None] + np.sqrt(f.sigma2) * shift
            out.append(f.link.inverse((features(v, f.diagonal) @ beta).T))
        return np.stack(out, axis=2)

    def trusted(self, X: Array) -> NDArray[np.bool_]:
        """Where the leverage stays below the largest that leave-one-out has met."""
        v = self._v(X)
        level = [np.max(f.variance * f.leverage / np.maximum(1.0 - f.leverage, 1e-9)) for f in self.fits]
        inside = [f.spread(v) <= top * (1.0 + 1e-9) for f, top in zip(self.fits, level, strict=True)]
        return np.asarray(np.all(inside, axis=0))

    def loo(self) -> LeaveOneOut:
        """Closed-form leave-one-out on the metric's scale, trials in the order of the observations."""
        back = np.argsort(self.observations.canonical())
        return LeaveOneOut(_stack([_predict(f, *f.left_out()) for f in self.fits]).at(back), self.observations.Y)

    def _v(self, X: Array) -> Array:
        o = self.observations
        return to_unit(check_points(X, o.d), o.low, o.high) - 0.5


def regress(v: Array, y: Array, noise: Array, link: Link) -> Regression:
    """The best of {diagonal, full} x ridges by closed-form leave-one-out on the metric's scale.

    v (n, d), y (n,) the metric, noise (n,) its variance; noise 0 everywhere means exact values: they are
    interpolated.
    """
    n, d = v.shape
    exact = not (noise > 0).any()
    margin = _margin(y, noise, link)
    z = link.forward(y, margin)
    slope = link.slope(z)
    span = max(float(np.ptp(y)), 1e-3)
    floor = 1e-14 * span**2 if exact else 0.05 * float(np.median(noise[noise > 0]))
    kept = np.maximum(noise, floor)
    variance = kept / slope**2
    ratio = float(np.median(kept / (slope if link.kind == "logit" else 1.0)))
    full = n >= (d + 1) * (d + 2) // 2
    shapes = [True] if not full else [False] if exact or d == 1 else [False, True]
    scale = max(float(np.std(z)), 1e-6)
    scales = PRIOR_SCALES[:1] if exact and full else PRIOR_SCALES
    best: Regression | None = None
    least = np.inf
    for diagonal in shapes:
        for tau in scales:
            fit = _ridge(v, z, variance, diagonal, tau * scale, link, ratio)
            left_out, _ = fit.left_out()
            loss = float(np.mean((link.inverse(left_out) - y) ** 2))
            if best is None or loss < least * (1.0 - 1e-9):
                best, least = fit, loss
    return best if best is not None else _ridge(v, z, variance, True, scale, link, ratio)


def _ridge(v: Array, z: Array, variance: Array, diagonal: bool, tau: float, link: Link, ratio: float) -> Regression:
    """Weighted ridge by QR of the stacked system; the constant is not penalised."""
    F = features(v, diagonal)
    n, p = F.shape
    w = 1.0 / np.sqrt(variance)
    penalty = np.full(p, 1.0 / tau)
    penalty[0] = 1e-9 / tau
    Q, R = np.linalg.qr(np.concatenate([F * w[:, None], np.diag(penalty)]))
    beta = scipy.linalg.solve_triangular(R, Q[:n].T @ (z * w))
    leverage = np.clip((Q[:n] ** 2).sum(axis=1), 0.0, 1.0)
    error = z - F @ beta
    root = scipy.linalg.solve_triangular(R, np.eye(p))
    pull = float(np.sum((error * w) ** 2))
    pooled = (pull + 2.0) / (n - float(leverage.sum()) + 2.0)
    crossed = float(np.mean((error * w) ** 2 / np.maximum(1.0 - leverage, 1e-6)))
    sigma2 = max(pooled, crossed)
    return Regression(link, diagonal, tau, beta, root, variance, z, error, leverage, sigma2, ratio)


def _margin(y: Array, noise: Array, link: Link) -> float:
    """How far values are kept off the bounds: half a sample, so that accuracies of 0 and 1 stay finite."""
    if link.kind != "logit" or not (noise > 0).any():
        return 1e-4 if link.kind == "logit" else 1e-9
    share = np.clip((y - link.low) / (link.high - link.low), 0.02, 0.98)
    some = noise > 0
    samples = float(np.median(share[some] * (1 - share[some]) * (link.high - link.low) ** 2 / noise[some]))
    return float(np.clip(0.5 / (samples + 1.0), 1e-4, 0.05))


def _predict(fit: Regression, z: Array, variance: Array) -> tuple[Array, Array, Array, Array]:
    """Mean, standard deviation and 5 %, 95 % quantiles of a metric from its normal on the link scale."""
    sd = np.sqrt(np.maximum(variance, 0.0))
    ends = [fit.link.inverse(z - Z90 * sd), fit.link.inverse(z + Z90 * sd)]
    low, high = ends if fit.link.ascending() else ends[::-1]
    return fit.link.inverse(z), (high - low) / (2.0 * Z90), low, high


def _stack(columns: list[tuple[Array, Array, Array, Array]]) -> Prediction:
    mean, std, low, high = (np.stack(part, axis=1) for part in zip(*columns, strict=True))
    return Prediction(mean, std, low, high)
