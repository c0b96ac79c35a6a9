"""The store: transactions, states, and files that are not what they should be."""

import sqlite3
from pathlib import Path

import pytest

from study.errors import StudyError
from study.folder.store import Store
from study.folder.trial import Measured

HALF = Measured("accuracy", 0.5, 0.025, 400, 0.1)
SECONDS = {"merge": 0.01, "forward": 0.2, "other": 0.0}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "trials.sqlite", "ctx")


def test_a_trial_goes_from_proposed_to_done(store: Store) -> None:
    assert store.propose("a", "task_arithmetic", {}, {"x": 0.1}, "design")
    assert not store.propose("a", "task_arithmetic", {}, {"x": 0.1}, "design")
    assert [trial.state for trial in store.trials()] == ["proposed"]
    store.start("a")
    assert store.trial("a").state == "running"
    store.finish("a", {"digits": HALF}, SECONDS)
    done = store.trial("a")
    assert done.state == "done"
    assert done.metrics == {"digits": HALF}
    assert done.coefficients == {"x": 0.1}
    assert done.seconds == SECONDS


def test_a_done_trial_never_changes(store: Store) -> None:
    store.propose("a", "m", {}, {"x": 0.1}, "design")
    store.finish("a", {"digits": HALF}, SECONDS)
    store.fail("a", "too late")
    store.finish("a", {"digits": Measured("accuracy", 0.9, 0.1, 400)}, SECONDS)
    assert store.trial("a").state == "done"
    assert store.trial("a").metrics["digits"].value == 0.5


def test_what_a_dead_worker_left_is_measured_again(store: Store) -> None:
    for name in ("a", "b", "c"):
        store.propose(name, "m", {}, {"x": 0.1}, "design")
    store.start("a")
    store.fail("b", "out of memory")
    store.finish("c", {"digits": HALF}, SECONDS)
    assert store.recover() == 2
    assert [trial.state for trial in store.trials()] == ["proposed", "proposed", "done"]


def test_test_measurements_stand_beside_validation(store: Store) -> None:
    store.propose("a", "m", {}, {"x": 0.1}, "design")
    store.finish("a", {"digits": HALF}, SECONDS)
    before = store.revision()
    store.finish("a", {"digits": Measured("accuracy", 0.4, 0.02, 500)}, SECONDS, "test")
    assert store.trial("a").test["digits"].n == 500
    assert store.trial("a").metrics["digits"].n == 400
    assert store.revision() != before


def test_what_was_asked_for_becomes_the_plans_own(store: Store) -> None:
    store.propose("a", "m", {}, {"x": 0.1}, "asked")
    store.propose("a", "m", {}, {"x": 0.1}, "design")
    assert store.trial("a").origin == "design"
    store.propose("a", "m", {}, {"x": 0.1}, "asked")
    assert store.trial("a").origin == "design"


def test_trials_of_another_context_are_not_seen(tmp_path: Path) -> None:
    Store(tmp_path / "s", "one").propose("a", "m", {}, {"x": 0.1}, "design")
    assert Store(tmp_path / "s", "two").trials() == []
    assert len(Store(tmp_path / "s", "one").trials()) == 1


def test_a_damaged_file_is_reported_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "trials.sqlite"
    path.write_bytes(b"this is not a database, whatever its name says" * 20)
    content = path.read_bytes()
    with pytest.raises(StudyError, match="cannot be read as a store of trials"):
        Store(path, "ctx")
    assert path.read_bytes() == content


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "trials.sqlite"
    Store(path, "ctx").propose("a", "m", {}, {"x": 0.1}, "design")
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value = '99'")
    db.close()
    with pytest.raises(StudyError, match="schema 99"):
        Store(path, "ctx")


def test_an_unknown_trial_is_named(store: Store) -> None:
    with pytest.raises(StudyError, match="no trial 'nope'"):
        store.trial("nope")
