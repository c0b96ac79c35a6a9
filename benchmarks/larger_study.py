"""The order of methods on a larger model: an open_clip image tower of 14 million parameters, seven experts, 64 x 64.

    python -m benchmarks.larger.pictures --out .larger/pictures.npz            (once; no GPU)
    python -m benchmarks.larger_study --device cuda --out FILE.json [--budget-seconds N] [--seeds 0,1,2,3,4]

Trains a base, an expert per task and a joint model (benchmarks/larger/training.py), then measures the methods of
benchmarks/learning_order.py in the same way: per seed, which draws the samples of every split and the random
coefficients, each in a process of its own. Every row is written when it is made; when the budget is spent, what is
running stops and the file has what there is. Exits with 1 when a method failed; "failures" in the file says how.
"""

import argparse
import json
import multiprocessing
import os
import queue
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.learning_order import GROUPS, is_late

PICTURES = Path(".larger/pictures.npz")
OUT = Path("benchmarks/results/larger_study.json")
SAMPLES = {"calibration": 64, "validation": 60, "test": 200}
FEW = {"calibration": 8, "validation": 8, "test": 16}
SHARED = Path("/dev/shm")  # noqa: S108 - directions of half a gigabyte each are written and read once
ROOM = 24e9  # bytes
GRACE = 15.0  # seconds for a process to see that the budget is spent
TRAINING_SEED = 0
Put = Callable[[tuple[str, int, Any]], None]


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--pictures", type=Path, default=PICTURES)
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--only", default="", help="methods of the table, with commas; default: all")
    parser.add_argument("--budget-seconds", type=float, default=3600.0)
    parser.add_argument("--processes", type=int, help="default: one a seed on a GPU, else one")
    parser.add_argument("--tiny", action="store_true", help="a model and samples that only show that it works")
    given = parser.parse_args(words)
    deadline = time.time() + given.budget_seconds
    # Before CUDA begins: the same products in the same order on every run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    seeds = [int(one) for one in given.seeds.split(",")]
    processes = given.processes or (len(seeds) if given.device == "cuda" else 1)
    with tempfile.TemporaryDirectory(dir=_roomy()) as name:
        folder = Path(name)
        result = Result(given.out)
        measuring = Measuring(folder, given, seeds, deadline)
        with measuring.processes(processes) as group:
            result.known |= trained(folder, given)
            result.write()
            group.go(result.put)
    print(f"{given.out}: {len(result.known['rows'])} rows, {len(result.known['failures'])} failures")
    return 1 if result.known["failures"] else 0


def _roomy() -> Path | None:
    """Memory for large files where there is plenty, else the usual folder for temporary files."""
    return SHARED if SHARED.is_dir() and shutil.disk_usage(SHARED).free > ROOM else None


class Result:
    """The JSON file, written whenever something comes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, Any] = {"references": {}, "rows": [], "failures": []}

    def put(self, what: tuple[str, int, Any]) -> None:
        kind, seed, value = what
        if kind == "lines":
            self.known["references"].setdefault(str(seed), {}).update(value)
        elif kind == "row":
            self.known["rows"].append(value)
            print(seed, value["method"], *(round(value[key], 3) for key in ("published", "scaled", "seconds")))
        else:
            self.known["failures"].append({"seed": seed, "what": value})
            print(seed, "FAILED", value, file=sys.stderr)
        self.write()

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".part")
        draft.write_text(json.dumps(self.known, indent=1) + "\n", encoding="utf-8")
        draft.replace(self.path)
        sys.stdout.flush()


def trained(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Train all models into the folder, beside the sheets, heads and configuration; how it went."""
    import torch

    from benchmarks.larger import training
    from benchmarks.larger.pictures import SIDE, unpack
    from benchmarks.peers.machine import machine
    from demo.sheets import write_sheet
    from evaluation.device import pick_device

    device = pick_device(given.device)
    torch.use_deterministic_algorithms(True, warn_only=True)
    materials = unpack(given.pictures)
    size = training.TINY if given.tiny else training.LARGE
    every = training.rows(materials, size.embed, TRAINING_SEED)
    training.write_config(size, SIDE, folder / "model.json")
    training.write_heads(materials, every, folder / "heads")
    said: dict[str, Any] = {"size": asdict(size), "tasks": [each.subject.name for each in materials]}
    true, vague = training.wanted(materials, vague=False), training.wanted(materials, vague=True)
    with ThreadPoolExecutor() as threads:
        sheets = [threads.submit(write_sheet, each, folder / "tasks" / each.subject.name) for each in materials]
        data = training.pictures(materials, device)
        base, seconds = training.train(
            folder / "model.json", None, data, every, vague, size.base, size.batch, TRAINING_SEED
        )
        start = {name: value.clone() for name, value in base.state_dict().items()}
        training.save(base, folder / "base.safetensors")
        said["base"] = {"seconds": seconds, "held": training.accuracies(base, materials, every)}
        print("base", said["base"])
        said["parameters"] = sum(each.numel() for each in base.visual.parameters())
        for name in ("joint", *said["tasks"]):
            own = data if name == "joint" else training.pictures(materials, device, name)
            schedule = size.joint if name == "joint" else size.expert
            model, seconds = training.train(
                folder / "model.json", start, own, every, true, schedule, size.batch, TRAINING_SEED + 1
            )
            training.save(model, folder / f"{name}.safetensors")
            moved = training.distance(model, start)
            said[name] = {"seconds": seconds, "moved": moved, "held": training.accuracies(model, materials, every)}
            print(name, said[name])
        for sheet in sheets:
            sheet.result()
    facts = {**machine(), "device": torch.cuda.get_device_name() if given.device == "cuda" else "cpu"}
    if given.device == "cuda":
        torch.cuda.empty_cache()
    return {"machine": facts, "training": said}


class Measuring:
    """Processes that measure, which load their libraries while the models are trained."""

    def __init__(self, folder: Path, given: argparse.Namespace, seeds: list[int], deadline: float) -> None:
        self._folder, self._given, self._seeds, self._deadline = folder, given, seeds, deadline
        self._context = multiprocessing.get_context("spawn")
        self._ready = self._context.Event()
        self._queue: multiprocessing.Queue[tuple[str, int, Any]] = self._context.Queue()
        self._started: list[Any] = []

    def processes(self, count: int) -> "Measuring":
        """Start them; one alone is this process itself."""
        if count > 1:
            threads = max(1, (os.cpu_count() or 1) // count)
            for number in range(count):
                words = (self._folder, vars(self._given), self._seeds[number::count], self._deadline, threads)
                process = self._context.Process(target=_waiting, args=(*words, self._ready, self._queue))
                process.start()
                self._started.append(process)
        return self

    def __enter__(self) -> "Measuring":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            process.terminate()
            process.join()

    def go(self, put: Put) -> None:
        """Let them measure, and hand on what they find until all are done or the budget is long spent."""
        if not self._started:
            _measure_all(self._folder, vars(self._given), self._seeds, self._deadline, put)
            return
        self._ready.set()
        while time.time() < self._deadline + GRACE:
            try:
                put(self._queue.get(timeout=0.5))
            except queue.Empty:
                if not any(process.is_alive() for process in self._started):
                    break
        for process in self._started:
            if process.exitcode not in (None, 0):
                put(("failed", -1, f"a process ended with {process.exitcode}"))


def _waiting(
    folder: Path, given: dict[str, Any], seeds: list[int], deadline: float, threads: int, ready: Any, found: Any
) -> None:
    import torch

    import study.measuring.measure  # noqa: F401 - loaded while the models are trained

    torch.set_num_threads(threads)
    ready.wait()
    _measure_all(folder, given, seeds, deadline, found.put)


def _measure_all(folder: Path, given: dict[str, Any], seeds: Sequence[int], deadline: float, put: Put) -> None:
    for late in (False, True):
        for seed in seeds:
            try:
                _measure(folder, given, seed, late, deadline, put)
            except Exception:
                put(("failed", seed, traceback.format_exc()))


def _measure(folder: Path, given: dict[str, Any], seed: int, late: bool, deadline: float, put: Put) -> None:
    """Measure all methods of a seed, the slow ones or the others."""
    from benchmarks.learning_order import one_row, reference_lines
    from evaluation.errors import Cancelled
    from study.measuring.learned import DIRECTIONS
    from study.measuring.measure import Measurer

    wanted = [
        (group, name, settings)
        for group, many in GROUPS.items()
        for name, settings in many.items()
        if is_late(group, name) == late and (not given["only"] or name in given["only"].split(","))
    ]
    made = prepared(folder, seed, FEW if given["tiny"] else SAMPLES)
    if not wanted:
        return
    with Measurer(made, given["device"], splits=("validation", "test")) as measurer:
        lines = reference_lines(measurer)
        if not late:
            put(("lines", seed, {**lines, "joint, equal": joint(made, folder, given["device"])}))
        for group, name, settings in wanted:
            if time.time() > deadline:
                return
            try:
                put(
                    ("row", seed, one_row(measurer, seed, group, name, settings, lines, lambda: time.time() > deadline))
                )
            except Cancelled:
                return
            except Exception:
                put(("failed", seed, f"{name}: {traceback.format_exc()}"))
            measurer.prepared.clear()
            for path in (made.folder / DIRECTIONS).glob("*.f32"):
                path.unlink()


def prepared(folder: Path, seed: int, samples: dict[str, int]) -> Any:
    """The study of a seed; its files lie beside it."""
    from demo.network import BYTES
    from study.settings import BaseChoice, ExpertChoice, MethodChoice, Samples, Settings, TaskChoice
    from study.study import Study

    tasks = sorted(path.stem for path in (folder / "heads").iterdir())
    settings = Settings(
        name="larger study",
        base=BaseChoice(
            model=str(folder / "model.json"), weights=str(folder / "base.safetensors"), tokenizer=str(BYTES)
        ),
        experts=tuple(ExpertChoice(name=task, weights=str(folder / f"{task}.safetensors")) for task in tasks),
        tasks=tuple(
            TaskChoice(
                name=task,
                data=str(folder / "tasks" / task),
                head=str(folder / "heads" / f"{task}.safetensors"),
                samples=Samples(**samples),
            )
            for task in tasks
        ),
        methods=(MethodChoice(name="task_arithmetic"),),
        seed=seed,
    )
    place = folder / f"study-{seed}"
    place.mkdir(exist_ok=True)
    return Study(place, settings)


def joint(made: Any, folder: Path, device: str) -> list[float]:
    """The joint model on the test samples, by task."""
    from benchmarks.learning_order import values
    from study.measuring.measure import Measurer
    from study.settings import ExpertChoice, MethodChoice
    from study.study import Study

    expert = ExpertChoice(name="joint", weights=str(folder / "joint.safetensors"))
    alone = Study(made.folder, made.settings.model_copy(update={"experts": (expert,)}))
    with Measurer(alone, device, splits=("test",)) as measurer:
        return values(measurer, MethodChoice(name="task_arithmetic"), {"joint": 1.0}, "test")


if __name__ == "__main__":
    sys.exit(main())
