"""Two merges side by side on the same samples: how many each gets right that the other does not, task by task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scipy.stats import binomtest

from study.choosing.gallery import look
from study.settings import MethodChoice
from study.study import Study


def compare(
    study: Study, choice: MethodChoice, one: Mapping[str, float], other: Mapping[str, float]
) -> dict[str, dict[str, Any]]:
    """Per task: samples that only the second gets right ("gained"), that only the first does ("lost"), and how likely
    so uneven a split is if both were equally good ("p", McNemar's exact test, Psychometrika 1947).

    Both see the same samples, so most of the sampling noise is shared: two accuracies may differ by less than one
    standard error and the difference still be certain.

    Raises:
        StudyError: nothing was measured yet. SurrogateError: too few trials to predict an unmeasured one.
    """
    found = {}
    for task in study.tasks:
        first, second = look(study, choice, one, task.name), look(study, choice, other, task.name)
        gained = int((second.right("mix") & ~first.right("mix")).sum())
        lost = int((first.right("mix") & ~second.right("mix")).sum())
        flips = gained + lost
        found[task.name] = {
            "n": len(first.ids),
            "gained": gained,
            "lost": lost,
            "difference": (gained - lost) / len(first.ids),
            "p": float(binomtest(gained, flips).pvalue) if flips else 1.0,
            "measured": first.measured and second.measured,
        }
    return found
