"""The merge that another one is held to: a method at its published coefficients, or at given ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from merging.access import Access
from merging.groups import PerTensor, groups_in, per_tensor
from merging.method import method
from merging.setting import parsed
from merging.task_vector import Entry, TaskVectors, by_expert
from merging.threads import allowed, in_order, pool

On = Literal[
    "task_arithmetic",
    "aswudi",
    "iso_c",
    "iso_cts",
    "lines",
    "pcb",
    "star",
    "swudi",
    "ties",
    "tsv_m",
    "weighted_average",
]
ON_HELP = "The method whose merge is the anchor."
AT_HELP = "The anchor's coefficients: any merge you like; empty means the method's published ones."
AT_FORM = "EXPERT=NUMBER,… for every expert (EXPERT@GROUP=NUMBER with layer groups), or nothing"


@dataclass(frozen=True)
class Anchor:
    """The changes A_t (T, *shape) of a method at its coefficients: base + Σ A_t is the anchor."""

    vectors: TaskVectors
    on: str
    coefficients: Mapping[str, float]
    values: PerTensor
    found: object | None

    def changes(self, name: str) -> Tensor:
        """Return A_t of one tensor, (T, *shape); of a merge that is no sum over experts, each has an equal share."""
        made, deltas, values = method(self.on), self.vectors.deltas(name), self.values.at(name)
        if made.linearity == "nonlinear":
            merged = made.combine_tensor(name, torch.zeros_like(deltas[0]), deltas, values, self.found)
            return (merged / len(deltas)).expand_as(deltas).clone()
        scale = made.scalars(values, None).experts.tolist()
        return made.prepare_tensor(name, deltas, self.found) * by_expert(scale, deltas)

    def write(self, rows: Tensor) -> None:
        """Write every A_t into rows (T, P); tensors in parallel, each on one thread, so bits never change."""
        layout, workers = self.vectors.layout, allowed()

        def one(entry: Entry) -> None:
            layout.view(rows, entry).copy_(self.changes(entry.name))

        with pool(workers) as executor:
            for _ in in_order(executor, workers, one, layout.entries):
                pass


def anchored(vectors: TaskVectors, on: str, at: str = "") -> Anchor:
    """Return an anchor.

    Raises:
        MergingError: `at` is not NAME=NUMBER,… with a number for each expert that the method takes.
    """
    made = method(on)
    made.check_experts(len(vectors.names))
    usual = dict.fromkeys(vectors.names, made.default(len(vectors.names)))
    coefficients = parsed(at, "at", AT_FORM) if at.strip() else usual
    tensors = [entry.name for entry in vectors.layout.entries]
    values = per_tensor(made, vectors.names, coefficients, groups_in(tuple(coefficients)), tensors)
    return Anchor(vectors, on, coefficients, values, made.survey(vectors))


def write_sum(vectors: TaskVectors, rows: Tensor, access: Access) -> None:
    """Bind the model to base + Σ rows."""
    layout = vectors.layout
    for entry in layout.entries:
        total = vectors.base_tensor(entry.name) + layout.view(rows, entry).sum(0)
        layout.view(access.weights, entry).copy_(total)


def source(on: str, vectors: TaskVectors, rows: Tensor) -> None:
    """Write the directions of task arithmetic, or of TIES with what agrees summed, into rows (T, P)."""
    made = method(on, {"merge": "sum"} if on == "ties" else {})
    found = made.survey(vectors)
    for entry in vectors.layout.entries:
        directions = made.prepare_tensor(entry.name, vectors.deltas(entry.name), found)
        vectors.layout.view(rows, entry).copy_(directions)
