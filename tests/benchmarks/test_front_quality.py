"""The benchmark's protocol on made-up merges, and that the page in docs says what its JSON says."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.front_quality import DOCS, RESULTS, read, update
from benchmarks.quality.bed import bed, split_bed
from benchmarks.quality.budgets import SPENDERS, designed
from benchmarks.quality.pools import POOLS, PoolSpec, dithered, load, points
from benchmarks.quality.rivals import RIVALS, least_squares, predicted_rows
from benchmarks.quality.scores import errors, slider_regret, truth
from benchmarks.quality.sections import MAPPED, Plan, honest, predict, spend, whole
from benchmarks.quality.synthetic import synthetic_pool
from benchmarks.quality.table import page

QUIET = ("gp", "qlognehvi")
PLAN = Plan((10,), (10,), (10,), 1, 0, 1, QUIET)


@pytest.fixture(scope="module")
def pool():
    return synthetic_pool(2, 9, samples=140)


def test_page_in_docs_is_what_the_json_renders_to():
    assert DOCS.read_text() == page(read(RESULTS / "front_quality.json"))


def test_logits_beat_the_quadratic_and_shares_stay_below_one(pool, tmp_path):
    rows = predict(pool, PLAN, lambda text: None)
    found = {(row["rival"], row["points"]): row for row in rows}
    assert found["logits", "design"]["rmse"] < 0.5 * found["map-published", "design"]["rmse"]
    assert all(0.0 <= row["hv"] <= 1.0 + 1e-9 and row["picked"] <= 25 for row in rows)
    out = tmp_path / "result.json"
    update(out, pool, "predict", [{"pool": pool.spec.name, **row} for row in rows])
    update(out, pool, "spend", [{"pool": pool.spec.name, **row} for row in spend(pool, PLAN, lambda text: None)])
    again = [
        {"pool": pool.spec.name, **row} for row in honest(pool, Plan((), (), (), 0, 0, 1, QUIET), lambda text: None)
    ]
    update(out, pool, "honest", again)
    every = [
        {"pool": pool.spec.name, **row, "samples": 150}
        for row in whole(pool, replace(PLAN, splits=0), lambda text: None)
    ]
    update(out, pool, "whole", every, pool.spec.name)
    assert read(out)["pools"][pool.spec.name]["whole"]["points"] == 81
    update(
        out, pool, "predict", [{"pool": pool.spec.name, **row} for row in rows if row["rival"] == "logits"], None, QUIET
    )
    assert f"{pool.spec.name}.predict, rows of the logit surrogate" in read(out)["made"]
    update(out, pool, "predict", [{"pool": pool.spec.name, **row} for row in rows])
    assert f"{pool.spec.name}.predict, rows of the logit surrogate" not in read(out)["made"]
    text = page(read(out))
    for words in (
        "What was promised",
        "All measurements counted",
        "On samples nobody saw",
        "development",
        "150 samples a task",
        "the whole predicted front as the map shows it",
    ):
        assert words in text


def test_the_map_holds_more_of_the_unseen_front_than_the_picked_points_or_chance(pool):
    rows = honest(pool, Plan((), (), (), 0, 0, 1, QUIET), lambda text: None)
    found = {row["rival"]: row for row in rows}
    for row in (found["logits"], found["exact-soft"]):
        assert row["picked"] <= row["mapped"] <= len(pool.X)
        assert row["test_hv"] - 0.01 <= row["mapped_hv"] <= 1.0 + 1e-9
        assert row["blind_hv"] < row["mapped_hv"]


def test_the_map_has_as_many_points_as_the_app_draws():
    from ui.state import POINTS

    assert MAPPED == POINTS


@pytest.mark.parametrize("name", [name for name in SPENDERS if name != "qlognehvi"])
def test_every_way_to_spend_gives_the_budget_once_and_again(pool, name):
    one = bed(pool)
    _, spender = SPENDERS[name]
    rows = spender(one, 12, 3)
    assert len(rows) == 12 == len(set(rows.tolist()))
    assert rows.tolist() == spender(one, 12, 3).tolist()


def test_a_proposal_lands_on_the_nearest_point_that_is_free(pool):
    one = bed(pool)
    taken = one.snap(np.array([[0.5, 0.5]]), np.empty(0, dtype=np.intp))
    assert one.X[taken].tolist() == [[0.5, 0.5]]
    (other,) = one.snap(np.array([[0.5, 0.5]]), taken)
    assert np.abs(one.X[other] - 0.5).max() == pytest.approx(0.125)


def test_the_published_quadratic_recovers_a_quadratic_and_refuses_too_few(pool):
    one = bed(pool)
    rows = designed(one, 10, 0)
    exact = 0.2 + one.X @ np.array([[0.3, 0.1], [0.2, -0.4]]) + 0.1 * (one.X[:, :1] * one.X[:, 1:])
    made = type(one)(one.name, one.tasks, one.X, one.outputs, one.targets, exact, one.soft, one.test)
    assert least_squares(made, rows).predict(one.X).mean == pytest.approx(exact, abs=1e-9)
    with pytest.raises(ValueError, match="needs 6 trials; there are 5"):
        least_squares(made, rows[:5])


def test_perfect_knowledge_has_no_regret_no_error_and_the_whole_front(pool):
    one = bed(pool)
    known = truth(one.hard)
    everything = np.arange(len(one.X))
    assert slider_regret(one.hard, one.hard, everything) == 0.0
    assert known.share(everything) == pytest.approx(1.0)
    assert known.best_subset(len(known.front)) == 1.0
    assert known.distances(everything) == pytest.approx((0.0, 0.0), abs=1e-12)
    model = RIVALS["logits-hard"].fit(one, designed(one, 30, 0), 0)
    prediction = model.predict(one.X)
    assert errors(one, designed(one, 30, 0), prediction)["r2"] > 0.99
    assert known.share(predicted_rows(model, one, 25, "hard", 0, prediction.mean)) > 0.97


def test_samples_dealt_anew_are_seen_or_judged_by_never_both(pool):
    one = split_bed(pool, 0, 100)
    assert [len(t) for t in one.targets] == [100, 100]
    whole = np.concatenate([pool.outputs["validation"][0], pool.outputs["test"][0]], axis=1)
    targets = np.concatenate([pool.targets["validation"][0], pool.targets["test"][0]])
    correct = (whole.argmax(axis=2) == targets).sum(axis=1)
    assert np.rint(100 * one.hard[:, 0] + 180 * one.test[:, 0]).tolist() == correct.tolist()


def test_float16_outputs_come_back_within_half_a_step_and_without_ties():
    outputs = np.random.default_rng(0).standard_normal((50, 20, 8)).astype(np.float16)
    back = dithered(outputs)
    assert np.abs(back - outputs).max() <= np.spacing(np.abs(outputs).max())
    top = np.sort(back, axis=2)
    assert (top[:, :, -1] > top[:, :, -2]).all()
    assert np.array_equal(back, dithered(outputs))


def test_a_cloud_is_refined_about_its_own_front():
    spec = PoolSpec("cloud", ("a", "b", "c", "d"), 0, (40, 30), 10, 0, "reporting")
    first = points(spec, np.empty((0, 4)), [], 0)
    assert first.shape == (40, 4) and (first[0] == 0.0).all()
    Y = -((first - 0.6) ** 2)
    later = points(spec, first, [Y, Y], 1)
    assert later.shape == (30, 4) and (later >= 0).all() and (later <= 1).all()
    assert ((later - 0.6) ** 2).mean() < ((first - 0.6) ** 2).mean()


def test_a_pool_that_was_not_made_is_missed_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="two-a"):
        load(POOLS["two-a"], tmp_path)
