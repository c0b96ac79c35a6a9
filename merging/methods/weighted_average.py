"""Weighted average of the experts."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from merging.families.proportions import Proportional, shares
from merging.lora.pairs import Pairs, joined
from merging.method import Array, Linearity, Paper, Scalars


@dataclass(frozen=True)
class WeightedAverage(Proportional):
    """θ = Σ c_t θ_t / Σ c_t (model soups, Wortsman et al., arXiv 2203.05482, §2, with weights).

    Written on task vectors: base + Σ (c_t / Σ c) τ_t, so it is task arithmetic with normalised coefficients.
    """

    name: ClassVar[str] = "weighted_average"
    title: ClassVar[str] = "Weighted average"
    summary: ClassVar[str] = "Averages the experts; only the proportions of the coefficients matter."
    linearity: ClassVar[Linearity] = "span"
    in_factors: ClassVar[bool] = True
    paper: ClassVar[Paper] = Paper(
        "2203.05482",
        "Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing "
        "inference time",
        2022,
        "Wortsman et al.",
    )

    @property
    def by_rows(self) -> bool:
        """Rows need nothing of each other."""
        return True

    def scalars(self, coefficients: Array, gram: Array | None) -> Scalars:
        """Return c / Σ c."""
        return Scalars(1.0, shares(coefficients))

    def combine_pairs(
        self, name: str, pairs: Pairs, coefficients: Array, survey: object | None, exact: bool
    ) -> tuple[Tensor, Tensor]:
        """Join the factors: the average, exactly."""
        return joined(pairs, shares(coefficients).tolist())
