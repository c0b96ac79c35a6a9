"""Methods that learn from samples: identities, what they may ask for, and the recipe that carries what was learned."""

from pathlib import Path

import pytest
import torch

import merging
from merging import MergingError, combine_into, method, methods, new_recipe, prepare, task_vectors
from merging.recipe import file_hash
from tests.merging.toy import Toy

LEARNING = [name for name, kind in methods().items() if kind.needs_data]


def merged(made: merging.Method, group, coefficient: float = 1.0) -> dict[str, torch.Tensor]:
    with task_vectors(group.base, group.experts) as vectors:
        access = Toy(vectors.layout, vectors.names) if made.needs else None
        directions = prepare(made, vectors, access=access)
        out = torch.empty(directions.layout.size)
        combine_into(out, directions, dict.fromkeys(group.names, coefficient))
        return {entry.name: vectors.layout.view(out, entry).clone() for entry in vectors.layout.entries}


def expert(group, number: int) -> dict[str, torch.Tensor]:
    with task_vectors(group.base, group.experts) as vectors:
        flat = torch.empty(vectors.layout.size)
        vectors.write_expert(number, flat)
        return {entry.name: vectors.layout.view(flat, entry).clone() for entry in vectors.layout.entries}


def test_regmean_of_one_expert_is_that_expert(families) -> None:
    group = families(1)
    for name in ("regmean", "regmean_pp"):
        found, wanted = merged(method(name), group), expert(group, 0)
        for key, tensor in wanted.items():
            torch.testing.assert_close(found[key], tensor, rtol=1e-5, atol=1e-6)


def test_regmean_is_lot_for_full_rank_grams(families) -> None:
    # 4 experts × 8 samples fill every layer of at most 16 inputs
    group = families(4)
    one = merged(method("regmean", {"keep": 1.0, "ridge": 1e-9}), group)
    other = merged(method("lot", {"scale": 1.0}), group)
    for key in ("layers.0.fc.weight", "layers.1.fc.weight", "attn.in_proj_weight", "row.weight"):
        torch.testing.assert_close(one[key], other[key], rtol=1e-4, atol=1e-5)


def test_regmean_with_a_strong_pull_is_the_mean(families) -> None:
    group = families(3)
    with task_vectors(group.base, group.experts) as vectors:
        for key, tensor in merged(method("regmean", {"ridge": 10.0, "keep": 0.0}), group).items():
            assert tensor.shape == vectors.shape(key)
    far = merged(method("weighted_average"), group, 1 / 3)
    near = merged(method("regmean", {"ridge": 10.0}), group)
    free = merged(method("regmean"), group)
    for key in ("layers.0.fc.weight", "layers.1.fc.weight"):
        assert (near[key] - far[key]).norm() < 0.5 * (free[key] - far[key]).norm()


@pytest.mark.parametrize("name", LEARNING)
def test_only_what_is_named_is_asked_for(name: str, families) -> None:
    group = families(2)
    with task_vectors(group.base, group.experts) as vectors:
        access = Toy(vectors.layout, vectors.names)
        made = method(name)
        prepare(made, vectors, access=access)
        assert access.asked, "it learned nothing"
        assert ("labels" in access.asked) <= ("labels" in made.needs)
        assert ("score" in access.asked) == ("validation" in made.needs)


@pytest.mark.parametrize("name", LEARNING)
def test_without_samples_it_says_what_it_needs(name: str, families) -> None:
    group = families(2)
    with task_vectors(group.base, group.experts) as vectors, pytest.raises(MergingError, match="learns from samples"):
        prepare(method(name), vectors)


def test_a_recipe_carries_what_was_learned(families, tmp_path: Path) -> None:
    group, coefficients = families(2), {"e0": 0.7, "e1": 0.4}
    made = method("lot")
    with task_vectors(group.base, group.experts) as vectors:
        path = prepare(made, vectors, tmp_path / "directions", access=Toy(vectors.layout, vectors.names)).path
    assert path is not None
    recipe = new_recipe(group.base, group.experts, made, coefficients, tmp_path, prepared=path)
    assert recipe.prepared is not None and recipe.prepared.fingerprint == file_hash(path)
    again = type(recipe).from_yaml(recipe.to_yaml())
    assert again == recipe
    first = merging.merge(again, tmp_path, tmp_path / "one.safetensors")["one.safetensors"]
    assert merging.merge(again, tmp_path, tmp_path / "two.safetensors")["two.safetensors"] == first
    with pytest.raises(MergingError, match="learns from samples"):
        new_recipe(group.base, group.experts, made, coefficients, tmp_path)
    with open(path, "r+b") as file:
        file.write(b"\0\0\0\1")
    with pytest.raises(MergingError, match="changed"):
        merging.merge(again, tmp_path, tmp_path / "three.safetensors")
    path.unlink()
    with pytest.raises(MergingError, match="is not at"):
        merging.merge(again, tmp_path, tmp_path / "three.safetensors")
