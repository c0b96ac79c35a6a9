"""Keeping the largest changes: thresholds over the whole model or over one tensor, exact, without sorting."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from merging.linalg import kth_magnitudes
from merging.task_vector import TaskVectors

Thresholds = tuple[float, ...] | None  # one per expert; None keeps everything


def whole_model(vectors: TaskVectors, rank: int, changed: Callable[[str, Tensor], Tensor] | None = None) -> Thresholds:
    """Return each expert's `rank`-th smallest |τ| (from 1) of the whole model; None when rank < 1.

    `changed(name, deltas)` is applied to the task vectors first.
    """
    if rank < 1:
        return None

    def rows() -> Iterable[Tensor]:
        for name, deltas in vectors.each():
            yield changed(name, deltas) if changed else deltas

    return tuple(kth_magnitudes(rows, [rank] * len(vectors.names)))


def kept(deltas: Tensor, thresholds: Thresholds) -> Tensor:
    """Return τ where |τ| ≥ its expert's threshold, else 0; (T, *shape)."""
    if thresholds is None:
        return deltas
    return deltas * (deltas.abs() >= by_expert(thresholds, deltas))


def kept_of_tensor(deltas: Tensor, density: float) -> Tensor:
    """Keep the ⌊density·n⌋ largest |τ| (at least one) of one tensor, for each expert; equal ones together."""
    count = deltas[0].numel()
    wanted = max(1, int(density * count))
    if wanted >= count:
        return deltas
    return kept(deltas, tuple(kth_magnitudes(lambda: (deltas,), [count - wanted + 1] * len(deltas))))


def by_expert(values: Iterable[float], deltas: Tensor) -> Tensor:
    """Shape one number per expert so that it multiplies (T, *shape)."""
    found = torch.tensor(list(values), dtype=deltas.dtype, device=deltas.device)
    return found.view(-1, *[1] * (deltas.dim() - 1))
