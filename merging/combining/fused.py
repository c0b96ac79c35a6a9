"""One pass over flat vectors: what a weighted sum is made of is read once, and its result written once.

torch adds one vector at a time: every addition reads and writes the sum again, and numbers of sixteen bits are widened
into memory first. Here a stretch that fits the nearest cache goes through all its terms, and whether the result is
finite is seen on the way. Every operation rounds as torch's does, so both give the same bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

# what it takes; the least bits of a float32 number, without sign, that are infinite when rounded to that
INFINITE = {torch.float32: 0x7F800000, torch.bfloat16: 0x7F7F8000}


@dataclass(frozen=True)
class Sum:
    """f · base + Σ a_t · row_t; or, as mergekit has it, g · (Σ a_t · (row_t − base)) / d + base.

    `start` is f; None: the sum starts from zero. `less_base`: rows are taken less the base. `divisor` and `factor` are
    d and g; None: there is none. `plus_base`: the base is added in the end. All in float32 and in this order.
    """

    multipliers: Sequence[float]
    start: float | None = 1.0
    less_base: bool = False
    divisor: float | None = None
    factor: float | None = None
    plus_base: bool = False


def fits(*vectors: Tensor) -> bool:
    """Tell whether `fused` takes these vectors: float32 or bfloat16, on the CPU, without gaps."""
    return all(each.device.type == "cpu" and each.dtype in INFINITE and each.is_contiguous() for each in vectors)


def fused(out: Tensor, base: Tensor | None, rows: Sequence[Tensor], wanted: Sum, past_caches: bool = False) -> None:
    """Write a sum into `out` (P,).

    `base` (P,), which a sum may do without, and `rows`, each (P,), are as `fits` has it; `out` may be one of them. A
    row is read whatever its multiplier: leave it out where its numbers must not matter. `past_caches`: a float32 result
    is larger than the caches, and is written without being read first.
    """
    _run(out, base, rows, wanted, False, past_caches)


def fused_finite(out: Tensor, base: Tensor | None, rows: Sequence[Tensor], wanted: Sum) -> bool:
    """Do as `fused` does and tell whether all of the result is finite."""
    return _run(out, base, rows, wanted, True, False) < INFINITE[out.dtype]


def _run(
    out: Tensor, base: Tensor | None, rows: Sequence[Tensor], wanted: Sum, looked_at: bool, past_caches: bool
) -> int:
    from merging.combining.compiled import weighted_sum  # numba takes half a second; not every command merges

    origin = out if base is None else base
    numbers = (wanted.start, wanted.divisor, wanted.factor)
    from_base, divided, multiplied = (each is not None for each in numbers)
    scaled = from_base and wanted.start != 1.0
    steps = (from_base, scaled, wanted.less_base, divided, multiplied, wanted.plus_base, looked_at, past_caches)
    largest: int = weighted_sum(
        out.data_ptr(),
        out.itemsize,
        origin.data_ptr(),
        origin.itemsize,
        np.array([row.data_ptr() for row in rows], dtype=np.int64),
        np.array([row.itemsize for row in rows], dtype=np.int64),
        np.array(wanted.multipliers, dtype=np.float32),
        np.array(steps),
        np.array([1.0 if each is None else each for each in numbers], dtype=np.float32),
        out.numel(),
    )
    return int(largest)
