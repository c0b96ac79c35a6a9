"""Expert Merging: coefficients that make the merge answer, inside and outside, as each expert does."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from merging.access import Access
from merging.learning.anchor import source
from merging.learning.scaled import Scaled, applied, filled
from merging.learning.training import Course, Look, Preference, Rate, Steps, Trained, looking, preferences, train
from merging.method import Linearity, Method, Paper
from merging.setting import Range
from merging.task_vector import TaskVectors


@dataclass(frozen=True)
class ExpertMerging(Method):
    """Expert Merging (arXiv 2509.25712; the authors' code Littleor/ExpertMerging).

    α = sigmoid(a) per expert and tensor, from `start`, by Adam on Σ_k β_k [ ‖h − h⁽ᵏ⁾‖² over the blocks + the soft
    cross-entropy of expert k's outputs with the merge's ] + γ mean |α − ᾱ| on unlabelled samples; β is the preference.
    What the experts say is computed once. Directions: α_t τ_t.

    Deviations: each block's distance is divided by the size of what is aimed at, so that no block rules the sum;
    batches in place of few single samples, with a smaller rate (0.1, theirs 0.5 for one pass over 5 samples) and γ
    (0.05, theirs 5); norms, biases and embeddings are learned too.

    Cost and memory: as AdaMerging, and the block outputs of every expert for its samples.
    Measured for ViT-B/32, 2 experts, 1 thread: 33 minutes of one core for 200 steps of 16 samples a task (on the
    line through 1 and 3), 2.9 GB with the model.
    """

    name: ClassVar[str] = "expert_merging"
    title: ClassVar[str] = "Expert Merging"
    summary: ClassVar[str] = "Learns how much of each expert every layer takes, so that the merge answers as they do."
    linearity: ClassVar[Linearity] = "linear"
    needs_data: ClassVar[tuple[str, ...]] = ("inputs", "validation")
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper(
        "2509.25712",
        "Expert Merging: Model Merging with Unsupervised Expert Alignment and Importance-Guided Layer Chunking",
        2026,
        "Zhang et al.",
    )
    revision: ClassVar[int] = 2

    start: Annotated[float, Range(0.01, 0.99, "α at the start.")] = 0.3
    steps: Steps = 200
    rate: Rate = 0.1
    even: Annotated[float, Range(0.0, 100.0, "γ, the pull of every α to the mean of all.")] = 0.05
    look: Look = 10
    preference: Preference = ""

    @property
    def needs(self) -> tuple[str, ...]:
        """Samples without labels."""
        return ("inputs", *looking(self.look))

    def learn(self, rows: Tensor, vectors: TaskVectors, access: Access) -> dict[str, Any]:
        """Remember the experts' answers, train a, multiply the task vectors by α."""
        remember(vectors, access)
        source("task_arithmetic", vectors, rows)
        scaled = Scaled(rows, vectors, access)
        course = Course("expert", self.steps, self.rate, self.look)
        alpha, found = learn_shares(scaled, access, filled(scaled, self.start), course, self.even, self.preference)
        return applied(scaled, rows, found, alpha)


def remember(vectors: TaskVectors, access: Access) -> None:
    """Let every expert answer its own samples once."""
    for number, expert in enumerate(vectors.names):
        access.tell("asking the experts", number, len(vectors.names))
        vectors.write_expert(number, access.weights)
        access.remember(expert)


def learn_shares(
    scaled: Scaled,
    access: Access,
    start: Tensor,
    course: Course,
    even: float,
    wish: str,
    free: Tensor | None = None,
) -> tuple[Tensor, Trained]:
    """Train α = sigmoid(a) from `start` (T, E), with γ = `even`; the α that is kept, and how it went.

    `free` (E,) says which columns are learned; the others stay.
    """
    place = start.logit()
    loose = torch.ones(start.shape[1], dtype=start.dtype) if free is None else free.to(start.dtype)

    def write(values: Tensor) -> None:
        scaled.write(values.sigmoid())
        place.copy_(values)

    def pull(gradient: Tensor) -> Tensor:
        alpha = place.sigmoid()
        sign = (alpha - alpha.mean()).sign()
        uneven = even * (sign - sign.mean()) / alpha.numel()
        return (scaled.pull(gradient) + uneven) * alpha * (1.0 - alpha) * loose

    found = train(place.clone(), write, pull, access, course, preferences(wish, access.tasks))
    return found.values.sigmoid(), found
