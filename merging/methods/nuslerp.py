"""NuSLERP: spherical interpolation of two task vectors."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from merging.families.sphere import Spherical, arc
from merging.method import Array, Paper, Scalars
from merging.methods.multislerp import Multislerp
from merging.setting import Range

STRAIGHT = 1.0 - 1e-12  # only task vectors on one line are averaged


@dataclass(frozen=True)
class Nuslerp(Spherical):
    """Spherical interpolation of two task vectors, tensor by tensor (mergekit's `nuslerp` with a base).

    Per tensor, flattened: φ the angle between τ_1 and τ_2, t = c_2 / (c_1 + c_2),
    merged = base + scale · [sin((1 − t)φ) τ_1 + sin(tφ) τ_2] / sin φ.
    """

    name: ClassVar[str] = "nuslerp"
    title: ClassVar[str] = "NuSLERP"
    summary: ClassVar[str] = "Turns what one expert learned into what the other learned, keeping its strength."
    experts: ClassVar[tuple[int, int | None]] = (2, 2)
    paper: ClassVar[Paper] = Multislerp.paper

    scale: Annotated[float, Range(0.0, 3.0, "Multiplies the merged task vector.")] = 1.0

    def turned(self, weights: Array, gram: Array) -> Scalars:
        """Return the two multipliers of the task vectors."""
        return Scalars(1.0, self.scale * arc(weights, gram[1:, 1:], STRAIGHT))
