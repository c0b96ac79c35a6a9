"""Atomic, deterministic writing of safetensors files."""

import errno
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from merging.errors import MergingError
from merging.files.direct import Output
from merging.files.tensors import DTYPES

CODES = {dtype: code for code, dtype in DTYPES.items()}


@dataclass(frozen=True)
class Slot:
    """What one tensor of a file will be, known before its values are."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def numel(self) -> int:
        """How many numbers the tensor has."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size of the tensor in the file, in bytes."""
        return self.numel * self.dtype.itemsize

    def takes(self, name: str, tensor: Tensor) -> bool:
        """Tell whether a tensor is this one, or some rows of it."""
        return (name, tensor.dtype, tensor.dim(), tensor.shape[1:]) == (
            *(self.name, self.dtype, len(self.shape)),
            self.shape[1:],
        )


def arranged(slots: Sequence[Slot]) -> list[Slot]:
    """Order slots as they stand in a file: widest dtype first (keeps each tensor aligned), then by name."""
    return sorted(slots, key=lambda slot: (-slot.dtype.itemsize, slot.name))


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """Give a binary file that becomes `path` (mode 0644) only when the block ends well."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "w+b") as stream:
            yield stream
            stream.flush()
            os.fchmod(stream.fileno(), 0o644)
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def raw(tensor: Tensor) -> memoryview:
    """View the bytes of a tensor, little-endian, without a copy where it is contiguous."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data if flat.numel() else memoryview(b"")


def write(
    path: Path,
    tensors: Mapping[str, Tensor] | Iterator[tuple[str, Tensor]],
    metadata: Mapping[str, str],
    plan: Sequence[Slot] | None = None,
) -> str:
    """Write a .safetensors file atomically and return the SHA-256 (hex) of the file.

    The same tensors and metadata give the same bytes: tensors stand in the order of `arranged`, metadata
    sorted. With a `plan`, `tensors` is an iterator in that order, of whole tensors or of blocks of their rows one
    after another, and one of these is held at a time; an iterator without a plan is collected first.

    Raises:
        MergingError: tensors that differ from their slots, or a dtype that safetensors has not.
    """
    if plan is None:
        held = dict(tensors)
        plan = arranged([Slot(name, tensor.dtype, tuple(tensor.shape)) for name, tensor in held.items()])
        stream: Iterator[tuple[str, Tensor]] = ((slot.name, held[slot.name]) for slot in plan)
    else:
        stream = iter(tensors.items() if isinstance(tensors, Mapping) else tensors)
    with atomic(path) as file:
        header = _header(plan, metadata)
        _make_room(file, len(header) + sum(slot.nbytes for slot in plan))
        with Output(file) as output:
            output.add(memoryview(header))
            for slot in plan:
                for tensor in rows_of(slot, stream):
                    output.add(raw(tensor))
            for name, _ in stream:
                raise MergingError(f"Tensor '{name}' has no slot in '{path}'.")
            return output.finish()


def _make_room(file: BinaryIO, size: int) -> None:
    """Ask for the whole file at once: a full disk shows before the work is done, and writing is several times faster.

    Where the file system cannot do that, the file grows as it is written.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise


def rows_of(slot: Slot, stream: Iterator[tuple[str, Tensor]]) -> Iterator[Tensor]:
    """Take the rows of one slot from a stream.

    Raises:
        MergingError: the stream ends too early, or gives something else.
    """
    left = slot.numel
    while True:
        name, tensor = next(stream, ("nothing", torch.empty(0)))
        left -= tensor.numel()
        if not slot.takes(name, tensor) or left < 0:
            raise MergingError(f"Tensor '{name}' does not fit the slot planned for '{slot.name}'.")
        yield tensor
        if left == 0:
            return


def write_bytes(path: Path, data: bytes) -> str:
    """Write a small file atomically and return its SHA-256 (hex)."""
    with atomic(path) as file:
        file.write(data)
    return hashlib.sha256(data).hexdigest()


def write_text(path: Path, text: str) -> str:
    """Write a text file atomically, UTF-8, and return its SHA-256 (hex)."""
    return write_bytes(path, text.encode())


def _header(plan: Sequence[Slot], metadata: Mapping[str, str]) -> bytes:
    """Build the safetensors header: 8-byte length, then JSON padded with spaces to a multiple of 8."""
    entries: dict[str, object] = {}
    if metadata:
        entries["__metadata__"] = dict(sorted(metadata.items()))
    offset = 0
    for slot in plan:
        if slot.dtype not in CODES:
            raise MergingError(f"Tensor '{slot.name}' has dtype {slot.dtype}, which safetensors cannot hold.")
        end = offset + slot.nbytes
        entries[slot.name] = {
            "dtype": CODES[slot.dtype],
            "shape": list(slot.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
