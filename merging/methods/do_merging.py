"""DO-Merging: merge lengths and directions apart, after making the adapters' factors less alike."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor

from merging.algebra.descent import adam
from merging.algebra.linalg import RELATIVE
from merging.algebra.matrices import SplitQkv, row_blocks
from merging.families.factored import Factored
from merging.lora.pairs import Pair, Pairs, Part, joined, stacked
from merging.method import Array, Paper
from merging.setting import Range
from merging.task_vector import by_expert


@dataclass(frozen=True)
class DoMerging(Factored):
    """Decoupled and orthogonal merging of adapters, in the manner of DO-Merging (Zheng et al., arXiv 2505.15875).

    Of LoRA experts τ_t = B_t A_t, first Â_t = A_t + δ_t by descent on Σ_{i≠j} ‖Â_i Â_jᵀ‖² + pull · Σ ‖δ_t‖², and B
    (with its scaling) alike, so that the experts share fewer directions. Then each column of τ̂_t = B̂_t Â_t is a length
    m_t and a direction D_t, and the two are merged apart: Σ c_t m_t ⊙ Σ (c_t / Σ|c|) D_t. With c_t = 1/T that is the
    mean length times the mean direction, and one expert alone is c τ̂. A column that is zero up to rounding has no
    direction. The merge has the rank of all adapters together: `--adapter` writes it as an adapter, exactly.

    Other experts have no factors: their matrices are taken apart as they are. Other tensors: Σ c_t τ_t. The authors
    publish no code; how many steps they take, how long, and how `pull` is weighed could not be established, so the
    defaults here are ours (Adam, steps in shares of the factors' mean size), and their numbers are not to be expected.
    """

    name: ClassVar[str] = "do_merging"
    title: ClassVar[str] = "DO-Merging"
    summary: ClassVar[str] = "Merges how far and in which direction each column moved apart from each other."
    paper: ClassVar[Paper] = Paper(
        "2505.15875", "Decouple and Orthogonalize: A Data-Free Framework for LoRA Merging", 2025, "in the manner of"
    )

    steps: Annotated[int, Range(0, 1000, "Steps of the descent; 0 leaves the factors as they are.")] = 100
    rate: Annotated[float, Range(0.0001, 0.1, "Length of a step, as a share of the factors' mean size.")] = 0.01
    pull: Annotated[float, Range(0.0, 1000.0, "How strongly the factors are held to where they were.")] = 1.0
    split_qkv: SplitQkv = True

    def default(self, experts: int) -> float:
        """Return 1/T: the mean length and the mean direction."""
        return 1.0 / experts

    def combine_tensor(
        self, name: str, base: Tensor, deltas: Tensor, coefficients: Array, survey: object | None
    ) -> Tensor:
        """Merge lengths and directions apart."""
        own = self.factors(survey)
        if name in own:
            left, right = self.combine_pairs(name, own[name], coefficients, survey, exact=True)
            return base + left @ right
        blocks = row_blocks(name, tuple(base.shape), self.split_qkv)
        if not blocks:
            return base + (deltas * by_expert(coefficients.tolist(), deltas)).sum(0)
        found = base.clone()
        for block in blocks:
            part = deltas[:, block]
            lengths = part.norm(dim=1)  # (T, n)
            factors = _factors(lengths, coefficients)
            found[block] += (part * factors.unsqueeze(1)).sum(0)
        return found

    def combine_pairs(
        self, name: str, pairs: Pairs, coefficients: Array, survey: object | None, exact: bool
    ) -> tuple[Tensor, Tensor]:
        """Return the product, of the rank of all adapters together; `pairs` are taken from the survey."""
        pairs = self.factors(survey)[name]
        if _swapped(pairs):  # columns are those of the module's own weight, not of the base's transposed one
            left, right = self._together([pair.flipped for pair in pairs], [slice(None)], coefficients)
            return right.T, left.T
        shape = (pairs[0].left.shape[0], pairs[0].right.shape[1])
        blocks = row_blocks(name, shape, self.split_qkv)
        return self._together(list(pairs), blocks, coefficients) if blocks else joined(pairs, coefficients.tolist())

    def _together(self, pairs: list[Pair], blocks: list[slice], coefficients: Array) -> tuple[Tensor, Tensor]:
        parts: list[Part] = []
        for block in blocks:
            own = [Pair(pair.left[block], pair.right) for pair in pairs]
            factors = _factors(torch.stack([_lengths(pair) for pair in own]), coefficients)
            rights = [pair.right * factor for pair, factor in zip(own, factors, strict=True)]
            parts.append((block, torch.cat([pair.left for pair in own], dim=1), torch.cat(rights)))
        return stacked(parts, len(pairs[0].left)) if len(parts) > 1 else parts[0][1:]

    def changed(self, pairs: Pairs) -> Pairs:
        """Return B̂_t and Â_t, which are less alike."""
        if not self.steps:
            return pairs
        ranks = [pair.rank for pair in pairs]
        lefts = self._less_alike(torch.cat([pair.left for pair in pairs], dim=1).T, ranks)
        rights = self._less_alike(torch.cat([pair.right for pair in pairs]), ranks)
        return tuple(
            Pair(left.T, right, pair.swapped)
            for left, right, pair in zip(torch.split(lefts, ranks), torch.split(rights, ranks), pairs, strict=True)
        )

    def _less_alike(self, rows: Tensor, ranks: list[int]) -> Tensor:
        """Descend from the stacked factors (Σ r_t, n)."""
        start = rows.to(torch.float64)
        owner = torch.repeat_interleave(torch.arange(len(ranks)), torch.tensor(ranks))
        others = (owner[:, None] != owner[None, :]).to(start.dtype)

        def gradient(place: Tensor) -> Tensor:
            slope: Tensor = 4.0 * ((place @ place.T) * others) @ place + 2.0 * self.pull * (place - start)
            return slope

        size = float(start.square().mean().sqrt())
        return adam(start, gradient, self.steps, self.rate * size).to(rows.dtype)


def _factors(lengths: Tensor, coefficients: Array) -> Tensor:
    """Return what each expert's columns (T, n) are multiplied with: Σ c_t m_t · (c_t / Σ|c|) / m_t, 0 where m_t is."""
    values = by_expert(coefficients.tolist(), lengths)
    total = float(np.abs(coefficients).sum())
    if total == 0.0:
        return torch.zeros_like(lengths)
    there = lengths > RELATIVE * lengths.amax(1, keepdim=True)
    own = torch.where(there, 1.0 / torch.where(there, lengths, 1.0), 0.0)
    found: Tensor = (lengths * values).sum(0) * (values / total) * own
    return found


def _lengths(pair: Pair) -> Tensor:
    """Return the length (n,) of every column of a product, without forming it."""
    left, right = pair.left.to(torch.float64), pair.right.to(torch.float64)
    return (right * ((left.T @ left) @ right)).sum(0).clamp_min(0.0).sqrt().to(pair.left.dtype)


def _swapped(pairs: Pairs) -> bool:
    return any(pair.swapped for pair in pairs if pair.rank)
