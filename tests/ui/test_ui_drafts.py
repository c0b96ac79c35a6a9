"""A study that is being put together: one line per thing that is wrong, and the settings in the end."""

from pathlib import Path

import pytest

from study.settings import MethodChoice
from study.study_file import dump, parse
from ui import copy, drafts, jobs


@pytest.fixture
def draft(tmp_path: Path) -> dict[str, object]:
    for name in ("base", "cars", "digits"):
        (tmp_path / f"{name}.safetensors").write_bytes(name.encode())
    (tmp_path / "data").mkdir()
    return {
        "name": "", "model": "ViT-B-32", "tokenizer": "", "experts": 2, "tasks": 2,
        "base": str(tmp_path / "base.safetensors"),
        "expert_path_0": str(tmp_path / "cars.safetensors"), "expert_path_1": f'"{tmp_path / "digits.safetensors"}"',
        "task_data_0": str(tmp_path / "data"), "task_name_0": "Cars & more",
    }  # fmt: skip


def test_a_complete_draft_becomes_settings(draft: dict[str, object]) -> None:
    assert drafts.model_problems(draft) == [] and drafts.task_problems(draft) == []
    settings = drafts.settings_of(draft, [MethodChoice(name="task_arithmetic")])
    assert [expert.name for expert in settings.experts] == ["cars", "digits"]
    assert settings.name == "cars, digits"
    assert settings.tasks[0].name == "Cars - more" and settings.tasks[0].title == "Cars & more"
    assert parse(dump(settings)) == settings


def test_a_failed_study_can_be_mended(draft: dict[str, object]) -> None:
    settings = drafts.settings_of(draft, [MethodChoice(name="task_arithmetic")])
    again = drafts.draft_from(settings)
    assert drafts.settings_of(again, settings.methods) == settings


def test_each_problem_is_one_line(draft: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    draft |= {"expert_path_0": str(tmp_path / "gone.safetensors"), "expert_path_1": str(tmp_path / "notes.txt")}
    lines = drafts.model_problems(draft)
    assert any("gone.safetensors" in line for line in lines) and any("not a model file" in line for line in lines)
    assert all("\n" not in line for line in lines)
    draft["expert_path_1"] = draft["base"]
    assert copy.FILES_TWICE.format(name="base", other=copy.BASE_NAME) in drafts.model_problems(draft)


def test_too_few(draft: dict[str, object]) -> None:
    draft["expert_path_1"] = ""
    assert drafts.model_problems(draft)[0] == copy.FILES_EMPTY
    draft["task_data_0"] = ""
    assert drafts.task_problems(draft) == [copy.TASKS_EMPTY]
    draft["task_data_0"] = "/nowhere/at/all"
    assert "nothing at '/nowhere/at/all'" in drafts.task_problems(draft)[0]


def test_same_name_twice(draft: dict[str, object]) -> None:
    draft |= {"expert_name_0": "x", "expert_name_1": "x"}
    assert drafts.model_problems(draft) == [copy.NAME_TWICE.format(name="x")]


def test_noise_of_a_score() -> None:
    assert drafts.noise_points(400) == pytest.approx(2.0)


def test_export_names() -> None:
    assert all(map(jobs.good_name, ("my-mix", "a.b_c-1")))
    assert not any(map(jobs.good_name, ("", ".x", "../x", "a/b", "a" * 61, "x.")))


def test_plain_text_from_names() -> None:
    from ui.parts import plain

    assert plain("a *b* [c](d) $e$ <f>\n#g") == r"a \*b\* \[c\](d) \$e\$ \<f\> \#g"
