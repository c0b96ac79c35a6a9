"""One line through the coefficients of the demo: accuracy in steps, logits as smooth curves, two predictions of both.

    python -m benchmarks.surrogate_slice [--points 61] [--out benchmarks/results/surrogate_slice.json]

Digits and signs; the coefficient of the digits expert goes from 0 to 1, that of the signs expert stays at 0.6. Measured
at every point; predicted from the product's own design of 10 trials, none of which lies on the line by intent.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

from benchmarks.peers.machine import machine
from benchmarks.quality.pools import Array
from benchmarks.surrogate_speed import observed
from evaluation.metric import metric
from surrogate import Observations, design, surrogate

TASKS = ("digits", "signs")
OTHER = 0.6
TRIALS = 10
CURVES = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=61)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/surrogate_slice.json"))
    chosen = parser.parse_args()
    result = {**measure(chosen.points), "machine": machine()}
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result) + "\n")
    errors = ", ".join(f"{name} {one['rmse']:.4f}" for name, one in result["predicted"].items())
    print(f"{chosen.points} merges measured; error of the predicted accuracy along the line: {errors}")


def measure(points: int) -> dict[str, Any]:
    """Measure the line and the design, and predict the line from the design."""
    line = np.stack([np.linspace(0.0, 1.0, points), np.full(points, OTHER)], axis=1)
    X = design(2, TRIALS, np.zeros(2), np.ones(2)).X
    outputs, targets = _outputs(np.concatenate([line, X]))
    here, there = [one[:points] for one in outputs], [one[points:] for one in outputs]
    accuracy = metric("accuracy")
    truth = np.asarray(accuracy(here[0], targets[0]))
    margins = _margins(here[0], targets[0])
    flips = np.flatnonzero((margins.min(axis=0) < 0) & (margins.max(axis=0) > 0))
    seen = observed(X, there, targets)
    return {
        "task": TASKS[0],
        "coefficient": line[:, 0].tolist(),
        "accuracy": truth.tolist(),
        "soft_accuracy": np.asarray(metric("soft_accuracy")(here[0], targets[0])).round(5).tolist(),
        "margins": margins[:, flips[:CURVES]].round(3).T.tolist(),
        "samples": len(targets[0]),
        "flip": len(flips),
        "trials": TRIALS,
        "predicted": {name: _predicted(name, seen, line, truth) for name in ("logits", "quadratic")},
    }


def _outputs(X: Array) -> tuple[list[Any], list[Any]]:
    from study.demo import write_demo
    from study.measuring.measure import Measurer

    with tempfile.TemporaryDirectory() as folder:
        study = write_demo(Path(folder) / "study", TASKS)
        with Measurer(study, "cpu") as measurer:
            choice = study.method()
            found = [measurer.measure(choice, dict(zip(TASKS, map(float, row), strict=True))).outputs for row in X]
            targets = [measurer.targets("validation")[task] for task in TASKS]
    return [np.stack([one[task] for one in found]) for task in TASKS], targets


def _margins(outputs: Any, targets: Any) -> Array:
    """How far the right class is ahead of the best other one, (points, samples)."""
    right = np.take_along_axis(outputs, targets[None, :, None], axis=2)[:, :, 0]
    others = outputs.copy()
    np.put_along_axis(others, np.broadcast_to(targets[None, :, None], (*right.shape, 1)), -np.inf, axis=2)
    return np.asarray(right - others.max(axis=2), dtype=np.float64)


def _predicted(name: str, seen: Observations, line: Array, truth: Array) -> dict[str, Any]:
    prediction = surrogate(name).fit(seen, 0).predict(line)
    mean = prediction.mean[:, 0]
    bounds = {"low": prediction.low[:, 0].round(5).tolist(), "high": prediction.high[:, 0].round(5).tolist()}
    return {"mean": mean.round(5).tolist(), **bounds, "rmse": float(np.sqrt(np.mean((mean - truth) ** 2)))}


if __name__ == "__main__":
    main()
