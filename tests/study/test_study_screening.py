"""A search that sees few samples: what it measures, what is shown, and that it can be stopped and taken up again."""

from pathlib import Path

import numpy as np
import pytest

from study.errors import StudyError
from study.folder.study_file import parse
from study.folder.trial import Trial
from study.front import fitted, front
from study.keeping.repair import repair
from study.keeping.table import table
from study.measuring.outputs import load_outputs, load_targets
from study.predicting.observe import observations
from study.run import run
from study.running.plan import planned
from study.study import Study, open_study
from tests.study.test_study_resume import content, small_demo

FEW, FINALISTS, TRIALS = 24, 3, 12


@pytest.fixture(scope="module")
def screened(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = small_demo(tmp_path_factory.mktemp("screening") / "study")
    study = study.screened(FEW, FINALISTS)
    study.save()
    run(study, trials=TRIALS, device="cpu")
    return open_study(study.folder)


def origins(trials: list[Trial], partial: bool) -> set[str]:
    return {trial.origin for trial in trials if (trial.fidelity is not None) == partial}


def test_the_search_sees_few_samples_and_the_finalists_all(screened: Study) -> None:
    trials = screened.store.trials()
    assert origins(trials, partial=True) == {"design", "proposal"}
    assert origins(trials, partial=False) == {"anchor", "finalist"}
    for trial in trials:
        assert trial.fidelity in (None, FEW)
        assert {one.n for one in trial.metrics.values()} == {trial.fidelity or 60}
        assert {len(one) for one in load_outputs(screened, trial.id).values()} == {trial.fidelity or 60}
    last = [trial for trial in trials if trial.origin == "finalist"]
    first = {tuple(one.coefficients.values()): one for one in trials if one.fidelity}
    assert len(last) == FINALISTS
    for trial in last:  # the few samples are the first of all of them
        again = load_outputs(screened, first[tuple(trial.coefficients.values())].id)
        for task, outputs in load_outputs(screened, trial.id).items():
            assert outputs[:FEW] == pytest.approx(again[task], abs=1e-3)


def test_a_value_on_few_samples_is_never_shown_beside_one_on_all(screened: Study) -> None:
    value = front(screened)
    assert value["evaluations"] + value["partial"] == len(screened.store.trials())
    assert {m["n"] for row in value["measured"] for m in row["metrics"].values()} == {60}
    assert all(trial.fidelity is None for trial in screened.done())
    assert {row["fidelity"] for row in table(screened)} == {None, FEW}


def test_the_surrogate_uses_both(screened: Study) -> None:
    """The search reads everything on the few; a prediction speaks of all samples, the partial trials filled in."""
    choice = screened.method()
    targets = load_targets(screened)["digits"]
    trials = planned(screened, choice)
    few = observations(screened, choice, trials, FEW)
    for row, trial in enumerate(trials):
        outputs = load_outputs(screened, trial.id)["digits"][:FEW]
        assert few.Y[row, 0] == pytest.approx((outputs.argmax(axis=1) == targets[:FEW]).mean())
    both = observations(screened, choice)
    assert both.outputs[0] is not None and both.outputs[0].shape[1] == 60
    known = {tuple(trial.coefficients.values()): trial for trial in screened.done()}
    whole = [tuple(row) in known for row in both.X.tolist()]
    assert sum(whole) == len(known) and len(both.X) == len(trials)
    short = ~np.array(whole)
    sampling = (both.Y * (1.0 - both.Y) / 60)[short]
    assert (both.noise[short] >= sampling - 1e-12).all() and (both.noise[short] > 1.05 * sampling).any()
    for row, seen in zip(both.Y.tolist(), both.X.tolist(), strict=True):
        if tuple(seen) in known:
            assert row == [one.value for one in known[tuple(seen)].metrics.values()]
    assert fitted(screened, choice).observations.n == len(trials)


def test_stopped_anywhere_it_goes_on_as_if_it_had_not_been(screened: Study, tmp_path: Path) -> None:
    parts = small_demo(tmp_path / "parts")
    for trials in (7, TRIALS, TRIALS):
        run(parts.screened(FEW, FINALISTS), trials=trials, device="cpu")
    own = [row for row in content(parts) if row[2] != "finalist"]
    assert own == [row for row in content(screened) if row[2] != "finalist"]
    last = {row for row in content(screened) if row[2] == "finalist"}
    assert last <= set(content(parts))  # it may have more: those of the first, shorter run
    assert repair(parts.folder)["found"] == []


def test_on_all_samples_again_nothing_measured_is_lost(screened: Study, tmp_path: Path) -> None:
    study = small_demo(tmp_path / "study").screened(FEW, 1)
    run(study, trials=8, device="cpu")
    before = content(study)
    run(study.screened(0, None), trials=8, device="cpu")
    assert [row[0] for row in content(study)[: len(before)]] == [row[0] for row in before]
    assert sum(trial.fidelity is None for trial in study.store.trials()) == 8


def test_screening_is_set_in_the_study_file_or_on_the_command_line(screened: Study) -> None:
    text = (screened.folder / "study.yaml").read_text()
    assert parse(text).screening == screened.settings.screening
    short = parse(text.replace("screening:\n  samples: 24\n  finalists: 3\n", "screening: 30\n")).screening
    assert short is not None and (short.samples, short.finalists) == (30, 8)
    with pytest.raises(StudyError, match=r"screening.finalist: unknown field. Did you mean 'finalists'"):
        parse(text.replace("  finalists: 3", "  finalist: 3"))
    assert screened.screened(60, None).fidelity is None  # as many as there are: nothing to screen
    with pytest.raises(StudyError, match="--finalists one from 1 to 1000"):
        screened.screened(10, 0)
