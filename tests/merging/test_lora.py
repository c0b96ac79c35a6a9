"""LoRA adapters as experts, against PEFT 0.21.2 (tests/golden/make_lora.py) and against matrices made by hand."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from merging import MergingError, Part, Recipe, merge, merge_tensors, method, reference, task_vectors, write
from merging.__main__ import run
from merging.files.tensors import open_tensors
from merging.lora.adapter import is_adapter, open_adapter
from merging.lora.expert import open_adapted
from merging.output.adapter import merge_to_adapter

GOLDEN = Path(__file__).parents[1] / "golden" / "lora_adapters.safetensors"
CASES = ("plain", "rslora", "patterns", "dora", "conv1d", "dora_conv1d", "embedding", "conv2d", "saved")
CASES += ("bias_all", "bias_only", "lora_bias", "dora_conv2d", "dora_embedding", "rslora_patterns")


def part(held: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): tensor for key, tensor in held.items() if key.startswith(prefix)}


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the base and the adapters that PEFT made."""
    folder = tmp_path_factory.mktemp("adapters")
    held = load_file(GOLDEN)
    with safe_open(GOLDEN, "pt") as opened:
        facts = opened.metadata()
    assert facts["peft"] == "0.21.2"
    write(folder / "base" / "model.safetensors", part(held, "base/"), {})
    for case in (*CASES, "other"):
        write(folder / case / "adapter_model.safetensors", part(held, f"{case}/adapter/"), {})
        (folder / case / "adapter_config.json").write_text(facts[case])
    return folder


def copied(adapters: Path, case: str, out: Path, **changes: object) -> Path:
    """Copy an adapter with another configuration."""
    out.mkdir()
    config = json.loads((adapters / case / "adapter_config.json").read_text()) | changes
    (out / "adapter_config.json").write_text(json.dumps(config))
    (out / "adapter_model.safetensors").write_bytes((adapters / case / "adapter_model.safetensors").read_bytes())
    return out


def message(call) -> str:
    with pytest.raises(MergingError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("case", CASES)
def test_an_adapter_on_its_base_is_what_peft_makes_of_it(case: str, adapters: Path) -> None:
    wanted = part(load_file(GOLDEN), f"{case}/merged/")
    base = load_file(adapters / "base" / "model.safetensors")
    with open_adapted(adapters / "base", adapters / case) as found:
        assert found.keys() == sorted(base)
        changed = {key for key in base if not torch.equal(found.get(key), base[key])}
        assert changed == set(wanted) and wanted
        for key, tensor in wanted.items():
            torch.testing.assert_close(found.get(key), tensor, rtol=0, atol=1e-6 * float(tensor.abs().max()))


def test_a_weighted_sum_is_the_exact_one_and_pefts_cat(adapters: Path) -> None:
    base = reference("base", adapters / "base")
    experts = [reference(name, adapters / name) for name in ("plain", "other")]
    state = load_file(adapters / "base" / "model.safetensors")
    found = dict(merge_tensors(method("task_arithmetic"), base, experts, {"plain": 0.3, "other": 0.8}))
    wanted = part(load_file(GOLDEN), "cat/merged/")
    for key, tensor in wanted.items():
        torch.testing.assert_close(found[key], tensor, rtol=0, atol=1e-6 * float(tensor.abs().max()))
        total = torch.zeros_like(tensor, dtype=torch.float64)
        for name, weight in (("plain", 0.3), ("other", 0.8)):
            factors = load_file(adapters / name / "adapter_model.safetensors")
            module = "base_model.model." + key.removesuffix(".weight")
            b, a = (factors[f"{module}.lora_{side}.weight"].double() for side in "BA")
            total += weight * 3.0 * b @ a  # lora_alpha 6, rank 2
        torch.testing.assert_close(found[key], (state[key] + total).float(), rtol=0, atol=1e-6)
    assert all(torch.equal(found[key], state[key]) for key in set(state) - set(wanted))


def test_changes_are_not_differences_of_rounded_weights(tmp_path: Path) -> None:
    write(tmp_path / "base" / "model.safetensors", {"m.weight": torch.full((4, 4), 1000.0)}, {})
    a, b = torch.full((1, 4), 1e-3), torch.full((4, 1), 1e-3)
    keys = {"base_model.model.m.lora_A.weight": a, "base_model.model.m.lora_B.weight": b}
    write(tmp_path / "x" / "adapter_model.safetensors", keys, {})
    (tmp_path / "x" / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 1, "lora_alpha": 1}')
    base, expert = reference("base", tmp_path / "base"), reference("x", tmp_path / "x")
    with task_vectors(base, [expert]) as vectors:
        assert torch.equal(vectors.deltas("m.weight")[0], b @ a)  # 1e-6, far below the rounding of 1000


def test_any_method_takes_adapters_and_full_experts_together(adapters: Path, tmp_path: Path) -> None:
    state = load_file(adapters / "base" / "model.safetensors")
    write(tmp_path / "full.safetensors", {key: tensor + 0.01 for key, tensor in state.items()}, {})
    recipe = Recipe(
        base=Part(name="base", path="base"),
        experts=(Part(name="x", path="plain"), Part(name="y", path=str(tmp_path / "full.safetensors"))),
        method="ties",
        coefficients={"x": 1.0, "y": 1.0},
        exact=True,
    )
    found = merge(recipe, adapters, tmp_path / "out")
    assert "model.safetensors" in found and "adapter_config.json" not in found
    again = Recipe.from_yaml((tmp_path / "out" / "recipe.yaml").read_text())
    assert merge(again, tmp_path / "out", tmp_path / "two")["model.safetensors"] == found["model.safetensors"]


def test_rows_of_an_adapter_are_those_of_the_whole(adapters: Path) -> None:
    for case in CASES:
        with open_adapted(adapters / "base", adapters / case) as found:
            for key in found.keys():
                if found.shape(key):
                    rows, whole = found.get(key, slice(1, 3)), found.get(key)
                    torch.testing.assert_close(rows, whole[1:3], rtol=0, atol=1e-6, msg=f"{case} {key}")


def test_another_alpha_is_another_expert(adapters: Path, tmp_path: Path) -> None:
    one = reference("x", adapters / "plain").fingerprint
    assert reference("x", copied(adapters, "plain", tmp_path / "same")).fingerprint == one
    assert reference("x", copied(adapters, "plain", tmp_path / "more", lora_alpha=7)).fingerprint != one
    assert is_adapter(adapters / "plain") and not is_adapter(adapters / "base")
    assert "can be an expert" in message(lambda: open_tensors(adapters / "plain"))


@pytest.mark.parametrize(
    ("case", "changes", "words"),
    [
        ("plain", {"peft_type": "IA3"}, ["'IA3'", "LoRA"]),
        ("plain", {"bias": "some"}, ["bias", "'some'", "lora_only"]),
        ("lora_bias", {"lora_bias": False}, ["'base_model.model.block.first.lora_B.bias'"]),
        ("plain", {"kasa_config": {"beta": 1}}, ["KaSA", "merge_and_unload"]),
        ("plain", {"use_newlora": True}, ["'use_newlora'", "not known"]),
        ("plain", {"rank_pattern": {"first": "two"}}, ["first = 'two'"]),
        ("plain", {"alpha_pattern": [3]}, ["alpha_pattern = [3]"]),
        ("plain", {"init_lora_weights": "pissa"}, ["'pissa'", "base"]),
        ("plain", {"layer_replication": [[0, 1]]}, ["layer_replication"]),
        ("plain", {"trainable_token_indices": [1]}, ["trainable_token_indices"]),
        ("plain", {"r": 3}, ["rank 2", "says 3"]),
        ("plain", {"r": 0}, ["r = 0"]),
        ("plain", {"lora_alpha": "six"}, ["lora_alpha", "'six'"]),
        ("plain", {"use_dora": True}, ["DoRA", "'block.first'", "use_dora: true"]),
        ("dora", {"use_dora": False}, ["DoRA", "'block.first'"]),
        ("plain", {"alpha_pattern": {"(": 3}}, ["'('"]),
        ("conv1d", {"fan_in_fan_out": False}, ["does not fit", "block.swapped.weight"]),
    ],
)
def test_what_would_be_wrong_is_refused(case: str, changes, words, adapters: Path, tmp_path: Path) -> None:
    path = copied(adapters, case, tmp_path / "x", **changes)
    text = message(lambda: open_adapted(adapters / "base", path))
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["block.third.lora_A.weight", "block.third.lora_B.weight"], ["'block.third.weight'", "Nearest"]),
        (["block.first.lora_A.weight"], ["only one of the two factors"]),
        (["block.first.lora_C.weight"], ["'base_model.model.block.first.lora_C.weight'"]),
        (["nowhere.weight"], ["'nowhere.weight'"]),
        (["head.weight"], ["(3, 6)", "(1, 1)"]),
    ],
)
def test_tensors_that_do_not_belong_are_named(keys, words, adapters: Path, tmp_path: Path) -> None:
    path = copied(adapters, "plain", tmp_path / "x", r=1)
    write(path / "adapter_model.safetensors", {f"base_model.model.{key}": torch.ones(1, 1) for key in keys}, {})
    text = message(lambda: open_adapted(adapters / "base", path))
    assert all(word in text for word in words), text


def sum_of(adapters: Path, names: dict[str, float], **more: object) -> Recipe:
    experts = tuple(Part(name=name, path=name) for name in names)
    base = Part(name="base", path="base")
    return Recipe(base=base, experts=experts, **{"method": "task_arithmetic", "coefficients": names, **more})


def changes(adapters: Path, path: Path) -> dict[str, Tensor]:
    with open_tensors(adapters / "base") as base, open_adapter(path, base) as found:
        wide = {key: base.get(key) for key in base.keys()}
        both = {key: found.change(key, tensor) for key, tensor in wide.items()}
        return {key: tensor for key, tensor in both.items() if tensor is not None}


@pytest.mark.parametrize(
    "names",
    [
        {"plain": 0.3, "other": 0.8},
        {"plain": 0.5, "patterns": -0.2, "rslora": 0.4, "embedding": 1.0},
        {"saved": 0.5, "plain": 0.5},
        {"conv1d": 2.0},
    ],
)
def test_joined_factors_are_the_exact_sum(names: dict[str, float], adapters: Path, tmp_path: Path) -> None:
    report = merge_to_adapter(sum_of(adapters, names), adapters, tmp_path / "out")
    assert report.error == 0.0 and sorted(report.files) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "recipe.yaml",
    ]
    found = changes(adapters, tmp_path / "out")
    wanted: dict[str, Tensor] = {}
    for name, weight in names.items():
        for key, change in changes(adapters, adapters / name).items():
            wanted[key] = wanted.get(key, torch.zeros_like(change)) + weight * change
    assert found.keys() == wanted.keys()
    for key, tensor in wanted.items():
        torch.testing.assert_close(found[key], tensor, rtol=0, atol=1e-6 * float(tensor.abs().max()))


@pytest.mark.parametrize("rank", [1, 2, 3, 9])
def test_a_cut_adapter_is_the_nearest_one_and_says_how_near(rank: int, adapters: Path, tmp_path: Path) -> None:
    recipe = sum_of(adapters, {"plain": 0.3, "other": 0.8})
    report = merge_to_adapter(recipe, adapters, tmp_path / "out", rank)
    merge_to_adapter(recipe, adapters, tmp_path / "exact")
    found, exact = changes(adapters, tmp_path / "out"), changes(adapters, tmp_path / "exact")
    away = whole = 0.0
    for key, tensor in exact.items():
        s = torch.linalg.svdvals(tensor.double())
        distance = float((found[key] - tensor).double().norm())
        assert abs(distance - float(s[rank:].square().sum().sqrt())) < 1e-5
        assert abs(report.errors[key] - distance / float(tensor.double().norm())) < 1e-5
        away, whole = away + distance**2, whole + float(tensor.double().square().sum())
    assert abs(report.error - (away / whole) ** 0.5) < 1e-5
    assert report.rank == min(rank, 4)


def test_the_adapter_has_the_same_bytes_again_and_other_dtypes(adapters: Path, tmp_path: Path) -> None:
    recipe = sum_of(adapters, {"plain": 1.0, "other": 1.0}, method="weighted_average", dtype="bfloat16")
    one, two = (merge_to_adapter(recipe, adapters, tmp_path / name, 2) for name in ("one", "two"))
    assert one.files["adapter_model.safetensors"] == two.files["adapter_model.safetensors"]
    assert {t.dtype for t in load_file(tmp_path / "one" / "adapter_model.safetensors").values()} == {torch.bfloat16}


@pytest.mark.parametrize(
    ("names", "more", "rank", "words"),
    [
        ({"plain": 1.0, "other": 1.0}, {"method": "ties"}, None, ["'ties'", "knots", "full weights"]),
        ({"bias_only": 1.0}, {}, None, ["trained biases"]),
        ({"plain": 1.0}, {}, 0, ["rank 0"]),
        ({"dora": 1.0}, {}, None, ["DoRA"]),
        ({"conv2d": 1.0}, {}, None, ["convolution"]),
        ({"base": 1.0}, {}, None, ["'base' is not an adapter"]),
        ({"plain": 1.0, "conv1d": 1.0}, {}, None, ["fan_in_fan_out"]),
    ],
)
def test_adapters_that_cannot_be_written_are_refused(names, more, rank, words, adapters, tmp_path) -> None:
    text = message(lambda: merge_to_adapter(sum_of(adapters, names, **more), adapters, tmp_path / "out", rank))
    assert all(word in text for word in words) and not (tmp_path / "out").exists(), text


def test_the_command_line_writes_adapters_with_their_error(adapters: Path, tmp_path: Path, capsys) -> None:
    recipe = sum_of(adapters, {"plain": 0.3, "other": 0.8})
    path = adapters / "recipe.yaml"
    path.write_text(recipe.to_yaml(), encoding="utf-8")
    assert run([str(path), str(tmp_path / "exact"), "--adapter"]) == 0
    assert "rank 4, relative error 0" in capsys.readouterr().out
    assert run([str(path), str(tmp_path / "cut"), "--rank", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rank"] == 2 and 0 < told["error"] < 1 and "adapter_model.safetensors" in told["sha256"]
    assert run([str(path), str(tmp_path / "no"), "--rank", "0"]) == 2
