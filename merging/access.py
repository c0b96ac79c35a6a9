"""What a method that learns from data may ask for, as plain callables: models and samples stay outside.

Whoever has the models (a study) hands this in. The samples are the calibration split and nothing else; `score` gives
numbers of the validation split, and only to methods that say so in `needs_data`.
"""

from collections.abc import Callable, Mapping
from typing import Literal, Protocol

from torch import Tensor

How = Literal["rows", "columns", "patches", "scale"]
See = Callable[[str, How, Tensor], bool | None]
Loss = Literal["entropy", "labels", "expert"]

NEEDS: Mapping[str, str] = {
    "inputs": "the calibration samples of each task, without their labels",
    "labels": "the labels of the calibration samples",
    "validation": "the metrics on the validation samples, to stop in time",
    "test inputs": "the test samples, without their labels: what is reported on them is then no longer held out",
}


class Access(Protocol):
    """Models and samples behind one flat vector of weights.

    `weights` (P,) float32 are the model's own, in the order of the layout: what is written there is what the model is.
    `fingerprint` names everything that the answers depend on.
    """

    weights: Tensor

    @property
    def gradient(self) -> Tensor:
        """Where `slope` and `squares` add to, (P,)."""
        ...

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over samples, model, heads and seed."""
        ...

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks there are samples of."""
        ...

    def own(self, expert: str) -> tuple[str, ...]:
        """The tasks that an expert is for: the one of its name, or all of them where none has its name."""
        ...

    def batches(self, task: str) -> int:
        """How many batches the samples of a task make."""
        ...

    def watch(self, task: str, see: See) -> None:
        """Pass the samples of a task through the model; `see(tensor, how, x)` hears of each use of a tensor.

        rows: y = x Wᵀ, x (n, d), W (m, d); patches: a convolution as a layer of its patches, x (n, c·h·w); columns:
        y = x W, W (d, m); scale:
        y = x ⊙ w + b with x (n, d) normalised. A batch is left when `see` returns True.
        """
        ...

    def remember(self, expert: str) -> None:
        """Keep what the model at this moment says about the expert's own samples: the aim of the loss "expert"."""
        ...

    def slope(self, task: str, loss: Loss, batch: int, scale: float) -> float:
        """Return a loss, the mean over one batch, and add `scale` times its gradient to `gradient`.

        entropy: of the predicted classes. labels: cross-entropy with the true ones. expert: the cross-entropy with
        what was remembered, plus the mean squared distance of the outputs of every block, relative to their size.
        """
        ...

    def squares(self, task: str) -> None:
        """Add E_x E_{y~p(y|x)} (∂ log p(y|x))², the mean over the samples one by one, to `gradient`."""
        ...

    def score(self) -> dict[str, float]:
        """Return each task's metric on the validation samples, the more the better."""
        ...

    def maximise(
        self,
        function: Callable[[list[float]], float],
        low: list[float],
        high: list[float],
        start: list[float],
        looks: int,
    ) -> list[tuple[list[float], float]]:
        """Look `looks` times where a function of a few settings may be highest; every look and its value."""
        ...

    def tell(self, phase: str, done: int, of: int) -> None:
        """Say how far it is. Raises what the caller wants to stop with."""
        ...
