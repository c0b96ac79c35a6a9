"""Consensus task arithmetic: keep the weights that matter to several experts."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor

from merging.method import Linearity, Method, Paper
from merging.setting import Range

PUBLISHED = 0.3


@dataclass(frozen=True)
class Consensus(Method):
    """Consensus task arithmetic with TALL masks (Wang et al., arXiv 2405.07813).

    τ_sum = Σ τ_t, mask m_t = [|τ_t| > λ |τ_sum − τ_t|], m = [Σ_t m_t ≥ k], merged = base + Σ c_t m ⊙ τ_t. The
    masks are computed at equal coefficients. With fewer than k experts, k is their number. The authors pick
    λ per task on validation data; here it is one setting.
    """

    name: ClassVar[str] = "consensus"
    title: ClassVar[str] = "Consensus"
    summary: ClassVar[str] = "Keeps only the weights that matter to several experts, and adds their changes."
    linearity: ClassVar[Linearity] = "frozen"
    paper: ClassVar[Paper] = Paper(
        "2405.07813",
        "Localizing Task Information for Improved Model Merging and Compression",
        2024,
        "Wang et al.",
    )

    threshold: Annotated[
        float, Range(0.0, 2.0, "How large an expert's change must be against the others' to matter to it.")
    ] = 0.4
    agree: Annotated[int, Range(0, 20, "To how many experts a weight must matter to be kept.")] = 2

    def default(self, experts: int) -> float:
        """Return 0.3 as for task arithmetic with 8 tasks, or 1/T where that is more."""
        return max(PUBLISHED, 1.0 / experts)

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Apply the consensus mask."""
        others = (deltas.sum(0) - deltas).abs_()
        matters = deltas.abs() > others.mul_(self.threshold)
        return deltas * (matters.sum(0) >= min(self.agree, len(deltas)))
