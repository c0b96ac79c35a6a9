"""mergekit's task arithmetic family: sparsify, weigh, elect, normalise, scale.

First the whole tensor is measured (`measure`: thresholds, strengths), a block of rows at a time; then any rows of it
can be merged (`merge_rows`).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from merging import draws
from merging.errors import MergingError
from merging.linalg import SHORT, kth_of_rows, kth_values
from merging.mergekit.group import Group, Kept
from merging.trim import FAINT, ranks_along, ranks_between

NO_WEIGHT = 1e-8  # a sum of weights that small is not divided by
FAMILY = (
    "task_arithmetic",
    "ties",
    "dare_ties",
    "dare_linear",
    "breadcrumbs",
    "breadcrumbs_ties",
    "della",
    "della_linear",
)
ELECTS = ("ties", "dare_ties", "breadcrumbs_ties", "della")


def merge_rows(method: str, group: Group) -> Tensor:
    """Merge some rows; the group holds what `measure` found."""
    if not group.others:
        return group.origin()
    changes = torch.stack([_sparse(method, group, number) for number in range(len(group.others))])
    weights = torch.tensor(group.numbers("weight"), dtype=changes.dtype).view(-1, *[1] * (changes.dim() - 1))
    changes.mul_(weights)
    if method in ELECTS:
        agrees = agreeing(changes)
        merged = (changes * agrees).sum(0)
        divisor = (weights * agrees).sum(0)
        divisor[divisor == 0] = 1.0
    else:
        merged = changes.sum(0)
        divisor = weights.sum(0)
        divisor[divisor.abs() < NO_WEIGHT] = 1.0
    if group.shared["normalize"]:
        merged /= divisor
    return group.origin() + merged.mul_(group.number("lambda"))


def measure(method: str, numel: int, groups: Callable[[], Iterator[Group]]) -> tuple[Kept, ...]:
    """Find what the whole tensor of `numel` numbers says of each model; `groups()` goes through its blocks."""
    first = next(groups())
    partial = [number for number in range(len(first.others)) if 0.0 < _density(method, first, number) < 1.0]
    kept = [Kept() for _ in first.others]
    for number, limits in _limits(method, numel, first, partial, groups).items():
        kept[number] = limits
    if partial and first.shared["rescale"]:
        before, after = [0.0] * len(kept), [0.0] * len(kept)
        for group in groups():
            held = replace(group, kept=tuple(kept))
            for number in partial:
                before[number] += _strength(_change(group, number))
                after[number] += _strength(_sparse(method, held, number))
        for number in partial:
            if before[number] >= FAINT and after[number] >= FAINT:
                kept[number] = replace(kept[number], factor=before[number] / after[number])
    return tuple(kept)


def _limits(
    method: str, numel: int, first: Group, partial: list[int], groups: Callable[[], Iterator[Group]]
) -> dict[int, Kept]:
    """Return the thresholds of |τ|, for the methods that have them."""
    ranks: list[tuple[int, int]] = []
    for number in partial:
        density = _density(method, first, number)
        if method == "ties":
            ranks.append((number, numel - max(1, int(density * numel)) + 1))
        elif method.startswith("breadcrumbs") and int(density * numel):
            low, high = ranks_between(numel, density, float(first.own[number]["gamma"] or 0.0))
            ranks += [(number, low), (number, high)]
    found: dict[int, Kept] = {}
    if method.startswith("breadcrumbs"):
        found = {number: Kept(low=float("inf")) for number in partial}
    if not ranks:
        return found

    def sizes() -> Iterable[Tensor]:
        for group in groups():  # the thresholds are those of float32
            rows = {number: _change(group, number).to(torch.float32).abs_().reshape(-1) for number, _ in ranks}
            yield torch.stack([rows[number] for number, _ in ranks])

    wanted = [rank for _, rank in ranks]
    values = kth_of_rows(torch.cat(list(sizes()), dim=1), wanted) if numel <= SHORT else kth_values(sizes, wanted)
    for (number, _), value in zip(ranks, values, strict=True):
        known = found.get(number)
        found[number] = Kept(value) if known is None or known.low > value else replace(known, high=value)
    return found


def _density(method: str, group: Group, number: int) -> float:
    return 1.0 if method == "task_arithmetic" else float(group.own[number]["density"] or 0.0)


def _change(group: Group, number: int) -> Tensor:
    return group.others[number] - group.origin()


def _strength(change: Tensor) -> float:
    return float(change.abs().sum(dtype=torch.float64))


def agreeing(changes: Tensor) -> Tensor:
    """Tell which changes (T, *shape) have the sign of their sum; a sum of 0 counts as +."""
    return torch.where(changes.sum(0) >= 0, changes > 0, changes < 0)


def _sparse(method: str, group: Group, number: int) -> Tensor:
    """Return one model's change with most of it left out, rescaled to its own L1 norm where asked."""
    change, density, kept = _change(group, number), _density(method, group, number), group.kept[number]
    if density >= 1.0:
        return change
    if density <= 0.0:
        return torch.zeros_like(change)
    if method == "ties" or method.startswith("breadcrumbs"):
        size = change.to(torch.float32).abs()
        keep = size >= kept.low
        if kept.high != float("inf"):
            keep &= size <= kept.high
    else:
        drawn = draws.uniform(group.seed, group.experts[number], group.name, change.numel(), group.start)
        drawn = drawn.view(change.shape)
        if method.startswith("della"):
            keep = drawn < _chance(change.to(torch.float32), density, float(group.own[number]["epsilon"] or 0.0))
        else:
            keep = drawn >= 1.0 - density
    change.mul_(keep)
    return change if kept.factor == 1.0 else change.mul_(kept.factor)


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
