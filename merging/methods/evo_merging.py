"""Evo-Merging's merge: adapters' factors summed apart, of one of them only the largest numbers."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from merging.errors import MergingError
from merging.families.factored import Factored
from merging.lora.pairs import Pair, Pairs
from merging.method import Array, Paper
from merging.setting import Text, parsed
from merging.sparsity.trim import kept_largest
from merging.task_vector import TaskVectors, by_expert

KEEP_FORM = "EXPERT=NUMBER,… with numbers from 0 to 1 for some or all experts, or nothing"
KEEP_HELP = "Share of the numbers of each adapter's factor A that is kept; empty keeps all."


@dataclass(frozen=True)
class EvoMerging(Factored):
    """The merge that Evo-Merging searches (Chen et al., arXiv 2509.12951; the authors' code Chansl-Lucky/
    Black-Box-Merging, merger.py).

    Of LoRA experts τ_t = B_t A_t: A = Σ c_t sp(A_t, α_t), B = Σ c_t B_t, and the change is their product, so it holds
    terms of two experts too and grows with the square of c. sp keeps the ⌊α n⌉ numbers of largest size of each matrix
    (at least one; those of equal size stay together), all for α = 1 and none for α = 0; α is `keep`. Both are searched
    by metrics alone with `python -m study evolve --signed --first N`: the paper's first stage finds α at coefficients
    1/T, its second the coefficients, from -1.5 to 1.5.

    The authors' adapters share rank and scaling; here the scaling is part of B, and smaller ranks are filled up with 0.
    Tensors that are no products of factors (the authors merge none): Σ c_t τ_t. `--adapter` writes an adapter.
    """

    name: ClassVar[str] = "evo_merging"
    title: ClassVar[str] = "Evo-Merging"
    summary: ClassVar[str] = "Adds up adapters' factors, of one only the largest numbers; searched by metrics alone."
    bounds: ClassVar[tuple[float, float]] = (-1.5, 1.5)
    paper: ClassVar[Paper] = Paper(
        "2509.12951",
        "Black-box Model Merging for Language-Model-as-a-Service with Massive Model Repositories",
        2025,
        "Chen et al.",
    )

    keep: Annotated[str, Text(KEEP_HELP, KEEP_FORM)] = ""

    def default(self, experts: int) -> float:
        """Return 1/T, where the search starts."""
        return 1.0 / experts

    def survey(self, vectors: TaskVectors) -> dict[str, Pairs]:
        """Sparsify A of every adapted matrix."""
        shares = self.shares(vectors.names)
        found: dict[str, Pairs] = {}
        for entry in vectors.layout.entries:
            pairs = vectors.pairs(entry.name)
            if pairs is not None:
                rank = max(pair.rank for pair in pairs)
                both = zip(pairs, shares, strict=True)
                found[entry.name] = tuple(_filled(sparse(pair, share), rank) for pair, share in both)
        return found

    def shares(self, names: tuple[str, ...]) -> list[float]:
        """Return α of every expert.

        Raises:
            MergingError: `keep` names something else, or a number that is no share.
        """
        given = parsed(self.keep, "keep", KEEP_FORM) if self.keep.strip() else {}
        for name, share in given.items():
            if name not in names or not 0.0 <= share <= 1.0:
                what = f"there is no expert '{name}'" if name not in names else f"{share:g} is no share"
                raise MergingError(f"In the setting 'keep' {what}.", f"Allowed: {KEEP_FORM}.")
        return [given.get(name, 1.0) for name in names]

    def combine_tensor(
        self, name: str, base: Tensor, deltas: Tensor, coefficients: Array, survey: object | None
    ) -> Tensor:
        """Multiply the sums of the factors; add up where there are none."""
        if name in self.factors(survey):
            left, right = self.combine_pairs(name, self.factors(survey)[name], coefficients, survey, exact=True)
            return base + (left @ right).to(base.device)
        merged: Tensor = base + (deltas * by_expert(coefficients.tolist(), deltas)).sum(0)
        return merged

    def combine_pairs(
        self, name: str, pairs: Pairs, coefficients: Array, survey: object | None, exact: bool
    ) -> tuple[Tensor, Tensor]:
        """Return the sums of the factors; `pairs` are taken from the survey."""
        found, weights = self.factors(survey)[name], coefficients.tolist()
        left, right = torch.zeros_like(found[0].left), torch.zeros_like(found[0].right)
        for pair, weight in zip(found, weights, strict=True):
            left += pair.left * weight
            right += pair.right * weight
        return left, right


def sparse(pair: Pair, share: float) -> Pair:
    """Keep the largest numbers of A, which is the right factor, or the left one of a transposed product."""
    factor = pair.left if pair.swapped else pair.right
    if factor.numel() == 0 or share == 1.0:
        return pair
    count = max(1, round(factor.numel() * share))
    kept = kept_largest(factor[None], count)[0] if share > 0.0 else torch.zeros_like(factor)
    return Pair(kept, pair.right, True) if pair.swapped else Pair(pair.left, kept)


def _filled(pair: Pair, rank: int) -> Pair:
    """Fill both factors up with zeros to one rank."""
    left = torch.cat([pair.left, pair.left.new_zeros((len(pair.left), rank - pair.rank))], dim=1)
    right = torch.cat([pair.right, pair.right.new_zeros((rank - pair.rank, pair.right.shape[1]))])
    return Pair(left, right, pair.swapped)
