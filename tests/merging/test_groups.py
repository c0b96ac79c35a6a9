"""Coefficients per group of layers: their names, what each tensor gets, and the merges that must not change."""

from pathlib import Path

import pytest
import torch

import merging
from merging import (
    MergingError,
    OpenRecipe,
    combine_into,
    groups_in,
    merge_tensors,
    method,
    names_of,
    new_recipe,
    prepare,
)
from merging import importance as importance_of
from merging.groups import places
from merging.task_vector import task_vectors
from study.folder.layers import coefficient_names

KINDS = [("task_arithmetic", {}), ("tsv_m", {}), ("weighted_average", {}), ("slerp", {}), ("ties", {})]


def merged(group, made, coefficients, groups=None, exact=False) -> torch.Tensor:
    with task_vectors(group.base, group.experts) as vectors:
        directions = prepare(made, vectors)
        out = torch.full((directions.layout.size,), float("nan"))
        combine_into(out, directions, coefficients, exact=exact, groups=groups)
        return out


def test_names_are_the_studys_too() -> None:
    for groups in (None, 2, 5, "slope"):
        assert names_of(("a", "b"), groups) == coefficient_names(("a", "b"), groups)
        assert groups_in(names_of(("a", "b"), groups)) == groups


@pytest.mark.parametrize(("name", "settings"), KINDS)
@pytest.mark.parametrize("groups", [3, "slope"])
def test_equal_numbers_are_the_merge_without_groups_bit_for_bit(name, settings, groups, families) -> None:
    group = families(2)
    plain = {"e0": 0.7, "e1": 0.3}
    spread = {key: plain[key.partition("@")[0]] for key in names_of(group.names, groups)}
    made = method(name, settings)
    for exact in (False, True):
        wanted, found = merged(group, made, plain, exact=exact), merged(group, made, spread, groups, exact)
        assert torch.equal(found, wanted)


def test_each_group_gets_its_own_numbers_in_memory_and_from_files(families, tmp_path: Path) -> None:
    group = families(2)
    numbers = {"e0@1": 0.1, "e0@2": 0.2, "e0@3": 0.3, "e1@1": 0.9, "e1@2": 0.0, "e1@3": -0.5}
    made = method("task_arithmetic")
    found = merged(group, made, numbers, 3)
    with task_vectors(group.base, group.experts) as vectors:
        layout = vectors.layout
        for name, at in (("conv.weight", "1"), ("layers.0.fc.weight", "1"), ("layers.1.fc.weight", "2"),
                         ("layers.2.norm.weight", "3"), ("logit_scale", "3")):  # fmt: skip
            one, two = vectors.deltas(name)
            wanted = vectors.base_tensor(name) + numbers[f"e0@{at}"] * one + numbers[f"e1@{at}"] * two
            torch.testing.assert_close(layout.view(found, layout.index[name]), wanted, rtol=1e-6, atol=1e-7)
        streamed = dict(merge_tensors(made, group.base, group.experts, numbers, groups=3))
        assert all(torch.equal(streamed[e.name], layout.view(found, e)) for e in layout.entries)
    recipe = new_recipe(OpenRecipe(made, group.base, group.experts, numbers, groups=3), tmp_path)
    again = type(recipe).from_yaml(recipe.to_yaml())
    assert again == recipe and again.groups == 3
    merging.merge(again, tmp_path, tmp_path / "out.safetensors")
    with merging.open_tensors(tmp_path / "out.safetensors") as written:
        assert all(torch.equal(written.get(name), streamed[name]) for name in streamed)
    with pytest.raises(MergingError, match="names of tensors"):
        merging.to_mergekit(again)


def test_a_slope_on_task_arithmetic_is_lines(families) -> None:
    # LiNeS with α = 1 and β = 0.4 for two experts: 1/2 in the first block, 1/2 + 0.4 in the last
    group = families(2)
    ends = {key: 0.5 if key.endswith("first") else 0.9 for key in names_of(group.names, "slope")}
    found = merged(group, method("task_arithmetic"), ends, "slope")
    wanted = merged(group, method("lines", {"alpha": 1.0, "beta": 0.4}), {"e0": 1.0, "e1": 1.0})
    with task_vectors(group.base, group.experts) as vectors:
        for entry in vectors.layout.entries:
            if entry.name != "logit_scale":  # late by its name here, outside the blocks there
                one, other = (vectors.layout.view(flat, entry) for flat in (found, wanted))
                torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def test_importance_is_what_one_unit_moves(families) -> None:
    tensors = ["layers.0.w", "layers.1.w", "head.w"]
    sizes = torch.tensor([[3.0, 0.0, 4.0], [1.0, 1.0, 1.0]]).double().numpy()
    found = importance_of(sizes, tensors, 2)
    squares = [9.0, 16.0, 1.0, 2.0]  # e0: {3}, {0, 4}; e1: {1}, {1, 1}
    mean = sum(squares) / 4
    assert found == pytest.approx([(one / mean) ** 0.5 for one in squares])
    assert importance_of(sizes * 0.0, tensors, 2).tolist() == [1.0] * 4


@pytest.mark.parametrize(
    ("coefficients", "groups", "said"),
    [
        ({"e0": 1.0, "e1": 1.0}, 2, "no expert 'e0'"),
        ({"e0@1": 1.0, "e0@2": 1.0, "e1@1": 1.0}, 2, "'e1@2' has no coefficient"),
        (dict.fromkeys(names_of(("e0", "e1"), 4), 1.0), 4, "its longest row of numbered blocks has 3"),
        (dict.fromkeys(names_of(("e0", "e1"), 2), 1.0), 17, "'groups' is 17"),
        (dict.fromkeys(names_of(("e0", "e1"), 2), 11.0), 2, "from -10 to 10"),
    ],
)
def test_wrong_groups_are_refused_in_one_line(coefficients, groups, said: str, families) -> None:
    with pytest.raises(MergingError, match=said):
        merged(families(2), method("task_arithmetic"), coefficients, groups)


def test_a_model_without_numbered_blocks_has_no_groups() -> None:
    with pytest.raises(MergingError, match="none of its tensors is in a numbered block"):
        places(["conv.weight", "head.weight"], 2)
