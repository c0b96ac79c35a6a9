"""Done trials as the arrays that a surrogate sees: X, Y (always maximised), noise, per-sample outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.metric import Metric, metric
from study.axes import Axis, axes
from study.errors import StudyError
from study.folder.trial import Trial
from study.measuring.outputs import load_outputs, load_targets
from study.predicting.fidelity import Seen, comparable, seen_on
from study.settings import MethodChoice
from study.study import Study, vector
from surrogate import Observations, Ties

SEARCHED = {"accuracy": "soft_accuracy"}  # what the search maximises instead, read from the same outputs


def maximised(one: Metric) -> Any:
    """A metric as a function (outputs, targets) -> value that is better the larger it is."""
    return one.function if one.direction == "max" else lambda outputs, targets: -one.function(outputs, targets)


def _seen(
    one: Axis,
    done: list[Trial],
    kept: list[dict[str, NDArray[Any]]],
    targets: dict[str, NDArray[Any]],
    first: int | None,
) -> Seen:
    """One axis over the trials. All mixes of a study take the same time: what differs between trials is noise."""
    if one.formula is not None:
        return seen_on(one.name, one.formula, done, kept, targets, first)
    told = [trial.metrics[one.name] for trial in done]
    values = np.array([measured.value for measured in told])
    noise = np.array([measured.stderr**2 for measured in told])
    if one.metric == "milliseconds":
        noise[:] = max(float(np.var(values)), 1e-12)
    return Seen(values, noise, None, None)


def observations(
    study: Study, method: MethodChoice, trials: list[Trial] | None = None, first: int | None = None
) -> Observations:
    """What was measured with one method, for a surrogate.

    With ``first`` everything is read on the first so many samples of each task, which is all that some trials have
    seen; else what those trials have not seen is filled in from the others (surrogate/fidelity.py).

    Raises:
        StudyError: there are no done trials of that method.
    """
    done = [t for t in (study.done(partial=True) if trials is None else trials) if _same(t, method)]
    if first is None:
        done = comparable(done, len(study.coefficients) + 2)
    if not done:
        raise StudyError(
            f"The study has no done trials of method '{method.name}'.",
            f"Run some: python -m study run {study.folder} --method {method.name}.",
        )
    chosen = axes(study)
    names = [one.name for one in chosen]
    targets = load_targets(study)
    kept = [load_outputs(study, trial.id) for trial in done] if study.tasks else []
    seen = [_seen(one, done, kept, targets, first) for one in chosen]
    read = [one.formula if column.outputs is not None else None for one, column in zip(chosen, seen, strict=True)]
    low, high = study.bounds(method)
    d = len(study.coefficients)
    return Observations(
        X=np.array([vector(study, trial.coefficients) for trial in done], dtype=np.float64),
        Y=np.stack([one.sign * column.values for one, column in zip(chosen, seen, strict=True)], axis=1),
        noise=np.stack([column.noise for column in seen], axis=1),
        low=np.full(d, low),
        high=np.full(d, high),
        names=tuple(names),
        links=tuple(one.link for one in chosen),
        outputs=tuple(column.outputs for column in seen),
        targets=tuple(column.targets for column in seen),
        metrics=tuple(maximised(one) if one else None for one in read),
        search=tuple(maximised(metric(SEARCHED.get(one.name, one.name))) if one else None for one in read),
        ties=ties(study, method),
    )


def ties(study: Study, method: MethodChoice) -> Ties | None:
    """Which coefficients are one expert's, and how much each moves the weights; None without layer groups."""
    if study.settings.groups is None:
        return None
    count, importance = len(study.coefficients) // len(study.experts), study.importance(method)
    owner = np.repeat(np.arange(len(study.experts)), count)
    return Ties(owner, np.ones(len(owner)) if importance is None else importance)


def _same(trial: Trial, method: MethodChoice) -> bool:
    return trial.method == method.name and trial.settings == method.settings and trial.origin != "baseline"
