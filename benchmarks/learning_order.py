"""Does the literature's order hold? Methods with and without samples on the demo, at equal coefficients and as fronts.

    python -m benchmarks.learning_order [--seeds 0,1,2,3,4] [--only METHOD,…] [--joint FOLDER]
    python -m benchmarks.learning_order --tasks six --out benchmarks/results/learning_six.json

Per seed (it draws the samples of every split and the random coefficients) and method: equal coefficient vectors,
multiples 1, 1.5 and 2 of the published one, and one random vector, measured on validation and test samples. "published"
is the mean test accuracy at the published coefficients, "scaled" at the multiple that is best on validation. The
hypervolume is that of these points on the test samples, half of the own expert's accuracy being 0 for each task and the
expert 1. Rows are written as they are made; a run goes on where another stopped. Slow methods come last. --joint adds
the lines of joint models from a folder of what `python -m demo.joint` wrote: equal.safetensors, samo.safetensors,
rep-mtl.safetensors.
"""

import argparse
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.learning_methods import GROUPS, SCALES, SIX, TASKS

RANDOM = 1
VALIDATION, TEST = 40, 100
LATE = {"wudi", "fisher", "concrete", "atlas", "fw_merging"}  # slow, with all that are trained: measured last
JOINT = ("equal", "samo", "rep-mtl")
OUT = Path("benchmarks/results/learning_order.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--only", help="methods of the table, with commas")
    parser.add_argument("--tasks", choices=("three", "six"), default="three", help="of the demo")
    parser.add_argument("--joint", type=Path, help="a folder of joint models")
    parser.add_argument("--out", type=Path, default=OUT)
    chosen = parser.parse_args()
    seeds = [int(one) for one in chosen.seeds.split(",")]
    if chosen.joint is not None:
        for seed in seeds:
            joint(seed, chosen.joint.resolve(), chosen.out)
        return
    tasks = TASKS if chosen.tasks == "three" else SIX
    only = chosen.only.split(",") if chosen.only else None
    for late in (False, True):
        for seed in seeds:
            measure(seed, chosen.out, late, only, tasks)


def is_late(group: str, name: str) -> bool:
    return name in LATE or group.endswith("trained") or name == "anchored+tuned"


def joint(seed: int, models: Path, out: Path) -> None:
    """Measure the joint models on the test samples of a seed and keep them beside its other lines."""
    from study.measuring.measure import Measurer
    from study.settings import ExpertChoice, MethodChoice
    from study.study import Study

    known = json.loads(out.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        study = prepared(Path(folder), seed)
        files = {name: models / f"{name}.safetensors" for name in JOINT}
        made = [name for name in JOINT if files[name].exists()]
        experts = tuple(ExpertChoice(name=name, weights=str(files[name])) for name in made)
        alone = Study(study.folder, study.settings.model_copy(update={"experts": experts}))
        with Measurer(alone, "cpu", splits=("test",)) as measurer:
            for name in made:
                at = {other: float(other == name) for other in made}
                found = values(measurer, MethodChoice(name="task_arithmetic"), at, "test")
                known["references"][str(seed)][f"joint, {name}"] = found
                print(seed, name, found)
    out.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def prepared(folder: Path, seed: int, tasks: tuple[str, ...] = TASKS) -> Any:
    """The demo's study with the samples of a seed."""
    from study.demo import write_demo
    from study.settings import Samples
    from study.study import Study

    made = write_demo(folder / "study", tasks, seed)
    samples = Samples(calibration=64, validation=VALIDATION, test=TEST)
    sampled = tuple(task.model_copy(update={"samples": samples}) for task in made.tasks)
    return Study(made.folder, made.settings.model_copy(update={"tasks": sampled}))


def measure(seed: int, out: Path, late: bool, only: list[str] | None, tasks: tuple[str, ...] = TASKS) -> None:
    """Measure every method, of the slow ones or of the others, that the file does not have for this seed."""
    from benchmarks.peers.machine import machine
    from study.measuring.measure import Measurer

    known = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {"machine": machine(), "rows": []}
    have = {(row["seed"], row["method"]) for row in known["rows"]}
    wanted = [
        (group, name, given)
        for group, many in GROUPS.items()
        for name, given in many.items()
        if (seed, name) not in have and is_late(group, name) == late and (only is None or name in only)
    ]
    if not wanted:
        return
    with tempfile.TemporaryDirectory() as folder:
        study = prepared(Path(folder), seed, tasks)
        with Measurer(study, "cpu", splits=("validation", "test")) as measurer:
            lines = reference_lines(measurer)
            known.setdefault("references", {}).setdefault(str(seed), {}).update(lines)
            for group, name, given in wanted:
                row = one_row(measurer, seed, group, name, given, lines)
                known["rows"].append(row)
                out.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
                print(seed, name, round(row["published"], 4), round(row["scaled"], 4), round(row["hypervolume"], 4))


def reference_lines(measurer: Any) -> dict[str, list[float]]:
    """The base, each task's own expert, and the ensemble of the experts, by task, on the test samples."""
    from study.settings import MethodChoice

    plain, tasks = MethodChoice(name="task_arithmetic"), list(measurer.tasks)
    ends = [dict.fromkeys(tasks, 0.0), *({**dict.fromkeys(tasks, 0.0), task: 1.0} for task in tasks)]
    corners = [values(measurer, plain, one, "test") for one in ends]
    own = [corners[1 + k][k] for k in range(len(tasks))]
    return {"base": corners[0], "experts": own, "ensemble": ensemble(measurer, plain, ends[1:])}


def one_row(
    measurer: Any,
    seed: int,
    group: str,
    name: str,
    given: dict[str, Any],
    lines: dict[str, list[float]],
    should_stop: Callable[[], bool] = lambda: False,
    merges: Path | None = None,
) -> dict[str, Any]:
    """What is kept of one method and seed; `merges` is a folder for what other seeds merge alike."""
    from study.settings import MethodChoice

    row = one_method(measurer, MethodChoice(name=name.split("+")[0], settings=given), seed, should_stop, merges)
    row |= {"seed": seed, "group": group, "method": name, "settings": given}
    row |= {"base": lines["base"], "experts": lines["experts"]}
    row["hypervolume"] = volume([point["test"] for point in row["points"]], lines["experts"])
    return row


def one_method(
    measurer: Any,
    choice: Any,
    seed: int,
    should_stop: Callable[[], bool] = lambda: False,
    merges: Path | None = None,
) -> dict[str, Any]:
    """Prepare a method, measure its points, and read the two means."""
    tasks = list(measurer.tasks)
    begun = time.perf_counter()
    directions = measurer.directions(choice, should_stop)
    prepared = time.perf_counter() - begun
    default = measurer.default(choice)
    dice = np.random.default_rng(seed)
    scales = (1.0,) if choice.name == "weighted_average" else SCALES
    many = [[scale * default] * len(tasks) for scale in scales]
    many += [(default * len(tasks) * dice.dirichlet(np.ones(len(tasks)))).tolist() for _ in range(RANDOM)]
    points = []
    for at in many:
        coefficients = dict(zip(tasks, at, strict=True))
        same = merges if len(set(at)) == 1 else None
        points.append({"at": at, **both(measurer, choice, coefficients, same)})
    equal = points[: len(scales)]
    best = max(equal, key=lambda point: float(np.mean(point["validation"])))
    return {
        "points": points,
        "seconds": prepared,
        "default": default,
        "published": float(np.mean(equal[scales.index(1.0)]["test"])),
        "scaled": float(np.mean(best["test"])),
        "scale": best["at"][0] / default,
        "kept": directions.facts.get("best"),
        "curve": [[one["step"], one["mean"], one.get("loss")] for one in directions.facts.get("curve", ())],
    }


def both(measurer: Any, choice: Any, coefficients: dict[str, float], merges: Path | None) -> dict[str, list[float]]:
    """Accuracy of every task on validation and test samples, of one merge.

    A merge that is computed anew each time and has seen no samples is kept in `merges`, for other seeds.
    """
    method = measurer.method(choice)
    file = None
    if merges is not None and method.linearity == "nonlinear" and not method.needs:
        said = json.dumps([choice.name, choice.settings, coefficients], sort_keys=True)
        file = merges / f"merge-{hashlib.sha256(said.encode()).hexdigest()[:16]}.pt"
    known = file is not None and file.exists()
    if file is not None and known:
        measurer.buffer.copy_(torch.load(file, weights_only=True))
    found = {"validation": values(measurer, choice, coefficients, "validation", again=known)}
    if file is not None and not known:
        draft = file.with_suffix(f".{os.getpid()}")
        torch.save(measurer.buffer, draft)
        draft.replace(file)
    return {**found, "test": values(measurer, choice, coefficients, "test", again=True)}


def ensemble(measurer: Any, choice: Any, ends: list[dict[str, float]]) -> list[float]:
    """Accuracy of every task when the experts' probabilities are averaged: T models in the place of one."""
    outputs = [measurer.measure(choice, one, "test").outputs for one in ends]
    targets = measurer.targets("test")
    found = []
    for task in measurer.tasks:
        logits = np.stack([one[task] for one in outputs]).astype(np.float64)
        shares = np.exp(logits - logits.max(-1, keepdims=True))
        mean = (shares / shares.sum(-1, keepdims=True)).mean(0)
        found.append(float((mean.argmax(-1) == targets[task]).mean()))
    return found


def values(measurer: Any, choice: Any, coefficients: dict[str, float], split: str, again: bool = False) -> list[float]:
    """Accuracy of every task; `again` of the merge of the call before."""
    found = measurer.measure(choice, coefficients, split, again=again).measured
    return [found[task].value for task in measurer.tasks]


def volume(points: list[list[float]], high: list[float]) -> float:
    """Hypervolume with every task from half of its own expert's accuracy (0) to that accuracy (1).

    A task in which its expert gets nothing right has no scale, and is left out.
    """
    from surrogate.front import hypervolume

    known = np.asarray(high) > 0.0
    scaled = np.clip(2.0 * np.asarray(points)[:, known] / np.asarray(high)[known] - 1.0, 0.0, None)
    return float(hypervolume(scaled, np.zeros(int(known.sum()))))


if __name__ == "__main__":
    main()
