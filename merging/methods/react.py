"""ReACT: one linear map corrects what a merge says at its end, so that it lies where the experts' answers do."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from merging.access import Access, How
from merging.errors import MergingError
from merging.learning.anchor import AT_FORM, AT_HELP, ON_HELP, On, anchored, write_sum
from merging.learning.calibrate import sum_of
from merging.learning.forward_order import bias_name, inputs, stages
from merging.learning.moments import level, rows
from merging.learning.training import PREFERENCE_FORM, preferences
from merging.method import Linearity, Method, Paper
from merging.setting import Choice, Range, Text
from merging.task_vector import TaskVectors

BETA_HELP = "β, the pull of every correction to a rotation, in mean eigenvalues of the features' Gram matrix."
WISH_HELP = "How much each expert's features count; empty means all alike."


@dataclass(frozen=True)
class React(Method):
    """ReACT (Wu et al., arXiv 2511.10943), after what its abstract and the authors' README say.

    A polish of any merge: `on` names the method and `at` its coefficients. z = the merge's final representation of
    expert t's samples, z* = the expert's own. Per expert Ŵ_t = (E z* zᵀ + β R_t)(E z zᵀ + β I)⁻¹, the ridge regression
    that is pulled to R_t, the best rotation (orthogonal Procrustes: U Vᵀ of E z* zᵀ). For a preference p,
    W = (Σ_t p_t Ŵ_t C_t)(Σ_t p_t C_t)⁻¹ with C_t = E z zᵀ + β I. W is multiplied into the model's last projection, so
    the export is an ordinary checkpoint. As directions: each expert's share of W, so that coefficients 1 are ReACT.
    There is no exact form: the method's own coefficients are the anchor's. Learned again with those in `at`, and with 1
    for every expert, it is exact.

    Deviations: β is in mean eigenvalues and 0.1, since the paper's unit is not public. A model whose last step is no
    projection (a norm, an activation) cannot carry W: use FeatCal.

    Cost: one pass of every expert and of the merge over the calibration samples, and T solutions as wide as the final
    representation: less than RegMean. Memory: the directions, and the final features of all samples.
    Measured for ViT-B/32, 2 experts, 1 thread: 0.8 minutes of one core for 64 samples a task (on the line through 8
    and 64), 2.2 GB with the model.
    """

    name: ClassVar[str] = "react"
    title: ClassVar[str] = "ReACT"
    summary: ClassVar[str] = "Polishes any merge by one linear map at its end, towards the experts' features."
    linearity: ClassVar[Linearity] = "frozen"
    needs_data: ClassVar[tuple[str, ...]] = ("inputs",)
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper(
        "2511.10943",
        "From Parameter to Representation: A Closed-Form Approach for Controllable Model Merging",
        2026,
        "Wu et al.",
    )

    on: Annotated[On, Choice(ON_HELP)] = "task_arithmetic"
    at: Annotated[str, Text(AT_HELP, AT_FORM)] = ""
    beta: Annotated[float, Range(1e-6, 1e6, BETA_HELP)] = 0.1
    preference: Annotated[str, Text(WISH_HELP, PREFERENCE_FORM)] = ""

    def learn(self, rows_: Tensor, vectors: TaskVectors, access: Access) -> dict[str, Any]:
        """Start from the anchor's changes and correct the last projection."""
        anchor = anchored(vectors, self.on, self.at)
        anchor.write(rows_)
        wish = preferences(self.preference, vectors.names)
        name, how = last_projection(access, vectors)
        layout = vectors.layout
        bias = bias_name(name, layout)
        keys = [name] if bias is None else [name, bias]
        write_sum(vectors, rows_, access)
        student = access.weights.clone()
        merged = {key: layout.view(access.weights, layout.index[key]).to("cpu", torch.float64) for key in keys}
        pairs = []
        for expert, who in enumerate(vectors.names):
            access.tell("correcting the features", expert, len(vectors.names))
            access.weights.copy_(student)
            ours = inputs(access, access.own(who), [(name, how)])[name]
            vectors.write_expert(expert, access.weights)
            theirs = inputs(access, access.own(who), [(name, how)])[name]
            own = {key: vectors.base_tensor(key) + vectors.delta(key, expert) for key in keys}
            pairs.append((features(ours, merged, how, name, bias), features(theirs, own, how, name, bias)))
        corrections, moved = corrected(pairs, [wish[who] for who in vectors.names], self.beta)
        for expert, part in enumerate(corrections):
            place = rows(how, layout.view(rows_[expert], layout.index[name]))
            place += (part @ rows(how, merged[name])).to(place)
            if bias is not None:
                layout.view(rows_[expert], layout.index[bias]).add_((part @ merged[bias]).to(place))
        return {"projection": name, "before": moved[0], "after": moved[1], "anchor": dict(anchor.coefficients)}


def last_projection(access: Access, vectors: TaskVectors) -> tuple[str, How]:
    """Return the last tensor that samples meet.

    Raises:
        MergingError: it is no matrix that the features are multiplied with.
    """
    name, how = stages(access, vectors.layout)[-1][-1]
    if how not in ("rows", "columns"):
        raise MergingError(
            f"The last tensor that samples meet is '{name}', which is no projection: it cannot carry ReACT's map.",
            "Polish with featcal.",
        )
    return name, how


def features(xs: list[Tensor], weights: dict[str, Tensor], how: How, name: str, bias: str | None) -> Tensor:
    """Return what the projection makes of its inputs, (n, m) float64."""
    matrix = rows(how, weights[name]).to(torch.float64)
    shift = 0.0 if bias is None else weights[bias].to(torch.float64)
    return torch.cat([x.to("cpu", torch.float64) for x in xs]) @ matrix.T + shift


def corrected(
    pairs: list[tuple[Tensor, Tensor]], wish: list[float], beta: float
) -> tuple[list[Tensor], tuple[float, float]]:
    """Return every expert's share of W − I, (m, m), and Σ_t ‖z − z*‖² / Σ ‖z*‖² before and after W.

    `pairs` holds the features (n, m) of the merge and of the expert on the expert's samples.
    """
    pulls, totals = [], []
    for (ours, theirs), weight in zip(pairs, wish, strict=True):
        n, eye = len(ours), torch.eye(ours.shape[1], dtype=torch.float64)
        second, cross = ours.T @ ours / n, theirs.T @ ours / n
        ridge = beta * level(second)
        left, _, right = torch.linalg.svd(cross)
        total = second + ridge * eye
        pulls.append(weight * (cross + ridge * (left @ right) - total))  # (Ŵ_t − I) C_t
        totals.append(weight * total)
    whole = sum_of(totals)
    shares = [torch.linalg.solve(whole, pull.T).T for pull in pulls]
    change = sum_of(shares)
    size = sum(float(theirs.square().mean()) for _, theirs in pairs)
    before = sum(float((ours - theirs).square().mean()) for ours, theirs in pairs) / size
    after = sum(float((ours + ours @ change.T - theirs).square().mean()) for ours, theirs in pairs) / size
    return shares, (before, after)
