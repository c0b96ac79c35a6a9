"""Tables of methods that learn beside those that do not, and whether the order of the literature holds, as Markdown."""

import statistics
from collections.abc import Callable
from itertools import pairwise
from operator import itemgetter
from typing import Any

from benchmarks.learning_methods import GROUPS

ORDER_HEAD = """
## The order of the literature

Average < task arithmetic < TIES < data-free < with samples: in each seed the best method of a class beside the best of
the class before it, by *scaled* (the average as it is), in brackets by *hypervolume*. The best of many on the same test
samples is in part lucky; *chosen* takes from each class the method that is best on the seed's validation samples, as a
person would.
"""
EQUAL = 1e-9  # a gain below this is rounding
ORDER = ["average", "task arithmetic", "TIES", "data-free", "samples"]


def means(rows: list[dict[str, Any]], field: str) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation over seeds of a field, by method, in the order of the groups."""
    found = {}
    for many in GROUPS.values():
        for name in many:
            values = [row[field] for row in rows if row["method"] == name]
            if values:
                found[name] = (statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0)
    return found


def table(rows: list[dict[str, Any]]) -> str:
    published, scaled = means(rows, "published"), means(rows, "scaled")
    volume = means(rows, "hypervolume")
    lines = ["| method | kind | seeds | published | scaled | hypervolume | first, s |", "|---|---|---|---|---|---|---|"]
    for group, many in GROUPS.items():
        for name, given in many.items():
            if name not in published:
                continue
            shown = f"`{name}`" + (f" ({', '.join(f'{k} {v}' for k, v in given.items())})" if given else "")
            cells = [f"{100 * one[0]:.1f} ± {100 * one[1]:.1f}" for one in (published[name], scaled[name])]
            seconds = [row["seconds"] for row in rows if row["method"] == name]
            cells += [f"{volume[name][0]:.3f} ± {volume[name][1]:.3f}", f"{statistics.median(seconds):.1f}"]
            lines.append(f"| {shown} | {group} | {len(seconds)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def references(result: dict[str, Any]) -> str:
    """Base, ensemble and each task's own expert: the lines that a merge lies between."""
    lines = ["\n## Reference lines\n", "| line | mean test accuracy |", "|---|---|"]
    for key, said in (
        ("base", "the base"),
        ("ensemble", "ensemble: the experts' probabilities averaged, T models in the place of one"),
        ("joint, equal", "joint training of all tasks from the base, equal weights (`python -m demo.joint`)"),
        ("joint, samo", "the same, sharpness-aware (SAMO)"),
        ("joint, rep-mtl", "the same with Rep-MTL's saliency regulation"),
        ("experts", "each task by its own expert"),
    ):
        values = [statistics.mean(one[key]) for one in result["references"].values() if key in one]
        if not values:
            continue
        lines.append(f"| {said} | {100 * statistics.mean(values):.1f} |")
    return "\n".join(lines) + "\n"


def order(rows: list[dict[str, Any]]) -> str:
    """Whether each class of methods is better than the one before it, in how many seeds: by the best of each class, and
    by the one of each class that is best on validation samples."""
    lines = [ORDER_HEAD]
    for low, high in pairwise(ORDER):
        points, volumes = gains(rows, low, high, "scaled"), gains(rows, low, high, "hypervolume")
        chosen = gains(rows, low, high, "scaled", _validated)
        if points:
            mean, larger = 100 * statistics.mean(points), statistics.mean(volumes)
            lines.append(
                f"- {low} < {high}: in {wins(points)} of {len(points)} seeds, {mean:+.1f} points on average "
                f"(hypervolume in {wins(volumes)}, {larger:+.3f}); "
                f"chosen in {wins(chosen)}, {100 * statistics.mean(chosen):+.1f}."
            )
    return "\n".join(lines) + "\n"


def beside(rows: list[dict[str, Any]], reference: str) -> str:
    """Every other method less the reference, seed by seed: mean ± standard error, and in how many seeds it is above."""
    fields = {"published": 100.0, "scaled": 100.0, "hypervolume": 1.0}
    lines = [
        f"| method | {' | '.join(f'{field} | above in' for field in fields)} |",
        "|---|" + "---|---|" * len(fields),
    ]
    many = {field: paired(rows, reference, field) for field in fields}
    for name in many["published"]:
        cells = []
        for field, unit in fields.items():
            more, digits = [unit * gain for gain in many[field][name]], 1 if unit > 1.0 else 3
            error = statistics.stdev(more) / len(more) ** 0.5 if len(more) > 1 else float("nan")
            cells += [f"{statistics.mean(more):+.{digits}f} ± {error:.{digits}f}", f"{wins(more)} of {len(more)}"]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def paired(rows: list[dict[str, Any]], reference: str, field: str) -> dict[str, list[float]]:
    """What each other method has more than the reference in the same seed, in the order of the groups."""
    known = {row["seed"]: row[field] for row in rows if row["method"] == reference}
    return {
        name: [row[field] - known[row["seed"]] for row in rows if row["method"] == name and row["seed"] in known]
        for name in means(rows, field)
        if name != reference
    }


def wins(points: list[float]) -> int:
    """How many of these are gains, and no rounding."""
    return sum(gain > EQUAL for gain in points)


def gains(
    rows: list[dict[str, Any]],
    low: str,
    high: str,
    field: str,
    by: Callable[[dict[str, Any]], float] | None = None,
) -> list[float]:
    """What the best of one class has more than the best of another, seed by seed; best in the field or by `by`."""
    one, other = _best(rows, low, field, by), _best(rows, high, field, by)
    return [other[seed][field] - one[seed][field] for seed in sorted(set(one) & set(other))]


def _best(
    rows: list[dict[str, Any]], kind: str, field: str, by: Callable[[dict[str, Any]], float] | None
) -> dict[int, dict[str, Any]]:
    """The best row of a class of methods, by seed."""
    groups = [group for group in GROUPS if group == kind or group.startswith((kind + ",", kind + " "))]
    names = {name for group in groups for name in GROUPS[group]}
    found: dict[int, dict[str, Any]] = {}
    for row in rows:
        rank = by or itemgetter(field)
        if row["method"] in names and (row["seed"] not in found or rank(row) > rank(found[row["seed"]])):
            found[row["seed"]] = row
    return found


def _validated(row: dict[str, Any]) -> float:
    """Mean validation accuracy at the multiple of the published coefficients that is best there."""
    return max(statistics.mean(one["validation"]) for one in row["points"] if len(set(one["at"])) == 1)
