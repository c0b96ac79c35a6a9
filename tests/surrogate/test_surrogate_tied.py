"""Forty coefficients: four experts with ten groups of layers each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import surrogate
from surrogate import Observations, SurrogateError, Ties, tied_design
from surrogate.link import Link
from surrogate.tied import tied_points
from tests.surrogate.conftest import Array, accuracy, soft_accuracy

T, G, S, H, C = 4, 10, 60, 8, 5
D = T * G
LOW, HIGH = np.zeros(D), np.ones(D)
OWNER = np.repeat(np.arange(T), G)


class Bed:
    """Per-sample outputs that are smooth in 40 coefficients, of which a few matter: one task per expert."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.importance = np.tile(np.geomspace(1.0, 0.02, G), T)[rng.permutation(D)]
        self.first = rng.standard_normal((T, S, H))
        self.moves = rng.standard_normal((D, T, S, H)) * self.importance[:, None, None, None]
        self.moves[np.arange(D), OWNER] *= 2.5  # an expert moves its own task most
        self.read = rng.standard_normal((H, C))
        ideal = [np.tanh(self.first[t] + self.moves[t == OWNER, t].sum(0)) @ self.read for t in range(T)]
        self.targets = tuple(one.argmax(1) for one in ideal)

    def measure(self, X: Array, ties: Ties | None) -> Observations:
        hidden = np.tanh(self.first + np.tensordot(X, self.moves, 1))
        outputs = tuple((hidden[:, t] @ self.read).astype(np.float32) for t in range(T))
        Y = np.stack([accuracy(o, y) for o, y in zip(outputs, self.targets, strict=True)], axis=1)
        return Observations(
            X, Y, Y * (1 - Y) / S + 1e-4, LOW, HIGH, tuple("abcd"), (Link("logit", 0.0, 1.0),) * T,
            outputs, self.targets, (accuracy,) * T, (soft_accuracy,) * T, ties,
        )  # fmt: skip


@pytest.fixture(scope="module")
def bed() -> Bed:
    return Bed(3)


def test_the_importance_makes_few_trials_go_further(bed: Bed) -> None:
    told, untold = Ties(OWNER, bed.importance), Ties(OWNER, np.ones(D))
    anchors = told.everywhere(surrogate.anchor_points(T, LOW[:T], HIGH[:T]))
    X = tied_design(told, D + 3 + 6, LOW, HIGH, anchors, 1)
    new = tied_points(untold, 200, LOW, HIGH, 9)
    truth = bed.measure(new, None).Y
    error = {}
    for name, ties in (("told", told), ("untold", untold)):
        fitted = surrogate.surrogate("logits").fit(bed.measure(X, ties))
        error[name] = float(np.sqrt(np.mean((fitted.predict(new).mean - truth) ** 2)))
    plain = float(np.sqrt(np.mean((truth - bed.measure(X, told).Y.mean(axis=0)) ** 2)))
    assert error["told"] < 0.8 * error["untold"] < 0.8 * plain, (error, plain)


def test_a_search_over_forty_finds_more_than_one_without_groups(bed: Bed) -> None:
    # The same number of trials for both, 49 of a design and 8 proposed; what the predicted fronts truly reach.
    ties = Ties(OWNER, bed.importance)
    anchors = surrogate.anchor_points(T, LOW[:T], HIGH[:T])
    grouped = tied_design(ties, D + 9, LOW, HIGH, ties.everywhere(anchors), 1)
    plain = surrogate.design(T, D + 9, LOW[:T], HIGH[:T], anchors, 1).X

    def seen(X: Array) -> Observations:
        if X.shape[1] == D:
            return bed.measure(X, ties)
        o = bed.measure(ties.everywhere(X), None)
        return replace(o, X=X, low=LOW[:T], high=HIGH[:T])

    reached = []
    for X in (grouped, plain):
        proposal = surrogate.propose(surrogate.surrogate("logits").fit(seen(X)), 8, 5).X
        assert proposal.shape == (8, X.shape[1]) and (proposal >= 0.0).all() and (proposal <= 1.0).all()
        fitted = surrogate.surrogate("logits").fit(seen(np.concatenate([X, proposal])))
        front = seen(surrogate.predicted_front(fitted).X).for_search().Y
        reached.append(surrogate.hypervolume(front, np.full(T, 0.3)))
        if X.shape[1] == D:
            assert (np.ptp(proposal.reshape(8, T, G), axis=2) > 0).any(), "every proposal has equal groups"
    assert reached[0] > 1.01 * reached[1], reached


def test_points_are_tied_and_spread_by_importance() -> None:
    ties = Ties(np.repeat(np.arange(2), 2), np.array([2.0, 0.1, 1.0, 0.0]))
    X = tied_points(ties, 90, np.zeros(4), np.ones(4), 0)
    assert (np.ptp(X[::3].reshape(-1, 2, 2), axis=2) == 0).all()
    middle = tied_points(ties, 1, np.zeros(4), np.ones(4), 0, (0.0,))[0]
    away = np.abs(X[2::3] - ties.everywhere(X[2::3][:, [1, 3]]))
    assert away[:, 0].mean() > 3 * away[:, 1].mean() and middle[0] == middle[1]


@pytest.mark.parametrize(
    ("owner", "importance", "said"),
    [
        ([1, 1], [1.0, 1.0], "do not count up from 0"),
        ([0, 2], [1.0, 1.0], "do not count up from 0"),
        ([0, 0], [1.0], "must be 2 importances"),
        ([0, 0], [1.0, -1.0], "must be 2 importances"),
    ],
)
def test_wrong_ties_are_refused(owner: list[int], importance: list[float], said: str) -> None:
    with pytest.raises(SurrogateError, match=said):
        Ties(np.array(owner), np.array(importance))
