"""Iso-CTS: even out the common directions, and leave room for each expert's own."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from merging.algebra.linalg import leading, polar
from merging.algebra.matrices import SplitQkv, merge_by_matrix
from merging.method import Array, Linearity, Method, Paper
from merging.methods.iso_c import IsoC
from merging.setting import Range


@dataclass(frozen=True)
class IsoCts(Method):
    """Isotropic merging in common and task-specific subspaces (Marczak et al., arXiv 2502.04959).

    Per matrix with x_t = c_t τ_t: the common part is the leading r_c singular directions of Σ x_t, with
    r_c = r − T k and k = round((r − ⌊common·r⌋) / T); each expert adds the k leading directions of
    (I − U_c U_cᵀ) x_t. Left and right vectors are made orthogonal (polar factors) and all get the mean of the
    r singular values. Other tensors: Σ x_t / T. Singular values that are zero bring no direction (the authors'
    SVD makes some up); k is held so that T k ≤ r.
    """

    name: ClassVar[str] = "iso_cts"
    title: ClassVar[str] = "Iso-CTS"
    summary: ClassVar[str] = "Like Iso-C, and keeps room for directions that only one expert uses."
    linearity: ClassVar[Linearity] = "nonlinear"
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = IsoC.paper

    common: Annotated[float, Range(0.0, 1.0, "Share of each layer's directions that the experts have in common.")] = 0.8
    split_qkv: SplitQkv = True

    def combine_tensor(
        self, name: str, base: Tensor, deltas: Tensor, coefficients: Array, survey: object | None
    ) -> Tensor:
        """Return base + σ̄ Ũ Ṽᵀ."""
        return base + merge_by_matrix(name, deltas, coefficients, self.split_qkv, self._merged)

    def _merged(self, deltas: Tensor, weights: Tensor) -> Tensor:
        changes = deltas.to(torch.float64) * weights  # near-parallel directions multiply rounding errors
        total = changes.sum(0)
        count, rank = len(deltas), min(total.shape)
        own = min(round((rank - int(rank * self.common)) / count), rank // count)
        shared = leading(total, rank - count * own) if bool(total.any()) else _nothing(total)
        parts = [_own(change, shared[0], own) if own and bool(change.any()) else _nothing(total) for change in changes]
        parts.append(shared)
        strengths = torch.cat([strength for _, strength, _ in parts])
        if not len(strengths):
            return torch.zeros_like(total)
        left = polar(torch.cat([u for u, _, _ in parts], dim=1))
        right = polar(torch.cat([v for _, _, v in parts], dim=1))
        found: Tensor = (strengths.sum() / rank) * left @ right.T
        return found


def _own(change: Tensor, common: Tensor, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the leading directions of what an expert does outside the common space; rounding errors are none."""
    return leading(change - common @ (common.T @ change), most, 10.0 * float(change.norm()))


def _nothing(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return no singular vectors of a matrix (m, n)."""
    rows, columns = matrix.shape
    return matrix.new_zeros((rows, 0)), matrix.new_zeros(0), matrix.new_zeros((columns, 0))
