"""What every model offers to evaluation, and the frozen heads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evaluation.data.source import Sample
from evaluation.errors import EvaluationError

Entry = tuple[str, tuple[int, ...], int]


@dataclass(frozen=True, eq=False)
class Head:
    """A task's own frozen classifier over shared features: logits = features @ weight.T + bias.

    weight (C, D) and bias (C,) are float32 on the model's device.
    """

    weight: Tensor
    bias: Tensor | None = None

    def __call__(self, features: Tensor) -> Tensor:
        """Logits (n, C) from features (n, D)."""
        return nn.functional.linear(features, self.weight, self.bias)


class Model(Protocol):
    """A network whose weights live in one flat buffer that somebody else writes."""

    name: str
    device: torch.device
    module: nn.Module

    @property
    def width(self) -> int:
        """D, the length of a feature vector."""
        ...

    @property
    def preprocessing(self) -> str:
        """Everything that shapes the inputs, in one line: inputs cached under another line are stale."""
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

    def preprocess(self, samples: Sequence[Sample]) -> NDArray[Any]:
        """Inputs (n, ...) of the samples; the same samples always give the same bits."""
        ...

    def head(self, classes: Sequence[str], templates: Sequence[str]) -> Head:
        """The frozen head for these classes, from the weights bound at this moment."""
        ...

    def forward(self, inputs: Tensor, head: Head) -> Tensor:
        """Logits (n, C) float32 from inputs (n, ...) on `device`."""
        ...


def read_head(path: Path, device: torch.device) -> Head:
    """A head from a safetensors file with `weight` (C, D), and maybe `bias` (C,), as float32.

    Raises: EvaluationError naming the file when it holds something else.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise EvaluationError(f"Head '{path}' cannot be read: {error}.") from None
    weight, bias = tensors.get("weight"), tensors.get("bias")
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    fits = weight is not None and weight.ndim == 2 and (bias is None or bias.shape == weight.shape[:1])
    if weight is None or not fits or not set(tensors) <= {"weight", "bias"}:
        raise EvaluationError(f"Head '{path}' holds {shapes}.", "It needs weight (C, D), and may have bias (C,).")
    return Head(weight.to(device, torch.float32), None if bias is None else bias.to(device, torch.float32))
