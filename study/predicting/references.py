"""Reference lines that are no merge of the study: what its experts reach together, read from what was measured."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.metric import metric
from study.errors import StudyError
from study.measuring.outputs import load_outputs, load_targets
from study.study import Study


def ensemble(study: Study, lines: dict[str, Any]) -> dict[str, dict[str, float]] | None:
    """Metrics of the experts' probabilities averaged, on the validation samples: T models in the place of one.

    ``lines`` are the study's baselines. None before every expert was measured, or where answers are no classes. A merge
    that beats it is worth more than it saves; one expert alone mostly beats it on its own task.
    """
    trials = [lines.get(f"expert:{expert.name}", {}).get("trial") for expert in study.experts]
    targets = load_targets(study)
    try:
        outputs = [load_outputs(study, trial) for trial in trials if trial is not None]
    except StudyError:  # the outputs were removed; the trials stand
        return None
    if len(outputs) < len(trials) or len(trials) < 2:
        return None
    found = {}
    for task in study.tasks:
        one_of = metric(task.metric)
        wanted = targets.get(task.name)
        if wanted is None or not np.issubdtype(wanted.dtype, np.integer) or any(task.name not in o for o in outputs):
            return None
        joined = averaged(np.stack([one[task.name] for one in outputs]))
        found[task.name] = {
            "value": float(one_of.function(joined, wanted)),
            "stderr": float(one_of.stderr(joined, wanted)),
            "n": len(wanted),
        }
    return found or None


def averaged(outputs: NDArray[Any]) -> NDArray[np.float64]:
    """Logits (T, n, C) as the logarithm of the mean probabilities (n, C).

    >>> averaged(np.log([[[0.8, 0.2]], [[0.4, 0.6]]])).round(3).tolist()
    [[-0.511, -0.916]]
    """
    wide = outputs.astype(np.float64)
    logs = wide - wide.max(-1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(-1, keepdims=True))
    top = logs.max(0)
    return np.asarray(top + np.log(np.exp(logs - top).mean(0)), dtype=np.float64)
