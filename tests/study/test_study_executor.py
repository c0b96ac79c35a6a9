"""Several workers measure what one would, bit for bit; one that is killed is replaced and its trial measured again."""

import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

import numpy as np
import psutil
import pytest

from study.errors import StudyError
from study.folder.trial import Progress, Trial
from study.measuring.outputs import load_outputs
from study.run import run
from study.running.executor import parts
from study.running.places import Place, devices
from study.status import at_once
from study.study import Study
from tests.study.test_study_resume import content, small_demo

TRIALS = 10


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = small_demo(tmp_path_factory.mktemp("alone") / "study")
    run(study, trials=TRIALS, device="cpu")
    return study


def same(one: Study, two: Study) -> bool:
    """Whether two studies hold the same trials with the same outputs, bit for bit."""
    return content(one) == content(two) and all(
        np.array_equal(first, load_outputs(two, trial.id)[task])
        for trial in one.done()
        for task, first in load_outputs(one, trial.id).items()
    )


class Killer(threading.Thread):
    """Kills one process of this one, or of its children, while the study is being measured; `killed` tells."""

    def __init__(self, study: Study, named: str) -> None:
        super().__init__()
        self.study, self.named = study, named
        self.killed = False
        self.over = threading.Event()

    def run(self) -> None:
        while not self.killed and not self.over.wait(0.01):
            if any(trial.state == "done" for trial in self.study.store.trials()):
                self._kill()

    def _kill(self) -> None:
        with suppress(psutil.NoSuchProcess):
            for one in psutil.Process().children(recursive=True):
                if self.named in " ".join(one.cmdline()):
                    one.kill()
                    self.killed = True
                    return

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()


def test_two_processes_find_what_one_does_though_one_is_killed(alone: Study, tmp_path: Path) -> None:
    study = small_demo(tmp_path / "study")
    with Killer(study, "spawn_main") as killer:
        report = run(study, trials=TRIALS, place=Place(device="cpu", workers=2))
    assert killer.killed and report.measured == TRIALS and same(alone, study)
    assert not [one for one in psutil.Process().children() if "spawn_main" in " ".join(one.cmdline())]


def test_the_time_left_counts_on_all_workers() -> None:
    """Eight trials of 3 s each, done 12 s after the run began: two at a time."""
    now = Progress(1, "measuring", 8, 30, 30, "ties", 100.0, started=100.0, cancel=False, pause=False, error=None)
    times = [103.0, 103.0, 106.0, 106.0, 109.0, 109.0, 112.0, 112.0]
    spent = {"merge": 0.5, "forward": 2.5}
    own = [Trial(str(i), i, "done", "ties", {}, {}, "design", seconds=spent, finished=t) for i, t in enumerate(times)]
    assert at_once(own, now) == 2.0
    assert at_once(own[:1], now) == at_once([], now) == 1.0


def test_where_to_measure_is_checked_before_anything_runs() -> None:
    assert devices(Place(device="cpu", workers=3)) == ["cpu"] * 3
    assert parts(["a", "b", "c"], 5) == [("a",), ("b",), ("c",)]
    for wrong, words in (
        ({"executor": "slurm"}, "Allowed: local, ray"),
        ({"address": "1.2.3.4:6379"}, "Add --executor ray"),
        ({"workers": 0}, "from 1 to 1000"),
    ):
        with pytest.raises(StudyError, match=words):
            Place(**wrong)  # type: ignore[arg-type]
