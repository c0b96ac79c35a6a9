"""OPCM: add the experts one after the other, each cleaned of what the earlier ones use."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor

from merging.algebra.linalg import RELATIVE, thin_svd
from merging.algebra.matrices import SplitQkv, row_blocks
from merging.method import Array, Linearity, Method, Paper
from merging.setting import Range
from merging.task_vector import TaskVectors, by_expert


@dataclass(frozen=True)
class Opcm(Method):
    """Orthogonal projection-based continual merging (Tang et al., arXiv 2501.09522).

    In the order of the experts: with A = Σ_{j<t} Π_j(τ_j) = U Σ Vᵀ, Π_t(τ_t) is τ_t without the diagonal of
    Uᵀ τ_t V and without its block of the leading directions (up to the share `alpha` of Σσ). Tensors that are
    no matrices are not projected. merged = base + Σ c_t Π_t(τ_t) / λ, with λ = ‖A_T‖ / mean ‖τ_t‖ over the
    whole model, so that the merged change is as long as an expert's on average. λ and the projections are
    frozen at equal coefficients; the exact form takes c_t τ_t for τ_t in all of them. Another order gives another
    merge.
    """

    name: ClassVar[str] = "opcm"
    title: ClassVar[str] = "OPCM"
    summary: ClassVar[str] = "Adds the experts in turn, each without the directions that earlier ones use."
    linearity: ClassVar[Linearity] = "frozen"
    exact_form: ClassVar[bool] = True
    symmetric: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper(
        "2501.09522",
        "Merging Models on the Fly Without Retraining: A Sequential Approach to Scalable Continual Model Merging",
        2025,
        "Tang et al.",
    )

    alpha: Annotated[float, Range(0.0, 0.99, "Share of the earlier experts' strength that is protected.")] = 0.5
    split_qkv: SplitQkv = True

    def survey(self, vectors: TaskVectors) -> tuple[float]:
        """Return λ at equal coefficients."""
        ones = np.ones(len(vectors.names))
        return self.survey_at(vectors, lambda name: ones, lambda: None)

    def survey_at(
        self, vectors: TaskVectors, at: Callable[[str], Array], survey: Callable[[], object | None]
    ) -> tuple[float]:
        """Return λ of c_t τ_t."""
        merged, lengths = 0.0, torch.zeros(len(vectors.names), dtype=torch.float64)
        for name, deltas in vectors.each():
            scaled = deltas * by_expert(at(name).tolist(), deltas)
            lengths += scaled.reshape(len(scaled), -1).to(torch.float64).square().sum(1)
            merged += float(self._cleaned(name, scaled).sum(0).to(torch.float64).square().sum())
        mean = float(lengths.sqrt().mean())
        return (merged**0.5 / mean if mean > 0 and merged > 0 else 1.0,)

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Project each expert and divide by λ."""
        if not isinstance(survey, tuple):
            raise TypeError("OPCM needs its scale")
        return self._cleaned(name, deltas).div_(survey[0])

    def _cleaned(self, name: str, deltas: Tensor) -> Tensor:
        found: Tensor = deltas.clone()
        for block in row_blocks(name, tuple(deltas.shape[1:]), self.split_qkv):
            total = found[0, block].to(torch.float64)
            for number in range(1, len(deltas)):
                own = deltas[number, block].to(torch.float64)
                if bool(total.any()):
                    own = own - self._disturbing(total, own)
                found[number, block] = own
                total = total + own
        return found

    def _disturbing(self, total: Tensor, delta: Tensor) -> Tensor:
        """Return what Π removes: U D Vᵀ, D the diagonal and the leading block of Uᵀ τ V."""
        u, s, vt = thin_svd(total)
        keep = s > RELATIVE * s[0]
        u, s, vt = u[:, keep], s[keep], vt[keep]
        inner = u.T @ delta @ vt.T
        leading = int((s.cumsum(0) / s.sum() > self.alpha).to(torch.int64).argmax())
        removed = torch.diag(inner.diagonal())
        removed[:leading, :leading] = inner[:leading, :leading]
        found: Tensor = u @ removed @ vt
        return found
