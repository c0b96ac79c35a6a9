"""LiNeS on TIES: the elected changes, gently in early layers and fully in late ones."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor

from merging.method import Array, Linearity, Method, Paper
from merging.methods.lines import ALPHA_HELP, BETA_HELP, Lines, Survey, depths, first_strength
from merging.methods.ties import Ties
from merging.setting import Range
from merging.task_vector import TaskVectors


@dataclass(frozen=True)
class LinesTies(Method):
    """LiNeS (Wang et al., arXiv 2410.17146) on TIES-Merging (arXiv 2306.01708).

    As `lines`, with the directions of TIES (`density` largest of the whole model, mean of agreeing entries): in
    block ℓ of L they are multiplied by α s + β ℓ/(L − 1), s = (‖Σ τ_t‖₁ / ‖τ_TIES‖₁) / T. Frozen and exact
    forms as in TIES; s is taken at equal coefficients.
    """

    name: ClassVar[str] = "lines_ties"
    title: ClassVar[str] = "LiNeS on TIES"
    summary: ClassVar[str] = "Averages changes that agree, gently in early layers and fully in late ones."
    linearity: ClassVar[Linearity] = "frozen"
    exact_form: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Lines.paper

    density: Annotated[float, Range(0.001, 1.0, "Share of each expert's changes that is kept.")] = 0.2
    alpha: Annotated[float, Range(0.0, 3.0, ALPHA_HELP)] = 1.0
    beta: Annotated[float, Range(0.0, 2.0, BETA_HELP)] = 0.4

    def survey(self, vectors: TaskVectors) -> Survey:
        """Return the depths, s, and the trim of TIES."""
        found = self._ties.survey(vectors)
        strength = first_strength(self._ties, vectors, found)
        return Survey(depths([entry.name for entry in vectors.layout.entries]), strength, found)

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Elect at equal coefficients and scale by the layer's factor."""
        found = _checked(survey)
        return self._ties.prepare_tensor(name, deltas, found.below) * self._factor(name, found)

    def combine_tensor(
        self, name: str, base: Tensor, deltas: Tensor, coefficients: Array, survey: object | None
    ) -> Tensor:
        """Elect again with the coefficients and scale by the layer's factor."""
        found = _checked(survey)
        elected = self._ties.combine_tensor(name, base.new_zeros(base.shape), deltas, coefficients, found.below)
        return base + elected * self._factor(name, found)

    def _factor(self, name: str, survey: Survey) -> float:
        return self.alpha * survey.strength + self.beta * survey.depths.get(name, 0.0)

    @property
    def _ties(self) -> Ties:
        return Ties(density=self.density)


def _checked(survey: object | None) -> Survey:
    if not isinstance(survey, Survey):
        raise TypeError("LiNeS needs the depths")
    return survey
