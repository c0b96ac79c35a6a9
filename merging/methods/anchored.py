"""Anchored regression: RegMean held to another merge, each kind of layer as strongly as it needs."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from torch import Tensor

from merging.access import Access
from merging.architecture.names import KINDS, kind_of
from merging.learning.anchor import AT_FORM, AT_HELP, ON_HELP, On, anchored, write_sum
from merging.learning.moments import Regression
from merging.method import Linearity, Method, Paper
from merging.setting import Choice, Range, Text
from merging.task_vector import Layout, TaskVectors

DECADES = (-3.0, 2.0)  # where pulls are looked for, as powers of ten


def pull_help(what: str) -> str:
    return f"Pull towards the anchor in {what}, in mean eigenvalues of the Gram sum."


@dataclass(frozen=True)
class Anchored(Method):
    """Anchored regression, in the manner of Bayesian Model Merging (arXiv 2605.12843).

    Per linear layer W = (Σ_t W_t G_t + α A)(Σ_t G_t + α I)⁻¹: Bayesian linear regression on the experts' answers whose
    prior mean A is another merge (`on`, `at`), G_t the mean of x xᵀ of expert t's samples. α is a setting per kind of
    layer, in mean eigenvalues of Σ G; all else is the anchor's. As directions (τ_t G_t + α A_t)(S + α I)⁻¹. α → 0 is
    LOT without its norms, α → ∞ the anchor. `tune` searches the α of all kinds together by Bayesian optimisation of
    the mean metric on validation samples, from 0.001 to 100, as the paper's outer level does.

    There is no exact form: the method's own coefficients are the anchor's. Learned again with those in `at`, and with 1
    for every expert, it is exact.

    After its abstract: how the paper weighs the Gram matrices, which modules share an α and where it looks could not be
    established from what is public, so its numbers are not to be expected of this.

    Cost: as RegMean; with `tune` as many solutions more as there are `looks`, each with a look at the validation
    samples. Memory: as RegMean, and the directions once more, with `tune` twice more.
    Measured for ViT-B/32, 2 experts, 1 thread: 1.6 minutes of one core for 64 samples a task (on the line through 4
    and 64), 5.9 GB with the model.
    """

    name: ClassVar[str] = "anchored"
    title: ClassVar[str] = "Anchored regression"
    summary: ClassVar[str] = "Starts from another merge and moves each layer towards the experts' answers."
    linearity: ClassVar[Linearity] = "frozen"
    needs_data: ClassVar[tuple[str, ...]] = ("inputs",)
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper("2605.12843", "Bayesian Model Merging", 2026, "in the manner of Li et al.")
    revision: ClassVar[int] = 2

    on: Annotated[On, Choice(ON_HELP)] = "tsv_m"
    at: Annotated[str, Text(AT_HELP, AT_FORM)] = ""
    attention_in: Annotated[float, Range(1e-9, 1e6, pull_help("queries, keys and values"))] = 0.1
    attention_out: Annotated[float, Range(1e-9, 1e6, pull_help("attention's output projections"))] = 0.1
    mlp_in: Annotated[float, Range(1e-9, 1e6, pull_help("the first layer of each MLP"))] = 0.1
    mlp_out: Annotated[float, Range(1e-9, 1e6, pull_help("the second layer of each MLP"))] = 0.1
    others: Annotated[float, Range(1e-9, 1e6, pull_help("all other layers"))] = 0.1
    tune: Annotated[bool, Choice("Choose the pulls by the metric on the validation samples.")] = False
    looks: Annotated[int, Range(2, 1000, "How many pulls `tune` tries.")] = 24

    @property
    def needs(self) -> tuple[str, ...]:
        """Samples without labels; the validation metric where the pulls are tuned."""
        return ("inputs", "validation") if self.tune else ("inputs",)

    def learn(self, rows: Tensor, vectors: TaskVectors, access: Access) -> dict[str, Any]:
        """Solve every linear layer from the anchor."""
        anchor = anchored(vectors, self.on, self.at)
        regression = Regression(vectors, access)
        pulls = rows.clone()
        regression.pull(pulls)
        regression.linear_only()
        anchor.write(rows)
        alphas = {kind: float(getattr(self, kind)) for kind in (*KINDS, "others")}
        facts: dict[str, Any] = {"anchor": dict(anchor.coefficients)}
        if self.tune:
            alphas, facts["tried"] = self._tuned(rows, pulls, regression, vectors, alphas, access)
        else:
            solve(rows, pulls, rows, regression, vectors.layout, alphas, solving(access))
        return {**facts, "pulls": alphas}

    def _tuned(
        self,
        rows: Tensor,
        pulls: Tensor,
        regression: Regression,
        vectors: TaskVectors,
        alphas: dict[str, float],
        access: Access,
    ) -> tuple[dict[str, float], list[dict[str, Any]]]:
        """Search the pulls of the kinds that the model has; the best, and every try with its mean metric.

        `rows` hold the anchor's changes at first, and what the best pulls give in the end.
        """
        held = rows.clone()
        tried: list[dict[str, Any]] = []
        used = {kind_of(name) for name in regression.total}
        kinds = [kind for kind in alphas if kind in used]

        def look(powers: list[float]) -> float:
            given = {**alphas, **{kind: 10.0**power for kind, power in zip(kinds, powers, strict=True)}}

            def tell(*_: int) -> None:
                access.tell("tuning the pulls", len(tried), self.looks)

            solve(rows, pulls, held, regression, vectors.layout, given, tell)
            write_sum(vectors, rows, access)
            scores = access.score()
            tried.append({"pulls": given, "mean": sum(scores.values()) / len(scores)})
            return float(tried[-1]["mean"])

        start = [min(max(math.log10(alphas[kind]), DECADES[0]), DECADES[1]) for kind in kinds]
        access.maximise(look, [DECADES[0]] * len(kinds), [DECADES[1]] * len(kinds), start, self.looks)
        best = max(tried, key=lambda one: one["mean"])["pulls"]
        solve(rows, pulls, held, regression, vectors.layout, best, solving(access))
        return best, tried


def solving(access: Access) -> Callable[[int, int], None]:
    """Tell of the solution that nothing comes after."""
    return lambda done, of: access.tell("solving", done, of)


def solve(
    rows: Tensor,
    pulls: Tensor,
    held: Tensor,
    regression: Regression,
    layout: Layout,
    alphas: Mapping[str, float],
    tell: Callable[[int, int], None],
) -> None:
    """Write the directions of every linear layer from what was pulled and the anchor's changes, which `rows` may be.

    `tell(done, of)` counts layers.
    """
    for number, name in enumerate(regression.total):
        tell(number, len(regression.total))
        entry = layout.index[name]
        changes = layout.view(held, entry).clone()
        layout.view(rows, entry).copy_(layout.view(pulls, entry))
        regression.solve_one(rows, name, alphas[kind_of(name)], changes)
