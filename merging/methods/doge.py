"""DOGE: move all experts by one common change that lets them disturb each other less."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor

from merging.algebra.descent import adam
from merging.algebra.linalg import kth_magnitudes, leading
from merging.algebra.matrices import SplitQkv, row_blocks
from merging.method import Array, Linearity, Method, Paper
from merging.setting import Range
from merging.sparsity.trim import Thresholds, kept
from merging.task_vector import TaskVectors

RATE = 1e-4


@dataclass(frozen=True)
class Doge(Method):
    """DOGE TA, adaptive projective gradient descent (Wei et al., arXiv 2501.01230), as in FusionBench.

    Per matrix λ_t = η / ‖τ_t‖; from Δ = 0, `steps` steps of Adam (1e-4) on
    Σ_t Σ_rows ⟨τ_t, Σ_j λ_j (τ_j + Δ) − τ_t⟩², whose gradient loses its part in the ⌊r / subspace⌋ leading left
    directions of [U_1 … U_T] (each the ⌊r/T⌋ leading ones of τ_t); merged = base + Σ c_t λ_t m_t ⊙ (τ_t + Δ),
    m_t the `density` largest |τ_t| of all matrices. Δ is frozen at c = 1; the exact form descends again with
    c_t λ_t for λ_t. As there, tensors that are no matrices
    stay at the base; there also matrices outside the encoder do. Gradients in float64.
    """

    name: ClassVar[str] = "doge"
    title: ClassVar[str] = "DOGE"
    summary: ClassVar[str] = "Moves all experts a little so that they disturb each other less, then adds them."
    linearity: ClassVar[Linearity] = "frozen"
    exact_form: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper(
        "2501.01230",
        "Modeling Multi-Task Model Merging as Adaptive Projective Gradient Descent",
        2025,
        "Wei et al.",
    )

    strength: Annotated[float, Range(0.001, 1.0, "Length that each expert's change of a layer is brought to.")] = 0.07
    density: Annotated[float, Range(0.001, 1.0, "Share of each expert's changes that is kept.")] = 0.3
    subspace: Annotated[int, Range(1, 64, "The common change avoids one in so many of a layer's directions.")] = 6
    steps: Annotated[int, Range(0, 1000, "Steps of Adam.")] = 400
    split_qkv: SplitQkv = True

    def survey(self, vectors: TaskVectors) -> tuple[Thresholds]:
        """Find the thresholds over all matrices."""
        matrices = [entry for entry in vectors.layout.entries if row_blocks(entry.name, entry.shape, self.split_qkv)]
        total = sum(entry.numel for entry in matrices)
        rank = total - int(total * self.density)
        if rank < 1:
            return (None,)

        def rows() -> Iterable[Tensor]:
            return (vectors.deltas(entry.name) for entry in matrices)

        return (tuple(kth_magnitudes(rows, [rank] * len(vectors.names))),)

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Find Δ and return λ_t m_t ⊙ (τ_t + Δ)."""
        return self._changes(name, deltas, np.ones(len(deltas)), survey)

    def combine_tensor(
        self, name: str, base: Tensor, deltas: Tensor, coefficients: Array, survey: object | None
    ) -> Tensor:
        """Find Δ for c_t λ_t and add."""
        return base + self._changes(name, deltas, coefficients, survey).sum(0)

    def _changes(self, name: str, deltas: Tensor, coefficients: Array, survey: object | None) -> Tensor:
        """Return c_t λ_t m_t ⊙ (τ_t + Δ) of one tensor."""
        if not isinstance(survey, tuple):
            raise TypeError("DOGE needs its thresholds")
        found = torch.zeros_like(deltas)
        for block in row_blocks(name, tuple(deltas.shape[1:]), self.split_qkv):
            part = deltas[:, block]
            if bool(part.any()):
                stays = kept(part, survey[0]) != 0
                found[:, block] = self._moved(part.to(torch.float64), coefficients).to(deltas.dtype) * stays
        return found

    def _moved(self, deltas: Tensor, coefficients: Array) -> Tensor:
        """Return c_t λ_t (τ_t + Δ) of one matrix, (T, m, n)."""
        sizes = deltas.flatten(1).norm(dim=1)
        given = torch.from_numpy(coefficients).to(sizes)
        factors = torch.where(sizes > 0.0, given * self.strength / sizes, 0.0).view(-1, 1, 1)
        scale, total = float(factors.sum()), (factors * deltas).sum(0)
        avoided = self._avoided(deltas)
        rows = deltas.transpose(0, 1).contiguous()  # (m, T, n)
        columns = rows.mT.contiguous()
        rest = (rows * (rows - total[:, None])).sum(-1, keepdim=True)  # the terms without Δ, (m, T, 1)

        def gradient(change: Tensor) -> Tensor:
            apart = torch.baddbmm(rest, rows, change.unsqueeze(-1), alpha=-scale)
            slope = torch.bmm(columns, apart).squeeze(-1).mul_(-2.0 * scale)
            return torch.addmm(slope, avoided, avoided.T @ slope, alpha=-1.0)

        change = adam(torch.zeros_like(total), gradient, self.steps, RATE)
        return factors * (deltas + change)

    def _avoided(self, deltas: Tensor) -> Tensor:
        """Return an orthonormal basis (m, k) of the directions that Δ keeps out of."""
        rank = min(deltas.shape[1:])
        most = rank // len(deltas)
        parts = [leading(delta, most)[0] for delta in deltas if bool(delta.any())]
        together = torch.cat(parts, dim=1)
        return leading(together, rank // self.subspace)[0] if together.shape[1] else together
