"""Coefficients of which only the proportions matter."""

import numpy as np

from merging.errors import MergingError
from merging.method import Array

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
