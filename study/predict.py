"""What a merge would measure, without measuring it; and which merge comes nearest to a wish."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import surrogate
from study.axes import axes, find_axis
from study.errors import StudyError
from study.front import fitted, intervals, named, task_facts
from study.study import Study, vector


def predict(
    study: Study, points: Sequence[Mapping[str, float]], name: str | None = None, method: str | None = None
) -> dict[str, Any]:
    """The JSON of `python -m study predict`: predicted metrics, with their 90 % interval, at each point.

    Raises:
        StudyError: coefficients are wrong. SurrogateError: too few done trials, or an unknown surrogate.
    """
    choice = study.method(method)
    checked = [study.check(choice, point) for point in points]
    if not checked:
        raise StudyError("No points to predict.", "Give --at NAME=C,… or a CSV file with at least one row.")
    model = fitted(study, choice, name)
    prediction = model.predict(np.array([vector(study, point) for point in checked]))
    return {
        "surrogate": model.name,
        "method": choice.name,
        "points": [
            {"coefficients": point, "metrics": intervals(study, prediction, i)} for i, point in enumerate(checked)
        ],
    }


def read_points(path: Path) -> list[dict[str, float]]:
    """Coefficients from a CSV file: one column per expert, named in the first line, one row per point.

    Raises:
        StudyError: the file is missing, or a cell is not a number: names line and column.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(
            f"{path} cannot be read: {error}.", "It must be a CSV file: a header of expert names."
        ) from error
    if len(rows) < 2:
        raise StudyError(f"{path} has no points.", "It needs a header with the experts' names and one row per point.")
    header = [cell.strip() for cell in rows[0]]
    points = []
    for line, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            raise StudyError(f"{path}, line {line}: {len(row)} cells, the header has {len(header)}.")
        points.append({name: _number(cell, path, line, name) for name, cell in zip(header, row, strict=True)})
    return points


def _number(cell: str, path: Path, line: int, name: str) -> float:
    try:
        return float(cell)
    except ValueError as error:
        raise StudyError(f"{path}, line {line}, column '{name[:80]}': {cell[:80]!r} is not a number.") from error


def choose(
    study: Study,
    want: Mapping[str, float] | None = None,
    name: str | None = None,
    method: str | None = None,
    knee: bool = False,
) -> dict[str, Any]:
    """The predicted front's best point for a wish: the least metric per task, or the knee; and what it costs.

    "costs" is how far each task stays below the best that any point of the front reaches, "missing" how far below
    the wish; both in the metric's unit, never negative.

    Raises:
        StudyError: a task is unknown. SurrogateError: too few done trials.
    """
    choice = study.method(method)
    signs = {one.name: one.sign for one in axes(study)}
    for name_of_axis in want or {}:
        find_axis(study, name_of_axis)
    model = fitted(study, choice, name)
    cloud = surrogate.choosing_cloud(model, study.settings.seed)
    if knee:
        picked, reason = (
            surrogate.knee_of(cloud),
            "the knee: beyond it, more of one task costs much of another",
        )
    elif want:
        least = {task: signs[task] * value for task, value in want.items()}
        picked, reason = (
            surrogate.best_for(cloud, least),
            "the best balance of all points that keep your minimums",
        )
    else:
        picked, reason = (
            surrogate.balanced(cloud),
            "balanced: every task keeps as much as possible of what it could have",
        )
    names = list(signs)
    return {
        "surrogate": model.name,
        "method": choice.name,
        "tasks": task_facts(study),
        "coefficients": named(study, picked.coefficients),
        "metrics": intervals(study, cloud.prediction, picked.index),
        "met": picked.met,
        "reason": reason if picked.met else "no point keeps all your minimums; this one comes nearest",
        "costs": dict(zip(names, (float(value) for value in picked.cost), strict=True)),
        "missing": dict(zip(names, (float(value) for value in picked.missing), strict=True)),
    }
