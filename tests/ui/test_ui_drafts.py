"""A study that is being put together: one line per thing that is wrong, and the settings in the end."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from evaluation.models.architecture import built_in
from study.axes import held_out, with_axis
from study.demo import SOURCE, write_demo
from study.folder.study_file import dump, parse
from study.settings import MethodChoice, Samples, Screening, Settings
from tests.forking import run_script
from ui import copy, draft_settings, drafts, jobs


@pytest.fixture
def draft(tmp_path: Path) -> dict[str, object]:
    for name in ("base", "cars", "digits"):
        save_file({"w": np.zeros(3, np.float32)}, tmp_path / f"{name}.safetensors")
    (tmp_path / "data").mkdir()
    return {
        "name": "", "model": "ViT-B-32", "tokenizer": "", "experts": 2, "tasks": 2,
        "base": str(tmp_path / "base.safetensors"),
        "expert_path_0": str(tmp_path / "cars.safetensors"), "expert_path_1": f'"{tmp_path / "digits.safetensors"}"',
        "task_data_0": str(tmp_path / "data"), "task_name_0": "Cars & more",
    }  # fmt: skip


def test_a_complete_draft_becomes_settings(draft: dict[str, object]) -> None:
    assert drafts.model_problems(draft) == [] and drafts.task_problems(draft) == []
    settings = draft_settings.settings_of(draft, [MethodChoice(name="task_arithmetic")])
    assert [expert.name for expert in settings.experts] == ["cars", "digits"]
    assert settings.name == "cars, digits"
    assert settings.tasks[0].name == "Cars - more" and settings.tasks[0].title == "Cars & more"
    assert parse(dump(settings)) == settings


def test_a_failed_study_can_be_mended(draft: dict[str, object]) -> None:
    settings = draft_settings.settings_of(draft, [MethodChoice(name="task_arithmetic")])
    again = draft_settings.draft_from(settings)
    assert draft_settings.settings_of(again, settings.methods) == settings


def test_a_draft_of_a_study_keeps_what_the_form_does_not_show(tmp_path: Path) -> None:
    """Axes of every kind, a screening, layer groups, names beside titles, samples per task, seed, dtype."""
    study = write_demo(tmp_path / "study", ("digits", "signs"))
    settings = with_axis(held_out(study.settings, f"flags={SOURCE}/tasks/flags", study.folder), "distance")
    own = settings.tasks[0].model_copy(update={"samples": Samples(calibration=9, validation=50, test=60)})
    settings = with_axis(settings.model_copy(update={"tasks": (own, *settings.tasks[1:])}), "signs:blur:4")
    called = settings.tasks[-1].model_copy(update={"name": "foggy", "title": "Foggy signs"})
    more = {"screening": Screening(samples=20, finalists=3), "groups": "slope", "seed": 7, "dtype": "float16"}
    settings = settings.model_copy(update={"tasks": (*settings.tasks[:-1], called), "bounds": (0.0, 1.5), **more})
    draft = draft_settings.draft_from(settings, study.folder)
    assert drafts.model_problems(draft) == drafts.task_problems(draft) == drafts.extra_problems(draft, 12) == []
    again = draft_settings.settings_of(draft, settings.methods)

    def relative(one: Settings) -> str:
        return dump(one).replace(f"{study.folder}/", "")

    assert relative(again) == relative(settings)
    changed = {**draft, "copy_severity_0": 5, "validation": 40, "properties": []}
    fresh = draft_settings.settings_of(changed, settings.methods)
    assert fresh.tasks[-1].name == "signs blur 5" and fresh.axes is None
    assert fresh.seed == 7 and drafts.carried({**draft, "base": "/another"}) == {}
    assert {task.samples.validation for task in fresh.tasks} == {40} and fresh.tasks[0].samples.calibration == 9


def test_what_does_not_go_together_is_one_line(draft: dict[str, object]) -> None:
    copies = {f"copy_{name}_{i}": one for i in (0, 1) for name, one in (("of", "Cars & more"), ("kind", "blur"))}
    draft |= {"screening": 400, "validation": 400, "groups": 8, "copies": 2, **copies}
    few, many, twice = drafts.extra_problems(draft, 12)
    assert "400 examples" in few and "16 strengths need 18 mixes" in many and "spoiled twice" in twice
    assert drafts.spoilings("mood.csv") == ("typos",) and "typos" not in drafts.spoilings(str(draft["task_data_0"]))


def test_each_problem_is_one_line(draft: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    draft |= {"expert_path_0": str(tmp_path / "gone.safetensors"), "expert_path_1": str(tmp_path / "notes.txt")}
    lines = drafts.model_problems(draft)
    assert any("gone.safetensors" in line for line in lines) and any("not a model file" in line for line in lines)
    assert all("\n" not in line for line in lines)
    draft["expert_path_1"] = draft["base"]
    assert copy.FILES_TWICE.format(name="base", other=copy.BASE_NAME) in drafts.model_problems(draft)


def test_a_file_that_holds_no_model_is_told_at_once(draft: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "cars.safetensors").read_bytes()[:20])
    draft |= {"expert_path_0": str(tmp_path / "empty"), "expert_path_1": str(tmp_path / "cut.safetensors")}
    assert drafts.model_problems(draft) == [
        copy.FOLDER_BARE.format(name="empty"), copy.FILE_DAMAGED.format(name="cut"),
    ]  # fmt: skip
    assert drafts.at_field("cut", str(draft["expert_path_1"])) == copy.FILE_DAMAGED.format(name="cut")
    assert drafts.at_field("x", "") is None
    (tmp_path / "empty" / "adapter_config.json").write_text("{}")
    assert drafts.at_field("x", str(tmp_path / "empty")) is None


def test_one_file_as_two_specialists_is_one_mistake(draft: dict[str, object]) -> None:
    draft["expert_path_1"] = draft["expert_path_0"]
    assert drafts.model_problems(draft) == [copy.FILES_TWICE.format(name="cars", other=copy.ANOTHER)]


def test_too_few(draft: dict[str, object]) -> None:
    draft["expert_path_1"] = ""
    assert drafts.model_problems(draft)[0] == copy.FILES_NEEDED.format(list=copy.NEEDED[1])
    nothing = {"expert_path_0": "", "expert_path_1": "", "base": draft["base"]}
    assert drafts.still_needed({**draft, **nothing}) == copy.FILES_NEEDED.format(list=copy.NEEDED[2])
    assert drafts.still_needed({**draft, **nothing, "base": ""}) == copy.FILES_EMPTY
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


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("ViT-B-32", None),
        (" RN50 ", None),
        ("timm:resnet18", None),
        ("google/vit-base", None),
        ("ViT-B32", "Nearest: 'ViT-B-32'."),
        ("resnet", "timm:NAME"),
        ("/nowhere/model.json", "nothing at '/nowhere/model.json'"),
        ("", "for example ViT-B-32"),
    ],
)
def test_a_kind_of_model_that_is_not_there_is_told_at_once(
    draft: dict[str, object], kind: str, said: str | None
) -> None:
    found = drafts.model_problems({**draft, "model": kind})
    assert found == [] if said is None else len(found) == 1 and said in found[0]


def test_the_kinds_read_from_files_are_those_that_open_clip_knows(tmp_path: Path) -> None:
    """In a process of its own: a model description that other tests opened is among open_clip's kinds as well."""
    script = tmp_path / "kinds.py"
    script.write_text("import open_clip\nprint(*open_clip.list_models())")
    assert set(run_script(script, folder=tmp_path).stdout.split()) == built_in()
