"""More sections of docs/learning.md, each from a file of its own in benchmarks/results, where it is."""

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import entropy_course, learned_cost
from benchmarks.learning_medium import made, medium, samples, tables, trained
from benchmarks.learning_methods import SIX

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
    return (
        SIX_HEAD.format(tasks=", ".join(SIX)) + tables(result) + SIX_READING + made(result["machine"], result["rows"])
    )


def larger(result: dict[str, Any]) -> str:
    """The still larger model."""
    training, facts = result["training"], trained(result)
    size = training["size"]
    long = f"(shown {size['joint']['images'] / size['expert']['images']:.1f} times an expert's pictures)"
    body = tables(result).replace("(`python -m demo.joint`)", long)
    return LARGER_HEAD.format(**facts) + body + LARGER_READING.format(**facts) + made(result["machine"])


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
    return COURSE_HEAD.format(seeds=seeds) + "\n".join(lines) + "\n" + COURSE_READING + made(result["machine"])


def cost(result: dict[str, Any]) -> str:
    """What learning costs for ViT-B/32."""
    rows, facts = result["rows"], result["machine"]
    number = rows[0]["threads"]
    head = COST_HEAD.format(
        experts=rows[0]["experts"], threads=f"{number} thread{'s' * (number > 1)}", processor=facts["processor"]
    )
    left = [f"`{name}`" for name in learned_cost.CASES if sum(row["method"] == name for row in rows) < 2]
    said = f"\nNot measured: {', '.join(left)}.\n" if left else ""
    return head + learned_cost.table(result) + said + made(facts, rows)


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
