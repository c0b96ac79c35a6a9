"""Model Breadcrumbs: leave out both the largest and the smallest changes."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from torch import Tensor

from merging.method import Linearity, Method, Paper
from merging.setting import Choice, Range, Variant
from merging.sparsity.trim import between, ranks_between


@dataclass(frozen=True)
class Breadcrumbs(Method):
    """Model Breadcrumbs (Davari and Belilovsky, arXiv 2312.06795).

    Of the n changes of a tensor the ⌊top·n⌋ largest are left out, the next ⌊density·n⌋ largest are kept (at
    least one); merged = base + Σ c_t τ̂_t. Changes of equal size stay together. `scope: row` counts along the
    last dimension, as the authors' code does; there a row too short for one entry keeps its largest.
    """

    name: ClassVar[str] = "breadcrumbs"
    title: ClassVar[str] = "Breadcrumbs"
    summary: ClassVar[str] = "Keeps each expert's large changes, but not the few largest, and adds them."
    linearity: ClassVar[Linearity] = "linear"
    paper: ClassVar[Paper] = Paper(
        "2312.06795",
        "Model Breadcrumbs: Scaling Multi-Task Model Merging with Sparse Masks",
        2023,
        "Davari and Belilovsky",
    )

    density: Annotated[float, Range(0.001, 1.0, "Share of each tensor's changes that is kept.")] = 0.15
    top: Annotated[float, Range(0.0, 0.5, "Share of the largest changes that is left out.")] = 0.006
    scope: Annotated[
        Literal["tensor", "row"], Choice("Where the shares are counted: the whole tensor, or each row.")
    ] = "tensor"
    variant: Annotated[
        Variant, Choice("mergekit: over the whole tensor, and nothing is kept where the share is less than one entry.")
    ] = "paper"

    def default(self, experts: int) -> float:
        """Return 0.4, as in the authors' example."""
        return 0.4

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Keep the changes between the two thresholds."""
        if self.variant == "mergekit" or self.scope == "tensor" or deltas.dim() == 1:
            return between(deltas, self.density, self.top, self.variant)
        first, last = ranks_between(deltas.shape[-1], self.density, self.top)
        size = deltas.abs()
        low, high = (size.kthvalue(rank, dim=-1, keepdim=True).values for rank in (first, last))
        return deltas * ((size >= low) & (size <= high))
