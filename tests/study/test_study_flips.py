"""Which samples flip across the map, and how well the browser's small model answers for the surrogate."""

from pathlib import Path

import numpy as np
import pytest

from study.choosing.flips import Flips, answers_at, degree, exponents, features, flips
from study.choosing.gallery import look
from study.front import fitted
from study.measuring.outputs import load_outputs, load_targets
from study.study import Study, open_study
from surrogate.logits import FittedLogits


@pytest.fixture(scope="module")
def study(measured_demo: Path) -> Study:
    return open_study(measured_demo)


@pytest.fixture(scope="module")
def found(study: Study) -> list[Flips]:
    rng = np.random.default_rng(0)
    made = flips(study, study.method(), rng.uniform(0.2, 0.8, size=(60, 3)))
    assert [one.task for one in made] == ["digits", "signs", "flags"]
    return made


def test_features_are_all_products_up_to_the_degree() -> None:
    assert exponents(2, 2) == [(), (0,), (1,), (0, 0), (0, 1), (1, 1)]
    assert np.allclose(features(np.array([[2.0, 3.0]]), 2), [[1, 2, 3, 4, 6, 9]])
    assert [degree(d) for d in (2, 5, 6, 18, 19)] == [3, 3, 2, 2, 1]


def test_the_small_model_answers_as_the_surrogate_does(study: Study, found: list[Flips]) -> None:
    model = fitted(study, study.method(), "logits")
    assert isinstance(model, FittedLogits)
    X = np.random.default_rng(1).uniform(0.1, 0.9, size=(20, 3))
    names = [expert.name for expert in study.experts]
    for place, one in enumerate(found):
        assert one.agreement > 0.99
        wanted = model.outputs_at(X)[place].argmax(axis=2)[:, one.rows]
        given = [answers_at(study, study.method(), one, dict(zip(names, x, strict=True))) for x in X]
        assert (wanted == np.array(given)).mean() > 0.98


def test_measured_answers_and_counts_are_the_studys_own(study: Study, found: list[Flips]) -> None:
    trial = next(t for t in study.done() if t.origin == "design")
    for one in found:
        targets = load_targets(study)[one.task]
        outputs = load_outputs(study, trial.id)[one.task].argmax(axis=1)
        assert np.array_equal(one.said[trial.id], outputs[one.rows])
        assert one.complete and one.steady.sum() + len(one.rows) == len(targets)
        right = np.trace(one.steady) + (one.said[trial.id] == one.targets).sum()
        assert right / len(targets) == pytest.approx(trial.metrics[one.task].value)
        seen = look(study, study.method(), trial.coefficients, one.task)
        assert [seen.ids[row] for row in one.rows] == list(one.ids)


def test_the_first_samples_are_not_all_of_one_kind(found: list[Flips]) -> None:
    for one in found:
        assert len(set(one.targets[:8].tolist())) == min(8, len(set(one.targets.tolist())))
