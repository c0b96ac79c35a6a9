"""RegMean: the merge whose layers answer as each expert's do, in the sense of least squares."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from torch import Tensor

from merging.access import Access
from merging.learning.moments import Regression, mean_elsewhere, mean_of
from merging.method import Linearity, Method, Paper
from merging.setting import Range
from merging.task_vector import TaskVectors

KEEP_HELP = "Share of the off-diagonal entries of each Gram matrix that is kept; the sensitive setting."
Keep = Annotated[float, Range(0.0, 1.0, KEEP_HELP)]
Ridge = Annotated[float, Range(1e-9, 10.0, "Pull towards the mean, in mean eigenvalues of the Gram sum.")]


@dataclass(frozen=True)
class RegMean(Method):
    """RegMean (Jin et al., arXiv 2212.09849), its closed form with the Gram matrices shrunk towards their diagonal.

    Per linear layer W = (Σ_t W_t G̃_t)(Σ_t G̃_t)⁻¹, G̃_t = a G_t + (1 − a) diag G_t, G_t the mean of x xᵀ over what
    enters the layer when expert t reads its own calibration samples; as directions, τ_t G̃_t (Σ G̃)⁻¹. Everything else
    is the mean, as in the authors' code. A projection that is a bare parameter and packed attention weights are linear
    layers here; in code that looks for `nn.Linear` they are silently averaged.

    Deviation: a ridge of 1e-6 mean eigenvalues towards the mean, so that directions which no sample uses are
    averaged and not lost; with one expert the merge is that expert. a: 0.95 as in FusionBench for CLIP, 0.9 in
    the paper.

    Cost: one pass of each expert over its samples. Memory: two sets of Gram matrices in float64, whatever T is: 2.2 GB
    for ViT-B/32.
    Measured for ViT-B/32, 2 experts, 1 thread: 1.6 minutes of one core for 64 samples a task (on the line through 4
    and 64), 4.9 GB with the model.
    """

    name: ClassVar[str] = "regmean"
    title: ClassVar[str] = "RegMean"
    summary: ClassVar[str] = "Solves each layer so that it answers as the experts do on their own samples."
    linearity: ClassVar[Linearity] = "linear"
    needs_data: ClassVar[tuple[str, ...]] = ("inputs",)
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    paper: ClassVar[Paper] = Paper(
        "2212.09849", "Dataless Knowledge Fusion by Merging Weights of Language Models", 2023, "Jin et al."
    )

    keep: Keep = 0.95
    ridge: Ridge = 1e-6

    def learn(self, rows: Tensor, vectors: TaskVectors, access: Access) -> dict[str, Any]:
        """Solve every layer of 2-D weights; the mean elsewhere."""
        regression = Regression(vectors, access, self.keep)
        regression.pull(rows)
        regression.linear_only()
        regression.solve(rows, self.ridge, mean_of(vectors))
        mean_elsewhere(rows, vectors, regression.total)
        return {"layers": len(regression.total)}
