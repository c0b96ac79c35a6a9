"""WUDI: change the sum of the experts' changes until they disturb each other least."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from merging.algebra.descent import adam
from merging.algebra.matrices import SplitQkv, merge_by_matrix
from merging.method import Array, Linearity, Method, Paper
from merging.setting import Range


@dataclass(frozen=True)
class Wudi(Method):
    """WUDI-Merging (Cheng et al., arXiv 2503.08099), by Adam as in the authors' code.

    Per matrix, from M = Σ c_t τ_t, steps of Adam on Σ_t ‖(M − c_t τ_t) τ_tᵀ‖² / ‖τ_t‖²: the published
    method on the task vectors c_t τ_t. Written as 2 (M C − D) with C = Σ τ_tᵀτ_t / ‖τ_t‖² and
    D = Σ c_t τ_t τ_tᵀτ_t / ‖τ_t‖², a step is one product. Stopping early is part of the method; SWUDI is its
    closed form, and linear. Other tensors: the mean (the authors leave them at the base). The gradient is in
    float64; an expert that does not differ from the base in a matrix takes no part in it.
    """

    name: ClassVar[str] = "wudi"
    title: ClassVar[str] = "WUDI"
    summary: ClassVar[str] = (
        "Adds the changes, then adjusts each layer step by step until they disturb each other least."
    )
    linearity: ClassVar[Linearity] = "nonlinear"
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper(
        "2503.08099",
        "Whoever Started the Interference Should End It: Guiding Data-Free Model Merging via Task Vectors",
        2025,
        "Cheng et al.",
    )

    steps: Annotated[int, Range(0, 1000, "Steps of Adam; more is nearer to the least disturbance.")] = 300
    rate: Annotated[float, Range(1e-7, 1e-3, "Length of a step: about how far a weight can move in it.")] = 1e-5
    split_qkv: SplitQkv = True

    def combine_tensor(
        self, name: str, base: Tensor, deltas: Tensor, coefficients: Array, survey: object | None
    ) -> Tensor:
        """Return base + M."""
        return base + merge_by_matrix(name, deltas, coefficients, self.split_qkv, self._solved)

    def _solved(self, deltas: Tensor, weights: Tensor) -> Tensor:
        columns = deltas.shape[2]
        curve = torch.zeros((columns, columns), dtype=torch.float64, device=deltas.device)
        start = torch.zeros(deltas.shape[1:], dtype=torch.float64, device=deltas.device)
        pull = torch.zeros_like(start)
        for delta, weight in zip(deltas, weights.view(-1).tolist(), strict=True):
            if bool(delta.any()):
                wide = delta.to(torch.float64)
                own = wide.T @ wide / wide.square().sum()
                curve += own
                pull += weight * wide @ own
                start += weight * wide
        slope, offset = 2.0 * curve, -2.0 * pull
        found = adam(start, lambda place: torch.addmm(offset, place, slope), self.steps, self.rate)
        return found.to(deltas.dtype)
