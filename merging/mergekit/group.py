"""The tensors and parameters of one output tensor, or of some rows of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from merging.errors import MergingError
from merging.mergekit.parameters import Value


@dataclass(frozen=True)
class Kept:
    """Which of one model's changes stay, by the whole tensor: |τ| from `low` to `high`; and what multiplies them.

    `mask` are the random choices of all its numbers, one bit each, where they had to be drawn before.
    """

    low: float = 0.0
    high: float = float("inf")
    factor: float = 1.0
    mask: npt.NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Group:
    """One output tensor: `base` (or None), the other models' tensors, and the parameters.

    `own` are the parameters of each of `others`, `experts` their names; these and `seed` choose random masks, and
    `start` is the place of the rows' first number in the tensor. `kept` is what the whole tensor says of each.
    """

    name: str
    base: Tensor | None
    others: tuple[Tensor, ...]
    shared: Mapping[str, Value]
    own: tuple[Mapping[str, Value], ...]
    experts: tuple[str, ...] = ()
    seed: int = 0
    start: int = 0
    kept: tuple[Kept, ...] = ()

    def number(self, name: str) -> float:
        """Return a shared number."""
        return float(self.shared[name] or 0.0)

    def numbers(self, name: str) -> list[float]:
        """Return a number of each of the others."""
        return [float(each[name] or 0.0) for each in self.own]

    @property
    def shape(self) -> torch.Size:
        """The shape of the rows."""
        return (self.others[0] if self.others else self.origin()).shape

    def origin(self) -> Tensor:
        """Return the base. Raises MergingError where there is none."""
        if self.base is None:
            raise MergingError(f"'{self.name}' has no base to merge on.")
        return self.base

    def changes(self) -> Tensor:
        """Return others − base, (T, *shape)."""
        return torch.stack([other - self.origin() for other in self.others])
