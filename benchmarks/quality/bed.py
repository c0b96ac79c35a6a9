"""A pool as a bed for rivals: what they may see of it, and where a proposal lands.

Every proposal snaps to the nearest pool point that its owner has not measured yet, so a run costs no forward pass and
no rival can leave the pool's front behind: shares of hypervolume are at most 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.pools import Array, Pool, read_values
from evaluation.metric import metric
from surrogate import Link, Observations, non_dominated, reference_point

Rows = NDArray[np.intp]
SMALLEST = 0.02


@dataclass(frozen=True)
class Bed:
    """X (k, d); per task the validation outputs (k, s, C) and targets (s,); accuracies (k, m) of both kinds; test
    (k, m) accuracies on samples that no rival sees, (0, m) without such samples."""

    name: str
    tasks: tuple[str, ...]
    X: Array
    outputs: tuple[NDArray[Any], ...]
    targets: tuple[NDArray[Any], ...]
    hard: Array
    soft: Array
    test: Array

    @property
    def d(self) -> int:
        """Number of coefficients."""
        return int(self.X.shape[1])

    @property
    def stderr(self) -> Array:
        """Largest sampling error of an accuracy on the front, per task, (m,)."""
        front = self.hard[non_dominated(self.hard)]
        samples = np.array([len(t) for t in self.targets])
        return np.asarray(np.sqrt(front * (1.0 - front) / samples).max(axis=0))

    def observations(self, rows: Rows, link: str = "logit", search: str = "hard") -> Observations:
        """The trials of these pool rows as a surrogate gets them. search: "hard" or "soft", what is maximised."""
        m = len(self.tasks)
        Y = self.soft[rows] if search == "soft alone" else self.hard[rows]
        samples = np.array([len(t) for t in self.targets])
        accuracy, soft = metric("accuracy").function, metric("soft_accuracy").function
        one = Link("logit", 0.0, 1.0) if link == "logit" else Link("identity", 0.0, 1.0)
        return Observations(
            X=self.X[rows],
            Y=Y,
            noise=np.maximum(Y * (1.0 - Y), SMALLEST) / samples,
            low=np.zeros(self.d),
            high=np.ones(self.d),
            names=self.tasks,
            links=(one,) * m,
            outputs=tuple(outputs[rows].astype(np.float32) for outputs in self.outputs),
            targets=self.targets,
            metrics=(soft if search == "soft alone" else accuracy,) * m,
            search=(soft,) * m if search == "soft" else (),
        )

    def snap(self, points: Array, taken: Rows) -> Rows:
        """The nearest pool row for each point (n, d), one after another, none that is taken already."""
        free = np.ones(len(self.X), dtype=bool)
        free[taken] = False
        found = []
        for point in points:
            distance = ((self.X - point) ** 2).sum(axis=1)
            row = int(np.argmin(np.where(free, distance, np.inf)))
            free[row] = False
            found.append(row)
        return np.array(found, dtype=np.intp)

    def reference(self) -> Array:
        """The nadir of the true front less a tenth of its range, in accuracy."""
        return reference_point(self.hard)


def bed(pool: Pool, samples: int | None = None) -> Bed:
    """The pool's own validation split, the first ``samples`` of each task."""
    kept = slice(None, samples)
    outputs = tuple(one[:, kept] for one in pool.outputs["validation"])
    targets = tuple(one[kept] for one in pool.targets["validation"])
    return _bed(pool, outputs, targets, np.empty((0, pool.spec.d)))


def pooled_bed(pool: Pool) -> Bed:
    """Both splits together, to see: nearly the 400 samples a task that the program takes unless told."""
    both = ("validation", "test")
    outputs = tuple(np.concatenate(parts, axis=1) for parts in zip(*(pool.outputs[s] for s in both), strict=True))
    targets = tuple(np.concatenate(parts) for parts in zip(*(pool.targets[s] for s in both), strict=True))
    return _bed(pool, outputs, targets, np.empty((0, pool.spec.d)))


def split_bed(pool: Pool, seed: int, samples: int) -> Bed:
    """All samples of the pool thrown together and dealt anew: ``samples`` to see, all others to be judged by.

    One fixed split would mix its own luck (an easier test set) into every difference of shown and test values.
    """
    rng = np.random.default_rng(1000 + seed)
    splits = [split for split in ("validation", "test") if pool.outputs[split]]
    seen, known, judged = [], [], []
    for j in range(len(pool.spec.tasks)):
        outputs = np.concatenate([pool.outputs[split][j] for split in splits], axis=1)
        targets = np.concatenate([pool.targets[split][j] for split in splits])
        order = rng.permutation(len(targets))
        first, rest = np.sort(order[:samples]), np.sort(order[samples:])
        seen.append(outputs[:, first])
        known.append(targets[first])
        judged.append(read_values("accuracy", outputs[:, rest], targets[rest]))
    return _bed(pool, tuple(seen), tuple(known), np.stack(judged, axis=1))


def _bed(pool: Pool, outputs: tuple[Any, ...], targets: tuple[Any, ...], test: Array) -> Bed:
    both = [
        np.stack([read_values(name, one, true) for one, true in zip(outputs, targets, strict=True)], axis=1)
        for name in ("accuracy", "soft_accuracy")
    ]
    return Bed(pool.spec.name, pool.spec.tasks, pool.X, outputs, targets, both[0], both[1], test)
