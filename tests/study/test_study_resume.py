"""Two runs agree bit for bit, in one part or several; cancelled or failing, nothing is lost (kills: tests/faults)."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from study.background.worker import alive, start, stop
from study.demo import write_demo
from study.measuring.outputs import load_outputs
from study.run import run
from study.study import Study, open_study


def small_demo(folder: Path) -> Study:
    """The demo with few samples, so that a trial takes a fraction of a second."""
    study = write_demo(folder, ("digits", "flags"))
    few = tuple(
        task.model_copy(update={"samples": task.samples.model_copy(update={"validation": 60, "test": 60})})
        for task in study.tasks
    )
    smaller = Study(study.folder, study.settings.model_copy(update={"tasks": few}))
    smaller.save()
    return open_study(folder)


def content(study: Study) -> list[tuple[object, ...]]:
    """What was measured, without times: must not depend on interruptions."""
    rows: list[tuple[object, ...]] = []
    for trial in study.store.trials():
        values = {task: (one.value, one.stderr, one.n) for task, one in sorted(trial.metrics.items())}
        rows.append((trial.id, trial.state, trial.origin, tuple(trial.coefficients.items()), tuple(values.items())))
    return rows


def test_two_runs_agree_trial_by_trial_and_bit_by_bit(tmp_path: Path) -> None:
    one, two = small_demo(tmp_path / "one"), small_demo(tmp_path / "two")
    for study in (one, two):
        run(study, trials=12, device="cpu")
    assert content(one) == content(two)
    for trial in one.done():
        first, second = load_outputs(one, trial.id), load_outputs(two, trial.id)
        assert all(np.array_equal(first[task], second[task]) for task in first)


def test_a_run_in_two_parts_equals_one_run(tmp_path: Path) -> None:
    whole, parts = small_demo(tmp_path / "whole"), small_demo(tmp_path / "parts")
    run(whole, trials=12, device="cpu")
    for trials in (3, 9, 12, 12):
        run(parts, trials=trials, device="cpu")
    assert content(whole) == content(parts)


def test_cancel_keeps_what_was_measured(tmp_path: Path) -> None:
    study = small_demo(tmp_path / "study")
    start(study.folder, trials=500)
    waited(lambda: (study.folder / "trials.sqlite").exists() and len(study.done()) >= 2)
    study.store.request_cancel()
    assert stop(study.folder, patience=120)  # by the flag: it is not killed before that
    assert study.store.progress().phase == "cancelled"
    assert 2 <= len(study.done()) < 500
    assert all(trial.state in ("done", "proposed") for trial in study.store.trials())


def test_a_worker_takes_what_was_asked_first(tmp_path: Path) -> None:
    study = small_demo(tmp_path / "study")
    for value in (0.11, 0.22):
        study.propose(study.method(), {"digits": value, "flags": value}, "asked")
    run(study, trials=0, device="cpu")
    assert [trial.coefficients["digits"] for trial in study.done()] == [0.11, 0.22]


def test_a_failing_trial_keeps_the_study_alive(tmp_path: Path) -> None:
    """A merge that overflows float16 fails by itself; the trials around it are measured."""
    study = small_demo(tmp_path / "study")
    wide = Study(study.folder, study.settings.model_copy(update={"bounds": (0.0, 1.0e6)}))
    wide.save()
    study = open_study(study.folder)
    choice = study.method()
    good = study.propose(choice, {"digits": 0.5, "flags": 0.5}, "asked")
    bad = study.propose(choice, {"digits": 9.0, "flags": 999_999.0}, "asked")
    last = study.propose(choice, {"digits": 0.6, "flags": 0.5}, "asked")
    run(study, trials=0, device="cpu")
    states = {trial.id: trial for trial in study.store.trials()}
    assert states[good].state == states[last].state == "done"
    assert states[bad].state == "failed"
    assert states[bad].error


def test_a_paused_worker_waits_measures_what_is_asked_and_goes_on(tmp_path: Path) -> None:
    study = small_demo(tmp_path / "study")
    start(study.folder, 12, device="cpu")
    waited(lambda: study.store.progress().phase is not None)
    study.store.request_pause()
    waited(lambda: study.store.progress().phase == "paused")
    before = len(study.done())  # none, unless we were slow
    asked = study.propose(study.method(), {expert.name: 0.123 for expert in study.experts}, "asked")
    waited(lambda: study.store.trial(asked).state == "done")
    assert before < 12 and len(study.done()) == before + 1 and alive(study.folder)
    study.store.request_pause(False)
    waited(lambda: study.store.progress().phase == "finished")
    assert len(study.done()) == 13


def waited(true: Callable[[], bool]) -> None:
    """Wait until it is true; the time-out of tests ends what never is."""
    while not true():
        time.sleep(0.02)
