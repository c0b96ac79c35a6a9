"""Keeping the largest changes: thresholds over the whole model or over one tensor, exact, without sorting."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from merging.algebra.linalg import kth_magnitudes, kth_of_rows
from merging.setting import Variant
from merging.task_vector import TaskVectors, by_expert

FAINT = 1e-7  # less than this in all is nothing, as in mergekit
Thresholds = tuple[float, ...] | None  # one per expert; None keeps everything


def whole_model(
    vectors: TaskVectors, rank: int, changed: Callable[[str, Tensor, int], Tensor] | None = None
) -> Thresholds:
    """Return each expert's `rank`-th smallest |τ| (from 1) of the whole model; None when rank < 1.

    `changed(name, deltas, start)` is applied to the rows of task vectors first.
    """
    if rank < 1:
        return None

    def rows() -> Iterable[Tensor]:
        for name, start, deltas in vectors.each_rows():
            yield changed(name, deltas, start) if changed else deltas

    return tuple(kth_magnitudes(rows, [rank] * len(vectors.names)))


def kept(deltas: Tensor, thresholds: Thresholds) -> Tensor:
    """Return τ where |τ| ≥ its expert's threshold, else 0; (T, *shape)."""
    if thresholds is None:
        return deltas
    found = torch.empty_like(deltas)
    for row, change, threshold in zip(found, deltas, thresholds, strict=True):
        below = float(np.nextafter(np.float32(threshold), np.float32(-np.inf)))  # it keeps what is larger than that
        row.copy_(functional.hardshrink(change, below))  # several times faster than a mask
    return found


def kept_of_tensor(deltas: Tensor, density: float) -> Tensor:
    """Keep the ⌊density·n⌋ largest |τ| (at least one) of one tensor, for each expert; equal ones together."""
    return kept_largest(deltas, max(1, int(density * deltas[0].numel())))


def kept_largest(deltas: Tensor, wanted: int) -> Tensor:
    """Keep the `wanted` largest |τ| of one tensor, for each expert; equal ones together."""
    count = deltas[0].numel()
    if wanted >= count:
        return deltas
    return kept(deltas, tuple(kth_of_rows(deltas.abs(), [count - wanted + 1] * len(deltas))))


def between(deltas: Tensor, density: float, top: float, variant: Variant = "paper") -> Tensor:
    """Leave out the ⌊top·n⌋ largest |τ| of one tensor and keep the next ⌊density·n⌋; equal ones together.

    Fewer are left out before fewer than that are kept. At least one is kept; as in mergekit, none where
    ⌊density·n⌋ is 0.
    """
    count = deltas[0].numel()
    if variant == "mergekit" and int(density * count) == 0:
        return torch.zeros_like(deltas)
    first, last = ranks_between(count, density, top)
    size = deltas.abs()
    low = by_expert(kth_of_rows(size, [first] * len(deltas)), deltas)
    high = by_expert(kth_of_rows(size, [last] * len(deltas)), deltas)
    return deltas * ((size >= low) & (size <= high))


def ranks_between(count: int, density: float, top: float) -> tuple[int, int]:
    """Return the first and last rank kept of `count` numbers, from 1 = smallest; at least one is kept."""
    wanted = min(count, max(1, int(density * count)))
    last = max(wanted, count - int(top * count))
    return last - wanted + 1, last


def ranks_along(values: Tensor, dim: int) -> Tensor:
    """Return the rank of every number along a dimension, from 0 = smallest; of equal ones the first is smaller."""
    order = values.argsort(dim=dim, stable=True)
    shape = [1] * values.dim()
    shape[dim] = values.shape[dim]
    places = torch.arange(values.shape[dim], device=values.device).view(shape)
    return torch.empty_like(order).scatter_(dim, order, places.expand_as(order))


def largest_mask(values: Tensor, wanted: int) -> Tensor:
    """Return 1 for the `wanted` largest numbers of a tensor, else 0; of equal ones the first count as larger."""
    flat = values.reshape(-1)
    if wanted < 1:
        return torch.zeros_like(values)
    threshold = flat.kthvalue(len(flat) - wanted + 1).values
    mask = (flat > threshold).to(values.dtype)
    ties = (flat == threshold).nonzero().view(-1)
    mask[ties[: wanted - int(mask.sum(dtype=torch.float64))]] = 1.0
    return mask.view(values.shape)


def same_strength(changes: Tensor, before: Tensor) -> Tensor:
    """Scale each expert's changes (T, *shape) so that Σ|·| is that of `before`; nothing left stays nothing."""
    have, want = _strengths(changes), _strengths(before)
    factors = torch.where((have < FAINT) | (want < FAINT), 1.0, want / have.clamp_min(FAINT))
    return changes * factors.to(changes.dtype).view(-1, *[1] * (changes.dim() - 1))


def _strengths(deltas: Tensor) -> Tensor:
    return deltas.reshape(len(deltas), -1).abs().sum(1, dtype=torch.float64)
