"""DC-Merge: vote on the experts' leading directions in one space that covers them all."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from merging.algebra.linalg import RELATIVE, leading, polar
from merging.algebra.matrices import SplitQkv, by_matrix, merge_by_matrix
from merging.method import Array, Linearity, Method, Paper
from merging.setting import Choice, Range
from merging.sparsity import election
from merging.sparsity.trim import kept_largest

Parts = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class DcMerge(Method):
    """DC-Merge (Zhang et al., arXiv 2603.06242), as in the authors' code for fully tuned vision models.

    Per matrix with τ_t ≈ U_t S_t V_tᵀ (rank k = ⌊r/T⌋, at least 1): the cover space is Ũ = polar[U_1 … U_T],
    Ṽ = polar[V_1 … V_T]; in it C_t = Ũᵀ U_t S_t V_tᵀ Ṽ keeps its ⌊keep·r²⌋ largest entries (at least one),
    entries that agree with sign Σ_t C_t are averaged, the T blocks of k × k on the diagonal stay, and Ũ · Ṽᵀ
    turns the result back. Other tensors: the mean. The vote is frozen at equal coefficients; the exact form
    votes again with c_t C_t. `smoothing` is the authors' for LoRA experts: all of an expert's k singular values
    become their mean, or fall evenly from at most 5 times the smallest, with the same sum (there k is the rank of
    the adapters). Here entries below 1e-6 of an expert's largest count as zero and do not vote.
    """

    name: ClassVar[str] = "dc_merge"
    title: ClassVar[str] = "DC-Merge"
    summary: ClassVar[str] = "Lets the experts vote on their main directions in one space that covers them all."
    linearity: ClassVar[Linearity] = "frozen"
    exact_form: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 3.0)
    paper: ClassVar[Paper] = Paper(
        "2603.06242", "DC-Merge: Improving Model Merging with Directional Consistency", 2026, "Zhang et al."
    )

    keep: Annotated[float, Range(0.0001, 1.0, "Share of each expert's entries in the cover space that votes.")] = 0.001
    smoothing: Annotated[
        Literal["none", "average", "linear"], Choice("How an expert's strengths are evened out; for LoRA experts.")
    ] = "none"
    split_qkv: SplitQkv = True

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Vote at equal coefficients."""
        return by_matrix(name, deltas, self.split_qkv, self._directions)

    def combine_tensor(
        self, name: str, base: Tensor, deltas: Tensor, coefficients: Array, survey: object | None
    ) -> Tensor:
        """Vote again with the coefficients."""

        def merged(part: Tensor, weights: Tensor) -> Tensor:
            left, inner, right = self._covered(part)
            own = inner * weights
            agree = election.agreement(own, 0.0)
            voted = (own * agree).sum(0) / agree.sum(0).clamp_min(1)
            return left @ (voted * _blocks(voted, len(part))) @ right.T

        return base + merge_by_matrix(name, deltas, coefficients, self.split_qkv, merged)

    def _directions(self, deltas: Tensor) -> Tensor:
        left, inner, right = self._covered(deltas)
        voted = election.frozen(inner, 0.0)
        return left @ (voted * _blocks(voted[0], len(deltas))) @ right.T

    def _covered(self, deltas: Tensor) -> Parts:
        """Return Ũ (m, s), the kept C_t (T, s, s) and Ṽ (n, s), s = T k; slots of missing directions are zero."""
        count, rows, columns = deltas.shape
        most = max(1, min(rows, columns) // count)
        left, right = deltas.new_zeros((rows, count * most)), deltas.new_zeros((columns, count * most))
        low = torch.zeros_like(deltas)
        for number, delta in enumerate(deltas):
            if bool(delta.any()):
                u, strength, v = leading(delta, most)
                own = slice(number * most, number * most + len(strength))
                left[:, own], right[:, own] = u, v
                low[number] = (u * self._smoothed(strength)) @ v.T
        left, right = polar(left), polar(right)
        inner = left.T @ low @ right
        inner[inner.abs() <= RELATIVE * inner.abs().amax((1, 2), keepdim=True)] = 0.0  # rounding errors do not vote
        return left, kept_largest(inner, max(1, int(self.keep * min(rows, columns) ** 2))), right

    def _smoothed(self, strength: Tensor) -> Tensor:
        if self.smoothing == "none":
            return strength
        if self.smoothing == "average":
            return torch.full_like(strength, float(strength.mean()))
        ratio = min(STEEPEST, float(strength[0] / strength[-1]))
        line = torch.linspace(ratio, 1.0, len(strength), dtype=strength.dtype, device=strength.device)
        return line * (strength.sum() / line.sum())


STEEPEST = 5.0


def _blocks(inner: Tensor, count: int) -> Tensor:
    """Return 1 on the T diagonal blocks of (s, s), else 0."""
    size = len(inner) // count
    own = torch.arange(len(inner), device=inner.device) // size
    return (own[:, None] == own[None, :]).to(inner.dtype)
