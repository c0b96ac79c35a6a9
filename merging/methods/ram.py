"""RAM: average what experts share, keep whole what only one of them learned."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from merging.method import Linearity, Method, Paper
from merging.setting import Choice, Range, Variant
from merging.task_vector import TaskVectors, by_expert


@dataclass(frozen=True)
class Ram(Method):
    """Reinforced Agent Merging, RAM and RAM+ (Yuan et al., arXiv 2601.13572).

    m_t = [|τ_t| > ε], n = Σ m_t. merged = base + Σ c_t m_t τ_t · (1/n where n ≥ 2; κ_t where n = 1), with
    κ_t = 1 + (R − 1) min(cap, shared_t / unique_t) counted over the whole model; R = 1 is RAM, R = 1.2 RAM+. An
    expert that has nothing of its own has κ_t = 1. Where all weights of all experts moved, it is the mean.
    mergekit's `ramplus_tl` is `variant: mergekit` with reward 1.1 and cap 0.2 (its r + 1 and alpha).
    """

    name: ClassVar[str] = "ram"
    title: ClassVar[str] = "RAM"
    summary: ClassVar[str] = "Averages changes that experts share and keeps whole those only one of them made."
    linearity: ClassVar[Linearity] = "linear"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.5)
    paper: ClassVar[Paper] = Paper(
        "2601.13572", "Behavior Knowledge Merge in Reinforced Agentic Models", 2026, "Yuan et al."
    )

    epsilon: Annotated[float, Range(0.0, 0.1, "Smaller changes than this count as none.")] = 1e-5
    reward: Annotated[float, Range(1.0, 2.0, "How far changes of one expert alone are enlarged.")] = 1.0
    cap: Annotated[float, Range(0.0, 1.0, "The largest share / alone ratio that counts for the reward.")] = 1.0
    variant: Annotated[Variant, Choice("paper: counted over the whole model; mergekit: tensor by tensor.")] = "paper"

    @property
    def by_rows(self) -> bool:
        """Rows need nothing of each other where changes are counted over the model."""
        return self.variant == "paper"

    def survey(self, vectors: TaskVectors) -> tuple[float, ...]:
        """Return κ_t of every expert, counted over the whole model."""
        if self.variant == "mergekit":
            return ()
        count = len(vectors.names)
        shared, unique = torch.zeros(count, dtype=torch.int64), torch.zeros(count, dtype=torch.int64)
        for _, _, deltas in vectors.each_rows():
            more, own = _counts(deltas.abs() > self.epsilon)
            shared += more
            unique += own
        return self._factors(shared, unique)

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Divide shared changes, enlarge changes of one expert alone."""
        if not isinstance(survey, tuple):
            raise TypeError("RAM needs its factors")
        moved = deltas.abs() > self.epsilon
        factors = self._factors(*_counts(moved)) if self.variant == "mergekit" else survey
        together = moved.sum(0)
        return deltas * moved * torch.where(together > 1, 1.0 / together.clamp_min(1), by_expert(factors, deltas))

    def _factors(self, shared: Tensor, unique: Tensor) -> tuple[float, ...]:
        ratios = [s / u if u else 0.0 for s, u in zip(shared.tolist(), unique.tolist(), strict=True)]
        return tuple(1.0 + (self.reward - 1.0) * min(self.cap, ratio) for ratio in ratios)


def _counts(moved: Tensor) -> tuple[Tensor, Tensor]:
    """Count, for each expert, the weights that it moved with others and alone."""
    together = moved.sum(0)
    shared, unique = (moved & (together > 1)), (moved & (together == 1))
    return shared.reshape(len(moved), -1).sum(1).cpu(), unique.reshape(len(moved), -1).sum(1).cpu()
