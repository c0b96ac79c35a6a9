"""A trial, its measurements, and what the worker says of itself: plain values, as the store holds them."""

from __future__ import annotations

from dataclasses import dataclass, field

CANCEL, PAUSE = 1, 2  # what a worker can be asked, in the store's column `cancel`


@dataclass(frozen=True)
class Measured:
    """One metric of one trial: value in the metric's own unit, standard error, number of samples, seconds."""

    metric: str
    value: float
    stderr: float
    n: int
    seconds: float = 0.0


@dataclass(frozen=True)
class Trial:
    """One method with coefficients, and what was measured: *proposed → running → done | failed*."""

    id: str
    number: int
    state: str
    method: str
    settings: dict[str, object]
    coefficients: dict[str, float]
    origin: str
    metrics: dict[str, Measured] = field(default_factory=dict)
    test: dict[str, Measured] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    error: str | None = None
    finished: float | None = None
    fidelity: int | None = None  # validation samples per task that it saw, the first ones; None: all


@dataclass(frozen=True)
class Progress:
    """What the worker last said of itself; ``heartbeat`` is seconds since the epoch."""

    pid: int | None
    phase: str | None
    done: int
    total: int
    budget: int
    method: str | None
    heartbeat: float | None
    started: float | None
    cancel: bool
    pause: bool
    error: str | None
