"""Every surrogate by name, and the choice among them by leave-one-out."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np

from surrogate.bayesian_map import BAYESIAN
from surrogate.errors import SurrogateError
from surrogate.gp import GaussianProcess
from surrogate.joint import Joint
from surrogate.logits import LogitSurrogate
from surrogate.observations import Observations
from surrogate.prediction import Fitted, Surrogate
from surrogate.quadratic import Quadratic

WITHOUT_TORCH = ("logits", "linear-logits", "quadratic")


def surrogates() -> dict[str, Surrogate]:
    """Name to surrogate, the best first on our measurements."""
    found: list[Surrogate] = [
        Joint(),
        Joint(LogitSurrogate("linear-logits", "Linear logits (preview)", curved=False)),
        Quadratic(),
        Quadratic(BAYESIAN, "Bayesian MAP (quadratic, trials where it errs)"),
        GaussianProcess(),
    ]
    return {s.name: s for s in found}


def surrogate(name: str) -> Surrogate:
    """Raises SurrogateError with the nearest name for one that does not exist."""
    known = surrogates()
    if name not in known:
        close = get_close_matches(name, known, 1)
        raise SurrogateError(
            f"Unknown surrogate '{name}'.", f"Nearest: '{close[0]}'." if close else f"Allowed: {', '.join(known)}."
        )
    return known[name]


def usable(observations: Observations, among: Sequence[str] = WITHOUT_TORCH) -> tuple[str, ...]:
    """Those of ``among`` that have enough trials and, for the logit surrogates, outputs of some metric to model."""
    o = observations

    def enough(one: Surrogate) -> bool:
        return one.enough(o) if isinstance(one, Joint) else o.n >= one.min_trials(o.d)

    return tuple(name for name in among if enough(surrogate(name)))


def choose(observations: Observations, seed: int = 0, among: Sequence[str] | None = None) -> Fitted:
    """The surrogate with the least leave-one-out error on the metrics themselves, so never worse there than MAP's.

    Errors are averaged over metrics in units of each metric's spread over the trials. The Gaussian process is tried
    only when named in ``among``, or when nothing else can be used: it loads torch. Raises SurrogateError when trials
    are too few.
    """
    names = usable(observations, WITHOUT_TORCH if among is None else among)
    if not names:
        allowed = WITHOUT_TORCH if among is None else among
        least = min(surrogate(name).min_trials(observations.d) for name in allowed)
        raise SurrogateError(
            f"No surrogate can be fitted to {observations.n} done trials over d = {observations.d} coefficients.",
            f"At least {least} are needed, and per-sample outputs for the logit surrogates.",
        )
    fits = [surrogate(name).fit(observations, seed) for name in names]
    scale = np.maximum(observations.Y.std(axis=0), 1e-3)
    loss = [float(np.mean(fit.loo().rmse / scale)) for fit in fits]
    return fits[int(np.argmin(loss))]
