"""What a trial's time is spent on: merging, forward passes, everything else; against the bare forward passes.

    python -m benchmarks.trial_cost [--trials 30] [--out benchmarks/results/trial_cost.json]

Measures the built-in demo in this process, warm, and writes medians with all raw repetitions. A ratio compares a trial
with the forward passes on tensors already in memory, taken in turns in the same run.
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/trial_cost.json"))
    chosen = parser.parse_args()
    result = measure(chosen.trials)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    print(text(result))


def measure(trials: int) -> dict[str, Any]:
    """Medians and raw seconds of `trials` trials of the demo, and of as many bare forward passes between them."""
    from evaluation.evaluate import evaluate
    from study.demo import write_demo
    from study.measure import Measurer
    from study.observe import save_outputs

    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        study = write_demo(Path(folder) / "study")
        choice = study.method()
        with Measurer(study, "cpu") as measurer:
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
                    evaluate(measurer.model, task, "validation", measurer.device)
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
        "machine": machine(),
        "raw": rows,
    }


def machine() -> dict[str, Any]:
    """What the numbers were taken on."""
    import torch

    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    return {
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
