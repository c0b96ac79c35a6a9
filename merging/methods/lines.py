"""LiNeS: keep shallow layers near the base, let deep layers move more."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor

from merging.method import Linearity, Method, Paper
from merging.setting import Range
from merging.task_vector import TaskVectors

BLOCK = re.compile(r"(?:^|\.)(?:resblocks|layers|layer|blocks|block|h)\.(\d+)(?=\.)")


@dataclass(frozen=True)
class Lines(Method):
    """LiNeS on task arithmetic (Wang et al., arXiv 2410.17146).

    In block ℓ of L: direction_t = (α/T + β ℓ/(L − 1)) τ_t; outside the blocks (embeddings, first convolution,
    last norm, projection) α/T. Blocks are found by name (`resblocks.i.`, `layers.i.`, `layer.i.`,
    `blocks.i.`, `h.i.`), for each tower apart. Slope β = 0 is task arithmetic times α/T.
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

    alpha: Annotated[float, Range(0.0, 3.0, "Strength of the first layer; 1 is the mean of the experts.")] = 1.0
    beta: Annotated[float, Range(0.0, 2.0, "What the last layer gets on top of the first.")] = 0.4

    def survey(self, vectors: TaskVectors) -> dict[str, float]:
        """Return the relative depth ℓ/(L − 1) of every tensor in a block."""
        return depths([entry.name for entry in vectors.layout.entries])

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Scale the task vectors by the layer's factor."""
        if not isinstance(survey, Mapping):
            raise TypeError("LiNeS needs the depths")
        return deltas.mul_(self.alpha / len(deltas) + self.beta * survey.get(name, 0.0))


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
