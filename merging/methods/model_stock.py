"""Model Stock: an average pulled towards the base by how little the experts agree."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from merging.method import Array, Linearity, Method, Paper
from merging.setting import Choice, Variant
from merging.task_vector import by_expert

SMALLEST = {"paper": 1e-30, "mergekit": 1e-6}  # of a product of two lengths
SINGULAR = 1e-6


@dataclass(frozen=True)
class ModelStock(Method):
    """Model Stock (Jang et al., arXiv 2403.19522, for T experts).

    Per tensor cos θ = mean over pairs of cos(τ_i, τ_j), ratio t = T cos θ / (1 + (T − 1) cos θ), held in
    [0, 1]; merged = base + Σ c_t t τ_t, published at c = 1/T. The ratio is frozen at equal coefficients; the
    exact form takes T c_t τ_t for τ_t. Lengths play no part in the angles, so that the two differ only where a
    coefficient is negative, or 0 (such an expert has cosines of 0).
    Made for several runs of one task: for experts of different tasks it stays near the base.
    `variant: mergekit` does not hold t in [0, 1], so it moves away from experts that disagree. `by_filter`
    (mergekit's filter_wise) has a ratio for each row of the last dimension.
    """

    name: ClassVar[str] = "model_stock"
    title: ClassVar[str] = "Model Stock"
    summary: ClassVar[str] = "Averages the experts and moves towards the base where they disagree."
    linearity: ClassVar[Linearity] = "frozen"
    exact_form: ClassVar[bool] = True
    paper: ClassVar[Paper] = Paper(
        "2403.19522", "Model Stock: All we need is just a few fine-tuned models", 2024, "Jang et al."
    )

    variant: Annotated[
        Variant, Choice("mergekit: the ratio is not held between 0 and 1, and may move away from the experts.")
    ] = "paper"
    by_filter: Annotated[bool, Choice("A ratio for each filter (row) of a layer instead of one for the layer.")] = False

    def default(self, experts: int) -> float:
        """Return 1/T, as published."""
        return 1.0 / experts

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Scale the task vectors by the tensor's ratio, or by each filter's."""
        if len(deltas) == 1:
            return deltas
        rows = deltas.reshape(len(deltas), 1, -1)
        if self.by_filter and deltas.dim() > 1:
            rows = deltas.reshape(len(deltas), -1, deltas.shape[-1])
        return (rows * self._ratios(rows)).view(deltas.shape)

    def combine_tensor(
        self, name: str, base: Tensor, deltas: Tensor, coefficients: Array, survey: object | None
    ) -> Tensor:
        """Find the ratios of T c_t τ_t and average."""
        scaled = deltas * by_expert((coefficients * len(deltas)).tolist(), deltas)
        return base + self.prepare_tensor(name, scaled, survey).mean(0)

    def _ratios(self, rows: Tensor) -> Tensor:
        """Return t of each row of (T, rows, n), as (rows, 1)."""
        count = len(rows)
        sizes = rows.norm(dim=-1)
        total = torch.zeros(rows.shape[1], dtype=rows.dtype, device=rows.device)
        for one in range(count):
            for other in range(one + 1, count):
                product = (sizes[one] * sizes[other]).clamp_min(SMALLEST[self.variant])
                total += ((rows[one] * rows[other]).sum(-1) / product).clamp(-1.0, 1.0)
        cosine = total / (count * (count - 1) / 2)
        below = 1.0 + (count - 1) * cosine
        usable = below.abs() >= SINGULAR if self.variant == "mergekit" else below > 0.0
        ratio = torch.where(usable, count * cosine / torch.where(usable, below, 1.0), 0.0)
        return (ratio if self.variant == "mergekit" else ratio.clamp(0.0, 1.0)).unsqueeze(-1)
