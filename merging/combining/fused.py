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

from merging.combining.compiled import BFLOAT16, FLOAT32, weighted_sum

KINDS = {torch.float32: FLOAT32, torch.bfloat16: BFLOAT16}
# the least bits of a float32 number, without sign, that are infinite when rounded
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
    return all(each.device.type == "cpu" and each.dtype in KINDS and each.is_contiguous() for each in vectors)


def fused(out: Tensor, base: Tensor | None, rows: Sequence[Tensor], wanted: Sum, past_caches: bool = False) -> bool:
    """Write a sum into `out` (P,) and tell whether all of it is finite.

    `base` (P,), which a sum may do without, and `rows`, each (P,), are as `fits` has it; `out` may be one of them. A
    row is read whatever its multiplier: leave it out where its numbers must not matter. `past_caches`: `out` is larger
    than they are, and a float32 one is then written without being read first.
    """
    origin = out if base is None else base
    given = (wanted.start, wanted.divisor, wanted.factor)
    start, divisor, factor = (each is not None for each in given)
    steps = np.array(
        [start, wanted.start not in (None, 1.0), wanted.less_base, divisor, factor, wanted.plus_base, past_caches]
    )
    largest = weighted_sum(
        out.data_ptr(),
        KINDS[out.dtype],
        origin.data_ptr(),
        KINDS[origin.dtype],
        np.array([row.data_ptr() for row in rows], dtype=np.int64),
        np.array([KINDS[row.dtype] for row in rows], dtype=np.int64),
        np.array(wanted.multipliers, dtype=np.float32),
        steps,
        np.array([1.0 if each is None else each for each in given], dtype=np.float32),
        out.numel(),
    )
    return int(largest) < INFINITE[out.dtype]
