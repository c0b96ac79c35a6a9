"""What a run will take: memory, disk, time, from the sizes and one short forward pass."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass

import psutil
import torch

from merging.combining.narrow import DTYPES as HALVES
from study.preflight.finding import Finding
from study.preflight.tasks import Looked
from study.study import Study

RUNS = 30  # trials of a usual run
PROBE = 16  # samples of the forward pass that is timed
MARGIN = 0.9


@dataclass
class Cost:
    """Bytes and seconds. memory: weights, directions and inputs together; at least: with the directions left on
    disk, read at each trial. disk: directions and prepared samples. seconds: of one trial, and of a usual run."""

    memory_bytes: float
    memory_least_bytes: float
    memory_free_bytes: float
    disk_bytes: float
    disk_free_bytes: float
    seconds_per_trial: float | None = None
    seconds_per_run: float | None = None


def estimate(study: Study, parameters: int, looked: Looked, device: torch.device) -> Cost:
    """Add up what a run of this study needs."""
    experts, methods = len(study.experts), len(study.settings.methods)
    weights = 4.0 * parameters
    inputs = {
        task.name: looked.inputs[task.name].nbytes * (task.samples.validation + task.samples.test)
        for task in study.tasks
        if task.name in looked.inputs
    }
    seen = sum(
        looked.inputs[task.name].nbytes * task.samples.validation for task in study.tasks if task.name in looked.inputs
    )
    least = weights + seen
    narrow = weights * experts / 2 if study.settings.directions in HALVES else 0.0
    free = float(psutil.virtual_memory().available)
    if device.type == "cuda":
        free = float(torch.cuda.mem_get_info(device)[0])
    return Cost(
        memory_bytes=least + (narrow or weights * experts),
        memory_least_bytes=least,
        memory_free_bytes=free,
        disk_bytes=(weights * (experts + 1) + narrow) * methods + sum(inputs.values()),
        disk_free_bytes=float(shutil.disk_usage(study.folder).free),
    )


def time_trial(study: Study, cost: Cost, parameters: int, looked: Looked, device: torch.device) -> None:
    """Fill in the seconds: one small batch per kind of input, and one pass over memory for the merge.

    Where a search sees few samples, a trial is such a one, and a run ends with its finalists on all samples.
    """
    if looked.model is None or not study.tasks or len(looked.inputs) < len(study.tasks):
        return
    whole = few = 0.0
    for task in study.tasks:
        count = task.samples.validation
        each = _seconds_per_sample(looked, task.name, min(PROBE, count), device)
        whole += each * count
        few += each * min(count, study.fidelity or count)
    flat = torch.ones(1 << 24, device=device)
    _synchronised(device)
    begun = time.perf_counter()
    flat.add_(1.0)
    once = (_synchronised(device) - begun) / flat.numel()
    merging = 2 * once * parameters * len(study.experts)
    cost.seconds_per_trial = few + merging
    screening = study.settings.screening
    last = screening.finalists * (whole + merging) if screening and study.fidelity else 0.0
    cost.seconds_per_run = (cost.seconds_per_trial * RUNS + last) * len(study.settings.methods)


def _seconds_per_sample(looked: Looked, task: str, count: int, device: torch.device) -> float:
    """The better of two forward passes of `count` samples, divided by them."""
    if looked.model is None:
        raise TypeError("there is no model to time")
    batch = torch.from_numpy(looked.inputs[task]).to(device).repeat_interleave(count, dim=0)
    taken: list[float] = []
    with torch.inference_mode():
        for _ in range(2):
            begun = _synchronised(device)
            looked.model.forward(batch, looked.heads[task])
            taken.append(_synchronised(device) - begun)
    return min(taken) / count


def _synchronised(device: torch.device) -> float:
    """The time when all work given to the device so far is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def judge(cost: Cost) -> list[Finding]:
    """Say what will not fit, and how long it will take."""
    findings: list[Finding] = []
    need, free = cost.memory_least_bytes, cost.memory_free_bytes
    if need > MARGIN * free:
        text = f"A trial needs at least {_size(need)} of memory; {_size(free)} are free."
        remedy = "Lower samples.validation, close other programs, or use a larger machine."
        findings.append(Finding("stop", "room", "memory", text, remedy))
    elif cost.memory_bytes > MARGIN * free:
        text = f"The experts' changes take {_size(cost.memory_bytes)} with the rest; {_size(free)} of memory are free."
        remedy = "It will run, reading them from disk at each trial. More memory or fewer experts make it faster."
        findings.append(Finding("warn", "room", "memory", text, remedy))
    if cost.disk_bytes > MARGIN * cost.disk_free_bytes:
        text = f"The study's caches need {_size(cost.disk_bytes)} of disk; {_size(cost.disk_free_bytes)} are free."
        findings.append(Finding("stop", "room", "disk", text, "Move the study folder to a larger disk."))
    if cost.seconds_per_trial is not None and cost.seconds_per_run is not None:
        text = (
            f"A trial will take about {_duration(cost.seconds_per_trial)}, {RUNS} trials "
            f"{_duration(cost.seconds_per_run)}; memory {_size(cost.memory_bytes)}, disk {_size(cost.disk_bytes)}."
        )
        findings.append(Finding("note", "room", "time", text))
    return findings


def as_numbers(cost: Cost) -> dict[str, float | None]:
    """The cost as plain data."""
    return asdict(cost)


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
