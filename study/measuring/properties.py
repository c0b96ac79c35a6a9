"""Numbers of a merged model that no samples give: its distance from the base, the size of its file, its speed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from merging import TaskVectors
from study.folder.trial import Measured
from study.settings import AxisChoice

PIECE = 1 << 22  # numbers of each model that are compared at a time


def distance(merged: Tensor, base: Tensor) -> float:
    """‖merged − base‖₂ / ‖base‖₂ over all floating-point tensors, both (P,); summed in float64, in a fixed order."""
    moved = size = 0.0
    for start in range(0, len(base), PIECE):
        ours = base[start : start + PIECE].to(merged.device, torch.float64)
        moved += float((merged[start : start + PIECE].to(torch.float64) - ours).square().sum())
        size += float(ours.square().sum())
    return (moved / size) ** 0.5 if size else 0.0


def megabytes(vectors: TaskVectors, dtype_of: Callable[[str], torch.dtype]) -> float:
    """What the tensors of the merged checkpoint take, 10⁶ bytes; the file's header is not in it."""
    floats = sum(entry.numel * dtype_of(entry.name).itemsize for entry in vectors.layout.entries)
    others = (vectors.other(name) for name in vectors.others)
    return (floats + sum(one.numel() * one.element_size() for one in others)) / 1e6


def measured_properties(
    wanted: Iterable[AxisChoice],
    tasks: Mapping[str, Measured],
    how_far: Callable[[], float],
    how_large: Callable[[], float],
) -> dict[str, Measured]:
    """The axes of these kinds, by name. The time per sample is over all tasks' forward passes; it has no error of its
    own: how much it differs between trials is its noise."""
    samples = sum(one.n for one in tasks.values())
    found = {}
    for axis in wanted:
        if axis.kind == "distance":
            found[axis.name] = Measured(axis.kind, how_far(), 0.0, 1)
        elif axis.kind == "megabytes":
            found[axis.name] = Measured(axis.kind, how_large(), 0.0, 1)
        elif axis.kind == "milliseconds" and samples:
            seconds = sum(one.seconds for one in tasks.values())
            found[axis.name] = Measured(axis.kind, 1000.0 * seconds / samples, 0.0, samples)
    return found
