"""A quadratic distilled from predictions, so that the explorer moves smoothly between points; and how far it is off."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def features(C: Array) -> Array:
    """1, each strength, each product i <= j: (n, 1 + d + d (d + 1) / 2), in the explorer's order."""
    n, d = C.shape
    products = [C[:, i] * C[:, j] for i in range(d) for j in range(i, d)]
    return np.column_stack([np.ones(n), C, *products])


def distil(
    predicted: Sequence[Mapping[str, Any]], tasks: Sequence[Mapping[str, Any]], cloud: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Least squares on the predicted front and the cloud around it; None if there are too few points.

    "residual" is the largest error per task; "trusted" says that it stays below every task's noise floor, or 1 % of
    what it spans where that is more (a number without noise has no floor).
    """
    rows = [*predicted, *cloud]
    d = len(rows[0]["c"]) if rows else 0
    if not rows or len(rows) < 2 * (1 + d + d * (d + 1) // 2):
        return None
    F = features(np.array([row["c"] for row in rows], dtype=np.float64))
    M = np.array([row["m"] for row in rows], dtype=np.float64)
    weights, links, bounds, residual = [], [], [], []
    for t, task in enumerate(tasks):
        low, high = _ends(task)
        curved = low is not None and high is not None
        y = _logit(M[:, t], float(low), float(high)) if low is not None and high is not None else M[:, t]
        w = np.linalg.lstsq(F, y, rcond=1e-9)[0]
        back = low + (high - low) / (1 + np.exp(-F @ w)) if low is not None and high is not None else F @ w
        weights.append([round(float(v), 7) for v in w])
        links.append("logit" if curved else "identity")
        bounds.append([low, high] if curved else [0.0, 0.0])
        residual.append(round(float(np.max(np.abs(back - M[:, t]))), 6))
    allowed = [max(task["floor"], 0.01 * float(np.ptp(M[:, t]))) for t, task in enumerate(tasks)]
    trusted = all(r <= most for r, most in zip(residual, allowed, strict=True))
    return {"weights": weights, "link": links, "bounds": bounds, "residual": residual, "trusted": trusted}


def _ends(task: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """The metric's range with its sign turned like the values."""
    low, high = task["bounds"]
    if low is None or high is None:
        return None, None
    ends = sorted((task["sign"] * low, task["sign"] * high))
    return (ends[0], ends[1]) if all(math.isfinite(end) for end in ends) else (None, None)


def _logit(values: Array, low: float, high: float) -> Array:
    share = np.clip((values - low) / (high - low), 1e-3, 1 - 1e-3)
    return np.log(share / (1 - share))
