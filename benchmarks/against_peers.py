"""How far our merged values are from mergekit's, FusionBench's and PEFT's, method by method.

    python -m benchmarks.against_peers [--environment FOLDER] [--seed 0] [--out benchmarks/results/against_peers.json]

Makes a virtual environment for the peers (in FOLDER, kept for the next time, or a temporary one) and random tiny
models, merges them there and here, and prints for each case the largest |ours − theirs| of a tensor over its largest
|theirs|: theirs in float32 as ours is, and in float64 from the same inputs, which tells our rounding from theirs.
Methods that draw at random get the same draws. A case agrees when one of the two is at most 1e-6; the exit code is 1
where another one is not explained.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks.peers.case import Case
from benchmarks.peers.environment import call, environment
from benchmarks.peers.machine import machine
from benchmarks.peers.mergekit_cases import MERGEKIT
from benchmarks.peers.models import FAMILIES, Models, random_models
from benchmarks.peers.other_cases import OTHERS
from merging import (
    Checkpoint,
    MergingError,
    combine_into,
    method,
    method_settings,
    methods,
    prepare,
    reference,
    task_vectors,
    write,
)
from merging.sparsity import draws

AGREES = 1e-6
CASES = (*MERGEKIT, *OTHERS)
SMALLEST = 1e-30
VERDICTS = {
    "agrees": "agree",
    "known": "differ for a known reason",
    "missing": "have no counterpart here",
    "peer refuses": "refused by the peer",
    "defect": "DEFECTS",
}
ORACLE = Path(__file__).parent / "peers" / "oracle.py"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", type=Path, help="Where the peers' environment is made, or stands already.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/against_peers.json"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        python = environment(chosen.environment or Path(folder) / "environment")
        result = compare(python, Path(folder), chosen.seed)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(text(result))
    return int(any(row["verdict"] == "defect" for row in result["cases"]))


def compare(python: Path, folder: Path, seed: int) -> dict[str, Any]:
    """Merge every case there and here and return all differences."""
    cases = [case for each in CASES for case in _variants(each)]
    wanted = dict.fromkeys((case.family, len(case.coefficients)) for case in cases)
    models = {(name, n): random_models(FAMILIES[name], n, seed, folder / f"{name}{n}") for name, n in wanted}
    inputs: dict[str, Tensor] = {}
    for (name, count), made in models.items():
        for who, state in zip(("base", *map(str, range(count))), (made.base, *made.experts), strict=True):
            inputs.update({f"{name}{count}/{who}/{key}": value for key, value in state.items()})
    for number, case in enumerate(cases):
        if case.draws:
            inputs.update(_draws(number, case, models[case.family, len(case.coefficients)]))
    save_file(inputs, folder / "inputs.safetensors")
    (folder / "jobs.json").write_text(json.dumps([_job(number, case, folder) for number, case in enumerate(cases)]))
    answer = call(
        python, ORACLE, *(str(folder / name) for name in ("inputs.safetensors", "jobs.json", "out.safetensors"))
    )
    theirs = load_file(folder / "out.safetensors")
    rows = [_row(number, case, models, theirs, answer["errors"], folder) for number, case in enumerate(cases)]
    return {
        "claim": "merged values are the peers', in float32, wherever the definitions are the same",
        "measure": "largest |ours - theirs| of a tensor / largest |theirs| of it, over all tensors; theirs in "
        "float32, and in float64 from the same inputs",
        "agrees_below": AGREES,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "seed": seed,
        "peers": answer["versions"],
        "machine": machine(),
        "cases": rows,
    }


def _variants(case: Case) -> list[Case]:
    """Return the case with `variant: mergekit`, and as the paper has it; one of them where only one is meant."""
    kind = methods().get(case.ours)
    if not case.variant or kind is None or not any("mergekit" in each.choices for each in method_settings(kind)):
        return [case]
    ours = replace(case, settings={**case.settings, "variant": "mergekit"}, differs="")
    return [ours, case] if case.differs else [ours]


def _job(number: int, case: Case, folder: Path) -> dict[str, Any]:
    count = len(case.coefficients)
    return {
        "id": str(number),
        "peer": case.peer,
        "method": case.method,
        "family": f"{case.family}{count}",
        "experts": count,
        "parameters": dict(case.parameters),
        "folder": str(folder / f"adapters{number}"),
    }


def _draws(number: int, case: Case, models: Models) -> dict[str, Tensor]:
    """Return our random numbers as the peer asks for them: it keeps what is below its probability."""
    found: dict[str, Tensor] = {}
    for name, value in models.base.items():
        for row, expert in enumerate(models.references):
            if row:  # the base has none
                drawn = draws.uniform(int(case.settings["seed"]), expert.name, name, value.numel())
                found[f"draws/{number}/{name}/{row - 1}"] = 1.0 - drawn if case.draws == "dare" else drawn
    return found


def _row(
    number: int,
    case: Case,
    models: dict[tuple[str, int], Models],
    theirs: dict[str, Tensor],
    errors: dict[str, str],
    folder: Path,
) -> dict[str, Any]:
    """Merge one case here and hold it against the peer's."""
    row: dict[str, Any] = {
        "peer": case.peer,
        "method": case.method,
        "ours": case.ours,
        "family": case.family,
        "parameters": dict(case.parameters),
        "settings": dict(case.settings),
        "coefficients": list(case.coefficients),
        "exact": case.exact,
    }
    if case.ours not in methods():
        return {**row, "verdict": "missing", "why": "Mergescape has no such method."}
    if str(number) in errors:
        return {**row, "verdict": "peer refuses", "why": errors[str(number)]}
    theirs32, theirs64 = (_under(f"{number}/{dtype}/", theirs) for dtype in ("float32", "float64"))
    made: Sequence[Checkpoint] = models[case.family, len(case.coefficients)].references
    if case.peer == "peft":
        made = _adapters(_under("base/", theirs32), folder / f"adapters{number}")
        theirs32, theirs64 = _under("merged/", theirs32), _under("merged/", theirs64)
    try:
        ours = _ours(case, made)
    except MergingError as error:
        return {**row, "verdict": "defect", "why": f"Ours refuses: {error}"}
    apart = {name: _difference(ours[name], value) for name, value in theirs32.items()}
    worst = max(apart, key=lambda name: apart[name])
    exactly = max(_difference(ours[name], value) for name, value in theirs64.items())
    same = min(apart[worst], exactly) <= AGREES
    return {
        **row,
        "difference": apart[worst],
        "difference_from_float64": exactly,
        "tensor": worst,
        "verdict": "agrees" if same else "known" if case.differs else "defect",
        "why": "" if same else case.differs,
    }


def _under(prefix: str, found: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}


def _ours(case: Case, models: Sequence[Checkpoint]) -> dict[str, Tensor]:
    base, *experts = models
    with task_vectors(base, experts) as vectors:
        directions = prepare(method(case.ours, case.settings), vectors)
        out = torch.empty(directions.layout.size)
        chosen = dict(zip(vectors.names, case.coefficients, strict=True))
        combine_into(out, directions, chosen, exact=case.exact)
        return {entry.name: vectors.layout.view(out, entry).clone() for entry in vectors.layout.entries}


def _adapters(base: dict[str, Tensor], folder: Path) -> list[Checkpoint]:
    """Take the base and the adapters that PEFT saved as they are."""
    write(folder / "base.safetensors", base, {"format": "pt"})
    saved = sorted(path.parent for path in folder.glob("*/adapter_config.json"))
    return [reference("base", folder / "base.safetensors"), *(reference(f"e{path.name}", path) for path in saved)]


def _difference(ours: Tensor, theirs: Tensor) -> float:
    if not bool(torch.isfinite(theirs).all()):
        return float("inf")
    wide = theirs.to(torch.float64)
    return float((ours.to(torch.float64) - wide).abs().max() / wide.abs().max().clamp_min(SMALLEST))


def text(result: dict[str, Any]) -> str:
    """The result as a table."""
    lines = [f"{'peer':13}{'its method':17}{'ours':18}{'models':9}{'float32':>9}{'float64':>9}  verdict"]
    for row in result["cases"]:
        one, two = (f"{row[key]:.1e}" if key in row else "-" for key in ("difference", "difference_from_float64"))
        names = f"{row['peer']:13}{row['method']:17}{row['ours']:18}{row['family']:9}"
        lines.append(f"{names}{one:>9}{two:>9}  {row['verdict']}{': ' if row['why'] else ''}{row['why']}")
    count = {verdict: sum(row["verdict"] == verdict for row in result["cases"]) for verdict in VERDICTS}
    lines.append(", ".join(f"{number} {VERDICTS[verdict]}" for verdict, number in count.items() if number))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
