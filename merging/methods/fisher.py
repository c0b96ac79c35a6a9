"""Fisher merging: each weight is taken most from the experts that are sure of it."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from merging.access import Access
from merging.method import Linearity, Method, Paper
from merging.setting import Choice, Range
from merging.task_vector import TaskVectors


@dataclass(frozen=True)
class Fisher(Method):
    """Fisher merging (Matena & Raffel, arXiv 2111.09832).

    θ = Σ_t F_t θ_t / Σ_t F_t, element by element; as directions F_t ⊙ τ_t / Σ F. F_t is the diagonal of the Fisher
    information of expert t on its own samples, E_x E_{y~p(y|x)} (∂ log p(y|x))²: the expectation over the classes that
    the expert itself predicts, so it needs no labels, and example by example. Code that squares the gradient of a
    batch's sum gives another quantity, which depends on the size of the batch. Classes less likely than 1e-4 are
    left out.

    Each F_t is divided by its norm, then gets the floor 1e-6, as in the authors' code: where no expert is sure, and
    where no gradient comes, the merge is the mean.

    Cost: for every sample a forward pass and one backward pass per likely class. Memory: two vectors like the model,
    and the directions.
    Measured for ViT-B/32, 2 experts, 1 thread: 10 minutes of one core for 64 samples a task (on the line through 1
    and 2), 2.9 GB with the model.
    """

    name: ClassVar[str] = "fisher"
    title: ClassVar[str] = "Fisher"
    summary: ClassVar[str] = "Averages the experts, each weight most from those whose predictions depend on it."
    linearity: ClassVar[Linearity] = "linear"
    needs_data: ClassVar[tuple[str, ...]] = ("inputs",)
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper(
        "2111.09832", "Merging Models with Fisher-Weighted Averaging", 2022, "Matena & Raffel"
    )
    revision: ClassVar[int] = 2

    floor: Annotated[float, Range(1e-12, 1e6, "Added to every Fisher value; a large one gives the mean.")] = 1e-6
    normalise: Annotated[bool, Choice("Divide each expert's values by their norm, so that none rules all.")] = True

    def learn(self, rows: Tensor, vectors: TaskVectors, access: Access) -> dict[str, Any]:
        """Measure F_t into the rows, then turn them into F_t τ_t / Σ F."""
        norms = []
        for number, expert in enumerate(vectors.names):
            access.tell("measuring the Fisher information", number, len(vectors.names))
            vectors.write_expert(number, access.weights)
            access.gradient.zero_()
            tasks = access.own(expert)
            for task in tasks:
                access.squares(task)
            rows[number].copy_(access.gradient / len(tasks))
            norms.append(float(torch.linalg.vector_norm(rows[number], dtype=torch.float64)))
        for entry in vectors.layout.entries:
            place = vectors.layout.view(rows, entry)
            for row, norm in zip(place, norms, strict=True):
                row.div_(norm if self.normalise and norm > 0.0 else 1.0).add_(self.floor)
            place.copy_(place / place.sum(0) * vectors.deltas(entry.name))
        return {"norms": dict(zip(vectors.names, norms, strict=True))}
