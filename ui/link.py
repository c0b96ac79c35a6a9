"""What is chosen on the map as the parameters of an address, and back. Pure; names, not positions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

LONGEST = 2000
UNITS = ("kept", "score", "gain")
PARTS = ("min", "lock", "pick", "tray", "x", "y", "u")


def write_choice(choice: Mapping[str, Any], payload: Mapping[str, Any]) -> dict[str, str]:
    """{"min": "cars:0.85~digits:0.88", "lock": "digits", "pick": "0.3~0.5", "x": "cars", ...}; empty parts left out."""
    names = [task["name"] for task in payload["tasks"]]
    signs = [task["sign"] for task in payload["tasks"]]
    minimums = [
        f"{name}:{sign * level:.4g}"
        for name, sign, level in zip(names, signs, choice["min"], strict=True)
        if level is not None
    ]
    found = {
        "min": "~".join(minimums),
        "lock": "~".join(name for name, locked in zip(names, choice["lock"], strict=True) if locked),
        "pick": strengths_text(choice.get("pick") or []),
        "tray": "_".join(strengths_text(mix) for mix in choice.get("tray", [])),
        "x": names[choice["x"]] if choice["x"] != 0 else "",
        "y": names[choice["y"]] if choice["y"] != 1 else "",
        "u": choice["unit"] if choice["unit"] != payload["unit"] else "",
    }
    found = {name: text for name, text in found.items() if text}
    return found if sum(map(len, found.values())) < LONGEST else {"pick": found.get("pick", "")}


def strengths_text(numbers: list[float]) -> str:
    """Strengths as the address has them."""
    return "~".join(f"{round(number, 4):.6g}" for number in numbers)


def parse_choice(query: Mapping[str, str], payload: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The explorer's opening state, and the names in the address that this study does not have."""
    names = [task["name"] for task in payload["tasks"]]
    signs = dict(zip(names, (task["sign"] for task in payload["tasks"]), strict=True))
    unknown: list[str] = []
    minimum: list[float | None] = [None] * len(names)
    for part in _parts(query.get("min", ""), "~"):
        name, _, text = part.rpartition(":")
        level = _number(text)
        if name not in names:
            unknown.append(name or part)
        elif level is not None:
            minimum[names.index(name)] = signs[name] * level
    locked = _parts(query.get("lock", ""), "~")
    unknown += [name for name in locked if name not in names]
    start: dict[str, Any] = {"min": minimum, "lock": [name in locked for name in names]}
    for axis in ("x", "y"):
        asked = query.get(axis)
        if asked in names:
            start[axis] = names.index(asked)
        elif asked:
            unknown.append(asked)
    width = len(payload["experts"])
    pick = _mix(query.get("pick", ""), width)
    if pick:
        start["pick"] = pick
    tray = [_mix(part, width) for part in _parts(query.get("tray", ""), "_")]
    start["tray"] = [mix for mix in tray if mix][:4]
    if query.get("u") in UNITS:
        start["unit"] = query["u"]
    return start, list(dict.fromkeys(unknown))


def _parts(text: str, mark: str) -> list[str]:
    return [part for part in text[:LONGEST].split(mark) if part]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _mix(text: str, width: int) -> list[float] | None:
    numbers = [_number(part) for part in _parts(text, "~")]
    known = [number for number in numbers if number is not None]
    return known if len(known) == width == len(numbers) else None
