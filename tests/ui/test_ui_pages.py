"""Every page in its empty, waiting, failed and finished state, without a browser."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import psutil
import pytest
from streamlit.testing.v1 import AppTest

from study.background import worker
from study.demo import DEFAULT
from study.front import baselines
from study.settings import MethodChoice
from study.study import Study, open_study
from tests.ui.visiting import texts, visit
from ui import copy, forming, jobs, steps
from ui import copy_export as export_words
from ui import copy_history as told
from ui import copy_run as run_words


def test_home_is_empty_and_offers_two_doors(home: Path) -> None:
    app = visit("home")
    assert not app.exception
    assert copy.TITLE in texts(app) and copy.RECENT_EMPTY in texts(app)
    assert [button.label for button in app.button][:2] == [copy.DEMO_BUTTON, copy.OWN_BUTTON]
    assert not app.multiselect  # other specialists: drawn when they are asked for
    app.session_state["demo-pick"] = True
    [shown] = app.run().multiselect
    assert shown.label == copy.DEMO_PICK_LABEL and shown.value == list(DEFAULT)


@pytest.mark.parametrize("page", ["run", "explore", "export"])
def test_without_a_study_every_page_says_where_to_start(home: Path, page: str) -> None:
    app = visit(page)
    assert not app.exception
    assert copy.NO_STUDY in texts(app)
    assert copy.GO_HOME in [button.label for button in app.button]


@pytest.mark.parametrize("key", ["gone", "../../etc", "a b", "x" * 300])
def test_a_link_to_a_study_that_is_not_here(home: Path, key: str) -> None:
    app = visit("run", key)
    assert not app.exception
    assert "is not on this computer" in texts(app)


def test_a_damaged_study_says_line_and_cure(untouched: Study) -> None:
    path = untouched.folder / "study.yaml"
    path.write_text(path.read_text().replace("seed:", "sede:"))
    app = visit("run", "demo")
    assert not app.exception
    assert "sede" in texts(app) and "line" in texts(app)
    assert "sede" in texts(visit("home"))


def test_explore_and_export_before_anything_was_measured(untouched: Study) -> None:
    assert copy.EXPLORE_EMPTY in texts(visit("explore", "demo"))
    assert copy.EXPORT_NONE in texts(visit("export", "demo"))


def test_explore_hands_the_browser_one_message(measured: Study) -> None:
    app = visit("explore", "demo")
    assert not app.exception
    assert copy.EXPLORE_TITLE in texts(app)
    [component] = app.get("bidi_component")
    assert "predicted" in component.proto.SerializeToString().decode("utf-8", "replace")


def test_explore_opens_a_study_with_layer_groups(measured: Study) -> None:
    from study.varying.regroup import regroup

    study, _ = regroup(measured, 2)
    app = visit("explore", "demo", pick="~".join(["0.5"] * len(study.coefficients)))
    assert not app.exception
    [component] = app.get("bidi_component")
    assert "layers 2 of 2" in component.proto.SerializeToString().decode("utf-8", "replace")


def test_a_choice_is_kept_in_the_address_and_reaches_the_export(measured: Study) -> None:
    app = visit("export", "demo", pick="0.5~0.25~0.75")
    assert not app.exception
    assert copy.NOT_CHECKED in texts(app)
    labels = [button.label for button in app.button]
    assert copy.CHECK_NOW in labels and copy.EXPORT_ANYWAY in labels
    assert copy.COLUMNS["predicted"] in app.table[0].value.columns


def test_a_measured_mix_is_called_checked(measured: Study) -> None:
    trial = measured.done()[-1]
    pick = "~".join(str(trial.coefficients[expert.name]) for expert in measured.experts)
    app = visit("export", "demo", pick=pick)
    assert not app.exception
    assert copy.IS_CHECKED in texts(app)
    assert copy.COLUMNS["checked"] in app.table[0].value.columns
    alone = baselines(measured)["expert:digits"]["metrics"]["digits"]["value"]
    told = app.table[0].value[copy.COLUMNS["specialist"]].iloc[0]
    share = f"{100 * trial.metrics['digits'].value / alone:.1f}\u00a0%"
    assert told == copy.KEEPS.format(score=f"{100 * alone:.1f}\u00a0%", share=share)
    assert copy.EXPORT_BUTTON in [button.label for button in app.button]


def test_a_bad_export_name_is_refused(measured: Study) -> None:
    app = visit("export", "demo", pick="0.5~0.25~0.75")
    app.text_input[0].set_value("../../etc").run()
    assert copy.EXPORT_NAME_BAD in texts(app)
    assert next(button for button in app.button if button.key == "write").disabled


def test_specialists_and_tasks_of_an_open_study(measured: Study) -> None:
    app = visit("experts", "demo")
    assert not app.exception and copy.EXPERTS_FIXED in texts(app)
    app = visit("setup", "demo")
    assert not app.exception and copy.SETUP_FIXED in texts(app)
    assert len(app.table[0].value) == 3


def test_steps_that_wait_say_for_what(untouched: Study, measured_demo: Path) -> None:
    assert set(steps.waiting(None, models=False, mix=False)) == {"setup", "run", "explore", "export"}
    assert set(steps.waiting(None, models=True, mix=False)) == {"run", "explore", "export"}
    told = steps.waiting(untouched, models=True, mix=False)
    assert set(told) == {"explore", "export"} and "needs 5 measured mixes; there are 0" in told["explore"]
    assert set(steps.waiting(untouched, models=True, mix=True)) == {"explore"}
    assert steps.waiting(open_study(measured_demo), models=True, mix=False) == {}


def test_tasks_come_after_models(home: Path) -> None:
    app = visit("setup")
    assert copy.SETUP_FIRST in texts(app)


def test_history_removes_and_brings_back(measured: Study) -> None:
    measured.store.begin(1, "task_arithmetic", 30)
    measured.store.say("cancelled", 12, 30)
    app = visit("history")
    assert measured.settings.name in texts(app).replace("\\", "")
    assert copy.STATES["cancelled"] in texts(app) and copy.STATES["done"] not in texts(app)
    app.button(key="remove-demo").click().run()
    assert not measured.folder.exists() and told.EMPTY in texts(app)
    next(button for button in app.button if button.label == told.UNDO).click().run()
    assert measured.folder.exists()


def test_history_copies_renames_and_empties_the_trash(measured: Study) -> None:
    app = visit("history")
    app.button(key="copy-demo").click().run()
    assert not app.exception and len(list(measured.folder.parent.glob("*/study.yaml"))) == 2
    app.text_input(key="name-demo-copy").set_value(measured.settings.name).run()
    app.button(key="rename-demo-copy").click().run()
    assert "(demo-copy)" in texts(app)  # namesakes are told apart by their folders
    app.text_input(key="name-demo-copy").set_value("Second try").run()
    app.button(key="rename-demo-copy").click().run()
    assert "Second try" in texts(app)
    app.button(key="remove-demo").click().run()
    lines = [one.value.replace("\\", "") for one in app.markdown]
    where = lines.index(told.REMOVED.format(name=measured.settings.name).replace("\\", ""))
    assert where > next(k for k, one in enumerate(lines) if "Second try" in one)  # where it stood, at the list's end
    next(button for button in app.button if button.label == told.UNDO).click().run()
    app.button(key="remove-demo-copy").click().run()
    app.text_input(key="sure").set_value("delete").run()
    next(button for button in app.button if button.label == told.EMPTY_TRASH).click().run()
    assert not app.exception and list((measured.folder.parent / ".trash").iterdir()) == []


def test_compare_needs_two_and_then_says_where_each_is_better(measured: Study) -> None:
    assert told.COMPARE_EMPTY in texts(visit("compare"))
    shutil.copytree(measured.folder, measured.folder.with_name("second"))
    app = visit("compare")
    assert not app.exception and app.get("plotly_chart")
    assert told.DRAW_ALL in texts(app).replace("\\", "")
    app.selectbox(key="side-b").set_value(app.selectbox(key="side-a").value).run()
    assert told.SAME_CHOICE in texts(app)


def test_an_unexpected_error_is_one_line(measured: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.parts.map_needs", lambda study: 1 / 0)
    app = visit("run", "demo")
    assert not app.exception
    assert "division by zero" in texts(app) and copy.UNEXPECTED_HELP in texts(app)


def test_a_fragment_that_is_drawn_within_the_whole_page_can_be_drawn_again() -> None:
    def page() -> None:
        import streamlit as st

        from ui.parts import draw_again

        @st.fragment
        def part() -> None:
            st.session_state["times"] = st.session_state.get("times", 0) + 1
            if st.session_state["times"] == 1:
                draw_again()

        part()

    app = AppTest.from_function(page).run()
    assert not app.exception and app.session_state["times"] == 2


def test_first_screens_are_free_of_jargon() -> None:
    everything = [value for module in (copy, told, run_words) for name, value in vars(module).items() if name.isupper()]
    assert not any(word in str(everything).lower() for word in ("pareto", "hypervolume", "surrogate", "coefficient"))


def test_the_exact_form_of_a_way_of_blending(untouched: Study) -> None:
    """From the question to the command that writes it; a way with one form asks nothing."""
    assert not visit("export", "demo", pick="0.9~0.3~0.5").radio
    pick = dict(zip(untouched.coefficients, (0.9, 0.3, 0.5), strict=True))
    Study(untouched.folder, untouched.settings.model_copy(update={"methods": (MethodChoice(name="ties"),)})).save()
    study = open_study(untouched.folder)
    app = visit("export", "demo", pick="0.9~0.3~0.5")
    assert app.radio(key="form").options == list(export_words.FORMS.values()) and app.radio(key="form").value is False
    app.button(key="compare-forms").click().run()
    while not jobs.forms(study, pick, "ties")[0] or worker.alive(study.folder):
        time.sleep(0.2)
    app.radio(key="form").set_value(True).run()
    assert not app.exception
    found, _ = jobs.forms(study, pick, "ties")
    share = f"{100 * found['distance']:.1f} %"
    assert 0.0 < found["distance"] < 1.0 and export_words.APART.format(share=share) in texts(app)
    assert list(app.table[-1].value.columns)[1:] == list(export_words.FORMS.values())
    assert any("--format 'as base' --exact --out" in one.value for one in app.code)
    app.button(key="write").click().run()
    note = json.loads((study.folder / "exports" / "my-mix.job").read_text())
    assert "--exact" in psutil.Process(note["pid"]).cmdline()
    os.kill(note["pid"], signal.SIGKILL)
    facts = {"forms": {"written": "exact", "distance": found["distance"]}}
    assert share in str(forming.written(facts)) and forming.written({"forms": None}) is None


def test_the_address_carries_the_chosen_mix_from_page_to_page(home: Path, measured: Study) -> None:
    """A navigation link drops all parameters but the pages write them back: a reload anywhere loses no choice."""
    two = (MethodChoice(name="task_arithmetic"), MethodChoice(name="weighted_average"))
    Study(measured.folder, measured.settings.model_copy(update={"methods": two})).save()
    app = visit("export", "demo", pick="0.5~0.25~0.75", by="weighted_average")
    assert not app.exception and "--method weighted_average" in "".join(code.value for code in app.code)
    for name in ("pick", "by"):
        app.query_params.pop(name)
    app.switch_page("ui/pages/run.py").run()
    assert app.query_params["pick"] == "0.5~0.25~0.75" and app.query_params["by"] == "weighted_average"
