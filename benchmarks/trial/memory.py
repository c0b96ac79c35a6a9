"""How much memory a study of 8 ViT-B/32 experts and 8 tasks of 400 samples takes, in float32."""

import resource
import time
from pathlib import Path
from typing import Any


def measure(folder: Path) -> dict[str, Any]:
    """Peak resident bytes of this process through loading, preparing and one whole trial; run it in a fresh one."""
    from benchmarks.trial.vit import points
    from study.measuring.measure import Measurer
    from study.study import open_study

    study = open_study(folder)
    steps: dict[str, float] = {}
    with Measurer(study, "cpu", lambda phase, done, total: steps.update({phase: _peak()})) as measurer:
        measurer.directions(study.method())
        steps["directions ready"] = _peak()
        begun = time.perf_counter()
        result = measurer.measure(study.method(), points([one.name for one in study.experts], 2)[1])
        seconds = time.perf_counter() - begun
        parameters = measurer.vectors.layout.parameters
    return {
        "experts": len(study.experts),
        "samples": sum(len(one) for one in result.outputs.values()),
        "parameters": parameters,
        "peak_resident_gb": _peak(),
        "peak_by_step_gb": steps,
        "trial_seconds_while_busy": seconds,
    }


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
