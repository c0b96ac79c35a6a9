"""Fits beside the browser's process, and which map is shown while the next one is made."""

import os
import signal
import time
from pathlib import Path

import pytest

from study.background import fits
from study.errors import StudyError
from study.front import front
from study.predict import predict
from study.study import Study
from surrogate import SurrogateError
from ui import maps, state


def test_a_fit_beside_is_the_fit_here_and_survives_its_process(
    measured: Study, untouched_copy: Study, capfd: pytest.CaptureFixture[str]
) -> None:
    here = front(measured, points=20)
    fits.begin()
    try:
        assert fits.beside(front, measured, points=20) == here
        with pytest.raises(StudyError, match="no done trials"):
            fits.beside(front, untouched_copy)
        with pytest.raises(SurrogateError):
            fits.beside(predict, measured, [dict.fromkeys(measured.coefficients, 0.5)], "no such thing")
        os.kill(fits._beside[0].process.pid, signal.SIGKILL)
        assert fits.beside(front, measured, points=20) == here
    finally:
        process = fits._beside[0].process
        fits.end()
    assert process.returncode == 0 and "Traceback" not in capfd.readouterr().err


@pytest.fixture
def untouched_copy(tmp_path: Path) -> Study:
    from study.demo import write_demo

    return write_demo(tmp_path / "fresh")


def test_who_opens_a_map_that_is_being_measured_sees_the_last_one(
    measured: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = maps.opening_revision(measured, measuring=True)
    measured.propose(measured.method("task_arithmetic"), {"digits": 0.11, "signs": 0.12, "flags": 0.1}, "asked")
    newest = measured.store.revision()
    assert maps.opening_revision(measured, measuring=True) == first != newest
    monkeypatch.setattr(maps, "SHARED", 0.0)
    assert maps.opening_revision(measured, measuring=True) == first  # and the next one is begun
    while maps.opening_revision(measured, measuring=True) != newest:
        time.sleep(0.05)
    monkeypatch.setattr(state, "front", None)  # the map is there: nobody computes it again
    assert state.payload_of(measured, newest, "task_arithmetic")["checked"]
    assert maps.opening_revision(measured, measuring=False) == newest
    assert maps.follows(measured, first, "task_arithmetic", measuring=False)
    assert not maps.follows(measured, newest, "task_arithmetic", measuring=False)


def test_a_map_of_half_as_many_mixes_does_not_stay(measured: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = measured.store.revision()
    context, done = newest.rsplit("-", 4)[0], len(measured.done())
    half, more = (f"{context}-{n}-{n}-0-{3 * n}" for n in (done // 2, done // 2 + 1))
    monkeypatch.setattr(maps, "SHARED", float("inf"))
    monkeypatch.setattr(maps, "_made", {str(measured.folder): (more, time.monotonic())})
    assert maps.opening_revision(measured, measuring=True) == more and not maps._making
    monkeypatch.setattr(maps, "_made", {str(measured.folder): (half, time.monotonic())})
    assert maps.opening_revision(measured, measuring=True) == half  # and the next one is begun
    while maps.opening_revision(measured, measuring=True) != newest:
        time.sleep(0.05)


def test_the_first_map_is_begun_once_and_is_the_one_that_opens(
    measured: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maps, "_made", {})
    made: list[str] = []
    make = maps._make
    monkeypatch.setattr(maps, "_make", lambda key, place: (make(key, place), made.append(key)))
    for _ in range(2):
        maps.begin(measured)
    while not made:
        time.sleep(0.01)
    maps.begin(measured)
    assert not maps._making and made == [measured.folder.name]
    revision = measured.store.revision()
    assert maps.opening_revision(measured, measuring=True) == revision
    monkeypatch.setattr(state, "front", None)  # the map is there: nobody computes it again
    assert state.payload_of(measured, revision, "task_arithmetic")["checked"]
