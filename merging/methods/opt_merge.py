"""OptMerge: WUDI on the experts' leading directions only."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from merging.algebra.descent import adam, momentum
from merging.algebra.linalg import leading
from merging.algebra.matrices import SplitQkv, merge_by_matrix
from merging.method import Array, Linearity, Method, Paper
from merging.setting import Choice, Range

ADAM_RATE, MOMENTUM_RATE = 1e-5, 1e-4


@dataclass(frozen=True)
class OptMerge(Method):
    """OptMerge (Wei et al., arXiv 2505.19892), as in the authors' two programs.

    Per matrix, x_t = c_t τ_t and k = ⌊r/T⌋ (at least 1): descend on Σ_t ‖(M − target_t) (S_k V_kᵀ)ᵀ‖² / ‖τ_t‖²
    with S_k, V_k of τ_t. `tuned: full` (fully fine-tuned experts): target_t = SVD_k(x_t − x̄) + x̄ from M = Σ x_t
    by Adam (1e-5). `tuned: lora`: target_t = SVD_k(x_t) from M = x̄ by gradient descent (1e-4, momentum 0.9).
    merged = base + scale · M; the authors use scale 0.1 for their fully tuned and 1 for their LoRA models.
    Other tensors: the mean times scale. Gradients in float64.
    """

    name: ClassVar[str] = "opt_merge"
    title: ClassVar[str] = "OptMerge"
    summary: ClassVar[str] = "Like WUDI, and looks at the main directions of each expert only."
    linearity: ClassVar[Linearity] = "nonlinear"
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper(
        "2505.19892",
        "Unifying Multimodal Large Language Model Capabilities and Modalities via Model Merging",
        2025,
        "Wei et al.",
    )

    tuned: Annotated[Literal["full", "lora"], Choice("How the experts were trained: all weights, or adapters.")] = (
        "full"
    )
    steps: Annotated[int, Range(0, 1000, "Steps of the descent.")] = 300
    scale: Annotated[float, Range(0.0, 2.0, "Multiplies the merged task vector.")] = 1.0
    split_qkv: SplitQkv = True

    def combine_tensor(
        self, name: str, base: Tensor, deltas: Tensor, coefficients: Array, survey: object | None
    ) -> Tensor:
        """Return base + scale · M."""
        return base + self.scale * merge_by_matrix(name, deltas, coefficients, self.split_qkv, self._solved)

    def _solved(self, deltas: Tensor, weights: Tensor) -> Tensor:
        count, rows, columns = deltas.shape
        most = max(1, min(rows, columns) // count)
        scaled = deltas.to(torch.float64) * weights
        mean = scaled.mean(0)
        centre = mean if self.tuned == "full" else torch.zeros_like(mean)
        curve = torch.zeros((columns, columns), dtype=torch.float64, device=deltas.device)
        pull = torch.zeros_like(mean)
        for delta, own in zip(deltas, scaled, strict=True):
            if bool(delta.any()):
                wide = delta.to(torch.float64)
                _, strength, right = leading(wide, most)
                seen = (right * strength.square()) @ right.T / wide.square().sum()
                curve += seen
                pull += (_truncated(own - centre, most) + centre) @ seen
        slope, offset = 2.0 * curve, -2.0 * pull

        def gradient(place: Tensor) -> Tensor:
            return torch.addmm(offset, place, slope)

        if self.tuned == "full":
            found = adam(scaled.sum(0), gradient, self.steps, ADAM_RATE)
        else:
            found = momentum(mean, gradient, self.steps, MOMENTUM_RATE)
        return found.to(deltas.dtype)


def _truncated(matrix: Tensor, most: int) -> Tensor:
    left, strength, right = leading(matrix, most)
    found: Tensor = (left * strength) @ right.T
    return found
