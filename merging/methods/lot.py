"""LOT Merging: task vectors combined so that each layer's features drift least."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from torch import Tensor

from merging.access import Access
from merging.learning.moments import Regression, mean_elsewhere
from merging.method import Linearity, Method, Paper
from merging.setting import Range
from merging.task_vector import TaskVectors


@dataclass(frozen=True)
class Lot(Method):
    """LOT Merging (Sun et al., arXiv 2505.23859).

    Per linear layer (eq. 9; a convolution is one, of its patches) T* = (Σ_t τ_t G_t)(Σ_t G_t)†: the least feature drift
    Σ_t ‖(T − τ_t) X_tᵀ‖². A LayerNorm's scale (eq. 12): T* = Σ_t τ_t E x² / Σ_t E x² per channel, x the normalised
    input. Biases and all else: the mean of τ_t. Merged = base + λ T*. Directions no sample uses stay at the base.

    G_t is a mean over rows, so that a task with longer inputs does not weigh more; eigenvalues below 1e-6 of the
    largest count as zero. The paper takes 16 to 64 samples a task, λ = 1.2 for ViT-B/32 and 1.5 for ViT-L/14.

    Cost: as RegMean, and one eigendecomposition a layer, which grows with the cube of its width.
    Measured for ViT-B/32, 2 experts, 1 thread: 3.9 minutes of one core for 64 samples a task (on the line through 4
    and 64), 4.8 GB with the model.
    """

    name: ClassVar[str] = "lot"
    title: ClassVar[str] = "LOT"
    summary: ClassVar[str] = "Combines the changes so that each layer's features drift least from the experts'."
    linearity: ClassVar[Linearity] = "linear"
    needs_data: ClassVar[tuple[str, ...]] = ("inputs",)
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper(
        "2505.23859",
        "Towards Minimizing Feature Drift in Model Merging: Layer-wise Task Vector Fusion for Adaptive Knowledge "
        "Integration",
        2025,
        "Sun et al.",
    )

    scale: Annotated[float, Range(0.1, 3.0, "λ, which multiplies the merged task vector.")] = 1.2

    def learn(self, rows: Tensor, vectors: TaskVectors, access: Access) -> dict[str, Any]:
        """Solve layers and norms; the mean elsewhere; times λ."""
        regression = Regression(vectors, access)
        regression.pull(rows)
        regression.solve(rows, 0.0, None)
        mean_elsewhere(rows, vectors, regression.total)
        rows.mul_(self.scale)
        return {"layers": len(regression.total)}
