"""How cost grows: a merge and a whole trial with experts, parameters and samples, the surrogate with trials, samples,
coefficients and tasks, the search for a front with tasks.

    python -m benchmarks.scaling [--quick] [--only SWEEP …] [--out benchmarks/results/scaling.json]

Processor seconds of one thread, so that other programs on the machine count as little as can be; the fastest of the
repetitions (one where it takes longer than half a second), all kept raw. The exponent of each sweep is the slope of
log time over log size, fitted to its larger half. With --only the other sweeps of the file stay as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
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
PICTURES = 8
WIDTHS = [192, 384, 576, 768, 1024]  # of a ViT with patches of 32, whose parameters are the size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller sizes, one repetition: half a minute")
    parser.add_argument("--only", nargs="+", metavar="SWEEP", help="these sweeps, by their names in the file")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/scaling.json"))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    known = json.loads(chosen.out.read_text())["sweeps"] if chosen.only else []
    kept = {one["name"]: one for one in known}
    wanted = [each for each in plan(chosen.quick) if not chosen.only or each[0] in chosen.only]
    made = {each[0]: sweep(*each, repetitions=1 if chosen.quick else 3) for each in wanted}
    sweeps = [made.get(name) or kept[name] for name, *_ in plan(chosen.quick) if name in made or name in kept]
    result = {"claim": "cost grows as planned", "sweeps": sweeps, "quick": chosen.quick, "machine": machine()}
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    for one in sweeps:
        points = ", ".join(f"{p['size']:,}: {p['seconds']:.4f}" for p in one["points"])
        print(f"{one['what']} / {one['over']}: exponent {one['exponent']:.2f} ({points})")


def plan(quick: bool) -> list[tuple[str, str, str, Sequence[int], Callable[[int], Work]]]:
    """Name, what is timed, over which size, the sizes, and how to make the work of one size."""
    half = slice(None, 3 if quick else None)
    million = 1_000_000
    parameters = [million, 2 * million, 4 * million, 8 * million, 16 * million]
    return [
        ("merge-experts", "one merge of 4 million parameters", "experts", [2, 4, 8, 16][half], merge_of_experts),
        ("merge-parameters", "one merge of 4 experts", "parameters", parameters[half], merge_of_parameters),
        ("trial-experts", "one trial of the demo, 200 samples", "experts", [2, 3, 4, 6][half], Trial),
        ("forward", "forward passes of the demo", "samples", [100, 200, 400, 800][half], forward),
        ("forward-parameters", f"forward passes, {PICTURES} pictures", "parameters", WIDTHS[half], forward_of_width),
        ("fit-trials", "fit, 4 tasks of 200 samples", "trials", [15, 30, 60, 120][half], lambda n: fit(4, n, 200)),
        ("fit-samples", "fit, 4 tasks, 30 trials", "samples", [100, 200, 400, 800][half], lambda s: fit(4, 30, s)),
        ("fit-coefficients", "fit, 2 tasks of 200 samples, 60 trials", "coefficients", [2, 4, 8, 16][half], fit_of_two),
        ("fit-tasks", "fit, 40 trials of 200 samples", "tasks", [2, 4, 8][half], lambda d: fit(d, 40, 200)),
        ("front-tasks", "front, 40 trials of 100 samples", "tasks", [2, 3, 4, 6, 8][half], front),
    ]


def sweep(
    name: str, what: str, over: str, sizes: Sequence[int], make: Callable[[int], Work], repetitions: int
) -> dict[str, Any]:
    """Time the work at each size."""
    points = []
    for size in sizes:
        work = make(size)
        raw = repeated(work, repetitions)
        points.append({"size": work.size if isinstance(work, Forward) else size, "seconds": min(raw), "raw": raw})
        if isinstance(work, Trial):
            work.close()
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
    from study.measuring.measure import Measurer

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


@dataclass(frozen=True)
class Forward:
    """Forward passes of a ViT with random weights: 12 blocks, patches of 32, 50 tokens a picture."""

    network: torch.nn.Module
    pictures: torch.Tensor

    @property
    def size(self) -> int:
        """How many parameters it has."""
        return sum(one.numel() for one in self.network.parameters())

    def __call__(self) -> object:
        with torch.inference_mode():
            return self.network(self.pictures)


def forward_of_width(width: int) -> Work:
    """A ViT of this width on a few pictures."""
    from open_clip.transformer import VisionTransformer

    torch.manual_seed(0)
    sizes = {"image_size": 224, "patch_size": 32, "width": width, "layers": 12, "heads": width // 64}
    return Forward(VisionTransformer(**sizes, mlp_ratio=4.0, output_dim=512).eval(), torch.zeros(PICTURES, 3, 224, 224))


class Trial:
    """Whole trials of so many demo experts on 200 samples of one task: merge, forward passes, everything else."""

    def __init__(self, experts: int) -> None:
        from study.demo import demo_tasks, write_demo
        from study.measuring.measure import Measurer
        from study.settings import Samples
        from study.study import Study

        self._stack = ExitStack()
        folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        made = write_demo(Path(folder) / "s", tuple(demo_tasks()[:experts]))
        task = made.settings.tasks[0].model_copy(update={"samples": Samples(validation=200, test=1)})
        study = Study(made.folder, made.settings.model_copy(update={"tasks": (task,)}))
        self._measurer = self._stack.enter_context(Measurer(study, "cpu"))
        self._method = study.method()
        self._at = {expert.name: 0.1 + 0.1 * number for number, expert in enumerate(study.experts)}

    def __call__(self) -> object:
        return self._measurer.measure(self._method, self._at)

    def close(self) -> None:
        """Remove the study."""
        self._stack.close()


def trials(d: int, n: int, samples: int) -> Observations:
    """n made-up trials of d tasks."""
    X = design(d, n, np.zeros(d), np.ones(d)).X
    both = outputs_at(X, samples, 10, 0)
    return observed(X, [outputs for outputs, _ in both], [targets for _, targets in both])


def fit(d: int, n: int, samples: int) -> Work:
    """A fit of the logit surrogate."""
    seen = trials(d, n, samples)
    return lambda: surrogate("logits").fit(seen, 0)


def fit_of_two(d: int) -> Work:
    """A fit with so many coefficients and two tasks, as layer groups make them."""
    X = design(d, 60, np.zeros(d), np.ones(d)).X
    both = outputs_at(X, 200, 10, 0)[:2]
    seen = observed(X, [outputs for outputs, _ in both], [targets for _, targets in both])
    return lambda: surrogate("logits").fit(seen, 0)


def front(d: int) -> Work:
    """A front of 50 points from a fitted surrogate."""
    fitted = surrogate("logits").fit(trials(d, 40, 100), 0)
    return lambda: predicted_front(fitted, seed=0, points=50)


if __name__ == "__main__":
    main()
