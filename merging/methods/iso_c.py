"""Iso-C: give all directions of the summed change the same strength."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from merging.algebra.linalg import isotropic
from merging.algebra.matrices import SplitQkv, merge_by_matrix
from merging.method import Array, Linearity, Method, Paper


@dataclass(frozen=True)
class IsoC(Method):
    """Isotropic merging in common subspace (Marczak et al., arXiv 2502.04959).

    Per matrix M = Σ c_t τ_t = U Σ Vᵀ, merged = base + σ̄ U Vᵀ with σ̄ the mean singular value; other tensors
    get Σ c_t τ_t / T. Computed again for every c; the authors' scale α is c_t = α for all t.
    """

    name: ClassVar[str] = "iso_c"
    title: ClassVar[str] = "Iso-C"
    summary: ClassVar[str] = "Adds the changes and evens out their strength over all directions of a layer."
    linearity: ClassVar[Linearity] = "nonlinear"
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper(
        "2502.04959",
        "No Task Left Behind: Isotropic Model Merging with Common and Task-Specific Subspaces",
        2025,
        "Marczak et al.",
    )

    split_qkv: SplitQkv = True

    def combine_tensor(
        self, name: str, base: Tensor, deltas: Tensor, coefficients: Array, survey: object | None
    ) -> Tensor:
        """Return base + σ̄ U Vᵀ of the weighted sum."""
        return base + merge_by_matrix(name, deltas, coefficients, self.split_qkv, _isotropic)


def _isotropic(deltas: Tensor, weights: Tensor) -> Tensor:
    total = (deltas * weights).sum(0)
    return isotropic(total) if bool(total.any()) else total
