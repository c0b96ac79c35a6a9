"""More sections of docs/learning.md, each from a file of its own in benchmarks/results, where it is."""

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import entropy_course, learned_cost
from benchmarks.learning_order import GROUPS, SCALES, SIX
from benchmarks.learning_table import order, references, table

SEEDS = 5
SIX_HEAD = """
## Six experts of the demo
The same with all six tasks of the demo ({tasks}), as
`python -m benchmarks.learning_order --tasks six` measures it: six experts are more than so small a model can hold, so
merges stay further from the experts, as in the papers' tables with eight tasks.

"""
SIX_READING = """
- **Average, task arithmetic and TIES stay at or below the base.** Six experts at the published coefficients disturb
  each other more than they add (each of them lowers the other tasks, demo/README.md), and the multiples that were tried
  only add more; the average, 1/6 of each, disturbs least. So their order is the papers' turned round.
- **Spectral merges, then samples on top of them, lead** by far, as in the papers; samples without a spectral merge come
  level with the spectral merge alone. The gap to the experts that is left is larger than with three tasks.
"""
MEDIUM_HEAD = """
## On a larger model: every kind of method
`python -m benchmarks.larger_study --size medium`, on a CPU: an open_clip image tower of {parameters:.1f} million
parameters on pictures of 64 × 64, a base and {count} experts trained by the script ({tasks}). The
base learned from labels that name two neighbouring classes and not which of them it is: it is right in {base:.0f} % of
the held-out pictures and unsure where it is not. The experts, right in {own} % of those of
their own tasks, lie {low:.1f} to {high:.1f} % of its norm away from it. A seed draws {calibration} samples a task
for calibration, {validation} for validation and {test} for the test.

"""
LARGER_HEAD = """
## On a still larger model: methods without samples
`python -m benchmarks.larger_study`: an open_clip image tower of {parameters:.1f} million parameters on pictures of
64 × 64, a base and {count} experts trained by the script ({tasks}). The
base learned from labels that name two neighbouring classes and not which of them it is, so it is right about half of
the time and unsure where it is not; the experts lie {low:.1f} to {high:.1f} % of its norm away from it. A seed draws 64
samples a task for calibration, 60 for validation and 200 for the test. Measured once, on one {device}: the
time there ended before the methods with samples had their turn, so the table holds the {methods} that come first,
in all {seeds} seeds.

"""
LARGER_READING = """
- **A plain average is nearly as good as joint training here**, and task arithmetic at the published 0.3 goes past the
  best: the average is task arithmetic at 1/{count}, below the multiples that were tried. What speaks for why: this base
  lacks only the last step in every task, and a small share of each change makes it. Little interference is left for
  TIES to remove.
- **Spectral methods lead** here too, in accuracy and, by more, in hypervolume.
- Methods with samples: see the smaller size, above.
"""
MULTIPLES_HEAD = """
Mean test accuracy in percent where all coefficients are the published one times so much:
"""
MEDIUM_READING = """
- **Average, task arithmetic and TIES are nearly one merge here**, so their order is right on average and not in every
  seed: with {count} experts the average is task arithmetic at 1/{count}, beside the published 0.3, and between that and
  half as much again nothing changes (table). Only at twice as much do the experts disturb each other.
- **Spectral merges are above TIES in every seed**, by more in hypervolume, and TSV-M comes within {gap:.1f} points of
  the experts. That is all that samples could still bring, and on average they bring none of it: FeatCal on TSV-M stays
  level with TSV-M alone. On the demo the same gap was larger, and samples closed part of it.
- **Solved methods see few rows.** An expert's 64 samples have 17 tokens each: 1,088 rows for layers of up to 1,024
  inputs, which are then fitted to those very rows. LOT, which pulls towards nothing, loses most, and falls to pieces
  where its coefficients are raised; RegMean's shrunk Gram matrices hold. With more rows: below.
- **ReACT loses** most: its one map of the final representation, 128 × 128, is found from 64 features an expert.
- **What is trained lowers its loss, but not the errors**: AdaMerging's falls from {first:.2f} to {last:.2f} within
  40 steps, its validation accuracy goes from {before:.1f} to {after:.1f} %. The mean of 160
  validation samples has a standard error of about 2.5 points, so which step is kept is mostly chance.
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
COURSE_HEAD = """
## Why low entropy gains little on the demo
`python -m benchmarks.entropy_course`: training without looks at validation samples, three tasks of the demo, test
samples, coefficients 1; mean over {seeds} seeds, shares in percent. *known* and *left out*: accuracy on the classes
that the base saw and on the quarter that it never saw; *sure and wrong*: answers that have more than 90 % of the
probability and are wrong; λ: the mean learned coefficient.

"""
COST_HEAD = """
## Time and memory for ViT-B/32
`python -m benchmarks.learned_cost`: open_clip's ViT-B/32, {experts} experts, {threads}, {processor}. Each
method was prepared with few samples (or steps) and with more; *at the default* is what the line through both gives, in
minutes of one core (work shared by two cores takes about half of that, where nothing else runs; here much did).
*memory* is the most that the process held of its own, the model in it; files that are only mapped are not counted.

"""


def loaded(folder: Path) -> list[str]:
    """Every section whose measurements are there."""
    found = []
    makers: dict[str, Callable[[dict[str, Any]], str]] = {
        "learning_six": six,
        "medium_study": medium,
        "larger_study": larger,
        "entropy_course": course,
        "learned_cost": cost,
    }
    for name, maker in makers.items():
        path = folder / f"{name}.json"
        if path.exists():
            found.append(maker(json.loads(path.read_text(encoding="utf-8"))))
        more = folder / "medium_samples.json"
        if name == "medium_study" and path.exists() and more.exists():
            few, many = (json.loads(one.read_text(encoding="utf-8")) for one in (path, more))
            found.append(samples(few, many))
    return found


def six(result: dict[str, Any]) -> str:
    """All six tasks of the demo."""
    return SIX_HEAD.format(tasks=", ".join(SIX)) + _body(result) + SIX_READING + _made(result["machine"])


def _body(result: dict[str, Any]) -> str:
    """Table, lines and order, one level below those of the page."""
    return "".join([table(result["rows"]), references(result), order(result["rows"])]).replace("\n## ", "\n### ")


def _trained(result: dict[str, Any]) -> dict[str, Any]:
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
    rows, facts = result["rows"], _trained(result)
    counts = {name: sum(row["method"] == name for row in rows) for many in GROUPS.values() for name in many}
    short = [f"`{name}` ({count} seeds)" if count else f"`{name}`" for name, count in counts.items() if count < SEEDS]
    left = f"\nNot measured in {SEEDS} seeds for want of time: {', '.join(short)}.\n" if short else ""
    head = MEDIUM_HEAD.format(**facts, **result["training"]["size"]["samples"])
    lines, rows = result["references"].values(), result["rows"]
    spectral = statistics.mean(row["scaled"] for row in rows if row["method"] == "tsv_m")
    facts["gap"] = 100 * (statistics.mean(statistics.mean(one["experts"]) for one in lines) - spectral)
    facts |= _lowered([row["curve"] for row in rows if row["method"] == "adamerging"])
    return head + _body(result) + left + multiples(rows) + MEDIUM_READING.format(**facts) + _made(result["machine"])


def multiples(rows: list[dict[str, Any]]) -> str:
    """Mean test accuracy at equal coefficients, by multiples of the published one."""
    columns = " | ".join(f"{one:g} ×" for one in SCALES)
    lines = [MULTIPLES_HEAD, f"| method | {columns} |", "|---|" + "---|" * len(SCALES)]
    for name in ("task_arithmetic", "ties", "tsv_m", "regmean", "lot", "expert_merging"):
        points = [row["points"][: len(SCALES)] for row in rows if row["method"] == name]
        if points:
            means = [
                100 * statistics.mean(statistics.mean(one["test"]) for one in each)
                for each in zip(*points, strict=True)
            ]
            lines.append(f"| `{name}` | {' | '.join(f'{one:.1f}' for one in means)} |")
    return "\n".join(lines) + "\n"


def _lowered(curves: list[list[list[Any]]]) -> dict[str, float]:
    """Mean loss and validation metric (in percent) where trainings began and at their last look that has a loss."""
    found = {}
    for (loss, metric), place in ((("first", "before"), 0), (("last", "after"), -2)):
        found[loss] = statistics.mean(curve[place][2] for curve in curves)
        found[metric] = 100 * statistics.mean(curve[place][1] for curve in curves)
    return found


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
    return head + "\n".join(lines) + "\n" + SAMPLES_READING + _made(many["machine"])


def larger(result: dict[str, Any]) -> str:
    """The still larger model."""
    training, facts = result["training"], _trained(result)
    size = training["size"]
    long = f"(shown {size['joint']['images'] / size['expert']['images']:.1f} times an expert's pictures)"
    body = _body(result).replace("(`python -m demo.joint`)", long)
    return LARGER_HEAD.format(**facts) + body + LARGER_READING.format(**facts) + _made(result["machine"])


def course(result: dict[str, Any]) -> str:
    """What happens step by step."""
    rows = result["rows"]
    fields = ("accuracy", "known", "left out", "sure and wrong")
    lines = ["| course | steps | accuracy | known | left out | sure and wrong | entropy | λ |", "|---|" + "---|" * 7]
    for name in entropy_course.COURSES:
        for steps in entropy_course.STEPS:
            many = [row for row in rows if row["course"] == name and row["steps"] == steps]
            if many:
                shares = [f"{100 * statistics.mean(row[field] for row in many):.1f}" for field in fields]
                sizes = [row["coefficient"] for row in many if row["coefficient"] is not None]
                size = f"{statistics.mean(sizes):.2f}" if sizes else "–"
                entropy = f"{statistics.mean(row['entropy'] for row in many):.3f}"
                lines.append(f"| {name} | {steps} | {' | '.join(shares)} | {entropy} | {size} |")
    seeds = len({row["seed"] for row in rows})
    return COURSE_HEAD.format(seeds=seeds) + "\n".join(lines) + "\n" + COURSE_READING + _made(result["machine"])


def cost(result: dict[str, Any]) -> str:
    """What learning costs for ViT-B/32."""
    rows, facts = result["rows"], result["machine"]
    number = rows[0]["threads"]
    head = COST_HEAD.format(
        experts=rows[0]["experts"], threads=f"{number} thread{'s' * (number > 1)}", processor=facts["processor"]
    )
    left = [f"`{name}`" for name in learned_cost.CASES if sum(row["method"] == name for row in rows) < 2]
    said = f"\nNot measured: {', '.join(left)}.\n" if left else ""
    return head + learned_cost.table(result) + said + _made(facts)


COURSE_READING = """
- The loss does what it is to do: entropy falls. With AdaMerging it falls because λ does, which is the way back to the
  base, and what the experts taught about the classes that the base never saw is lost first. With the mask as well, more
  and more answers are sure and wrong. Nothing turns within 60 steps, so it is not the length of the training that is
  missing, nor did looking at validation samples stop it too early.
- So the step that validates best is mostly the first, and AdaMerging and Concrete at step 0 *are* task arithmetic at
  0.3. Their lower *scaled* value above comes from the multiples: 0.6 at most, where task arithmetic's third reaches
  0.67.
- The same trainer with the experts' answers as its aim raises λ and finds most of those classes in 20 steps. Where a
  base may be sure of what it does not know, that is the method to take.
"""


def _made(facts: dict[str, Any]) -> str:
    return (
        f"\nMade on {facts['date']} at commit {facts['commit'][:12]}, {facts['processor']}, torch {facts['torch']}.\n"
    )
