"""TIES: trim, elect a sign, average what agrees with it."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from torch import Tensor

from merging.method import Array, Linearity, Method, Paper
from merging.setting import Choice, Range
from merging.sparsity import election, trim
from merging.sparsity.election import MERGE_HELP, Merge
from merging.task_vector import TaskVectors


@dataclass(frozen=True)
class Survey:
    """Numbers of the whole model: the trim thresholds, and the sign that an even vote takes."""

    thresholds: trim.Thresholds
    majority: float


@dataclass(frozen=True)
class Ties(Method):
    """TIES-Merging (Yadav et al., arXiv 2306.01708, Algorithm 1).

    Trim: keep the `density` share of largest |τ_t|. Elect: γ = sign Σ_t τ̂_t. Merge: mean of the entries
    whose sign is γ. As a study moves its sliders the election is frozen at equal coefficients,
    direction_t = τ̂_t [τ̂_t γ > 0] / count; the exact form elects again with c_t τ̂_t.

    The trim goes over the whole flattened model and keeps |τ| ≥ the (P − ⌊density·P⌋)-th smallest, as in the
    authors' code (one entry more than ⌊density·P⌋); where the elected sum is exactly 0 the sign is the
    model's majority, counted at equal coefficients. `variant: mergekit` trims each tensor for itself to
    ⌊density·n⌋ entries (at least one; entries of equal size stay together) and takes + for such sums.
    """

    name: ClassVar[str] = "ties"
    title: ClassVar[str] = "TIES"
    summary: ClassVar[str] = "Keeps each expert's largest changes and averages those that agree on the sign."
    linearity: ClassVar[Linearity] = "frozen"
    exact_form: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper(
        "2306.01708", "TIES-Merging: Resolving Interference When Merging Models", 2023, "Yadav et al."
    )

    density: Annotated[float, Range(0.001, 1.0, "Share of each expert's changes that is kept.")] = 0.2
    variant: Annotated[
        Literal["paper", "mergekit"],
        Choice("paper: trim over the whole model; mergekit: trim tensor by tensor."),
    ] = "paper"
    merge: Annotated[Merge, Choice(MERGE_HELP)] = "mean"
    scale: Annotated[float, Range(-10.0, 10.0, "Multiplies the merged task vector.")] = 1.0

    @property
    def by_rows(self) -> bool:
        """Rows need nothing of each other where the trim is the model's."""
        return self.variant == "paper"

    def survey(self, vectors: TaskVectors) -> Survey:
        """Find the trim thresholds and the majority sign of the whole model."""
        if self.variant == "mergekit":
            return Survey(None, 1.0)
        total = vectors.layout.parameters
        thresholds = trim.whole_model(vectors, total - int(total * self.density))
        count = sum(election.votes(trim.kept(deltas, thresholds)) for _, _, deltas in vectors.each_rows())
        return Survey(thresholds, float((count > 0) - (count < 0)))

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Trim, then keep what agrees with the sign elected at equal coefficients."""
        changes, majority = self._trimmed(deltas, survey)
        return election.frozen(changes, majority, self.merge).mul_(self.scale)

    def combine_tensor(
        self, name: str, base: Tensor, deltas: Tensor, coefficients: Array, survey: object | None
    ) -> Tensor:
        """Elect again with c_t τ̂_t and merge the agreeing entries."""
        changes, majority = self._trimmed(deltas, survey)
        return base + self.scale * election.elected(changes, coefficients, majority, self.merge)

    def _trimmed(self, deltas: Tensor, survey: object | None) -> tuple[Tensor, float]:
        if not isinstance(survey, Survey):
            raise TypeError("TIES needs its survey")
        if self.variant == "mergekit":
            return trim.kept_of_tensor(deltas, self.density), survey.majority
        return trim.kept(deltas, survey.thresholds), survey.majority
