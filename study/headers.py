"""What safetensors files say of themselves, read in milliseconds: names, shapes, metadata. No torch."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from study.server import outside

LONGEST = 100_000_000  # bytes; the format allows no longer header
METADATA = "__metadata__"
Shapes = Mapping[str, tuple[int, ...]]
UNREADABLE = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, struct.error)


def shapes(path: Path) -> Shapes | None:
    """{tensor: shape} of a safetensors file or a folder of them; None where a glance says or may say nothing."""
    if outside(path):
        return None
    files = _files(path)
    if not files:
        return None
    found: dict[str, tuple[int, ...]] = {}
    for file in files:
        try:
            found |= {
                name: tuple(int(length) for length in one["shape"])
                for name, one in _header(file).items()
                if name != METADATA
            }
        except UNREADABLE:
            return None
    return found


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix == ".safetensors" else []
    if not path.is_dir() or (path / "adapter_config.json").exists():
        return []
    return sorted(path.glob("*.safetensors"))


def metadata(path: Path) -> Mapping[str, Any]:
    """The metadata of one safetensors file; empty where it has none or is not read."""
    try:
        return dict(_header(path).get(METADATA, {}))
    except UNREADABLE:
        return {}


def _header(path: Path) -> Mapping[str, Any]:
    """Raises one of UNREADABLE; what is wrong with the file is said by what opens it."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        if size > LONGEST:
            raise ValueError(size)
        return dict(json.loads(file.read(size)))
