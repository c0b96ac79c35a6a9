"""The page docs/learning.md, made from benchmarks/results/learning_order.json and, where they are, others beside it.

python -m benchmarks.learning_page [--out FILE.md]
"""

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.learning_medium import tables
from benchmarks.learning_methods import TASKS
from benchmarks.learning_more import loaded
from benchmarks.learning_order import OUT
from benchmarks.learning_summary import short
from benchmarks.learning_table import means

PAGE = Path("docs/learning.md")
THREE = "demo, three experts"
SETS = {
    THREE: "learning_order",
    "demo, six experts": "learning_six",
    "larger model, four": "medium_study",
    "still larger, seven": "larger_study",
}
HEAD = """# Methods that learn from samples: what they bring
Most [methods](methods.md) merge by the weights alone. Some also read a few dozen samples of each task, mostly without
labels. This page measures, on four sets of experts, what that brings, what it costs, and whether the order that papers
report holds.

"""
DEMO = """
## Three experts of the demo
Tasks {tasks}. A seed draws the samples of every split (64 a task for calibration, which are those
that a method learns from, 40 for validation and 100 for the test) and the random coefficients. The numbers are means
over seeds ± standard deviation over seeds.

- *published*: test accuracy in percent where all coefficients are the one that the method's paper gives.
- *scaled*: the same at the multiple of it (1, 1.5, 2) that is best on validation samples.
- *hypervolume*: of the front of the measured points, which are the three multiples and one random point (of the
  average one and one). 0 is half of the own expert's accuracy in a task, 1 that accuracy in every task.
- *first*: how long preparing the method took, once per study; the median over seeds, since the machine was busy with
  other work and now and then waited for it. `wudi` and `iso_c` prepare nothing: they are computed anew for every merge.

How they come about stands at the head of `benchmarks/learning_order.py`.

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
END = """
Made from `benchmarks/results/learning_order.json` and others beside it by `python -m benchmarks.learning_page`; a test
fails when they differ.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=PAGE)
    given = parser.parse_args()
    given.out.write_text(page(OUT.parent), encoding="utf-8")


def page(folder: Path) -> str:
    """The whole page, of the measurements in a folder."""
    found = {
        name: json.loads((folder / f"{file}.json").read_text(encoding="utf-8"))
        for name, file in SETS.items()
        if (folder / f"{file}.json").exists()
    }
    summary = short({name: one["rows"] for name, one in found.items()})
    return "".join([HEAD, summary, demo(found[THREE]), *loaded(folder), END])


def demo(result: dict[str, Any]) -> str:
    """Three tasks of the demo."""
    rows, facts = result["rows"], result["machine"]
    made = (
        f"\nMade on {facts['date']} at commit {facts['commit'][:12]}, {facts['processor']}, torch {facts['torch']}; "
        f"the trained methods, WUDI, Fisher, ReACT, tuned pulls and joint models at commit {facts['later'][:12]}; "
        f"PLeaS at commit {facts['pleas'][:12]}; RegMean++ at commit {facts['regmean_pp'][:12]}.\n"
    )
    return "".join([DEMO.format(tasks=", ".join(TASKS)), tables(result), READING.format(chunks=_chunks(rows)), made])


def _chunks(rows: list[dict[str, Any]]) -> str:
    """What Expert Merging++ adds to Expert Merging, in points of mean test accuracy."""
    gains = {}
    for field in ("published", "scaled"):
        found = means(rows, field)
        gains[field] = 100 * (found["expert_merging_pp"][0] - found["expert_merging"][0])
    return f"{gains['published']:+.1f} points published and {gains['scaled']:+.1f} scaled"


if __name__ == "__main__":
    main()
