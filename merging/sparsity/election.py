"""Electing one sign per weight and joining the changes that agree with it (arXiv 2306.01708)."""

from typing import Literal

import torch
from torch import Tensor

from merging.method import Array
from merging.task_vector import by_expert

Merge = Literal["mean", "sum", "weighted"]
MERGE_HELP = "How agreeing changes are joined: their mean, their sum, or mergekit's weighted mean."
SMALLEST = 1e-8


def agreement(changes: Tensor, majority: float) -> Tensor:
    """Return 1 where a change (T, *shape) has the elected sign γ = sign Σ_t, else 0.

    Where the sum is exactly 0, γ is `majority` (−1, 0 or 1).
    """
    elected = changes.sum(0).sign()
    elected[elected == 0] = majority
    return (changes * elected).clamp_min_(0.0).sign_()  # several times faster than comparing


def frozen(changes: Tensor, majority: float, merge: Merge = "mean") -> Tensor:
    """Return directions (T, *shape) with the election held at equal coefficients."""
    agree = agreement(changes, majority)
    agreeing = changes * agree
    if merge != "sum":
        agreeing /= agree.sum(0).clamp_min_(1)
    return agreeing


def elected(changes: Tensor, coefficients: Array, majority: float, merge: Merge = "mean") -> Tensor:
    """Return the merged change (*shape) after electing again with c_t times each expert's changes."""
    weights = by_expert(coefficients.tolist(), changes)
    weighted = changes * weights
    agree = agreement(weighted, majority)
    merged = (weighted * agree).sum(0)
    if merge == "mean":
        merged /= agree.sum(0).clamp_min(1)
    if merge == "weighted":
        divisor = (weights * agree).sum(0)
        merged /= torch.where(divisor.abs() < SMALLEST, torch.ones_like(divisor), divisor)
    return merged


def votes(changes: Tensor) -> int:
    """Count the elected signs of one tensor, + against −."""
    return int(changes.sum(0).sign().sum(dtype=torch.float64))
