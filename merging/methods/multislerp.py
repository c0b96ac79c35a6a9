"""Multi-SLERP: average the directions and the lengths of the task vectors apart."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from merging.families.sphere import SMALLEST, Spherical, cosines, lengths
from merging.method import Array, Paper, Scalars
from merging.setting import Range


@dataclass(frozen=True)
class Multislerp(Spherical):
    """Multi-SLERP on task vectors, tensor by tensor (mergekit's `multislerp` with a base).

    With w = c / Σ c and u_t = τ_t / ‖τ_t‖: merged = base + scale · (Σ w_t ‖τ_t‖) · normalised(Σ w_t u_t). In
    mergekit the tangent vector that follows is zero by construction, so this is the whole method. Where the
    directions cancel, the weighted average stands in.
    """

    name: ClassVar[str] = "multislerp"
    title: ClassVar[str] = "Multi-SLERP"
    summary: ClassVar[str] = "Averages the directions the experts moved in without losing their strength."
    paper: ClassVar[Paper] = Paper(
        "2403.13257",
        "Arcee's MergeKit: A Toolkit for Merging Large Language Models",
        2024,
        "Goddard et al.",
    )

    scale: Annotated[float, Range(0.0, 3.0, "Multiplies the merged task vector.")] = 1.0

    def turned(self, weights: Array, gram: Array) -> Scalars:
        """Return the multipliers of the task vectors."""
        own = gram[1:, 1:]
        sizes = lengths(own)
        norm = np.sqrt(max(float(weights @ cosines(own) @ weights), 0.0))
        if norm < 1e-8:
            return Scalars(1.0, self.scale * weights)
        inverse = np.where(sizes > SMALLEST, 1.0 / np.maximum(sizes, SMALLEST), 0.0)
        return Scalars(1.0, self.scale * float(weights @ sizes) / norm * weights * inverse)
