"""One surrogate for metrics with per-sample outputs and metrics without: the logits, and a quadratic beside them.

A task's metric is read from predicted outputs; a property of the merged model (its distance from the base, say) or a
number that somebody's own code gives has none, and is regressed on as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogate.errors import SurrogateError
from surrogate.logits import FittedLogits, LogitSurrogate
from surrogate.observations import Array, Observations
from surrogate.prediction import Fitted, LeaveOneOut, Prediction
from surrogate.quadratic import Quadratic


def bare(o: Observations) -> list[int]:
    """The metrics that have no outputs to model, by number."""
    return [j for j in range(o.m) if o.outputs[j] is None or o.metrics[j] is None]


@dataclass(frozen=True)
class Joint:
    """A logit surrogate that leaves metrics without outputs to a quadratic; where all have them it is that alone."""

    logits: LogitSurrogate = LogitSurrogate()

    @property
    def name(self) -> str:
        """The logit surrogate's."""
        return self.logits.name

    @property
    def title(self) -> str:
        """The logit surrogate's."""
        return self.logits.title

    def min_trials(self, d: int) -> int:
        """The logit surrogate's; metrics without outputs need 2d + 1."""
        return self.logits.min_trials(d)

    def enough(self, o: Observations) -> bool:
        """Whether it can be fitted: some metric has outputs, and there are trials for all of them."""
        without = bare(o)
        least = max(self.min_trials(o.d), Quadratic().min_trials(o.d) if without else 0)
        return len(without) < o.m and o.n >= least

    def fit(self, observations: Observations, seed: int = 0) -> Fitted:
        """Raises SurrogateError below min_trials, and where no metric has outputs."""
        without = bare(observations)
        if not without or len(without) == observations.m:
            return self.logits.fit(observations, seed)
        own = [j for j in range(observations.m) if j not in without]
        read = self.logits.fit(observations.only(own), seed)
        rest = Quadratic().fit(observations.only(without), seed)
        return FittedJoint(observations, read, rest, tuple(own), tuple(without), self.name)


@dataclass(frozen=True)
class FittedJoint:
    """Logits for the metrics `own`, a quadratic for those `without` outputs; see prediction.Fitted."""

    observations: Observations
    logits: FittedLogits
    rest: Fitted
    own: tuple[int, ...]
    without: tuple[int, ...]
    name: str = "logits"

    def predict(self, X: Array) -> Prediction:
        """Metrics (k, m) in the order of the observations."""
        return self._joined(self.logits.predict(X), self.rest.predict(X))

    def objective(self, X: Array) -> Array:
        """The search objective, (k, m)."""
        return self._columns(self.logits.objective(X), self.rest.objective(X))

    def draws(self, X: Array, count: int) -> Array:
        """Samples (count, k, m) of the search objective; the two parts are drawn independently."""
        return self._columns(self.logits.draws(X, count), self.rest.draws(X, count))

    def trusted(self, X: Array) -> NDArray[np.bool_]:
        """Where the outputs are: what has none is a smooth property of the weights."""
        return self.logits.trusted(X)

    def loo(self) -> LeaveOneOut:
        """Leave-one-out of all metrics."""
        parts = self.logits.loo().prediction, self.rest.loo().prediction
        return LeaveOneOut(self._joined(*parts), self.observations.Y)

    def _joined(self, read: Prediction, rest: Prediction) -> Prediction:
        pairs = [(getattr(read, part), getattr(rest, part)) for part in ("mean", "std", "low", "high")]
        return Prediction(*(self._columns(one, other) for one, other in pairs))

    def _columns(self, read: Array, rest: Array) -> Array:
        out = np.empty((*read.shape[:-1], self.observations.m))
        out[..., list(self.own)] = read
        out[..., list(self.without)] = rest
        return out


def logits_of(fitted: Fitted) -> FittedLogits:
    """The part of a surrogate that knows single answers; its metrics are those that have outputs, in their order.

    Raises SurrogateError when it has no such part.
    """
    if isinstance(fitted, FittedJoint):
        return fitted.logits
    if isinstance(fitted, FittedLogits):
        return fitted
    raise SurrogateError("Single answers need the logit surrogate.", "Measure with a metric that keeps outputs.")
