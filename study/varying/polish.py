"""Polishing a chosen merge with the calibration samples, measured before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from merging import method_settings, methods
from study.errors import StudyError
from study.front import shown
from study.measuring.asked import measure_now
from study.settings import MethodChoice
from study.study import Study

POLISHES = ("featcal", "react")


def polished(
    study: Study, choice: MethodChoice, coefficients: Mapping[str, float], by: str = POLISHES[0]
) -> MethodChoice:
    """The method that polishes a merge; its own coefficients are all 1.

    Raises:
        StudyError: a method that cannot be polished (it is not linear, or has settings of its own), wrong coefficients,
            an unknown polish.
    """
    if by not in POLISHES:
        raise StudyError(f"Nothing polishes by '{by}'.", f"Allowed: {', '.join(POLISHES)}.")
    allowed = next(one.choices for one in method_settings(methods()[by]) if one.name == "on")
    if choice.name not in allowed or choice.settings:
        what = f"'{choice.name}'" + (" with settings of its own" if choice.settings else "")
        raise StudyError(f"A merge by {what} cannot be polished.", f"Allowed, as published: {', '.join(allowed)}.")
    checked = study.check(choice, coefficients)
    at = ",".join(f"{name}={value!r}" for name, value in checked.items())
    return MethodChoice(name=by, settings={"on": choice.name, "at": at}, bounds=(0.0, 1.0))


def polish(
    study: Study,
    choice: MethodChoice,
    coefficients: Mapping[str, float],
    device: str | None = None,
    by: str = POLISHES[0],
) -> dict[str, Any]:
    """The JSON of `python -m study polish`: validation metrics before and after.

    Raises:
        StudyError: as `polished`.
    """
    better = polished(study, choice, coefficients, by)
    ones = dict.fromkeys(study.coefficients, 1.0)
    before, after = measure_now(study, [(choice, dict(coefficients)), (better, ones)], ("validation",), device)
    return {
        "method": better.name,
        "settings": better.settings,
        "coefficients": ones,
        "before": shown(before.metrics),
        "after": shown(after.metrics),
        "trial": after.id,
    }
