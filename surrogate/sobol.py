"""Scrambled Sobol points: even, seeded, in any number."""

from __future__ import annotations

import numpy as np

from surrogate.observations import Array


def sobol(d: int, count: int, seed: int) -> Array:
    """The first ``count`` points of a scrambled Sobol sequence in the unit cube, (count, d). Same seed, same points."""
    from scipy.stats import qmc  # half a second that importing this package should not cost

    power = max(1, int(np.ceil(np.log2(max(count, 2)))))
    return np.asarray(qmc.Sobol(d, scramble=True, rng=np.random.default_rng(seed)).random_base2(power)[:count])
