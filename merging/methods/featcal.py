"""FeatCal: polish a merge so that each layer answers its own features as the experts answer theirs."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from torch import Tensor

from merging.access import Access
from merging.architecture.names import block_of
from merging.learning.anchor import AT_FORM, AT_HELP, ON_HELP, On, anchored, write_sum
from merging.learning.calibrate import Paired, Rule, calibrate_stage
from merging.learning.forward_order import inputs, stages
from merging.method import Linearity, Method, Paper
from merging.setting import Choice, Range, Text
from merging.task_vector import TaskVectors


@dataclass(frozen=True)
class FeatCal(Method):
    """FeatCal (arXiv 2605.13030; the authors' code egangu/featcal at solver.py).

    The polish of any merge: `on` names the method and `at` its coefficients. Block after block, student = the
    merge with the blocks before already calibrated. Per linear layer, with student inputs x_s, expert inputs x_e
    and x_t = a x_e + (1 − a) x_s, C_ss = E x_s x_sᵀ, C_ts = E x_t x_sᵀ, both divided by ‖C_ss‖_F of their expert:
    W = (Σ_t W_t C_ts + λ A)(Σ_t C_ss + (λ + ε) I)⁻¹, A = ρ W_merged + (1 − ρ) W_0. Then its bias, from the means of
    x_s and x_t, and each LayerNorm's scale and shift by the 2 × 2 least squares of their mean and energy. What lies
    outside the blocks stays as in the merge.

    As directions: each expert's share of the calibrated weights, so that coefficients 1 are FeatCal and 0 the base.
    There is no exact form: the method's own coefficients are the anchor's. Learned again with those in `at`, and with 1
    for every expert, it is exact.
    Deviation: the authors count tokens other than the first as 1/100 in the last block; here all count the same.

    Cost: half a pass of every expert and one of the student per block. Memory: one block's inputs of one task, and the
    Gram matrices of one block.
    Measured for ViT-B/32, 2 experts, 1 thread: 6.3 minutes of one core for 64 samples a task (on the line through 2
    and 8), 3.0 GB with the model.
    """

    name: ClassVar[str] = "featcal"
    title: ClassVar[str] = "FeatCal"
    summary: ClassVar[str] = "Polishes any merge: layer by layer, its answers are brought near to the experts'."
    linearity: ClassVar[Linearity] = "frozen"
    needs_data: ClassVar[tuple[str, ...]] = ("inputs",)
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper(
        "2605.13030", "FeatCal: Feature Calibration for Post-Merging Models", 2026, "Gu et al."
    )
    revision: ClassVar[int] = 2

    on: Annotated[On, Choice(ON_HELP)] = "task_arithmetic"
    at: Annotated[str, Text(AT_HELP, AT_FORM)] = ""
    ridge: Annotated[float, Range(1e-4, 10.0, "λ, the pull towards the anchor.")] = 0.05
    beyond: Annotated[float, Range(0.0, 5.0, "ρ: 1 is the merge itself as anchor, more lies beyond it.")] = 2.2
    blend: Annotated[float, Range(0.0, 1.0, "a: share of the expert's features in what is aimed at.")] = 0.25

    def learn(self, rows: Tensor, vectors: TaskVectors, access: Access) -> dict[str, Any]:
        """Start from the anchor's changes and calibrate block by block."""
        anchor = anchored(vectors, self.on, self.at)
        anchor.write(rows)
        rule = Rule(self.ridge, self.beyond)
        order = [stage for stage in stages(access, vectors.layout) if block_of(stage[0][0]) is not None]
        for number, stage in enumerate(order):
            access.tell("calibrating block by block", number, len(order))
            write_sum(vectors, rows, access)
            student = access.weights.clone()
            how = dict(stage)
            pairs: list[dict[str, Paired]] = []
            for expert, name in enumerate(vectors.names):
                tasks = access.own(name)
                access.weights.copy_(student)
                ours = inputs(access, tasks, stage)
                vectors.write_expert(expert, access.weights)
                theirs = inputs(access, tasks, stage)
                pairs.append({key: Paired.of(how[key], ours[key], theirs[key], self.blend) for key in how})
            calibrate_stage(rows, vectors, stage, pairs, rule)
        return {"blocks": len(order), "anchor": dict(anchor.coefficients)}
