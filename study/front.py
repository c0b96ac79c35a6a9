"""The measured and the predicted front of a study, as plain data."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

import surrogate
from study.axes import axes
from study.errors import StudyError
from study.folder.trial import Measured, Trial
from study.predicting.observe import observations
from study.predicting.references import ensemble
from study.settings import MethodChoice
from study.study import Study, open_study
from surrogate import Fitted, SurrogateError

REFUSALS = (StudyError, SurrogateError)  # requests that cannot be met, each with its one line to show

USUAL = 0.3  # the strength that Editing Models with Task Arithmetic (arXiv 2212.04089) recommends for every expert


def methods_measured(study: Study) -> list[MethodChoice]:
    """The methods that have done trials, in the order of the study file, others after."""
    listed = list(study.settings.methods)
    for trial in study.done():
        choice = study.method(trial.method)
        if trial.origin != "baseline" and choice not in listed:
            listed.append(choice)
    own = {(t.method, str(t.settings)) for t in study.done() if t.origin != "baseline"}
    return [one for one in listed if (one.name, str(one.settings)) in own]


@lru_cache(maxsize=32)
def _fitted(folder: str, revision: str, method: str, name: str | None, seed: int) -> Fitted:
    study = open_study(folder)
    return fit(observations(study, study.method(method)), name, seed)


def fit(seen: surrogate.Observations, name: str | None, seed: int) -> Fitted:
    """The named surrogate, or the one with the least leave-one-out error, fitted to what was measured."""
    return surrogate.choose(seen, seed) if name is None else surrogate.surrogate(name).fit(seen, seed)


def fitted(study: Study, method: MethodChoice, name: str | None = None) -> Fitted:
    """The surrogate of a method's done trials (the best by leave-one-out error unless named); kept per revision.

    Raises:
        SurrogateError: unknown name, or too few done trials: says how many it needs.
    """
    return _fitted(str(study.folder), study.store.revision(), method.name, name, study.settings.seed)


def front(
    study: Study, name: str | None = None, points: int = 50, method: str | None = None, test: bool = False
) -> dict[str, Any]:
    """The JSON of `python -m study front` (contract.md). ``test`` adds the held-out split where it was measured.

    Raises:
        StudyError: no done trials yet.
    """
    if points < 1:
        raise StudyError(f"--points is {points}.", "Ask for at least one predicted point.")
    chosen = [study.method(method)] if method else methods_measured(study)
    wanted = {choice.name for choice in chosen}
    trials = [t for t in study.done() if t.method in wanted and t.origin != "baseline"]
    if not trials:
        raise StudyError(
            f"The study in '{study.folder}' has no done trials yet.",
            f"Run some: python -m study run {study.folder} --trials 12.",
        )
    values = maximised_values(study, trials)
    on_front = surrogate.non_dominated(values)
    reference = surrogate.reference_point(values)
    predicted, models = _predicted(study, chosen, name, points)
    drawn = np.array([point["_maximised"] for point in predicted]).reshape(-1, values.shape[1])
    for point in predicted:
        del point["_maximised"]
    lines = baselines(study)
    return {
        "name": study.settings.name,
        "experts": [expert.name for expert in study.experts],
        "coefficients": list(study.coefficients),
        "tasks": task_facts(study),
        "evaluations": len(trials),
        "partial": len([t for t in study.done(partial=True) if t.fidelity is not None and t.method in wanted]),
        "measured": [_measured(t, bool(on), test) for t, on in zip(trials, on_front, strict=True)],
        "predicted": predicted,
        "surrogate": models[0] if models else {"name": None, "loo_rmse": {}},
        "surrogates": models,
        "hypervolume": {
            "measured": surrogate.hypervolume(values, reference),
            "predicted": surrogate.hypervolume(drawn, reference) if len(drawn) else None,
            "reference": {one.name: float(one.sign * worst) for one, worst in zip(axes(study), reference, strict=True)},
            "front_size": int(np.sum(on_front)),
            "stderr": {one.name: float(np.median([t.metrics[one.name].stderr for t in trials])) for one in axes(study)},
        },
        "baselines": lines,
        "references": {"ensemble": ensemble(study, lines)},
    }


def task_facts(study: Study) -> list[dict[str, Any]]:
    """Name, title, metric, unit, direction and range of each task."""
    return [
        {
            "name": one.name,
            "title": one.title,
            "metric": one.metric,
            "unit": one.unit,
            "direction": one.direction,
            "range": [bound if np.isfinite(bound) else None for bound in (one.low, one.high)],
        }
        for one in axes(study)
    ]


def maximised_values(study: Study, trials: list[Trial]) -> NDArray[np.float64]:
    """The metrics of trials as (n, m), flipped where less is better."""
    chosen = axes(study)
    return np.array([[one.sign * t.metrics[one.name].value for one in chosen] for t in trials])


def _predicted(
    study: Study, chosen: list[MethodChoice], name: str | None, points: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    found: list[dict[str, Any]] = []
    models: list[dict[str, Any]] = []
    for choice in chosen:
        try:
            model = fitted(study, choice, name)
        except SurrogateError:
            if name is not None:
                raise
            continue  # too few trials for any prediction; the measured front stands alone
        models.append(facts(study, choice, model))
        drawn = surrogate.predicted_front(model, seed=study.settings.seed, points=points)
        X, prediction = drawn.X, drawn.prediction
        for i in range(len(X)):
            found.append(
                {
                    "method": choice.name,
                    "coefficients": named(study, X[i]),
                    "metrics": intervals(study, prediction, i),
                    "_maximised": prediction.mean[i],
                }
            )
    if len(chosen) > 1 and found:
        keep = surrogate.non_dominated(np.array([point["_maximised"] for point in found]))
        found = [point for point, kept in zip(found, keep, strict=True) if kept]
    return found, models


def facts(study: Study, choice: MethodChoice, model: Fitted) -> dict[str, Any]:
    """Which surrogate spoke, its leave-one-out error per task in the metric's unit, and how far to trust it."""
    loo = model.loo()
    trust = surrogate.judge(model, study.settings.seed)
    names = [one.name for one in axes(study)]
    return {
        "method": choice.name,
        "name": model.name,
        "trials": model.observations.n,
        "loo_rmse": dict(zip(names, (float(value) for value in loo.rmse), strict=True)),
        "loo_r2": dict(zip(names, (float(value) for value in loo.r2), strict=True)),
        "trusted": trust.trusted,
        "quadratic_r2": trust.quadratic_r2,
        "trust": trust.sentence,
    }


def intervals(study: Study, prediction: surrogate.Prediction, row: int) -> dict[str, dict[str, float]]:
    """Mean, 5 % and 95 % quantile of each axis, in its own direction."""
    shown = {}
    for j, one in enumerate(axes(study)):
        ends = sorted(one.sign * float(value[row, j]) for value in (prediction.low, prediction.high))
        shown[one.name] = {
            "mean": one.sign * float(prediction.mean[row, j]),
            "low": ends[0],
            "high": ends[1],
        }
    return shown


def named(study: Study, row: NDArray[np.float64]) -> dict[str, float]:
    """A row of coefficients as {name: number}."""
    return {name: round(float(value), 6) for name, value in zip(study.coefficients, row, strict=True)}


def shown(measured: dict[str, Measured]) -> dict[str, dict[str, float]]:
    """Measurements as the contract's JSON."""
    return {task: {"value": one.value, "stderr": one.stderr, "n": one.n} for task, one in measured.items()}


def _measured(trial: Trial, on_front: bool, test: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "trial": trial.id,
        "number": trial.number,
        "origin": trial.origin,
        "method": trial.method,
        "coefficients": trial.coefficients,
        "metrics": shown(trial.metrics),
        "on_front": on_front,
    }
    if test and trial.test:
        row["test"] = shown(trial.test)
    return row


def baselines(study: Study) -> dict[str, Any]:
    """What every plot shows beside the front: base, experts, average and all at 0.3, where they were measured."""
    d = len(study.experts)
    names = [expert.name for expert in study.experts]
    wanted = {"base": tuple([0.0] * d), "average": tuple([round(1 / d, 4)] * d), "arithmetic": tuple([USUAL] * d)}
    wanted |= {f"expert:{name}": tuple(float(i == j) for j in range(d)) for i, name in enumerate(names)}
    wanted = {label: tuple(study.everywhere(point)) for label, point in wanted.items()}
    found: dict[str, Any] = {}
    for trial in study.done("task_arithmetic"):
        at = tuple(round(trial.coefficients[name], 4) for name in study.coefficients)
        for label, point in wanted.items():
            if at == point and not trial.settings:
                found[label] = {"trial": trial.id, "metrics": shown(trial.metrics), "test": shown(trial.test)}
    return found
