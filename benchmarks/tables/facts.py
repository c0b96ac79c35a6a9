"""Numbers of a sentence that take more than one place of a JSON: what `<!-- from: NAME -->` asks for."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from benchmarks.quality.summary import BLENDED, middle, rows_of
from benchmarks.tables.results import Results, seconds

QUALITY = "python -m benchmarks.front_quality"


def fit_of_two(results: Results) -> str:
    """One fit of the logit surrogate, two experts."""
    row = results.of("surrogate_speed", "python -m benchmarks.surrogate_speed")["rows"][0]
    return f"{seconds(row['medians']['named fit'])} for {row['experts']} experts and {row['trials']} trials"


def _kernels(results: Results) -> dict[tuple[str, str], dict[tuple[str, int], float]]:
    """Median error by kernel and way to learn it, pool and budget; points."""
    raw = results.of("kernel_trials", "python -m benchmarks.kernel_trials")["raw"]
    found: dict[tuple[str, str], dict[tuple[str, int], list[float]]] = {}
    for row in raw:
        found.setdefault((row["form"], row["by"]), {}).setdefault((row["pool"], row["n"]), []).append(row["rmse"])
    return {form: {at: statistics.median(many) for at, many in places.items()} for form, places in found.items()}


def kernels_gain(results: Results) -> str:
    """The most that any other kernel but the rotated one takes off an error, points."""
    known = _kernels(results)
    own = known["used", "likelihood"]
    others = {
        form: places
        for form, places in known.items()
        if form[0] not in ("used", "rotated") or form[1] not in ("likelihood", BLENDED)
    }
    most = max(own[at] - value for places in others.values() for at, value in places.items())
    return f"{most:.3f} points"


def blend_gain(results: Results) -> str:
    """What lengths that each sample weighs for itself take off the error of one kernel for all samples."""
    known = _kernels(results)
    own, other = known["used", "likelihood"], known["used", BLENDED]
    return _range([100 * (1 - other[at] / own[at]) for at in own], 0, "%")


def rotated_gain(results: Results) -> str:
    """What lengths along rotated axes take off the error with three experts."""
    known = _kernels(results)
    own, other = known["used", "likelihood"], known["rotated", "likelihood"]
    gains = [100 * (1 - other[at] / own[at]) for at in own if at[0].startswith("three")]
    return _range(gains, 0, "%")


def map_at_first(results: Results) -> str:
    """Error of MAP's quadratic by least squares at the fewest trials it was fitted to, over the pools; points."""
    return _range([row[0] for row in _published(results)], 1, "points")


def map_at_last(results: Results) -> str:
    """The same at the most trials."""
    return _range([row[-1] for row in _published(results)], 1, "points")


def _published(results: Results) -> list[list[float]]:
    found = results.of("front_quality", QUALITY)
    lines = []
    for pool in found["pools"]:
        rows = rows_of(found, "predict", pool=pool, points="design", rival="map-published")
        where = "rmse" if found["pools"][pool]["kind"].endswith("grid") else "rmse_front"
        budgets = sorted({row["n"] for row in rows})
        values = [middle([row for row in rows if row["n"] == n], where) for n in budgets]
        lines.append([value for value in values if value is not None])
    return [line for line in lines if line]


def _screening(results: Results, way: str, stage: str) -> list[float]:
    """Median error of one way to read trials on few samples, per pool; points."""
    rows = results.of("screening", "python -m benchmarks.screening")["rows"]
    pools = dict.fromkeys(row["pool"] for row in rows)
    return [
        100 * statistics.median(row["rmse"][way] for row in rows if (row["pool"], row["whole"]) == (pool, stage))
        for pool in pools
    ]


def screening_raw(results: Results) -> str:
    """Few samples as they are, or moved by a constant."""
    ways = ("few samples", "few samples, moved")
    many = [value for way in ways for stage in ("anchors", "finalists") for value in _screening(results, way, stage)]
    return _range(many, 1, "points")


def screening_first(results: Results) -> str:
    """Filled in, while only the anchors are whole."""
    return _range(_screening(results, "completed", "anchors"), 1, "points")


def screening_last(results: Results) -> str:
    """Filled in, once the finalists are whole."""
    return _range(_screening(results, "completed", "finalists"), 1, "points")


def screening_alone(results: Results) -> str:
    """The whole trials alone, once the finalists are whole."""
    return _range(_screening(results, "whole trials only", "finalists"), 1, "points")


def screening_whole(results: Results) -> str:
    """Every trial on all samples."""
    return _range(_screening(results, "every trial whole", "finalists"), 1, "points")


def _range(values: Sequence[float], digits: int, unit: str) -> str:
    low, high = (f"{value:.{digits}f}" for value in (min(values), max(values)))
    return f"{low} {unit}" if low == high else f"{low} to {high} {unit}"


FACTS: dict[str, Callable[[Results], str]] = {
    "fit-of-two": fit_of_two,
    "kernels-gain": kernels_gain,
    "rotated-gain": rotated_gain,
    "blend-gain": blend_gain,
    "map-at-first": map_at_first,
    "map-at-last": map_at_last,
    "screening-raw": screening_raw,
    "screening-first": screening_first,
    "screening-last": screening_last,
    "screening-alone": screening_alone,
    "screening-whole": screening_whole,
}
