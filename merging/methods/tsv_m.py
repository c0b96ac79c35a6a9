"""TSV-M: merge the leading singular vectors of the experts after making them orthogonal to each other."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from merging.algebra.linalg import leading, polar
from merging.algebra.matrices import SplitQkv, by_matrix
from merging.method import Linearity, Method, Paper
from merging.setting import Range


@dataclass(frozen=True)
class TsvM(Method):
    """TSV-Merge (Gargiulo et al., arXiv 2412.00081).

    Per matrix τ_t ≈ U_t S_t V_tᵀ (rank k = ⌊r/T⌋), Ũ = polar[U_1 … U_T], Ṽ = polar[V_1 … V_T], merged
    Σ_t Ũ_t S_t Ṽ_tᵀ. Scaling τ_t by c_t leaves U_t and V_t alone, so with bases computed at c = 1 the merge
    is exactly linear: direction_t = Ũ_t S_t Ṽ_tᵀ. Tensors that are no matrices: the mean of the task vectors.

    Experts that do not differ from the base in a matrix take no part in it, singular values that are zero (an
    expert from a LoRA adapter has many) bring no direction, and directions that two experts share exactly are
    kept once; the authors' SVD fills all three up with arbitrary vectors.
    """

    name: ClassVar[str] = "tsv_m"
    title: ClassVar[str] = "TSV-M"
    summary: ClassVar[str] = "Keeps each expert's main directions per layer and makes them not disturb each other."
    linearity: ClassVar[Linearity] = "linear"
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper(
        "2412.00081",
        "Task Singular Vectors: Reducing Task Interference in Model Merging",
        2024,
        "Gargiulo et al.",
    )

    rank: Annotated[float, Range(0.01, 1.0, "Share of each layer's rank that the experts divide between them.")] = 1.0
    split_qkv: SplitQkv = True

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Return Ũ_t S_t Ṽ_tᵀ for each expert."""
        return by_matrix(name, deltas, self.split_qkv, lambda part: self._directions(part.to(torch.float64)))

    def _directions(self, deltas: Tensor) -> Tensor:
        count, rows, columns = deltas.shape
        most = max(1, int(self.rank * min(rows, columns) / count))
        active = [number for number in range(count) if bool(deltas[number].any())]
        parts = [leading(deltas[number], most) for number in active]
        left = polar(torch.cat([u for u, _, _ in parts], dim=1))
        right = polar(torch.cat([v for _, _, v in parts], dim=1))
        found = torch.zeros_like(deltas)
        start = 0
        for number, (_, strength, _) in zip(active, parts, strict=True):
            own = slice(start, start + len(strength))
            found[number] = (left[:, own] * strength) @ right[:, own].T
            start = own.stop
        return found
