"""A first look at checkpoints without opening them: names and shapes from safetensors headers, in milliseconds.

No torch. Anything but safetensors (a torch file, an adapter) says nothing at a glance: the doctor opens it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from evaluation.models.architecture import longest_row
from study.server import outside

HEADER = 100_000_000  # bytes; the format allows no longer header
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Misfit:
    """How an expert differs from the base: counts, and the first tensor of the worst kind with both shapes."""

    missing: int
    extra: int
    other_shape: int
    first: str
    found: tuple[int, ...] | None
    expected: tuple[int, ...] | None


def shapes(path: Path) -> Shapes | None:
    """{tensor: shape} of a safetensors file or a folder of them; None where a glance says or may say nothing."""
    if outside(path):
        return None
    files = _files(path)
    if not files:
        return None
    found: dict[str, tuple[int, ...]] = {}
    for file in files:
        header = _header(file)
        if header is None:
            return None
        found |= header
    return found


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix == ".safetensors" else []
    if not path.is_dir() or (path / "adapter_config.json").exists():
        return []
    return sorted(path.glob("*.safetensors"))


def _header(path: Path) -> dict[str, tuple[int, ...]] | None:
    try:
        with open(path, "rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            if size > HEADER:
                return None
            facts = json.loads(file.read(size))
        return {
            name: tuple(int(length) for length in one["shape"]) for name, one in facts.items() if name != "__metadata__"
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, struct.error):
        return None  # what is wrong with it is said by what opens it


def weights(found: Shapes) -> int:
    """How many numbers a checkpoint holds."""
    return sum(prod(shape) for shape in found.values())


def layers(found: Shapes) -> int:
    """How many numbered blocks the longest tower of a checkpoint has: into so many groups its layers can be cut."""
    return longest_row(found)


def misfit(base: Shapes, expert: Shapes) -> Misfit | None:
    """What keeps an expert from being merged with the base; None where all names and shapes agree."""
    missing = [name for name in base if name not in expert]
    extra = [name for name in expert if name not in base]
    other = [name for name in base if name in expert and base[name] != expert[name]]
    if not (missing or extra or other):
        return None
    first = (other or missing or extra)[0]
    return Misfit(len(missing), len(extra), len(other), first, expert.get(first), base.get(first))
