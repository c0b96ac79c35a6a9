"""Tables of methods that learn beside those that do not, and whether the order of the literature holds, as Markdown."""

import statistics
from itertools import pairwise
from typing import Any

from benchmarks.learning_methods import GROUPS

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
    volume, first = means(rows, "hypervolume"), means(rows, "seconds")
    lines = ["| method | kind | seeds | published | scaled | hypervolume | first, s |", "|---|---|---|---|---|---|---|"]
    for group, many in GROUPS.items():
        for name, given in many.items():
            if name not in published:
                continue
            shown = f"`{name}`" + (f" ({', '.join(f'{k} {v}' for k, v in given.items())})" if given else "")
            cells = [f"{100 * one[0]:.1f} ± {100 * one[1]:.1f}" for one in (published[name], scaled[name])]
            cells += [f"{volume[name][0]:.3f} ± {volume[name][1]:.3f}", f"{first[name][0]:.1f}"]
            count = sum(row["method"] == name for row in rows)
            lines.append(f"| {shown} | {group} | {count} | {' | '.join(cells)} |")
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
    """Whether each class of methods is better than the one before it, by the best of each, in how many seeds."""
    lines = [
        "\n## The order of the literature\n",
        "Average < task arithmetic < TIES < data-free < with samples, by the",
    ]
    lines.append(
        "best method of each class in each seed (*scaled*, for the average as it is; in brackets by *hypervolume*):\n"
    )
    for low, high in pairwise(ORDER):
        points, volumes = _gains(rows, low, high, "scaled"), _gains(rows, low, high, "hypervolume")
        if points:
            wins, seeds, mean = sum(gain > 0 for gain in points), len(points), 100 * statistics.mean(points)
            larger = f"hypervolume in {sum(gain > 0 for gain in volumes)}, {statistics.mean(volumes):+.3f}"
            lines.append(f"- {low} < {high}: in {wins} of {seeds} seeds, {mean:+.1f} points on average ({larger}).")
    return "\n".join(lines) + "\n"


def _gains(rows: list[dict[str, Any]], low: str, high: str, field: str) -> list[float]:
    """What the best of one class has more than the best of another, seed by seed."""
    one, other = _best(rows, low, field), _best(rows, high, field)
    return [other[seed] - one[seed] for seed in sorted(set(one) & set(other))]


def _best(rows: list[dict[str, Any]], kind: str, field: str) -> dict[int, float]:
    """The best value of a class of methods, by seed."""
    groups = [group for group in GROUPS if group == kind or group.startswith((kind + ",", kind + " "))]
    names = {name for group in groups for name in GROUPS[group]}
    found: dict[int, float] = {}
    for row in rows:
        if row["method"] in names:
            found[row["seed"]] = max(found.get(row["seed"], 0.0), row[field])
    return found
