"""What every method's values are held against: `tests/golden/*.json`."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.tables.results import Results, table

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden"
OWN = "tests/golden/"


def sources(results: Results) -> str:
    """One line per source: which methods have values from there."""
    found: dict[str, set[str]] = {}
    for path in sorted(GOLDEN.glob("*.json")):
        kept = json.loads(path.read_text(encoding="utf-8"))
        for case in kept.get("cases", []):
            found.setdefault(_short(str(case.get("source") or kept["source"])), set()).add(path.stem)
    methods = set().union(*found.values())
    order = sorted(found, key=lambda source: (-len(found[source]), source))
    rows = [[source, str(len(found[source])), ", ".join(f"`{m}`" for m in sorted(found[source]))] for source in order]
    text = table(["values from", "methods", "which"], rows).replace("---:|\n", "---|\n")
    return f"{len(methods)} methods have such values, from {len(found)} sources (`tests/golden/*.json`):\n\n{text}"


def _short(source: str) -> str:
    if source.startswith(OWN):
        return "the published equations, in numpy float64"
    return source.partition(", ")[0]
