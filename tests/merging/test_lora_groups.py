"""Adapters written from layer groups: each module of the new adapter has its own group's coefficients."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from merging import MergingError, Part, Recipe, merge, write
from merging.files.tensors import open_tensors
from merging.lora.adapter import open_adapter
from merging.output.adapter import merge_to_adapter

NAMES = [f"layers.{number}.fc.weight" for number in range(4)]
GIVEN = {"x@1": 0.3, "x@2": -0.5, "y@1": 1.2, "y@2": 0.7}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a base of zeros, four blocks deep, and two adapters of rank 1."""
    generator = torch.Generator().manual_seed(3)
    write(tmp_path / "base" / "model.safetensors", dict.fromkeys(NAMES, torch.zeros(5, 4)), {})
    for who in "xy":
        factors = {
            f"base_model.model.layers.{number}.fc.lora_{side}.weight": torch.randn(shape, generator=generator)
            for number in range(4)
            for side, shape in (("A", (1, 4)), ("B", (5, 1)))
        }
        write(tmp_path / who / "adapter_model.safetensors", factors, {})
        (tmp_path / who / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 1, "lora_alpha": 1}')
    return tmp_path


def recipe(method: str, coefficients: dict[str, float], groups: int) -> Recipe:
    base, experts = Part(name="base", path="base"), tuple(Part(name=who, path=who) for who in "xy")
    return Recipe(base=base, experts=experts, method=method, coefficients=coefficients, groups=groups, exact=True)


def changes(folder: Path, path: Path) -> dict[str, Tensor]:
    with open_tensors(folder / "base") as base, open_adapter(path, base) as found:
        return {key: change for key in NAMES if (change := found.change(key, base.get(key))) is not None}


@pytest.mark.parametrize("method", ["task_arithmetic", "knots"])
def test_the_adapter_is_the_merge_of_full_weights(method: str, folder: Path) -> None:
    wanted = recipe(method, GIVEN, 2)
    assert merge_to_adapter(wanted, folder, folder / "out").error == 0.0
    merge(wanted, folder, folder / "full.safetensors")
    found = changes(folder, folder / "out")
    for key, tensor in load_file(folder / "full.safetensors").items():  # the base is zero
        torch.testing.assert_close(found[key], tensor, rtol=1e-5, atol=1e-6)
    told = Recipe.from_yaml((folder / "out" / "recipe.yaml").read_text())
    merge_to_adapter(told, folder / "out", folder / "again")
    name = "adapter_model.safetensors"
    assert told.groups == 2 and (folder / "out" / name).read_bytes() == (folder / "again" / name).read_bytes()


def test_each_module_has_its_groups_sum(folder: Path) -> None:
    merge_to_adapter(recipe("task_arithmetic", GIVEN, 2), folder, folder / "out")
    found, single = changes(folder, folder / "out"), {who: changes(folder, folder / who) for who in "xy"}
    for number, key in enumerate(NAMES):
        wanted = sum(GIVEN[f"{who}@{1 + number // 2}"] * single[who][key] for who in "xy")
        torch.testing.assert_close(found[key], wanted)


def test_more_groups_than_blocks_are_refused_in_one_line(folder: Path) -> None:
    many = {f"{who}@{number}": 1.0 for who in "xy" for number in range(1, 9)}
    with pytest.raises(MergingError, match="layer groups '8'") as caught:
        merge_to_adapter(recipe("task_arithmetic", many, 8), folder, folder / "no")
    assert "\n" not in str(caught.value) and not (folder / "no").exists()
