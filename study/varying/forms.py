"""The two forms of a frozen method: the one that sliders move, and the one computed again for given coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import merging
from merging.combining.distance import frozen_distance
from merging.groups import Groups
from study.errors import StudyError
from study.folder.lock import only_worker
from study.front import shown
from study.measuring.measure import Measurer, Say
from study.settings import MethodChoice
from study.study import Study


def two_formed(method: merging.Method) -> bool:
    """Whether a method has a frozen and an exact form."""
    return method.linearity == "frozen" and method.exact_form


def check_exact(method: merging.Method) -> None:
    """Refuse the exact form of a frozen method that has none; of the others, what there is is exact.

    Raises:
        StudyError: says how to have the merge that is wanted.
    """
    if method.linearity == "frozen" and not method.exact_form:
        raise StudyError(
            f"Method '{method.name}' has no exact form: its coefficients are its anchor's.",
            "Polish the merge at the coefficients that you want ('at'), and take 1 for every expert.",
        )


def distance(
    method: merging.Method, vectors: merging.TaskVectors, coefficients: Mapping[str, float], groups: Groups | None
) -> float | None:
    """‖frozen − exact‖ / ‖exact − base‖ on these experts at these coefficients; None for methods of one form."""
    return frozen_distance(method, vectors, coefficients, groups) if two_formed(method) else None


def forms(
    study: Study,
    choice: MethodChoice,
    coefficients: Mapping[str, float],
    device: str | None = None,
    say: Say = lambda phase, done, total: None,
) -> dict[str, Any]:
    """Measure both forms on the validation samples; the JSON of `python -m study forms`. No trials are added.

    Raises:
        StudyError: the method has one form only, or another worker is measuring the study.
    """
    method = merging.method(choice.name, choice.settings)
    check_exact(method)
    if not two_formed(method):
        raise StudyError(f"Method '{choice.name}' has one form only: what is measured is what is exported.")
    with only_worker(study.folder), Measurer(study, device, say) as measurer:
        found = {
            name: shown(measurer.measure(choice, coefficients, exact=exact).measured)
            for name, exact in (("frozen", False), ("exact", True))
        }
        return {
            "method": choice.name,
            "coefficients": dict(coefficients),
            "distance": distance(method, measurer.vectors, coefficients, study.settings.groups),
            **found,
        }


def forms_text(value: Mapping[str, Any]) -> str:
    """The table for people."""
    rows = [["", *value["frozen"]]]
    for name in ("frozen", "exact"):
        rows.append([name, *(f"{one['value']:.3f}±{one['stderr']:.3f}" for one in value[name].values())])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([*lines, f"The weights differ by {value['distance']:.1%} of the change from the base."])
