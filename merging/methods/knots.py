"""KnOTS: bring the experts of a layer into one space, then merge there as TIES does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from merging.algebra.linalg import kth_magnitudes
from merging.algebra.matrices import SplitQkv, mean_rest, row_blocks
from merging.lora.pairs import Pair, Pairs, Part, joined, stacked
from merging.method import Array, Linearity, Method, Paper
from merging.setting import Choice, Range
from merging.sparsity import election
from merging.sparsity.election import MERGE_HELP, Merge
from merging.sparsity.trim import Thresholds, kept
from merging.task_vector import TaskVectors, by_expert

LEAST = 1e-5  # smaller singular values are left out, as in the authors' code
Space = tuple[slice, Tensor, Tensor]  # rows of a tensor, U (m, r) and x (T, r, n)


@dataclass(frozen=True)
class Survey:
    """The trim thresholds over the whole model in the common space, and the adapters' factors of a tensor by name."""

    thresholds: Thresholds
    pairs: Callable[[str], Pairs | None]


@dataclass(frozen=True)
class Knots(Method):
    """KnOTS-TIES (Stoica et al., arXiv 2410.19735).

    Per matrix [τ_1 … τ_T] = U Σ [V_1ᵀ … V_Tᵀ]; x_t = Σ V_tᵀ = Uᵀ τ_t (directions with σ ≤ 1e-5 are left out) is
    trimmed to the `density` largest |x_t| of the whole model, elected and joined as in TIES, and U turns the
    result back. Made for LoRA experts, of which U needs few columns; it takes any. Other tensors: the mean (the
    authors leave them at the base). Frozen and exact forms as in TIES.

    Of LoRA experts τ_t = B_t A_t, U comes from the factors: with [B_1 … B_T] = Q R and R = [R_1 … R_T], U = Q P where P
    are the eigenvectors of Σ R_t A_t A_tᵀ R_tᵀ, a matrix of Σ r_t rows, and x_t = Pᵀ R_t A_t. The merge U · x has that
    rank: `--adapter` writes it as an adapter, exactly, and no τ_t is formed. Otherwise U are the eigenvectors of
    Σ τ_t τ_tᵀ. All in float64; where eigenvalues coincide, U is one of several.
    """

    name: ClassVar[str] = "knots"
    title: ClassVar[str] = "KnOTS"
    summary: ClassVar[str] = "Turns the experts into a common space and averages there what agrees on the sign."
    linearity: ClassVar[Linearity] = "frozen"
    exact_form: ClassVar[bool] = True
    in_factors: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper("2410.19735", "Model merging with SVD to tie the Knots", 2024, "Stoica et al.")
    revision: ClassVar[int] = 2

    density: Annotated[float, Range(0.001, 1.0, "Share of each expert's numbers in the common space that is kept.")] = (
        0.2
    )
    merge: Annotated[Merge, Choice(MERGE_HELP)] = "mean"
    split_qkv: SplitQkv = True

    def default(self, experts: int) -> float:
        """Return 0.6, as published for ViT-B/32."""
        return 0.6

    def survey(self, vectors: TaskVectors) -> Survey:
        """Find the trim thresholds over the numbers of all matrices in their common spaces."""

        def turned() -> Iterator[Tensor]:
            for entry in vectors.layout.entries:
                pairs = vectors.pairs(entry.name)
                spaces = (
                    self._of_deltas(entry.name, vectors.deltas(entry.name))
                    if pairs is None
                    else self._of_pairs(entry.name, pairs)
                )
                yield from (own for _, _, own in spaces)

        total = sum(own[0].numel() for own in turned())
        rank = total - int(total * self.density)
        found = None if rank < 1 else tuple(kth_magnitudes(turned, [rank] * len(vectors.names)))
        return Survey(found, vectors.pairs)

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Elect at equal coefficients in the common space."""
        if not row_blocks(name, tuple(deltas.shape[1:]), self.split_qkv):
            return mean_rest(deltas)
        found, thresholds = torch.zeros_like(deltas), _survey(survey).thresholds
        for block, basis, own in self._spaces(name, deltas, survey):
            found[:, block] = basis @ election.frozen(kept(own, thresholds), 0.0, self.merge)
        return found

    def combine_tensor(
        self, name: str, base: Tensor, deltas: Tensor, coefficients: Array, survey: object | None
    ) -> Tensor:
        """Elect again with the coefficients in the common space."""
        if not row_blocks(name, tuple(deltas.shape[1:]), self.split_qkv):
            return base + (deltas * by_expert(coefficients.tolist(), deltas)).sum(0) / len(deltas)
        found, thresholds = base.clone(), _survey(survey).thresholds
        for block, basis, own in self._spaces(name, deltas, survey):
            found[block] += basis @ election.elected(kept(own, thresholds), coefficients, 0.0, self.merge)
        return found

    def combine_pairs(
        self, name: str, pairs: Pairs, coefficients: Array, survey: object | None, exact: bool
    ) -> tuple[Tensor, Tensor]:
        """Return U and what was elected in its space: of the rank of all adapters together, at most."""
        shape, values = (pairs[0].left.shape[0], pairs[0].right.shape[1]), coefficients.tolist()
        if not row_blocks(name, shape, self.split_qkv):
            return joined(pairs, [value / len(pairs) for value in values])
        parts: list[Part] = []
        for block, basis, own in self._of_pairs(name, pairs):
            trimmed = kept(own, _survey(survey).thresholds)
            if exact:
                merged = election.elected(trimmed, coefficients, 0.0, self.merge)
            else:
                merged = (election.frozen(trimmed, 0.0, self.merge) * by_expert(values, trimmed)).sum(0)
            parts.append((block, basis, merged))
        return stacked(parts, shape[0])

    def _spaces(self, name: str, deltas: Tensor, survey: object | None) -> Iterator[Space]:
        pairs = _survey(survey).pairs(name)
        return self._of_deltas(name, deltas) if pairs is None else self._of_pairs(name, pairs)

    def _of_deltas(self, name: str, deltas: Tensor) -> Iterator[Space]:
        """Go through the spaces of task vectors (T, m, n); a matrix that no expert changes has none."""
        for block in row_blocks(name, tuple(deltas.shape[1:]), self.split_qkv):
            part = deltas[:, block]
            if bool(part.any()):
                wide = part.to(torch.float64)
                values, vectors = torch.linalg.eigh((wide @ wide.mT).sum(0))
                basis = vectors[:, values > LEAST**2].flip(-1).to(deltas.dtype)
                yield block, basis, basis.T @ part

    def _of_pairs(self, name: str, pairs: Pairs) -> Iterator[Space]:
        """Go through the spaces of adapters, from their factors."""
        shape = (pairs[0].left.shape[0], pairs[0].right.shape[1])
        for block in row_blocks(name, shape, self.split_qkv):
            yield block, *_space([Pair(pair.left[block], pair.right) for pair in pairs])


def _space(pairs: list[Pair]) -> tuple[Tensor, Tensor]:
    """Return U (m, r) and x (T, r, n) of products."""
    rights = [pair.right.to(torch.float64) for pair in pairs]
    q, r = torch.linalg.qr(torch.cat([pair.left.to(torch.float64) for pair in pairs], dim=1))
    cores = torch.split(r, [pair.rank for pair in pairs], dim=1)
    gram = r.new_zeros((len(r), len(r)))
    for core, right in zip(cores, rights, strict=True):
        gram += core @ (right @ right.T) @ core.T
    values, vectors = torch.linalg.eigh(gram)
    turn = vectors[:, values > LEAST**2].flip(-1)
    own = torch.stack([(turn.T @ core) @ right for core, right in zip(cores, rights, strict=True)])
    dtype = pairs[0].left.dtype
    return (q @ turn).to(dtype), own.to(dtype)


def _survey(survey: object | None) -> Survey:
    if not isinstance(survey, Survey):
        raise TypeError("KnOTS needs its thresholds")
    return survey
