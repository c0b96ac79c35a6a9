"""Directions between vectors of which only the Gram matrix (T, T) is known, as coordinates (T,) on them."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from merging.families.proportions import Proportional, shares
from merging.method import Array, Linearity, Scalars

SMALLEST = 1e-12


def experts_gram(gram: Array) -> Array:
    """Turn the Gram matrix of [base, τ_1 … τ_T] into the one of the experts' weights base + τ_t."""
    whole: Array = gram[0, 0] + gram[0, 1:][:, None] + gram[0, 1:][None, :] + gram[1:, 1:]
    return whole


def lengths(gram: Array) -> Array:
    """Return the norms (T,)."""
    return np.sqrt(np.clip(np.diagonal(gram), 0.0, None))


def cosines(gram: Array) -> Array:
    """Return the Gram matrix of the unit vectors; rows of vectors without length are 0."""
    sizes = lengths(gram)
    inverse = np.where(sizes > SMALLEST, 1.0 / np.maximum(sizes, SMALLEST), 0.0)
    found: Array = gram * inverse[:, None] * inverse[None, :]
    return found


def arc(weights: Array, gram: Array, straight: float) -> Array:
    """Return a, b of slerp a·v_0 + b·v_1 with shares `weights` of the angle; lerp where |cos| > `straight`."""
    sizes = lengths(gram)
    if sizes.min() <= SMALLEST:
        return weights
    cosine = float(np.clip(gram[0, 1] / (sizes[0] * sizes[1]), -1.0, 1.0))
    if abs(cosine) > straight:
        return weights
    angle = float(np.arccos(cosine))
    return np.asarray(np.sin(weights * angle) / np.sin(angle))


@dataclass(frozen=True)
class Spherical(Proportional):
    """A method that weighs the vectors of a tensor by their shares and the angles between them."""

    linearity: ClassVar[Linearity] = "span"
    uses_gram: ClassVar[bool] = True

    @property
    def by_rows(self) -> bool:
        """Rows need nothing of each other, beyond the Gram matrix."""
        return True

    def scalars(self, coefficients: Array, gram: Array | None) -> Scalars:
        """Return the multipliers for the shares of the coefficients."""
        if gram is None:
            raise TypeError(f"{self.title} needs the Gram matrix")
        return self.turned(shares(coefficients), gram)

    def turned(self, weights: Array, gram: Array) -> Scalars:
        """Return the multipliers for shares (T,); `gram` is (T+1, T+1), [base, τ_1 … τ_T]."""
        raise NotImplementedError(self.name)
