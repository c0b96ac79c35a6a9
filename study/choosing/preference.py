"""Choosing by preference: weights of the tasks give a mix, and equal steps of them are equal steps along the front."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

import surrogate
from study.axes import find_axis
from study.front import fitted, intervals, named, task_facts
from study.settings import MethodChoice
from study.study import Study, open_study
from surrogate import ParetoSet


@lru_cache(maxsize=8)
def _set(folder: str, revision: str, method: str, name: str | None) -> ParetoSet:
    study = open_study(folder)
    return surrogate.pareto_set(fitted(study, study.method(method), name), study.settings.seed)


def pareto_set(study: Study, method: MethodChoice, name: str | None = None) -> ParetoSet:
    """The map from preferences to coefficients for a method's done trials; kept per revision."""
    return _set(str(study.folder), study.store.revision(), method.name, name)


def prefer(
    study: Study,
    wish: Mapping[str, float] | None = None,
    towards: str | None = None,
    steps: int = 7,
    name: str | None = None,
    method: str | None = None,
) -> dict[str, Any]:
    """The JSON of `python -m study choose --prefer …`: one mix, or with ``towards`` a path of ``steps`` of them.

    ``wish`` weighs the tasks, those that are not named 0; all alike unless given. A path goes from the least of one
    task to the most of it, and its mixes lie equally far apart in what is predicted. Only positions on the front are
    weighed: 1:1 is halfway, whatever the tasks' scales.

    Raises:
        StudyError: a task is unknown. SurrogateError: too few done trials, a negative weight, fewer than two steps.
    """
    for task in (*(wish or {}), *([towards] if towards else [])):
        find_axis(study, task)
    choice = study.method(method)
    found = pareto_set(study, choice, name)
    preference = found.preference(wish or dict.fromkeys(found.names, 1.0))
    X = found.at(preference) if towards is None else found.path(towards, steps, preference)
    prediction = found.fitted.predict(X)
    points = [
        {"coefficients": named(study, row), "metrics": intervals(study, prediction, i)} for i, row in enumerate(X)
    ]
    value = {
        "surrogate": found.fitted.name,
        "method": choice.name,
        "tasks": task_facts(study),
        "preference": dict(zip(found.names, np.round(preference, 6).tolist(), strict=True)),
    }
    return value | (points[0] if towards is None else {"towards": towards, "path": points})
