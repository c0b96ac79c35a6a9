"""A first look at checkpoints without opening them: names and shapes from safetensors headers, in milliseconds.

No torch. Anything but safetensors (a torch file, an adapter) says nothing at a glance: the doctor opens it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from evaluation.errors import nearest
from evaluation.models.architecture import MAY_LACK, built_in, is_head, longest_row
from study.headers import Shapes


@dataclass(frozen=True)
class Misfit:
    """How an expert differs from the base: counts, and the first tensor of the worst kind with both shapes."""

    missing: int
    extra: int
    other_shape: int
    first: str
    found: tuple[int, ...] | None
    expected: tuple[int, ...] | None


def unknown(architecture: str) -> str | None:
    """None for an architecture that open_clip has under this name; else a sentence with the one most like it.

    >>> unknown("ViT-B-32"), unknown("ViT-B32")
    (None, "Nearest: 'ViT-B-32'.")
    """
    return None if architecture in built_in() else nearest(architecture, built_in())


def weights(found: Shapes) -> int:
    """How many numbers a checkpoint holds."""
    return sum(prod(shape) for shape in found.values())


def layers(found: Shapes) -> int:
    """How many numbered blocks the longest tower of a checkpoint has: into so many groups its layers can be cut."""
    return longest_row(found)


def encoder(base: Shapes, expert: Shapes) -> bool:
    """Whether an expert's names are those of the base's encoder, with or without a prefix, and of heads.

    >>> encoder({"a.w": (2, 2)}, {"bert.a.w": (2, 2), "classifier.w": (3, 2)}), encoder({"a.w": (2,)}, {"b.w": (2,)})
    (True, False)
    """
    probe = next((name for name in base if not is_head(name)), None)
    ends = [name.removesuffix(probe) for name in expert if probe and name.endswith(f".{probe}")]
    for prefix in ("", *sorted(ends, key=len)):
        shared = {name for name in base if expert.get(prefix + name) == base[name]}
        extra = [name for name in expert if name.removeprefix(prefix) not in shared]
        lacking = [name for name in base if name not in shared]
        may = all(is_head(name) or MAY_LACK.match(name) for name in lacking)
        if shared and may and all(is_head(name.removeprefix(prefix)) for name in extra):
            return any(not is_head(name) for name in shared)
    return False


def misfit(base: Shapes, expert: Shapes) -> Misfit | None:
    """What keeps an expert from being merged with the base.

    None where all names and shapes agree, and where the expert looks like the base's encoder with a classifier of its
    own, perhaps under a prefix ("bert."): whether it is one is for the doctor to say.
    """
    if encoder(base, expert):
        return None
    missing = [name for name in base if name not in expert]
    extra = [name for name in expert if name not in base]
    other = [name for name in base if name in expert and base[name] != expert[name]]
    if not (missing or extra or other):
        return None
    first = (other or missing or extra)[0]
    return Misfit(len(missing), len(extra), len(other), first, expert.get(first), base.get(first))
