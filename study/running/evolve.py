"""A search by metrics alone: CMA-ES over the coefficients, for one weighted wish.

It needs no per-sample outputs, no gradient and no model of the metric; a surrogate needs far fewer trials where it can
be had. ``signed`` is the second stage of Evo-Merging (arXiv 2509.12951; the authors' code Chansl-Lucky/
Black-Box-Merging, session.py): from 1/T each, σ = 0.05, populations of 20, coefficients from -1.5 to 1.5 (a negative
one takes an expert away), and 0.05 times their mean size as a penalty. ``first`` is its first stage, before that: at
1/T each, the share of each adapter's factor A that is kept (the setting `keep` of the method evo_merging), from 1 each
and in [0, 1], with the same steps and penalty. The authors take 400 and 800 merges.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from cmaes import CMA
from numpy.typing import NDArray

from evaluation.errors import Cancelled
from merging import method_settings, methods
from study.axes import axes, find_axis
from study.errors import StudyError
from study.folder.lock import only_worker
from study.folder.trial import Trial
from study.measuring.asked import complete
from study.measuring.measure import Measurer
from study.settings import MethodChoice
from study.study import Study

SPREAD = 0.25  # first step, in widths of the box
SIGNED, STEP, CROWD, PENALTY = (-1.5, 1.5), 0.05, 20, 0.05  # of Evo-Merging


def evolve(
    study: Study,
    choice: MethodChoice,
    trials: int,
    seed: int,
    wish: Mapping[str, float] | None = None,
    device: str | None = None,
    signed: bool = False,
    first: int = 0,
) -> dict[str, Any]:
    """Measure up to ``trials`` merges that CMA-ES asks for; the JSON of `python -m study evolve`.

    ``wish`` weighs the tasks (all alike unless given); metrics of which less is better count negative. The same seed
    asks for the same merges, and what is measured already costs nothing: stopped, it goes on.

    Raises:
        Cancelled: somebody asked to stop; every measured merge is kept.
        StudyError: one expert only, no trials, an unknown task or a negative weight, a worker in the same study, a
            first stage for a method without `keep`.
    """
    d = len(study.coefficients)
    if d < 2 or trials < 1:
        what = f"{d} coefficient(s) and {trials} trial(s) are nothing to search."
        raise StudyError(what, "Two of one, one of the other.")
    if signed or first:
        signed, choice = True, choice.model_copy(update={"bounds": SIGNED})
    if first:
        _check_keep(choice)
    low, high = study.bounds(choice)
    weights, penalty = _weights(study, wish), PENALTY if signed else 0.0
    optimiser = _optimiser(study, low, high, seed, signed)
    asked: list[Trial] = []

    def look(point: NDArray[np.float64], how: MethodChoice, at: NDArray[np.float64]) -> float:
        study.store.say("measuring", len(asked), first + trials)
        asked.append(_measured(study, how, at, measurer))
        return penalty * float(np.abs(point).mean()) - _value(asked[-1], weights)

    with only_worker(study.folder), Measurer(study, device, study.store.say) as measurer:
        study.store.begin(os.getpid(), choice.name, first + trials)
        if first:
            choice = _first(study, choice, measurer, first, seed, look)
        _search(optimiser, low, high, trials, lambda point: look(point, choice, point))
    study.store.say("finished", len(asked), len(asked))
    return _told(choice, asked, weights)


def _told(choice: MethodChoice, asked: list[Trial], weights: Mapping[str, float]) -> dict[str, Any]:
    best = max(asked, key=lambda trial: _value(trial, weights))
    return {
        "method": choice.name,
        "settings": best.settings,
        "weights": dict(weights),
        "coefficients": best.coefficients,
        "value": _value(best, weights),
        "trial": best.id,
        "trials": len({trial.id for trial in asked}),
        "history": [_value(trial, weights) for trial in asked],
    }


def _search(optimiser: CMA, low: float, high: float, trials: int, look: Callable[[NDArray[np.float64]], float]) -> None:
    """Look at up to so many points, population after population."""
    done = 0
    while done < trials and not optimiser.should_stop():
        told = []
        for _ in range(min(optimiser.population_size, trials - done)):
            point = np.round(optimiser.ask(), 4).clip(low, high)
            told.append((point, look(point)))
            done += 1
        if len(told) == optimiser.population_size:
            optimiser.tell(told)


def _first(
    study: Study,
    choice: MethodChoice,
    measurer: Measurer,
    count: int,
    seed: int,
    look: Callable[[NDArray[np.float64], MethodChoice, NDArray[np.float64]], float],
) -> MethodChoice:
    """The method with the shares `keep` that cost least at coefficients 1/T, of so many that are tried."""
    experts = [expert.name for expert in study.experts]
    at = np.full(len(study.coefficients), 1.0 / len(experts))
    tried: list[tuple[float, MethodChoice]] = []

    def kept(point: NDArray[np.float64]) -> float:
        keep = ",".join(f"{name}={share:g}" for name, share in zip(experts, point, strict=True))
        how = choice.model_copy(update={"settings": {**choice.settings, "keep": keep}})
        tried.append((look(point, how, at), how))
        measurer.forget(how)  # every one would leave a file as large as the experts
        return tried[-1][0]

    box = np.tile([0.0, 1.0], (len(experts), 1))
    _search(CMA(np.ones(len(experts)), STEP, box, seed=seed, population_size=CROWD), 0.0, 1.0, count, kept)
    return min(tried, key=lambda one: one[0])[1]


def _check_keep(choice: MethodChoice) -> None:
    """Raise StudyError where the method has no setting `keep`."""
    able = [
        name
        for name, kind in methods().items()
        if ("keep", "text") in {(one.name, one.kind) for one in method_settings(kind)}
    ]
    if choice.name not in able:
        raise StudyError(
            f"Method '{choice.name}' has no shares of adapters to search first.", f"Take --method {' or '.join(able)}."
        )


def _optimiser(study: Study, low: float, high: float, seed: int, signed: bool) -> CMA:
    d = len(study.coefficients)
    start = np.full(d, 1.0 / len(study.experts) if signed else (low + high) / 2)
    step = STEP if signed else SPREAD * (high - low)
    return CMA(start, step, np.tile([low, high], (d, 1)), seed=seed, population_size=CROWD if signed else None)


def _weights(study: Study, wish: Mapping[str, float] | None) -> dict[str, float]:
    """Weights of the tasks with the metric's sign, in sum 1."""
    for task, value in (wish or {}).items():
        find_axis(study, task)
        if value < 0:
            raise StudyError(f"The weight of '{task}' is {value:g}.", "Give numbers from 0.")
    given = dict(wish) if wish else {one.name: 1.0 for one in axes(study)}
    total = sum(given.values())
    if total <= 0:
        raise StudyError("No task has a weight.", "Give at least one number above 0.")
    return {one.name: one.sign * given.get(one.name, 0.0) / total for one in axes(study)}


def _measured(study: Study, choice: MethodChoice, point: np.ndarray, measurer: Measurer) -> Trial:
    if study.store.progress().cancel:
        raise Cancelled
    identity = study.propose(
        choice, dict(zip(study.coefficients, (float(value) for value in point), strict=True)), "asked"
    )
    complete(study, measurer, study.store.trial(identity), ("validation",))
    return study.store.trial(identity)


def _value(trial: Trial, weights: Mapping[str, float]) -> float:
    return sum(weight * trial.metrics[task].value for task, weight in weights.items())
