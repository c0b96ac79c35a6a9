"""The doctor names what is wrong before anything runs, and measures how experts and base lie to each other."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from study.preflight.cost import RUNS
from study.preflight.doctor import doctor, last_report
from study.preflight.finding import Finding
from study.preflight.weights import Weights, look_at_weights
from study.settings import BaseChoice, ExpertChoice, MethodChoice, Samples, Screening, Settings, TaskChoice
from study.study import Study, create, open_study
from tests.conftest import run_command

SHAPES = {"embed.weight": (7, 4), "block.0.weight": (4, 4), "block.0.bias": (4,), "count": ()}
Tensors = dict[str, torch.Tensor]


def _tensors(seed: int) -> Tensors:
    generator = torch.Generator().manual_seed(seed)
    made = {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}
    return {**made, "count": torch.tensor(3)}


def _near(base: Tensors, seed: int, by: float = 0.05) -> Tensors:
    step = _tensors(seed)
    return {name: base[name] + by * step[name] if base[name].is_floating_point() else base[name] for name in base}


def _study(folder: Path, base: Tensors, experts: dict[str, Tensors]) -> Study:
    settings = Settings(
        name="s",
        base=BaseChoice(model="ViT-B-32", weights="base.safetensors"),
        experts=tuple(ExpertChoice(name=name, weights=f"{name}.safetensors") for name in experts),
        tasks=(TaskChoice(name="t", data="t"),),
        methods=(MethodChoice(name="task_arithmetic"),),
    )
    study = create(folder, settings)
    for name, tensors in {"base": base, **experts}.items():
        save_file({key: one.contiguous() for key, one in tensors.items()}, folder / f"{name}.safetensors")
    return study


def _look(folder: Path, base: Tensors, experts: dict[str, Tensors]) -> Weights:
    return look_at_weights(_study(folder, base, experts), lambda phase, done, total: None)


def _one(weights: Weights, where: str) -> Finding:
    found = [one for one in weights.findings if one.where == where]
    assert len(found) == 1, weights.findings
    return found[0]


BASE = _tensors(0)
PREFIXED = {f"model.{name}": one for name, one in {**BASE, "extra": torch.ones(2)}.items()}


def test_distances_and_angles_are_those_of_the_task_vectors(tmp_path: Path) -> None:
    experts = {"a": _near(BASE, 1), "b": _near(BASE, 2, 0.1)}
    weights = _look(tmp_path, BASE, experts)
    flat = [
        torch.cat([one[name].double().flatten() for name in SHAPES if name != "count"])
        for one in (BASE, *experts.values())
    ]
    a, b = flat[1] - flat[0], flat[2] - flat[0]
    assert weights.norm_ratio == pytest.approx(
        {"a": float(a.norm() / flat[0].norm()), "b": float(b.norm() / flat[0].norm())}, rel=1e-5
    )
    assert weights.cosines["a"]["b"] == pytest.approx(float(a @ b / (a.norm() * b.norm())), abs=1e-6)
    assert weights.parameters == 48 and not weights.findings


@pytest.mark.parametrize(
    ("expert", "level", "text", "remedy"),
    [
        (BASE, "warn", "identical to the base", "base's own file"),
        (_near(BASE, 1, 1e-8), "warn", "hardly trained", "trained checkpoint"),
        (_tensors(9), "stop", "not fine-tuned from this base", "trained from"),
        ({**_near(BASE, 1), "embed.weight": torch.full((7, 4), torch.nan)}, "stop", "28 numbers are NaN", "earlier"),
        ({k: v for k, v in BASE.items() if k != "block.0.bias"}, "stop", "lacks 'block.0.bias'", "same base"),
        (PREFIXED, "stop", "lacks 'block.0.bias'", "begin with 'model.'"),
        ({**BASE, "x.lora_A.weight": torch.ones(1)}, "stop", "has 'x.lora_A.weight'", "adapter_config.json"),
        ({**_near(BASE, 1), "embed.weight": torch.ones(9, 4)}, "stop", "shape (9, 4)", "tokens were added"),
        ({**BASE, "block.0.weight": torch.ones(5, 5)}, "stop", "has shape (5, 5), the base has (4, 4)", "width"),
        ({**BASE, "block.0.bias": torch.ones(4, dtype=torch.int8)}, "stop", "is torch.int8", "quantised"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_expert(tmp_path: Path, expert: Tensors, level: str, text: str, remedy: str) -> None:
    found = _one(_look(tmp_path, BASE, {"odd": expert, "fine": _near(BASE, 3)}), "expert 'odd'")
    assert found.level == level and text in found.text and remedy in found.remedy


def test_half_precision_is_a_note(tmp_path: Path) -> None:
    half = {key: one.half() if one.is_floating_point() else one for key, one in _near(BASE, 1).items()}
    found = _one(_look(tmp_path, BASE, {"half": half, "fine": _near(BASE, 3)}), "expert 'half'")
    assert found.level == "note" and "float16, the base's float32" in found.text


def test_twins_are_named_together(tmp_path: Path) -> None:
    found = _one(_look(tmp_path, BASE, {"a": _near(BASE, 1), "b": _near(BASE, 1)}), "experts 'a' and 'b'")
    assert found.text == "They are identical."


def test_a_base_that_is_not_the_experts_parent_shows_in_their_angles(tmp_path: Path) -> None:
    parent = _near(BASE, 5, 0.2)
    found = _one(_look(tmp_path, BASE, {name: _near(parent, seed) for seed, name in enumerate("abc", 6)}), "base")
    assert "trained from a later model" in found.text and "fine-tuned from as the base" in found.remedy
    assert not _look(tmp_path / "right", parent, {name: _near(parent, s) for s, name in enumerate("abc", 6)}).findings


def test_a_checkpoint_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    study = _study(tmp_path, BASE, {"a": _near(BASE, 1)})
    (tmp_path / "a.safetensors").write_bytes(b"nothing")
    found = _one(look_at_weights(study, lambda *_: None), "expert 'a'")
    assert found.level == "stop" and "not a readable safetensors file" in found.text


def test_costs_know_of_half_precision_and_of_a_search_on_few_samples(fresh_demo: Path) -> None:
    study = open_study(fresh_demo)
    plain = doctor(study, "cpu").cost
    chosen = {"directions": "bfloat16", "screening": Screening(samples=10, finalists=4)}
    lean = doctor(Study(study.folder, study.settings.model_copy(update=chosen)), "cpu").cost
    directions = plain["memory_bytes"] - plain["memory_least_bytes"]
    assert lean["memory_bytes"] - lean["memory_least_bytes"] == directions / 2
    assert lean["disk_bytes"] == plain["disk_bytes"] + directions / 2
    assert plain["seconds_per_run"] == pytest.approx(RUNS * plain["seconds_per_trial"])
    assert lean["seconds_per_run"] > RUNS * lean["seconds_per_trial"]


def test_the_demo_is_fine_and_its_report_is_kept_until_something_changes(fresh_demo: Path) -> None:
    study = open_study(fresh_demo)
    assert last_report(study) is None
    report = doctor(study, "cpu")
    assert report.level == "fine" and last_report(study) == report
    assert all(0.03 < ratio < 0.08 for ratio in report.norm_ratio.values())
    assert report.cost["seconds_per_trial"] and report.cost["memory_bytes"] and report.cost["disk_bytes"]
    samples = {"calibration": 0, "validation": 40, "test": 500}
    worse = study.settings.model_copy(
        update={
            "tasks": (study.tasks[0].model_copy(update={"samples": Samples(**samples)}), *study.tasks[1:]),
            "methods": (MethodChoice(name="tiez"), MethodChoice(name="slerp")),
        }
    )
    again = Study(study.folder, worse)
    again.save()
    assert last_report(again) is None
    found = {one.where: one for one in doctor(again, "cpu").findings}
    assert "40 validation samples" in found[f"task '{study.tasks[0].name}'"].text
    assert "Nearest: 'ties'" in found["method 'tiez'"].remedy and "exactly 2" in found["method 'slerp'"].text


def test_the_command_says_what_to_mend_and_exits_with_1(tmp_path: Path) -> None:
    study = _study(tmp_path / "s", BASE, {"a": _tensors(9)})
    done = run_command("doctor", str(study.folder), "--json")
    value = json.loads(done.stdout)
    assert done.returncode == 1 and value["level"] == "stop" and "Traceback" not in done.stderr
    wheres = {one["where"] for one in value["findings"] if one["level"] == "stop"}
    assert wheres == {"expert 'a'", "task 't'"}


def test_shuffled_units_are_named_as_the_reason(tmp_path: Path) -> None:
    dice = torch.Generator().manual_seed(1)
    names = ("blocks.0.mlp.fc1.weight", "blocks.0.mlp.fc2.weight")
    base = {names[0]: torch.randn(24, 8, generator=dice), names[1]: torch.randn(8, 24, generator=dice)}
    order = torch.arange(23, -1, -1)
    shuffled = {names[0]: base[names[0]][order].contiguous(), names[1]: base[names[1]][:, order].contiguous()}
    fine = {key: one + 0.01 for key, one in base.items()}
    found = [one for one in _look(tmp_path, base, {"odd": shuffled, "fine": fine}).findings if "odd" in one.where]
    assert any("100% of its 24 hidden units" in one.text and "in another order" in one.text for one in found)


def test_experts_of_another_base_are_told_that_they_share_it(tmp_path: Path) -> None:
    dice = torch.Generator().manual_seed(2)
    shapes = {"blocks.0.mlp.fc1.weight": (24, 8), "blocks.0.mlp.fc2.weight": (8, 24)}
    base, other = ({name: torch.randn(shape, generator=dice) for name, shape in shapes.items()} for _ in range(2))
    one, two = ({name: w + 0.02 * torch.randn(w.shape, generator=dice) for name, w in other.items()} for _ in range(2))
    found = [w for w in _look(tmp_path, base, {"one": one, "two": two}).findings if "share a base" in w.text]
    assert len(found) == 1 and found[0].where == "experts 'one' and 'two'"
    assert "both were fine-tuned from" in found[0].remedy


def test_a_method_that_learns_needs_calibration_samples(fresh_demo: Path) -> None:
    from study.preflight.method import look_at_methods

    study = open_study(fresh_demo)
    bare_samples = study.tasks[0].samples.model_copy(update={"calibration": 0})
    tasks = tuple(task.model_copy(update={"samples": bare_samples}) for task in study.tasks)
    choices = (
        MethodChoice(name="lot"),
        MethodChoice(name="adamerging", settings={"transductive": True}),
    )
    bare = Study(study.folder, study.settings.model_copy(update={"tasks": tasks, "methods": choices}))
    levels = {one.where: (one.level, one.text) for one in look_at_methods(bare) if "learns" in one.text}
    assert levels["method 'lot'"][0] == "stop" and "transductive" in levels["method 'adamerging'"][1]
