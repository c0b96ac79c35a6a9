"""Merging with given coefficients in memory: the fast path of a study.

The experts are added in their order (`accumulate.py`), so chunks and threads change no bit, and the streaming path of
an export (`stream.py`) gives the same ones.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from merging.combining.accumulate import Stretch, accumulate
from merging.combining.directions import Directions
from merging.errors import MergingError
from merging.groups import Groups, PerTensor, per_tensor
from merging.method import Method
from merging.task_vector import Entry, TaskVectors
from merging.threads import one_thread


def combine_into(
    out: Tensor,
    directions: Directions,
    coefficients: Mapping[str, float],
    exact: bool = False,
    chunk: int | None = None,
    only: Callable[[str], bool] | None = None,
    groups: Groups | None = None,
) -> None:
    """Write the merged weights into `out` (P,) float32, on the device of the directions.

    For linear, frozen and span methods one pass at memory bandwidth, `chunk` numbers at a time (left out: what suits
    the device); `exact` computes a frozen method again with the real coefficients, from the task vectors (slow; linear
    ones are exact).
    `only` says by name which tensors are wanted; the others' places in `out` are left as they are. `groups` says that
    each group of layers has coefficients of its own (`merging.groups`).

    Raises:
        MergingError: wrong coefficients, or an `out` of another size, dtype or device.
    """
    method, layout = directions.method, directions.layout
    tensors = [entry.name for entry in layout.entries]
    values = per_tensor(method, directions.names, coefficients, groups, tensors)
    if out.shape != (layout.size,) or out.dtype != torch.float32 or not out.is_contiguous():
        raise MergingError(
            f"The buffer to merge into is {tuple(out.shape)} {out.dtype}.",
            f"It must be ({layout.size},) torch.float32 and contiguous.",
        )
    if out.device != directions.matrix.device:
        raise MergingError(f"The buffer is on {out.device}, the directions on {directions.matrix.device}.")
    spans = [span for span in _spans(directions) if only is None or only(span[1].name)]
    with torch.no_grad():
        if again(method, exact):
            _combine_again(out, directions, values, [entry for _, entry, _ in spans])
        else:
            stretches = _stretches(directions, values, spans)
            accumulate(out, directions.base, directions.matrix, stretches, chunk)


def again(method: Method, exact: bool) -> bool:
    """Tell whether the merge is computed from the raw task vectors."""
    return method.linearity == "nonlinear" or (exact and method.exact_form)


def surveyed(method: Method, vectors: TaskVectors, values: PerTensor, exact: bool) -> object | None:
    """Return the survey for the form of the merge that is asked for."""
    if again(method, exact):
        return method.survey_at(vectors, values.at, lambda: method.survey(vectors))
    return method.survey(vectors)


def _spans(directions: Directions) -> Iterator[tuple[int, Entry, slice]]:
    """Go through (number, tensor, its place with the gap after it)."""
    entries = directions.layout.entries
    stops = [entry.offset for entry in entries[1:]] + [directions.layout.size]
    for number, (entry, stop) in enumerate(zip(entries, stops, strict=True)):
        yield number, entry, slice(entry.offset, stop)


def _stretches(directions: Directions, values: PerTensor, spans: Sequence[tuple[int, Entry, slice]]) -> list[Stretch]:
    """Return the multipliers of each place that is wanted."""
    method, grams = directions.method, directions.grams
    if grams is not None:
        return [(part, method.scalars(values.at(entry.name), grams[number])) for number, entry, part in spans]
    stretches: list[Stretch] = []
    for same, run in groupby(spans, lambda span: tuple(values.at(span[1].name).tolist())):
        scalars = method.scalars(np.asarray(same, dtype=np.float64), None)
        stretches += [(part, scalars) for part in _joined([part for _, _, part in run])]
    return stretches


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


def _combine_again(out: Tensor, directions: Directions, values: PerTensor, entries: Sequence[Entry]) -> None:
    """Compute the merge from the raw task vectors, tensor by tensor."""
    method, layout = directions.method, directions.layout
    if len(entries) == len(layout.entries):
        out.zero_()
    with one_thread():
        survey = method.survey_at(directions.source, values.at, lambda: directions.survey)
        for entry in entries:
            for rows, start in method.pieces(entry.shape):
                base = layout.view(directions.base, entry)[rows]
                if method.linearity == "nonlinear":
                    deltas = layout.view(directions.matrix, entry)
                else:
                    deltas = directions.source.deltas(entry.name, rows).to(out.device)
                merged = method.combine_rows(entry.name, base, deltas, values.at(entry.name), survey, start)
                layout.view(out, entry)[rows] = merged
