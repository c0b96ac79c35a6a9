"""Arcee Fusion: take over only the weights that changed in an important way."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from merging.algebra.linalg import kth_of_rows
from merging.method import Linearity, Method, Paper
from merging.task_vector import TaskVectors

QUARTILES = (0.25, 0.5, 0.75)
REACH = 1.5
SMALLEST = 1e-8


@dataclass(frozen=True)
class ArceeFusion(Method):
    """Arcee Fusion (mergekit's `arcee_fusion`), for any number of experts.

    The importance of a weight is |τ| times the Kullback-Leibler divergence, along the last dimension, between
    softmax(expert) and softmax(base). Kept where it is at least median + 1.5 (upper − lower quartile) of its
    tensor. mergekit takes one expert at full strength; here merged = base + Σ c_t m_t ⊙ τ_t. Quartiles are
    exact; mergekit draws a random million of larger tensors.
    """

    name: ClassVar[str] = "arcee_fusion"
    title: ClassVar[str] = "Arcee Fusion"
    summary: ClassVar[str] = "Takes over only those changes that stand out in their layer."
    linearity: ClassVar[Linearity] = "linear"
    paper: ClassVar[Paper] = Paper(
        "2403.13257", "Arcee's MergeKit: A Toolkit for Merging Large Language Models", 2024, "Goddard et al."
    )

    def default(self, experts: int) -> float:
        """Return 1/T: the mean; for one expert 1, as published."""
        return 1.0 / experts

    def survey(self, vectors: TaskVectors) -> TaskVectors:
        """Return the task vectors: the importance needs the base, too."""
        return vectors

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Keep the important changes."""
        if not isinstance(survey, TaskVectors):
            raise TypeError("Arcee Fusion needs the base")
        base = survey.base_tensor(name).to(device=deltas.device, dtype=torch.float64)
        for delta in deltas:
            importance = _importance(base, delta).to(torch.float32)
            delta.mul_(importance >= _threshold(importance))
        return deltas


def _importance(base: Tensor, delta: Tensor) -> Tensor:
    """Return |τ| · KL(softmax(base + τ) ‖ softmax(base)) along the last dimension, in float64."""
    change = delta.to(torch.float64)
    ours, theirs = _shares(base + change), _shares(base)
    divergence = (ours * (ours / theirs).log()).sum(-1, keepdim=base.dim() > 0)
    return change.abs() * divergence


def _shares(weights: Tensor) -> Tensor:
    return torch.softmax(weights, dim=-1) + SMALLEST


def _threshold(importance: Tensor) -> float:
    ranks = [int(quartile * (importance.numel() - 1)) + 1 for quartile in QUARTILES]
    lower, median, upper = kth_of_rows(importance.reshape(1, -1).expand(len(ranks), -1), ranks)
    return median + REACH * (upper - lower)
