"""A recipe with layer groups as mergekit's YAML, and the command that writes it."""

import pytest
import torch
from safetensors.torch import load_file

from merging import MergingError, Part, Recipe, merge, merge_mergekit
from merging.__main__ import run
from merging.files.plain_yaml import read_yaml
from merging.mergekit import read_configuration
from merging.mergekit.from_recipe import filtered


def recipe(method: str, groups: int | str, settings: dict[str, object], exact: bool = False) -> Recipe:
    labels = ("first", "last") if groups == "slope" else range(1, int(groups) + 1)
    numbers = iter((0.2, 0.9, 0.7, 0.4))
    return Recipe(
        base=Part(name="base", path="base"),
        experts=tuple(Part(name=who, path=who) for who in "ab"),
        method=method,
        settings=settings,
        coefficients={f"{who}@{label}": next(numbers) for who in "ab" for label in labels},
        groups=groups,
        exact=exact,
    )


@pytest.mark.parametrize(
    ("method", "groups", "settings", "exact"),
    [
        ("task_arithmetic", 2, {}, False),
        ("task_arithmetic", "slope", {}, False),
        ("ties", 2, {"merge": "weighted", "variant": "mergekit", "density": 0.4}, True),
        ("slerp", "slope", {}, False),
        ("weighted_average", 2, {}, False),
    ],
)
def test_mergekits_rules_give_the_recipes_weights(method, groups, settings, exact, llamas, tmp_path, capsys) -> None:
    wanted = recipe(method, groups, settings, exact)
    (llamas / "grouped.yaml").write_text(wanted.to_yaml())
    out = llamas / f"{method}-{groups}.yml"
    assert run([str(llamas / "grouped.yaml"), str(out), "--mergekit", "--json"]) == 0
    assert "filter" in out.read_text() and out.name in capsys.readouterr().out
    merge(wanted, llamas, tmp_path / "ours.safetensors")
    merge_mergekit(read_configuration(read_yaml(out.read_text())), llamas, tmp_path / "theirs.safetensors")
    ours, theirs = (load_file(tmp_path / f"{name}.safetensors") for name in ("ours", "theirs"))
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=0, atol=1e-6 * float(tensor.abs().max()))


def test_paths_are_those_from_the_new_place_and_nothing_is_overwritten(llamas, tmp_path, capsys) -> None:
    (tmp_path / "recipes").mkdir()
    plain = Recipe(
        base=Part(name="base", path="../base"),
        experts=(Part(name="x", path="../x"),),
        method="task_arithmetic",
        coefficients={"x": 0.4},
    )
    (tmp_path / "recipes" / "one.yaml").write_text(plain.to_yaml())
    asked = [str(tmp_path / "recipes" / "one.yaml"), str(tmp_path / "mergekit.yml"), "--mergekit"]
    assert run(asked) == 0
    data = read_yaml((tmp_path / "mergekit.yml").read_text())
    assert data["base_model"] == "base" and data["models"][0] == {"model": "x", "parameters": {"weight": 0.4}}
    capsys.readouterr()
    assert run(asked) == 2 and "exists" in capsys.readouterr().err


def test_filters_find_every_tensor_though_names_stand_in_names() -> None:
    values = {"layers.1.norm.w": 0.3, "layers.11.norm.w": 0.5, "norm.w": 0.7, "x.layers.1.w": 0.9, "embed": 0.3}
    for name, value in values.items():
        case = next(case for case in filtered(values) if case.filter is None or case.filter in name)
        assert case.values == (value,), name
    with pytest.raises(MergingError, match="cannot tell"):
        filtered({"layers.1.a": 0.3, "layers.1.b": 0.5})
