"""Single measured numbers inside a sentence, written from the JSON as tables are.

    … a fit takes <!-- from: surrogate_speed.json#rows.0.medians.front seconds -->0.18 s<!-- end --> …

What stands between the two comments is written by `python -m benchmarks.tables`. Asked for is either a place in a file
of `benchmarks/results/` (keys and row numbers with dots between, `[key=value]` for the row that has it) and how it is
written, or the name of a function in `benchmarks/tables/facts.py`, where more than one number is needed.

| written | gives |
|---|---|
| `seconds` | 22 ms, 0.65 s, 12 s, 3.5 min |
| `percent` | 0.94 as 94 % |
| `GB` | bytes as 1.44 GB |
| any format of Python, such as `.2f` or `,.0f` | the number so |
"""

from __future__ import annotations

import re
from typing import Any

from benchmarks.tables.facts import FACTS
from benchmarks.tables.results import Results, seconds

MARK = re.compile(r"<!-- from: (?P<asked>[^\n]+?) -->(?P<said>[^\n]*?)<!-- end -->")
PLACE = re.compile(r"(?P<file>\w+)\.json#(?P<path>\S+) (?P<form>\S+)")
STEP = re.compile(r"(?P<key>[^.\[\]]+)(?:\[(?P<name>[^=\]]+)=(?P<value>[^\]]+)\])?")


def said(asked: str, results: Results) -> str:
    """The text of one mark.

    Raises KeyError for a place or fact that does not exist, Absent when its file was not measured.
    """
    found = PLACE.fullmatch(asked)
    if not found:
        if asked not in FACTS:
            raise KeyError(f"<!-- from: {asked} -->: neither FILE.json#PLACE FORM nor one of {', '.join(FACTS)}")
        return FACTS[asked](results)
    value: Any = results.of(found["file"], f"python -m benchmarks.{found['file']}")
    for step in STEP.finditer(found["path"]):
        try:
            value = value[int(step["key"])] if isinstance(value, list) else value[step["key"]]
            if step["name"]:
                value = next(row for row in value if str(row[step["name"]]) == step["value"])
        except (KeyError, IndexError, ValueError, StopIteration) as error:
            raise KeyError(f"<!-- from: {asked} -->: there is no {step[0]}") from error
    return written(float(value), found["form"])


def written(value: float, form: str) -> str:
    """A number as the page writes it."""
    if form == "seconds":
        return seconds(value)
    if form == "percent":
        return f"{100 * value:.0f} %"
    if form == "GB":
        return f"{value / 1e9:.2f} GB"
    return format(value, form)


def marked(text: str, results: Results) -> str:
    """A page with every mark written anew."""
    return MARK.sub(lambda one: f"<!-- from: {one['asked']} -->{said(one['asked'], results)}<!-- end -->", text)
