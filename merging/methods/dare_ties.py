"""DARE, then TIES: drop changes at random, trim, elect a sign, average what agrees."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor

from merging.method import Array, Linearity, Method, Paper
from merging.methods.dare_linear import DareLinear
from merging.setting import Choice, Range, Variant
from merging.sparsity import election, trim
from merging.sparsity.dropping import VARIANT_HELP, dropped
from merging.sparsity.election import MERGE_HELP, Merge
from merging.task_vector import TaskVectors


@dataclass(frozen=True)
class Survey:
    """The experts' names, the trim thresholds after the drop, and the sign that an even vote takes."""

    names: tuple[str, ...]
    thresholds: trim.Thresholds
    majority: float


@dataclass(frozen=True)
class DareTies(Method):
    """DARE followed by TIES (Yu et al., arXiv 2311.03099; TIES: arXiv 2306.01708).

    τ̃_t = m_t ⊙ τ_t / (1 − p) as in DARE; then trim to the `density` largest over the whole model (1 = no
    trim), elect and average as in TIES. Frozen and exact forms as in TIES; masks as in DARE.
    `variant: mergekit` keeps the strength Σ|τ_t| of each tensor instead of dividing by 1 − p, does not trim
    (`density` has no effect) and takes + for a sum of 0; its default is `merge: sum`.
    """

    name: ClassVar[str] = "dare_ties"
    title: ClassVar[str] = "DARE-TIES"
    summary: ClassVar[str] = "Drops changes at random, then averages those that agree on the sign."
    linearity: ClassVar[Linearity] = "frozen"
    exact_form: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = DareLinear.paper

    drop: Annotated[float, Range(0.0, 0.99, "Share of each expert's changes that is dropped at random.")] = 0.5
    density: Annotated[float, Range(0.001, 1.0, "Share that the trim keeps, dropped ones counted.")] = 0.2
    merge: Annotated[Merge, Choice(MERGE_HELP)] = "mean"
    variant: Annotated[Variant, Choice(f"{VARIANT_HELP} mergekit does not trim.")] = "paper"
    seed: Annotated[int, Range(0, 2**31 - 1, "Which changes are dropped.")] = 0

    @property
    def by_rows(self) -> bool:
        """Rows need nothing of each other where a drop is made up for number by number."""
        return self.variant == "paper"

    def survey(self, vectors: TaskVectors) -> Survey:
        """Find the trim thresholds after the drop, and the majority sign."""
        names, total = vectors.names, vectors.layout.parameters

        if self.variant == "mergekit":
            return Survey(names, None, 1.0)

        def changed(name: str, deltas: Tensor, start: int) -> Tensor:
            return self._dropped(names, name, deltas, start)

        thresholds = trim.whole_model(vectors, total - int(total * self.density), changed)
        count = sum(
            election.votes(trim.kept(changed(name, deltas, start), thresholds))
            for name, start, deltas in vectors.each_rows()
        )
        return Survey(names, thresholds, float((count > 0) - (count < 0)))

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Drop, trim, and keep what agrees with the sign elected at equal coefficients."""
        return self.prepare_rows(name, deltas, survey, 0)

    def prepare_rows(self, name: str, deltas: Tensor, survey: object | None, start: int) -> Tensor:
        """Do so for some rows; the mask is that of the place in the tensor."""
        changes, majority = self._changes(name, deltas, survey, start)
        return election.frozen(changes, majority, self.merge)

    def combine_tensor(
        self, name: str, base: Tensor, deltas: Tensor, coefficients: Array, survey: object | None
    ) -> Tensor:
        """Elect again with the coefficients."""
        return self.combine_rows(name, base, deltas, coefficients, survey, 0)

    def combine_rows(
        self, name: str, base: Tensor, deltas: Tensor, coefficients: Array, survey: object | None, start: int
    ) -> Tensor:
        """Do so for some rows; the mask is that of the place in the tensor."""
        changes, majority = self._changes(name, deltas, survey, start)
        return base + election.elected(changes, coefficients, majority, self.merge)

    def _changes(self, name: str, deltas: Tensor, survey: object | None, start: int) -> tuple[Tensor, float]:
        if not isinstance(survey, Survey):
            raise TypeError("DARE-TIES needs its survey")
        return trim.kept(self._dropped(survey.names, name, deltas, start), survey.thresholds), survey.majority

    def _dropped(self, names: tuple[str, ...], name: str, deltas: Tensor, start: int) -> Tensor:
        return dropped(deltas, names, name, self.drop, self.seed, self.variant, start)
