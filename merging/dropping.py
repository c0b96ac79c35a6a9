"""DARE: dropping changes at random and enlarging the rest (arXiv 2311.03099)."""

from torch import Tensor

from merging import draws
from merging.trim import same_strength
from merging.variant import Variant

VARIANT_HELP = "What stays is enlarged by 1 / (1 - drop), or, as in mergekit, until each tensor is as strong as before."


def dropped(
    deltas: Tensor, experts: tuple[str, ...], name: str, drop: float, seed: int, variant: Variant = "paper"
) -> Tensor:
    """Return m_t ⊙ τ_t enlarged, (T, *shape); m_t is 1 with probability 1 − drop."""
    if drop == 0.0:
        return deltas
    changes = deltas * (draws.rows(seed, experts, name, deltas) >= drop)
    return same_strength(changes, deltas) if variant == "mergekit" else changes.div_(1.0 - drop)
