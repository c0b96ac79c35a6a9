"""What a trial's time is spent on: merging, forward passes, everything else; against the bare forward passes.

    python -m benchmarks.trial_cost [--part demo|vit|reload|memory|batched] [--device cpu|cuda]
        [--out benchmarks/results/trial_cost.json]

demo: the built-in demo in this process, warm. vit: open_clip ViT-B-32 at random weights, 4 experts. reload: the same
against loading everything again for each merge, as other tools do. memory: 8 experts, 8 tasks of 400 samples. batched:
several coefficient vectors in one forward pass. Each part replaces its own numbers in the file: medians with all raw
repetitions; a ratio compares what was taken in turns in the same run.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["demo", "vit", "reload", "memory", "batched"], default="demo")
    parser.add_argument("--trials", type=int, default=30, help="of the demo")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "mergescape-trial-cost")
    parser.add_argument("--samples", type=int, default=48, help="per task, for vit and reload")
    parser.add_argument("--repetitions", type=int, default=None, help="of vit (5) and reload (3)")
    parser.add_argument("--device", default="cpu", help="of demo, vit and reload; give another --out for a GPU")
    parser.add_argument("--make", action="store_true", help="only write the checkpoints and pictures that a part needs")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/trial_cost.json"))
    chosen = parser.parse_args()
    part = one_part(chosen)
    if chosen.make:
        return
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(chosen.out.read_text()) if chosen.out.exists() else {}
    others = {key: value for key, value in known.items() if key in OTHERS}
    result = {**part, **others} if chosen.part == "demo" else {**known, chosen.part: part}
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    print(text(part) if chosen.part == "demo" else json.dumps({k: v for k, v in part.items() if k != "raw"}, indent=1))


OTHERS = ("vit", "reload", "memory", "batched")


def one_part(chosen: argparse.Namespace) -> dict[str, Any]:
    """Measure one part; the machine's state goes with its numbers."""
    from benchmarks.trial import batched, memory, reload, vit

    if chosen.part == "demo":
        return measure(chosen.trials, chosen.device) if not chosen.make else {}
    if chosen.part == "memory":
        folder = vit.make_study(chosen.folder / "8x8x400", 8, 8, 400)
        return {} if chosen.make else {**memory.measure(folder), "machine": machine()}
    if chosen.part == "batched":
        return {} if chosen.make else {**batched.measure(), "machine": machine()}
    folder = vit.make_study(chosen.folder / f"4x4x{chosen.samples}", 4, 4, chosen.samples)
    if chosen.make:
        return {}
    take, usual = (vit.measure, 5) if chosen.part == "vit" else (reload.measure, 3)
    found = take(folder, chosen.repetitions or usual, chosen.device)
    return {**found, "machine": machine(chosen.device)}


def measure(trials: int, device: str = "cpu") -> dict[str, Any]:
    """Medians and raw seconds of `trials` trials of the demo, and of as many bare forward passes between them."""
    from evaluation.evaluate import evaluate
    from study.demo import write_demo
    from study.measuring.measure import Measurer
    from study.measuring.outputs import save_outputs

    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        study = write_demo(Path(folder) / "study")
        choice = study.method()
        with Measurer(study, device) as measurer:
            points = [
                {e.name: (i * (k + 1) * 0.37) % 1.0 for k, e in enumerate(study.experts)} for i in range(trials + 2)
            ]
            for number, point in enumerate(points):
                begun = time.perf_counter()
                result = measurer.measure(choice, point)
                save_outputs(study, f"trial{number}", "validation", result.outputs)
                total = time.perf_counter() - begun
                begun = time.perf_counter()
                for task in measurer.tasks.values():
                    evaluate(measurer.measuring, task, "validation", measurer.device)
                bare = time.perf_counter() - begun
                parts = {"merge": result.seconds["merge"], "forward": result.seconds["forward"]}
                rows.append({**parts, "other": total - sum(parts.values()), "trial": total, "bare": bare})
        parameters = measurer.vectors.layout.parameters
    rows = rows[2:]  # the first ones warm the caches
    medians = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
    return {
        "claim": "a trial costs its forward passes",
        "medians": medians,
        "merge_share_of_forward": statistics.median(row["merge"] / row["forward"] for row in rows),
        "trial_over_bare": statistics.median(row["trial"] / row["bare"] for row in rows),
        "parameters": parameters,
        "experts": len(study.experts),
        "samples": sum(task.samples.validation for task in study.tasks),
        "machine": machine(device),
        "raw": rows,
    }


def machine(device: str = "cpu") -> dict[str, Any]:
    """What the numbers were taken on."""
    import torch

    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    gpu = {} if device == "cpu" else {"gpu": torch.cuda.get_device_name(device)}
    return {
        **gpu,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "load": os.getloadavg()[0],
    }


def text(result: dict[str, Any]) -> str:
    """The result as a few lines."""
    m = result["medians"]
    return (
        f"A trial of the demo ({result['experts']} experts, {result['parameters']:,} parameters, {result['samples']} "
        f"samples): {m['trial']:.3f} s\n"
        f"  merge   {m['merge']:.4f} s  ({100 * result['merge_share_of_forward']:.1f} % of the forward passes)\n"
        f"  forward {m['forward']:.4f} s\n  other   {m['other']:.4f} s\n"
        f"  trial / bare forward passes = {result['trial_over_bare']:.3f}"
    )


if __name__ == "__main__":
    main()
