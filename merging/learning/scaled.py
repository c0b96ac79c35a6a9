"""base + Σ_t λ_t,p δ_t,p: learned numbers per expert and part of the weights, over directions that stay as they are."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from merging.access import Access
from merging.learning.training import Course, Trained, preferences, train
from merging.task_vector import Layout, TaskVectors


class Scaled:
    """λ (T, E): E parts, which are the tensors, all of them together, or chunks of some tensors."""

    def __init__(
        self,
        rows: Tensor,
        vectors: TaskVectors,
        access: Access,
        by: Literal["layer", "task"] = "layer",
        chunks: Mapping[str, int] | None = None,
    ) -> None:
        """`chunks` cuts a tensor's flat numbers into that many neighbouring parts of one size (by layer)."""
        self._access, self.layout, self._names = access, vectors.layout, vectors.names
        self._rows = rows.to(access.weights.device)
        self._base = vectors.base().to(access.weights.device)
        self.parts = parts_of(vectors.layout, by, chunks or {})

    @property
    def shape(self) -> tuple[int, int]:
        """(T, E)."""
        return len(self._rows), self.parts[-1][0] + 1

    def write(self, values: Tensor) -> None:
        """Bind the model to λ (T, E)."""
        weights, scales = self._access.weights, values.to(self._rows)
        for column, part in self.parts:
            torch.addmv(self._base[part], self._rows[:, part].T, scales[:, column], out=weights[part])

    def pull(self, gradient: Tensor) -> Tensor:
        """Return the gradient of λ (T, E) for one of the weights (P,)."""
        found = torch.zeros(self.shape, dtype=torch.float64, device=gradient.device)
        for column, part in self.parts:
            found[:, column] += self._rows[:, part] @ gradient[part]
        return found.cpu()

    def apply(self, values: Tensor, rows: Tensor) -> None:
        """Multiply directions (T, P) by λ, in place."""
        for column, part in self.parts:
            rows[:, part] *= values[:, column].to(rows).unsqueeze(1)

    def facts(self, values: Tensor) -> dict[str, Any]:
        """Return λ (T, E) by expert: one number, or by tensor one, or several for a tensor in chunks."""
        if values.shape[1] == 1:
            return {name: float(row[0]) for name, row in zip(self._names, values, strict=True)}
        where = {entry.offset: entry.name for entry in self.layout.entries}
        columns: dict[str, list[int]] = {}
        for column, part in self.parts:
            name = where.get(part.start)
            columns.setdefault(name if name is not None else list(columns)[-1], []).append(column)
        return {
            name: {
                key: float(row[at[0]]) if len(at) == 1 else [float(row[column]) for column in at]
                for key, at in columns.items()
            }
            for name, row in zip(self._names, values, strict=True)
        }


def parts_of(layout: Layout, by: str, chunks: Mapping[str, int]) -> list[tuple[int, slice]]:
    """Return (column of λ, its place in the flat vector), in the order of the tensors."""
    found: list[tuple[int, slice]] = []
    column = 0
    for entry in layout.entries:
        count = min(max(1, chunks.get(entry.name, 1)), max(1, entry.numel)) if by == "layer" else 1
        edges = [entry.offset + entry.numel * step // count for step in range(count + 1)]
        for start, stop in zip(edges, edges[1:], strict=False):
            found.append((column, slice(start, stop)))
            column += by == "layer"
    return found


def learn_scales(
    scaled: Scaled, rows: Tensor, access: Access, start: Tensor, course: Course, wish: str
) -> dict[str, Any]:
    """Train λ from `start` (T, E) with the preference `wish`, multiply `rows` by it, and say how it went."""
    found = train(start, scaled.write, scaled.pull, access, course, preferences(wish, access.tasks))
    return applied(scaled, rows, found, found.values)


def applied(scaled: Scaled, rows: Tensor, found: Trained, values: Tensor) -> dict[str, Any]:
    """Multiply `rows` by λ (T, E); the facts that are kept: what was learned, the step that was kept, the curve."""
    scaled.apply(values, rows)
    return {"learned": scaled.facts(values), "best": found.best, "curve": found.curve}


def filled(scaled: Scaled, value: float) -> Tensor:
    """Return λ (T, E) of one value, float64."""
    return torch.full(scaled.shape, value, dtype=torch.float64)
