"""Own models: from typed paths to a study, and what is said of files that do not fit."""

from pathlib import Path

import numpy as np

from study.preflight import doctor
from study.study import Study, open_study
from tests.ui.visiting import texts, visit
from ui import copy
from ui import copy_run as run_words
from ui import copy_setup as setup_words


def test_own_models_step_by_step(home: Path, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    app = visit("experts")
    assert copy.FILES_EMPTY in texts(app)
    app.text_input(key="draft-base").set_value("/nowhere/base.safetensors").run()
    assert "there is no file" in texts(app)
    for name in ("base", "cars", "digits"):
        save_file({"w": np.zeros(3, np.float32)}, tmp_path / f"{name}.safetensors")
    app.text_input(key="draft-base").set_value(str(tmp_path / "base.safetensors"))
    app.text_input(key="draft-expert_path_0").set_value(str(tmp_path / "cars.safetensors")).run()
    assert app.text_input(key="draft-expert_name_0").placeholder == "cars"  # its name unless another is typed
    assert copy.FILES_NEEDED.format(list=copy.NEEDED[1]) in texts(app)
    app.text_input(key="draft-expert_path_1").set_value("/nowhere/digits.safetensors").run()
    wrong = [one.value.replace("\\", "") for one in app.error]
    assert (
        len(wrong) == 2 and "there is no file" in wrong[0] and wrong[1] == copy.FILES_ABOVE
    )  # said once, at its field
    app.text_input(key="draft-expert_path_1").set_value(str(tmp_path / "digits.safetensors")).run()
    assert copy.FILES_FOUND in texts(app)
    app.switch_page("ui/pages/setup.py").run()
    assert not app.exception and copy.TASKS_EMPTY in texts(app)
    app.text_input(key="draft-task_data_0").set_value("/nowhere/pictures").run()
    assert [one.value.replace("\\", "") for one in app.error] == [
        copy.DATA_MISSING.format(name="cars", path="/nowhere/pictures"), copy.FILES_ABOVE,
    ]  # fmt: skip
    app.text_input(key="draft-task_data_0").set_value("").run()
    start = next(button for button in app.button if button.label == setup_words.CHECK_FIRST)
    assert start.disabled


def test_a_study_from_the_form_with_a_method_of_the_gallery(home: Path, untouched: Study) -> None:
    """From typed paths to a study that the doctor has looked at: settings, bounds and prediction as chosen."""
    models = untouched.folder / "models"
    app = visit("experts")
    for key, value in {
        "draft-model": str(models / "mergescape-demo.json"),
        "draft-base": str(models / "base.safetensors"),
        "draft-expert_path_0": str(models / "digits.safetensors"),
        "draft-expert_path_1": str(models / "flags.safetensors"),
    }.items():
        app.text_input(key=key).set_value(value)
    app.run()
    app.text_input(key="draft-tokenizer").set_value(str(models / "bytes.txt.gz")).run()
    assert setup_words.GLANCE_SAME in texts(app) and copy.FILES_FOUND in texts(app)
    app.switch_page("ui/pages/setup.py").run()
    for i, name in enumerate(("digits", "flags")):
        app.text_input(key=f"draft-task_data_{i}").set_value(str(untouched.folder / "tasks" / name))
    app.checkbox(key="method-ties").check().run()
    assert not app.exception, app.exception
    assert setup_words.CHOSEN.format(list="Task arithmetic and TIES") in texts(app)  # at once, not one click late
    assert [one.label for one in app.button_group] == [copy.BUDGET_EACH]
    app.number_input(key="set-ties-density").set_value(0.3).run()
    assert app.text_input(key="draft-task_name_0").value == "digits"  # called like the specialists until somebody types
    app.text_input(key="draft-task_name_1").set_value("banners")
    app.checkbox(key="axis-distance").check()
    app.checkbox(key="few-first").check().run()
    next(button for button in app.button if button.label == setup_words.ADD_COPY).click().run()
    app.selectbox(key="draft-copy_kind_0").set_value("jpeg")
    assert list(app.selectbox(key="draft-groups").options)[1:3] == list(setup_words.LAYERS_WORDS.values())[1:] + [
        setup_words.LAYERS_GROUPS.format(n=2)
    ]
    app.selectbox(key="draft-groups").select_index(1).run()
    assert not app.exception, app.exception
    assert setup_words.TASK_OF.format(name="digits") in texts(app) and setup_words.TASK_HELD in texts(app)
    assert setup_words.LAYERS_COUNT.format(n=4, need=6) in texts(app)
    app.number_input(key="few-count").set_value(500).run()
    check = next(button for button in app.button if button.label == setup_words.CHECK_FIRST)
    assert check.disabled and "saves nothing" in texts(app)
    app.number_input(key="few-count").set_value(100)
    app.selectbox(key="draft-surrogate").set_value("quadratic").run()
    next(button for button in app.button if button.label == setup_words.CHECK_FIRST).click().run()
    assert not app.exception, app.exception
    [made] = [path.parent for path in home.glob("*/study.yaml") if path.parent != untouched.folder]
    settings = open_study(made).settings
    assert [one.name for one in settings.methods] == ["task_arithmetic", "ties"]
    assert settings.methods[1].settings == {"density": 0.3}
    assert [task.name for task in settings.tasks] == ["digits", "banners", "digits jpeg 3"]
    assert [axis.kind for axis in settings.axes or ()] == ["distance"] and settings.groups == "slope"
    assert settings.screening is not None and settings.screening.samples == 100
    assert run_words.DOCTOR_RUNNING.partition("(")[0] in texts(app) or doctor.last_report(open_study(made))


def test_experts_that_do_not_fit_are_named_at_a_glance(home: Path, untouched: Study, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(untouched.folder / "models" / "digits.safetensors")
    tensors["visual.proj"] = tensors["visual.proj"].T.copy()[:3]
    save_file(tensors, tmp_path / "odd.safetensors")
    app = visit("experts")
    app.text_input(key="draft-base").set_value(str(untouched.folder / "models" / "base.safetensors"))
    app.text_input(key="draft-expert_path_0").set_value(str(tmp_path / "odd.safetensors"))
    app.text_input(key="draft-expert_path_1").set_value(str(untouched.folder / "models" / "flags.safetensors")).run()
    assert "1 of" in texts(app) and "visual.proj" in texts(app) and "other shapes" in texts(app)
    bare = {name: tensor for name, tensor in tensors.items() if name != "visual.proj"}
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "config.json").write_text("{}")
    save_file(bare, tmp_path / "bare" / "model.safetensors")
    own = {"classifier.weight": bare["visual.conv1.weight"]} | {f"bert.{name}": one for name, one in bare.items()}
    save_file(own, tmp_path / "odd.safetensors")
    app.text_input(key="draft-expert_path_1").set_value(str(tmp_path / "bare" / "model.safetensors"))
    app.text_input(key="draft-base").set_value(str(tmp_path / "bare")).run()
    assert app.text_input(key="draft-model").value == str(tmp_path / "bare")  # told by its own config.json
    assert copy.FILES_FOUND in texts(app)  # a prefix and a classifier of its own are no misfit
