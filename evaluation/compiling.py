"""Forward passes through torch.compile: faster on some GPUs and models, with other last bits than without."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from evaluation.errors import EvaluationError
from evaluation.models.head import Head
from evaluation.models.model import Model


class Compiled:
    """A model whose `forward` is compiled; everything else is the model's own."""

    def __init__(self, model: Model) -> None:
        """Nothing is compiled before the first forward pass."""
        self._model = model
        self._compiled = torch.compile(model.forward)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def forward(self, inputs: Tensor, head: Head) -> Tensor:
        """Logits (n, C); see `Model.forward`."""
        return self._compiled(inputs, head)


def compiled(model: Model, inputs: Tensor, head: Head) -> Model:
    """The model with its forward pass compiled, which is done here, on inputs like those to come.

    Raises: EvaluationError when this machine has no compiler, or the network cannot be compiled.
    """
    found = Compiled(model)
    try:
        with torch.inference_mode():
            found.forward(inputs, head)
    except Exception as error:
        if not _is_of_the_compiler(error):
            raise
        told = str(error).strip().splitlines()[0].rstrip(".: ")
        raise EvaluationError(
            f"Model '{model.name}' cannot be compiled on '{model.device}': {told[:200]}.",
            "Install a C++ compiler (Debian: apt-get install g++; on a GPU triton too), or take 'compile: true' out of "
            "study.yaml.",
        ) from None
    return cast(Model, found)


def _is_of_the_compiler(error: BaseException | None) -> bool:
    """Whether the error, or one behind it, comes from torch's compiler and not from the network."""
    while error is not None:
        if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            return True
        error = error.__cause__ or error.__context__
    return False
