"""Optuna's multi-objective samplers on measured points. Runs in the peers' environment, knows nothing of Mergescape.

    python optuna_search.py POOL.npz SAMPLER COUNT SEED

POOL holds X (k, d) in [0, 1] and Y (k, m), maximised. What a sampler asks for is answered by the nearest point that was
not measured yet. The last line printed is a JSON object {"rows": [...]}, the points in the order they were measured.
"""

import json
import sys
import warnings

import numpy as np
import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, TPESampler

POPULATION = 10


def sampler(name: str, seed: int) -> BaseSampler:
    """A sampler as it comes, but for a population that fits a few dozen measurements."""
    if name == "tpe":
        return TPESampler(seed=seed)
    return GPSampler(seed=seed) if name == "gp" else NSGAIISampler(seed=seed, population_size=POPULATION)


def main(pool: str, name: str, count: str, seed: str) -> None:
    with np.load(pool) as file:
        X, Y = file["X"], file["Y"]
    free = np.ones(len(X), dtype=bool)
    rows: list[int] = []

    def measured(trial: optuna.Trial) -> list[float]:
        asked = np.array([trial.suggest_float(f"c{i}", 0.0, 1.0) for i in range(X.shape[1])])
        row = int(np.argmin(np.where(free, ((X - asked) ** 2).sum(axis=1), np.inf)))
        free[row] = False
        rows.append(row)
        return [float(value) for value in Y[row]]

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    study = optuna.create_study(directions=["maximize"] * Y.shape[1], sampler=sampler(name, int(seed)))
    study.optimize(measured, n_trials=int(count))
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main(*sys.argv[1:])
