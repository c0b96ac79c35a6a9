"""Merging with given coefficients from files to a file: a block of rows of each expert at a time.

What is held does not grow with the model, nor with its tensors where a method takes them by rows. Blocks are made
in parallel and given in their order; their bits are those of `combine_into`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from threading import Lock
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from merging.algebra.linalg import gram_matrix
from merging.checkpoint import Checkpoint
from merging.combining.accumulate import accumulate, accumulate_changes
from merging.combining.directions import mapped, needs_samples
from merging.combining.in_memory import again, surveyed
from merging.errors import MergingError
from merging.files.blocks import Rows, blocks, first_number
from merging.files.finite import all_finite
from merging.files.writing import Slot, arranged
from merging.groups import Groups, PerTensor, per_tensor
from merging.method import Array, Method
from merging.task_vector import TaskVectors, task_vectors
from merging.threads import in_order, pool

MOST = 8  # threads: more of them wait for memory
SMALL = 1 << 24  # numbers: tensors up to this size are made several at a time by methods that need them whole
DType = Literal["as base", "float32", "float16", "bfloat16"]
DTYPES: Mapping[DType, torch.dtype | None] = {
    "as base": None,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


@dataclass(frozen=True)
class OpenRecipe:
    """What a recipe names, found and read: all that one merge is made from.

    `prepared` is the file of the directions, for a method that learns from samples; `groups` as in `combine_into`.
    """

    method: Method
    base: Checkpoint
    experts: Sequence[Checkpoint]
    coefficients: Mapping[str, float]
    dtype: DType = "as base"
    exact: bool = False
    prepared: Path | None = None
    groups: Groups | None = None


def merge_tensors(
    method: Method,
    base: Checkpoint,
    experts: Sequence[Checkpoint],
    coefficients: Mapping[str, float],
    dtype: DType = "as base",
    exact: bool = False,
    prepared: Path | None = None,
    groups: Groups | None = None,
) -> Iterator[tuple[str, Tensor]]:
    """Merge tensor by tensor, in the order of `merge_plan`; see `OpenRecipe` and `merge_blocks`."""
    recipe = OpenRecipe(method, base, experts, coefficients, dtype, exact, prepared, groups)
    parts: list[Tensor] = []
    with task_vectors(base, experts) as vectors:
        plan = {slot.name: slot for slot in merge_plan(vectors, dtype)}
    for name, part in merge_blocks(recipe):
        parts.append(part)
        if sum(each.numel() for each in parts) == plan[name].numel:
            yield name, torch.cat(parts) if len(parts) > 1 else part
            parts = []


def merge_blocks(recipe: OpenRecipe) -> Iterator[tuple[str, Tensor]]:
    """Merge in the order of `merge_plan`, large tensors in blocks of rows; int and bool tensors are the base's.

    Bit-identical to `combine_into` and one cast at the end. Holds a few blocks of each expert at a time, or a few
    tensors where the method needs them whole.

    Raises:
        MergingError: wrong coefficients, checkpoints that do not match, or a value that `dtype` cannot hold.
    """
    method = recipe.method
    with task_vectors(recipe.base, recipe.experts) as vectors:
        tensors = [entry.name for entry in vectors.layout.entries]
        values = per_tensor(method, vectors.names, recipe.coefficients, recipe.groups, tensors)
        known = _learned(method, vectors, recipe.prepared)
        by_rows = method.by_rows or known is not None
        largest = max(entry.numel for entry in vectors.layout.entries)
        threads = min(torch.get_num_threads(), MOST) if by_rows or largest <= SMALL else 1
        with pool(threads) as executor:
            survey = None if method.needs else executor.submit(surveyed, method, vectors, values, recipe.exact).result()
            stream = _Stream(method, vectors, values, recipe.exact, survey, known)
            work = [
                (slot, rows)
                for slot in merge_plan(vectors, recipe.dtype)
                for rows in (blocks(slot.shape) if by_rows else [...])
            ]
            yield from in_order(executor, threads + 1, stream.made, work)


class _Stream:
    """What the threads of one merge share."""

    def __init__(
        self,
        method: Method,
        vectors: TaskVectors,
        values: PerTensor,
        exact: bool,
        survey: object | None,
        known: Tensor | None,
    ) -> None:
        self.method, self.vectors, self.values, self.survey, self.known = method, vectors, values, survey, known
        self.again = again(method, exact)
        self._grams: dict[str, Array] = {}
        self._lock = Lock()

    def made(self, what: tuple[Slot, Rows]) -> tuple[str, Tensor]:
        """Return some rows of one merged tensor."""
        slot, rows = what
        if slot.name not in self.vectors.layout.index:
            return slot.name, self.vectors.other(slot.name)[rows]
        with torch.no_grad():
            merged = self._at_once(slot, rows)
            if merged is None:
                merged = cast_to(slot, self._merged(slot.name, slot.shape, rows))
            return slot.name, merged

    def _at_once(self, slot: Slot, rows: Rows) -> Tensor | None:
        """Merge from the stored values in one pass over them; None where the method, the experts or the result do not
        allow it.
        """
        method = self.method
        if self.known is not None or self.again or not method.unprepared or method.uses_gram:
            return None
        sides = self.vectors.sides(slot.name, rows)
        if sides is None:
            return None
        base, experts = sides
        cast = torch.empty(base.shape, dtype=slot.dtype)
        scalars = method.scalars(self.values.at(slot.name), None)
        flat = [each.reshape(-1) for each in experts]
        return cast if accumulate_changes(cast.view(-1), base.reshape(-1), flat, scalars) else None

    def _merged(self, name: str, shape: tuple[int, ...], rows: Rows) -> Tensor:
        method, start = self.method, first_number(shape, rows)
        base = self.vectors.base_tensor(name, rows)
        if self.known is not None:
            directions = self.vectors.layout.view(self.known, self.vectors.layout.index[name])
            directions = torch.stack([each[rows] for each in directions])
        else:
            deltas = self.vectors.deltas(name, rows)
            if self.again:
                return method.combine_rows(name, base, deltas, self.values.at(name), self.survey, start)
            directions = method.prepare_rows(name, deltas, self.survey, start)
        scalars = method.scalars(self.values.at(name), self._gram(name, shape) if method.uses_gram else None)
        out = torch.empty(base.numel())
        whole = [(slice(0, out.numel()), scalars)]
        accumulate(out, base.reshape(-1), directions.reshape(len(directions), -1), whole)
        return out.view(base.shape)

    def _gram(self, name: str, shape: tuple[int, ...]) -> Array:
        """Return the Gram matrix of a tensor, summed over its blocks once."""
        with self._lock:
            if name not in self._grams:
                places = blocks(shape) if self.method.by_rows else [...]
                parts = (
                    gram_matrix(self.vectors.base_tensor(name, rows), self.vectors.deltas(name, rows))
                    for rows in places
                )
                self._grams[name] = reduce(np.add, parts)
            return self._grams[name]


def merge_plan(vectors: TaskVectors, dtype: DType = "as base") -> list[Slot]:
    """Return the tensors that `merge_tensors` gives, in its order: what `write` needs to stream them.

    Raises:
        MergingError: a dtype that is not allowed.
    """
    if dtype not in DTYPES:
        raise MergingError(f"Unknown dtype '{dtype}'.", f"Allowed: {', '.join(DTYPES)}.")
    wanted = DTYPES[dtype]
    slots = [Slot(entry.name, wanted or vectors.dtype(entry.name), entry.shape) for entry in vectors.layout.entries]
    slots += [Slot(name, vectors.dtype(name), vectors.shape(name)) for name in vectors.others]
    return arranged(slots)


def _learned(method: Method, vectors: TaskVectors, prepared: Path | None) -> Tensor | None:
    """Return the learned directions (T, P) from their file; None for a method without data."""
    if not method.needs:
        return None
    if prepared is None:
        raise needs_samples(method)
    return mapped(prepared, vectors)[1:]


def cast_to(slot: Slot, merged: Tensor) -> Tensor:
    """Return merged values in the dtype of their slot. Raises MergingError for what it cannot hold."""
    cast = merged.to(slot.dtype)
    if not all_finite(cast):
        largest = float(np.nan_to_num(merged.abs().max().item(), posinf=np.inf))
        raise MergingError(
            f"Tensor '{slot.name}' has merged values up to {largest:.3g}, which {slot.dtype} cannot hold.",
            "Choose dtype float32 or bfloat16, or smaller coefficients.",
        )
    return cast
