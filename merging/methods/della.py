"""DELLA: MagPrune, elect a sign, average what agrees."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor

from merging.method import Array, Linearity, Method, Paper
from merging.methods.della_linear import DellaLinear
from merging.setting import Choice, Range, Variant
from merging.sparsity import election
from merging.sparsity.election import MERGE_HELP, Merge
from merging.sparsity.magprune import HELP_DENSITY, HELP_EPSILON, HELP_SEED, HELP_VARIANT, magprune
from merging.task_vector import TaskVectors


@dataclass(frozen=True)
class Della(Method):
    """DELLA-Merging (Deep, Bhardwaj, Poria, arXiv 2406.11617).

    MagPrune (`merging.sparsity.magprune`), then election and mean of the agreeing entries as in TIES; a sum of exactly
    0 counts as +. Frozen and exact forms as in TIES. mergekit's defaults are `merge: weighted`, ε 0.15.
    """

    name: ClassVar[str] = "della"
    title: ClassVar[str] = "DELLA"
    summary: ClassVar[str] = "Drops small changes more often than large ones, then averages agreeing signs."
    linearity: ClassVar[Linearity] = "frozen"
    exact_form: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = DellaLinear.paper
    revision: ClassVar[int] = 2

    density: Annotated[float, Range(0.05, 1.0, HELP_DENSITY)] = 0.7
    epsilon: Annotated[float, Range(0.0, 0.4, HELP_EPSILON)] = 0.07
    merge: Annotated[Merge, Choice(MERGE_HELP)] = "mean"
    seed: Annotated[int, Range(0, 2**31 - 1, HELP_SEED)] = 0
    variant: Annotated[Variant, Choice(HELP_VARIANT)] = "paper"

    def default(self, experts: int) -> float:
        """Return 1.1, as published."""
        return 1.1

    def survey(self, vectors: TaskVectors) -> tuple[str, ...]:
        """Return the experts' names: the masks belong to them."""
        return vectors.names

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Prune, and keep what agrees with the sign elected at equal coefficients."""
        return election.frozen(self._pruned(name, deltas, survey), 1.0, self.merge)

    def combine_tensor(
        self, name: str, base: Tensor, deltas: Tensor, coefficients: Array, survey: object | None
    ) -> Tensor:
        """Elect again with the coefficients."""
        return base + election.elected(self._pruned(name, deltas, survey), coefficients, 1.0, self.merge)

    def _pruned(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        if not isinstance(survey, tuple):
            raise TypeError("DELLA needs the experts' names")
        return magprune(deltas, survey, name, self.density, self.epsilon, self.seed, self.variant)
