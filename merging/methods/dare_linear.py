"""DARE: drop changes at random and rescale the rest, then add."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor

from merging.method import Linearity, Method, Paper
from merging.setting import Choice, Range, Variant
from merging.sparsity.dropping import VARIANT_HELP, dropped
from merging.task_vector import TaskVectors

PUBLISHED = 0.3


@dataclass(frozen=True)
class DareLinear(Method):
    """DARE with task arithmetic (Yu et al., arXiv 2311.03099).

    τ̃_t = m_t ⊙ τ_t / (1 − p), m_t ~ Bernoulli(1 − p) for each weight; merged = base + Σ c_t τ̃_t. With the
    seed fixed this is linear. The mask depends on seed, expert name, tensor name and place only.
    `variant: mergekit` does not divide by 1 − p: each tensor is scaled so that Σ|τ̃_t| = Σ|τ_t|.
    """

    name: ClassVar[str] = "dare_linear"
    title: ClassVar[str] = "DARE"
    summary: ClassVar[str] = "Drops a random share of each expert's changes, enlarges the rest, and adds them."
    linearity: ClassVar[Linearity] = "linear"
    paper: ClassVar[Paper] = Paper(
        "2311.03099",
        "Language Models are Super Mario: Absorbing Abilities from Homologous Models as a Free Lunch",
        2023,
        "Yu et al.",
    )

    drop: Annotated[float, Range(0.0, 0.99, "Share of each expert's changes that is dropped at random.")] = 0.5
    variant: Annotated[Variant, Choice(VARIANT_HELP)] = "paper"
    seed: Annotated[int, Range(0, 2**31 - 1, "Which changes are dropped.")] = 0

    def default(self, experts: int) -> float:
        """Return 0.3 as for task arithmetic with 8 tasks, or 1/T where that is more."""
        return max(PUBLISHED, 1.0 / experts)

    @property
    def by_rows(self) -> bool:
        """Rows need nothing of each other where a drop is made up for number by number."""
        return self.variant == "paper"

    def survey(self, vectors: TaskVectors) -> tuple[str, ...]:
        """Return the experts' names: the masks belong to them."""
        return vectors.names

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Drop and rescale."""
        return self.prepare_rows(name, deltas, survey, 0)

    def prepare_rows(self, name: str, deltas: Tensor, survey: object | None, start: int) -> Tensor:
        """Drop and rescale; the mask is that of the place in the tensor."""
        if not isinstance(survey, tuple):
            raise TypeError("DARE needs the experts' names")
        return dropped(deltas, survey, name, self.drop, self.seed, self.variant, start)
