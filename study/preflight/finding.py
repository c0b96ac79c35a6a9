"""What the doctor found, as plain data. No torch: the browser reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Level = Literal["stop", "warn", "note"]
Topic = Literal["weights", "model", "tasks", "method", "room"]
LEVELS: tuple[Level, ...] = ("stop", "warn", "note")


@dataclass(frozen=True)
class Finding:
    """One thing worth saying: how bad, what it is about, where, in plain words, and what to do.

    stop: a run would fail or mean nothing; warn: it will run, but look at this first; note: good to know.
    `where` names the expert, task, method or file; `remedy` is empty where nothing needs doing.
    """

    level: Level
    topic: Topic
    where: str
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class Report:
    """All findings, worst first, and the numbers behind them.

    norm_ratio {expert: ‖expert − base‖ / ‖base‖}; cosines {expert: {expert: cosine of their task vectors}};
    cost: bytes and seconds that a run will take, and what is free (see `cost.Cost`); None where not known.
    """

    findings: tuple[Finding, ...]
    norm_ratio: Mapping[str, float] = field(default_factory=dict)
    cosines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    cost: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def level(self) -> Level | Literal["fine"]:
        """The worst level found; "fine" where there are only notes or nothing."""
        found = {finding.level for finding in self.findings}
        return "stop" if "stop" in found else "warn" if "warn" in found else "fine"

    def as_json(self) -> dict[str, Any]:
        """The JSON of `python -m study doctor`."""
        return {"level": self.level, **asdict(self), "findings": [asdict(one) for one in self.findings]}


def report_of(value: Mapping[str, Any]) -> Report:
    """The report that `as_json` wrote. Raises: KeyError or TypeError when it is something else."""
    found = tuple(Finding(**one) for one in value["findings"])
    return Report(found, value["norm_ratio"], value["cosines"], value["cost"])


def sorted_findings(findings: list[Finding]) -> tuple[Finding, ...]:
    """Worst first, otherwise in the order found."""
    return tuple(sorted(findings, key=lambda one: LEVELS.index(one.level)))
