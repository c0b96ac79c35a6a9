"""How far a study's predictions can be believed, and which mixes to measure to believe them more around one point."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

import surrogate
from study.axes import axes
from study.front import fitted, named
from study.predicting.observe import observations
from study.settings import MethodChoice
from study.study import Study, vector

NEAREST = 60


def surrogates(study: Study, choice: MethodChoice) -> list[dict[str, str]]:
    """Name and title of the surrogates that have enough trials and need no torch, so that a screen may fit them.

    Raises:
        StudyError: the method has no done trials.
    """
    known = surrogate.surrogates()
    return [{"name": name, "title": known[name].title} for name in surrogate.usable(observations(study, choice))]


def left_out(study: Study, choice: MethodChoice, name: str | None = None) -> dict[str, list[dict[str, float]]]:
    """Per task, each trial predicted from all others: {"mean", "low", "high", "value"} in the metric's own direction.

    Raises:
        SurrogateError: too few done trials, or an unknown surrogate.
    """
    loo = fitted(study, choice, name).loo()
    found: dict[str, list[dict[str, float]]] = {}
    for j, one in enumerate(axes(study)):
        turn = one.sign
        low, high = (turn * end[:, j] for end in (loo.prediction.low, loo.prediction.high))
        columns = {
            "mean": turn * loo.prediction.mean[:, j],
            "low": np.minimum(low, high),
            "high": np.maximum(low, high),
            "value": turn * loo.truth[:, j],
        }
        found[one.name] = [{key: float(column[i]) for key, column in columns.items()} for i in range(len(loo.truth))]
    return found


def nearby(study: Study, choice: MethodChoice, at: Mapping[str, float], count: int) -> list[dict[str, float]]:
    """At most ``count`` mixes of the predicted front around a point, far from each other and from what was measured.

    Raises:
        SurrogateError: too few done trials.
    """
    model = fitted(study, choice)
    X = surrogate.predicted_front(model, seed=study.settings.seed, points=4 * NEAREST).X
    X = X[np.argsort(((X - vector(study, at)) ** 2).sum(axis=1), kind="stable")[:NEAREST]]
    known = model.observations.X
    picked: list[int] = []
    far = ((X[:, None] - known[None]) ** 2).sum(axis=2).min(axis=1)
    while len(picked) < min(count, len(X)):
        best = int(np.argmax(far))
        if far[best] < 1e-6:
            break
        picked.append(best)
        far = np.minimum(far, ((X - X[best]) ** 2).sum(axis=1))
    return [named(study, X[i]) for i in picked]
