"""Checkpoints as references: a name, a path and a fingerprint of the weights."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor

from merging.errors import MergingError
from merging.files.blocks import blocks
from merging.files.finite import all_finite
from merging.files.tensors import Tensors, open_tensors
from merging.files.writing import CODES, Slot, raw, write
from merging.lora.adapter import adapter_file, is_adapter
from merging.lora.config import read_adapter_config
from merging.threads import one_thread

__all__ = ["Checkpoint", "Slot", "Tensors", "open_tensors", "reference", "write"]


@dataclass(frozen=True)
class Checkpoint:
    """A base or an expert: a reference, not loaded weights.

    `fingerprint` is the SHA-256 (hex) over its tensors (name, dtype, shape, bytes; sorted by name), so a
    copy of the same weights in another file or container has the same fingerprint.
    """

    name: str
    path: Path
    fingerprint: str


def reference(name: str, path: Path, progress: Callable[[int, int], None] | None = None) -> Checkpoint:
    """Read a checkpoint, or a LoRA adapter, once, check it and fingerprint it.

    Raises:
        MergingError: no such file, unreadable, no tensors, NaN or infinity (the tensor is named), or a
            pickle that would run code.
    """
    if not name or name != name.strip() or any(mark in name for mark in ",=\n\t/\\"):
        raise MergingError(
            f"'{name}' cannot be the name of a checkpoint.",
            "Use letters, digits, '.', '_', '-' or inner spaces; no commas, '=' or slashes.",
        )
    digest = hashlib.sha256()
    adapter = is_adapter(path)
    if adapter:  # the same factors with another alpha are another expert
        digest.update(f"{read_adapter_config(path)!r}\0".encode())
    # hashing is what takes time: more threads for the look at the values would only wait for it
    with one_thread(), open_tensors(adapter_file(path) if adapter else path) as tensors:
        keys = tensors.keys()
        if not keys:
            raise MergingError(f"The checkpoint '{path}' holds no tensors.")
        for done, key in enumerate(keys):
            shape = ",".join(str(size) for size in tensors.shape(key))
            digest.update(f"{key}\0{CODES[tensors.dtype(key)]}\0{shape}\0".encode())
            for rows in blocks(tensors.shape(key)):
                part = tensors.get(key, rows)
                if part.is_floating_point() and not all_finite(part):
                    _refuse_non_finite(name, key, tensors.get(key))
                digest.update(raw(part))
            if progress:
                progress(done + 1, len(keys))
    return Checkpoint(name, Path(path), digest.hexdigest())


def _refuse_non_finite(name: str, key: str, tensor: Tensor) -> NoReturn:
    count = int((~torch.isfinite(tensor.to(torch.float32))).sum())
    raise MergingError(
        f"Checkpoint '{name}': tensor '{key}' holds {count} value(s) that are NaN or infinite.",
        "Such a checkpoint cannot be merged; take an earlier one from its training.",
    )
