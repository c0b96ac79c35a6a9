"""How fast a merge is, and how much memory it takes, beside FusionBench and PEFT: whole processes, files to files.

    python -m benchmarks.merge_others [--size small] [--repetitions 3] [--environment FOLDER] [--scratch FOLDER]
        [--out benchmarks/results/merge_others.json]

4 random experts of one Llama in bfloat16 (sizes as in benchmarks.merge_speed), or 4 LoRA adapters of rank 16 on it,
merged to a checkpoint in float32; in turns, medians, every repetition kept. mergekit has a benchmark of its own.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks.peers.checkpoints import SIZES, Size, random_checkpoints
from benchmarks.peers.environment import environment
from benchmarks.peers.machine import machine
from benchmarks.peers.process import cost
from merging import open_tensors, write

SCRIPT = Path(__file__).parent / "peers" / "merging_speed.py"
EXPERTS, RANK, WEIGHT = 4, 16, 0.3
# what the peer is asked for: our method, its settings, whether experts are adapters
CASES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "fusion-bench/task_arithmetic": ("task_arithmetic", {}, False),
    "fusion-bench/ties": ("ties", {"density": 0.3, "merge": "sum"}, False),
    "peft/cat": ("task_arithmetic", {}, True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=list(SIZES), default="small", help="tiny: to try the script.")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--environment", type=Path, help="Where the peers' environment is made, or stands already.")
    parser.add_argument("--scratch", type=Path, help="Where the checkpoints are made, or stand already.")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/merge_others.json"))
    chosen = parser.parse_args()
    size = SIZES[chosen.size]
    with tempfile.TemporaryDirectory() as temporary:
        python = environment(chosen.environment or Path(temporary) / "environment")
        scratch = (chosen.scratch or Path(temporary)).resolve()
        folders = random_checkpoints(size, EXPERTS, scratch / f"llama-{size.parameters}", 0)
        adapters = [
            _adapter(size, scratch / f"adapter-{size.parameters}-{number}", number) for number in range(EXPERTS)
        ]
        rows = []
        for what, (method, settings, adapted) in CASES.items():
            experts = adapters if adapted else folders[1:]
            recipe = _recipe(scratch / "recipe.yaml", folders[0], experts, method, settings)
            rows.append(compared(python, what, recipe, [folders[0], *experts], scratch, chosen.repetitions))
    result = {"parameters": size.parameters, "experts": EXPERTS, "rank": RANK, "rows": rows, "machine": machine()}
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    for row in rows:
        print(row["what"], {key: round(value, 3) for key, value in row["ratios"].items()}, row["difference"])


def compared(
    python: Path, what: str, recipe: Path, models: list[Path], scratch: Path, repetitions: int
) -> dict[str, Any]:
    """Both ways in turns; medians, ratios of ours to theirs, and how far the results are apart."""
    outs = {who: scratch / f"out-{who}" for who in ("ours", "theirs")}
    commands = {
        "ours": [sys.executable, "-m", "merging", str(recipe), str(outs["ours"])],
        "theirs": [str(python), str(SCRIPT), what, str(outs["theirs"]), *map(str, models)],
    }
    raw: dict[str, list[dict[str, float]]] = {who: [] for who in outs}
    for _ in range(repetitions):
        for who, command in commands.items():
            shutil.rmtree(outs[who], ignore_errors=True)
            raw[who].append(cost(command, scratch / f"{who}.log", {"HF_HUB_OFFLINE": "1"}).row())
    medians = {who: {key: statistics.median(row[key] for row in rows) for key in rows[0]} for who, rows in raw.items()}
    found = {
        "what": what,
        "medians": medians,
        "ratios": {key: medians["ours"][key] / medians["theirs"][key] for key in medians["ours"]},
        "difference": apart(outs["ours"], outs["theirs"]),
        "raw": raw,
    }
    for out in outs.values():
        shutil.rmtree(out)
    return found


def apart(ours: Path, theirs: Path) -> float:
    """The largest difference of a tensor over its largest value, over all tensors that both have."""
    with open_tensors(ours) as one, open_tensors(theirs) as other:
        shared = set(one.keys()) & set(other.keys())
        pairs = [(one.get(key).float(), other.get(key).float()) for key in sorted(shared)]
        return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)


def _recipe(path: Path, base: Path, experts: list[Path], method: str, settings: dict[str, Any]) -> Path:
    recipe = {
        "base": {"name": "base", "path": str(base)},
        "experts": [{"name": f"e{number}", "path": str(expert)} for number, expert in enumerate(experts)],
        "method": method,
        "settings": settings,
        "coefficients": {f"e{number}": WEIGHT for number in range(len(experts))},
        "exact": True,
        "dtype": "float32",
    }
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return path


def _adapter(size: Size, folder: Path, seed: int) -> Path:
    """A random LoRA on queries and values, as PEFT saves it."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    factors = {}
    for layer in range(size.layers):
        for part in ("q_proj", "v_proj"):
            name = f"base_model.model.model.layers.{layer}.self_attn.{part}"
            factors[f"{name}.lora_A.weight"] = torch.empty(RANK, size.hidden).normal_(0.0, 0.02, generator=generator)
            factors[f"{name}.lora_B.weight"] = torch.empty(size.hidden, RANK).normal_(0.0, 0.02, generator=generator)
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": RANK, "lora_alpha": 2 * RANK, "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(config | {"target_modules": ["q_proj", "v_proj"]}))
    write(folder / "adapter_model.safetensors", factors, {"format": "pt"})
    return folder


if __name__ == "__main__":
    main()
