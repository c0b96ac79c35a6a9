"""Consensus task arithmetic: keep the weights that matter to several experts."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from merging.method import Array, Linearity, Method, Paper
from merging.methods.ties import Ties
from merging.setting import Choice, Range
from merging.task_vector import TaskVectors, by_expert

PUBLISHED = 0.3


@dataclass(frozen=True)
class Consensus(Method):
    """Consensus task arithmetic and TIES with TALL masks (Wang et al., arXiv 2405.07813).

    τ_sum = Σ τ_t, mask m_t = [|τ_t| > λ |τ_sum − τ_t|], m = [Σ_t m_t ≥ k], merged = base + Σ c_t m ⊙ τ_t. The
    masks are computed at equal coefficients; the exact form has c_t τ_t for τ_t. With fewer than k experts, k is
    their number. The authors pick λ per task on validation data; here it is one setting. `on: ties`: τ_sum is the
    TIES merge with sums of agreeing entries, and it is what the mask is put on, merged = base + Σ c_t m ⊙ [agrees]
    τ̂_t.
    """

    name: ClassVar[str] = "consensus"
    title: ClassVar[str] = "Consensus"
    summary: ClassVar[str] = "Keeps only the weights that matter to several experts, and adds their changes."
    linearity: ClassVar[Linearity] = "frozen"
    exact_form: ClassVar[bool] = True
    paper: ClassVar[Paper] = Paper(
        "2405.07813",
        "Localizing Task Information for Improved Model Merging and Compression",
        2024,
        "Wang et al.",
    )

    threshold: Annotated[
        float, Range(0.0, 2.0, "How large an expert's change must be against the others' to matter to it.")
    ] = 0.4
    on: Annotated[
        Literal["task_arithmetic", "ties"], Choice("What is masked: the sum of the changes, or TIES (with sums).")
    ] = "task_arithmetic"
    density: Annotated[float, Range(0.001, 1.0, "With TIES: share of each expert's changes that is kept.")] = 0.2
    agree: Annotated[int, Range(0, 20, "To how many experts a weight must matter to be kept.")] = 2

    def default(self, experts: int) -> float:
        """Return 0.3 as for task arithmetic with 8 tasks, or 1/T where that is more."""
        return max(PUBLISHED, 1.0 / experts)

    @property
    def by_rows(self) -> bool:
        """Rows need nothing of each other."""
        return True

    def survey(self, vectors: TaskVectors) -> object | None:
        """Return the trim of TIES, where the merge to be masked is TIES."""
        return self._ties.survey(vectors) if self.on == "ties" else None

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Apply the consensus mask."""
        changes = self._ties.prepare_tensor(name, deltas, survey) if self.on == "ties" else deltas
        others = (changes.sum(0) - deltas).abs_()
        matters = deltas.abs() > others.mul_(self.threshold)
        return changes * (matters.sum(0) >= min(self.agree, len(deltas)))

    def combine_tensor(
        self, name: str, base: Tensor, deltas: Tensor, coefficients: Array, survey: object | None
    ) -> Tensor:
        """Compute the masks again with c_t τ_t."""
        scaled = deltas * by_expert(coefficients.tolist(), deltas)
        if self.on == "ties":
            total = self._ties.combine_tensor(name, torch.zeros_like(base), deltas, coefficients, survey)
        else:
            total = scaled.sum(0)
        matters = scaled.abs() > (total - scaled).abs_().mul_(self.threshold)
        merged: Tensor = base + total * (matters.sum(0) >= min(self.agree, len(deltas)))
        return merged

    @property
    def _ties(self) -> Ties:
        return Ties(density=self.density, merge="sum")
