"""Optuna's samplers as ways to spend a budget: they run in the peers' environment, on the pool's points."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.peers.environment import call
from benchmarks.quality.bed import Bed, Rows
from benchmarks.quality.budgets import SPENDERS, Spend

SCRIPT = Path(__file__).resolve().parents[1] / "peers" / "optuna_search.py"
SAMPLERS = {
    "optuna-tpe": ("TPE (Optuna)", "tpe"),
    "optuna-gp": ("GP (Optuna)", "gp"),
    "optuna-nsga2": ("NSGA-II (Optuna)", "nsga2"),
}

TITLES = {name: title for name, (title, _) in (*SPENDERS.items(), *SAMPLERS.items())}


def spenders(python: Path) -> dict[str, tuple[str, Spend]]:
    """Each sampler as a way to spend, by its name; python: that of the environment with Optuna."""
    return {name: (title, _spend(python, kind)) for name, (title, kind) in SAMPLERS.items()}


def _spend(python: Path, kind: str) -> Spend:
    def spend(bed: Bed, count: int, seed: int) -> Rows:
        with tempfile.TemporaryDirectory() as folder:
            pool = Path(folder) / "pool.npz"
            np.savez(pool, X=bed.X, Y=bed.hard)
            found = call(python, SCRIPT, str(pool), kind, str(count), str(seed))
        return np.array(found["rows"], dtype=np.intp)

    return spend
