"""Predicted fronts stay in the box, wishes are met, proposals add what they promise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from surrogate import (
    Cloud,
    Observations,
    Prediction,
    SurrogateError,
    balanced,
    bands,
    best_for,
    choosing_cloud,
    design,
    hypervolume,
    knee_of,
    non_dominated,
    predicted_front,
    propose,
    reference_point,
    surrogate,
    surrogates,
)
from surrogate.propose import SMALL_ERROR, SMALL_GAIN, TOO_NEAR

Bed = Any
Observe = Callable[..., Observations]


def starts(d: int, n: int, seed: int = 0, high: float = 1.0) -> np.ndarray:
    return design(d, n, np.zeros(d), np.full(d, high), seed=seed).X


@pytest.mark.parametrize("name", tuple(surrogates()))
@pytest.mark.parametrize("d", [1, 2, 4])
def test_front_is_inside_the_box_and_of_the_size_asked(name: str, d: int, smooth: Observe) -> None:
    fitted = surrogate(name).fit(smooth(d, 14, soft=True))
    low, high = np.full(d, 0.1), np.full(d, 0.8)
    front = predicted_front(fitted, low, high, points=9, count=200)
    assert 1 <= len(front.X) <= 9
    assert (front.X >= low).all() and (front.X <= high).all()
    assert front.search.shape == front.prediction.mean.shape == (len(front.X), d)
    again = predicted_front(fitted, low, high, points=9, count=200)
    np.testing.assert_array_equal(front.X, again.X)


def test_the_front_never_leaves_where_trials_are(smooth: Observe) -> None:
    # MAP's published search goes to [-3, 3]^N whatever was sampled.
    o = smooth(2, 30)
    near = o.rows(np.flatnonzero((o.X < 0.6).all(axis=1)))
    front = predicted_front(surrogate("quadratic").fit(near), np.full(2, -3.0), np.full(2, 3.0))
    assert (front.X <= near.X.max(axis=0) + 0.31).all() and (front.X >= near.X.min(axis=0) - 0.31).all()
    assert (predicted_front(surrogate("quadratic").fit(near)).X <= near.X.max(axis=0) + 0.0501).all()


@pytest.mark.parametrize(("d", "n", "share"), [(2, 10, 0.97), (3, 15, 0.93), (4, 20, 0.9)])
def test_few_trials_give_nearly_the_whole_front(bed: Bed, d: int, n: int, share: float) -> None:
    fitted = surrogate("logits").fit(bed.measure(starts(d, n), soft=True))
    front = predicted_front(fitted, points=25 if d < 4 else 50)
    rich = surrogate("logits").fit(bed.measure(starts(d, 20 * d, seed=7), soft=True))
    best = bed.measure(predicted_front(rich, points=100).X, name="soft").Y
    truth = bed.measure(front.X, name="soft").Y
    reference = reference_point(best)
    assert hypervolume(truth, reference) > share * hypervolume(best, reference)
    shown = bed.measure(front.X).Y
    assert abs((front.prediction.mean - shown).mean()) < 0.01


def cloud(Y: np.ndarray) -> Cloud:
    return Cloud(np.arange(len(Y))[:, None] * 1.0, Y, Prediction(Y, Y * 0, Y, Y), tuple("abc"[: Y.shape[1]]))


LINE = np.stack([np.linspace(0, 1, 101), 1.0 - np.linspace(0, 1, 101) ** 3], axis=1)


def test_a_wish_is_met_at_the_least_cost() -> None:
    met = best_for(cloud(LINE), {"a": 0.9})
    assert met.met and LINE[met.index, 0] == pytest.approx(0.9) and not met.missing.any()
    np.testing.assert_allclose(met.cost, [0.1, 0.9**3])
    assert LINE[best_for(cloud(LINE), {"b": 0.99}).index, 1] >= 0.99


def test_a_wish_too_far_says_what_is_missing() -> None:
    short = best_for(cloud(LINE), {"a": 0.95, "b": 0.5})
    assert not short.met and (short.missing >= 0).all() and short.missing.max() > 0.1
    assert not best_for(cloud(LINE), {"a": 2.0}).met


def test_weights_reach_the_hollow_part_too() -> None:
    hollow = np.stack([np.linspace(0, 1, 101), (1.0 - np.linspace(0, 1, 101)) ** 2], axis=1)
    chosen = {best_for(cloud(hollow), weights={"a": w, "b": 1 - w}).index for w in np.linspace(0, 1, 41)}
    assert len(chosen) > 20
    assert best_for(cloud(hollow), weights={"a": 1.0, "b": 0.0}).index == 100


def test_knee_and_balanced() -> None:
    sharp = np.stack([LINE[:, 0], np.minimum(1.0, 4.0 * (1.0 - LINE[:, 0]))], axis=1)
    assert sharp[knee_of(cloud(sharp)).index, 0] == pytest.approx(0.75, abs=0.03)
    assert np.ptp(LINE[balanced(cloud(LINE)).index]) < 0.02


def test_wrong_wishes_are_refused() -> None:
    with pytest.raises(SurrogateError, match="names 'aa', which is no metric here. Nearest: 'a'."):
        best_for(cloud(LINE), {"aa": 0.5})
    with pytest.raises(SurrogateError, match="Weights"):
        best_for(cloud(LINE), weights={"a": -1.0})
    with pytest.raises(SurrogateError, match="'a' is nan"):
        best_for(cloud(LINE), {"a": float("nan")})


def test_choosing_from_a_real_cloud(bed: Bed) -> None:
    made = choosing_cloud(surrogate("logits").fit(bed.measure(starts(2, 12), soft=True)))
    best = made.prediction.mean.max(axis=0)
    wish = best_for(made, {"a": float(best[0]) - 0.02})
    assert wish.met and non_dominated(made.search)[wish.index]
    truth = bed.measure(wish.coefficients[None])
    np.testing.assert_allclose(truth.Y[0], made.prediction.mean[wish.index], atol=0.03)


@pytest.mark.parametrize("name", tuple(surrogates()))
def test_proposals_are_new_inside_and_reproducible(name: str, smooth: Observe) -> None:
    o = smooth(2, 9, soft=True)
    fitted = surrogate(name).fit(o)
    waiting = np.array([[0.5, 0.5]])
    made = propose(fitted, 3, seed=2, pending=waiting)
    assert made.X.shape == (3, 2) and (made.X >= 0).all() and (made.X <= 1).all()
    known = np.concatenate([o.X, waiting, made.X])
    gaps = np.abs(made.X[:, None] - known[None]).max(axis=2)
    assert (np.sort(gaps, axis=1)[:, 1] > TOO_NEAR).all()
    assert made.gain >= 0 and made.reason
    np.testing.assert_array_equal(made.X, propose(fitted, 3, seed=2, pending=waiting).X)
    with pytest.raises(SurrogateError, match="At least 1 point"):
        propose(fitted, 0)


def test_more_than_four_metrics_are_proposed_by_scalarisation(smooth: Observe) -> None:
    made = propose(surrogate("gp").fit(smooth(5, 9)), 1, seed=1)
    assert made.X.shape == (1, 5) and (made.X >= 0).all() and (made.X <= 1).all()


def test_predict_verify_refit_grows_the_front_and_comes_to_rest(bed: Bed) -> None:
    X = starts(2, 8)
    gains, volumes = [], []
    reference = None
    for _ in range(6):
        o = bed.measure(X, soft=True)
        measured = o.for_search().Y
        reference = reference_point(measured) if reference is None else reference
        volumes.append(hypervolume(measured, reference))
        made = propose(surrogate("logits").fit(o), 3, seed=len(X))
        gains.append(made.gain)
        assert made.stop == (made.gain < SMALL_GAIN and made.error < SMALL_ERROR)
        X = np.concatenate([X, made.X])
    assert volumes[1] > 1.05 * volumes[0] and (np.diff(volumes) >= 0).all()
    assert gains[-1] < 0.1 * gains[0]
    assert gains[0] == pytest.approx(volumes[1] / volumes[0] - 1.0, rel=0.5)


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_bands_are_nested_and_shares_are_shares(d: int, smooth: Observe) -> None:
    fitted = surrogate("logits").fit(smooth(d, 12, soft=True))
    X = np.random.default_rng(0).random((30, d))
    found = bands(fitted, X)
    assert found.membership.shape == (30,) and (found.membership >= 0).all() and (found.membership <= 1).all()
    assert found.membership.max() > 0.5
    assert set(found.surfaces) == ({5.0, 50.0, 95.0} if d in (2, 3) else set())
    if d == 2:
        volume = {p: hypervolume(s, np.full(d, -1.0)) for p, s in found.surfaces.items()}
        assert volume[5.0] >= volume[50.0] >= volume[95.0]
    with pytest.raises(SurrogateError, match="empty front"):
        bands(fitted, np.empty((0, d)))
