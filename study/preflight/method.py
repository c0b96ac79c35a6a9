"""Can the methods merge these experts?"""

from __future__ import annotations

import merging
from merging import MergingError
from study.preflight.finding import Finding
from study.study import Study


def look_at_methods(study: Study) -> list[Finding]:
    """A finding for each method that is unknown, has a wrong setting, or takes another number of experts."""
    findings: list[Finding] = []
    for choice in study.settings.methods:
        where = f"method '{choice.name}'"
        try:
            method = merging.method(choice.name, choice.settings)
            method.check_experts(len(study.experts))
        except MergingError as error:
            text = str(error).removesuffix(error.cure).strip() if error.cure else str(error)
            findings.append(Finding("stop", "method", where, text, error.cure))
            continue
        low, high = study.bounds(choice)
        default = method.default(len(study.experts))
        if not low <= default <= high:
            text = f"Its published coefficient {default:g} lies outside the bounds [{low:g}, {high:g}]."
            remedy = f"Widen bounds for it: {{name: {choice.name}, bounds: [{min(low, 0):g}, {default * 2:g}]}}."
            findings.append(Finding("note", "method", where, text, remedy))
    return findings
