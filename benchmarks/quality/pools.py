"""Ground truth: merges of the demo's real models, measured once on every sample and kept outside the repository.

Task arithmetic over the box [0, 1]^N. Up to three experts a dense grid; above, a cloud refined round by round about
its own front. A pool file holds the coefficients, and per task and split the outputs of every sample as float16, their
mean over classes taken off (no metric used here sees it).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.metric import metric
from surrogate import anchor_points, non_dominated
from surrogate.design import scaled_simplex
from surrogate.sobol import sobol

Array = NDArray[np.float64]
SAVE_EVERY = 50


@dataclass(frozen=True)
class PoolSpec:
    """What a pool is made of. side > 0: a grid of side^N points; rounds: sizes of a cloud's rounds, the first spread
    out. validation, test: samples per task. role: "development" (looked at while building) or "reporting" (kept
    aside)."""

    name: str
    tasks: tuple[str, ...]
    side: int
    rounds: tuple[int, ...]
    validation: int
    test: int
    role: str

    @property
    def d(self) -> int:
        """Number of coefficients, and of tasks."""
        return len(self.tasks)


@dataclass(frozen=True)
class Pool:
    """Measured merges: X (k, d); per task outputs (k, s, C) and targets (s,) of both splits; test may be empty."""

    spec: PoolSpec
    X: Array
    outputs: dict[str, tuple[NDArray[Any], ...]]
    targets: dict[str, tuple[NDArray[Any], ...]]
    seconds: float


PAIR = ("digits", "signs")
OTHER_PAIR = ("surfaces", "faults")
TRIPLE = ("digits", "signs", "flags")
OTHER_TRIPLE = ("letters", "surfaces", "faults")
SIX = ("digits", "letters", "signs", "surfaces", "faults", "flags")
POOLS = {
    spec.name: spec
    for spec in (
        PoolSpec("two-a", PAIR, 21, (), 300, 300, "development"),
        PoolSpec("two-b", OTHER_PAIR, 21, (), 200, 300, "reporting"),
        PoolSpec("three-a", TRIPLE, 9, (), 200, 150, "development"),
        PoolSpec("six", SIX, 0, (500, 400, 300, 300), 200, 0, "reporting"),
        PoolSpec("three-b", OTHER_TRIPLE, 9, (), 200, 150, "reporting"),
        PoolSpec("four", ("digits", "letters", "surfaces", "flags"), 0, (400, 300, 300), 200, 0, "reporting"),
    )
}

# Every held-out picture that the demo has; fewer points, so that they are measured in the same time. For one question:
# how far the number of samples, and nothing else, limits what is known of the accuracy.
WHOLE = {
    name: replace(POOLS[name], name=f"{name}-whole", side=7, validation=896, test=0) for name in ("three-a", "three-b")
}


def load(spec: PoolSpec, cache: Path) -> Pool:
    """A finished pool from the cache folder. Raises FileNotFoundError when it was not made yet."""
    with np.load(cache / f"{spec.name}.npz", allow_pickle=False) as file:
        kept = {name: file[name] for name in file.files}
    outputs, targets = {}, {}
    for split in ("validation", "test"):
        tasks = spec.tasks if f"{split}.{spec.tasks[0]}" in kept else ()
        outputs[split] = tuple(dithered(kept[f"{split}.{task}"]) for task in tasks)
        targets[split] = tuple(kept[f"targets.{split}.{task}"] for task in tasks)
    return Pool(spec, kept["X"], outputs, targets, float(kept["seconds"]))


def dithered(outputs: NDArray[np.float16]) -> NDArray[np.float32]:
    """float32 outputs, each anywhere (seeded) in the interval that its float16 stands for.

    Rounding makes equal best classes, which float32 outputs never have and by which an accuracy would depend on the
    order of the classes.
    """
    step = np.spacing(np.abs(outputs)).astype(np.float32)
    offset = np.random.default_rng(5).random(outputs.shape, dtype=np.float32) - np.float32(0.5)
    return np.asarray(outputs.astype(np.float32) + step * offset, dtype=np.float32)


def make(spec: PoolSpec, cache: Path, say: Callable[[str], None]) -> Pool:
    """Measure a pool, or what is missing of it, and keep it in the cache folder."""
    path = cache / f"{spec.name}.npz"
    if path.exists():
        return load(spec, cache)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        _measure(spec, Path(folder) / "study", cache / f"{spec.name}.part.npz", path, say)
    return load(spec, cache)


def points(spec: PoolSpec, X: Array, values: list[Array], number: int) -> Array:
    """The points of round ``number``: a grid at once, or a cloud whose later rounds surround the front so far.

    X (k, d) what is measured, values its metrics (k, m) by which fronts are taken.
    """
    if spec.side:
        axes = [np.linspace(0.0, 1.0, spec.side)] * spec.d
        return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
    low, high = np.zeros(spec.d), np.ones(spec.d)
    count = spec.rounds[number]
    if number == 0:
        anchors = anchor_points(spec.d, low, high)
        box = sobol(spec.d, count // 8, 71)
        rest = scaled_simplex(spec.d, count - len(anchors) - len(box), low, high, 72)
        return np.concatenate([anchors, box, rest])
    rng = np.random.default_rng(73 + number)
    front = np.flatnonzero(np.any([non_dominated(Y) for Y in values], axis=0))
    parents = X[rng.choice(front, count)]
    other = X[rng.choice(front, count)]
    share = rng.random((count, 1)) * (rng.random((count, 1)) < 0.5)
    step = rng.standard_normal((count, spec.d)) * (0.12, 0.08, 0.05)[min(number, 3) - 1]
    return np.clip(parents + share * (other - parents) + step, low, high)


def _measure(spec: PoolSpec, folder: Path, part: Path, path: Path, say: Callable[[str], None]) -> None:
    from study.demo import write_demo
    from study.measuring.measure import Measurer
    from study.settings import Samples
    from study.study import Study

    made = write_demo(folder, spec.tasks)
    samples = Samples(validation=spec.validation, test=max(spec.test, 1))
    tasks = tuple(task.model_copy(update={"samples": samples}) for task in made.settings.tasks)
    study = Study(made.folder, made.settings.model_copy(update={"tasks": tasks}))
    splits = ("validation", "test") if spec.test else ("validation",)
    rows = _Rows(spec, part, splits)
    with Measurer(study, "cpu", splits=splits) as measurer:
        choice = study.method()
        for number in range(1 if spec.side else len(spec.rounds)):
            known = sum(spec.rounds[:number])
            values = [rows.values(name)[:known] for name in ("accuracy", "soft_accuracy")]
            wanted = points(spec, rows.X[:known], values, number)
            for done, point in enumerate(wanted):
                if rows.has(number, done):
                    continue
                begun = time.perf_counter()
                at = dict(zip(spec.tasks, (float(c) for c in point), strict=True))
                found = {split: measurer.measure(choice, at, split).outputs for split in splits}
                rows.add(point, found, {split: measurer.targets(split) for split in splits})
                rows.seconds += time.perf_counter() - begun
                if len(rows.X) % SAVE_EVERY == 0:
                    rows.save(part)
                    say(f"{spec.name}: {len(rows.X)} measured, {rows.seconds:.0f} s")
    rows.save(path)
    part.unlink(missing_ok=True)


class _Rows:
    """What is measured of a pool so far, row by row."""

    def __init__(self, spec: PoolSpec, part: Path, splits: Sequence[str]) -> None:
        self.spec = spec
        self.splits = splits
        self.X: Array = np.empty((0, spec.d))
        self.seconds = 0.0
        self.outputs: dict[str, list[NDArray[Any]]] = {f"{s}.{t}": [] for s in splits for t in spec.tasks}
        self.targets: dict[str, NDArray[Any]] = {}
        if part.exists():
            with np.load(part, allow_pickle=False) as file:
                self.X, self.seconds = file["X"], float(file["seconds"])
                self.outputs = {key: list(file[key]) for key in self.outputs}
                self.targets = {key: file[key] for key in file.files if key.startswith("targets.")}

    def has(self, number: int, done: int) -> bool:
        """Whether point ``done`` of a round is measured already."""
        return sum(self.spec.rounds[:number]) + done < len(self.X)

    def add(self, point: Array, found: dict[str, Any], targets: dict[str, Any]) -> None:
        """One measured point."""
        self.X = np.concatenate([self.X, point[None]])
        for key in self.outputs:
            split, task = key.split(".", 1)
            raw = found[split][task]
            self.outputs[key].append((raw - raw.mean(axis=1, keepdims=True)).astype(np.float16))
            self.targets[f"targets.{split}.{task}"] = targets[split][task]

    def values(self, name: str) -> Array:
        """A metric on the validation split, (k, d)."""
        if len(self.X) == 0:
            return np.empty((0, self.spec.d))
        columns = [
            read_values(name, np.stack(self.outputs[f"validation.{task}"]), self.targets[f"targets.validation.{task}"])
            for task in self.spec.tasks
        ]
        return np.stack(columns, axis=1)

    def save(self, path: Path) -> None:
        """Write everything, atomically."""
        draft = path.with_suffix(".tmp")
        stacked = {key: np.stack(rows) for key, rows in self.outputs.items()}
        with open(draft, "wb") as file:
            np.savez(file, X=self.X, seconds=self.seconds, **stacked, **self.targets)
        draft.replace(path)


def read_values(name: str, outputs: NDArray[Any], targets: NDArray[Any], size: int = 100) -> Array:
    """A metric of outputs (k, s, C), (k,); in blocks, so that float32 copies stay small."""
    function = metric(name).function
    blocks = (outputs[start : start + size].astype(np.float32) for start in range(0, len(outputs), size))
    return np.concatenate([np.asarray(function(block, targets), dtype=np.float64) for block in blocks])
