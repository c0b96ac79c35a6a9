"""Forward passes in bfloat16: on GPUs that are faster in it, by a measurement and not by their name."""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch
from torch import Tensor

from evaluation.models.head import Head
from evaluation.models.model import Model

TURNS = 5
FASTER = 1.2  # times: less is not worth other last bits
APART = 0.05  # of the range of the logits: more is another model


class Halved:
    """A model whose features are computed under bfloat16 autocast; its weights, heads and logits stay float32."""

    def __init__(self, model: Model) -> None:
        """Nothing is copied."""
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def forward(self, inputs: Tensor, head: Head) -> Tensor:
        """Logits (n, C) float32; see `Model.forward`."""
        with torch.autocast(self._model.device.type, torch.bfloat16):
            features = self._model.features(inputs)
        return head(features)


def faster_in_half(model: Model, inputs: Tensor, head: Head) -> bool:
    """Whether bfloat16 passes over these inputs (n, ...) are clearly faster here, and say nearly the same.

    Both are timed in turns, after one of each that warms up. False where the device has no bfloat16 of its own.
    """
    if model.device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return False
    ways = (model, Halved(model))
    seconds: tuple[list[float], list[float]] = ([], [])
    with torch.inference_mode():
        exact, rounded = (way.forward(inputs, head) for way in ways)
        apart = float((exact - rounded).abs().max())
        if not apart <= APART * float(exact.max() - exact.min()):
            return False
        for _ in range(TURNS):
            for way, taken in zip(ways, seconds, strict=True):
                begun = time.perf_counter()
                way.forward(inputs, head).sum().item()  # waits for the device
                taken.append(time.perf_counter() - begun)
    return statistics.median(seconds[0]) >= FASTER * statistics.median(seconds[1])
