"""Coefficients of which only the proportions matter."""

from dataclasses import dataclass

import numpy as np

from merging.errors import MergingError
from merging.method import Array, Method

SMALLEST = 1e-6


def check_sum(coefficients: Array) -> None:
    """Raise MergingError when the coefficients sum to (nearly) zero."""
    if abs(coefficients.sum()) < SMALLEST:
        raise MergingError(
            f"The coefficients sum to {coefficients.sum():g}, and only their proportions count here.",
            "Give at least one of them a value above 0.",
        )


def shares(coefficients: Array) -> Array:
    """Return c / Σ c."""
    return np.asarray(coefficients / coefficients.sum())


@dataclass(frozen=True)
class Proportional(Method):
    """A method that takes c / Σ c, published at equal shares."""

    def default(self, experts: int) -> float:
        """Return 1/T: equal shares."""
        return 1.0 / experts

    def check(self, coefficients: Array) -> None:
        """Refuse coefficients whose sum is (nearly) zero."""
        check_sum(coefficients)
