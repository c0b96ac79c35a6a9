"""Coefficients that belong together: several numbers of one expert, one for each group of its layers.

A box of 40 coefficients is mostly ruined models, and a search of it knows two things beforehand: an expert's groups
are best near each other (the merge without groups is such a point), and a group in which an expert hardly moved the
weights matters little. The first shapes where points are laid, the second how far they are spread and how much the
logit surrogate expects of each coefficient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogate.errors import SurrogateError

Array = NDArray[np.float64]
CENTRE = 0.3  # where the kernel's lines meet, in units of the box
LEAST, MOST = 0.1, 3.0


@dataclass(frozen=True)
class Ties:
    """owner (d,): the number of the expert each coefficient is of, ascending; importance (d,): how much the
    coefficient moves the model, in any unit.

    Raises SurrogateError for owners that do not count up from 0, or an importance below 0.
    """

    owner: NDArray[np.intp]
    importance: Array

    def __post_init__(self) -> None:
        owner, importance = np.asarray(self.owner), np.asarray(self.importance, dtype=np.float64)
        steps = np.diff(owner, prepend=0)
        if owner.ndim != 1 or not len(owner) or owner[0] != 0 or not np.isin(steps, (0, 1)).all():
            raise SurrogateError(f"The owners {owner.tolist()} do not count up from 0.")
        if importance.shape != owner.shape or not np.isfinite(importance).all() or (importance < 0).any():
            raise SurrogateError(f"There must be {len(owner)} importances from 0.")
        object.__setattr__(self, "owner", owner)
        object.__setattr__(self, "importance", importance)

    @property
    def experts(self) -> int:
        """How many experts there are."""
        return int(self.owner[-1]) + 1

    @property
    def first(self) -> NDArray[np.intp]:
        """The first coefficient of each expert, (T,)."""
        return np.searchsorted(self.owner, np.arange(self.experts))

    @property
    def scale(self) -> Array:
        """The importance with a root mean square of 1, between 0.1 and 3, (d,)."""
        size = float(np.sqrt(np.mean(self.importance**2)))
        return np.clip(self.importance / size if size > 0 else np.ones(len(self.owner)), LEAST, MOST)

    def everywhere(self, points: Array) -> Array:
        """One number per expert (k, T) as coefficients (k, d): the same in all groups of an expert."""
        return np.asarray(np.atleast_2d(points)[:, self.owner], dtype=np.float64)
