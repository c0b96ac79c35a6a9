"""Where the forward pass runs, and in how large steps."""

import torch
from torch import nn

from evaluation.errors import EvaluationError

CPU_BATCH = 125
CUDA_BATCH = 512


def pick_device(name: str | None) -> torch.device:
    """The device called `name` ("cpu", "cuda", "cuda:1", "mps"); None: CUDA where there is one, else CPU.

    Raises: EvaluationError naming what this machine has.
    """
    if name is None:
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    have = available()
    full = "cuda:0" if name == "cuda" else name
    if full not in have:
        raise EvaluationError(f"This machine has no device '{name}'.", f"It has: {', '.join(have)}.")
    return torch.device(full)


def available() -> list[str]:
    """Names of the devices of this machine, CPU first."""
    names = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    return [*names, "mps"] if torch.backends.mps.is_available() else names


def first_batch_size(device: torch.device) -> int:
    """Samples per forward pass to begin with; fixed per kind of device, so that equal runs give equal bits.

    On a CPU, 50 to 125 pictures keep activations in cache: larger is slower.
    """
    return CPU_BATCH if device.type == "cpu" else CUDA_BATCH


def picture_layout(module: nn.Module) -> torch.memory_format:
    """How pictures should lie in memory: channels last for convolutional networks, where it is measured to be
    faster (ResNet-50 by a quarter on a CPU); a network with one convolution, as a ViT's patches, gains nothing."""
    convolutions = sum(isinstance(each, nn.Conv2d) for each in module.modules())
    return torch.channels_last if convolutions > 1 else torch.contiguous_format
