"""The kernel of the logit surrogate, how it is learned from a B x B matrix, and its closed-form posterior.

Notation: U (B, d) unit coefficients of the trials, K (B, B) their kernel matrix with nugget, G = R R' (B, B) over all
outputs. Per output, with the scale of the outputs profiled out (matrix normal): log p = -B/2 log tr(K^-1 G) - 1/2 log
|K|.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy

from surrogate.observations import Array
from surrogate.ties import CENTRE as CENTRE

LENGTH = (0.15, 12.0)
MIXTURE = (0.2, 50.0)
LINEAR = (1e-3, 50.0)
NUGGET = (1e-7, 1e-2)
NUGGET_OF_LINES = (1e-6, 3.0)
MIDDLE = np.log([1.0, 1e-5, 2.0])  # priors of the logarithms of linear, nugget and mixture ...
WIDTH = np.array([2.0, 3.0, 1.5])  # ... and their standard deviations


@dataclass(frozen=True)
class Kernel:
    """RQ_ARD(u, u') + linear (1 + <u - .3, u' - .3>) + nugget; without the RQ when lengths is empty.

    RQ_ARD, the rational quadratic (1 + r^2 / (2 alpha))^-alpha with r^2 = sum_i ((u_i - u'_i) / l_i)^2, is a mixture of
    RBF kernels of many lengths (Rasmussen & Williams 2006, Eq. 4.19), the RBF itself for a large ``mixture`` alpha.
    """

    lengths: Array
    linear: float
    nugget: float
    mixture: float = MIXTURE[1]

    def between(self, U: Array, V: Array) -> Array:
        """Kernel without nugget, (k, n)."""
        k = self.linear * (1.0 + (U - CENTRE) @ (V - CENTRE).T)
        if self.lengths.size:
            a, b = self.scaled(U), self.scaled(V)
            square = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None, :] - 2.0 * a @ b.T
            k = k + self.curve(np.maximum(square, 0.0))
        return np.asarray(k)

    def curve(self, square: Array) -> Array:
        """The rational quadratic of squared distances in units of the lengths, any shape."""
        return np.asarray(np.exp(-self.mixture * np.log(1.0 + square / (2.0 * self.mixture))))

    def scaled(self, U: Array) -> Array:
        """Points (k, d) in units of the lengths."""
        return U / self.lengths

    def own(self, U: Array) -> Array:
        """k(u, u) without nugget, (k,)."""
        k = self.linear * (1.0 + ((U - CENTRE) ** 2).sum(axis=1))
        return np.asarray(k + 1.0 if self.lengths.size else k)


@dataclass(frozen=True)
class Posterior:
    """The process given its trials."""

    kernel: Kernel
    U: Array

    @cached_property
    def inverse(self) -> Array:
        """K^-1, (B, B)."""
        K = self.kernel.between(self.U, self.U) + self.kernel.nugget * np.eye(len(self.U))
        return np.asarray(scipy.linalg.cho_solve(scipy.linalg.cho_factor(K, lower=True), np.eye(len(K))))

    @cached_property
    def loo_sd(self) -> Array:
        """Standard deviation of each trial given the others, in units of the output scale, (B,)."""
        return np.asarray(1.0 / np.sqrt(np.maximum(np.diag(self.inverse), 1e-300)))

    def weights(self, u: Array) -> tuple[Array, Array]:
        """k(u, U) K^-1 (k, B), and the standard deviation at u in units of the output scale (k,)."""
        cross = self.kernel.between(u, self.U)
        w = cross @ self.inverse
        rest = self.kernel.own(u) - np.einsum("ij,ij->i", w, cross)
        return w, np.sqrt(np.maximum(rest, 0.0) + (0.0 if self.kernel.lengths.size else self.kernel.nugget))


def learn(U: Array, G: Array, curved: bool = True) -> Kernel:
    """The kernel of highest marginal likelihood (with weak priors); exact gradient, started from two length scales.

    U (B, d), G (B, B). curved False leaves the RQ out: outputs linear in the coefficients, one number to learn.
    """
    B, d = U.shape
    total = float(np.trace(G))
    if not total > 0.0:
        return Kernel(np.full(d, 1.5), 1.0, 1e-4) if curved else Kernel(np.empty(0), 1.0, 1e-2)
    scaled = G / total
    lines = 1.0 + (U - CENTRE) @ (U - CENTRE).T
    if not curved:
        return _learn_lines(lines, scaled)
    from scipy.optimize import minimize  # a third of a second that importing this package should not cost

    square = (U[:, None, :] - U[None, :, :]) ** 2
    bounds = [(np.log(a), np.log(b)) for a, b in [LENGTH] * d + [LINEAR, NUGGET, MIXTURE]]
    starts = (1.0, 3.0) if d <= 3 else (np.sqrt(d) * 0.7,)
    best, least = np.zeros(0), np.inf
    for length in starts:
        start = np.concatenate([np.full(d, np.log(length)), MIDDLE])
        found = minimize(
            _loss,
            start,
            args=(square, lines, scaled),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": 60},
        )
        if found.fun < least:
            best, least = found.x, float(found.fun)
    return Kernel(np.exp(best[:d]), *(float(value) for value in np.exp(best[d:])))


def _loss(theta: Array, square: Array, lines: Array, G: Array) -> tuple[float, Array]:
    """Negative log marginal likelihood per output plus priors, and its gradient in the logarithms.

    theta (d + 3,): logarithms of the lengths, linear, nugget and mixture.
    """
    B, d = len(G), square.shape[2]
    inverse_squares = np.exp(-2.0 * theta[:d])
    linear, nugget, mixture = np.exp(theta[d:])
    base = 1.0 + (square @ inverse_squares) / (2.0 * mixture)
    smooth = base**-mixture
    K = smooth + linear * lines + nugget * np.eye(B)
    value, slope = _likelihood(K, G)
    bend = slope * smooth
    gradient = np.empty(d + 3)
    gradient[:d] = np.tensordot(bend / base, square, axes=([0, 1], [0, 1])) * inverse_squares
    gradient[d] = linear * np.sum(slope * lines)
    gradient[d + 1] = nugget * np.trace(slope)
    gradient[d + 2] = mixture * np.sum(bend * (1.0 - 1.0 / base - np.log(base)))
    off = (theta - np.concatenate([np.full(d, np.log(1.5)), MIDDLE])) / np.concatenate([np.ones(d), WIDTH])
    gradient += off / np.concatenate([np.ones(d), WIDTH])
    return value + 0.5 * float(off @ off), gradient


def _likelihood(K: Array, G: Array) -> tuple[float, Array]:
    """B/2 log tr(K^-1 G) + 1/2 log |K|, and its derivative by K, (B, B)."""
    B = len(K)
    factor = scipy.linalg.cho_factor(K, lower=True)
    inverse = scipy.linalg.cho_solve(factor, np.eye(B))
    AG = inverse @ G
    trace = max(float(np.trace(AG)), 1e-12)
    value = 0.5 * B * np.log(trace) + float(np.log(np.diag(factor[0])).sum())
    return float(value), 0.5 * inverse - 0.5 * B * (AG @ inverse) / trace


def _learn_lines(lines: Array, G: Array) -> Kernel:
    """The linear kernel's nugget, on a grid."""
    grid = np.geomspace(*NUGGET_OF_LINES, 40)
    losses = [_likelihood(lines + eta * np.eye(len(lines)), G)[0] for eta in grid]
    return Kernel(np.empty(0), 1.0, float(grid[int(np.argmin(losses))]))
