"""Making a network's tensors views of one flat buffer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from evaluation.errors import EvaluationError, nearest
from evaluation.models.model import Entry


@dataclass(frozen=True, eq=False)
class _Slot:
    """A place in a network where a tensor hangs."""

    owner: nn.Module
    attribute: str
    tensor: Tensor

    def hang(self, tensor: Tensor) -> None:
        parameter = isinstance(self.tensor, nn.Parameter)
        setattr(self.owner, self.attribute, nn.Parameter(tensor, requires_grad=False) if parameter else tensor)


def bind(name: str, module: nn.Module, entries: Sequence[Entry], buffer: Tensor, others: Mapping[str, Tensor]) -> None:
    """Replace every tensor of `module` by a view of `buffer`, or by a copy of its namesake in `others`.

    Tied tensors need one name only. Tensors that a network makes for itself (non-persistent buffers, such as
    attention masks) are left alone, and ignored where an older checkpoint has them.
    Raises: EvaluationError as `Model.bind` says.
    """
    slots = dict(_slots(module))
    saved = set(module.state_dict(keep_vars=True))
    _check_buffer(name, buffer, next(iter(slots.values())).tensor.device)
    given: dict[str, Tensor] = {}
    for key, shape, offset in entries:
        size = torch.Size(shape).numel()
        if offset < 0 or offset + size > buffer.numel():
            raise EvaluationError(f"Tensor '{key}' ends at {offset + size} in a buffer of {buffer.numel()} numbers.")
        given[key] = buffer[offset : offset + size].view(shape)
    for key, tensor in others.items():
        given[key] = _loaded(tensor, slots, key)
    _check_names(name, given, slots, saved)
    homes = {id(slots[key].tensor): tensor for key, tensor in given.items() if key in saved}
    for key in sorted(saved):
        slot = slots[key]
        tensor = given[key] if key in given else homes[id(slot.tensor)]
        if tensor.shape != slot.tensor.shape:
            raise EvaluationError(
                f"Tensor '{key}' has shape {tuple(tensor.shape)}, model '{name}' has {tuple(slot.tensor.shape)}.",
                "Choose the model that the weights were made with.",
            )
        slot.hang(tensor)
    module.eval()


def _slots(module: nn.Module) -> Iterator[tuple[str, _Slot]]:
    for prefix, owner in module.named_modules(remove_duplicate=False):
        start = f"{prefix}." if prefix else ""
        for attribute, tensor in owner.named_parameters(recurse=False, remove_duplicate=False):
            yield start + attribute, _Slot(owner, attribute, tensor)
        for attribute, tensor in owner.named_buffers(recurse=False, remove_duplicate=False):
            yield start + attribute, _Slot(owner, attribute, tensor)


def _loaded(tensor: Tensor, slots: Mapping[str, _Slot], key: str) -> Tensor:
    if key not in slots:
        return tensor
    like = slots[key].tensor
    return tensor.to(like.device, like.dtype, copy=True)


def _check_buffer(name: str, buffer: Tensor, device: torch.device) -> None:
    if buffer.dtype != torch.float32 or buffer.ndim != 1 or not buffer.is_contiguous():
        raise EvaluationError(
            f"Model '{name}' got a buffer of shape {tuple(buffer.shape)} and type {buffer.dtype}.",
            "Give one flat, contiguous float32 tensor.",
        )
    if buffer.device != device:
        raise EvaluationError(
            f"Model '{name}' is on '{device}' and its buffer on '{buffer.device}'.", "Put both on one device."
        )


def _check_names(name: str, given: Mapping[str, Tensor], slots: Mapping[str, _Slot], saved: set[str]) -> None:
    extra = sorted(set(given) - set(slots))
    if extra:
        raise EvaluationError(
            f"Model '{name}' has no tensor {_listed(extra)}.",
            f"Choose the model that the weights were made with. {nearest(extra[0], saved)}",
        )
    covered = {id(slots[key].tensor) for key in given}
    missing = sorted(key for key in saved - set(given) if id(slots[key].tensor) not in covered)
    if missing:
        raise EvaluationError(
            f"The weights lack {_listed(missing)} of model '{name}'.",
            "Choose the model that the weights were made with.",
        )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{each}'" for each in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
