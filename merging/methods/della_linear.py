"""DELLA without election: drop small changes more often than large ones, rescale, add."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor

from merging.method import Linearity, Method, Paper
from merging.setting import Choice, Range, Variant
from merging.sparsity.magprune import HELP_DENSITY, HELP_EPSILON, HELP_SEED, HELP_VARIANT, magprune
from merging.task_vector import TaskVectors


@dataclass(frozen=True)
class DellaLinear(Method):
    """MagPrune and sum (Deep, Bhardwaj, Poria: DELLA-Merging, arXiv 2406.11617).

    merged = base + Σ c_t MagPrune(τ_t); see `merging.sparsity.magprune`. Linear with the seed fixed.
    """

    name: ClassVar[str] = "della_linear"
    title: ClassVar[str] = "DELLA without signs"
    summary: ClassVar[str] = "Drops small changes more often than large ones, enlarges the rest, and adds them."
    linearity: ClassVar[Linearity] = "linear"
    paper: ClassVar[Paper] = Paper(
        "2406.11617",
        "DELLA-Merging: Reducing Interference in Model Merging through Magnitude-Based Sampling",
        2024,
        "Deep et al.",
    )
    revision: ClassVar[int] = 2

    density: Annotated[float, Range(0.05, 1.0, HELP_DENSITY)] = 0.7
    epsilon: Annotated[float, Range(0.0, 0.4, HELP_EPSILON)] = 0.07
    seed: Annotated[int, Range(0, 2**31 - 1, HELP_SEED)] = 0
    variant: Annotated[Variant, Choice(HELP_VARIANT)] = "paper"

    def default(self, experts: int) -> float:
        """Return 1/T: the mean."""
        return 1.0 / experts

    def survey(self, vectors: TaskVectors) -> tuple[str, ...]:
        """Return the experts' names: the masks belong to them."""
        return vectors.names

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Prune and rescale."""
        if not isinstance(survey, tuple):
            raise TypeError("DELLA needs the experts' names")
        return magprune(deltas, survey, name, self.density, self.epsilon, self.seed, self.variant)
