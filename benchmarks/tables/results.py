"""What the benchmarks left behind, and how its numbers are written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "results"


class Absent(LookupError):
    """A benchmark, or one of its parts, has no result yet. `command` measures it."""

    def __init__(self, command: str) -> None:
        super().__init__(command)
        self.command = command


@dataclass(frozen=True)
class Results:
    """A folder of result files."""

    folder: Path = FOLDER

    def of(self, name: str, command: str, part: str | None = None) -> dict[str, Any]:
        """The JSON called `name`, or one part of it. Raises Absent when it was not measured."""
        path = self.folder / f"{name}.json"
        if not path.is_file():
            raise Absent(command)
        found: dict[str, Any] = _read(path)
        if part is None:
            return found
        if part not in found:
            raise Absent(command)
        inner: dict[str, Any] = found[part]
        return inner


@lru_cache
def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; every column but the first is numbers and stands to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def seconds(value: float) -> str:
    """A time that a person reads: 3 ms, 0.65 s, 12 s, 3.5 min."""
    if value < 0.0095:
        return f"{1000 * value:.1f} ms"
    if value < 0.0995:
        return f"{1000 * value:.0f} ms"
    if value < 9.95:
        return f"{value:.2f} s"
    return f"{value:.0f} s" if value < 120 else f"{value / 60:.1f} min"


def number(value: float | None, digits: int = 2) -> str:
    """A number, or a dash where nothing was measured."""
    return "–" if value is None else f"{value:.{digits}f}"


def taken(result: dict[str, Any], name: str) -> str:
    """When, on what and from which file: the line under every table."""
    machine = result.get("machine", result)
    parts = []
    if "cores" in machine:
        parts.append(f"{machine['cores']} cores of {machine.get('processor', 'an unnamed processor')}")
    if machine.get("torch"):
        parts.append(f"torch {machine['torch']}")
    load = machine.get("load", result.get("load"))
    if load is not None:
        parts.append(f"load of the machine {load[0] if isinstance(load, list) else load:.1f}")
    if machine.get("date"):
        parts.append(str(machine["date"]))
    if machine.get("commit"):
        parts.append(f"commit {str(machine['commit'])[:7]}")
    where = f"`benchmarks/results/{name}.json`"
    return f"<small>{where}: {', '.join(parts)}.</small>\n" if parts else f"<small>{where}.</small>\n"
