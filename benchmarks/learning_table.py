"""The page docs/learning.md, made from benchmarks/results/learning_order.json and, where they are, others beside it."""

import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from benchmarks.learning_order import GROUPS, TASKS

HEAD = """# Methods that learn from samples: what they bring
Made from `benchmarks/results/learning_order.json` by `python -m benchmarks.learning_order --table docs/learning.md`; a
test fails when they differ. How the numbers come about stands at the head of `benchmarks/learning_order.py`.

Tasks {tasks} of the demo; a seed draws the samples of every split (64 calibration, 40 validation and 100 test
samples a task) and the random coefficients. Mean over seeds ± standard deviation over seeds, test accuracy in percent.
*published*: at the published coefficients; *scaled*: at the multiple of them (1, 1.5, 2) that is best on validation;
*hypervolume*: of the measured points (four, of the average two), half of a task's own expert's accuracy being 0 and
the expert 1. *first* is how long preparing the method took, once per study, on a machine that was busy with other work.

"""
READING = """
Where it does not hold, and what speaks for why. A mean of 300 test samples has a standard error of about 2 points, so
differences below that in one seed say little.

- **TIES is not above task arithmetic** once both have their best scale: three experts leave little to elect. At the
  *published* coefficients it is, as in the papers; those of task arithmetic and Iso-C are for eight experts and more.
- **Data-free and solved methods overlap.** TSV-M at its best scale comes as near to the experts as RegMean, LOT and
  FeatCal do. What samples bring here is a merge that is good *without* a search (LOT at once, ReACT and Expert Merging
  nearly), and most of all on top of a spectral merge: FeatCal, or regression anchored to TSV-M with tuned pulls.
- **AdaMerging and Concrete gain nothing**, and AdaMerging++ loses, against the tables of their papers. They lower the
  entropy of the answers; the demo's base never saw a quarter of the classes and is sure of its wrong answers there, so
  low entropy is no sign of right ones. The validation samples say so: of 60 steps the step that is kept is mostly
  the first or the twentieth. Step by step below.
- **Trained methods with an aim do better**: Expert Merging aims at the experts' own answers, aTLAS at labels. Expert
  Merging's curve was still rising at the end of its 30 steps. Chunks (Expert Merging++) gave
  {chunks}.
- **The *scaled* value may lie below the *published* one**: 120 validation samples chose the scale, and a method that is
  right at once has nothing to gain from it.
- **Joint training**, the line that merging is to come near to, was shown 8,000 labelled images of each task, each
  expert 24,000, a merge 64 without labels. SAMO and Rep-MTL differ from equal weights by less than the noise.
"""
ORDER = ["average", "task arithmetic", "TIES", "data-free", "samples"]


def page(result: dict[str, Any], more: Sequence[str] = ()) -> str:
    """The whole page; `more` are sections that other measurements give."""
    rows = result["rows"]
    parts = [HEAD.format(tasks=", ".join(TASKS)), table(rows), references(result), order(rows)]
    parts.append(READING.format(chunks=_chunks(rows)))
    facts = result["machine"]
    parts.append(
        f"\nMade on {facts['date']} at commit {facts['commit'][:12]}, {facts['processor']}, torch {facts['torch']}; "
        f"the trained methods, WUDI, Fisher, ReACT, tuned pulls and joint models at commit {facts['later'][:12]}; "
        f"PLeaS at commit {facts['pleas'][:12]}.\n"
    )
    return "".join([*parts, *more])


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


def _chunks(rows: list[dict[str, Any]]) -> str:
    """What Expert Merging++ adds to Expert Merging, in points of mean test accuracy."""
    gains = {}
    for field in ("published", "scaled"):
        found = means(rows, field)
        gains[field] = 100 * (found["expert_merging_pp"][0] - found["expert_merging"][0])
    return f"{gains['published']:+.1f} points published and {gains['scaled']:+.1f} scaled"


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
