"""What every model offers to evaluation, and the frozen heads."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evaluation.data.source import Sample
from evaluation.models.head import Head

Entry = tuple[str, tuple[int, ...], int]


class Bound(Protocol):
    """A network whose weights live in one flat buffer that somebody else writes."""

    name: str
    device: torch.device
    module: nn.Module

    @property
    def library(self) -> str:
        """Whose network it is: open_clip, transformers, timm, torchvision, or code."""
        ...

    @property
    def headless(self) -> bool:
        """Whether it is a bare encoder: each task then needs a head of its own, from a file or from its expert."""
        ...

    @property
    def weights_file(self) -> str:
        """The name under which the model's own library looks for the weights in a folder."""
        ...

    def bind(self, entries: Sequence[Entry], buffer: Tensor, others: Mapping[str, Tensor]) -> None:
        """Make every floating-point tensor of the network a view of `buffer` (P,), float32 on `device`.

        entries: (name, shape, offset) of each tensor in the buffer; others: the remaining (integer, bool)
        tensors by name. Writing the buffer afterwards changes the network; nothing is copied.
        Raises: EvaluationError naming tensors that are missing, unknown or misshaped.
        """
        ...

    def idle(self, name: str) -> bool:
        """Whether no forward pass reads the tensor called `name`: it need not be merged to measure.

        A text tower whose heads are frozen is idle; what is exported is always whole.
        """
        ...

    def files(self) -> dict[str, bytes]:
        """What must stand beside the weights for the model's own library to load them, by file name."""
        ...


class Model(Bound, Protocol):
    """A network that reads samples: it has tasks."""

    @property
    def width(self) -> int:
        """D, the length of a feature vector."""
        ...

    @property
    def preprocessing(self) -> str:
        """Everything that shapes the inputs, in one line: inputs cached under another line are stale."""
        ...

    def preprocess(self, samples: Sequence[Sample]) -> NDArray[Any]:
        """Inputs (n, ...) of the samples; the same samples always give the same bits."""
        ...

    def head(self, classes: Sequence[str], templates: Sequence[str]) -> Head:
        """The frozen head for these classes, from the weights bound at this moment."""
        ...

    def features(self, inputs: Tensor) -> Tensor:
        """Feature vectors (n, D) from inputs (n, ...) on `device`: what a head takes, in whatever float dtype."""
        ...

    def forward(self, inputs: Tensor, head: Head) -> Tensor:
        """Logits (n, C) float32 from inputs (n, ...) on `device`."""
        ...
