"""Task arithmetic: base plus scaled task vectors."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from merging.lora.pairs import Pairs, joined
from merging.method import Array, Linearity, Method, Paper

PUBLISHED = 0.3


@dataclass(frozen=True)
class TaskArithmetic(Method):
    """θ = θ_0 + Σ c_t τ_t (Ilharco et al., arXiv 2212.04089, §2)."""

    name: ClassVar[str] = "task_arithmetic"
    title: ClassVar[str] = "Task arithmetic"
    summary: ClassVar[str] = "Adds to the base what each expert learned, each times its own coefficient."
    linearity: ClassVar[Linearity] = "linear"
    in_factors: ClassVar[bool] = True
    paper: ClassVar[Paper] = Paper("2212.04089", "Editing Models with Task Arithmetic", 2022, "Ilharco et al.")

    @property
    def by_rows(self) -> bool:
        """Rows need nothing of each other."""
        return True

    def default(self, experts: int) -> float:
        """Return 0.3 as published for 8 tasks, or 1/T where that is more."""
        return max(PUBLISHED, 1.0 / experts)

    def combine_pairs(
        self, name: str, pairs: Pairs, coefficients: Array, survey: object | None, exact: bool
    ) -> tuple[Tensor, Tensor]:
        """Join the factors: the sum, exactly."""
        return joined(pairs, coefficients.tolist())
