"""How cost grows: a merge with experts and parameters, forward passes with samples, the surrogate with trials, samples
and coefficients, the search for a front with tasks.

    python -m benchmarks.scaling [--quick] [--out benchmarks/results/scaling.json]

Processor seconds of one thread, so that other programs on the machine count as little as can be; the fastest of the
repetitions (one where it takes longer than half a second), all kept raw. The exponent of each sweep is the slope of
log time over log size, fitted to its larger half.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from benchmarks.peers.machine import machine
from benchmarks.quality.synthetic import outputs_at
from benchmarks.surrogate_speed import observed
from merging import Directions, TaskVectors, combine_into, method
from merging.task_vector import Entry, Layout
from surrogate import Observations, design, predicted_front, surrogate

Work = Callable[[], object]
LONG = 0.5  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller sizes, one repetition: half a minute")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/scaling.json"))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    sweeps = [sweep(*each, repetitions=1 if chosen.quick else 3) for each in plan(chosen.quick)]
    result = {"claim": "cost grows as planned", "sweeps": sweeps, "quick": chosen.quick, "machine": machine()}
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    for one in sweeps:
        points = ", ".join(f"{p['size']:,}: {p['seconds']:.4f}" for p in one["points"])
        print(f"{one['what']} / {one['over']}: exponent {one['exponent']:.2f} ({points})")


def plan(quick: bool) -> list[tuple[str, str, str, Sequence[int], Callable[[int], Work]]]:
    """Name, what is timed, over which size, the sizes, and how to make the work of one size."""
    half = slice(None, 3) if quick else slice(None)
    million = 1_000_000
    parameters = [million, 2 * million, 4 * million, 8 * million, 16 * million]
    return [
        ("merge-experts", "one merge of 4 million parameters", "experts", [2, 4, 8, 16][half], merge_of_experts),
        ("merge-parameters", "one merge of 4 experts", "parameters", parameters[half], merge_of_parameters),
        ("forward", "forward passes of the demo", "samples", [100, 200, 400, 800][half], forward),
        ("fit-trials", "fit, 4 tasks of 200 samples", "trials", [15, 30, 60, 120][half], lambda n: fit(4, n, 200)),
        ("fit-samples", "fit, 4 tasks, 30 trials", "samples", [100, 200, 400, 800][half], lambda s: fit(4, 30, s)),
        ("fit-tasks", "fit, 40 trials of 200 samples", "tasks", [2, 4, 8][half], lambda d: fit(d, 40, 200)),
        ("front-tasks", "front, 40 trials of 100 samples", "tasks", [2, 3, 4, 6, 8][half], front),
    ]


def sweep(
    name: str, what: str, over: str, sizes: Sequence[int], make: Callable[[int], Work], repetitions: int
) -> dict[str, Any]:
    """Time the work at each size."""
    points = []
    for size in sizes:
        raw = repeated(make(size), repetitions)
        points.append({"size": size, "seconds": min(raw), "raw": raw})
    return {"name": name, "what": what, "over": over, "points": points, "exponent": exponent(points)}


def repeated(work: Work, repetitions: int) -> list[float]:
    """Seconds of each repetition after a first one that warms up; what takes long is not done again."""
    first = _timed(work)
    if first > LONG:
        return [first]
    return [_timed(work) for _ in range(repetitions)]


def exponent(points: Sequence[dict[str, Any]]) -> float:
    """Slope of log seconds over log size on the larger half of the points."""
    used = points[-max(2, (len(points) + 1) // 2) :]
    x, y = np.log([p["size"] for p in used]), np.log([max(p["seconds"], 1e-9) for p in used])
    return float(np.polyfit(x, y, 1)[0])


def _timed(work: Work) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def merge_of_experts(experts: int) -> Work:
    """A merge in memory of so many experts."""
    return _merge(experts, 4_000_000)


def merge_of_parameters(parameters: int) -> Work:
    """A merge in memory of so many parameters."""
    return _merge(4, parameters)


def _merge(experts: int, parameters: int) -> Work:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.empty(experts, parameters).normal_(generator=generator)
    base, out = torch.empty(parameters).normal_(generator=generator), torch.empty(parameters)
    layout = Layout((Entry("all", (parameters,), 0, parameters, "float32"),), parameters)
    names = tuple(f"e{number}" for number in range(experts))
    nowhere = cast(TaskVectors, None)  # a linear merge does not go back to the task vectors
    directions = Directions(method("task_arithmetic"), names, layout, matrix, base, (), "", "", nowhere)
    chosen = {name: 0.1 + 0.02 * number for number, name in enumerate(names)}
    return lambda: combine_into(out, directions, chosen)


def forward(samples: int) -> Work:
    """The demo's image tower on so many of its pictures."""
    from study.demo import write_demo
    from study.measure import Measurer

    with tempfile.TemporaryDirectory() as folder, Measurer(write_demo(Path(folder) / "s"), "cpu") as measurer:
        task = next(iter(measurer.tasks.values()))
        inputs = torch.from_numpy(np.array(task.split("validation").inputs))
        network: Any = measurer.model.module
        stock = inputs.repeat(-(-samples // len(inputs)), 1, 1, 1)[:samples]

    def work() -> None:
        with torch.inference_mode():
            for start in range(0, samples, 100):
                network.encode_image(stock[start : start + 100])

    return work


def trials(d: int, n: int, samples: int) -> Observations:
    """n made-up trials of d tasks."""
    X = design(d, n, np.zeros(d), np.ones(d)).X
    both = outputs_at(X, samples, 10, 0)
    return observed(X, [outputs for outputs, _ in both], [targets for _, targets in both])


def fit(d: int, n: int, samples: int) -> Work:
    """A fit of the logit surrogate."""
    seen = trials(d, n, samples)
    return lambda: surrogate("logits").fit(seen, 0)


def front(d: int) -> Work:
    """A front of 50 points from a fitted surrogate."""
    fitted = surrogate("logits").fit(trials(d, 40, 100), 0)
    return lambda: predicted_front(fitted, seed=0, points=50)


if __name__ == "__main__":
    main()
