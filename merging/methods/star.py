"""STAR: keep each expert's strongest directions and give them its whole strength."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor

from merging.algebra.linalg import thin_svd
from merging.algebra.matrices import SplitQkv, row_blocks
from merging.method import Linearity, Method, Paper
from merging.setting import Range


@dataclass(frozen=True)
class Star(Method):
    """Spectral truncation and rescale (Lee et al., arXiv 2502.10339).

    Per matrix and expert: the smallest rank whose Σσ reaches the share `energy` of all Σσ, kept σ times
    Σσ / Σσ_kept; merged = base + Σ c_t τ̂_t, published at c = 1/T. Other tensors stay as they are.
    """

    name: ClassVar[str] = "star"
    title: ClassVar[str] = "STAR"
    summary: ClassVar[str] = "Keeps each expert's strongest directions at full strength, and averages."
    linearity: ClassVar[Linearity] = "linear"
    paper: ClassVar[Paper] = Paper(
        "2502.10339", "STAR: Spectral Truncation and Rescale for Model Merging", 2025, "Lee et al."
    )

    energy: Annotated[float, Range(0.01, 1.0, "Share of the singular values' sum that is kept.")] = 0.4
    split_qkv: SplitQkv = True

    def default(self, experts: int) -> float:
        """Return 1/T: the mean."""
        return 1.0 / experts

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Truncate and rescale every matrix of every expert."""
        for block in row_blocks(name, tuple(deltas.shape[1:]), self.split_qkv):
            for number in range(len(deltas)):
                if bool(deltas[number, block].any()):
                    deltas[number, block] = self._truncated(deltas[number, block])
        return deltas

    def _truncated(self, matrix: Tensor) -> Tensor:
        u, s, vt = thin_svd(matrix)
        reached = s.cumsum(0) / s.sum()
        rank = min(len(s), int((reached < self.energy).sum()) + 1)
        strength = s[:rank] * (s.sum() / s[:rank].sum())
        return (u[:, :rank] * strength) @ vt[:rank]
