"""mergekit's plain sums, `linear` and `task_arithmetic`, from the models' numbers as they are stored.

Numbers are widened, added and rounded in one pass (`merging.combining.fused`), or by torch piece by piece: a piece
stays in the cache, and no wide copy of a model's rows is written down. Every number goes through the operations that
whole tensors would, so neither changes a bit.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from merging.combining.accumulate import CHANGED, room
from merging.combining.fused import Sum, fits, fused_finite
from merging.errors import MergingError
from merging.files.finite import all_finite
from merging.mergekit.group import Group

SUMS = ("linear", "task_arithmetic")
NO_WEIGHT = 1e-8  # a sum of weights that small is not divided by


@dataclass(frozen=True)
class _Terms:
    """Multipliers of the models, what their sum is divided by (None: nothing), and what multiplies it then."""

    weights: list[float]
    divisor: float | Tensor | None
    factor: float = 1.0


def sum_rows(method: str, group: Group, out: Tensor, wide: torch.dtype, piece: int = CHANGED) -> bool:
    """Merge some rows into `out`, of any floating-point dtype, with sums in `wide`; tell whether all of it is finite.

    `group` holds the rows as they are stored, each in its own dtype.

    Raises:
        MergingError: weights of `linear` that sum to 0.
    """
    terms = _linear(group, wide) if method == "linear" else _arithmetic(group, wide)
    base = group.origin() if method == "task_arithmetic" else None
    flat = [each.reshape(-1) for each in group.others]
    origin = None if base is None else base.reshape(-1)
    if wide == torch.float32 and fits(out, *flat, *([] if origin is None else [origin])):
        return fused_finite(out.view(-1), origin, flat, _sum(terms, origin is not None))
    for part in _parts(out.numel(), piece):
        out.view(-1)[part] = _summed(part, origin, flat, terms, wide)
    return all_finite(out)


def _sum(terms: _Terms, with_base: bool) -> Sum:
    """Say the terms as one pass has them; with no model but the base, the base it is."""
    if with_base and not terms.weights:
        return Sum([])
    divisor = None if terms.divisor is None else float(terms.divisor)
    return Sum(terms.weights, None, with_base, divisor, terms.factor if with_base else None, with_base)


def _parts(size: int, piece: int) -> Iterator[slice]:
    return (slice(start, min(start + piece, size)) for start in range(0, size, piece))


def _summed(part: slice, origin: Tensor | None, others: list[Tensor], terms: _Terms, wide: torch.dtype) -> Tensor:
    """Return one piece of the sum; it is overwritten by the next."""
    held, other, total = (each[: part.stop - part.start] for each in room(part.stop - part.start, wide).unbind())
    base = None if origin is None else held.copy_(origin[part])
    if base is not None and not others:
        return base
    total.zero_()
    for tensor, weight in zip(others, terms.weights, strict=True):
        other.copy_(tensor[part])
        total.add_(other if base is None else other.sub_(base), alpha=weight)
    if terms.divisor is not None:
        total.div_(terms.divisor)
    return total if base is None else total.mul_(terms.factor).add_(base)


def _linear(group: Group, wide: torch.dtype) -> _Terms:
    weights = group.numbers("weight")
    total = sum(weights) if group.shared["normalize"] else 1.0
    if abs(total) < NO_WEIGHT:
        raise MergingError(f"The weights of '{group.name}' sum to 0.", "Set normalize: false, or other weights.")
    held = torch.tensor(weights, dtype=wide).tolist()  # infinite where the dtype cannot hold one
    return _Terms(held, None if total == 1.0 else total)


def _arithmetic(group: Group, wide: torch.dtype) -> _Terms:
    weights = torch.tensor(group.numbers("weight"), dtype=wide)
    divisor = weights.sum() if group.shared["normalize"] else None
    if divisor is not None and abs(divisor) < NO_WEIGHT:
        divisor = torch.ones_like(divisor)
    return _Terms(weights.tolist(), divisor, group.number("lambda"))
