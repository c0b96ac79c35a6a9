"""Anchored regression without samples: another merge, moved towards the experts along what they changed."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from merging.algebra.matrices import SplitQkv, row_blocks
from merging.learning.anchor import AT_FORM, AT_HELP, ON_HELP, Anchor, On, anchored
from merging.learning.moments import divided, level
from merging.method import Linearity, Method, Paper
from merging.setting import Choice, Range, Text
from merging.task_vector import TaskVectors


@dataclass(frozen=True)
class AnchoredDataless(Method):
    """Anchored regression without samples, in the manner of data-free Bayesian Model Merging (arXiv 2605.12843).

    Per matrix, direction_t = (τ_t G_t + α A_t)(Σ_j G_j + α I)⁻¹ with G_t = τ_tᵀ τ_t / ‖τ_t‖² in the place of the
    inputs' Gram matrix, A_t the anchor's changes (`on`, `at`) and α = `pull` mean eigenvalues of Σ G: at c = 1 the
    minimum of Σ ‖(M − τ_t) τ_tᵀ‖² / ‖τ_t‖² + α ‖M − Σ A_t‖². α → ∞ is the anchor, α → 0 the closed form of WUDI.
    Exactly linear: the anchor is what it is at its own coefficients. Other tensors are the anchor's; an expert that
    does not differ from the base in a matrix takes no part in Σ G.

    The paper infers its Gram matrices from task vectors too, but how it weighs them could not be established (this is
    WUDI's way), and it searches α for each kind of layer on validation samples (`anchored` with `tune` does); so its
    numbers are not to be expected of this.
    """

    name: ClassVar[str] = "anchored_dataless"
    title: ClassVar[str] = "Anchored regression, dataless"
    summary: ClassVar[str] = "Starts from another merge and moves each layer towards what the experts changed most."
    linearity: ClassVar[Linearity] = "linear"
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper("2605.12843", "Bayesian Model Merging", 2026, "in the manner of")

    on: Annotated[On, Choice(ON_HELP)] = "tsv_m"
    at: Annotated[str, Text(AT_HELP, AT_FORM)] = ""
    pull: Annotated[float, Range(1e-6, 1e6, "Pull towards the anchor, in mean eigenvalues of the Gram sum.")] = 0.1
    split_qkv: SplitQkv = True

    def survey(self, vectors: TaskVectors) -> Anchor:
        """Look at the whole model as the anchor's method does."""
        return anchored(vectors, self.on, self.at)

    def prepare_tensor(self, name: str, deltas: Tensor, survey: object | None) -> Tensor:
        """Solve every matrix from the anchor."""
        if not isinstance(survey, Anchor):
            raise TypeError("anchored regression needs its anchor")
        found = survey.changes(name)
        for block in row_blocks(name, tuple(deltas.shape[1:]), self.split_qkv):
            part = deltas[:, block].to(torch.float64)
            if bool(part.any()):
                found[:, block] = self._solved(part, found[:, block].to(torch.float64)).to(deltas.dtype)
        return found

    def _solved(self, deltas: Tensor, anchor: Tensor) -> Tensor:
        """Return directions (T, m, n) of task vectors and the anchor's changes, float64."""
        sizes = deltas.square().sum((1, 2))
        pulls = torch.zeros_like(deltas)
        total = deltas.new_zeros((deltas.shape[2], deltas.shape[2]))
        for number, (delta, size) in enumerate(zip(deltas, sizes.tolist(), strict=True)):
            if size > 0.0:
                gram = delta.T @ delta / size
                total += gram
                pulls[number] = delta @ gram
        alpha = self.pull * level(total)
        return divided(pulls + alpha * anchor, total, alpha)
