"""mergekit's arithmetic for one tensor: the models' tensors and their parameters in, the merged one out.

The rules of mergekit 0.1.5 in our own code, checked number by number against it; sums are float32 (float64 where
asked). The random masks are our own (`merging.sparsity.draws`): a function of seed, model, tensor and place.
"""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from merging.errors import MergingError
from merging.mergekit.arithmetic import FAMILY, agreeing, merge_rows
from merging.mergekit.group import Group
from merging.mergekit.spheres import karcher, multislerp, nuslerp, slerp
from merging.mergekit.sums import NO_WEIGHT, SUMS
from merging.sparsity.trim import largest_mask

BY_ROWS = (*SUMS, "passthrough", "nearswap", *FAMILY)  # the others need whole tensors
NEAR = 1e-6


def merge_group(method: str, group: Group) -> Tensor:
    """Merge one tensor by one of mergekit's methods. Raises MergingError for values it cannot take."""
    return _RULES[method](group)


def _sce(group: Group) -> Tensor:
    changes = group.changes()
    share = group.number("select_topk")
    if share < 1.0:
        changes *= _selected(changes, share)
    agrees = agreeing(changes)
    strength = changes.square().reshape(len(changes), -1).mean(1)
    total = float(strength.sum())
    strength = strength / total if total >= NEAR else torch.full_like(strength, 1.0 / len(changes))
    weights = strength.view(-1, *[1] * (changes.dim() - 1)) * agrees
    return group.origin() + (changes * weights).sum(0) / weights.sum(0).clamp_min(1e-6)


def _selected(changes: Tensor, share: float) -> Tensor:
    """Return 1 for the int(share · differing) entries whose variance over the models is largest."""
    variance = changes.var(dim=0, unbiased=False)
    return largest_mask(variance, int(int((variance != 0).sum()) * share))


def _ram(group: Group) -> Tensor:
    changes = group.changes()
    moved = changes.abs() > group.number("epsilon")
    together = moved.sum(0)
    alone = torch.ones(len(changes), dtype=changes.dtype)
    if "r" in group.shared:
        shared = (moved & (together > 1)).reshape(len(changes), -1).sum(1)
        unique = (moved & (together == 1)).reshape(len(changes), -1).sum(1)
        ratio = shared / unique.clamp_min(group.number("epsilon"))
        alone = (1.0 + group.number("r") * ratio.clamp(0.0, group.number("alpha"))).to(changes.dtype)
    alone = alone.view(-1, *[1] * (changes.dim() - 1))
    factors = torch.where(together > 1, 1.0 / together.clamp_min(1), alone)
    return group.origin() + (changes * moved * factors).sum(0)


def _model_stock(group: Group) -> Tensor:
    base, changes = group.origin(), group.changes()
    by_row = bool(group.shared["filter_wise"]) and base.dim() > 1
    flat = changes if by_row else changes.reshape(len(changes), -1)
    sizes = flat.norm(dim=-1)
    cosines = [
        ((flat[i] * flat[j]).sum(-1) / (sizes[i] * sizes[j]).clamp_min(NEAR)).clamp(-1.0, 1.0)
        for i in range(len(flat))
        for j in range(i + 1, len(flat))
    ]
    cosine = torch.stack(cosines).mean(0)
    below = 1.0 + (len(flat) - 1) * cosine
    safe = torch.where(below.abs() < NEAR, 1.0, below)
    ratio = torch.where(below.abs() < NEAR, 0.0, len(flat) * cosine / safe)
    return base + changes.mean(0) * (ratio.unsqueeze(-1) if by_row else ratio)


def _nearswap(group: Group) -> Tensor:
    base, other = group.origin(), group.others[0]
    weight = (group.number("t") / (base - other).abs().clamp_min(NEAR)).clamp(0.0, 1.0)
    return weight * other + (1.0 - weight) * base


def _arcee_fusion(group: Group) -> Tensor:
    """Keep the changes whose importance |τ| · KL is an outlier: median + 1.5 interquartile ranges or more."""
    base, other = group.origin(), group.others[0]
    if not base.numel():
        return base
    new, old = torch.softmax(other, dim=-1) + 1e-8, torch.softmax(base, dim=-1) + 1e-8
    divergence = (new * torch.log(new / old)).sum(-1, keepdim=base.dim() > 0)
    importance = ((other - base).abs() * divergence).reshape(-1)
    ranks = [int(share * (len(importance) - 1)) + 1 for share in (0.25, 0.5, 0.75)]
    low, middle, high = (importance.kthvalue(rank).values for rank in ranks)
    keep = (importance >= middle + 1.5 * (high - low)).view(base.shape)
    return base + (other - base) * keep


def _passthrough(group: Group) -> Tensor:
    scale = group.own[0]["scale"]
    return group.others[0] if scale is None else group.others[0] * float(scale)


def _slerp(group: Group) -> Tensor:
    return slerp(group.number("t"), group.origin(), group.others[0])


def _nuslerp(group: Group) -> Tensor:
    first, second = group.numbers("weight")
    total = first + second
    one, other = group.others if group.base is None else tuple(group.changes())
    t = 0.5 if abs(total) < NEAR else second / total
    found = nuslerp(t, one, other, bool(group.shared["nuslerp_flatten"]), bool(group.shared["nuslerp_row_wise"]))
    return found if group.base is None else group.base + found


def _multislerp(group: Group) -> Tensor:
    if len(group.others) == 1:
        return group.others[0]
    rows = torch.stack(group.others) if group.base is None else group.changes()
    weights = torch.tensor(group.numbers("weight"), dtype=rows.dtype)
    if group.shared["normalize_weights"]:
        if abs(float(weights.sum())) < NO_WEIGHT:
            raise MergingError(f"The weights of '{group.name}' sum to 0.", "Set normalize_weights: false.")
        weights = weights / weights.sum()
    found = multislerp(group.name, rows, weights, group.number("eps"))
    return found if group.base is None else group.base + found


def _karcher(group: Group) -> Tensor:
    return karcher(torch.stack(group.others), int(group.number("max_iter")), group.number("tol"))


_RULES: Mapping[str, Callable[[Group], Tensor]] = {
    "slerp": _slerp,
    "nuslerp": _nuslerp,
    "multislerp": _multislerp,
    "karcher": _karcher,
    **{name: partial(merge_rows, name) for name in FAMILY},
    "sce": _sce,
    "ram": _ram,
    "ramplus_tl": _ram,
    "model_stock": _model_stock,
    "nearswap": _nearswap,
    "arcee_fusion": _arcee_fusion,
    "passthrough": _passthrough,
}
