"""ASWUDI: SWUDI that finds out by itself how many directions to correct."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from merging.algebra.interference import filtered
from merging.algebra.matrices import SplitQkv, by_matrix
from merging.method import Linearity, Method, Paper
from merging.methods.swudi import Swudi


@dataclass(frozen=True)
class Aswudi(Method):
    """Adaptive spectrally filtered WUDI (Wei et al., arXiv 2606.07289; WUDI: arXiv 2503.08099).

    As SWUDI with f = 1 on the K = ⌈(Σ√λ)² / Σλ⌉ largest eigenvalues of each matrix and 0 elsewhere: no number
    to choose. Exactly linear.
    """

    name: ClassVar[str] = "aswudi"
    title: ClassVar[str] = "Adaptive SWUDI"
    summary: ClassVar[str] = "Like SWUDI, and finds for each layer how many directions to correct."
    linearity: ClassVar[Linearity] = "linear"
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Swudi.paper

    split_qkv: SplitQkv = True

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Filter every matrix."""
        return by_matrix(name, deltas, self.split_qkv, lambda part: filtered(part, _filter))


def _filter(values: Tensor) -> Tensor:
    """Return f for the eigenvalues in ascending order."""
    roots = values.sqrt()
    kept = min(len(values), math.ceil(float(roots.sum() ** 2 / values.sum())))
    found = torch.zeros_like(values)
    found[len(values) - kept :] = 1.0
    return found
