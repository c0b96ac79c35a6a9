"""Cutting a tensor into rows that are handled one block after another: what is held does not grow with the tensor.

The blocks depend on the shape alone, so sums over them have the same bits wherever they are taken.
"""

import math
from types import EllipsisType

BLOCK = 1 << 20  # numbers
Rows = slice | EllipsisType


def blocks(shape: tuple[int, ...], limit: int | None = None) -> list[Rows]:
    """Return ranges of the first dimension of at most `limit` (BLOCK) numbers each; one index may hold more.

    A scalar or a vector is one block.

    >>> blocks((5, 4), limit=8)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    >>> blocks(())
    [Ellipsis]
    """
    limit = BLOCK if limit is None else limit
    if len(shape) < 2 or math.prod(shape) <= limit:
        return [...]
    each = max(1, limit // math.prod(shape[1:]))
    return [slice(start, min(start + each, shape[0])) for start in range(0, shape[0], each)]


def first_number(shape: tuple[int, ...], rows: Rows) -> int:
    """Return the place in the flattened tensor where the rows begin."""
    return 0 if isinstance(rows, EllipsisType) else rows.start * math.prod(shape[1:])
