"""A search by metrics alone: CMA-ES over the coefficients, for one weighted wish.

It needs no per-sample outputs, no gradient and no model of the metric; a surrogate needs far fewer trials where it can
be had. ``signed`` is the second stage of Evo-Merging (arXiv 2509.12951; the authors' code Chansl-Lucky/
Black-Box-Merging, session.py): from 1/T each, σ = 0.05, populations of 20, coefficients from -1.5 to 1.5 (a negative
one takes an expert away), and 0.05 times their mean size as a penalty. Its first stage, which searches how much of each
adapter's factor A to keep, is not here: it changes what a method prepares, and not how it combines.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.errors import Cancelled
from study.axes import axes, find_axis
from study.errors import StudyError
from study.measure import Measurer
from study.run import complete
from study.settings import MethodChoice
from study.study import Study
from study.trial import Trial
from study.worker import only_worker

if TYPE_CHECKING:
    from cmaes import CMA

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
) -> dict[str, Any]:
    """Measure up to ``trials`` merges that CMA-ES asks for; the JSON of `python -m study evolve`.

    ``wish`` weighs the tasks (all alike unless given); metrics of which less is better count negative. The same seed
    asks for the same merges, and what is measured already costs nothing: stopped, it goes on.

    Raises:
        Cancelled: somebody asked to stop; every measured merge is kept.
        StudyError: one expert only, no trials, an unknown task or a negative weight, a worker in the same study.
    """
    d = len(study.coefficients)
    if d < 2 or trials < 1:
        what = f"{d} coefficient(s) and {trials} trial(s) are nothing to search."
        raise StudyError(what, "Two of one, one of the other.")
    if signed:
        choice = choice.model_copy(update={"bounds": SIGNED})
    low, high = study.bounds(choice)
    weights, penalty = _weights(study, wish), PENALTY if signed else 0.0
    optimiser = _optimiser(study, low, high, seed, signed)
    asked: list[Trial] = []
    with only_worker(study.folder), Measurer(study, device, study.store.say) as measurer:
        study.store.begin(os.getpid(), choice.name, trials)
        while len(asked) < trials and not optimiser.should_stop():
            told = []
            for _ in range(min(optimiser.population_size, trials - len(asked))):
                point = np.round(optimiser.ask(), 4).clip(low, high)
                study.store.say("measuring", len(asked), trials)
                asked.append(_measured(study, choice, point, measurer))
                told.append((point, penalty * float(np.abs(point).mean()) - _value(asked[-1], weights)))
            if len(told) == optimiser.population_size:
                optimiser.tell(told)
    study.store.say("finished", len(asked), len(asked))
    best = max(asked, key=lambda trial: _value(trial, weights))
    return {
        "method": choice.name,
        "weights": dict(weights),
        "coefficients": best.coefficients,
        "value": _value(best, weights),
        "trial": best.id,
        "trials": len({trial.id for trial in asked}),
        "history": [_value(trial, weights) for trial in asked],
    }


def _optimiser(study: Study, low: float, high: float, seed: int, signed: bool) -> CMA:
    from cmaes import CMA

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
