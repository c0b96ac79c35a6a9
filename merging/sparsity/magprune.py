"""MagPrune: random pruning in which larger changes are likelier to stay (arXiv 2406.11617)."""

import torch
from torch import Tensor

from merging.setting import Variant
from merging.sparsity import draws
from merging.sparsity.trim import ranks_along, same_strength

HELP_DENSITY = "Share of the changes that stays, on average."
HELP_EPSILON = "How much likelier than average the largest change of a row is to stay."
HELP_SEED = "Which changes are dropped."
HELP_VARIANT = (
    "What stays is divided by its probability, or, as in mergekit, scaled until each tensor is as strong as before."
)
LEAST = 0.01


def magprune(
    deltas: Tensor,
    experts: tuple[str, ...],
    name: str,
    density: float,
    epsilon: float,
    seed: int,
    variant: Variant = "paper",
) -> Tensor:
    """Return pruned and rescaled task vectors (T, *shape).

    In each row of n changes the r-th smallest stays with probability p = (d − ε) + 2ε (r − 1)/(n − 1), held
    in [0.01, 1], and is divided by its own p. A tensor of more than two dimensions has one row per first
    index, a vector is one row; a row of one number has p = d (the authors' code divides 0 by 0 there). Density 1
    prunes nothing, as in their code. As in mergekit, rows go along the second dimension, and what stays is scaled
    until the tensor is as strong (Σ|τ|) as before.
    """
    if density >= 1.0:
        return deltas
    if variant == "mergekit":
        stays = draws.rows(seed, experts, name, deltas) < _chances(deltas, density, epsilon, min(2, deltas.dim() - 1))
        return same_strength(deltas * stays, deltas)
    rows = deltas.reshape(len(deltas), deltas.shape[1] if deltas.dim() > 2 else 1, -1)
    chance = _chances(rows, density, epsilon, -1)
    stays = draws.rows(seed, experts, name, rows) < chance
    return (rows * stays / chance).view(deltas.shape)


def _chances(deltas: Tensor, density: float, epsilon: float, along: int) -> Tensor:
    """Return the probability of each change to stay, by its rank along a dimension."""
    length = deltas.shape[along] if along else 1
    if length == 1:
        return torch.full_like(deltas, density)
    ranks = ranks_along(deltas.abs(), along)
    chance = density - epsilon + ranks.to(deltas.dtype) * (2.0 * epsilon / (length - 1))
    return chance.clamp_(LEAST, 1.0)
