"""Model Stock: an average pulled towards the base by how little the experts agree."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from merging.method import Linearity, Method, Paper

SMALLEST = 1e-30


@dataclass(frozen=True)
class ModelStock(Method):
    """Model Stock (Jang et al., arXiv 2403.19522, for T experts).

    Per tensor cos θ = mean over pairs of cos(τ_i, τ_j), ratio t = T cos θ / (1 + (T − 1) cos θ), held in
    [0, 1]; merged = base + Σ c_t t τ_t, published at c = 1/T. The ratio is frozen at equal coefficients.
    Made for several runs of one task: for experts of different tasks it stays near the base.
    """

    name: ClassVar[str] = "model_stock"
    title: ClassVar[str] = "Model Stock"
    summary: ClassVar[str] = "Averages the experts and moves towards the base where they disagree."
    linearity: ClassVar[Linearity] = "frozen"
    paper: ClassVar[Paper] = Paper(
        "2403.19522", "Model Stock: All we need is just a few fine-tuned models", 2024, "Jang et al."
    )

    def default(self, experts: int) -> float:
        """Return 1/T, as published."""
        return 1.0 / experts

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Scale the task vectors by the tensor's ratio."""
        return deltas.mul_(_ratio(deltas))


def _ratio(deltas: Tensor) -> float:
    count = len(deltas)
    if count == 1:
        return 1.0
    flat = deltas.reshape(count, -1)
    sizes = flat.norm(dim=1)
    cosines = (flat @ flat.T) / torch.outer(sizes, sizes).clamp_min(SMALLEST)
    mean = float((cosines.sum() - cosines.diagonal().sum()) / (count * (count - 1)))
    below = 1.0 + (count - 1) * mean
    return min(max(count * mean / below, 0.0), 1.0) if below > 0.0 else 0.0
