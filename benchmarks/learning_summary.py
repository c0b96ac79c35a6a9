"""What docs/learning.md says first: what to take, and whether the literature's order holds on each set of experts."""

import statistics
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from benchmarks.learning_table import ORDER, gains, wins

SHORT = """## In short

- **Without samples take `tsv_m`**: on every set of experts below it is above task arithmetic and TIES in every seed.
- **With samples take `featcal` on top of it** (`on: tsv_m`): the best of all on the demo, with three experts and with
  six, and good at its published coefficients, without a search. Where TSV-M comes near to the experts by itself, as on
  the larger model, samples add nothing to it.
- **`adamerging` and `concrete` gained little or nothing** here, against their papers: they make a merge surer of its
  answers, on the demo of the wrong ones too ([why](#why-low-entropy-gains-little-on-the-demo)). Of what is trained
  without labels, `expert_merging` does best.
- What each costs for a model of ordinary size: [time and memory](#time-and-memory-for-vit-b32).

Papers report average < task arithmetic < TIES < data-free (spectral) < with samples. Here, at equal coefficients (the
uniform preference), the best method of each class beside the best of the class before it: in how many seeds it is
above, and by how many points on average.

"""
LATER = """
The best of many is in part lucky: each section also compares what validation samples would choose, and says, where a
step does not hold, what speaks for why.
"""


def short(sets: Mapping[str, list[dict[str, Any]]]) -> str:
    """What to take, and a row for each step of the order with a column for each set of experts."""
    lines = [f"| step | {' | '.join(sets)} |", "|---|" + "---|" * len(sets)]
    for low, high in pairwise(ORDER):
        cells = []
        for rows in sets.values():
            points = gains(rows, low, high, "scaled")
            mean = f"{100 * statistics.mean(points):+.1f}" if points else ""
            cells.append(f"{wins(points)} of {len(points)}, {mean}" if points else "not measured")
        lines.append(f"| {low} < {high} | {' | '.join(cells)} |")
    return SHORT + "\n".join(lines) + "\n" + LATER
