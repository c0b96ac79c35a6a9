"""KnOTS: bring the experts of a layer into one space, then merge there as TIES does."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from merging import election
from merging.election import MERGE_HELP, Merge
from merging.linalg import kth_magnitudes
from merging.matrices import SPLIT_HELP, by_matrix, merge_by_matrix, row_blocks
from merging.method import Array, Linearity, Method, Paper
from merging.setting import Choice, Range
from merging.task_vector import TaskVectors
from merging.trim import Thresholds, kept

LEAST = 1e-5  # smaller singular values are left out, as in the authors' code


@dataclass(frozen=True)
class Survey:
    """The trim thresholds over the whole model, in the common space."""

    thresholds: Thresholds


@dataclass(frozen=True)
class Knots(Method):
    """KnOTS-TIES (Stoica et al., arXiv 2410.19735).

    Per matrix [τ_1 … τ_T] = U Σ [V_1ᵀ … V_Tᵀ]; x_t = Σ V_tᵀ = Uᵀ τ_t (directions with σ ≤ 1e-5 are left out) is
    trimmed to the `density` largest |x_t| of the whole model, elected and joined as in TIES, and U turns the
    result back. Made for LoRA experts, of which U needs few columns; it takes any. Other tensors: the mean (the
    authors leave them at the base). Frozen and exact forms as in TIES. U comes from the eigenvectors of
    Σ τ_t τ_tᵀ in float64; where eigenvalues coincide, U is one of several.
    """

    name: ClassVar[str] = "knots"
    title: ClassVar[str] = "KnOTS"
    summary: ClassVar[str] = "Turns the experts into a common space and averages there what agrees on the sign."
    linearity: ClassVar[Linearity] = "frozen"
    exact_form: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper("2410.19735", "Model merging with SVD to tie the Knots", 2024, "Stoica et al.")

    density: Annotated[float, Range(0.001, 1.0, "Share of each expert's numbers in the common space that is kept.")] = (
        0.2
    )
    merge: Annotated[Merge, Choice(MERGE_HELP)] = "mean"
    split_qkv: Annotated[bool, Choice(SPLIT_HELP)] = True

    def default(self, experts: int) -> float:
        """Return 0.6, as published for ViT-B/32."""
        return 0.6

    def survey(self, vectors: TaskVectors) -> Survey:
        """Find the trim thresholds over the numbers of all matrices in their common spaces."""
        total = sum(turned[0].numel() for turned in self._turned(vectors))
        rank = total - int(total * self.density)
        if rank < 1:
            return Survey(None)
        return Survey(tuple(kth_magnitudes(lambda: self._turned(vectors), [rank] * len(vectors.names))))

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Elect at equal coefficients in the common space."""
        thresholds = _thresholds(survey)

        def directions(part: Tensor) -> Tensor:
            basis = _basis(part)
            return basis @ election.frozen(kept(basis.T @ part, thresholds), 0.0, self.merge)

        return by_matrix(name, deltas, self.split_qkv, directions)

    def combine_tensor(
        self, name: str, base: Tensor, deltas: Tensor, coefficients: Array, survey: object | None
    ) -> Tensor:
        """Elect again with the coefficients in the common space."""
        thresholds = _thresholds(survey)

        def merged(part: Tensor, _: Tensor) -> Tensor:
            basis = _basis(part)
            return basis @ election.elected(kept(basis.T @ part, thresholds), coefficients, 0.0, self.merge)

        return base + merge_by_matrix(name, deltas, coefficients, self.split_qkv, merged)

    def _turned(self, vectors: TaskVectors) -> Iterable[Tensor]:
        """Go through x_t (T, r, n) of every matrix."""
        for name, deltas in vectors.each():
            for block in row_blocks(name, tuple(deltas.shape[1:]), self.split_qkv):
                part = deltas[:, block]
                if bool(part.any()):
                    yield _basis(part).T @ part


def _thresholds(survey: object | None) -> Thresholds:
    if not isinstance(survey, Survey):
        raise TypeError("KnOTS needs its thresholds")
    return survey.thresholds


def _basis(deltas: Tensor) -> Tensor:
    """Return U (m, r) of task vectors (T, m, n)."""
    wide = deltas.to(torch.float64)
    values, vectors = torch.linalg.eigh((wide @ wide.mT).sum(0))
    found: Tensor = vectors[:, values > LEAST**2].flip(-1).to(deltas.dtype)
    return found
