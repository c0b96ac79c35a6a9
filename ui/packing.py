"""Arrays as short texts for the browser: base64 of whole numbers with the ends of their range. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Json = dict[str, Any]
STEPS = 65535


def columns(values: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> str:
    """(n, w) as 16-bit steps between each column's low and high, row by row, little-endian."""
    span = np.where(high > low, high - low, 1.0)
    steps = np.rint((values - low) / span * STEPS)
    return base64.b64encode(np.clip(steps, 0, STEPS).astype("<u2").tobytes()).decode()


def packed_points(rows: Sequence[Mapping[str, Any]], d: int, T: int) -> Json:
    """Points {"c", "m", "lo", "hi"} as one object of texts; a task's m, lo and hi share one scale."""
    C = np.array([row["c"] for row in rows], dtype=np.float64).reshape(-1, d)
    M, lo, hi = (np.array([row[name] for row in rows], dtype=np.float64).reshape(-1, T) for name in ("m", "lo", "hi"))
    if not len(rows):
        return {"n": 0, "d": d, "T": T}
    every = np.concatenate([M, lo, hi])
    ends = {"c": (C.min(axis=0), C.max(axis=0)), "m": (every.min(axis=0), every.max(axis=0))}
    ends["lo"] = ends["hi"] = ends["m"]
    parts = {name: columns(array, *ends[name]) for name, array in (("c", C), ("m", M), ("lo", lo), ("hi", hi))}
    scales = {name: [[_short(v) for v in side] for side in ends[name]] for name in ("c", "m")}
    return {"n": len(rows), "d": d, "T": T, **parts, "scales": scales}


def whole(values: NDArray[Any]) -> str:
    """Small whole numbers as 16-bit, little-endian."""
    return base64.b64encode(np.asarray(values).astype("<u2").tobytes()).decode()


def signed(values: NDArray[np.float64]) -> tuple[str, list[float]]:
    """(f, p) as signed 16-bit numbers, and the size of one step per row."""
    step = np.abs(values).max(axis=1, initial=0.0) / 32767.0
    step = np.where(step > 0, step, 1.0)
    steps = np.rint(values / step[:, None]).astype("<i2")
    return base64.b64encode(steps.tobytes()).decode(), [float(f"{one:.8g}") for one in step]


def _short(value: float) -> float:
    return float(f"{value:.9g}")
