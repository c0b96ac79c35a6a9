"""Do two checkpoints keep their hidden units in the same places? Weight matching as a check that they share a base.

Merging adds weights place by place, which means something only where unit i of one model is unit i of the other. Models
fine-tuned from one base keep their units' places; trained apart, or shuffled, they do not, and must not be merged.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from merging.tensors import Tensors

PAIRS = (
    ("c_fc.weight", "c_proj.weight"),
    ("fc1.weight", "fc2.weight"),
    ("up_proj.weight", "down_proj.weight"),
    ("intermediate.dense.weight", "output.dense.weight"),
)


@dataclass(frozen=True)
class Matching:
    """Of all hidden units of all MLPs: the share that matches its own place best, and cosines of their weights.

    before: of the weights as they are; after: with the units in the order of the match. Equal when nothing is out of
    place.
    """

    share: float
    before: float
    after: float
    units: int


def matching(base: Tensors, expert: Tensors) -> Matching | None:
    """Match every MLP's hidden units to the base's; None where there is no MLP whose names are known.

    Weight matching of Git Re-Basin (Ainsworth et al., arXiv 2209.04836, § 3.2) for each hidden layer by itself: the
    permutation P with the largest ⟨W₁, P W₁'⟩ + ⟨W₂, W₂' Pᵀ⟩, a linear assignment problem. The residual stream and the
    heads of attention are left as they are. O(n³) for n units: about a second for 3072.
    """
    kept = units = 0
    sums = np.zeros(4)  # ⟨base, expert⟩, ⟨base, matched⟩, ‖base‖², ‖expert‖²
    for first, second in pairs(base):
        ours, theirs = _units(base, first, second), _units(expert, first, second)
        likeness = (ours @ theirs.T).numpy()
        order = linear_sum_assignment(likeness, maximize=True)[1]
        places = np.arange(len(order))
        kept, units = kept + int((order == places).sum()), units + len(order)
        sums += [
            likeness[places, places].sum(),
            likeness[places, order].sum(),
            float(ours.square().sum()),
            float(theirs.square().sum()),
        ]
    if not units:
        return None
    size = float(np.sqrt(sums[2] * sums[3])) or 1.0
    return Matching(kept / units, float(sums[0] / size), float(sums[1] / size), units)


def pairs(tensors: Tensors) -> Sequence[tuple[str, str]]:
    """Return the names of every MLP's first and second weight."""
    keys = set(tensors.keys())
    found = []
    for key in sorted(keys):
        for first, second in PAIRS:
            other = key.removesuffix(first) + second
            if key.endswith(first) and other in keys and tensors.shape(key)[0] == tensors.shape(other)[1]:
                found.append((key, other))
    return found


def _units(tensors: Tensors, first: str, second: str) -> Tensor:
    """One row per hidden unit: what goes in and what comes out, (n, d + m) float64."""
    return torch.cat([tensors.get(first), tensors.get(second).T], dim=1).to(torch.float64)
