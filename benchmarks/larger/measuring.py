"""Measuring of the larger study: methods by rounds, each round for every seed, in processes that share the work.

Those that stand for a class of the literature's order come in the first rounds, so that a run that is cut off has
complete seeds of every class.
"""

import argparse
import json
import multiprocessing
import os
import queue
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.learning_methods import GROUPS

FIRST: tuple[tuple[str, ...], ...] = (
    ("weighted_average", "task_arithmetic", "ties", "tsv_m", "iso_c"),
    ("regmean", "lot", "react", "featcal+tsv_m", "react+tsv_m"),
    ("expert_merging", "adamerging"),
    ("regmean_pp", "featcal", "wudi", "pleas"),
    ("fisher", "atlas"),
    ("concrete", "anchored+tuned"),
)
GRACE = 15.0  # seconds for a process to see that the budget is spent
Put = Callable[[tuple[str, int, Any]], None]
Job = tuple[int, tuple[str, ...]]  # a seed and the methods of a round


def jobs(seeds: Sequence[int], only: Sequence[str], have: set[tuple[int, str]]) -> list[Job]:
    """What is to be measured: round by round, in each of them every seed.

    >>> jobs([0, 1], ["lot", "ties", "atlas"], {(0, "ties")})
    [(1, ('ties',)), (0, ('lot',)), (1, ('lot',)), (0, ('atlas',)), (1, ('atlas',))]
    """
    early = {name for each in FIRST for name in each}
    every = [name for many in GROUPS.values() for name in many]
    rounds = [*FIRST, tuple(name for name in every if name not in early)]
    found = []
    for each in rounds:
        for seed in seeds:
            names = tuple(name for name in each if (not only or name in only) and (seed, name) not in have)
            if names:
                found.append((seed, names))
    return found


def samples(given: Mapping[str, Any]) -> dict[str, int]:
    """Samples a task, by split: the size's, or as many to learn from as were asked for."""
    from benchmarks.larger.training import SIZES

    found = SIZES[given["size"]].samples
    return found if given["calibration"] is None else found | {"calibration": given["calibration"]}


class Measuring:
    """Processes that measure, which load their libraries while the models are trained."""

    def __init__(self, folder: Path, given: argparse.Namespace, many: list[Job], deadline: float) -> None:
        self._folder, self._given, self._jobs, self._deadline = folder, given, many, deadline
        self._context = multiprocessing.get_context("spawn")
        self._ready = self._context.Event()
        self._left: multiprocessing.Queue[Job] = self._context.Queue()
        self._found: multiprocessing.Queue[tuple[str, int, Any]] = self._context.Queue()
        self._started: list[Any] = []

    def processes(self, count: int) -> "Measuring":
        """Start them; one alone is this process itself."""
        if count > 1:
            threads = max(1, (os.cpu_count() or 1) // count)
            for job in self._jobs:
                self._left.put(job)
            for _ in range(count):
                words = (self._folder, vars(self._given), self._left, self._deadline, threads, self._ready, self._found)
                process = self._context.Process(target=_waiting, args=words)
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
            _measure_all(self._folder, vars(self._given), iter(self._jobs), self._deadline, put)
            return
        self._ready.set()
        while time.time() < self._deadline + GRACE:
            try:
                put(self._found.get(timeout=0.5))
            except queue.Empty:
                if not any(process.is_alive() for process in self._started) and self._found.empty():
                    break
        for process in self._started:
            if process.exitcode not in (None, 0):
                put(("failed", -1, f"a process ended with {process.exitcode}"))


def _waiting(
    folder: Path, given: dict[str, Any], left: Any, deadline: float, threads: int, ready: Any, found: Any
) -> None:
    import torch

    import study.measuring.measure  # noqa: F401 - loaded while the models are trained

    torch.set_num_threads(threads)
    ready.wait()
    _measure_all(folder, given, _taken(left), deadline, found.put)


def _taken(left: Any) -> Iterator[Job]:
    """The jobs that no other process took."""
    while True:
        try:
            yield left.get(timeout=1.0)
        except queue.Empty:
            return


def _measure_all(folder: Path, given: dict[str, Any], many: Iterator[Job], deadline: float, put: Put) -> None:
    for seed, names in many:
        try:
            _measure(folder, given, seed, names, deadline, put)
        except Exception:
            put(("failed", seed, traceback.format_exc()))


def _measure(folder: Path, given: dict[str, Any], seed: int, names: tuple[str, ...], deadline: float, put: Put) -> None:
    """Measure these methods for a seed."""
    from benchmarks.learning_order import one_row, reference_lines
    from evaluation.errors import Cancelled
    from study.measuring.learned import DIRECTIONS
    from study.measuring.measure import Measurer

    made = prepared(folder, seed, samples(given))
    wanted = [(group, name, many[name]) for group, many in GROUPS.items() for name in names if name in many]
    with Measurer(made, given["device"], splits=("validation", "test")) as measurer:
        kept = folder / f"lines-{seed}-{made.settings.tasks[0].samples.calibration}.json"
        if not kept.exists():
            lines = reference_lines(measurer)
            if (folder / "joint.safetensors").exists():
                lines["joint, equal"] = joint(made, folder, given["device"])
            kept.write_text(json.dumps(lines), encoding="utf-8")
        lines = json.loads(kept.read_text(encoding="utf-8"))
        put(("lines", seed, lines))
        for group, name, settings in wanted:
            if time.time() > deadline:
                return
            try:
                row = one_row(measurer, seed, group, name, settings, lines, lambda: time.time() > deadline, folder)
                put(("row", seed, row))
            except Cancelled:
                return
            except Exception:
                put(("failed", seed, f"{name}: {traceback.format_exc()}"))
            measurer.prepared.clear()
            for path in (made.folder / DIRECTIONS).glob("*.f32"):
                path.unlink()


def prepared(folder: Path, seed: int, counts: dict[str, int]) -> Any:
    """The study of a seed; its files lie beside it, its own folder is this process's."""
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
                samples=Samples(**counts),
            )
            for task in tasks
        ),
        methods=(MethodChoice(name="task_arithmetic"),),
        seed=seed,
    )
    place = folder / f"study-{seed}-{os.getpid()}"
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
