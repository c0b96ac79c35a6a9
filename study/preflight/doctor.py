"""The preflight doctor: will this study run, will it mean something, what will it take? Before anything is measured.

Importing this costs no torch: the browser starts the doctor as a process of its own and reads what it found.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

from study.background.worker import LOG, spawn
from study.errors import StudyError
from study.folder.study_file import FILE
from study.preflight.finding import Finding, Report, report_of, sorted_findings
from study.study import Study

REPORT = "doctor.json"

__all__ = ["Finding", "Report", "doctor", "last_report", "start"]


def doctor(
    study: Study, device: str | None = None, say: Callable[[str, int, int], None] = lambda phase, done, total: None
) -> Report:
    """Look at everything a run will use, and keep the report in the study folder (`last_report` reads it).

    Checkpoints are read tensor by tensor; the model is loaded once, for its names and one timed batch, unless it
    would not fit. What is wrong with the weights, the model, the tasks or the methods becomes a finding.

    Raises:
        EvaluationError: this machine has no such device.
    """
    from evaluation.device import pick_device
    from study.preflight import cost as costs
    from study.preflight.method import look_at_methods
    from study.preflight.tasks import Looked, look_at_tasks, open_bound
    from study.preflight.weights import look_at_weights

    chosen = pick_device(device)
    weights = look_at_weights(study, say)
    findings = weights.findings + look_at_methods(study)
    looked = Looked()
    whole = not any(one.level == "stop" for one in weights.findings)
    expected = costs.estimate(study, weights.parameters, looked, chosen)
    if whole and expected.memory_least_bytes < costs.MARGIN * expected.memory_free_bytes:
        say("loading the model", 0, 1)
        looked = open_bound(study, chosen, weights.own_heads)
    look_at_tasks(study, looked, say)
    expected = costs.estimate(study, weights.parameters, looked, chosen)
    costs.time_trial(study, expected, weights.parameters, looked, chosen)
    findings += looked.findings + costs.judge(expected)
    report = Report(sorted_findings(findings), weights.norm_ratio, weights.cosines, costs.as_numbers(expected))
    _keep(study, report)
    return report


def last_report(study: Study) -> Report | None:
    """What the doctor found last time, if study file, weights and data files are still those it looked at."""
    try:
        value = json.loads((study.folder / REPORT).read_text(encoding="utf-8"))
        return report_of(value["report"]) if value["stamp"] == stamp(study) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # absent or damaged: asking the doctor again makes it anew


def start(study: Study) -> int:
    """Let the doctor look, in a process of its own that writes the report; its process id."""
    return spawn([sys.executable, "-m", "study", "doctor", str(study.folder), "--json"], study.folder / LOG)


def stamp(study: Study) -> str:
    """A hash of the study file and of size and time of every file or folder that it names."""
    named = [study.settings.base.weights, study.settings.base.model]
    named += [expert.weights for expert in study.experts] + [task.data for task in study.tasks]
    digest = hashlib.sha256((study.folder / FILE).read_bytes())
    for text in named:
        digest.update(f"{text}\0{_facts(study.path(text))}\n".encode())
    return digest.hexdigest()[:16]


def _facts(path: Path) -> str:
    try:
        facts = path.stat()
    except OSError:
        return "absent"
    return f"{facts.st_size} {facts.st_mtime_ns}"


def _keep(study: Study, report: Report) -> None:
    path = study.folder / REPORT
    draft = path.with_suffix(".part")
    try:
        draft.write_text(json.dumps({"stamp": stamp(study), "report": report.as_json()}, indent=1), encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise StudyError(
            f"'{path}' cannot be written: {error}.", "Is the disk full, or the folder read-only?"
        ) from None
