"""Sections of docs/learning.md about the larger study in the size for CPUs, and what the larger sizes share."""

import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks.learning_methods import GROUPS, SCALES
from benchmarks.learning_table import beside, order, paired, references, table

SEEDS = 5
REFERENCE = "tsv_m"  # the best method without samples
ERRORS = 2.0  # standard errors, from which on a difference is said to be one
MEDIUM_HEAD = """
## On a larger model: every kind of method
`python -m benchmarks.larger_study --size medium`, on a CPU: an open_clip image tower of {parameters:.1f} million
parameters on pictures of 64 × 64, a base and {count} experts trained by the script ({tasks}). The
base learned from labels that name two neighbouring classes and not which of them it is: it is right in {base:.0f} % of
the held-out pictures and unsure where it is not. The experts, right in {own} % of those of
their own tasks, lie {low:.1f} to {high:.1f} % of its norm away from it. A seed draws {calibration} samples a task
for calibration, {validation} for validation and {test} for the test.

"""
BESIDE_HEAD = """
Each method less `{reference}` in the same seed: points, mean ± standard error over the seeds, and in how many of them
it is above.

"""
MULTIPLES_HEAD = """
Mean test accuracy in percent where all coefficients are the published one times so much:
"""
COURSES_HEAD = """
What training did, mean over the seeds: the loss at its start and at the last look before its end, validation accuracy
in percent at its start and end, and the step that was kept in each seed.

"""
MEDIUM_READING = """
What holds, seed by seed (*scaled*, by more than two standard errors). Above `tsv_m`: {above tsv_m}. Below it:
{below tsv_m}. Above `task_arithmetic`: {above task_arithmetic}. Below it: {below task_arithmetic}.

- **Average, task arithmetic and TIES are nearly one merge here**, so their order is right on average and not in every
  seed: with {count} experts the average is task arithmetic at 1/{count}, beside the published 0.3, and between that and
  half as much again nothing changes (table). Only at twice as much do the experts disturb each other.
- **TSV-M is above TIES in every seed**, by more in hypervolume. WUDI lies between the two at its published
  coefficients, and there alone: more of every expert undoes it (table). Iso-C is level with task arithmetic; 160
  validation samples take it for TSV-M where *chosen* loses.
- **Samples do not bring more than a spectral merge**: TSV-M comes within {gap:.1f} points of the experts, which is all
  that samples could still bring, and no method with samples is above it. FeatCal alone is above task arithmetic, on
  TSV-M level with TSV-M; regression anchored to TSV-M, its pulls tuned on validation samples, lies between the two. On
  the demo the same gap was larger, and samples closed part of it.
- **Solved methods see few rows.** An expert's 64 samples have 17 tokens each: 1,088 rows for layers of up to 1,024
  inputs, which are then fitted to those very rows. LOT, which pulls towards nothing, loses most, and falls to pieces
  where its coefficients are raised; RegMean's shrunk Gram matrices hold. With more rows: below.
- **ReACT loses** most: its one map of the final representation, 128 × 128, is found from 64 features an expert.
- **What is trained without labels lowers its loss, but not the errors** (table of trainings). The mean of 160
  validation samples has a standard error of about 2.5 points, so which step is kept is mostly chance. With one number
  an expert (`by` task) it only gets worse: the start is kept in every seed, which is task arithmetic. Expert Merging++
  differs from Expert Merging by less than the noise. FW-Merging, which is shown the labels of its samples, is above
  task arithmetic in every seed. aTLAS, shown them too, starts at the base; mostly its last step is the one that is
  kept, so it was not at its end.
"""
SAMPLES_HEAD = """
### More samples to learn from
The same models and seeds with {many} calibration samples a task in the place of {few} (`--calibration {many}`), mean
test accuracy at the published coefficients in percent; validation and test samples of a seed are the same.

"""
SAMPLES_READING = """
- More rows are what solved methods lacked, ReACT and LOT above all. FeatCal on TSV-M comes level with TSV-M, above
  it in most seeds and on average the same: with so little room left, the last step of the literature's order is not
  seen here with more samples either.
"""


def tables(result: dict[str, Any]) -> str:
    """Table, lines and order, one level below those of the page."""
    return "".join([table(result["rows"]), references(result), order(result["rows"])]).replace("\n## ", "\n### ")


def trained(result: dict[str, Any]) -> dict[str, Any]:
    """What is said of the models that a larger study trained."""
    training, rows = result["training"], result["rows"]
    tasks = training["tasks"]
    moved = [100 * training[task]["moved"] for task in tasks]
    return {
        "parameters": training["parameters"] / 1e6,
        "count": len(tasks),
        "tasks": ", ".join(tasks),
        "low": min(moved),
        "high": max(moved),
        "base": 100 * statistics.mean(training["base"]["held"].values()),
        "own": ", ".join(f"{100 * training[task]['held'][task]:.0f}" for task in tasks),
        "device": result["machine"]["device"],
        "methods": f"{len({row['method'] for row in rows})} methods",
        "seeds": len({row["seed"] for row in rows}),
    }


def medium(result: dict[str, Any]) -> str:
    """The larger model, in the size for CPUs; which methods are not measured in all seeds is said."""
    rows, facts = result["rows"], trained(result)
    counts = {name: sum(row["method"] == name for row in rows) for many in GROUPS.values() for name in many}
    short = [f"`{name}` ({count} seeds)" if count else f"`{name}`" for name, count in counts.items() if count < SEEDS]
    left = f"\nNot measured in {SEEDS} seeds for want of time: {', '.join(short)}.\n" if short else ""
    head = MEDIUM_HEAD.format(**facts, **result["training"]["size"]["samples"])
    lines, rows = result["references"].values(), result["rows"]
    spectral = statistics.mean(row["scaled"] for row in rows if row["method"] == "tsv_m")
    facts["gap"] = 100 * (statistics.mean(statistics.mean(one["experts"]) for one in lines) - spectral)
    facts |= {
        f"{way} {name}": _far(rows, name, way) for name in ("tsv_m", "task_arithmetic") for way in ("above", "below")
    }
    return (
        head
        + tables(result)
        + left
        + BESIDE_HEAD.format(reference=REFERENCE)
        + beside(rows, REFERENCE)
        + multiples(rows)
        + courses(rows)
        + MEDIUM_READING.format(**facts)
        + made(result["machine"], rows)
    )


def _far(rows: list[dict[str, Any]], reference: str, way: str) -> str:
    """The methods that are more than so many standard errors above or below the reference, by *scaled*."""
    found = []
    for name, gains in paired(rows, reference, "scaled").items():
        error = statistics.stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else float("inf")
        if statistics.mean(gains) * (1 if way == "above" else -1) > ERRORS * error:
            found.append(f"`{name}`")
    return ", ".join(found) or "none"


def multiples(rows: list[dict[str, Any]]) -> str:
    """Mean test accuracy at equal coefficients, by multiples of the published one."""
    columns = " | ".join(f"{one:g} ×" for one in SCALES)
    lines = [MULTIPLES_HEAD, f"| method | {columns} |", "|---|" + "---|" * len(SCALES)]
    for name in ("task_arithmetic", "ties", "tsv_m", "wudi", "regmean", "lot", "expert_merging"):
        points = [row["points"][: len(SCALES)] for row in rows if row["method"] == name]
        if points:
            means = [
                100 * statistics.mean(statistics.mean(one["test"]) for one in each)
                for each in zip(*points, strict=True)
            ]
            lines.append(f"| `{name}` | {' | '.join(f'{one:.1f}' for one in means)} |")
    return "\n".join(lines) + "\n"


def courses(rows: list[dict[str, Any]]) -> str:
    """Of every training: loss and validation metric where it began and at its last look, and which step was kept."""
    lines = [COURSES_HEAD + "| method | loss | validation | steps kept |", "|---|---|---|---|"]
    for name in (name for many in GROUPS.values() for name in many):
        mine = [row for row in rows if row["method"] == name and len(row["curve"]) > 1]
        losses = [[one[2] for one in row["curve"] if one[2] is not None] for row in mine]
        if mine and min(map(len, losses)) > 1:
            scores = [[100 * one[1] for one in row["curve"]] for row in mine]
            cells = [f"{_mean(losses, 0):.2f} to {_mean(losses, -1):.2f}"]
            cells += [f"{_mean(scores, 0):.1f} to {_mean(scores, -1):.1f}"]
            cells += [", ".join(str(row["kept"]) for row in sorted(mine, key=lambda row: int(row["seed"])))]
            lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _mean(many: list[list[float]], place: int) -> float:
    return statistics.mean(each[place] for each in many)


def samples(few: dict[str, Any], many: dict[str, Any]) -> str:
    """What more samples to learn from bring, in the seeds and methods that have both."""
    counts = [one["samples"]["calibration"] for one in (few, many)]
    spectral = {row["seed"]: row["published"] for row in few["rows"] if row["method"] == "tsv_m"}
    lines = [f"| method | seeds | with {counts[0]} | with {counts[1]} | gain | beside `tsv_m` |", "|---|" + "---|" * 5]
    for name in dict.fromkeys(row["method"] for row in many["rows"]):
        one, other = ({row["seed"]: row for row in each["rows"] if row["method"] == name} for each in (few, many))
        pairs = [(one[seed]["published"], other[seed]["published"]) for seed in sorted(set(one) & set(other))]
        if pairs:
            gains = [100 * (high - low) for low, high in pairs]
            means = [f"{100 * statistics.mean(each):.1f}" for each in zip(*pairs, strict=True)]
            beside = [100 * (other[seed]["published"] - spectral[seed]) for seed in sorted(set(one) & set(other))]
            more = f"{statistics.mean(beside):+.1f}, above in {sum(each > 0 for each in beside)}"
            lines.append(f"| `{name}` | {len(pairs)} | {' | '.join(means)} | {statistics.mean(gains):+.1f} | {more} |")
    head = SAMPLES_HEAD.format(few=counts[0], many=counts[1])
    return head + "\n".join(lines) + "\n" + SAMPLES_READING + made(many["machine"])


def made(facts: dict[str, Any], rows: Sequence[dict[str, Any]] = ()) -> str:
    """When and with what it was made, and the methods that were measured at other commits than the rest."""
    first = facts["commit"][:12]
    later: dict[str, list[str]] = {}
    for row in rows:
        names = later.setdefault(row.get("commit", first)[:12], [])
        if row["method"] not in names:
            names.append(row["method"])
    others = [
        f"; {', '.join(f'`{name}`' for name in names)} at commit {commit}"
        for commit, names in later.items()
        if commit != first
    ]
    return (
        f"\nMade on {facts['date']} at commit {first}, {facts['processor']}, torch {facts['torch']}{''.join(others)}.\n"
    )
