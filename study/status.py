"""How a study stands: counts, time spent and left, cost of a trial, the last error."""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter

from study.axes import axes
from study.background.worker import alive
from study.folder.trial import Progress, Trial
from study.study import Study

STALLED_AFTER = 30.0  # seconds without a heartbeat


def status(study: Study) -> dict[str, object]:
    """The JSON of `python -m study status` (contract.md), and under "worker" what the process is doing."""
    trials = study.store.trials()
    own = [trial for trial in trials if trial.origin != "baseline"]
    counts = Counter(trial.state for trial in own)
    spent = [sum(trial.seconds.values()) for trial in own if trial.state == "done"]
    progress = study.store.progress()
    pace = at_once(trials, progress)
    paced = [seconds / pace for seconds in spent]
    running = alive(study.folder)
    failed = [trial for trial in trials if trial.state == "failed"]
    each = statistics.median(spent) if spent else None
    return {
        "name": study.settings.name,
        "experts": [expert.name for expert in study.experts],
        "coefficients": list(study.coefficients),
        "tasks": [{"name": one.name, "metric": one.metric, "title": one.title} for one in axes(study)],
        "methods": [method.name for method in study.settings.methods],
        "done": counts["done"],
        "failed": counts["failed"],
        "running": counts["running"],
        "proposed": counts["proposed"],
        "partial": sum(trial.fidelity is not None and trial.state == "done" for trial in own),
        "baselines": sum(trial.origin == "baseline" and trial.state == "done" for trial in trials),
        "seconds": sum(sum(trial.seconds.values()) for trial in trials),
        "seconds_per_trial": each,
        "breakdown": _breakdown(own),
        "last_error": failed[-1].error if failed else progress.error,
        "worker": _worker(progress, running),
        "seconds_left": _left(progress, running, statistics.median(paced) if paced else None),
        "seconds_left_range": _range(progress, running, paced),
    }


def at_once(trials: list[Trial], progress: Progress) -> float:
    """How many trials this run measures at a time, from what it has finished so far; at least 1."""
    since = progress.started or math.inf
    mine = [trial for trial in trials if trial.finished is not None and trial.finished > since]
    if not mine:
        return 1.0
    span = max(trial.finished or 0.0 for trial in mine) - since
    return max(1.0, sum(sum(trial.seconds.values()) for trial in mine) / max(span, 1e-9))


def _breakdown(trials: list[Trial]) -> dict[str, float]:
    """Median seconds of a done trial, by part."""
    done = [trial.seconds for trial in trials if trial.state == "done"]
    parts = ("merge", "forward", "other")
    return {part: statistics.median(one[part] for one in done) if done else 0.0 for part in parts}


def _worker(progress: Progress, running: bool) -> dict[str, object]:
    age = None if progress.heartbeat is None else max(0.0, time.time() - progress.heartbeat)
    return {
        "running": running,
        "stalled": running and age is not None and age > STALLED_AFTER,
        "pid": progress.pid if running else None,
        "phase": progress.phase,
        "done": progress.done,
        "total": progress.total,
        "budget": progress.budget,
        "method": progress.method,
        "heartbeat_age": age,
        "cancelling": running and progress.cancel,
        "pausing": running and progress.pause,
        "error": progress.error,
    }


def _range(progress: Progress, running: bool, spent: list[float]) -> list[float] | None:
    """Seconds left if the rest were as quick as the quickest quarter so far, and as slow as the slowest quarter."""
    if len(spent) < 3:
        return None
    quarter = statistics.quantiles(spent[-20:], n=4)
    ends = [_left(progress, running, each) for each in (quarter[0], quarter[2])]
    return None if ends[0] is None or ends[1] is None else [ends[0], ends[1]]


def _left(progress: Progress, running: bool, each: float | None) -> float | None:
    if not running or each is None or progress.phase != "measuring":
        return None
    return each * max(0, progress.total - progress.done)
