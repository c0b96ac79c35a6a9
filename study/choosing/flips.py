"""Which samples change their answer across the map, and a small model of their outputs that a browser can evaluate.

The logit surrogate's outputs are smooth in the coefficients, so per sample and class a polynomial in them is enough:
its argmax agrees with the surrogate's on 99.5 % and more of the demo's samples. Samples that every mix of the map
and every baseline answer alike are only counted.

Letters: d coefficients, s samples of a task, C classes, k samples that flip, p (sample, class) pairs, f features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement as products
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.choosing.gallery import class_names
from study.front import baselines, fitted
from study.measuring.outputs import load_outputs, load_targets
from study.measuring.samples import drawn
from study.settings import MethodChoice
from study.study import Study, find_task, vector
from surrogate.joint import logits_of
from surrogate.logits import FittedLogits
from surrogate.sobol import sobol

Array = NDArray[np.float64]
Whole = NDArray[np.intp]
MOST_FEATURES = {3: 64, 2: 200}
BOX = 160  # points of the whole box beside those of the map: strengths may be set by hand
FRONT = 240
CHUNK = 16_000_000  # numbers of predicted outputs that are in memory at once
NUMBERS = 250_000  # weights of all tasks together


@dataclass(frozen=True)
class Flips:
    """One task's samples for the browser.

    ids, targets, rows (k,) of the samples that flip, the most undecided first; sample (p,) and label (p,) of each
    modelled output; weights (f, p); said: answers (k,) by "base", "average", "arithmetic", "expert:NAME" and by the id
    of each done trial (really measured); steady (C, C): how often the other samples of true class i are called j;
    agreement: share of all answers at the fitted points that the small model gives as the surrogate does; complete:
    whether every sample that flips is among them (else the rarest are counted with the steady ones).
    """

    task: str
    classes: tuple[str, ...]
    ids: tuple[str, ...]
    rows: Whole
    targets: Whole
    sample: Whole
    label: Whole
    weights: Array
    said: Mapping[str, Whole]
    steady: NDArray[np.int64]
    agreement: float
    complete: bool


def degree(d: int) -> int:
    """The polynomial's degree: the highest, up to 3, whose features are few enough."""
    return next((g for g, most in MOST_FEATURES.items() if len(exponents(d, g)) <= most), 1)


def exponents(d: int, g: int) -> list[tuple[int, ...]]:
    """The products of a polynomial of degree g in d variables as tuples of indices: (), (0,), …, (0, 0), …"""
    return [one for size in range(g + 1) for one in products(range(d), size)]


def features(U: Array, g: int) -> Array:
    """Products of the coefficients, scaled to [-1, 1], up to degree g: (n, f)."""
    return np.column_stack([np.prod(U[:, list(one)], axis=1) for one in exponents(U.shape[1], g)])


def scaled(study: Study, choice: MethodChoice, X: Array) -> Array:
    """Coefficients (n, d) with the study's box at [-1, 1]."""
    low, high = study.bounds(choice)
    return np.asarray(2.0 * (X - low) / (high - low) - 1.0)


def flips(study: Study, choice: MethodChoice, front: Array) -> list[Flips]:
    """One `Flips` per task that has classes; ``front`` (n, d) are the coefficients on the map.

    Raises:
        SurrogateError: too few done trials, or no outputs to model.
    """
    model = logits_of(fitted(study, choice, "logits"))
    names = model.observations.names
    low, high = study.bounds(choice)
    box = low + (high - low) * sobol(len(study.coefficients), BOX, study.settings.seed)
    X = np.concatenate([front[:: max(1, -(-len(front) // FRONT))], box])
    targets = load_targets(study)
    places = [j for j, name in enumerate(names) if _has_classes(targets.get(name))]
    answers = _each(model, X, places, lambda j, outputs: outputs.argmax(axis=2))
    d = X.shape[1]
    room = NUMBERS // max(1, len(places)) // len(exponents(d, degree(d)))
    chosen = {j: _choose(study, choice, names[j], answers[j], targets[names[j]], room) for j in places}
    values = _each(model, X, places, lambda j, outputs: outputs[:, chosen[j].rows[chosen[j].sample], chosen[j].label])
    F = features(scaled(study, choice, X), degree(d))
    return [_fitted(chosen[j], F, values[j], answers[j]) for j in places]


def _has_classes(targets: NDArray[Any] | None) -> bool:
    return targets is not None and bool(np.issubdtype(targets.dtype, np.integer)) and targets.ndim == 1


def _each(
    model: FittedLogits, X: Array, places: list[int], read: Callable[[int, NDArray[Any]], NDArray[Any]]
) -> dict[int, NDArray[Any]]:
    """What ``read`` takes from each task's predicted outputs, points in chunks so that memory stays flat."""
    size = sum(t.reading.everywhere.size for t in model.tasks)
    step = max(1, CHUNK // size)
    parts: dict[int, list[NDArray[Any]]] = {j: [] for j in places}
    for start in range(0, len(X), step):
        outputs = model.outputs_at(X[start : start + step])
        for j in places:
            parts[j].append(read(j, outputs[j]))
    return {j: np.concatenate(some) for j, some in parts.items()}


def _choose(study: Study, choice: MethodChoice, name: str, answers: Whole, targets: Whole, room: int) -> Flips:
    """The samples that flip, the most undecided first; as many as there is room for their pairs."""
    task = find_task(study, name)
    source, split = drawn(study, task.name)
    said = {label: load_outputs(study, line["trial"])[task.name] for label, line in baselines(study).items()}
    said |= {trial.id: load_outputs(study, trial.id)[task.name] for trial in study.done(choice.name)}
    known = {name: outputs.argmax(axis=1) for name, outputs in said.items()}
    every = np.concatenate([answers, np.stack(list(known.values()))]).astype(np.intp)
    share = (answers == targets).mean(axis=0)
    moving = np.flatnonzero((every != every[0]).any(axis=0))
    order = _by_turns(moving[np.argsort(-(share * (1.0 - share))[moving], kind="stable")], targets)
    live = [np.unique(answers[:, row]) for row in order]
    fits = np.cumsum([len(one) for one in live]) <= room
    rows, live = order[fits], live[: int(fits.sum())]
    classes = class_names(study, task.name, source.classes) or tuple(map(str, range(int(every.max()) + 1)))
    rest = np.setdiff1d(np.arange(len(targets)), rows)
    usual = np.array([np.bincount(every[:, row]).argmax() for row in rest], dtype=np.intp)
    size = len(classes)
    steady = np.bincount(targets[rest] * size + usual, minlength=size * size).reshape(size, size)
    return Flips(
        task.name,
        classes,
        tuple(split.ids[row] for row in rows),
        rows,
        targets[rows],
        np.repeat(np.arange(len(rows)), [len(one) for one in live]),
        np.concatenate([*live, np.empty(0, dtype=np.intp)]).astype(np.intp),
        np.empty((0, 0)),
        {name: one[rows] for name, one in known.items()},
        steady,
        1.0,
        bool(fits.all()),
    )


def _by_turns(order: Whole, targets: Whole) -> Whole:
    """The same samples, one of every true class in turn, so that the first ones are not all of one kind."""
    labels: Whole = targets[order]
    rank = np.zeros(len(order), dtype=np.intp)
    for label in np.unique(labels):
        rank[labels == label] = np.arange(int((labels == label).sum()))
    return np.asarray(order[np.argsort(rank, kind="stable")])


def _fitted(one: Flips, F: Array, values: Array, answers: Whole) -> Flips:
    """With its weights, and how often the small model answers as the surrogate does."""
    first = np.searchsorted(one.sample, np.arange(len(one.rows)))
    count = np.diff(np.append(first, len(one.sample)))
    middle = np.add.reduceat(values, first, axis=1) / count if len(first) else values
    weights = np.asarray(np.linalg.lstsq(F, values - np.repeat(middle, count, axis=1), rcond=1e-9)[0], np.float64)
    said = answer(F @ weights, one)
    right = float((said == answers[:, one.rows]).sum()) + answers.shape[0] * (answers.shape[1] - len(one.rows))
    return replace(one, weights=weights, agreement=right / answers.size)


def answer(values: Array, one: Flips) -> Whole:
    """The class with the largest of each sample's modelled outputs, values (n, p): (n, k)."""
    found = np.zeros((len(values), len(one.rows)), dtype=np.intp)
    top = np.full(found.shape, -np.inf)
    for pair, (sample, label) in enumerate(zip(one.sample, one.label, strict=True)):
        better = values[:, pair] > top[:, sample]
        top[better, sample] = values[better, pair]
        found[better, sample] = label
    return found


def answers_at(study: Study, choice: MethodChoice, one: Flips, coefficients: Mapping[str, float]) -> Whole:
    """What a mix says of the samples that flip, by the small model, (k,)."""
    U = scaled(study, choice, np.array([vector(study, coefficients)]))
    return np.asarray(answer(features(U, degree(U.shape[1])) @ one.weights, one)[0])
