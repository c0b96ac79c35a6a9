"""Karcher mean: the centre of the experts on a sphere."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np

from merging.families.sphere import SMALLEST, Spherical, cosines, experts_gram, lengths
from merging.method import Array, Paper, Scalars
from merging.setting import Choice, Range

TOLERANCE = 1e-5


@dataclass(frozen=True)
class Karcher(Spherical):
    """Weighted Karcher (Fréchet) mean on the unit sphere, tensor by tensor (mergekit's `karcher`).

    With w = c / Σ c and unit vectors u_t: from m = normalised(Σ w_t u_t), repeat
    g = Σ w_t (φ_t / sin φ_t)(u_t − cos φ_t m), m ← cos‖g‖ m + sin‖g‖ g/‖g‖; merged = (Σ w_t ‖v_t‖) m. Every
    step is taken in the coordinates of the T vectors, through their Gram matrix. mergekit has equal weights
    only; ours reduce to it.
    """

    name: ClassVar[str] = "karcher"
    title: ClassVar[str] = "Karcher mean"
    summary: ClassVar[str] = "Finds the centre of the experts on a sphere, so that none of them shrinks."
    paper: ClassVar[Paper] = Paper(
        "",
        "Riemannian center of mass and mollifier smoothing",
        1977,
        "Karcher; for model merging as in mergekit",
    )

    of: Annotated[Literal["weights", "task vectors"], Choice("What is averaged: the weights, or what was learned.")] = (
        "weights"
    )
    steps: Annotated[int, Range(1, 100, "Most steps towards the centre.")] = 10

    def turned(self, weights: Array, gram: Array) -> Scalars:
        """Return the multipliers, said as base and task vectors."""
        if self.of == "task vectors":
            return Scalars(1.0, self._mean(gram[1:, 1:], weights))
        found = self._mean(experts_gram(gram), weights)
        return Scalars(float(found.sum()), found)

    def _mean(self, gram: Array, weights: Array) -> Array:
        """Return the coordinates of (Σ w ‖v‖) m on the vectors themselves."""
        sizes = lengths(gram)
        valid = sizes > TOLERANCE * sizes.max()
        if len(weights) == 1 or sizes.max() <= SMALLEST or abs(weights[valid].sum()) < SMALLEST:
            return weights
        cosine = cosines(gram)
        own = np.where(valid, weights, 0.0) / weights[valid].sum()
        place = _normalised(own, cosine)
        for _ in range(self.steps):
            towards = _tangent(place, own, cosine)
            length = _norm(towards, cosine)
            if length < TOLERANCE:
                break
            place = _normalised(np.cos(length) * place + np.sin(length) / length * towards, cosine)
        return np.asarray(float(weights @ sizes) * place / np.maximum(sizes, SMALLEST))


def _norm(place: Array, cosine: Array) -> float:
    return float(np.sqrt(max(float(place @ cosine @ place), 0.0)))


def _normalised(place: Array, cosine: Array) -> Array:
    length = _norm(place, cosine)
    if length < TOLERANCE:  # the directions cancel: start from the expert with the largest share
        return np.asarray(np.arange(len(place)) == int(np.argmax(place)), dtype=np.float64)
    return np.asarray(place / length)


def _tangent(place: Array, weights: Array, cosine: Array) -> Array:
    """Return g, the weighted sum of the logarithms of the unit vectors at m."""
    dots = np.clip(cosine @ place, -1.0, 1.0)
    angles = np.arccos(dots)
    near = (angles < TOLERANCE) | (np.sin(angles) < TOLERANCE)
    pull = np.where(near, 0.0, weights * angles / np.where(near, 1.0, np.sin(angles)))
    return np.asarray(pull - float(pull @ dots) * place)
