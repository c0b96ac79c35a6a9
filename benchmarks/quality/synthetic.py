"""Made-up merges whose outputs bend with the coefficients: for timing eight experts, and for fast tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.pools import Array, Pool, PoolSpec

HIDDEN = 12


def outputs_at(X: Array, samples: int, classes: int, seed: int) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Per task the outputs (k, samples, classes) at coefficients X (k, d), and targets (samples,).

    Each sample is a hidden vector, moved by every expert; the one for its task moves it towards its class, the others
    anywhere. A tanh bends it, so that outputs are not linear in the coefficients.
    """
    k, d = X.shape
    found = []
    for task in range(d):
        rng = np.random.default_rng([seed, task])
        targets = rng.integers(classes, size=samples)
        heads = rng.standard_normal((classes, HIDDEN)).astype(np.float32)
        start = 0.3 * heads[targets] + 1.1 * rng.standard_normal((samples, HIDDEN)).astype(np.float32)
        moves = 0.7 * rng.standard_normal((d, samples, HIDDEN)).astype(np.float32)
        moves[task] += 0.5 * heads[targets]
        hidden = np.tanh(start + np.einsum("kt,tsh->ksh", X.astype(np.float32), moves))
        found.append(((2.0 * hidden @ heads.T).astype(np.float32), targets))
    return found


def synthetic_pool(d: int, side: int, samples: int = 80, classes: int = 5, seed: int = 0) -> Pool:
    """A grid pool of side^d points, as many samples to see as to be judged by."""
    axes = [np.linspace(0.0, 1.0, side)] * d
    X = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
    names = tuple(f"task{i}" for i in range(d))
    spec = PoolSpec(f"synthetic-{d}", names, side, (), samples, samples, "development")
    both = outputs_at(X, 2 * samples, classes, seed)
    outputs: dict[str, tuple[NDArray[Any], ...]] = {
        "validation": tuple(o[:, :samples] for o, _ in both),
        "test": tuple(o[:, samples:] for o, _ in both),
    }
    targets: dict[str, tuple[NDArray[Any], ...]] = {
        "validation": tuple(t[:samples] for _, t in both),
        "test": tuple(t[samples:] for _, t in both),
    }
    return Pool(spec, X, outputs, targets, 0.0)
