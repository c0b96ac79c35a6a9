"""Merging with given coefficients: the fast path of a study, and the streaming path of an export.

Both add the experts in their order (`merging.accumulate`), so they give the same bits whatever the chunks, threads
or shards.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from merging.accumulate import PIECE, Stretch, accumulate
from merging.checkpoint import Checkpoint
from merging.directions import Directions, mapped, needs_samples
from merging.errors import MergingError
from merging.linalg import gram_matrix
from merging.method import Array, Method, Scalars, ordered
from merging.task_vector import Entry, TaskVectors, task_vectors
from merging.threads import one_thread
from merging.writing import Slot, arranged

DType = Literal["as base", "float32", "float16", "bfloat16"]
DTYPES: Mapping[DType, torch.dtype | None] = {
    "as base": None,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


def combine_into(
    out: Tensor,
    directions: Directions,
    coefficients: Mapping[str, float],
    exact: bool = False,
    chunk: int = PIECE,
    only: Callable[[str], bool] | None = None,
) -> None:
    """Write the merged weights into `out` (P,) float32, on the device of the directions.

    For linear, frozen and span methods one pass at memory bandwidth, `chunk` numbers at a time; `exact` computes
    a frozen method again with the real coefficients, from the task vectors (slow; linear ones are exact).
    `only` says by name which tensors are wanted; the others' places in `out` are left as they are.

    Raises:
        MergingError: wrong coefficients, or an `out` of another size, dtype or device.
    """
    method, layout = directions.method, directions.layout
    values = ordered(method, directions.names, coefficients)
    if out.shape != (layout.size,) or out.dtype != torch.float32 or not out.is_contiguous():
        raise MergingError(
            f"The buffer to merge into is {tuple(out.shape)} {out.dtype}.",
            f"It must be ({layout.size},) torch.float32 and contiguous.",
        )
    if out.device != directions.matrix.device:
        raise MergingError(f"The buffer is on {out.device}, the directions on {directions.matrix.device}.")
    spans = [span for span in _spans(directions) if only is None or only(span[1].name)]
    with torch.no_grad():
        if _again(method, exact):
            _combine_again(out, directions, values, [entry for _, entry, _ in spans])
        else:
            stretches = _stretches(directions, values, spans)
            accumulate(out, directions.base, directions.matrix, stretches, chunk)


def merge_tensors(
    method: Method,
    base: Checkpoint,
    experts: Sequence[Checkpoint],
    coefficients: Mapping[str, float],
    dtype: DType = "as base",
    exact: bool = False,
    prepared: Path | None = None,
) -> Iterator[tuple[str, Tensor]]:
    """Merge tensor by tensor, in the order of `merge_plan`; int and bool tensors are the base's.

    `prepared` is the file of the directions, for a method that learns from samples.

    Bit-identical to `combine_into` and one cast at the end. Holds one tensor of each expert at a time.

    Raises:
        MergingError: wrong coefficients, checkpoints that do not match, or a value that `dtype` cannot hold.
    """
    with task_vectors(base, experts) as vectors:
        values = ordered(method, vectors.names, coefficients)
        known = _learned(method, vectors, prepared)
        with one_thread():
            survey = None if method.needs else method.survey(vectors)
        for slot in merge_plan(vectors, dtype):
            if slot.name in vectors.layout.index:
                with one_thread(), torch.no_grad():
                    if known is not None:
                        merged = _merge_learned(method, vectors, slot.name, values, known)
                    else:
                        merged = _merge_one(method, vectors, slot.name, values, survey, exact)
                yield slot.name, _cast(slot, merged)
            else:
                yield slot.name, vectors.other(slot.name)


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


def _again(method: Method, exact: bool) -> bool:
    """Tell whether the merge is computed from the raw task vectors."""
    return method.linearity == "nonlinear" or (exact and method.exact_form)


def _spans(directions: Directions) -> Iterator[tuple[int, Entry, slice]]:
    """Go through (number, tensor, its place with the gap after it)."""
    entries = directions.layout.entries
    stops = [entry.offset for entry in entries[1:]] + [directions.layout.size]
    for number, (entry, stop) in enumerate(zip(entries, stops, strict=True)):
        yield number, entry, slice(entry.offset, stop)


def _stretches(directions: Directions, values: Array, spans: Sequence[tuple[int, Entry, slice]]) -> list[Stretch]:
    """Return the multipliers of each place that is wanted."""
    method, grams = directions.method, directions.grams
    if grams is None:
        scalars = method.scalars(values, None)
        return [(part, scalars) for part in _joined([part for _, _, part in spans])]
    return [(part, method.scalars(values, grams[number])) for number, _, part in spans]


def _joined(parts: Sequence[slice]) -> list[slice]:
    """Places that touch as one: a whole model is one pass.

    >>> _joined([slice(0, 2), slice(2, 3), slice(5, 6)])
    [slice(0, 3, None), slice(5, 6, None)]
    """
    runs: list[slice] = []
    for part in parts:
        if runs and runs[-1].stop == part.start:
            runs[-1] = slice(runs[-1].start, part.stop)
        else:
            runs.append(part)
    return runs


def _combine_again(out: Tensor, directions: Directions, values: Array, entries: Sequence[Entry]) -> None:
    """Compute the merge from the raw task vectors, tensor by tensor."""
    method, layout = directions.method, directions.layout
    if len(entries) == len(layout.entries):
        out.zero_()
    survey = directions.survey
    with one_thread():
        for entry in entries:
            base = layout.view(directions.base, entry)
            if method.linearity == "nonlinear":
                deltas = layout.view(directions.matrix, entry)
            else:
                deltas = directions.source.deltas(entry.name).to(out.device)
            layout.view(out, entry).copy_(method.combine_tensor(entry.name, base, deltas, values, survey))


def _merge_one(
    method: Method, vectors: TaskVectors, name: str, values: Array, survey: object | None, exact: bool
) -> Tensor:
    base, deltas = vectors.base_tensor(name), vectors.deltas(name)
    if _again(method, exact):
        return method.combine_tensor(name, base, deltas, values, survey)
    scalars = method.scalars(values, gram_matrix(base, deltas) if method.uses_gram else None)
    rows = method.prepare_tensor(name, deltas, survey)
    return _summed(base, rows, scalars)


def _learned(method: Method, vectors: TaskVectors, prepared: Path | None) -> Tensor | None:
    """Return the learned directions (T, P) from their file; None for a method without data."""
    if not method.needs:
        return None
    if prepared is None:
        raise needs_samples(method)
    return mapped(prepared, vectors)[1:]


def _merge_learned(method: Method, vectors: TaskVectors, name: str, values: Array, known: Tensor) -> Tensor:
    base, rows = vectors.base_tensor(name), vectors.layout.view(known, vectors.layout.index[name])
    return _summed(base, rows, method.scalars(values, None))


def _summed(base: Tensor, rows: Tensor, scalars: Scalars) -> Tensor:
    """Return f · base + Σ a_t · row_t of one tensor (*shape) from rows (T, *shape)."""
    out = torch.empty(base.numel())
    accumulate(out, base.reshape(-1), rows.reshape(len(rows), -1), [(slice(0, out.numel()), scalars)])
    return out.view(base.shape)


def _cast(slot: Slot, merged: Tensor) -> Tensor:
    cast = merged.to(slot.dtype)
    if not bool(torch.isfinite(cast.to(torch.float32)).all()):
        largest = float(np.nan_to_num(merged.abs().max().item(), posinf=np.inf))
        raise MergingError(
            f"Tensor '{slot.name}' has merged values up to {largest:.3g}, which {slot.dtype} cannot hold.",
            "Choose dtype float32 or bfloat16, or smaller coefficients.",
        )
    return cast
