"""Bayesian optimisation of one number that is costly to look at: a Gaussian process and expected improvement (BoTorch).

For a handful of settings whose value is a mean of metrics; fronts of many metrics are `surrogate.propose`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from surrogate.errors import SurrogateError
from surrogate.gp import seeded
from surrogate.observations import Array, check_box, to_unit
from surrogate.sobol import sobol


@dataclass(frozen=True)
class Maximum:
    """Every look in its order: X (n, d), values (n,); and which was the best."""

    X: Array
    values: Array

    @property
    def best(self) -> int:
        """The row of the highest value, the first of equals."""
        return int(np.argmax(self.values))


def maximise(
    function: Callable[[Array], float], low: Array, high: Array, start: Array, looks: int, seed: int = 0
) -> Maximum:
    """Look at ``start`` (d,), at d + 1 Sobol points of the box, then where log expected improvement is highest.

    ``looks`` counts all of them. The noise of the values is learned; equal values are no reason to stop. Same seed and
    function, same looks. Raises SurrogateError for a box or a start of another size, or looks < 1.
    """
    low, high, start = (np.asarray(one, dtype=np.float64) for one in (low, high, start))
    check_box(low, high, len(start))
    if looks < 1:
        raise SurrogateError(f"At least 1 look is needed, got {looks}.")
    if (start < low).any() or (start > high).any():
        raise SurrogateError("The start lies outside the box.", "Widen the box.")
    first = low + (high - low) * sobol(len(start), len(start) + 1, seed)
    X = np.concatenate([start[None], first])[:looks]
    values = np.array([float(function(point)) for point in X])
    for number in range(len(X), looks):
        point = low + (high - low) * _improving(to_unit(X, low, high), values, seed + number)
        X = np.concatenate([X, point[None]])
        values = np.append(values, float(function(point)))
    return Maximum(X, values)


def _improving(u: Array, values: Array, seed: int) -> Array:
    """The point of the unit box with the highest log expected improvement, (d,)."""
    d = u.shape[1]
    if float(np.ptp(values)) <= 1e-12:
        return np.asarray(sobol(d, 1, seed)[0])
    with seeded(seed):  # importing BoTorch warns too
        import torch
        from botorch.acquisition.logei import qLogNoisyExpectedImprovement
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import SingleTaskGP
        from botorch.models.transforms import Standardize
        from botorch.optim.optimize import optimize_acqf
        from gpytorch.mlls import ExactMarginalLogLikelihood

        known = torch.as_tensor(u)
        model = SingleTaskGP(known, torch.as_tensor(values)[:, None], outcome_transform=Standardize(m=1))
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        gain = qLogNoisyExpectedImprovement(model, known, prune_baseline=True)
        bounds = torch.stack([torch.zeros(d, dtype=torch.float64), torch.ones(d, dtype=torch.float64)])
        found, _ = optimize_acqf(gain, bounds, 1, 3, 64, options={"maxiter": 60})
    return np.asarray(found.detach().numpy()[0], dtype=np.float64)
