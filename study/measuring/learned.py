"""What a method has learned in a study, and how it went: read from the file beside its directions. No torch here."""

from __future__ import annotations

import json
from typing import Any

from study.errors import StudyError
from study.settings import MethodChoice
from study.study import Study

DIRECTIONS = "directions"


def learned(study: Study, choice: MethodChoice) -> dict[str, Any]:
    """The facts that a method keeps of its learning: its curve, the step that was kept, learned coefficients.

    "curve" is a list of {"step", "mean", "validation": {task: metric, the more the better}, "loss"}; methods that
    do not train have none.

    Raises:
        StudyError: the method has not learned in this study yet, or never does.
    """
    found = [
        header
        for path in sorted((study.folder / DIRECTIONS).glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        if (header := json.loads(path.read_text(encoding="utf-8")))["method"] == choice.name
        and _given(choice, header["settings"])
    ]
    if not found or not found[-1].get("facts"):
        raise StudyError(
            f"Method '{choice.name}' has learned nothing in this study.",
            f"Run it first: python -m study run {study.folder} --method {choice.name}.",
        )
    return {"method": choice.name, "settings": found[-1]["settings"], **found[-1]["facts"]}


def _given(choice: MethodChoice, settings: dict[str, Any]) -> bool:
    return all(settings.get(name) == value for name, value in choice.settings.items())


def curve_text(facts: dict[str, Any]) -> str:
    """The curve as lines of text; the step that was kept is marked."""
    curve = facts.get("curve") or []
    if not curve:
        return f"'{facts['method']}' solves for its weights at once: there is no curve."
    top, low = max(one["mean"] for one in curve), min(one["mean"] for one in curve)
    lines = []
    for one in curve:
        bar = "█" * (1 + round(29 * (one["mean"] - low) / (top - low))) if top > low else "█"
        kept = "  ← kept" if one["step"] == facts["best"] else ""
        lines.append(f"step {one['step']:>5}  validation {one['mean']:.4f}  {bar}{kept}")
    return "\n".join(lines)
