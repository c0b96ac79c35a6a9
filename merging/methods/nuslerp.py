"""NuSLERP: spherical interpolation of two task vectors."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from merging.method import Array, Linearity, Method, Paper, Scalars
from merging.proportions import check_sum, shares
from merging.setting import Range
from merging.sphere import arc

STRAIGHT = 1.0 - 1e-12  # only task vectors on one line are averaged


@dataclass(frozen=True)
class Nuslerp(Method):
    """Spherical interpolation of two task vectors, tensor by tensor (mergekit's `nuslerp` with a base).

    Per tensor, flattened: φ the angle between τ_1 and τ_2, t = c_2 / (c_1 + c_2),
    merged = base + scale · [sin((1 − t)φ) τ_1 + sin(tφ) τ_2] / sin φ.
    """

    name: ClassVar[str] = "nuslerp"
    title: ClassVar[str] = "NuSLERP"
    summary: ClassVar[str] = "Turns what one expert learned into what the other learned, keeping its strength."
    linearity: ClassVar[Linearity] = "span"
    experts: ClassVar[tuple[int, int | None]] = (2, 2)
    uses_gram: ClassVar[bool] = True
    paper: ClassVar[Paper] = Paper(
        "2403.13257",
        "Arcee's MergeKit: A Toolkit for Merging Large Language Models",
        2024,
        "Goddard et al.",
    )

    scale: Annotated[float, Range(0.0, 3.0, "Multiplies the merged task vector.")] = 1.0

    def default(self, experts: int) -> float:
        """Return 1/2: half-way."""
        return 0.5

    @property
    def by_rows(self) -> bool:
        """Rows need nothing of each other, beyond the Gram matrix."""
        return True

    def check(self, coefficients: Array) -> None:
        """Refuse coefficients whose sum is (nearly) zero."""
        check_sum(coefficients)

    def scalars(self, coefficients: Array, gram: Array | None) -> Scalars:
        """Return the two multipliers of the task vectors."""
        if gram is None:
            raise TypeError("NuSLERP needs the Gram matrix")
        return Scalars(1.0, self.scale * arc(shares(coefficients), gram[1:, 1:], STRAIGHT))
