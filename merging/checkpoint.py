"""Checkpoints as references: a name, a path and a fingerprint of the weights."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor

from merging.errors import MergingError
from merging.files.blocks import blocks
from merging.files.fingerprint import NotFinite, Progress, fingerprint
from merging.files.finite import all_finite
from merging.files.remembered import remembered
from merging.files.tensors import Tensors, open_tensors
from merging.files.weight_files import SAFETENSORS, weight_files
from merging.files.writing import CODES, Slot, raw, write
from merging.lora.adapter import adapter_file, is_adapter
from merging.lora.config import read_adapter_config

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


def reference(name: str, path: Path, progress: Progress | None = None) -> Checkpoint:
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
    place = adapter_file(path) if is_adapter(path) else Path(path)
    # the same factors with another alpha are another expert
    first = f"{read_adapter_config(path)!r}\0".encode() if is_adapter(path) else b""
    with open_tensors(place) as tensors:
        if not tensors.keys():
            raise MergingError(f"The checkpoint '{path}' holds no tensors.")
        files = weight_files(place)
        try:
            if all(file.suffix == SAFETENSORS for file in files):
                found = fingerprint(files, first, progress)
            else:
                found = remembered(files, first, lambda: _fingerprint(tensors, first, progress))
        except NotFinite as error:
            _refuse_non_finite(name, error.key, tensors.get(error.key))
    return Checkpoint(name, Path(path), found)


def _fingerprint(tensors: Tensors, first: bytes, progress: Progress | None) -> str:
    """Return what `fingerprint` does, of tensors that are not in safetensors files."""
    digest = hashlib.sha256(first)
    for done, key in enumerate(tensors.keys(), start=1):
        shape = ",".join(str(size) for size in tensors.shape(key))
        digest.update(f"{key}\0{CODES[tensors.dtype(key)]}\0{shape}\0".encode())
        for rows in blocks(tensors.shape(key)):
            part = tensors.get(key, rows)
            if not all_finite(part):
                raise NotFinite(key)
            digest.update(raw(part))
        if progress:
            progress(done, len(tensors.keys()))
    return digest.hexdigest()


def _refuse_non_finite(name: str, key: str, tensor: Tensor) -> NoReturn:
    count = int((~torch.isfinite(tensor.to(torch.float32))).sum())
    raise MergingError(
        f"Checkpoint '{name}': tensor '{key}' holds {count} value(s) that are NaN or infinite.",
        "Such a checkpoint cannot be merged; take an earlier one from its training.",
    )
