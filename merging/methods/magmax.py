"""MagMax: for each weight take the largest change."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from merging.method import Linearity, Method, Paper


@dataclass(frozen=True)
class Magmax(Method):
    """MagMax (Marczak et al., arXiv 2407.06322).

    Each weight takes the change of the expert with the largest |τ_t| (of equal ones the later expert),
    merged = base + Σ c_t [t wins] τ_t; who wins is frozen at equal coefficients, the exact form compares
    |c_t τ_t|.
    """

    name: ClassVar[str] = "magmax"
    title: ClassVar[str] = "MagMax"
    summary: ClassVar[str] = "Takes, for each weight, the change of the expert that changed it most."
    linearity: ClassVar[Linearity] = "frozen"
    exact_form: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.5)
    paper: ClassVar[Paper] = Paper(
        "2407.06322",
        "MagMax: Leveraging Model Merging for Seamless Continual Learning",
        2024,
        "Marczak et al.",
    )

    def default(self, experts: int) -> float:
        """Return 0.5, as published."""
        return 0.5

    @property
    def by_rows(self) -> bool:
        """Rows need nothing of each other."""
        return True

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Keep each weight's largest change."""
        return deltas * _winners(deltas)


def _winners(changes: Tensor) -> Tensor:
    """Return 1 for the expert with the largest |change| of each weight (T, *shape), else 0."""
    winner = torch.zeros(changes.shape[1:], dtype=torch.int64, device=changes.device)
    largest = changes[0].abs()
    for number in range(1, len(changes)):
        size = changes[number].abs()
        winner[size >= largest] = number
        largest = torch.maximum(largest, size)
    found = torch.zeros_like(changes)
    return found.scatter_(0, winner.unsqueeze(0), 1.0)
