"""SWUDI: the closed form of WUDI, with its weak directions filtered."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from merging.algebra.interference import filtered
from merging.algebra.matrices import SplitQkv, by_matrix
from merging.method import Linearity, Method, Paper
from merging.setting import Range


@dataclass(frozen=True)
class Swudi(Method):
    """Spectrally filtered closed-form WUDI (Wei et al., arXiv 2606.07289; WUDI: arXiv 2503.08099).

    Per matrix C = Σ τ_tᵀτ_t / ‖τ_t‖² = V Λ Vᵀ, filter f(λ) = 1 − exp(−λ·time) on the ⌈ratio·n⌉ largest λ and
    0 elsewhere, direction_t = τ_t (I − V f Vᵀ) + τ_t τ_tᵀ τ_t V (f/λ) Vᵀ / ‖τ_t‖². C does not depend on the
    coefficients, so the merge is exactly linear. Other tensors: the mean.
    """

    name: ClassVar[str] = "swudi"
    title: ClassVar[str] = "SWUDI"
    summary: ClassVar[str] = "Adds the changes and removes, layer by layer, where they would disturb each other."
    linearity: ClassVar[Linearity] = "linear"
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper(
        "2606.07289",
        "Closed-Form Spectral Regularization for Multi-Task Model Merging",
        2026,
        "Wei et al.",
    )

    time: Annotated[float, Range(1.0, 10000.0, "How far weak directions are corrected; more is further.")] = 1300.0
    ratio: Annotated[float, Range(0.01, 1.0, "Share of the directions that is corrected at all.")] = 0.65
    split_qkv: SplitQkv = True

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Filter every matrix."""
        return by_matrix(name, deltas, self.split_qkv, lambda part: filtered(part, self._filter))

    def _filter(self, values: Tensor) -> Tensor:
        """Return f for the eigenvalues in ascending order."""
        found = 1.0 - torch.exp(-values * self.time)
        found[: len(values) - math.ceil(self.ratio * len(values))] = 0.0
        return found
