"""Optuna's dashboard over a made-up front. Runs in an environment of its own, knows nothing of Mergescape.

    python dashboard.py FRONT.npz OBJECTIVES PORT

FRONT holds X (k, d), coefficients, and Y (k, m), what they reach; the first OBJECTIVES columns of Y are shown. The
server is the one that the command `optuna-dashboard` starts, the storage the quickest there is.
"""

import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import numpy as np
import optuna
from optuna_dashboard import wsgi

HIGHEST = 3.0


class Threaded(ThreadingMixIn, WSGIServer):
    """As the command has it: a thread for every request."""


class Silent(WSGIRequestHandler):
    """No line per request."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def main(front: str, objectives: str, port: str) -> None:
    with np.load(front) as file:
        X, Y = file["X"], file["Y"][:, : int(objectives)]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name="front", directions=["maximize"] * Y.shape[1])
    space = {f"c{number + 1}": optuna.distributions.FloatDistribution(0.0, HIGHEST) for number in range(X.shape[1])}
    study.add_trials(
        [
            optuna.trial.create_trial(
                params=dict(zip(space, map(float, x), strict=True)), distributions=space, values=[float(v) for v in y]
            )
            for x, y in zip(X, Y, strict=True)
        ]
    )
    with make_server("127.0.0.1", int(port), wsgi(storage), server_class=Threaded, handler_class=Silent) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
