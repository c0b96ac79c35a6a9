"""mergekit's YAML as a recipe, and back."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from merging import MergingError, Part, Recipe, from_mergekit, merge, merge_mergekit, method, read_recipe, to_mergekit
from merging.files.plain_yaml import read_yaml
from merging.mergekit import is_mergekit, read_configuration
from merging.mergekit.parameters import RULES

GOLDEN = Path(__file__).parents[1] / "golden"
BASED = "base_model: base\nmodels:\n"
TWO = "  - {model: a, parameters: {weight: 0.5%s}}\n  - {model: b, parameters: {weight: 0.8%s}}\n"
PLAIN = "  - {model: a}\n  - {model: b}\n"
SAYABLE = {
    "linear": "merge_method: linear\nmodels:\n" + TWO % ("", ""),
    "linear_on_base": "merge_method: linear\nbase_model: base\nparameters: {weight: 0.4}\nmodels:\n" + PLAIN,
    "task_arithmetic": "merge_method: task_arithmetic\nparameters: {lambda: 0.6, normalize: true}\n"
    + BASED
    + TWO % ("", ""),
    "ties": "merge_method: ties\nparameters: {lambda: 0.6, density: 0.3, int8_mask: true}\n" + BASED + TWO % ("", ""),
    "ties_sum": "merge_method: ties\nparameters: {normalize: false, density: 0.3}\n" + BASED + TWO % ("", ""),
    "dare_linear": "merge_method: dare_linear\nparameters: {density: 0.7}\n" + BASED + TWO % ("", ""),
    "dare_ties": "merge_method: dare_ties\nparameters: {density: 0.7, lambda: 0.5}\n" + BASED + TWO % ("", ""),
    "breadcrumbs": "merge_method: breadcrumbs\nparameters: {density: 0.5, gamma: 0.1}\n" + BASED + TWO % ("", ""),
    "breadcrumbs_ties": "merge_method: breadcrumbs_ties\nparameters: {density: 0.3}\n" + BASED + TWO % ("", ""),
    "della": "merge_method: della\nparameters: {density: 0.6, epsilon: 0.2}\n" + BASED + TWO % ("", ""),
    "della_linear": "merge_method: della_linear\nparameters: {density: 0.6}\n" + BASED + TWO % ("", ""),
    "slerp": "merge_method: slerp\nbase_model: b\nparameters: {t: 0.3}\nmodels:\n" + PLAIN,
    "nuslerp": "merge_method: nuslerp\n" + BASED + TWO % ("", ""),
    "multislerp": "merge_method: multislerp\n" + BASED + TWO % ("", ""),
    "karcher": "merge_method: karcher\nmodels:\n" + PLAIN,
    "model_stock": "merge_method: model_stock\n" + BASED + PLAIN,
    "model_stock_rows": "merge_method: model_stock\nparameters: {filter_wise: true}\n" + BASED + PLAIN,
    "sce": "merge_method: sce\nparameters: {select_topk: 0.4}\n" + BASED + PLAIN,
    "ram": "merge_method: ram\nparameters: {epsilon: 0.05}\n" + BASED + PLAIN,
    "ramplus_tl": "merge_method: ramplus_tl\nparameters: {epsilon: 0.05, r: 0.3, alpha: 0.5}\n" + BASED + PLAIN,
    "nearswap": "merge_method: nearswap\nparameters: {t: 0.05}\n" + BASED + "  - {model: a}\n",
    "arcee_fusion": "merge_method: arcee_fusion\n" + BASED + "  - {model: a}\n",
}


def message(call) -> str:
    with pytest.raises(MergingError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_method_but_passthrough_can_be_a_recipe() -> None:
    assert {read_yaml(text)["merge_method"] for text in SAYABLE.values()} == set(RULES) - {"passthrough"}


@pytest.mark.parametrize("case", SAYABLE)
def test_a_recipe_and_its_configuration_give_the_same_weights(case: str, llamas: Path, tmp_path: Path) -> None:
    data = read_yaml(SAYABLE[case])
    merge(from_mergekit(data), llamas, tmp_path / "recipe.safetensors")
    merge_mergekit(read_configuration(data), llamas, tmp_path / "direct.safetensors")
    ours, theirs = (load_file(tmp_path / f"{name}.safetensors") for name in ("recipe", "direct"))
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=0, atol=1e-6 * float(tensor.abs().max()))


@pytest.mark.parametrize("case", SAYABLE)
def test_a_round_trip_changes_nothing(case: str) -> None:
    recipe = from_mergekit(read_yaml(SAYABLE[case]))
    text = to_mergekit(recipe)
    assert read_yaml(text)["merge_method"] == read_yaml(SAYABLE[case])["merge_method"]
    again = from_mergekit(read_yaml(text))
    assert to_mergekit(again) == text
    free = read_yaml(text).get("base_model") in (None, "b")  # without a base, the first model stands for it
    assert again.model_copy(update={"base": recipe.base} if free else {}) == recipe
    assert yaml.safe_load(text).get("mergescape", {}).keys() <= {"seed", "names", "fingerprints"}


def test_names_fingerprints_dtype_and_seed_survive() -> None:
    recipe = Recipe(
        base=Part(name="start", path="../base", fingerprint="ab"),
        experts=(Part(name="x", path="one/m", fingerprint="cd"), Part(name="y", path="two/m")),
        method="dare_linear",
        settings={"drop": 0.3, "variant": "mergekit", "seed": 5},
        coefficients={"x": 0.4, "y": -0.1},
        dtype="bfloat16",
    )
    data = read_yaml(to_mergekit(recipe))
    assert (data["dtype"], data["out_dtype"], data["mergescape"]["seed"]) == ("float32", "bfloat16", 5)
    assert data["models"][0] == {"model": "one/m", "parameters": {"weight": 0.4, "density": 0.7}}
    assert from_mergekit(data) == recipe


@pytest.mark.parametrize(
    ("name", "settings", "coefficients", "exact", "words"),
    [
        ("tsv_m", {}, {"a": 1.0, "b": 1.0}, False, ["'tsv_m'", "task_arithmetic"]),
        ("ties", {}, {"a": 1.0, "b": 1.0}, True, ["merge: weighted or sum"]),
        ("ties", {"merge": "sum"}, {"a": 1.0, "b": 1.0}, True, ["variant: mergekit"]),
        ("ties", {"merge": "sum", "variant": "mergekit"}, {"a": 1.0, "b": 1.0}, False, ["exact: true"]),
        ("dare_linear", {}, {"a": 1.0, "b": 1.0}, False, ["variant: mergekit"]),
        ("breadcrumbs", {"variant": "mergekit", "scope": "row"}, {"a": 1.0, "b": 1.0}, False, ["scope: tensor"]),
        ("karcher", {}, {"a": 0.2, "b": 0.8}, False, ["equal coefficients"]),
        ("karcher", {"of": "task vectors"}, {"a": 0.5, "b": 0.5}, False, ["of: weights"]),
        ("nuslerp", {"scale": 2.0}, {"a": 0.5, "b": 0.5}, False, ["scale: 1"]),
        ("sce", {"variant": "mergekit"}, {"a": 0.5, "b": 0.5}, False, ["all coefficients 1"]),
        ("model_stock", {"variant": "mergekit"}, {"a": 1.0, "b": 1.0}, False, ["1 / number of experts"]),
        ("nearswap", {}, {"a": 1.0, "b": 1.0}, False, ["one expert"]),
        ("task_arithmetic", {}, {"a+x": 1.0}, False, ["'+'"]),
    ],
)
def test_what_mergekit_cannot_say_is_refused(name, settings, coefficients, exact, words) -> None:
    experts = tuple(Part(name=who, path=who) for who in coefficients)
    base = Part(name="base", path="base")
    made = {**method(name).settings, **settings}
    recipe = Recipe(base=base, experts=experts, method=name, settings=made, coefficients=coefficients, exact=exact)
    text = message(lambda: to_mergekit(recipe))
    assert all(word in text for word in words), text


TIES = """\
merge_method: ties
base_model: base
models:
  - {model: base}
  - {model: x/one, parameters: {weight: 0.5, density: 0.4}}
  - {model: y/one, parameters: {weight: 0.7}}
parameters: {normalize: false, lambda: 0.5, density: 0.4}
dtype: float32
out_dtype: bfloat16
"""


def test_mergekit_ties_is_said_in_full() -> None:
    data = read_yaml(TIES)
    assert is_mergekit(data) and not is_mergekit(read_yaml("base: {}\nexperts: []\nmethod: ties"))
    recipe = from_mergekit(data)
    assert recipe.settings == {"density": 0.4, "variant": "mergekit", "merge": "sum", "scale": 0.5}
    assert recipe.coefficients == {"one": 0.5, "one-2": 0.7} and recipe.exact and recipe.dtype == "bfloat16"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("weight: 0.7", "weight: [0.1, 0.9]", ["'weight'", "lists"]),
        ("weight: 0.7", "weight: {filter: mlp, value: 1}", ["'weight'", "filters"]),
        ("weight: 0.7", "weight: 0.7, density: 0.9", ["different values of 'density'"]),
        ("y/one", "y/one+lora", ["'y/one+lora' is an adapter"]),
        ("lambda: 0.5", "rescale: true", ["rescale: true"]),
        ("density: 0.4}\ndtype", "density: 0}\ndtype", ["different values of 'density'"]),
        ("out_dtype: bfloat16", "out_dtype: float64", ["float64"]),
        ("out_dtype: bfloat16", "tokenizer_source: base", ["'tokenizer_source'"]),
        ("out_dtype: bfloat16", "chat_template: '{{x}}'", ["'chat_template'"]),
    ],
)
def test_mergekit_yaml_that_a_recipe_cannot_say_is_refused(old: str, new: str, words: list[str]) -> None:
    assert old in TIES
    text = message(lambda: from_mergekit(read_yaml(TIES.replace(old, new, 1))))
    assert all(word in text for word in [*words, "python -m merging"]), text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("merge_method: passthrough\nmodels: [{model: a}]\n", ["'passthrough'"]),
        (
            "merge_method: linear\nparameters: {normalize: false, weight: 1}\nmodels: [{model: a}]\n",
            ["normalize: false"],
        ),
        (
            "merge_method: nuslerp\nparameters: {weight: 1}\nmodels: [{model: a}, {model: b}]\n",
            ["without a base_model"],
        ),
        (
            "merge_method: slerp\nbase_model: a\nparameters: {t: 1}\nslices:\n"
            "  - sources: [{model: a, layer_range: [0, 1]}, {model: b, layer_range: [0, 1]}]\n",
            ["slices of layers"],
        ),
    ],
)
def test_configurations_that_are_more_than_a_recipe_say_so(text: str, words: list[str]) -> None:
    found = message(lambda: from_mergekit(read_yaml(text)))
    assert all(word in found for word in words), found


MERGEKIT = {
    "linear": ("weighted_average", 0, "", ""),
    "task_arithmetic": ("task_arithmetic", 0, "", "base_model: base.safetensors\n"),
    "ties": ("ties", 1, ", density: 0.5", "base_model: base.safetensors\nparameters: {normalize: true, lambda: 1.0}\n"),
}


@pytest.mark.parametrize("name", MERGEKIT)
def test_recipes_from_mergekit_give_what_mergekit_gives(name: str, golden_family, tmp_path: Path) -> None:
    ours, number, more, shared = MERGEKIT[name]
    rows = "".join(
        f"  - model: {who}.safetensors\n    parameters: {{weight: {weight}{more}}}\n"
        for who, weight in (("a", 0.3), ("b", 0.5), ("c", 0.8))
    )
    path = golden_family.folder / f"{name}.yml"
    path.write_text(f"merge_method: {name}\n{shared}dtype: float32\nmodels:\n{rows}", encoding="utf-8")
    out = tmp_path / f"{name}.safetensors"
    merge(read_recipe(path), golden_family.folder, out)
    golden = json.loads((GOLDEN / f"{ours}.json").read_text(encoding="utf-8"))["cases"][number]
    assert golden["source"].startswith("mergekit")
    for key, tensor in load_file(out).items():
        torch.testing.assert_close(tensor, torch.tensor(golden["expected"][key]), rtol=0, atol=2e-6)


def test_paths_come_from_here_before_the_recipes_folder(tmp_path: Path, monkeypatch) -> None:
    text = "merge_method: linear\nparameters: {weight: 1}\nmodels: [{model: m.safetensors}, {model: n.safetensors}]\n"
    folder, here = tmp_path / "recipe", tmp_path / "here"
    for place in (folder, here):
        place.mkdir()
        (place / "m.safetensors").write_bytes(b"")
    (folder / "c.yml").write_text(text)
    monkeypatch.chdir(here)
    recipe = read_recipe(folder / "c.yml")
    assert [part.path for part in recipe.experts] == [str(here / "m.safetensors"), "n.safetensors"]
