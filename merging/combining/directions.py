"""Directions: what a method prepares once, kept on disk as one memory-mapped matrix."""

import functools
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from merging.access import NEEDS, Access
from merging.algebra.linalg import gram_matrix
from merging.checkpoint import Checkpoint
from merging.errors import MergingError
from merging.files.writing import atomic
from merging.method import CLASSES, Array, Method
from merging.task_vector import Entry, Layout, TaskVectors
from merging.threads import in_order, one_thread, pool

FORMAT = 1
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Directions:
    """T directions (T, P) and the base (P,), float32; memory-mapped when they were prepared into a folder.

    `grams` is (E, T+1, T+1) float64, one Gram matrix per tensor, for methods that use them. `exactness` says
    in words how far the merge is the published method. `source` reads the raw task vectors again where the
    exact form of a frozen method needs them.
    """

    method: Method
    names: tuple[str, ...]
    layout: Layout
    matrix: Tensor
    base: Tensor
    others: tuple[str, ...]
    exactness: str
    fingerprint: str
    source: TaskVectors
    grams: Array | None = None
    path: Path | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def survey(self) -> object | None:
        """What the method found in its look at the whole model; computed when first asked for."""
        with one_thread():
            return self.method.survey(self.source)

    def to(self, device: torch.device) -> "Directions":
        """Copy the matrix and the base to a device."""
        return replace(self, matrix=self.matrix.to(device), base=self.base.to(device))


def fingerprint(method: Method, base: Checkpoint, experts: Sequence[Checkpoint], data: str | None = None) -> str:
    """Return the SHA-256 (hex) that a prepared method is known by: all that its numbers depend on.

    `data` is the fingerprint of what a method learns from.
    """
    what: dict[str, object] = {
        "format": FORMAT,
        "method": method.name,
        "revision": method.revision,
        "settings": method.settings,
        "base": base.fingerprint,
        "experts": [[expert.name, expert.fingerprint] for expert in experts],
    }
    if data is not None:
        what["data"] = data
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def prepare(
    method: Method,
    vectors: TaskVectors,
    folder: Path | None = None,
    progress: Progress | None = None,
    access: Access | None = None,
) -> Directions:
    """Compute the directions of every tensor, or load them when `folder` holds them already.

    The file in `folder` is named by the fingerprint and written atomically: rows base, direction 1 … T, with
    a JSON header beside it. `progress(done, of)` counts tensors.

    Raises:
        MergingError: the method cannot merge that many experts, or needs data that it was not given.
    """
    method.check_experts(len(vectors.names))
    if method.needs and access is None:
        raise needs_samples(method)
    key = fingerprint(method, vectors.checkpoint, vectors.experts, access.fingerprint if access else None)
    rows = len(vectors.names) + 1
    if folder is None:
        flat = torch.zeros((rows, vectors.layout.size))
        grams, facts = _fill(flat, method, vectors, progress, access)
        path = None
    else:
        path = Path(folder) / f"{key}.f32"
        if not _present(path, rows, vectors.layout):
            _write(path, key, method, vectors, progress, access)
        flat = mapped(path, vectors)
        grams, facts = _header(path)
    return Directions(
        method=method,
        names=vectors.names,
        layout=vectors.layout,
        matrix=flat[1:],
        base=flat[0],
        others=vectors.others,
        exactness=CLASSES[method.linearity],
        fingerprint=key,
        source=vectors,
        grams=grams,
        path=path,
        facts=facts,
    )


def needs_samples(method: Method) -> MergingError:
    """Say that a method cannot be prepared from checkpoints alone."""
    return MergingError(
        f"Method '{method.name}' learns from samples: {'; '.join(NEEDS[need] for need in method.needs)}.",
        "Use it in a study: python -m study run DIR --method NAME.",
    )


Filled = tuple[Array | None, dict[str, Any]]


def _fill(
    flat: Tensor, method: Method, vectors: TaskVectors, progress: Progress | None, access: Access | None
) -> Filled:
    """Fill rows base, direction 1 … T. Tensors go in parallel, each on one thread, so bits never change."""
    layout = vectors.layout
    if method.needs and access is not None:
        with one_thread():
            facts = method.learn(flat[1:], vectors, access)
        for done, entry in enumerate(layout.entries):
            layout.view(flat[0], entry).copy_(vectors.base_tensor(entry.name))
            if progress:
                progress(done + 1, len(layout.entries))
        return None, facts
    workers = torch.get_num_threads()
    grams: list[Array] = []
    with pool(workers) as executor:
        survey = executor.submit(method.survey, vectors).result()

        def task(entry: Entry) -> Array | None:
            return _prepared(flat, method, vectors, entry, survey)

        for done, gram in enumerate(in_order(executor, workers, task, layout.entries)):
            if gram is not None:
                grams.append(gram)
            if progress:
                progress(done + 1, len(layout.entries))
    return (np.stack(grams) if grams else None), {}


def _prepared(flat: Tensor, method: Method, vectors: TaskVectors, entry: Entry, survey: object | None) -> Array | None:
    """Fill one tensor's place and return its Gram matrix, where the method uses one."""
    layout = vectors.layout
    grams: list[Array] = []
    for rows, start in method.pieces(entry.shape):
        base, deltas = vectors.base_tensor(entry.name, rows), vectors.deltas(entry.name, rows)
        if method.uses_gram:
            grams.append(gram_matrix(base, deltas))
        layout.view(flat[0], entry)[rows] = base
        made = method.prepare_rows(entry.name, deltas, survey, start)
        for row, direction in zip(flat[1:], made, strict=True):
            layout.view(row, entry)[rows] = direction
    return functools.reduce(np.add, grams) if grams else None


def _write(
    path: Path,
    key: str,
    method: Method,
    vectors: TaskVectors,
    progress: Progress | None,
    access: Access | None,
) -> None:
    rows, layout = len(vectors.names) + 1, vectors.layout
    with atomic(path) as file:
        # Taken now, not while the map is written: a full disk is then an error, and not the signal that kills.
        os.posix_fallocate(file.fileno(), 0, rows * layout.size * 4)
        mapped = np.memmap(file, dtype=np.float32, mode="r+", shape=(rows, layout.size))
        grams, facts = _fill(torch.from_numpy(mapped), method, vectors, progress, access)
        mapped.flush()
        del mapped
    header = {
        "format": FORMAT,
        "fingerprint": key,
        "method": method.name,
        "settings": method.settings,
        "base": vectors.checkpoint.fingerprint,
        "experts": [{"name": each.name, "fingerprint": each.fingerprint} for each in vectors.experts],
        "rows": rows,
        "size": layout.size,
        "entries": [[entry.name, list(entry.shape), entry.offset] for entry in layout.entries],
        "grams": None if grams is None else grams.tolist(),
        "facts": facts,
    }
    with atomic(path.with_suffix(".json")) as file:
        file.write(json.dumps(header).encode())


def _present(path: Path, rows: int, layout: Layout) -> bool:
    """Tell whether a whole prepared file stands there: the header is written last."""
    header = path.with_suffix(".json")
    return header.is_file() and path.is_file() and path.stat().st_size == rows * layout.size * 4


def _header(path: Path) -> Filled:
    found = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    grams = found["grams"]
    return None if grams is None else np.asarray(grams, dtype=np.float64), found.get("facts", {})


def mapped(path: Path, vectors: TaskVectors) -> Tensor:
    """Map a file of directions, (T+1, P): base, direction 1 … T.

    Raises:
        MergingError: the file belongs to other task vectors.
    """
    rows, size = len(vectors.names) + 1, vectors.layout.size
    if path.stat().st_size != rows * size * 4:
        raise MergingError(f"'{path}' does not hold {len(vectors.names)} directions of this base.")
    flat = torch.from_file(str(path), shared=False, size=rows * size, dtype=torch.float32)
    return flat.view(rows, size)
