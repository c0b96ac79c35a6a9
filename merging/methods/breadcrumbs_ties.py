"""Breadcrumbs, then TIES: leave out the largest and the smallest changes, elect a sign, join what agrees."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor

from merging.method import Array, Linearity, Method, Paper
from merging.methods.breadcrumbs import Breadcrumbs
from merging.setting import Choice, Range, Variant
from merging.sparsity import election
from merging.sparsity.election import MERGE_HELP, Merge
from merging.sparsity.trim import between


@dataclass(frozen=True)
class BreadcrumbsTies(Method):
    """Model Breadcrumbs (arXiv 2312.06795) with the election of TIES (arXiv 2306.01708); mergekit's method.

    Each tensor keeps what Breadcrumbs keeps (see there, also for `variant`), then elects signs tensor by tensor;
    where the sum is exactly 0, the sign is +. mergekit's default is `merge: sum`. Frozen and exact forms as in
    TIES.
    """

    name: ClassVar[str] = "breadcrumbs_ties"
    title: ClassVar[str] = "Breadcrumbs-TIES"
    summary: ClassVar[str] = "Keeps large changes, but not the few largest, and joins those that agree on the sign."
    linearity: ClassVar[Linearity] = "frozen"
    exact_form: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Breadcrumbs.paper

    density: Annotated[float, Range(0.001, 1.0, "Share of each tensor's changes that is kept.")] = 0.15
    top: Annotated[float, Range(0.0, 0.5, "Share of the largest changes that is left out.")] = 0.006
    merge: Annotated[Merge, Choice(MERGE_HELP)] = "sum"
    variant: Annotated[
        Variant, Choice("mergekit: nothing is kept where the share is less than one entry of a tensor.")
    ] = "paper"

    def default(self, experts: int) -> float:
        """Return 0.4, as in the authors' example."""
        return 0.4

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Keep what agrees with the sign elected at equal coefficients."""
        return election.frozen(between(deltas, self.density, self.top, self.variant), 1.0, self.merge)

    def combine_tensor(
        self, name: str, base: Tensor, deltas: Tensor, coefficients: Array, survey: object | None
    ) -> Tensor:
        """Elect again with the coefficients."""
        changes = between(deltas, self.density, self.top, self.variant)
        return base + election.elected(changes, coefficients, 1.0, self.merge)
