"""SLERP: move from one expert to the other along a circle."""

from dataclasses import dataclass
from typing import ClassVar

from merging.families.sphere import Spherical, arc, experts_gram
from merging.method import Array, Paper, Scalars

STRAIGHT = 0.9995  # mergekit's limit: nearly parallel weights are averaged


@dataclass(frozen=True)
class Slerp(Spherical):
    """Spherical interpolation of two experts' weights, tensor by tensor (Shoemake 1985; mergekit's `slerp`).

    Per tensor, flattened: φ the angle between θ_1 and θ_2, t = c_2 / (c_1 + c_2),
    merged = [sin((1 − t)φ) θ_1 + sin(tφ) θ_2] / sin φ; a plain mix where |cos φ| > 0.9995. Experts of one base
    are often that close: NuSLERP, which turns the task vectors instead, tells them apart.
    """

    name: ClassVar[str] = "slerp"
    title: ClassVar[str] = "SLERP"
    summary: ClassVar[str] = "Moves from one expert to the other on an arc instead of a straight line."
    experts: ClassVar[tuple[int, int | None]] = (2, 2)
    paper: ClassVar[Paper] = Paper("", "Animating rotation with quaternion curves", 1985, "Shoemake")

    def turned(self, weights: Array, gram: Array) -> Scalars:
        """Return the two multipliers of the experts' weights, said as base and task vectors."""
        found = arc(weights, experts_gram(gram), STRAIGHT)
        return Scalars(float(found.sum()), found)
