"""How good a front is after few measurements: this project's surrogate, MAP's quadratic, a GP, NSGA-II and others.

    python -m benchmarks.front_quality --make [--only two-a ...]    # ground truth, once: about an hour and a half
    python -m benchmarks.front_quality [--only two-a ...]           # everything, minutes per pool
    python -m benchmarks.front_quality --own [--only two-a ...]     # the logit surrogate's rows alone
    python -m benchmarks.front_quality --quick                      # two experts, two seeds: under two minutes
    python -m benchmarks.front_quality --table                      # docs/front_quality.md again from the JSON

Pools of real merges (about 150 MB) are kept in --cache, outside the repository. A full run replaces the rows of its
pools in --out and keeps the others, so the parts may be run one by one; every row is kept raw.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from benchmarks.peers.environment import environment
from benchmarks.quality import samplers
from benchmarks.quality.budgets import SPENDERS
from benchmarks.quality.pools import POOLS, WHOLE, Pool, PoolSpec, load, make
from benchmarks.quality.rivals import RIVALS
from benchmarks.quality.sections import FULL, QUICK, SECTIONS, Plan, facts
from benchmarks.quality.summary import verdicts
from benchmarks.quality.table import page
from benchmarks.trial_cost import machine

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
DOCS = HERE.parent / "docs" / "front_quality.md"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mergescape" / "front_quality"


def fingerprint() -> str:
    """Which surrogate was measured: SHA-256 over its source files, first twelve digits."""
    digest = hashlib.sha256()
    for path in sorted((HERE.parent / "surrogate").glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


LOADED = fingerprint()
OURS = ("chosen", "logits", "logits-hard", "product")
OTHERS = tuple(name for name in (*RIVALS, *SPENDERS, *samplers.SAMPLERS) if name not in OURS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--only", nargs="*", choices=list(POOLS), help="these pools; all that were made otherwise")
    parser.add_argument("--sections", nargs="*", choices=list(SECTIONS), default=list(SECTIONS))
    parser.add_argument("--make", action="store_true", help="measure the pools, nothing else")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--own", action="store_true", help="only rows that the logit surrogate makes; others stay")
    parser.add_argument("--coarse", action="store_true", help="pools of 11 points a side, for --quick")
    parser.add_argument("--environment", type=Path, help="the peers' environment: with it Optuna's samplers take part")
    parser.add_argument("--table", action="store_true", help="write the page from the JSON, nothing else")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    out = chosen.out or RESULTS / ("front_quality_quick.json" if chosen.quick else "front_quality.json")
    pools = {name: coarse(spec) if chosen.coarse else spec for name, spec in POOLS.items()}
    if chosen.make:
        for name in chosen.only or POOLS:
            make(pools[name], chosen.cache, say)
            if name in WHOLE:
                make(WHOLE[name], chosen.cache, say)
    elif chosen.table:
        write_page(out)
    else:
        python = environment(chosen.environment) if chosen.environment else None
        plans = {d: replace(plan, optuna=python) for d, plan in (QUICK if chosen.quick else FULL).items()}
        if chosen.own:
            plans = {d: replace(plan, without=OTHERS) for d, plan in plans.items()}
        names = chosen.only or [name for name, spec in POOLS.items() if spec.d in plans]
        made = [name for name in names if (chosen.cache / f"{pools[name].name}.npz").exists()]
        if not made or (chosen.only and made != names):
            gone = ", ".join(name for name in names if name not in made)
            parser.error(f"There is no pool {gone} in {chosen.cache}. Measure it first, with --make.")
        run([pools[name] for name in made], chosen.sections, plans, chosen.cache, out, OTHERS if chosen.own else ())
        if not chosen.quick and chosen.out is None:
            write_page(out)
        print(page(read(out)))


def coarse(spec: PoolSpec) -> PoolSpec:
    """The same pool with fewer points: for a grid 11 a side."""
    return replace(spec, name=f"{spec.name}-coarse", side=11) if spec.side else spec


def run(
    specs: list[PoolSpec],
    sections: list[str],
    plans: dict[int, Plan],
    cache: Path,
    out: Path,
    others: tuple[str, ...] = (),
) -> None:
    """Run some sections for some pools, saving after each; rows of ``others``, rivals and spenders, stay."""
    for spec in specs:
        plan = plans[spec.d]
        for section in sections:
            stands = WHOLE.get(spec.name) if section == "whole" else spec
            if stands is None or not (cache / f"{stands.name}.npz").exists():
                say(f"{spec.name}: there is no pool of every picture")
                continue
            measured = load(stands, cache)
            rows = [{"pool": spec.name, **row} for row in SECTIONS[section](measured, plan, say)]
            update(out, measured, section, rows, spec.name if section == "whole" else None, others)


def update(
    out: Path,
    pool: Pool,
    section: str,
    rows: list[dict[str, Any]],
    name: str | None = None,
    others: tuple[str, ...] = (),
) -> None:
    """Replace the rows of one pool and section in the JSON, all but those of ``others``; `name` is the pool's, where
    another stands for it."""
    new: dict[str, Any] = {"claim": "the whole front from a dozen measurements", "pools": {}, "raw": {}}
    result = read(out) if out.exists() else new
    found = facts(pool)
    known = result["pools"].setdefault(name or pool.spec.name, dict(found))
    known.update({section: found} if name else found)
    name = name or pool.spec.name
    kept = [row for row in result["raw"].get(section, []) if row["pool"] != name or maker(row) in others]
    result["raw"][section] = kept + [tidy(row) for row in rows]
    made, part = result.setdefault("made", {}), f"{name}.{section}"
    own = f"{part}, rows of the logit surrogate"
    if not others:
        made.pop(own, None)
    made[own if others else part] = {**machine(), "surrogate": LOADED}
    save(out, result)


def maker(row: dict[str, Any]) -> str:
    """Which rival or spender made a raw row."""
    return str(row.get("rival", row.get("spender")))


def save(out: Path, result: dict[str, Any]) -> None:
    """Write the JSON, one line per raw row, with verdicts computed from them."""
    result["verdicts"] = verdicts(result)
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_suffix(".part")
    lines = json.dumps({key: value for key, value in result.items() if key != "raw"}, indent=1)[:-2]
    raw = ",\n".join(
        f'  "{key}": [\n' + ",\n".join("   " + json.dumps(row) for row in part) + "\n  ]"
        for key, part in result["raw"].items()
    )
    draft.write_text(f'{lines},\n "raw": {{\n{raw}\n }}\n}}\n')
    draft.replace(out)


def tidy(row: dict[str, Any]) -> dict[str, Any]:
    """Numbers at the precision they deserve, so that the file stays small and readable."""

    def short(value: Any) -> Any:
        if isinstance(value, list):
            return [round(one, 4) for one in value]
        return round(value, 5) if isinstance(value, float) else value

    return {key: short(value) for key, value in row.items()}


def read(path: Path) -> dict[str, Any]:
    """The JSON of a run."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def write_page(out: Path) -> None:
    """docs/front_quality.md from the JSON."""
    DOCS.write_text(page(read(out)))


def say(text: str) -> None:
    """Progress for whoever waits."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
