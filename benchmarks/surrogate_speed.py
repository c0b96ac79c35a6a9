"""How long a person waits for the front: refit and predict it again, and read one point.

    python -m benchmarks.surrogate_speed [--repeats 5] [--out benchmarks/results/surrogate_speed.json]

Two, three and four experts of the demo at 5 (N + 1) trials of 400 samples a task; eight tasks of 400 made-up samples at
60 trials. ``named`` fits the logit surrogate, ``chosen`` all of them and picks one, as the product does unless told.
Medians of wall time in this process; load is what others did on the machine meanwhile, processor time what it cost
without them (it adds up both cores, so an idle machine needs no longer). Promises are judged by processor time. Points
are read a moment after the front: until then the threads that shared its matrix products spin, waiting for more.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

from benchmarks.front_quality import LOADED
from benchmarks.quality.pools import Array
from benchmarks.quality.synthetic import outputs_at
from benchmarks.trial_cost import machine
from evaluation.metric import metric
from surrogate import Fitted, Link, Observations, choose, design, predicted_front, surrogate

TASKS = ("digits", "signs", "flags", "letters")
PROMISED = {2: 1.0, 3: 1.0, 4: 1.0, 8: 5.0}
ONE_POINT = 0.005
REST = 0.2  # seconds after which idle threads of BLAS sleep


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/surrogate_speed.json"))
    chosen = parser.parse_args()
    rows = [timed(d, demo_trials(d), chosen.repeats) for d in (2, 3, 4)]
    rows.append(timed(8, synthetic_trials(8, 60), chosen.repeats))
    result = {"promised": "refit and front < 1 s for N <= 4, < 5 s for N = 8; one point < 5 ms", "rows": rows}
    result |= {"machine": machine(), "surrogate": LOADED}
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    print(text(rows))


def demo_trials(d: int) -> Observations:
    """5 (d + 1) trials of the demo, measured now."""
    from study.demo import write_demo
    from study.measuring.measure import Measurer

    with tempfile.TemporaryDirectory() as folder:
        study = write_demo(Path(folder) / "study", TASKS[:d])
        X = design(d, 5 * (d + 1), np.zeros(d), np.ones(d)).X
        with Measurer(study, "cpu") as measurer:
            choice = study.method()
            found = [measurer.measure(choice, dict(zip(TASKS[:d], map(float, row), strict=True))).outputs for row in X]
            targets = [measurer.targets("validation")[task] for task in TASKS[:d]]
    outputs = [np.stack([one[task] for one in found]) for task in TASKS[:d]]
    return observed(X, outputs, targets)


def synthetic_trials(d: int, n: int) -> Observations:
    """n trials of d made-up tasks, 400 samples of 10 classes each."""
    X = design(d, n, np.zeros(d), np.ones(d)).X
    both = outputs_at(X, 400, 10, 0)
    return observed(X, [outputs for outputs, _ in both], [targets for _, targets in both])


def observed(X: Array, outputs: list[Any], targets: list[Any]) -> Observations:
    """Outputs of m tasks at X (n, d) as the study hands them to a surrogate: accuracy shown, soft accuracy searched."""
    accuracy, soft = metric("accuracy"), metric("soft_accuracy")
    pairs = list(zip(outputs, targets, strict=True))
    d, m = X.shape[1], len(pairs)
    return Observations(
        X=X,
        Y=np.stack([accuracy(o, t) for o, t in pairs], axis=1),
        noise=np.stack([np.maximum(accuracy.stderr(o, t) ** 2, 0.02 / len(t)) for o, t in pairs], axis=1),
        low=np.zeros(d),
        high=np.ones(d),
        names=tuple(f"task{i}" for i in range(m)),
        links=(Link("logit", 0.0, 1.0),) * m,
        outputs=tuple(outputs),
        targets=tuple(targets),
        metrics=(accuracy.function,) * m,
        search=(soft.function,) * m,
    )


def timed(d: int, seen: Observations, repeats: int) -> dict[str, Any]:
    """Medians and raw seconds of every step for one set of trials."""
    fits: dict[str, Callable[[], Fitted]] = {
        "named": lambda: surrogate("logits").fit(seen, 0),
        "chosen": lambda: choose(seen, 0),
    }
    raw: dict[str, list[float]] = {}
    point = np.full((1, d), 0.37)
    for _ in range(repeats):
        for name, fit in fits.items():
            spent, begun = time.process_time(), time.perf_counter()
            fitted = fit()
            middle = time.perf_counter()
            predicted_front(fitted, seed=0, points=50)
            done = time.perf_counter()
            raw.setdefault(f"{name} fit", []).append(middle - begun)
            raw.setdefault("front", []).append(done - middle)
            raw.setdefault(f"{name} fit and front", []).append(done - begun)
            raw.setdefault(f"{name} fit and front, processor time", []).append(time.process_time() - spent)
            time.sleep(REST)
            for _ in range(10):
                spent, begun = time.process_time(), time.perf_counter()
                fitted.predict(point)
                raw.setdefault("one point", []).append(time.perf_counter() - begun)
                raw.setdefault("one point, processor time", []).append(time.process_time() - spent)
    medians = {key: statistics.median(values) for key, values in raw.items()}
    kept = {
        "front": medians["chosen fit and front, processor time"] < PROMISED[d],
        "point": medians["one point, processor time"] < ONE_POINT,
    }
    samples = [len(t) for t in seen.targets if t is not None]
    facts = {"experts": d, "trials": seen.n, "samples": samples, "kept": kept, "load": os.getloadavg()[0]}
    return {**facts, "medians": medians, "fastest": {key: min(values) for key, values in raw.items()}, "raw": raw}


def text(rows: list[dict[str, Any]]) -> str:
    """The result as a few lines."""
    lines = []
    for row in rows:
        m, f = row["medians"], row["fastest"]
        steps = ", ".join(f"{key} {m[key]:.3f} s (fastest {f[key]:.3f})" for key in m)
        lines.append(f"N = {row['experts']}, {row['trials']} trials, load {row['load']:.1f}: {steps}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
