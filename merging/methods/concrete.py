"""Concrete subspace: one learned mask, shared by all tasks, that leaves out what disturbs."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from merging.access import Access
from merging.learning.anchor import source
from merging.learning.training import Course, Look, Preference, Rate, Steps, looking, preferences, train
from merging.method import Linearity, Method, Paper
from merging.setting import Range
from merging.task_vector import Layout, TaskVectors

TEMPERATURE = 0.5


@dataclass(frozen=True)
class Concrete(Method):
    """Concrete Subspace Learning on task arithmetic (Tang et al., arXiv 2312.06173; FusionBench).

    θ_0 + λ Σ_t m̃ ⊙ τ_t, m̃ the shared mask m divided by its mean over each tensor. While it learns, m is a sample of
    the Concrete distribution, σ((log u/(1 − u) + x)/0.5) with u uniform from `seed`; Adam on the logits x, from 0, of
    the entropy on unlabelled samples. Directions: λ m̃ ⊙ τ_t.

    Deviations: what is kept is m = σ(x/0.5), without dice, where public code draws once more at export; what validates
    best is kept; fewer and longer steps (the paper takes 2000 of rate 1e-3 on test inputs). Without steps every m̃ is
    1: task arithmetic.

    Cost: a forward and a backward pass of 16 samples a task per step: a GPU's work for anything larger than the demo.
    Memory: a dozen vectors like the model, the model with its gradient, and the directions.
    Measured for ViT-B/32, 2 experts, 1 thread: 84 minutes of one core for 300 steps of 16 samples a task (on the
    line through 1 and 3), 8.4 GB with the model.
    """

    name: ClassVar[str] = "concrete"
    title: ClassVar[str] = "Concrete subspace"
    summary: ClassVar[str] = "Learns one mask for all experts' changes, which leaves out what disturbs."
    linearity: ClassVar[Linearity] = "linear"
    needs_data: ClassVar[tuple[str, ...]] = ("inputs", "validation")
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper(
        "2312.06173",
        "Concrete Subspace Learning based Interference Elimination for Multi-task Model Fusion",
        2023,
        "Tang et al.",
    )
    revision: ClassVar[int] = 2

    strength: Annotated[float, Range(0.0, 2.0, "λ, the coefficient of every expert.")] = 0.3
    steps: Steps = 300
    rate: Rate = 1e-2
    seed: Annotated[int, Range(0, 2**31 - 1, "Seed of the dice that are thrown while it learns.")] = 0
    look: Look = 25
    preference: Preference = ""

    @property
    def needs(self) -> tuple[str, ...]:
        """Samples without labels."""
        return ("inputs", *looking(self.look))

    def learn(self, rows: Tensor, vectors: TaskVectors, access: Access) -> dict[str, Any]:
        """Train the logits x, then multiply the task vectors by λ m̃."""
        source("task_arithmetic", vectors, rows)
        device = access.weights.device
        change = self.strength * rows.sum(0).to(device)
        base = vectors.base().to(device)
        dice = torch.Generator(device).manual_seed(self.seed)
        mask = Mask(vectors.layout, torch.zeros_like(base))

        def write(values: Tensor, thrown: bool = True) -> None:
            noise = torch.rand(values.shape, generator=dice, device=device).logit_(eps=1e-6) if thrown else 0.0
            mask.set(values, noise)
            torch.addcmul(base, change, mask.scaled, out=access.weights)

        def pull(gradient: Tensor) -> Tensor:
            return mask.pull(gradient * change)

        course = Course("entropy", self.steps, self.rate, self.look)
        prefer = preferences(self.preference, access.tasks)
        start = torch.zeros(len(base), device=device)
        found = train(start, write, pull, access, course, prefer, lambda values: write(values, thrown=False))
        mask.set(found.values, 0.0)
        rows.mul_((self.strength * mask.scaled).to(rows.device))
        kept = float((found.values > 0).sum()) / vectors.layout.parameters
        return {"best": found.best, "curve": found.curve, "raised": kept}


class Mask:
    """m = σ((noise + x)/T) over the flat vector, `scaled` by its mean over each tensor; zero between tensors."""

    def __init__(self, layout: Layout, scaled: Tensor) -> None:
        self._layout = layout
        self._m = torch.zeros_like(scaled)
        self.scaled = scaled

    def set(self, values: Tensor, noise: Tensor | float) -> None:
        """Compute m and m / mean m."""
        torch.add(values, noise, out=self._m).div_(TEMPERATURE).sigmoid_()
        for entry in self._layout.entries:
            part = self._layout.view(self._m, entry)
            self._layout.view(self.scaled, entry).copy_(part / part.mean())

    def pull(self, slope: Tensor) -> Tensor:
        """Turn `slope`, the gradient of the scaled mask, into that of the logits, where it lies, and return it.

        Between tensors it stays as it is: zero, where the change that it was multiplied by is.
        """
        for entry in self._layout.entries:
            v, m, scaled = (self._layout.view(each, entry) for each in (slope, self._m, self.scaled))
            inner = (v - (v * scaled).mean()) / m.mean()
            v.copy_(inner * m * (1.0 - m) / TEMPERATURE)
        return slope
