"""What every model offers to evaluation, the frozen heads, and how to open a model by name or path."""

import re
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
HUB_ID = r"(hf-hub:)?[A-Za-z0-9][\w.-]*/[\w-][\w.-]*(?<!\.json)"


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


def open_model(
    model: str | Path,
    tokenizer: Path | None,
    device: torch.device,
    autocast: torch.dtype | None = None,
) -> Model:
    """The network called `model`, with random weights until `bind`.

    model: an open_clip architecture ("ViT-B-32"), an open_clip config (.json), a folder with
    open_clip_config.json, a Hugging Face folder (config.json), or a hub id ("owner/name", whose configs are
    fetched; nothing else is ever downloaded). tokenizer: a BPE file (open_clip) or folder (Hugging Face)
    instead of the model's own. autocast: torch.bfloat16 or
    torch.float16 for the forward pass on CUDA; None keeps float32.
    Raises: EvaluationError when the model or the tokenizer is not there.
    """
    if autocast is not None and (device.type != "cuda" or autocast not in (torch.bfloat16, torch.float16)):
        raise EvaluationError(
            f"Autocast to {autocast} on '{device}' is not offered.",
            "Leave it out, or use bfloat16 or float16 on a CUDA device.",
        )
    path = _fetched(str(model)) if _is_hub_id(model) else Path(model)
    if (path / "config.json").is_file() and not (path / "open_clip_config.json").is_file():
        from evaluation.models.transformers import transformers_model

        return transformers_model(path, tokenizer, device, autocast)
    from evaluation.models.open_clip import open_clip_model

    return open_clip_model(path if path.is_dir() else model, tokenizer, device, autocast)


def _is_hub_id(model: str | Path) -> bool:
    return isinstance(model, str) and re.fullmatch(HUB_ID, model) is not None and not Path(model).exists()


def _fetched(name: str) -> Path:
    """A folder with the configs and tokenizer files of a hub repository, never its weights."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name.removeprefix("hf-hub:"), allow_patterns=["*.json", "*.txt", "*.model"]))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise EvaluationError(
            f"Model '{name}' is no file here and cannot be fetched from the hub: {reason}",
            "Check the name, or give a folder that has its config.json.",
        ) from None


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
