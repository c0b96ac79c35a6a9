import json
import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from merging import (
    MergingError,
    OpenRecipe,
    Recipe,
    merge,
    merge_tensors,
    method,
    methods,
    new_recipe,
    read_recipe,
    reference,
)
from merging.__main__ import run
from tests.conftest import run_command


@pytest.fixture
def project(tmp_path: Path, families) -> Path:
    """Give a folder with a base, two experts and a recipe."""
    group = families(2)
    for checkpoint in (group.base, *group.experts):
        (tmp_path / checkpoint.path.name).write_bytes(checkpoint.path.read_bytes())
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return tmp_path


RECIPE = """\
base: {name: base, path: base.safetensors}
experts:
  - {name: e0, path: expert0.safetensors}
  - {name: e1, path: expert1.safetensors}
method: task_arithmetic
coefficients: {e0: 0.3, e1: 1e-1}
"""


def message(call) -> str:
    with pytest.raises(MergingError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_recipe_rebuilds_the_same_bytes_anywhere(project: Path) -> None:
    recipe = read_recipe(project / "recipe.yaml")
    first = merge(recipe, project, project / "one.safetensors")
    full = read_recipe(project / "one.recipe.yaml")
    assert full.base.fingerprint and full.versions["torch"] and full.papers[0].arxiv == "2212.04089"
    assert Recipe.from_yaml(full.to_yaml()) == full
    away = project / "away"
    again = merge(full, project, away / "deep" / "two.safetensors")
    assert again["two.safetensors"] == first["one.safetensors"]
    assert read_recipe(away / "deep" / "two.recipe.yaml").base.path == "../../base.safetensors"
    folder = merge(full, project, project / "folder")
    assert folder["model.safetensors"] == first["one.safetensors"]
    with safe_open(project / "one.safetensors", "pt") as opened:
        inside = json.loads(opened.metadata()["mergescape"])
    assert inside["coefficients"] == {"e0": 0.3, "e1": 0.1} and "path" not in inside["base"]


@pytest.mark.parametrize("name", ["task_arithmetic", "ties", "tsv_m", "karcher", "iso_c"])
@pytest.mark.parametrize("dtype", ["as base", "float16", "bfloat16"])
def test_a_file_holds_what_merge_tensors_gives(name: str, dtype: str, project: Path, families) -> None:
    group = families(2)
    opened = OpenRecipe(method(name), group.base, group.experts, {"e0": 0.5, "e1": 0.4}, dtype, exact=True)
    merge(new_recipe(opened, project), project, project / "m.safetensors")
    stream = merge_tensors(method(name), group.base, group.experts, {"e0": 0.5, "e1": 0.4}, dtype, exact=True)
    found = load_file(project / "m.safetensors")
    for key, tensor in stream:
        assert torch.equal(found.pop(key), tensor)
    assert not found


def test_a_folder_carries_configuration_and_shards(project: Path) -> None:
    base = project / "base"
    base.mkdir()
    (project / "base.safetensors").rename(base / "model.safetensors")
    (base / "config.json").write_text('{"model_type": "x"}')
    (base / "tokenizer.json").write_text("{}")
    recipe = read_recipe(project / "recipe.yaml").model_dump() | {"base": {"name": "base", "path": "base"}}
    out = project / "out"
    found = merge(Recipe.from_mapping(recipe), project, out, shard=800)
    assert sorted(found) == sorted(os.listdir(out))
    assert {"config.json", "tokenizer.json", "recipe.yaml", "model.safetensors.index.json"} < set(found)
    assert all((out / name).stat().st_mode & 0o777 == 0o644 for name in found)
    shards = [name for name in found if name.startswith("model-")]
    assert len(shards) > 2 and all(name.endswith(f"-of-{len(shards):05d}.safetensors") for name in shards)
    single = merge(Recipe.from_mapping(recipe), project, project / "s.safetensors")
    assert single and reference("m", out).fingerprint == reference("m", project / "s.safetensors").fingerprint
    assert merge(Recipe.from_mapping(recipe), project, out)["model.safetensors"]  # an earlier merge is replaced
    assert sorted(os.listdir(out)) == ["config.json", "model.safetensors", "recipe.yaml", "tokenizer.json"]
    assert not [name for name in os.listdir(project) if name.startswith(".")]


def test_what_is_not_a_merge_is_never_overwritten(project: Path) -> None:
    recipe = read_recipe(project / "recipe.yaml")
    (project / "mine").mkdir()
    (project / "mine" / "thesis.txt").write_text("years of work")
    assert "not an earlier merge" in message(lambda: merge(recipe, project, project / "mine"))
    assert "holds the checkpoint" in message(lambda: merge(recipe, project, project / "base.safetensors"))
    assert "holds the checkpoint" in message(lambda: merge(recipe, project, project))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("task_arithmetic", "task_arithmetics", ["Unknown method 'task_arithmetics'", "'task_arithmetic'"]),
        ("method: task_arithmetic", "method: ties\nsettings: {densty: 0.1}", ["'densty'", "'density'"]),
        ("method: task_arithmetic", "method: ties\nsettings: {density: 3}", ["'density'", "3", "0.001 to 1"]),
        ("method: task_arithmetic", "method: ties\nsettings: {density: true}", ["True", "0.001 to 1"]),
        ("method: task_arithmetic", "method: ties\nsettings: {variant: best}", ["'best'", "paper, mergekit"]),
        ("method: task_arithmetic", "method: ties\nsettings: {density: 1e1}", ["10.0", "0.001 to 1"]),
        ("method: task_arithmetic", "method: slerp\nsettings: {t: 3}", ["no setting 't'"]),
        ("e0: 0.3", "e0: .nan", ["'e0'", "nan", "-10 to 10"]),
        ("e0: 0.3", "e0: .inf", ["'e0'", "inf", "-10 to 10"]),
        ("e0: 0.3", "e0: 11", ["'e0'", "11", "-10 to 10"]),
        ("e0: 0.3", "e0: much", ["coefficients.e0", "much"]),
        ("e0: 0.3, ", "", ["'e0' has no coefficient"]),
        ("e0: 0.3", "e2: 0.3", ["no expert 'e2'", "e0, e1"]),
        ("coefficients", "coeficients", ["'coeficients'", "'coefficients'"]),
        ("expert1", "expert9", ["no checkpoint at", "expert9"]),
        ("expert1", "expert" + "9" * 300, ["no checkpoint at", "expert9"]),
        ("base.safetensors", "base" + "9" * 300, ["no checkpoint at", "base9"]),
        ("name: e1", "name: e0", ["'e0'"]),
        ("method:", "dtype: float8\nmethod:", ["dtype", "float8"]),
        ("method:", "exact: 3\nmethod:", ["exact", "3"]),
        ("method: task_arithmetic", "method: task_arithmetic\nmethod: ties", ["Line 6", "'method'", "twice"]),
        ("base: {", "base: {{", ["Line"]),
        ("path: base.safetensors", "path: base.safetensors, fingerprint: abc", ["'base'", "fingerprint"]),
    ],
)
def test_a_wrong_recipe_is_one_clear_line_and_exit_code_2(
    old: str, new: str, words: list[str], project: Path, capsys
) -> None:
    (project / "recipe.yaml").write_text(RECIPE.replace(old, new, 1), encoding="utf-8")
    assert run([str(project / "recipe.yaml"), str(project / "out")]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.count("\n") == 1 and "Traceback" not in shown.err
    for word in words:
        assert word in shown.err, shown.err
    assert not (project / "out").exists()


def test_weighted_averages_and_pairs_are_checked(families) -> None:
    group = families(2)
    zero = {"e0": 0.5, "e1": -0.5}
    stream = merge_tensors(method("weighted_average"), group.base, group.experts, zero)
    assert "sum to 0" in message(lambda: next(stream))
    stream = merge_tensors(method("slerp"), group.base, group.experts[:1], {"e0": 1.0})
    assert "exactly 2" in message(lambda: next(stream))


def test_numbers_that_the_dtype_cannot_hold_are_refused(tmp_path: Path) -> None:
    for name, value in (("base", 60000.0), ("a", 64000.0)):
        save_file({"w": torch.full((3,), value)}, tmp_path / f"{name}.safetensors")
    base, expert = (reference(name, tmp_path / f"{name}.safetensors") for name in ("base", "a"))
    stream = merge_tensors(method("task_arithmetic"), base, [expert], {"a": 3.0}, "float16")
    text = message(lambda: list(stream))
    assert "'w'" in text and "float16" in text and "7.2e+04" in text


def test_the_command_line(project: Path) -> None:
    done = run_command(str(project / "recipe.yaml"), str(project / "out.safetensors"), "--json", package="merging")
    assert done.returncode == 0 and done.stderr == ""
    assert set(json.loads(done.stdout)["sha256"]) == {"out.safetensors", "out.recipe.yaml"}
    listed = run_command("--list", "--json", package="merging", fresh=True)
    found = json.loads(listed.stdout)["methods"]
    assert [each["name"] for each in found] == sorted(methods()) and listed.stderr == ""
    assert all({"class", "settings", "needs_data", "paper", "default", "bounds"} < set(each) for each in found)


@pytest.mark.parametrize("arguments", [[], ["--lits"], ["nowhere.yaml", "out"], ["one.yaml"], ["a", "b", "c"]])
def test_a_wrong_command_is_one_line_and_exit_code_2(arguments: list[str], capsys) -> None:
    assert run(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.count("\n") == 1 and len(shown.err) > 10


def test_the_list_is_for_people_too(capsys) -> None:
    assert run(["--list"]) == 0
    text = capsys.readouterr().out
    for name, kind in methods().items():
        assert name in text and kind.summary in text and kind.paper.title in text


def test_a_failure_while_running_is_exit_code_1(project: Path, capsys) -> None:
    (project / "file").write_text("x")
    assert run([str(project / "recipe.yaml"), str(project / "file" / "out.safetensors")]) == 1
    assert capsys.readouterr().err.startswith("The merge failed: ")
