"""Optuna's dashboard over the same made-up front. Runs in the peers' environment, knows nothing of Mergescape.

    python dashboard.py FRONT.npz PORT

FRONT holds X (k, d), coefficients, and Y (k, m), what they reach.
"""

import sys

import numpy as np
import optuna
from optuna_dashboard import run_server


def main(front: str, port: str) -> None:
    with np.load(front) as file:
        X, Y = file["X"], file["Y"]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name="front", directions=["maximize"] * Y.shape[1])
    study.set_metric_names([f"task {number + 1}" for number in range(Y.shape[1])])
    space = {f"c{number + 1}": optuna.distributions.FloatDistribution(0.0, 3.0) for number in range(X.shape[1])}
    study.add_trials(
        [
            optuna.trial.create_trial(
                params=dict(zip(space, map(float, x), strict=True)), distributions=space, values=[float(v) for v in y]
            )
            for x, y in zip(X, Y, strict=True)
        ]
    )
    run_server(storage, host="127.0.0.1", port=int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
