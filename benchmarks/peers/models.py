"""Random tiny models: a base and experts in several families, each made to show one thing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from merging import Checkpoint, reference, write

Shapes = Mapping[str, tuple[int, ...]]

PLAIN: Shapes = {
    "embed.weight": (32, 16),
    "layers.0.attn.in_proj_weight": (48, 16),
    "layers.0.fc.bias": (24,),
    "layers.0.fc.weight": (24, 16),
    "layers.1.conv.weight": (8, 3, 4, 4),
    "norm.weight": (40,),
    "head.weight": (16, 40),
    "text_projection": (16, 12),
}
ROWS: Shapes = {name: shape for name, shape in PLAIN.items() if len(shape) < 3}
SMALL: Shapes = {"logit_scale": (), "pair.bias": (2,), "row.weight": (1, 7)}


@dataclass(frozen=True)
class Family:
    """What a family of models is made of.

    `shared` is the part of a task vector that all experts have in common (−: they are opposed to it), `size`
    the size of task vectors against the base, `kept` the share of weights that an expert changes at all.
    """

    shapes: Shapes
    shared: float = 0.6
    size: float = 1.0
    kept: float = 1.0


FAMILIES: Mapping[str, Family] = {
    "plain": Family(PLAIN),
    "rows": Family(ROWS),
    "small": Family(SMALL),
    "close": Family(PLAIN, size=1e-3),
    "faint": Family(PLAIN, size=1e-4),
    "sparse": Family(PLAIN, kept=0.2),
    "opposed": Family(PLAIN, shared=0.0),
    "still": Family({"still.weight": (12, 8)}, kept=0.0),
}


@dataclass(frozen=True)
class Models:
    """A base and experts, as tensors and as checkpoints on disk."""

    base: Mapping[str, Tensor]
    experts: tuple[Mapping[str, Tensor], ...]
    references: tuple[Checkpoint, ...]


def random_models(family: Family, experts: int, seed: int, folder: Path) -> Models:
    """Make a base and `experts` experts of a family, float32, the same for the same seed; write them to `folder`."""
    generator = torch.Generator().manual_seed(seed)

    def noise(factor: float) -> dict[str, Tensor]:
        return {name: factor * torch.randn(shape, generator=generator) for name, shape in family.shapes.items()}

    base, common = noise(0.5), noise(0.5 * family.shared)
    states = [base]
    for number in range(experts):
        own = noise(0.5 * (1.0 - family.shared**2) ** 0.5)
        if family.shared == 0.0 and number == 1:  # the second expert undoes the first
            own = {name: 0.3 * own[name] - (states[1][name] - base[name]) / family.size for name in own}
        state = {}
        for name, value in base.items():
            changed = torch.rand(value.shape, generator=generator) < family.kept
            state[name] = value + family.size * (common[name] + own[name]) * changed
        states.append(state)
    names = ["base", *(f"e{number}" for number in range(len(states) - 1))]
    references = []
    for name, state in zip(names, states, strict=True):
        write(folder / f"{name}.safetensors", state, {"format": "pt"})
        references.append(reference(name, folder / f"{name}.safetensors"))
    return Models(states[0], tuple(states[1:]), tuple(references))
