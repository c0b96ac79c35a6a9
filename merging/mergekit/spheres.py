"""mergekit's means on spheres, tensor by tensor; inner products are taken in float64."""

import math

import torch
from torch import Tensor

from merging.errors import MergingError

STRAIGHT = 0.9995  # slerp takes a plain mix of vectors that are nearly on one line
NOTHING = 1e-8


def slerp(t: float, start: Tensor, end: Tensor) -> Tensor:
    """Turn `start` towards `end` by the share t of their angle, over the flattened tensor."""
    first, second = _length(start), _length(end)
    product = float((start.reshape(-1).to(torch.float64) * end.reshape(-1)).sum())
    cosine = product / ((first if first > NOTHING else 1.0) * (second if second > NOTHING else 1.0))
    cosine = min(1.0, max(-1.0, cosine))
    if abs(cosine) > STRAIGHT:
        return (1.0 - t) * start + t * end
    angle = math.acos(cosine)
    return (math.sin((1.0 - t) * angle) * start + math.sin(t * angle) * end) / math.sin(angle)


def nuslerp(t: float, start: Tensor, end: Tensor, flatten: bool, by_column: bool) -> Tensor:
    """Turn `start` towards `end`: the whole tensor, each row, or (`by_column`) each column along dimension 0.

    mergekit calls the last `row_wise`.
    """
    shape = start.shape
    if flatten or not shape:
        start, end = start.reshape(-1), end.reshape(-1)
    elif by_column:
        start, end = start.transpose(0, -1), end.transpose(0, -1)
    one, other = start.to(torch.float64), end.to(torch.float64)
    units = [each / each.norm(dim=-1, keepdim=True).clamp_min(1e-7) for each in (one, other)]
    cosine = (units[0] * units[1]).sum(-1, keepdim=True).clamp(-1.0, 1.0)
    straight = 1.0 - cosine.square() <= NOTHING**2
    angle = torch.acos(torch.where(straight, 0.0, cosine))
    a = torch.where(straight, 1.0 - t, torch.sin((1.0 - t) * angle) / torch.sin(angle))
    b = torch.where(straight, t, torch.sin(t * angle) / torch.sin(angle))
    found = (a * one + b * other).to(start.dtype)
    return (found.transpose(0, -1) if by_column and not flatten and shape else found).reshape(shape)


def multislerp(name: str, rows: Tensor, weights: Tensor, eps: float) -> Tensor:
    """Return (Σ w ‖v‖) · normalised(Σ w v/‖v‖) of rows (T, *shape).

    Where the directions cancel: the weighted sum of two rows, or of rows that are all zero.

    Raises:
        MergingError: three or more rows cancel, and mergekit has no answer.
    """
    flat = rows.reshape(len(rows), -1)
    sizes = flat.to(torch.float64).norm(dim=1).to(rows.dtype)
    mean = ((flat / (sizes + eps).unsqueeze(1)) * weights.unsqueeze(1)).sum(0)
    length = _length(mean)
    if length < eps:
        if len(rows) > 2 and bool((sizes > eps).any()):
            raise MergingError(f"The directions of '{name}' cancel out in multislerp.", "Choose other weights.")
        return (flat * weights.unsqueeze(1)).sum(0).view(rows.shape[1:])
    found: Tensor = mean * (float((sizes * weights).sum()) / length)
    return found.view(rows.shape[1:])


def karcher(rows: Tensor, steps: int, tolerance: float) -> Tensor:
    """Return the Karcher mean of the unit rows (T, *shape) with equal shares, times the mean length."""
    if len(rows) == 1:
        return rows[0]
    flat = rows.reshape(len(rows), -1).to(torch.float64)
    sizes = flat.norm(dim=1)
    valid = sizes > tolerance
    if not bool(valid.any()):
        return torch.zeros_like(rows[0])
    units = flat[valid] / sizes[valid].unsqueeze(1)
    mean = units.mean(0)
    mean = units[0] if float(mean.norm()) < tolerance else mean / mean.norm()
    for _ in range(steps):
        cosine = (units @ mean).clamp(-1.0, 1.0)
        angle = torch.arccos(cosine)
        pull = torch.where(angle < tolerance, 0.0, angle / torch.sin(angle).clamp_min(1e-300)) / len(units)
        tangent = pull @ units - (pull @ cosine) * mean
        length = tangent.norm()
        if float(length) < tolerance:
            break
        mean = torch.cos(length) * mean + torch.sin(length) * (tangent / length)
        mean = mean / mean.norm()
    found: Tensor = mean * sizes.mean()
    return found.to(rows.dtype).view(rows.shape[1:])


def _length(tensor: Tensor) -> float:
    return float(tensor.reshape(-1).to(torch.float64).norm())
