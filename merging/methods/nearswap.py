"""NearSwap: take small changes whole, and only a little of large ones."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor

from merging.method import Linearity, Method, Paper
from merging.setting import Range


@dataclass(frozen=True)
class Nearswap(Method):
    """NearSwap (alchemonaut's, as in mergekit), which is a limit on each change.

    base + min(t / |τ|, 1) τ is sign(τ) min(|τ|, t): no weight moves further than t. mergekit takes one expert
    at full strength; here every expert has a coefficient, merged = base + Σ c_t clamp(τ_t, −t, t).
    """

    name: ClassVar[str] = "nearswap"
    title: ClassVar[str] = "NearSwap"
    summary: ClassVar[str] = "Takes small changes whole and limits how far any weight may move."
    linearity: ClassVar[Linearity] = "linear"
    paper: ClassVar[Paper] = Paper("", "NearSwap, in QuartetAnemoi-70B and mergekit", 2024, "alchemonaut")

    limit: Annotated[float, Range(0.0, 1.0, "How far a weight may move from the base.")] = 0.0001

    def default(self, experts: int) -> float:
        """Return 1/T, so that no weight of the merge moves further than the limit."""
        return 1.0 / experts

    @property
    def by_rows(self) -> bool:
        """Rows need nothing of each other."""
        return True

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Limit every change."""
        return deltas.clamp_(-self.limit, self.limit)
