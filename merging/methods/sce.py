"""SCE: select where experts differ, weigh them by their strength, erase minority signs."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from merging.algebra.linalg import kth_of_rows
from merging.method import Linearity, Method, Paper
from merging.setting import Choice, Range, Variant
from merging.sparsity import election

SMALLEST = 1e-6


@dataclass(frozen=True)
class Sce(Method):
    """SCE: select, calculate, erase (Wan et al., FuseChat, arXiv 2408.07990).

    Per tensor: keep the weights where the variance over the experts is among the ⌊select·nonzero⌋ largest (at
    least one), w_t ∝ mean τ̂_t², erase what disagrees with sign Σ_t τ̂_t (+ for 0), divide by the Σ w that is
    left: direction_t = w_t τ̂_t [agrees] / Σ w. Selection, weights and signs are frozen at equal
    coefficients; the exact form takes c_t τ_t for τ_t.
    With one expert the variance is zero and nothing is left out. `variant: mergekit` keeps nothing where
    ⌊select·nonzero⌋ is 0, and gives experts whose changes are all tiny (Σ mean τ̂² ≤ 1e-6) equal weights.
    """

    name: ClassVar[str] = "sce"
    title: ClassVar[str] = "SCE"
    summary: ClassVar[str] = "Keeps the weights on which experts differ most and lets the stronger one lead."
    linearity: ClassVar[Linearity] = "frozen"
    exact_form: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper("2408.07990", "FuseChat: Knowledge Fusion of Chat Models", 2024, "Wan et al.")

    select: Annotated[float, Range(0.001, 1.0, "Share of the weights that is kept.")] = 0.1
    variant: Annotated[
        Variant, Choice("mergekit: a tensor where the share is less than one weight does not change.")
    ] = "paper"

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Select, calculate, erase."""
        changes = deltas * self._selected(deltas)
        strength = changes.square().reshape(len(deltas), -1).mean(1)
        total = float(strength.sum())
        faint = SMALLEST if self.variant == "mergekit" else 0.0
        strength = strength / total if total > faint else torch.full_like(strength, 1.0 / len(deltas))
        weights = election.agreement(changes, 1.0) * strength.view(-1, *[1] * (deltas.dim() - 1))
        return changes * weights / weights.sum(0).clamp_min(SMALLEST)

    def _selected(self, deltas: Tensor) -> Tensor:
        variance = deltas.var(dim=0, unbiased=False)
        differing = int((variance > 0).sum())
        wanted = int(self.select * differing)
        if self.variant == "mergekit" and self.select < 1.0 and wanted == 0:
            return torch.zeros_like(variance)
        if self.select >= 1.0 or differing == 0:
            return torch.ones_like(variance)
        wanted = max(1, wanted)
        rank = variance.numel() - wanted + 1
        return (variance >= kth_of_rows(variance.unsqueeze(0), [rank])[0]).to(deltas.dtype)
