"""Trials that saw only the first samples of a task, beside others that saw all of them.

The outputs of a task are smooth in the coefficients, so over trials they vary in few ways, and the samples that a
trial has seen tell which mix of the whole trials it is; its unseen outputs are read as the same mix. That is kriging
with the seen outputs in the place of the coefficients (a linear kernel, and a nugget chosen by leave-one-out).

Letters: B whole trials, n partial trials, s samples of which the first f were seen by all, C classes.
A (B, f C) seen and R (B, (s - f) C) unseen outputs of the whole trials minus their means; a partial trial's seen
residual is a (f C,). w = (A A' + lambda I)^-1 A a; unseen outputs = mean + w' R.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogate.errors import SurrogateError
from surrogate.observations import Array, MetricFunction, Outputs

Floats = NDArray[np.float32]
NUGGETS = tuple(10.0**power for power in range(-8, 1))


@dataclass(frozen=True)
class Completion:
    """outputs (n, s, C) of partial trials with what they have not seen filled in; left_out (B, s, C) the same for each
    whole trial from the others, which tells how far off that is."""

    outputs: Floats
    left_out: Floats

    def error(self, function: MetricFunction, whole: Outputs, targets: NDArray[np.int64]) -> float:
        """Root mean square error of a metric read from completed outputs, by leave-one-out over the whole trials."""
        found = np.asarray(function(self.left_out, targets), dtype=np.float64)
        truth = np.asarray(function(whole.astype(np.float32), targets), dtype=np.float64)
        return float(np.sqrt(np.mean((found - truth) ** 2)))


def complete(whole: Outputs, partial: Outputs) -> Completion:
    """Fill in what the partial trials (n, f, C) have not seen, from the whole trials (B, s, C).

    Raises SurrogateError when there are fewer than two whole trials, or shapes disagree.
    """
    B, s, C = whole.shape
    f = partial.shape[1]
    if B < 2:
        raise SurrogateError(f"Trials on part of the samples need 2 on all of them, there is {B}.", "Measure 2.")
    if partial.shape[2] != C or not 0 < f <= s:
        raise SurrogateError(f"Outputs of shape {partial.shape[1:]} are no part of outputs of shape {(s, C)}.")
    seen = whole[:, :f].reshape(B, -1).astype(np.float64)
    rest = whole[:, f:].reshape(B, -1).astype(np.float64)
    everyone = np.arange(B)
    grams = seen @ seen.T, rest @ rest.T
    nugget = min(NUGGETS, key=lambda one: sum(_missed(grams, b, one) for b in range(B)))
    left_out = whole.astype(np.float32)
    for b in everyone:
        others = np.delete(everyone, b)
        left_out[b, f:] = (_mix(grams[0], others, grams[0][others, b], nugget) @ rest[others]).reshape(s - f, C)
    crossed = seen @ partial.reshape(len(partial), -1).astype(np.float64).T
    weights = np.stack([_mix(grams[0], everyone, crossed[:, i], nugget) for i in range(len(partial))])
    filled = (weights @ rest).reshape(len(partial), s - f, C)
    return Completion(np.concatenate([partial, filled], axis=1, dtype=np.float32, casting="same_kind"), left_out)


def _mix(gram: Array, rows: NDArray[np.intp], crossed: Array, nugget: float) -> Array:
    """Weights (len(rows),), in sum 1, of the rows in a trial whose products with them are given."""
    G = gram[np.ix_(rows, rows)]
    middle = G.mean(axis=0)
    centred = G - middle - middle[:, None] + middle.mean()
    target = crossed - crossed.mean() - middle + middle.mean()
    size = max(float(np.trace(centred)) / len(rows), 1e-30)
    w = np.linalg.solve(centred + nugget * size * np.eye(len(rows)), target)
    return np.asarray(w - w.mean() + 1.0 / len(rows))


def _missed(grams: tuple[Array, Array], b: int, nugget: float) -> float:
    """Squared error of a whole trial's unseen outputs as a mix of the others."""
    seen, rest = grams
    others = np.delete(np.arange(len(seen)), b)
    w = _mix(seen, others, seen[others, b], nugget)
    return float(rest[b, b] - 2.0 * w @ rest[others, b] + w @ rest[np.ix_(others, others)] @ w)
