"""LiNeS: keep shallow layers near the base, let deep layers move more."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from merging.architecture.names import BLOCK
from merging.method import Linearity, Method, Paper, method
from merging.setting import Choice, Range
from merging.task_vector import TaskVectors

ALPHA_HELP = "Strength of the first layer; 1 is the mean of the experts."
BETA_HELP = "What the last layer gets on top of the first."
On = Literal[
    "task_arithmetic",
    "aswudi",
    "breadcrumbs",
    "dare_linear",
    "localize_and_stitch",
    "pcb",
    "star",
    "swudi",
    "tsv_m",
]


@dataclass(frozen=True)
class Survey:
    """Each tensor's depth, the strength of the first layer, and what the method below found."""

    depths: Mapping[str, float]
    strength: float
    below: object | None


@dataclass(frozen=True)
class Lines(Method):
    """LiNeS on a linear method (Wang et al., arXiv 2410.17146).

    In block ℓ of L: direction_t = (α s + β ℓ/(L − 1)) δ_t with δ_t the directions of the method below it (with
    its own default settings; for task arithmetic the task vectors) and s = (‖Σ τ_t‖₁ / ‖Σ δ_t‖₁) / T over the
    whole model, which is 1/T for task arithmetic; outside the blocks (embeddings, first convolution, last norm,
    projection) α s. Blocks are found by name (`resblocks.i.`, `layers.i.`, `layer.i.`, `blocks.i.`, `h.i.`), for
    each tower apart. Slope β = 0 on task arithmetic is task arithmetic times α/T. LiNeS on TIES: `lines_ties`.
    """

    name: ClassVar[str] = "lines"
    title: ClassVar[str] = "LiNeS"
    summary: ClassVar[str] = "Adds the experts' changes gently in early layers and fully in late ones."
    linearity: ClassVar[Linearity] = "linear"
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper(
        "2410.17146",
        "LiNeS: Post-training Layer Scaling Prevents Forgetting and Enhances Model Merging",
        2024,
        "Wang et al.",
    )

    on: Annotated[On, Choice("The linear method whose directions are scaled.")] = "task_arithmetic"
    alpha: Annotated[float, Range(0.0, 3.0, ALPHA_HELP)] = 1.0
    beta: Annotated[float, Range(0.0, 2.0, BETA_HELP)] = 0.4

    @property
    def by_rows(self) -> bool:
        """Rows need nothing of each other where those of the method below do not."""
        return method(self.on).by_rows

    def survey(self, vectors: TaskVectors) -> Survey:
        """Return the relative depth ℓ/(L − 1) of every tensor in a block, and s."""
        below = method(self.on)
        found = below.survey(vectors)
        strength = 1.0 / len(vectors.names) if self.on == "task_arithmetic" else first_strength(below, vectors, found)
        return Survey(depths([entry.name for entry in vectors.layout.entries]), strength, found)

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Scale the directions by the layer's factor."""
        return self.prepare_rows(name, deltas, survey, 0)

    def prepare_rows(self, name: str, deltas: Tensor, survey: object | None, start: int) -> Tensor:
        """Do so for some rows."""
        if not isinstance(survey, Survey):
            raise TypeError("LiNeS needs the depths")
        found = method(self.on).prepare_rows(name, deltas, survey.below, start)
        return found * (self.alpha * survey.strength + self.beta * survey.depths.get(name, 0.0))


def first_strength(below: Method, vectors: TaskVectors, survey: object | None) -> float:
    """Return (‖Σ τ_t‖₁ / ‖Σ δ_t‖₁) / T over the whole model; 1/T where the method changes nothing."""
    before = after = 0.0
    for name, deltas in vectors.each():
        before += float(deltas.sum(0).abs().sum(dtype=torch.float64))
        after += float(below.prepare_tensor(name, deltas, survey).sum(0).abs().sum(dtype=torch.float64))
    return (before / after if after > 0.0 else 1.0) / len(vectors.names)


def depths(names: list[str]) -> dict[str, float]:
    """Return ℓ/(L − 1) for the tensors in blocks; a tower of one block has depth 0.

    >>> depths(["layers.0.w", "layers.2.w", "head.w", "layers.1.w"])
    {'layers.0.w': 0.0, 'layers.2.w': 1.0, 'layers.1.w': 0.5}
    """
    found = {name: match for name in names if (match := BLOCK.search(name))}
    last: dict[str, int] = {}
    for match in found.values():
        tower = match.string[: match.start(1)]
        last[tower] = max(last.get(tower, 0), int(match.group(1)))
    return {name: int(match.group(1)) / max(1, last[name[: match.start(1)]]) for name, match in found.items()}
