"""Each sample its own lengths: the learned kernel, kernels like it, and what share of a sample's outputs each predicts.

One kernel for all outputs of a task says that every sample bends alike along a coefficient. They do not: a picture
that one expert reads otherwise than the base moves with that expert's coefficient, another with the sum of two. So
beside the learned kernel stand those whose length along one direction is halved or doubled, and each sample weighs them
by its own marginal likelihood: Bayesian model averaging over a grid about the estimate (Hoeting et al. 1999, Eq. 1-3).

Notation: G kernels, B trials, c columns, s samples; R (B, c, s) residuals. With the scale of a sample's outputs
profiled out: log p_g = -B/2 log tr(R_s' K_g^-1 R_s) - 1/2 log |K_g|;  share_g = p_g / sum p.
mean(u) = sum_g share_g k_g(u, U) K_g^-1 R.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from surrogate.kernel import CENTRE, Kernel, Posterior
from surrogate.observations import Array

Floats = NDArray[np.float32]
FACTORS = (0.5, 2.0)
VARIED = 3  # coefficients along which lengths are varied, the shortest: a length of many boxes bends nothing
ROWS, LEAST = 320, 4  # processes times trials, which a prediction's time grows with, and processes at the least
FEW = 4  # points up to which R is read once for each point rather than once for each process


@dataclass(frozen=True)
class Stretched(Kernel):
    """A kernel whose length along a direction (d,), of length 1 in units of the lengths, is a factor times as long."""

    direction: Array = field(default_factory=lambda: np.empty(0))
    factor: float = 1.0

    def scaled(self, U: Array) -> Array:
        """Points (k, d) in units of the lengths, stretched."""
        x = U / self.lengths
        return np.asarray(x + (1.0 / self.factor - 1.0) * (x @ self.direction)[:, None] * self.direction)


@dataclass(frozen=True)
class Blend:
    """The processes of one task, the learned one first; shares (G, s) add up to 1 for each sample; R (B, c, s)."""

    posteriors: tuple[Posterior, ...]
    shares: Floats
    R: Floats

    @cached_property
    def shared(self) -> Floats:
        """The residuals times the shares, process after process, (G B, c, s)."""
        return (self.shares[:, None, None, :] * self.R[None]).reshape(-1, *self.R.shape[1:])

    @property
    def learned(self) -> Posterior:
        """The process with the kernel of highest likelihood: its sd(u) is every sample's."""
        return self.posteriors[0]

    def residuals(self, u: Array) -> tuple[Floats, Array]:
        """Predicted residuals (k, c, s) at u (k, d), and sd(u) in units of the output scale (k,)."""
        weights, sd = self.learned.weights(u)
        mixes = np.concatenate([weights[None], self._mixes(u)], dtype=np.float32)
        if 0 < len(u) <= FEW:
            return np.stack([self._at_one(mixes[:, i]) for i in range(len(u))]), sd
        wide = np.moveaxis(mixes, 0, 1).reshape(len(u), len(self.shared))
        return (wide @ self.shared.reshape(len(self.shared), -1)).reshape(-1, *self.R.shape[1:]), sd

    def _at_one(self, mixes: Floats) -> Floats:
        """Predicted residuals (c, s) at one point from its mixes (G, B).

        Not as a matrix product, which BLAS would share out among threads: on a machine that others use, waiting for
        the last of them takes many times as long as the sum itself.
        """
        of_samples = np.einsum("gb,gs->bs", mixes, self.shares)
        return np.asarray(np.einsum("bs,bcs->cs", of_samples, self.R))

    def _mixes(self, u: Array) -> Array:
        """k_g(u, U) K_g^-1 of the variants, (G - 1, k, B): all at once, as they share all but one direction."""
        if self._directions is None:
            return np.empty((0, len(u), len(self.learned.U)))
        directions, excess, inverses = self._directions
        kernel, U = self.learned.kernel, self.learned.U
        x, y = kernel.scaled(u), kernel.scaled(U)
        square = np.maximum((x * x).sum(axis=1)[:, None] + (y * y).sum(axis=1)[None] - 2.0 * x @ y.T, 0.0)
        along = (directions @ x.T)[:, :, None] - (directions @ y.T)[:, None, :]
        curves = kernel.curve(np.maximum(square + excess[:, None, None] * along * along, 0.0))
        lines = kernel.linear * (1.0 + (u - CENTRE) @ (U - CENTRE).T)
        return np.asarray((curves + lines) @ inverses)

    @cached_property
    def _directions(self) -> tuple[Array, Array, Array] | None:
        kernels = [one.kernel for one in self.posteriors[1:] if isinstance(one.kernel, Stretched)]
        if not kernels:
            return None
        factors = np.array([kernel.factor for kernel in kernels])
        directions = np.stack([kernel.direction for kernel in kernels])
        return directions, factors**-2.0 - 1.0, np.stack([one.inverse for one in self.posteriors[1:]])

    def left_out(self) -> Array:
        """Leave-one-out residuals, each trial less what the others predict for it with these shares, (B, c, s)."""
        # In float64: the inverse of a smooth kernel is large and what it sums cancels.
        missed = np.concatenate([one.inverse * one.loo_sd[:, None] ** 2 for one in self.posteriors], axis=1)
        flat = self.shared.reshape(len(self.shared), -1).astype(np.float64)
        return (missed @ flat).reshape(-1, *self.shared.shape[1:])


def alone(posterior: Posterior, R: Floats) -> Blend:
    """One process for every sample."""
    return Blend((posterior,), np.ones((1, R.shape[2]), dtype=np.float32), R)


def blend(posterior: Posterior, R: Floats) -> Blend:
    """The learned process and those of its variants that weigh most over the samples, ROWS rows in all; a process
    without lengths stays alone."""
    B, _, s = R.shape
    posteriors = [posterior, *(Posterior(kernel, posterior.U) for kernel in variants(posterior.kernel))]
    if len(posteriors) == 1:
        return alone(posterior, R)
    each = np.moveaxis(R, 2, 0).astype(np.float64)
    grams = (each @ np.moveaxis(each, 1, 2)).reshape(s, -1)
    misfit = np.stack([one.inverse.ravel() for one in posteriors]) @ grams.T
    halves = np.array([0.5 * np.linalg.slogdet(one.inverse)[1] for one in posteriors])
    scores = halves[:, None] - 0.5 * B * np.log(np.maximum(misfit, 1e-30))
    weight = _shares(scores)[1:].mean(axis=1)
    best = 1 + np.argsort(-weight, kind="stable")[: max(LEAST, ROWS // B) - 1]
    kept = np.concatenate([[0], np.sort(best)])
    return Blend(tuple(posteriors[g] for g in kept), _shares(scores[kept]).astype(np.float32), R)


def _shares(scores: Array) -> Array:
    likelihood = np.exp(scores - scores.max(axis=0))
    return np.asarray(likelihood / likelihood.sum(axis=0))


def variants(kernel: Kernel) -> tuple[Kernel, ...]:
    """The kernel with the length along one direction halved or doubled: along each of its shortest coefficients, and
    along the sum and the difference of each two of them."""
    d = len(kernel.lengths)
    axes = np.eye(d)[np.sort(np.argsort(kernel.lengths, kind="stable")[:VARIED])]
    both = [(a + sign * b) / np.sqrt(2.0) for a, b in combinations(axes, 2) for sign in (1.0, -1.0)]
    return tuple(
        Stretched(kernel.lengths, kernel.linear, kernel.nugget, kernel.mixture, direction, factor)
        for direction in (*axes, *both)
        for factor in FACTORS
    )
