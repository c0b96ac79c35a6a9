"""What the screens show of single samples agrees with the outputs that were measured."""

from pathlib import Path

import numpy as np
import pytest
from PIL.Image import Image

from study.choosing.compare import compare
from study.choosing.gallery import look, picture
from study.errors import StudyError
from study.measuring.outputs import load_outputs
from study.study import open_study

NEAR = {"digits": 0.42, "signs": 0.58, "flags": 0.53}


def test_a_measured_mix_shows_its_own_predictions(measured_demo: Path) -> None:
    study = open_study(measured_demo)
    trial = next(t for t in study.done() if t.origin == "design")
    seen = look(study, study.method(), trial.coefficients, "digits")
    assert seen.measured
    assert seen.right("mix").mean() == pytest.approx(trial.metrics["digits"].value)
    assert np.array_equal(seen.said["mix"], load_outputs(study, trial.id)["digits"].argmax(axis=1))
    assert seen.confusion().sum() == 400
    assert np.trace(seen.confusion()) == seen.right("mix").sum()


def test_a_predicted_mix_flips_between_its_neighbours(measured_demo: Path) -> None:
    study = open_study(measured_demo)
    seen = look(study, study.method(), NEAR, "flags")
    assert not seen.measured
    assert set(seen.said) == {"mix", "base", "average", "expert:digits", "expert:signs", "expert:flags"}
    assert len(seen.gained("base")) - len(seen.lost("base")) == seen.right("mix").sum() - seen.right("base").sum()
    assert seen.right("expert:flags").mean() > seen.right("base").mean()


def test_the_picture_behind_an_id(measured_demo: Path) -> None:
    study = open_study(measured_demo)
    seen = look(study, study.method(), NEAR, "signs")
    shown = picture(study, "signs", seen.ids[0])
    assert isinstance(shown, Image) and shown.size == (32, 32)
    with pytest.raises(StudyError, match="no sample"):
        picture(study, "signs", "../../etc/passwd")


def test_two_merges_are_compared_on_the_same_samples(measured_demo: Path) -> None:
    study = open_study(measured_demo)
    choice = study.method()
    base, expert = dict.fromkeys(NEAR, 0.0), {"digits": 1.0, "signs": 0.0, "flags": 0.0}
    found = compare(study, choice, base, expert)
    values = {t.name: (look(study, choice, base, t.name), look(study, choice, expert, t.name)) for t in study.tasks}
    for task, (first, second) in values.items():
        assert found[task]["measured"]
        assert found[task]["difference"] == pytest.approx(second.right("mix").mean() - first.right("mix").mean())
    assert found["digits"]["gained"] > found["digits"]["lost"] and found["digits"]["p"] < 1e-6
    assert compare(study, choice, base, base)["flags"] == {
        "n": 400, "gained": 0, "lost": 0, "difference": 0.0, "p": 1.0, "measured": True,
    }  # fmt: skip


def test_an_unmeasured_study_says_so(fresh_demo: Path) -> None:
    study = open_study(fresh_demo)
    with pytest.raises(StudyError, match="Nothing was measured"):
        look(study, study.method(), NEAR, "digits")
