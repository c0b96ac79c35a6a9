"""Losses of the bound weights, and their gradients as one flat vector."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from evaluation.models.architecture import BLOCK
from evaluation.models.head import Head
from evaluation.models.model import Model

Loss = Literal["entropy", "labels", "expert"]
NEGLIGIBLE = 1e-4  # classes less likely than this are left out of the expectation


class Gradients:
    """A bound model whose backward passes add to `flat` (P,), a vector like the buffer its tensors are views of."""

    def __init__(self, model: Model, buffer: Tensor) -> None:
        self._model = model
        self.flat = torch.zeros_like(buffer)
        start, width = buffer.data_ptr(), buffer.element_size()
        self._tuned: list[nn.Parameter] = []
        for parameter in model.module.parameters():
            offset = (parameter.data_ptr() - start) // width
            if 0 <= offset < buffer.numel() and parameter.dtype == buffer.dtype:
                parameter.grad = self.flat[offset : offset + parameter.numel()].view(parameter.shape)
                self._tuned.append(parameter)
        self._blocks = [module for name, module in model.module.named_modules() if BLOCK.search(name)]

    @contextmanager
    def _on(self) -> Iterator[None]:
        for parameter in self._tuned:
            parameter.requires_grad_(True)
        try:
            with torch.enable_grad():
                yield
        finally:
            for parameter in self._tuned:
                parameter.requires_grad_(False)

    def remembered(self, inputs: Tensor, head: Head) -> list[Tensor]:
        """The logits (n, C) and the outputs of every block, of the weights at this moment."""
        with torch.no_grad():
            return [each.detach().clone() for each in self._seen(inputs, head)]

    def add(self, inputs: Tensor, head: Head, loss: Loss, aim: Sequence[Tensor], scale: float) -> float:
        """Add `scale` times the gradient of a loss to `flat`; the loss, the mean over the batch.

        aim: nothing for "entropy", the targets (n,) for "labels", what was `remembered` for "expert".
        """
        with self._on():
            if loss == "expert":
                seen = self._seen(inputs, head)
                value = _soft(seen[0], aim[0].softmax(-1)) + _apart(seen[1:], aim[1:])
            else:
                logits = self._model.forward(inputs, head)
                value = (
                    nn.functional.cross_entropy(logits, aim[0])
                    if loss == "labels"
                    else _soft(logits, logits.softmax(-1))
                )
            (scale * value).backward()  # type: ignore[no-untyped-call]
        return float(value.detach())

    def add_squares(self, inputs: Tensor, head: Head, scale: float, pause: Callable[[], None] = lambda: None) -> None:
        """Add `scale` times Σ_y p(y|x) (∂ log p(y|x))² of every sample to `flat`.

        Each sample by itself: the square of a batch's summed gradient, as public code has it, is another quantity.
        `pause` is called before each: it raises when nobody waits for the end any more.
        """
        total, flat = self.flat.clone(), self.flat
        # A device is awaited once, here, and not for every sample.
        shares = self._model.forward(inputs, head).softmax(-1).tolist()
        for one, share in zip(torch.split(inputs, 1), shares, strict=True):
            pause()
            with self._on():
                logs = self._model.forward(one, head).log_softmax(-1)[0]
                likely = [c for c, p in enumerate(share) if p > NEGLIGIBLE]
                for c in likely:
                    flat.zero_()
                    logs[c].backward(retain_graph=c != likely[-1])  # type: ignore[no-untyped-call]
                    total.addcmul_(flat, flat, value=scale * share[c])
        flat.copy_(total)

    def _seen(self, inputs: Tensor, head: Head) -> list[Tensor]:
        seen: list[Tensor] = []

        def hook(module: nn.Module, given: Any, out: Any) -> None:
            seen.append(out[0] if isinstance(out, tuple) else out)

        handles = [block.register_forward_hook(hook) for block in self._blocks]
        try:
            logits = self._model.forward(inputs, head)
        finally:
            for handle in handles:
                handle.remove()
        return [logits, *seen]


def _soft(logits: Tensor, wanted: Tensor) -> Tensor:
    """Mean cross-entropy of the predicted with the wanted classes; with itself, the entropy."""
    return -(wanted * logits.log_softmax(-1)).sum(-1).mean()


def _apart(seen: Sequence[Tensor], aim: Sequence[Tensor]) -> Tensor:
    """Mean over blocks of ‖h − aim‖² / ‖aim‖²."""
    parts = [(one - other).square().sum() / other.square().sum() for one, other in zip(seen, aim, strict=True)]
    return torch.stack(parts).mean() if parts else torch.zeros(())
