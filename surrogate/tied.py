"""Where points are laid when several coefficients belong to one expert (`surrogate.ties`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surrogate.design import scaled_simplex
from surrogate.errors import SurrogateError
from surrogate.observations import Array, check_box
from surrogate.sobol import sobol
from surrogate.ties import Ties

SPREAD = (0.15, 0.3)  # how far groups are spread around their expert's number, in widths of the box, by turns
SEARCHED = (0.0, 0.15, 0.3)


def tied_design(ties: Ties, n: int, low: Array, high: Array, anchors: Array, seed: int = 0) -> Array:
    """n points in the box, (n, d): the anchors (k, d) first, then points spread around scaled-simplex ones.

    Raises SurrogateError for a box of another size, or n < 1.
    """
    check_box(low, high, len(ties.owner))
    if n < 1:
        raise SurrogateError(f"A design needs at least 1 point, got n = {n}.")
    rest = max(0, n - len(anchors))
    return np.concatenate([anchors, tied_points(ties, rest, low, high, seed, SPREAD)])[:n]


def tied_points(
    ties: Ties, count: int, low: Array, high: Array, seed: int, widths: Sequence[float] = SEARCHED
) -> Array:
    """Points (count, d): numbers of the experts from a scaled simplex, and their groups spread around them by each
    of the widths in turn, important groups more."""
    first = ties.first
    around = ties.everywhere(scaled_simplex(ties.experts, count, low[first], high[first], seed))
    width = np.resize(np.asarray(widths, dtype=np.float64), count)[:, None] * (high - low)
    away = 2.0 * sobol(len(ties.owner), count, seed + 1)[:count] - 1.0
    return np.asarray(np.clip(around + width * ties.scale * away, low, high))
