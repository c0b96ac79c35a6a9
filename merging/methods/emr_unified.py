"""EMR's unified task vector: elect a sign, take the largest agreeing change."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from merging.method import Linearity, Method, Paper


@dataclass(frozen=True)
class EmrUnified(Method):
    """The elected unified task vector of EMR-Merging (Huang et al., arXiv 2405.17461), as one model.

    γ = sign Σ_t τ_t (0 counts as −), each weight takes the largest |τ_t| with sign γ (of equal ones the first
    expert). EMR itself adds masks and rescalers per task, which are T models; this is what they share. Frozen
    at equal coefficients; the exact form elects with c_t τ_t.
    """

    name: ClassVar[str] = "emr_unified"
    title: ClassVar[str] = "EMR unified"
    summary: ClassVar[str] = "Elects a sign for each weight and takes the largest change that has it."
    linearity: ClassVar[Linearity] = "frozen"
    exact_form: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.5)
    paper: ClassVar[Paper] = Paper(
        "2405.17461", "EMR-Merging: Tuning-Free High-Performance Model Merging", 2024, "Huang et al."
    )

    def default(self, experts: int) -> float:
        """Return 0.5; EMR has no coefficient of its own."""
        return 0.5

    @property
    def by_rows(self) -> bool:
        """Rows need nothing of each other."""
        return True

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Keep the largest agreeing change of each weight."""
        return _unified(deltas)


def _unified(changes: Tensor) -> Tensor:
    """Return (T, *shape) with, for each weight, the winner's change and zero elsewhere."""
    sign = torch.where(changes.sum(0) > 0, 1.0, -1.0)
    size = (changes * sign).clamp_min(0.0)
    winner = size.argmax(dim=0, keepdim=True)
    largest = size.gather(0, winner)
    return torch.zeros_like(changes).scatter_(0, winner, largest * sign)
