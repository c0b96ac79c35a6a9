"""mergekit's sparse task arithmetic: sparsify, weigh, elect, normalise, scale.

First the whole tensor is measured (`measure`: thresholds, strengths), a block of rows at a time; then any rows of it
can be merged (`merge_rows`).
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from merging.algebra.linalg import SHORT, kth_of_rows, kth_values
from merging.errors import MergingError
from merging.mergekit.group import Group, Kept
from merging.mergekit.sums import NO_WEIGHT
from merging.sparsity import draws
from merging.sparsity.trim import FAINT, ranks_along, ranks_between

FAMILY = (
    "ties",
    "dare_ties",
    "dare_linear",
    "breadcrumbs",
    "breadcrumbs_ties",
    "della",
    "della_linear",
)
DRAWS = ("dare_ties", "dare_linear", "della", "della_linear")
RESIDENT = 1 << 24  # numbers of one model's tensor that are held while it is measured; more are read again
ELECTS = ("ties", "dare_ties", "breadcrumbs_ties", "della")

Changes = Callable[[int], Iterable[Tensor]]  # goes through one model's changes, by rows


def merge_rows(method: str, group: Group) -> Tensor:
    """Merge some rows; the group holds what `measure` found."""
    if not group.others:
        return group.origin()
    origin = group.origin()
    weights = torch.tensor(group.numbers("weight"), dtype=origin.dtype)
    if method in ELECTS:
        changes = origin.new_empty((len(weights), *origin.shape))
        for number, (change, weight) in enumerate(zip(changes, weights.tolist(), strict=True)):
            _sparse(method, group, number, change).mul_(weight)
        merged, divisor = _elected(changes, weights)
    else:
        merged, change = torch.zeros_like(origin), torch.empty_like(origin)
        for number, weight in enumerate(weights.tolist()):
            merged.add_(_sparse(method, group, number, change), alpha=weight)
        divisor = weights.sum()
        divisor = torch.ones_like(divisor) if abs(divisor) < NO_WEIGHT else divisor
    if group.shared["normalize"]:
        merged /= divisor
    return merged.mul_(group.number("lambda")).add_(origin)


def measure(method: str, group: Group, shape: tuple[int, ...], changes: Changes) -> tuple[Kept, ...]:
    """Find what a whole tensor of this shape says of each model; the group needs no tensors."""
    kept = [Kept() for _ in group.own]
    numel = math.prod(shape)
    for number in range(len(kept)):
        density = _density(group, number)
        if 0.0 < density < 1.0:
            sizes = _sizes(numel, partial(changes, number))
            own = _limits(method, group, number, numel, sizes)
            kept[number] = _rescaled(method, group, number, own, sizes)
    return tuple(kept)


def _sizes(numel: int, pieces: Callable[[], Iterable[Tensor]]) -> Callable[[], Iterable[Tensor]]:
    """Return what goes through |τ|, (…, columns) for each piece: from memory where there is room for it."""
    if numel > RESIDENT:
        return lambda: (piece.abs() for piece in pieces())
    held: list[Tensor] = []
    room, start = torch.empty(0), 0
    for piece in pieces():
        room = room if start else torch.empty(numel, dtype=piece.dtype)
        stop = start + piece.numel()
        held.append(torch.abs(piece, out=room[start:stop].view(piece.shape)))
        start = stop
    return lambda: held


def _limits(method: str, group: Group, number: int, numel: int, sizes: Callable[[], Iterable[Tensor]]) -> Kept:
    """Return the thresholds of |τ|, for the methods that have them."""
    density = _density(group, number)
    if method == "ties":
        ranks = [numel - max(1, int(density * numel)) + 1]
    elif not method.startswith("breadcrumbs"):
        return Kept()
    elif int(density * numel):
        ranks = list(ranks_between(numel, density, float(group.own[number]["gamma"] or 0.0)))
    else:
        return Kept(low=float("inf"))

    def rows() -> Iterator[Tensor]:  # the thresholds are those of float32
        return (size.to(torch.float32).reshape(1, -1).expand(len(ranks), -1) for size in sizes())

    values = kth_of_rows(torch.cat(list(rows()), dim=1), ranks) if numel <= SHORT else kth_values(rows, ranks)
    return Kept(values[0]) if len(values) == 1 else Kept(values[0], values[1])


def _rescaled(method: str, group: Group, number: int, kept: Kept, sizes: Callable[[], Iterable[Tensor]]) -> Kept:
    """Add the factor that gives back the L1 norm where that is asked, and the random mask that it was found with."""
    if not group.shared["rescale"]:
        return kept
    before, after, start = 0.0, 0.0, 0
    masks, rest = [], np.empty(0, dtype=np.bool_)  # eight numbers a byte as they come, and what fills no byte yet
    for size in sizes():
        stays = _stays(method, replace(group, start=start), number, size, kept)
        before += float(size.sum(dtype=torch.float64))
        after += float((size * stays).sum(dtype=torch.float64))
        start += size.numel()
        if method in DRAWS:
            bits = np.concatenate([rest, stays.reshape(-1).numpy()])
            whole = bits.size - bits.size % 8
            masks.append(np.packbits(bits[:whole]))
            rest = bits[whole:].copy()
    if masks:
        kept = replace(kept, mask=np.concatenate([*masks, np.packbits(rest)]))
    return replace(kept, factor=before / after) if before >= FAINT and after >= FAINT else kept


def _density(group: Group, number: int) -> float:
    return float(group.own[number]["density"] or 0.0)


def agreeing(changes: Tensor) -> Tensor:
    """Tell which changes (T, *shape) have the sign of their sum; a sum of 0 counts as +."""
    return changes * _signs(changes) > 0


def _signs(changes: Tensor) -> Tensor:
    """Return the sign of the sum of changes (T, *shape), 1 or −1; a sum of 0 counts as +."""
    return torch.copysign(torch.ones(()), changes.sum(0).add_(0.0))  # −0 + 0 = 0


def _elected(changes: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum of the changes (T, *shape) that agree with the elected sign, and the sum of their weights.

    The changes are used up. Comparing and choosing by a mask are several times slower than this arithmetic.
    """
    signs = _signs(changes)
    changes.mul_(signs).clamp_min_(0.0)
    merged = changes.sum(0).mul_(signs)
    divisor = (weights @ changes.sign_().view(len(changes), -1)).view(merged.shape)
    return merged, divisor.masked_fill_(divisor == 0, 1.0)


def _sparse(method: str, group: Group, number: int, change: Tensor) -> Tensor:
    """Write one model's change, most of it left out, rescaled to its L1 norm where asked, into `change`; return it."""
    density, kept = _density(group, number), group.kept[number] if group.kept else Kept()
    torch.sub(group.others[number], group.origin(), out=change)
    if density >= 1.0:
        return change
    if density <= 0.0:
        return change.zero_()
    change.mul_(_stays(method, group, number, change, kept))
    return change if kept.factor == 1.0 else change.mul_(kept.factor)


def _stays(method: str, group: Group, number: int, change: Tensor, kept: Kept) -> Tensor:
    """Tell which numbers of some rows of a change (or of its sizes) stay."""
    if method not in DRAWS:
        size = change.abs().to(torch.float32).numpy()  # numpy compares several times faster
        stays = size >= np.float32(kept.low)
        if kept.high != float("inf"):
            stays &= size <= np.float32(kept.high)
        return torch.from_numpy(np.asarray(stays))  # a comparison of a scalar is no array
    if kept.mask is not None:
        first = group.start // 8
        bits = np.unpackbits(kept.mask[first : (group.start + change.numel() + 7) // 8])
        bits = bits[group.start - 8 * first :][: change.numel()]
        return torch.from_numpy(bits.view(np.bool_)).view(change.shape)
    density = _density(group, number)
    places = (group.seed, group.experts[number], group.name, change.numel(), group.start)
    if method.startswith("della"):
        chance = _chance(change.to(torch.float32), density, float(group.own[number]["epsilon"] or 0.0))
        return draws.uniform(*places).view(change.shape) < chance
    return torch.from_numpy(draws.at_least(1.0 - density, *places)).view(change.shape)


def _chance(change: Tensor, density: float, epsilon: float) -> Tensor:
    """Return DELLA's chance of staying: by rank along dimension 1, from density − ε to density + ε."""
    if density + epsilon >= 1.0 or density - epsilon <= 0.0:
        raise MergingError(
            f"mergekit's DELLA cannot take density {density:g} with epsilon {epsilon:g}.",
            "density − epsilon and density + epsilon must be between 0 and 1.",
        )
    rows = change.abs() if change.dim() > 1 else change.abs().reshape(1, -1)
    ranks = ranks_along(rows, 1).to(change.dtype)
    chance = density - epsilon + ranks * (2.0 * epsilon / max(1, rows.shape[1] - 1))
    return chance.view(change.shape)
