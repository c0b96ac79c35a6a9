"""aTLAS: signed coefficients per tensor, learned from a few labelled samples."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from torch import Tensor

from merging.access import Access
from merging.learning.anchor import source
from merging.learning.scaled import Scaled, filled, learn_scales
from merging.learning.training import Course, Look, Preference, Rate, Steps, looking
from merging.method import Linearity, Method, Paper
from merging.setting import Range
from merging.task_vector import TaskVectors


@dataclass(frozen=True)
class Atlas(Method):
    """aTLAS (Zhang et al., arXiv 2407.02880).

    θ_0 + Σ_t Λ_t τ_t with Λ_t one number per parameter tensor, from 0 and free to be negative, minimising the weighted
    cross-entropy on labelled samples by AdamW with weight decay 0.1; the epoch with the best validation metric is kept.
    Directions: Λ_t τ_t.

    Deviations: the authors take 20 epochs over thousands of samples with rate 1e-3. With some dozens of samples that
    many steps would hardly leave 0, so the rate is 1e-2. Gradients are not clipped (theirs to norm 1).

    Cost and memory: as AdaMerging, a forward and a backward pass of 16 samples a task per step.
    Measured for ViT-B/32, 2 experts, 1 thread: 49 minutes of one core for 300 steps of 16 samples a task (on the
    line through 1 and 3), 2.8 GB with the model.
    """

    name: ClassVar[str] = "atlas"
    title: ClassVar[str] = "aTLAS"
    summary: ClassVar[str] = (
        "Learns from labelled examples how much of each expert every layer takes, even less than none."
    )
    linearity: ClassVar[Linearity] = "linear"
    needs_data: ClassVar[tuple[str, ...]] = ("inputs", "labels", "validation")
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper(
        "2407.02880", "Knowledge Composition using Task Vectors with Learned Anisotropic Scaling", 2024, "Zhang et al."
    )
    revision: ClassVar[int] = 2

    steps: Steps = 300
    rate: Rate = 1e-2
    decay: Annotated[float, Range(0.0, 10.0, "Weight decay, towards the base.")] = 0.1
    look: Look = 20
    preference: Preference = ""

    @property
    def needs(self) -> tuple[str, ...]:
        """Samples with labels."""
        return ("inputs", "labels", *looking(self.look))

    def learn(self, rows: Tensor, vectors: TaskVectors, access: Access) -> dict[str, Any]:
        """Train Λ and multiply the task vectors by it."""
        source("task_arithmetic", vectors, rows)
        scaled = Scaled(rows, vectors, access)
        course = Course("labels", self.steps, self.rate, self.look, self.decay)
        return learn_scales(scaled, rows, access, filled(scaled, 0.0), course, self.preference)
