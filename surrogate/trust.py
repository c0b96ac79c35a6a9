"""Whether a surrogate is to be believed, in one sentence: its leave-one-out R², and MAP's quadratic beside it."""

from __future__ import annotations

from dataclasses import dataclass

from surrogate.catalogue import surrogates
from surrogate.prediction import Fitted
from surrogate.quadratic import FittedQuadratic, Quadratic

ENOUGH = 0.95


@dataclass(frozen=True)
class Trust:
    """r2: leave-one-out R² of the worst metric; metric: which one that is; trusted: whether it is at least 0.95;
    quadratic_r2: the same of MAP's quadratic on the same trials, None below its least number of trials; sentence: that
    in words."""

    r2: float
    metric: str
    trusted: bool
    quadratic_r2: float | None
    sentence: str


def judge(fitted: Fitted, seed: int = 0) -> Trust:
    """How far to trust a fitted surrogate and MAP's quadratic on the same trials.

    R² is of the metrics that are shown, each trial predicted from the others. It is harsh where a metric hardly
    changes over the trials: what cannot vary cannot be explained.
    """
    o = fitted.observations
    r2, metric = _worst(fitted)
    trusted = r2 >= ENOUGH
    known = surrogates()
    own = f"{known[fitted.name].title} {_explains(r2, metric)}"
    if isinstance(fitted, FittedQuadratic):
        return Trust(r2, metric, trusted, r2, f"{own}{'.' if trusted else f': below {ENOUGH}, not to be trusted.'}")
    rival = Quadratic()
    if o.n < rival.min_trials(o.d):
        verdict = "trusted" if trusted else f"below {ENOUGH}, so only a first look"
        return Trust(r2, metric, trusted, None, f"{own}: {verdict}.")
    theirs, where = _worst(rival.fit(o, seed))
    other = f"{rival.title} {_explains(theirs, where)}"
    if theirs < ENOUGH:
        other += f": below {ENOUGH}, not to be trusted here, so it is not used"
    verdict = "" if trusted else f" Below {ENOUGH} it is only a first look: measure more."
    return Trust(r2, metric, trusted, theirs, f"{own}.{verdict} {other}.")


def _worst(fitted: Fitted) -> tuple[float, str]:
    r2 = fitted.loo().r2
    return float(r2.min()), fitted.observations.names[int(r2.argmin())]


def _explains(r2: float, metric: str) -> str:
    return f"has a leave-one-out R² of {r2:.2f} on its worst metric, '{metric}'"
