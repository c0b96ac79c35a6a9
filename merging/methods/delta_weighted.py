"""Delta-weighted fusion: who changed a weight more has more say in it."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor

from merging.method import Linearity, Method, Paper
from merging.setting import Range

SMALLEST = 1e-30


@dataclass(frozen=True)
class DeltaWeighted(Method):
    """Delta-weighted fusion in the style of CoDiEmb (Zhang et al., arXiv 2508.11442); their code is not public.

    merged = base + Σ c_t w_t ⊙ τ_t, w_t = |τ_t|^q / Σ_j |τ_j|^q for each weight. q = 0 is the average, a large
    q approaches MagMax. The weights are frozen at equal coefficients; the exact form weighs c_t τ_t.
    """

    name: ClassVar[str] = "delta_weighted"
    title: ClassVar[str] = "Delta-weighted"
    summary: ClassVar[str] = "Averages the changes of each weight, counting larger changes more."
    linearity: ClassVar[Linearity] = "frozen"
    exact_form: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper(
        "2508.11442",
        "CoDiEmb: A Collaborative yet Distinct Framework for Unified Representation Learning in "
        "Information Retrieval and Semantic Textual Similarity",
        2025,
        "Zhang et al.",
    )

    power: Annotated[float, Range(0.0, 8.0, "How much more a larger change counts.")] = 1.0

    @property
    def by_rows(self) -> bool:
        """Rows need nothing of each other."""
        return True

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Weigh each change by its share of all changes of that weight."""
        size = deltas.abs()
        share = size / size.max(dim=0).values.clamp_min(SMALLEST)  # keeps powers away from underflow
        share = share.pow(self.power)
        return deltas * share / share.sum(0).clamp_min(SMALLEST)
