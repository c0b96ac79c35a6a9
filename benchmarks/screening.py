"""What a search on few samples costs in accuracy: the predicted accuracy on all samples, along the true front.

    python -m benchmarks.screening [--pools two-a,three-a,four] [--cache FOLDER] [--out FILE]

Pools of really measured merges (`python -m benchmarks.front_quality --make`). Anchors and finalists are read on all
samples of a task (both splits of the pool together), the design and points of the front on the first few. Five ways to
predict the accuracy on all of them, each by the logit surrogate; root mean square error over the front's other points:
every trial whole, whole trials only, the few samples as they are, those moved by the mean difference that whole trials
show, and the few completed (`surrogate/fidelity.py`).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.machine import machine
from benchmarks.quality.pools import POOLS, Array, load
from evaluation.metric import metric
from surrogate import Observations, anchor_points, design, link_for, non_dominated, surrogate
from surrogate.fidelity import complete

SEEN = {2: 100, 3: 80, 4: 60}  # samples of a short trial
SHORT = {2: 12, 3: 20, 4: 24}  # short trials beside the design
FINALISTS = {2: 6, 3: 8, 4: 8}
SEEDS = 4
ACCURACY, SOFT = metric("accuracy"), metric("soft_accuracy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pools", default="two-a,three-a,four")
    parser.add_argument("--cache", type=Path, default=Path("build/pools"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/screening.json"))
    chosen = parser.parse_args()
    rows = [row for name in chosen.pools.split(",") for row in measure(name, chosen.cache)]
    result = {"rows": rows, "seen": SEEN, "short": SHORT, "finalists": FINALISTS, "machine": machine()}
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result) + "\n")
    for name in chosen.pools.split(","):
        for stage in ("anchors", "finalists"):
            mine = [row["rmse"] for row in rows if (row["pool"], row["whole"]) == (name, stage)]
            told = ", ".join(f"{way} {np.median([one[way] for one in mine]):.4f}" for way in mine[0])
            print(f"{name}, whole trials: {stage}: {told}")


def measure(name: str, cache: Path) -> list[dict[str, Any]]:
    """Every seed of one pool, before and after its finalists are known on all samples."""
    pool = load(POOLS[name], cache)
    splits = [split for split in ("validation", "test") if pool.outputs[split]]
    rows = []
    for seed in range(SEEDS):
        order = np.random.default_rng(seed)
        outputs, targets = [], []
        for task in range(pool.spec.d):
            o = np.concatenate([pool.outputs[split][task] for split in splits], axis=1)
            t = np.concatenate([pool.targets[split][task] for split in splits])
            mixed = order.permutation(len(t))
            outputs.append(o[:, mixed])
            targets.append(t[mixed])
        bed = Bed(pool.X, outputs, targets, SEEN[pool.spec.d])
        anchors, short = bed.searched(seed)
        last = bed.finalists(short, seed)
        for stage, whole in (("anchors", anchors), ("finalists", [*anchors, *last])):
            rest = [row for row in short if row not in whole]
            rows.append({"pool": name, "seed": seed, "whole": stage, "rmse": bed.errors(whole, rest)})
    return rows


class Bed:
    """A pool of which trials see all samples or the first few. X (k, d); outputs (k, s, C) and targets by task."""

    def __init__(self, X: Array, outputs: list[NDArray[Any]], targets: list[NDArray[Any]], few: int) -> None:
        self.X, self.outputs, self.targets, self.few = X, outputs, targets, few
        self.truth = read(ACCURACY, outputs, targets)
        self.front = np.flatnonzero(non_dominated(read(SOFT, outputs, targets)))

    def searched(self, seed: int) -> tuple[list[int], list[int]]:
        """Rows of the anchors, and of the short trials: the design and points of the front."""
        d = self.X.shape[1]
        low, high = np.zeros(d), np.ones(d)
        anchors = anchor_points(d, low, high, 0.3)
        first = list(dict.fromkeys(self._near(point) for point in anchors))
        planned = [self._near(point) for point in design(d, 2 * d + 4, low, high, anchors, seed).X]
        found = np.random.default_rng(seed).permutation(np.setdiff1d(self.front, first + planned))[: SHORT[d]]
        return first, [row for row in dict.fromkeys([*planned, *found.tolist()]) if row not in first]

    def finalists(self, short: list[int], seed: int) -> list[int]:
        """Short trials that no other one beats on the samples that they saw."""
        few = read(SOFT, [o[short, : self.few] for o in self.outputs], [t[: self.few] for t in self.targets])
        best = np.array(short)[non_dominated(few)]
        picked: list[int] = np.random.default_rng(seed).permutation(best)[: FINALISTS[self.X.shape[1]]].tolist()
        return picked

    def errors(self, whole: list[int], short: list[int]) -> dict[str, float]:
        """Error of the predicted accuracy on all samples, by way of predicting it."""
        rows = whole + short
        known = [o[rows] for o in self.outputs]
        ends = [t[: self.few] for t in self.targets]
        few = self._fit(rows, [o[:, : self.few] for o in known], ends)
        moved = (self.truth[whole] - read(ACCURACY, [o[whole, : self.few] for o in self.outputs], ends)).mean(axis=0)
        filled = [np.concatenate([o[whole], complete(o[whole], o[short][:, : self.few]).outputs]) for o in self.outputs]
        rest = np.setdiff1d(self.front, rows)
        found = {"every trial whole": self._fit(rows, known, self.targets)(rest)}
        if len(whole) >= self.X.shape[1] + 3:
            found["whole trials only"] = self._fit(whole, [o[whole] for o in self.outputs], self.targets)(rest)
        found |= {
            "few samples": few(rest),
            "few samples, moved": few(rest) + moved,
            "completed": self._fit(rows, filled, self.targets)(rest),
        }
        return {way: float(np.sqrt(np.mean((seen - self.truth[rest]) ** 2))) for way, seen in found.items()}

    def _fit(self, rows: list[int], outputs: list[NDArray[Any]], targets: list[NDArray[Any]]) -> Any:
        d, m = self.X.shape[1], len(outputs)
        Y = read(ACCURACY, outputs, targets)
        seen = Observations(
            X=self.X[rows], Y=Y, noise=np.full(Y.shape, 1e-4), low=np.zeros(d), high=np.ones(d),
            names=tuple(str(task) for task in range(m)), links=(link_for(0.0, 1.0),) * m, outputs=tuple(outputs),
            targets=tuple(targets), metrics=(ACCURACY.function,) * m, search=(SOFT.function,) * m,
        )  # fmt: skip
        model = surrogate("logits").fit(seen, 0)
        return lambda at: model.predict(self.X[at]).mean

    def _near(self, point: Array) -> int:
        return int(np.argmin(((self.X - point) ** 2).sum(axis=1)))


def read(one: Any, outputs: list[NDArray[Any]], targets: list[NDArray[Any]]) -> Array:
    """A metric of every merge on every task, (k, m)."""
    return np.stack([np.asarray(one(o, t), dtype=np.float64) for o, t in zip(outputs, targets, strict=True)], axis=1)


if __name__ == "__main__":
    main()
