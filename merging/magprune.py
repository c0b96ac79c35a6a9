"""MagPrune: random pruning in which larger changes are likelier to stay (arXiv 2406.11617)."""

import torch
from torch import Tensor

from merging import draws

HELP_DENSITY = "Share of the changes that stays, on average."
HELP_EPSILON = "How much likelier than average the largest change of a row is to stay."
HELP_SEED = "Which changes are dropped."
LEAST = 0.01


def magprune(deltas: Tensor, experts: tuple[str, ...], name: str, density: float, epsilon: float, seed: int) -> Tensor:
    """Return pruned and rescaled task vectors (T, *shape).

    In each row of n changes the r-th smallest stays with probability p = (d − ε) + 2ε (r − 1)/(n − 1), held
    in [0.01, 1], and is divided by its own p. A tensor of more than two dimensions has one row per first
    index, a vector is one row; a row of one number has p = d (the authors' code divides 0 by 0 there).
    """
    count = len(deltas)
    rows = deltas.reshape(count, deltas.shape[1] if deltas.dim() > 2 else 1, -1)
    length = rows.shape[-1]
    if length == 1:
        chance = torch.full_like(rows, density)
    else:
        ranks = rows.abs().argsort(dim=-1, stable=True).argsort(dim=-1)
        chance = density - epsilon + ranks.to(rows.dtype) * (2.0 * epsilon / (length - 1))
    chance.clamp_(LEAST, 1.0)
    stays = draws.rows(seed, experts, name, rows) < chance
    return (rows * stays / chance).view(deltas.shape)
