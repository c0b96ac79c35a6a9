"""What a surrogate answers (Prediction, LeaveOneOut), and the protocol that every surrogate follows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from surrogate.observations import Array
from surrogate.observations import Observations as Observations


@dataclass(frozen=True)
class Prediction:
    """Predicted metrics at k points, each array (k, m): mean, standard deviation, 5 % and 95 % quantiles.

    They speak of the metric *on the study's own validation samples*; the sampling error of those samples is not in
    them.
    """

    mean: Array
    std: Array
    low: Array
    high: Array

    def at(self, index: Any) -> Prediction:
        """The same prediction at some of the points only."""
        return Prediction(self.mean[index], self.std[index], self.low[index], self.high[index])


@dataclass(frozen=True)
class LeaveOneOut:
    """Each trial predicted from the others. prediction (n, m); rmse, r2, coverage of the 90 % interval each (m,)."""

    prediction: Prediction
    truth: Array
    rmse: Array = field(init=False)
    r2: Array = field(init=False)
    coverage: Array = field(init=False)

    def __post_init__(self) -> None:
        error = np.mean((self.prediction.mean - self.truth) ** 2, axis=0)
        spread = np.var(self.truth, axis=0)
        flat = spread < 1e-18
        r2 = np.where(flat, np.where(error < 1e-12, 1.0, 0.0), 1.0 - error / np.where(flat, 1.0, spread))
        inside = (self.truth >= self.prediction.low - 1e-12) & (self.truth <= self.prediction.high + 1e-12)
        object.__setattr__(self, "rmse", np.sqrt(error))
        object.__setattr__(self, "r2", r2)
        object.__setattr__(self, "coverage", inside.mean(axis=0))


class Fitted(Protocol):
    """A surrogate that has seen its trials. Points X are (k, d) in coefficient units."""

    @property
    def name(self) -> str: ...

    @property
    def observations(self) -> Observations: ...

    def predict(self, X: Array) -> Prediction:
        """Metrics with their uncertainty, (k, m) each."""
        ...

    def objective(self, X: Array) -> Array:
        """What the search maximises, point estimate (k, m); cheap enough for thousands of points."""
        ...

    def draws(self, X: Array, count: int) -> Array:
        """Joint samples of the search objective from the posterior, (count, k, m)."""
        ...

    def trusted(self, X: Array) -> NDArray[np.bool_]:
        """Where the uncertainty is no larger than at points that leave-one-out has validated, (k,)."""
        ...

    def loo(self) -> LeaveOneOut:
        """Leave-one-out of the metrics that are shown, trials in the order of the observations."""
        ...


class Surrogate(Protocol):
    """A regression from coefficients to metrics."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    def min_trials(self, d: int) -> int:
        """The least number of done trials it can be fitted to."""
        ...

    def fit(self, observations: Observations, seed: int = 0) -> Fitted:
        """Raises SurrogateError when there are fewer trials than min_trials, naming both numbers."""
        ...
