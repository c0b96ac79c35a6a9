"""RMM: keep the adapters in a small space from which each expert can be had back, and mix them there."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from merging.families.factored import Factored
from merging.families.proportions import Proportional, shares
from merging.lora.pairs import Pair, Pairs
from merging.method import Array, Paper
from merging.setting import Range
from merging.task_vector import by_expert


@dataclass(frozen=True)
class Rmm(Factored, Proportional):
    """One model of Reversible Model Merging's space (Alipour and Amiri, arXiv 2510.14163).

    Of LoRA experts τ_t = B_t A_t: for every column of A, and every row of B, the T experts' vectors x_t (of r numbers)
    have the mean x̄ and the leading `models` left singular vectors U of [x_t − x̄]; expert t is x̂_t = x̄ + U Uᵀ (x_t − x̄)
    there, its coefficients Uᵀ (x_t − x̄) being what RMM keeps of it. The paper keeps that space and goes back to one
    expert at a time: all weight on one expert is that, here, and exact where `models` ≥ T − 1. Between experts this
    mixes their coefficients in the proportions p_t = c_t / Σ c: A = Σ p_t Â_t, B = Σ p_t B̂_t, whose product holds terms
    of two experts too (the paper shows that they do harm). So it serves to see what the space costs each expert, not as
    a merge. `--adapter` writes an adapter of the largest rank among the experts'; smaller ones are filled up with 0.

    Tensors that are no products of factors: the weighted average.
    """

    name: ClassVar[str] = "rmm"
    title: ClassVar[str] = "RMM"
    summary: ClassVar[str] = "Keeps adapters in a small space that gives each expert back; mixes them there."
    paper: ClassVar[Paper] = Paper(
        "2510.14163", "Towards Reversible Model Merging For Low-rank Weights", 2025, "Alipour and Amiri"
    )

    models: Annotated[int, Range(1, 64, "How many directions of each vector's space are kept.")] = 2

    def combine_tensor(
        self, name: str, base: Tensor, deltas: Tensor, coefficients: Array, survey: object | None
    ) -> Tensor:
        """Multiply the mixed factors; average where there are none."""
        if name in self.factors(survey):
            left, right = self.combine_pairs(name, self.factors(survey)[name], coefficients, survey, exact=True)
            return base + left @ right
        merged: Tensor = base + (deltas * by_expert(shares(coefficients).tolist(), deltas)).sum(0)
        return merged

    def combine_pairs(
        self, name: str, pairs: Pairs, coefficients: Array, survey: object | None, exact: bool
    ) -> tuple[Tensor, Tensor]:
        """Return the mixed factors; `pairs` are taken from the survey."""
        pairs, weights = self.factors(survey)[name], shares(coefficients).tolist()
        left, right = torch.zeros_like(pairs[0].left), torch.zeros_like(pairs[0].right)
        for pair, weight in zip(pairs, weights, strict=True):
            left += pair.left * weight
            right += pair.right * weight
        return left, right

    def changed(self, pairs: Pairs) -> Pairs:
        """Bring the factors into their space."""
        rank = max(pair.rank for pair in pairs)
        lefts = torch.stack([_filled(pair.left.T, rank) for pair in pairs])  # (T, r, m)
        rights = torch.stack([_filled(pair.right, rank) for pair in pairs])
        both = zip(self._spanned(lefts), self._spanned(rights), strict=True)
        return tuple(Pair(left.T, right) for left, right in both)

    def _spanned(self, stack: Tensor) -> Tensor:
        """Return x̂_t of vectors x_t (T, r, n), n of them side by side, through the T × T Gram matrix of each."""
        wide = stack.to(torch.float64).permute(2, 1, 0)  # (n, r, T)
        mean = wide.mean(-1, keepdim=True)
        apart = wide - mean
        _, vectors = torch.linalg.eigh(apart.mT @ apart)
        leading = vectors[..., -self.models :]
        found: Tensor = (mean + apart @ leading @ leading.mT).permute(2, 1, 0)
        return found.to(stack.dtype)


def _filled(rows: Tensor, rank: int) -> Tensor:
    """Add rows of zeros up to `rank`."""
    return torch.cat([rows, rows.new_zeros((rank - len(rows), rows.shape[1]))])
