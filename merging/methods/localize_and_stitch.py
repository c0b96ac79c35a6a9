"""Localize-and-Stitch without data: each expert's largest changes, overlaps averaged."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor

from merging.method import Linearity, Method, Paper
from merging.setting import Range
from merging.sparsity import trim
from merging.task_vector import TaskVectors


@dataclass(frozen=True)
class LocalizeAndStitch(Method):
    """Localize-and-Stitch, dataless (He et al., arXiv 2408.13656).

    m_t = the ⌊density·P⌋ largest |τ_t| of the whole model; merged = base + Σ c_t (m_t / Σ_j m_j) ⊙ τ_t. The
    authors' strict comparison keeps one entry fewer.
    """

    name: ClassVar[str] = "localize_and_stitch"
    title: ClassVar[str] = "Localize-and-Stitch"
    summary: ClassVar[str] = "Takes a small region from each expert and averages where regions overlap."
    linearity: ClassVar[Linearity] = "linear"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.5)
    paper: ClassVar[Paper] = Paper(
        "2408.13656",
        "Localize-and-Stitch: Efficient Model Merging via Sparse Task Arithmetic",
        2024,
        "He et al.",
    )

    density: Annotated[float, Range(0.001, 1.0, "Size of each expert's region, as a share of the model.")] = 0.1

    @property
    def by_rows(self) -> bool:
        """Rows need nothing of each other."""
        return True

    def survey(self, vectors: TaskVectors) -> tuple[trim.Thresholds]:
        """Find the thresholds over the whole model."""
        total = vectors.layout.parameters
        return (trim.whole_model(vectors, total + 1 - max(1, int(total * self.density))),)

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Keep the regions and divide by how many share a weight."""
        if not isinstance(survey, tuple):
            raise TypeError("Localize-and-Stitch needs its thresholds")
        regions = trim.kept(deltas, survey[0])
        return regions / (regions != 0).sum(0).clamp_min(1)
