"""How fast merging is, and how much memory it takes: against the machine itself, and against mergekit.

    python -m benchmarks.merge_speed [memory mergekit sharded] [--size medium | --large] [--repetitions 5]
        [--environment FOLDER] [--scratch FOLDER] [--out benchmarks/results/merge_speed.json]

memory: a merge of 8 experts of 88 million parameters in memory, in turns with copying one tensor (the machine's copy
bandwidth) and with reading the experts' bytes once. mergekit: `python -m merging` and `mergekit-yaml` as processes, in
turns, on the same random base and 4 experts in bfloat16 (small: 81 million parameters, medium: 267 million, large: 1.26
billion); ours once more before, when it has never read those checkpoints: it remembers the fingerprints of files that
nobody has touched. sharded: 4 experts of 2 GB in 4 shards each, for the peak memory. Medians, with every repetition
kept.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import torch
import yaml

from benchmarks.peers.checkpoints import SHARDED, SIZES, Size, random_checkpoints
from benchmarks.peers.environment import environment
from benchmarks.peers.machine import machine
from benchmarks.peers.process import cost
from merging import Directions, MergingError, TaskVectors, combine_into, method, open_tensors, read_recipe
from merging.task_vector import Entry, Layout

PARTS = ("memory", "mergekit", "sharded")
EXPERTS, PARAMETERS = 8, 88_000_000
WEIGHTS = (0.3, 0.5, 0.9, 0.4)
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "linear": {},
    "task_arithmetic": {},
    "ties": {"density": 0.3},
    "dare_ties": {"density": 0.5},
}
# where a mergekit configuration cannot be read, a recipe that does the same work
OWN = {"dare_ties": {"drop": 0.5, "density": 1.0, "merge": "sum"}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"What to measure: {', '.join(PARTS)}; the first two when left out.")
    parser.add_argument("--size", choices=list(SIZES), default="medium", help="tiny: to try the script.")
    parser.add_argument("--large", dest="size", action="store_const", const="large", help="16 GB of disk and of RAM.")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--methods", nargs="+", default=list(CONFIGURATIONS), choices=list(CONFIGURATIONS))
    parser.add_argument("--device", default="cpu", help="of the memory part: cpu or cuda")
    parser.add_argument("--environment", type=Path, help="Where mergekit's environment is made, or stands already.")
    parser.add_argument("--scratch", type=Path, help="Where the checkpoints are made, or stand already.")
    parser.add_argument("--add", action="store_true", help="Keep what else stands in --out.")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/merge_speed.json"))
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"unknown: {', '.join(unknown)}; choose from {', '.join(PARTS)}")
    result: dict[str, Any] = json.loads(chosen.out.read_text()) if chosen.add else {}
    earlier = result.get("machine")
    result["machine"] = machine()

    def keep() -> None:
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(json.dumps(result, indent=1) + "\n")

    if chosen.device != "cpu":
        result["gpu"] = torch.cuda.get_device_name(chosen.device)
    with tempfile.TemporaryDirectory() as temporary:
        scratch = chosen.scratch or Path(temporary)
        size = SIZES[chosen.size]
        for part in chosen.parts or PARTS[:2]:
            if part == "memory":
                result[part] = in_memory(
                    1_000_000 if chosen.size == "tiny" else PARAMETERS, max(3, chosen.repetitions), chosen.device
                )
            elif part == "mergekit":
                place = environment(chosen.environment or Path(temporary) / "environment").parent
                kept = result.get(part, {}) if result.get(part, {}).get("parameters") == size.parameters else {}
                rows = {row["method"]: {"made": earlier, **row} for row in kept.get("methods", [])}
                result[part] = about(size)
                for row in versus(place, size, scratch, chosen.methods, chosen.repetitions):
                    rows[row["method"]] = {**row, "made": machine()}
                    result[part]["methods"] = [rows[name] for name in CONFIGURATIONS if name in rows]
                    keep()
            else:
                result[part] = sharded(SIZES["tiny"] if chosen.size == "tiny" else SHARDED, scratch, chosen.methods)
    keep()
    print(text(result))


def in_memory(parameters: int, repetitions: int, device: str = "cpu") -> dict[str, Any]:
    """Time one merge of 8 experts, one copy of a model, and one reading of the experts, in turns."""
    generator = torch.Generator().manual_seed(0)
    matrix = torch.empty(EXPERTS, parameters).normal_(generator=generator)
    base, out = torch.empty(parameters).normal_(generator=generator), torch.empty(parameters)
    names = tuple(f"e{number}" for number in range(EXPERTS))
    layout = Layout((Entry("all", (parameters,), 0, parameters, "float32"),), parameters)
    nowhere = cast(TaskVectors, None)  # a linear merge does not go back to the task vectors
    made = Directions(method("task_arithmetic"), names, layout, matrix, base, (), "", "", nowhere)
    directions = made.to(torch.device(device))
    matrix, base, out = directions.matrix, directions.base, out.to(device)
    chosen = {name: 0.1 + 0.05 * number for number, name in enumerate(names)}
    actions: dict[str, Callable[[], object]] = {
        "merge": lambda: combine_into(out, directions, chosen),
        "copy": lambda: out.copy_(base),
        "read": lambda: [row.sum() for row in matrix],
    }
    raw: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(repetitions + 1):
        for name, action in actions.items():
            begun = time.perf_counter()
            action()
            if device != "cpu":
                torch.cuda.synchronize()
            if turn:  # the first turn warms up
                raw[name].append(time.perf_counter() - begun)
    seconds = {name: statistics.median(each) for name, each in raw.items()}
    moved, copied = (EXPERTS + 2) * parameters * 4, 2 * parameters * 4
    return {
        "experts": EXPERTS,
        "parameters": parameters,
        "seconds": seconds,
        "copy_bandwidth_GB_s": copied / seconds["copy"] / 1e9,
        "merge_bandwidth_GB_s": moved / seconds["merge"] / 1e9,
        "share_of_copy_bandwidth": moved / copied * seconds["copy"] / seconds["merge"],
        "merge_over_reading": seconds["merge"] / seconds["read"],
        "targets": {"share_of_copy_bandwidth": "at least 0.80", "merge_over_reading": "at most 1.25"},
        "raw": raw,
    }


def about(size: Size) -> dict[str, Any]:
    """What both merge."""
    return {
        "parameters": size.parameters,
        "experts": len(WEIGHTS),
        "dtype": "bfloat16 checkpoints, float32 sums, bfloat16 results",
        "targets": {"wall": "at most 1/3", "resident": "at most 1/2"},
    }


def versus(place: Path, size: Size, scratch: Path, methods: list[str], repetitions: int) -> Iterator[dict[str, Any]]:
    """Run mergekit and ours in turns, as processes, on the same checkpoints; one row a method."""
    folders = random_checkpoints(size, len(WEIGHTS), scratch / f"llama-{size.parameters}", 0)
    for name in methods:
        recipe, kind = _recipe(name, folders, scratch)
        raw: dict[str, list[dict[str, float]]] = {"ours": [], "mergekit": []}
        outs = {who: scratch / f"{name}-{who}" for who in raw}
        commands = {
            "ours": [sys.executable, "-m", "merging", str(recipe), str(outs["ours"])],
            "mergekit": [
                *(str(place / "mergekit-yaml"), str(scratch / f"{name}.yml"), str(outs["mergekit"])),
                *("--no-copy-tokenizer", "--no-write-model-card"),
            ],
        }
        cache = scratch / "fingerprints"
        shutil.rmtree(cache, ignore_errors=True)
        first = _once(commands["ours"], outs["ours"], cache)
        for _ in range(repetitions):
            for who, command in commands.items():
                raw[who].append(_once(command, outs[who], cache))
        yield {**_compared(name, kind, raw, _apart(*outs.values())), "first": first}
        for out in outs.values():
            shutil.rmtree(out)


def _once(command: list[str], out: Path, cache: Path) -> dict[str, float]:
    """Run a merge into `out`, which is not there; `cache` remembers fingerprints."""
    shutil.rmtree(out, ignore_errors=True)
    environment = {"HF_HUB_OFFLINE": "1", "MERGESCAPE_CACHE": str(cache)}
    return cost(command, out.with_suffix(".log"), environment).row()


def _recipe(name: str, folders: list[Path], scratch: Path) -> tuple[Path, str]:
    """Write mergekit's configuration; return it, or a recipe of ours where we cannot read it."""
    own = CONFIGURATIONS[name]
    rows = [
        {"model": str(path.resolve()), "parameters": {"weight": weight, **own}}
        for path, weight in zip(folders[1:], WEIGHTS, strict=True)
    ]
    base = {} if name == "linear" else {"base_model": str(folders[0].resolve())}
    path = scratch / f"{name}.yml"
    configuration = {"merge_method": name, **base, "models": rows, "dtype": "float32", "out_dtype": "bfloat16"}
    path.write_text(yaml.safe_dump(configuration, sort_keys=False))
    try:
        read_recipe(path)
        return path, "mergekit's configuration"
    except MergingError:
        ours = scratch / f"{name}.recipe.yaml"
    parts = [{"name": folder.name, "path": str(folder.resolve())} for folder in folders]
    recipe = {
        "base": parts[0],
        "experts": parts[1:],
        "method": name,
        "settings": OWN[name],
        "coefficients": dict(zip((part["name"] for part in parts[1:]), WEIGHTS, strict=True)),
        "exact": True,
        "dtype": "bfloat16",
    }
    ours.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return ours, "a recipe of ours (the configuration cannot be read)"


def _compared(name: str, kind: str, raw: dict[str, list[dict[str, float]]], apart: float) -> dict[str, Any]:
    medians = {who: {key: statistics.median(row[key] for row in rows) for key in rows[0]} for who, rows in raw.items()}
    ratios = {key: medians["ours"][key] / medians["mergekit"][key] for key in medians["ours"]}
    return {"method": name, "recipe": kind, "ratios": ratios, "medians": medians, "difference": apart, "raw": raw}


def _apart(ours: Path, theirs: Path) -> float:
    """Return the largest difference of a tensor over its largest value; large for methods that draw at random."""
    largest = 0.0
    with open_tensors(ours) as one, open_tensors(theirs) as other:
        for key in one.keys()[:12]:
            a, b = one.get(key).float(), other.get(key).float()
            largest = max(largest, float((a - b).abs().max() / b.abs().max()))
    return largest


def sharded(size: Size, scratch: Path, methods: list[str]) -> dict[str, Any]:
    """Merge sharded checkpoints as a process, and say its peak memory."""
    folders = random_checkpoints(size, len(WEIGHTS), scratch / f"sharded-{size.parameters}", 0)
    rows = []
    for name in methods:
        recipe, _ = _recipe(name, folders, scratch)
        out = scratch / f"{name}-sharded"
        shutil.rmtree(out, ignore_errors=True)
        found = cost([sys.executable, "-m", "merging", str(recipe), str(out)], scratch / f"{name}-sharded.log", {})
        rows.append({"method": name, **found.row()})
        shutil.rmtree(out)
    return {
        "parameters": size.parameters,
        "bytes_each": 2 * size.parameters,
        "shards": size.shards,
        "experts": len(WEIGHTS),
        "targets": {"resident": "under 1.5 GB"},
        "methods": rows,
    }


def text(result: dict[str, Any]) -> str:
    """The result as a few lines."""
    lines = []
    if part := result.get("memory"):
        share, times = 100 * part["share_of_copy_bandwidth"], part["merge_over_reading"]
        lines += [
            f"{part['experts']} x {part['parameters']:,} parameters in memory: {part['seconds']['merge']:.3f} s",
            f"  {share:.0f} % of the copy bandwidth of {part['copy_bandwidth_GB_s']:.1f} GB/s",
            f"  {times:.2f} x reading the experts once",
        ]
    if part := result.get("mergekit"):
        lines.append(f"{part['experts']} experts x {part['parameters']:,} parameters, files to files:")
        for row in part["methods"]:
            ours, theirs, ratios = row["medians"]["ours"], row["medians"]["mergekit"], row["ratios"]
            lines.append(
                f"  {row['method']:16} {ours['wall']:7.1f} s, mergekit {theirs['wall']:7.1f} s ({ratios['wall']:.2f};"
                f" processor time {ratios['processor']:.2f})"
                f"   {ours['resident'] / 1e9:5.2f} GB, mergekit {theirs['resident'] / 1e9:5.2f} GB"
                f" ({ratios['resident']:.2f}; own memory {ratios['own']:.2f})   difference {row['difference']:.1e}"
            )
            if "first" in row:
                lines.append(f"  {'':16} {row['first']['wall']:7.1f} s the first time")
    if part := result.get("sharded"):
        lines.append(f"{part['experts']} experts x {part['bytes_each'] / 1e9:.1f} GB in {part['shards']} shards:")
        lines += [
            f"  {row['method']:16} {row['wall']:7.1f} s   {row['resident'] / 1e9:.2f} GB resident, "
            f"{row['own'] / 1e9:.2f} GB of its own"
            for row in part["methods"]
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
