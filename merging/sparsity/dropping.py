"""DARE: dropping changes at random and enlarging the rest (arXiv 2311.03099)."""

from torch import Tensor

from merging.setting import Variant
from merging.sparsity import draws
from merging.sparsity.trim import same_strength

VARIANT_HELP = "What stays is enlarged by 1 / (1 - drop), or, as in mergekit, until each tensor is as strong as before."


def dropped(
    deltas: Tensor,
    experts: tuple[str, ...],
    name: str,
    drop: float,
    seed: int,
    variant: Variant = "paper",
    start: int = 0,
) -> Tensor:
    """Return m_t ⊙ τ_t enlarged, (T, *shape); m_t is 1 with probability 1 − drop.

    With `start`, `deltas` are rows of a tensor from that place on; not for mergekit's variant.
    """
    if drop == 0.0:
        return deltas
    changes = deltas * (draws.rows(seed, experts, name, deltas, start) >= drop)
    return same_strength(changes, deltas) if variant == "mergekit" else changes.div_(1.0 - drop)
