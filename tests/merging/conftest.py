"""Small real checkpoints for the merging tests."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from merging import Checkpoint, reference, write

GOLDEN = Path(__file__).parents[1] / "golden"

SHAPES: Mapping[str, tuple[int, ...]] = {
    "attn.in_proj_bias": (24,),
    "attn.in_proj_weight": (24, 8),
    "conv.weight": (4, 3, 2, 2),
    "layers.0.fc.weight": (10, 6),
    "layers.1.fc.weight": (6, 16),
    "layers.2.norm.weight": (6,),
    "logit_scale": (),
    "row.weight": (1, 7),
    "unchanged.weight": (6, 4),
}


@dataclass(frozen=True)
class Family:
    """A base and its experts on disk."""

    folder: Path
    base: Checkpoint
    experts: tuple[Checkpoint, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(expert.name for expert in self.experts)


def tensors(seed: int, dtype: torch.dtype, base: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """Make the tensors of a base, or of an expert of `base`."""
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, Tensor] = {}
    for name, shape in SHAPES.items():
        noise = torch.randn(shape, generator=generator)
        if base is None:
            found[name] = noise.to(dtype)
        else:
            scale = 0.0 if name.startswith("unchanged") else 0.1
            found[name] = (base[name].float() + scale * noise).to(dtype)
    found["position_ids"] = torch.arange(5) if base is None else base["position_ids"] + seed
    found["flags"] = torch.tensor([True, False, True])
    return found


def family(folder: Path, count: int, dtype: torch.dtype = torch.float32, same: bool = False) -> Family:
    """Write a base and `count` experts (equal to the base when `same`) and reference them."""
    folder.mkdir(parents=True, exist_ok=True)
    base = tensors(1, dtype)
    write(folder / "base.safetensors", base, {"format": "pt"})
    experts = []
    for number in range(count):
        expert = base if same else tensors(100 + number, dtype, base)
        path = folder / f"expert{number}.safetensors"
        write(path, expert, {"format": "pt"})
        experts.append(reference(f"e{number}", path))
    return Family(folder, reference("base", folder / "base.safetensors"), tuple(experts))


@pytest.fixture(scope="session")
def families(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Family]:
    """Give families of T experts, written once per session."""
    made: dict[tuple[int, torch.dtype, bool], Family] = {}

    def get(count: int, dtype: torch.dtype = torch.float32, same: bool = False) -> Family:
        key = (count, dtype, same)
        if key not in made:
            made[key] = family(tmp_path_factory.mktemp("family"), count, dtype, same)
        return made[key]

    return get


@pytest.fixture(scope="session")
def golden_family(tmp_path_factory: pytest.TempPathFactory) -> Family:
    """Write the base and the three experts that the golden values belong to."""
    folder = tmp_path_factory.mktemp("golden")
    data = json.loads((GOLDEN / "inputs.json").read_text(encoding="utf-8"))
    found = []
    for name in ("base", "a", "b", "c"):
        state = {key: torch.tensor(value, dtype=torch.float32) for key, value in data[name].items()}
        write(folder / f"{name}.safetensors", state, {})
        found.append(reference(name, folder / f"{name}.safetensors"))
    return Family(folder, found[0], tuple(found[1:]))
