"""Every table, and every marked number, of README and docs that comes from a benchmark, written again from the JSON.

    python -m benchmarks.tables            # rewrite README.md and docs/*.md between their markers
    python -m benchmarks.tables --check    # exit 1 and name the pages that differ

A page asks for a table by `<!-- made by: python -m benchmarks.tables NAME -->` and ends it by `<!-- end -->`; for a
number in a sentence by `<!-- from: … -->` (benchmarks/tables/prose.py).
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.tables import commands, goldens, merge, quality, scaling, screens, trial
from benchmarks.tables.prose import marked
from benchmarks.tables.results import Absent, Results

ROOT = Path(__file__).resolve().parents[2]
TABLES: dict[str, Callable[[Results], str]] = {
    "trial-demo": trial.demo,
    "trial-vit": trial.vit,
    "trial-reload": trial.reload,
    "trial-cuda": trial.cuda,
    "trial-memory": trial.memory,
    "trial-batched": trial.batched,
    "narrow": trial.narrow,
    "merge-memory": merge.memory,
    "merge-cuda": merge.cuda,
    "merge-mergekit": merge.mergekit,
    "merge-sharded": merge.sharded,
    "merge-others": merge.others,
    "merge-values": merge.values,
    "merge-reasons": merge.reasons,
    "front-precision": quality.precision,
    "front-hypervolume": quality.hypervolume,
    "front-hypervolume-short": quality.hypervolume_short,
    "front-losses": quality.losses,
    "front-unseen": quality.unseen,
    "front-promises": quality.promises,
    "front-kernels": quality.kernels,
    "surrogate-speed": quality.speed,
    "screening": quality.screening,
    "first-front": screens.first_front,
    "slider": screens.slider,
    "slider-busy": screens.busy,
    "slider-peers": screens.beside,
    "quick": screens.quick,
    "live-run": screens.live,
    "many-tabs": screens.soak,
    "visitors": screens.load,
    "goldens": goldens.sources,
    "commands": commands.listed,
    "scaling-exponents": scaling.exponents,
    "scaling-plan": scaling.planned,
    "scaling-width": scaling.width,
}
BLOCK = re.compile(
    r"<!-- made by: python -m benchmarks\.tables (?P<name>\S+) -->\n(?P<body>.*?)<!-- end -->", re.DOTALL
)


def pages() -> list[Path]:
    """README and every page of docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def made(name: str, results: Results) -> str:
    """The text of one table; where nothing was measured, a sentence that says so.

    Raises KeyError for a table that does not exist.
    """
    try:
        return TABLES[name](results)
    except Absent as missing:
        return f"Not measured in this version. `{missing.command}` measures it.\n"


def rewritten(text: str, results: Results) -> str:
    """A page with every table and every marked number made anew."""

    def block(found: re.Match[str]) -> str:
        name = found["name"]
        return f"<!-- made by: python -m benchmarks.tables {name} -->\n{made(name, results)}<!-- end -->"

    return marked(BLOCK.sub(block, text), results)


def stale(results: Results) -> list[Path]:
    """The pages whose tables are not what the JSON says."""
    return [page for page in pages() if rewritten(text := page.read_text(encoding="utf-8"), results) != text]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args(arguments)
    results = Results()
    found = stale(results)
    for page in found:
        if not chosen.check:
            page.write_text(rewritten(page.read_text(encoding="utf-8"), results), encoding="utf-8")
        print(f"{'differs' if chosen.check else 'written'}: {page.relative_to(ROOT)}")
    return int(chosen.check and bool(found))


if __name__ == "__main__":
    sys.exit(main())
