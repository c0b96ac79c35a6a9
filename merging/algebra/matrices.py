"""Which tensors the spectral methods treat as matrices, and how fused attention weights are split.

A fused `in_proj_weight` or `attn.qkv.weight` (3d × d) holds query, key and value matrices; split, each is decomposed
on its own, so checkpoints with fused and with separate projections give the same merge.
"""

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor

from merging.architecture.names import FUSED, NO_MATRIX
from merging.method import Array
from merging.setting import Choice
from merging.task_vector import by_expert

SplitQkv = Annotated[bool, Choice("Treat query, key and value as three matrices where a model stores them as one.")]


def row_blocks(name: str, shape: tuple[int, ...], split_qkv: bool) -> list[slice]:
    """Return the row ranges of a tensor that are matrices of their own; none when it is no matrix."""
    if len(shape) != 2 or min(shape) < 2 or NO_MATRIX in name:
        return []
    rows = shape[0]
    if split_qkv and name.endswith(FUSED) and rows == 3 * shape[1]:
        third = rows // 3
        return [slice(start, start + third) for start in range(0, rows, third)]
    return [slice(0, rows)]


def mean_rest(deltas: Tensor) -> Tensor:
    """Return τ_t / T: the share of each expert in the mean, for tensors that are not matrices."""
    return deltas / len(deltas)


def by_matrix(name: str, deltas: Tensor, split_qkv: bool, directions: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply `directions` (T, m, n) → (T, m, n) to each matrix of a tensor (T, *shape); the mean elsewhere.

    A matrix in which no expert differs from the base is skipped: the SVD of zero is arbitrary.
    """
    blocks = row_blocks(name, tuple(deltas.shape[1:]), split_qkv)
    if not blocks:
        return mean_rest(deltas)
    found = torch.zeros_like(deltas)
    for block in blocks:
        part = deltas[:, block]
        if bool(part.any()):
            found[:, block] = directions(part)
    return found


def merge_by_matrix(
    name: str, deltas: Tensor, coefficients: Array, split_qkv: bool, merge: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Merge each matrix of a tensor (T, *shape) → (*shape) by `merge`; Σ c_t τ_t / T elsewhere.

    `merge` gets task vectors (T, m, n) and coefficients (T, 1, 1), and gives (m, n). A matrix in which no
    expert differs from the base does not change.
    """
    blocks = row_blocks(name, tuple(deltas.shape[1:]), split_qkv)
    weights = by_expert(coefficients.tolist(), deltas)
    if not blocks:
        mean: Tensor = (deltas * weights).sum(0) / len(deltas)
        return mean
    found = torch.zeros_like(deltas[0])
    for block in blocks:
        part = deltas[:, block]
        if bool(part.any()):
            found[block] = merge(part, weights)
    return found
