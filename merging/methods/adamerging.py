"""AdaMerging: coefficients that make the merge sure of what it sees."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from torch import Tensor

from merging.access import Access
from merging.learning.anchor import source
from merging.learning.scaled import Scaled, filled, learn_scales
from merging.learning.training import TRANSDUCTIVE_HELP, Course, Look, Preference, Rate, Steps, looking
from merging.method import Linearity, Method, Paper
from merging.setting import Choice, Range
from merging.task_vector import TaskVectors


@dataclass(frozen=True)
class AdaMerging(Method):
    """AdaMerging (Yang et al., arXiv 2310.02575).

    min over λ of Σ_k p_k H(f(x; θ_0 + Σ_t λ_t τ_t)), H the entropy of the predicted classes on unlabelled samples,
    by Adam; λ is clamped to [0, 1] as in the authors' code. `by: layer` has one λ per expert and tensor, `by: task`
    one per expert; `on: ties` takes trimmed and elected task vectors (AdaMerging++: density 0.2, what agrees is
    summed). p is the preference. Directions: λ_t τ_t, so that coefficients 1 are the published merge.

    Deviation: the paper adapts on the test inputs. Here it is the calibration split unless `transductive` is set, and
    the λ with the best metric on validation samples is kept, since entropy goes on falling past it. No steps at all is
    task arithmetic at `start`.

    Cost: a forward and a backward pass of 16 samples a task per step, 500 steps at most. Memory: the directions, the
    model and its gradient.
    Measured for ViT-B/32, 2 experts, 1 thread: 89 minutes of one core for 500 steps of 16 samples a task (on the
    line through 1 and 3), 2.8 GB with the model.
    """

    name: ClassVar[str] = "adamerging"
    title: ClassVar[str] = "AdaMerging"
    summary: ClassVar[str] = "Learns how much of each expert every layer takes, so that the merge is sure of itself."
    linearity: ClassVar[Linearity] = "linear"
    needs_data: ClassVar[tuple[str, ...]] = ("inputs", "validation")
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper(
        "2310.02575", "AdaMerging: Adaptive Model Merging for Multi-Task Learning", 2024, "Yang et al."
    )
    revision: ClassVar[int] = 2

    by: Annotated[Literal["layer", "task"], Choice("layer: one number per expert and tensor; task: per expert.")] = (
        "layer"
    )
    on: Annotated[
        Literal["task_arithmetic", "ties"], Choice("ties: trimmed and elected task vectors, AdaMerging++.")
    ] = "task_arithmetic"
    start: Annotated[float, Range(0.0, 1.0, "λ at the start.")] = 0.3
    steps: Steps = 500
    rate: Rate = 1e-3
    look: Look = 25
    preference: Preference = ""
    transductive: Annotated[bool, Choice(TRANSDUCTIVE_HELP)] = False

    @property
    def needs(self) -> tuple[str, ...]:
        """Samples without labels, of the test split where that was asked for."""
        return ("test inputs" if self.transductive else "inputs", *looking(self.look))

    def learn(self, rows: Tensor, vectors: TaskVectors, access: Access) -> dict[str, Any]:
        """Train λ and multiply the task vectors by it."""
        source(self.on, vectors, rows)
        scaled = Scaled(rows, vectors, access, self.by)
        course = Course("entropy", self.steps, self.rate, self.look, low=0.0, high=1.0)
        return learn_scales(scaled, rows, access, filled(scaled, self.start), course, self.preference)
