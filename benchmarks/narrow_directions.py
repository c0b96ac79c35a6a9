"""What it costs in accuracy to keep directions in bfloat16 or float16, and what it saves: on the built-in demo.

python -m benchmarks.narrow_directions

The same random merges are measured with directions in float32 and in half precision, on the same samples.
Writes benchmarks/results/narrow_directions.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.machine import machine
from study.demo import write_demo
from study.measuring.measure import Measurer, Result
from study.settings import MethodChoice
from study.study import Study

RESULT = Path(__file__).resolve().parent / "results" / "narrow_directions.json"
METHODS = ("task_arithmetic", "ties", "tsv_m")


def measured(study: Study, kind: str, method: MethodChoice, points: list[dict[str, float]]) -> tuple[list[Result], int]:
    """Every point with directions in `kind`, and the bytes that those take."""
    chosen = Study(study.folder, study.settings.model_copy(update={"directions": kind}))
    with Measurer(chosen, "cpu") as measurer:
        return [measurer.measure(method, point) for point in points], measurer.directions(method).matrix.nbytes


def compared(full: list[Result], half: list[Result]) -> dict[str, Any]:
    """Differences against float32 over all points and tasks."""
    metric, logit, changed, answers = [], [], 0, 0
    for one, other in zip(full, half, strict=True):
        for task, outputs in one.outputs.items():
            metric.append(abs(one.measured[task].value - other.measured[task].value))
            logit.append(float(np.abs(outputs - other.outputs[task]).mean() / outputs.std()))
            changed += int((outputs.argmax(1) != other.outputs[task].argmax(1)).sum())
            answers += len(outputs)
    return {
        "accuracy_mean": float(np.mean(metric)),
        "accuracy_most": float(np.max(metric)),
        "logits_relative": float(np.mean(logit)),
        "answers_changed": changed,
        "answers": answers,
    }


def main() -> int:
    """Measure and write; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    found: dict[str, Any] = {"points": chosen.points, "seed": chosen.seed}
    with tempfile.TemporaryDirectory() as folder:
        study = write_demo(Path(folder) / "demo")
        dice = np.random.default_rng(chosen.seed)
        names = [expert.name for expert in study.experts]
        points = [dict(zip(names, map(float, dice.uniform(0, 1, 3)), strict=True)) for _ in range(chosen.points)]
        found |= {"experts": len(names), "tasks": len(study.tasks)}
        found["kinds"] = {"bfloat16": {}, "float16": {}}
        for name in METHODS:
            full, size = measured(study, "float32", MethodChoice(name=name), points)
            for kind, kept in found["kinds"].items():
                half, smaller = measured(study, kind, MethodChoice(name=name), points)
                kept[name] = {**compared(full, half), "bytes": smaller, "bytes_float32": size}
    found["machine"] = machine()
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found["kinds"], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
