"""Can the methods merge these experts?"""

from __future__ import annotations

import merging
from merging import MergingError
from study.preflight.finding import Finding
from study.study import Study
from study.varying.regroup import check_depth


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
        findings += _samples(study, where, method)
        low, high = study.bounds(choice)
        default = method.default(len(study.experts))
        if not low <= default <= high:
            text = f"Its published coefficient {default:g} lies outside the bounds [{low:g}, {high:g}]."
            remedy = f"Widen bounds for it: {{name: {choice.name}, bounds: [{min(low, 0):g}, {default * 2:g}]}}."
            findings.append(Finding("note", "method", where, text, remedy))
    return findings + _layers(study)


def _layers(study: Study) -> list[Finding]:
    """That the base has as many numbered blocks as layer groups are asked for."""
    try:
        check_depth(study, study.settings.groups)
    except MergingError as error:
        text = str(error).removesuffix(error.cure).strip() if error.cure else str(error)
        return [Finding("stop", "method", "layer groups", text, error.cure)]
    return []


def _samples(study: Study, where: str, method: merging.Method) -> list[Finding]:
    """What a method that learns has to be told: no samples for it, or that it reads what is reported."""
    bare = [task.name for task in study.tasks if method.needs and not task.samples.calibration]
    findings = []
    if bare and "test inputs" not in method.needs:
        text = f"It learns from calibration samples, and task '{bare[0]}' has none."
        findings.append(Finding("stop", "method", where, text, "Set samples.calibration of every task, such as 64."))
    if "test inputs" in method.needs:
        text = "It is transductive: it learns from the inputs of the test samples, so results on them are not held out."
        findings.append(Finding("warn", "method", where, text, "Set transductive: false to learn from others."))
    return findings
