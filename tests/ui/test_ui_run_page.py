"""The run page: not started, failed, stopped, interrupted, paused, stalled, finished."""

import pickle
import sqlite3
from pathlib import Path

import pytest

from study.preflight import doctor
from study.settings import Samples
from study.study import Study
from tests.conftest import run_command
from tests.ui.visiting import texts, visit
from ui import copy
from ui import copy_run as run_words


def test_run_not_started(untouched: Study) -> None:
    app = visit("run", "demo")
    assert not app.exception
    assert copy.RUN_NEW in texts(app) and copy.START in [button.label for button in app.button]


def test_run_failed_keeps_results_and_says_why(measured: Study) -> None:
    measured.store.begin(1, "task_arithmetic", 30)
    measured.store.say("failed", 0, 0, "The disk is full.")
    app = visit("run", "demo")
    assert not app.exception
    assert copy.FAILED.format(error="The disk is full.") in texts(app)
    assert copy.RESUME.format(done=12, total=30) in [button.label for button in app.button]


def test_run_cancelled_can_go_on(measured: Study) -> None:
    measured.store.begin(1, "task_arithmetic", 30)
    measured.store.say("cancelled", 0, 0)
    app = visit("run", "demo")
    assert run_words.PHASES["cancelled"] in texts(app)
    assert copy.EXPLORE_BUTTON in [button.label for button in app.button]


def test_run_interrupted_says_so_and_goes_on(measured: Study) -> None:
    measured.store.begin(1, "task_arithmetic", 30)
    measured.store.say("measuring", 12, 30)
    app = visit("run", "demo")
    assert not app.exception
    assert run_words.INTERRUPTED.format(done=12) in texts(app)
    assert copy.RESUME.format(done=12, total=30) in [button.label for button in app.button]


def test_run_without_memory_offers_the_processor(measured: Study) -> None:
    measured.store.begin(1, "task_arithmetic", 30)
    measured.store.say("failed", 0, 0, "Memory ran out (CUDA out of memory).")
    app = visit("run", "demo")
    assert run_words.NO_MEMORY in texts(app)
    assert run_words.ON_CPU in [button.label for button in app.button]


def test_run_paused_and_stalled_have_their_buttons(measured: Study) -> None:
    from study.folder.lock import only_worker

    measured.store.begin(1, "task_arithmetic", 30)
    with only_worker(measured.folder):
        measured.store.request_pause()
        measured.store.say("paused", 12, 30)
        app = visit("run", "demo")
        assert not app.exception and run_words.PAUSED in texts(app)
        app.button(key="go-on").click().run()
        assert not measured.store.progress().pause
        measured.store.say("measuring", 12, 30)
        with sqlite3.connect(measured.folder / "trials.sqlite") as db:
            db.execute("UPDATE worker SET heartbeat = heartbeat - 100")
        app = visit("run", "demo")
        assert "No sign of life" in texts(app) and app.button(key="restart").label == run_words.RESTART.format(n=13)


def test_run_shows_how_far_a_method_has_learned(measured: Study) -> None:
    from study.folder.lock import only_worker

    measured.store.begin(1, "adamerging", 30)
    with only_worker(measured.folder):
        measured.store.say("training", 12, 60)
        app = visit("run", "demo")
        bar = app.get("progress")[0].proto
        assert bar.value == 20
        said = run_words.PHASE_MOST.format(phase=run_words.PHASES["training"], done=12, total=60)
        measured_so_far = run_words.AND_MEASURED.format(done=12, total=30)
        assert bar.text == f"{said} · {measured_so_far}"
        phase, first, since = app.session_state["pace"]
        assert (phase, first) == ("training", 12)
        app.session_state["pace"] = (phase, 0, since - 48.0)  # four seconds a step for half a minute and more
        assert run_words.LEFT_AT_MOST.format(time="3 minutes") in app.run().get("progress")[0].proto.text
        measured.store.say("solving", 3, 4)
        text = app.run().get("progress")[0].proto.text
        assert text.startswith(run_words.PHASE_STEP.format(phase=run_words.PHASES["solving"], done=3, total=4))


def test_run_finished_shows_chart_table_and_the_way_on(measured: Study) -> None:
    app = visit("run", "demo")
    assert not app.exception
    assert app.get("plotly_chart") and len(app.dataframe[0].value) >= 12
    assert copy.EXPLORE_BUTTON in [button.label for button in app.button]


@pytest.mark.parametrize("wrong", ["missing", "nan", "pickle", "method"])
def test_the_browser_shows_the_very_line_of_the_command(untouched: Study, wrong: str) -> None:
    from safetensors.torch import load_file, save_file

    path = untouched.path(untouched.experts[0].weights)
    tensors = load_file(path)
    if wrong == "missing":
        del tensors["visual.proj"]
    if wrong == "nan":
        tensors["visual.proj"][0, 0] = float("nan")
    if wrong == "pickle":
        path.write_bytes(pickle.dumps(print))
    else:
        save_file(tensors, path)
    words = ["run", str(untouched.folder), "--trials", "1", *(["--method", "tie"] if wrong == "method" else [])]
    refused = run_command(*words)
    line = refused.stderr.strip().splitlines()[-1]
    assert refused.returncode == 2
    app = visit("run", "demo")
    assert not app.exception
    assert copy.FAILED.format(error=line) in texts(app)


def test_a_study_that_cannot_be_measured_goes_back_to_the_first_step(home: Path, untouched: Study) -> None:
    from study.study import create

    base = untouched.settings.base.model_copy(update={"model": "ViT-B-32"})
    own = create(home / "own", untouched.settings.model_copy(update={"name": "own", "base": base}))
    own.store.begin(1, "task_arithmetic", 30)
    own.store.say("failed", 0, 0, "Expert 'x' does not match base 'y'.")
    app = visit("run", "own")
    assert copy.FAILED.format(error="Expert 'x' does not match base 'y'.") in texts(app)
    next(button for button in app.button if button.label == copy.CHANGE_DRAFT).click().run()
    assert not app.exception and not own.folder.exists()
    more = {"samples": Samples(test=9999), "data": str(untouched.folder / "tasks" / "digits")}
    many = untouched.settings.tasks[0].model_copy(update=more)
    own = create(home / "own", untouched.settings.model_copy(update={"name": "own", "base": base, "tasks": (many,)}))
    assert doctor.doctor(own).level == "stop"
    app = visit("run", "own")
    assert run_words.DOCTOR_STOP in texts(app) and run_words.FIELDS["samples.test"] in texts(app)
    next(button for button in app.button if button.label == copy.CHANGE_DRAFT).click().run()
    assert not app.exception and not own.folder.exists()
