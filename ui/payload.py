"""From the study's front (contract JSON) to the one message that the explorer gets per revision. Pure; no streamlit.

Inside the explorer every value is higher = better: a metric that is better when small is stored with its sign turned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ui.emulator import distil
from ui.packing import packed_points

Json = dict[str, Any]
WIDTH = 1.6449  # standard errors between the middle and the 5 % or 95 % point of a normal distribution
ROUGH = 2.0  # points: predictions that miss by less are good enough to choose by
POINTS = {"fraction": (100.0, " %"), "%": (1.0, " %")}


def explorer_payload(
    front: Mapping[str, Any],
    bounds: tuple[float, float],
    titles: Mapping[str, str],
    method: str,
    text: Json,
    methods: Mapping[str, str] | None = None,
) -> Json:
    """Points, facts and the distilled curve for one method. ``titles`` names the experts for the screen, ``methods``
    the ways of blending; rows of the front that another method made become overlays.
    """
    tasks = list(front["tasks"])
    names = [task["name"] for task in tasks]
    signs = [-1.0 if task["direction"] == "min" else 1.0 for task in tasks]
    experts = list(front.get("coefficients", front["experts"]))  # with layer groups several of each
    base_lines = front.get("baselines", {})
    floors = _floors(front, names)
    checked = _checked(front, method, experts, names, signs, titles)
    predicted = [_predicted(point, experts, names, signs) for point in front["predicted"] if point["method"] == method]
    facts = [
        _task(task, sign, floor, base_lines, front["experts"])
        for task, sign, floor in zip(tasks, signs, floors, strict=True)
    ]
    for t, fact in enumerate(facts):
        fact["n"] = next((row["n"][t] for row in checked), 0)
    low, high = bounds
    shown = methods or {}
    others = list(dict.fromkeys(row["method"] for row in [*front["measured"], *front["predicted"]]))
    return {
        "tasks": facts,
        "experts": [{"name": name, "title": titles.get(name, name), "low": low, "high": high} for name in experts],
        "method": {"name": method, "title": shown.get(method, method)},
        "checked": checked,
        "cloud": packed_points(predicted, len(experts), len(names)),
        "others": [
            _other(front, other, shown, experts, names, signs, base_lines) for other in others if other != method
        ],
        "emulator": distil(predicted, facts, front.get("cloud", [])),
        "unit": "kept" if all(f["expert"] and f["sign"] > 0 for f in facts) else "score",
        "noisy": noisy_tasks(facts, predicted or checked),
        "rough": rough(front, facts),
        "text": text,
    }


def _other(
    front: Mapping[str, Any],
    method: str,
    titles: Mapping[str, str],
    experts: Sequence[str],
    names: Sequence[str],
    signs: Sequence[float],
    lines: Mapping[str, Any],
) -> Json:
    """Another way of blending: its mixes in the same form, baselines left out."""
    fixed = {line["trial"] for line in lines.values()}
    measured = [row for row in front["measured"] if row["method"] == method and row["trial"] not in fixed]
    predicted = [_predicted(row, experts, names, signs) for row in front["predicted"] if row["method"] == method]
    return {
        "name": method,
        "title": titles.get(method, method),
        "cloud": packed_points(predicted, len(experts), len(names)),
        "checked": [_measured(row, experts, names, signs) for row in measured],
    }


def rough(front: Mapping[str, Any], facts: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Tasks on which the predictions missed the measured mixes by more than twice the noise: [{"task", "miss"}]."""
    missed = front.get("surrogate", {}).get("loo_rmse", {})
    found = []
    for t, fact in enumerate(facts):
        miss = float(missed.get(fact["name"], 0.0))
        if miss > max(4 * fact["floor"], ROUGH / fact["scale"]):
            found.append({"task": t, "miss": round(miss, 5)})
    return found


def _floors(front: Mapping[str, Any], names: Sequence[str]) -> list[float]:
    """Half a median standard error: mixes are compared on the same samples, so most of the noise is shared."""
    known = front.get("hypervolume", {}).get("stderr", {})
    floors = []
    for name in names:
        errors = sorted(row["metrics"][name]["stderr"] for row in front["measured"])
        middle = errors[len(errors) // 2] if errors else 0.0
        floors.append(float(known.get(name, middle)) / 2)
    return floors


def _task(task: Mapping[str, Any], sign: float, floor: float, lines: Mapping[str, Any], experts: Sequence[str]) -> Json:
    name = task["name"]
    scale, suffix = POINTS.get(str(task.get("unit", "")), (1.0, ""))
    values = {label: sign * line["metrics"][name]["value"] for label, line in lines.items()}
    alone = [values[f"expert:{expert}"] for expert in experts if f"expert:{expert}" in values]
    best = values.get(f"expert:{name}", max(alone) if alone else None)
    return {
        "name": name,
        "title": task.get("title") or name,
        "metric": task.get("metric", ""),
        "sign": sign,
        "scale": scale,
        "suffix": suffix,
        "gainSuffix": "",
        "floor": round(floor, 6),
        "bounds": task.get("range") or [0.0, 1.0],
        "expert": best,
        "base": values.get("base"),
        "average": values.get("average"),
        "arithmetic": values.get("arithmetic"),
        "counted": task.get("metric") == "accuracy",
    }


def role_of(trial: str, lines: Mapping[str, Any]) -> str | None:
    """ "base", "average", "arithmetic" or "specialist" where a trial is one of the lines that every plot shows."""
    label = next((label for label, line in lines.items() if line["trial"] == trial), None)
    return "specialist" if label and label.startswith("expert:") else label


def _checked(
    front: Mapping[str, Any],
    method: str,
    experts: Sequence[str],
    names: Sequence[str],
    signs: Sequence[float],
    titles: Mapping[str, str],
) -> list[Json]:
    lines = front.get("baselines", {})
    rows = [_measured(row, experts, names, signs) for row in front["measured"] if row["method"] == method]
    seen = set()
    for row in rows:
        row["role"] = role_of(row["id"], lines)
        seen.add(row["id"])
    for label, line in lines.items():
        if line["trial"] in seen:
            continue
        # Another method's trial: shown for orientation, but its strengths mean nothing to this one.
        extra = _measured({**line, "coefficients": {}}, [], names, signs)
        rows.append({**extra, "role": "specialist" if label.startswith("expert:") else label, "only": "shown"})
    labels = {line["trial"]: label for label, line in lines.items()}
    for row in rows:
        row["label"] = labels.get(row["id"])
        row["title"] = role_title(row["label"], titles)
    return rows


def role_title(label: str | None, titles: Mapping[str, str]) -> str:
    """What the tooltip calls one of the fixed marks."""
    if label is None:
        return ""
    if label.startswith("expert:"):
        expert = label.removeprefix("expert:")
        return f"{titles.get(expert, expert)} specialist alone"
    return {"base": "starting model", "average": "plain average", "arithmetic": "usual recipe, all at 0.3"}.get(
        label, label
    )


def _measured(row: Mapping[str, Any], experts: Sequence[str], names: Sequence[str], signs: Sequence[float]) -> Json:
    cells = [row["metrics"][name] for name in names]
    m = [sign * cell["value"] for sign, cell in zip(signs, cells, strict=True)]
    wide = [WIDTH * cell["stderr"] for cell in cells]
    return {
        "id": row["trial"],
        "c": [row["coefficients"][expert] for expert in experts],
        "m": [round(v, 5) for v in m],
        "lo": [round(v - w, 5) for v, w in zip(m, wide, strict=True)],
        "hi": [round(v + w, 5) for v, w in zip(m, wide, strict=True)],
        "n": [cell["n"] for cell in cells],
    }


def _predicted(row: Mapping[str, Any], experts: Sequence[str], names: Sequence[str], signs: Sequence[float]) -> Json:
    cells = [row["metrics"][name] for name in names]
    ends = [sorted((s * c["low"], s * c["high"])) for s, c in zip(signs, cells, strict=True)]
    return {
        "c": [round(row["coefficients"][expert], 5) for expert in experts],
        "m": [round(s * c["mean"], 5) for s, c in zip(signs, cells, strict=True)],
        "lo": [round(low, 5) for low, _ in ends],
        "hi": [round(high, 5) for _, high in ends],
    }


def exact_point(point: Mapping[str, Any], payload: Mapping[str, Any]) -> Json:
    """One point of `study predict` in the explorer's form, signs turned as in the payload."""
    names = [task["name"] for task in payload["tasks"]]
    signs = [task["sign"] for task in payload["tasks"]]
    return _predicted(point, [expert["name"] for expert in payload["experts"]], names, signs)


def noisy_tasks(facts: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Titles of tasks whose whole range on the map is smaller than their noise floor."""
    found = []
    for t, task in enumerate(facts):
        values = [row["m"][t] for row in rows]
        if len(values) > 1 and max(values) - min(values) < task["floor"]:
            found.append(task["title"])
    return found
