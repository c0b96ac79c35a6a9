"""SVC: calibrate a merge where the experts' shared directions have piled up."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from merging.algebra.linalg import RELATIVE, thin_svd
from merging.algebra.matrices import SplitQkv, row_blocks
from merging.method import Array, Linearity, Method, Paper, method
from merging.methods.task_arithmetic import PUBLISHED
from merging.setting import Choice, Range
from merging.task_vector import TaskVectors

SMALLEST = 1e-30
On = Literal[
    "task_arithmetic",
    "aswudi",
    "breadcrumbs",
    "consensus",
    "dare_linear",
    "pcb",
    "star",
    "swudi",
    "ties",
    "tsv_m",
]


@dataclass(frozen=True)
class Svc(Method):
    """Singular value calibration of another method's merge (Li et al., arXiv 2602.05536).

    Per matrix of the merged change Δ = U Σ Vᵀ: s_rt = ⟨u_rᵀ Δ, u_rᵀ τ_t⟩ / ‖u_rᵀ τ_t‖² says how far direction r
    answers more than expert t alone would; σ_r becomes σ_r · T / Σ_t max(α, s_rt) with α = floor / T (published:
    floor 1; for TSV-M floor T). Other tensors are left as the method below merged them. That method has its own
    default settings; of a frozen one the exact form is calibrated, where it has one. Computed again for every c.
    Experts that do not differ from the base in a matrix are not counted; directions with σ = 0 are left out. An
    expert that does nothing in a direction counts α there; rounding errors would decide in the authors' code.
    """

    name: ClassVar[str] = "svc"
    title: ClassVar[str] = "SVC"
    summary: ClassVar[str] = "Merges with another method and weakens directions that several experts piled up."
    linearity: ClassVar[Linearity] = "nonlinear"
    paper: ClassVar[Paper] = Paper(
        "2602.05536",
        "When Shared Knowledge Hurts: Spectral Over-Accumulation in Model Merging",
        2026,
        "Li et al.",
    )

    on: Annotated[On, Choice("The method whose merge is calibrated.")] = "task_arithmetic"
    floor: Annotated[float, Range(0.01, 20.0, "The least that each expert counts, as a share of 1/T.")] = 1.0
    split_qkv: SplitQkv = True

    def default(self, experts: int) -> float:
        """Return 0.3 as for task arithmetic with 8 tasks, or 1/T where that is more."""
        return max(PUBLISHED, 1.0 / experts)

    def survey(self, vectors: TaskVectors) -> object | None:
        """Let the method below look at the whole model."""
        return method(self.on).survey(vectors)

    def combine_tensor(
        self, name: str, base: Tensor, deltas: Tensor, coefficients: Array, survey: object | None
    ) -> Tensor:
        """Merge by the method below, and calibrate every matrix."""
        change = self._below(name, deltas, coefficients, survey)
        for block in row_blocks(name, tuple(base.shape), self.split_qkv):
            if bool(change[block].any()):
                change[block] = self._calibrated(change[block], deltas[:, block])
        return base + change

    def _below(self, name: str, deltas: Tensor, coefficients: Array, survey: object | None) -> Tensor:
        """Return the merged change of the method below, a tensor of its own."""
        below = method(self.on)
        if below.exact_form:
            return below.combine_tensor(name, torch.zeros_like(deltas[0]), deltas, coefficients, survey)
        found = torch.zeros_like(deltas[0])
        for direction, coefficient in zip(
            below.prepare_tensor(name, deltas.clone(), survey), coefficients.tolist(), strict=True
        ):
            found += direction * coefficient
        return found

    def _calibrated(self, change: Tensor, deltas: Tensor) -> Tensor:
        active = torch.stack([delta for delta in deltas if bool(delta.any())]).to(torch.float64)
        u, s, vt = thin_svd(change.to(torch.float64))
        kept = s > RELATIVE * s[0]
        u, s, vt = u[:, kept], s[kept], vt[kept]
        merged, own = s[:, None] * vt, u.T @ active  # (r, n) and (T, r, n)
        answers = own.square().sum(-1)  # of each expert in each direction, (T, r)
        silent = answers <= RELATIVE**2 * answers.sum(1, keepdim=True)
        overlap = torch.where(silent, 0.0, (own * merged).sum(-1) / answers.clamp_min(SMALLEST))
        counted = overlap.clamp_min(self.floor / len(active)).sum(0)
        found: Tensor = (u * (s * len(active) / counted)) @ vt
        return found.to(change.dtype)
