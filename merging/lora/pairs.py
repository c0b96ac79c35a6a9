"""Changes of a matrix as products of two thin ones: what adapters hold, so that ΔW need not be formed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Pair:
    """One change τ = left · right, (m, r) and (r, n), float32; r is 0 where an expert leaves the matrix alone.

    `swapped` says that the base holds the module's weight transposed, as τ then is.
    """

    left: Tensor
    right: Tensor
    swapped: bool = False

    @property
    def rank(self) -> int:
        """The r of the product."""
        return self.left.shape[1]

    @property
    def flipped(self) -> "Pair":
        """The same change transposed."""
        return Pair(self.right.T, self.left.T, not self.swapped)


Pairs = tuple[Pair, ...]  # one for each expert
Part = tuple[slice, Tensor, Tensor]  # rows of a matrix, and the product (rows, r) (r, n) that stands there


def joined(pairs: Sequence[Pair], weights: Iterable[float]) -> tuple[Tensor, Tensor]:
    """Return Σ w_t τ_t as one product, exactly: left (m, Σ r_t), right (Σ r_t, n)."""
    lefts = [pair.left * weight for pair, weight in zip(pairs, weights, strict=True)]
    return torch.cat(lefts, dim=1), torch.cat([pair.right for pair in pairs])


def stacked(parts: Sequence[Part], rows: int) -> tuple[Tensor, Tensor]:
    """Return products that stand in different rows of a matrix (rows, n) as one product."""
    lefts: list[Tensor] = []
    for block, left, _ in parts:
        placed = left.new_zeros((rows, left.shape[1]))
        placed[block] = left
        lefts.append(placed)
    return torch.cat(lefts, dim=1), torch.cat([right for _, _, right in parts])
