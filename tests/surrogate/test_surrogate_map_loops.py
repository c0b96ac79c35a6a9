"""Bayesian and nested MAP: the loops of the paper without the faults of its code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from surrogate import Observations, SurrogateError, propose, surrogate
from surrogate.bayesian_map import angles, bin_count, bin_of, bin_scores, direction, propose_by_bins
from surrogate.nested import Node, nested, pair_up

Observe = Callable[..., Observations]


@pytest.mark.parametrize("d", [2, 3, 6])
def test_angles_and_directions_are_inverse(d: int) -> None:
    u = np.random.default_rng(0).random((50, d))
    np.testing.assert_allclose(direction(angles(u)), u / np.linalg.norm(u, axis=1, keepdims=True), atol=1e-12)


def test_every_anchor_is_in_a_bin_and_edges_are_closed() -> None:
    # The published bins are half open: one-hot points, at pi/2, are in none.
    member = bin_of(angles(np.concatenate([np.eye(3), np.zeros((1, 3)), np.ones((1, 3))])), bin_count(3))
    assert (member >= 0).all() and (member < 16).all()


def test_bad_and_empty_bins_are_explored_first() -> None:
    member = np.repeat([0, 1], 10)
    error = np.where(member == 0, 1e-6, 1e-2) * np.linspace(0.5, 1.5, 20)
    score = bin_scores(member, error, 4, np.random.default_rng(0))
    np.testing.assert_allclose(score[1:], 1.0)
    assert score[0] < 0.01


@pytest.mark.parametrize("d", [1, 2, 5])
def test_bins_propose_inside_the_box_with_a_seed(d: int, smooth: Observe) -> None:
    fitted = surrogate("quadratic").fit(smooth(d, 14))
    X = propose_by_bins(fitted, 40, seed=1)
    assert X.shape == (40, d) and (X >= 0).all() and (X <= 1).all()
    np.testing.assert_array_equal(X, propose_by_bins(fitted, 40, seed=1))
    assert X.max() > 0.8
    with pytest.raises(SurrogateError, match="At least 1 point"):
        propose_by_bins(fitted, 0)


def test_trees_are_balanced_and_pair_what_agrees() -> None:
    agree = np.kron(np.eye(4), np.ones((2, 2)))
    tree = pair_up(1.0 - agree)
    pairs = [child for half in tree.children for child in half.children]
    assert sorted(p.leaves for p in pairs) == [(0, 1), (2, 3), (4, 5), (6, 7)]
    odd = pair_up(np.ones((5, 5)))
    assert sorted(odd.leaves) == [0, 1, 2, 3, 4]
    assert pair_up(np.zeros((1, 1))) == Node((0,))
    with pytest.raises(SurrogateError, match="shape"):
        pair_up(np.zeros((2, 3)))


@pytest.mark.parametrize("name", ["quadratic", "logits"])
def test_nested_merging_beats_the_average(bed: Any, name: str) -> None:
    tree = pair_up(np.ones((4, 4)))
    found = nested(tree, lambda X: bed.measure(X, soft=True), surrogate(name), [1.0] * 4, trials=10)
    assert found.trials is not None
    assert len(found.levels) == 3 and found.trials.X.shape == (30, 4) and found.coefficients.shape == (4,)
    ours, average, base = bed.measure(np.stack([found.coefficients, np.full(4, 0.25), np.zeros(4)])).Y.min(axis=1)
    assert ours > max(average, base)
    with pytest.raises(SurrogateError, match="3 weights were given for 4 experts"):
        nested(tree, bed.measure, surrogate(name), [1.0] * 3)


def test_another_preference_costs_no_measurement(bed: Any) -> None:
    asked: list[int] = []

    def measure(X: np.ndarray) -> Observations:
        asked.append(len(X))
        measured: Observations = bed.measure(X, soft=True)
        return measured

    found = nested(pair_up(np.ones((4, 4))), measure, surrogate("logits"), [1.0] * 4, trials=10)
    spent = sum(asked)
    same, first = (found.prefer(surrogate("logits"), w) for w in ([1.0] * 4, [1.0, 0.05, 0.05, 0.05]))
    assert sum(asked) == spent == 30
    equal, again, mine = bed.measure(np.stack([found.coefficients, same, first])).Y
    assert again.min() > equal.min() - 0.05
    assert mine[0] > equal[0] + 0.02
    with pytest.raises(SurrogateError, match="2 weights were given for 4 experts"):
        found.prefer(surrogate("logits"), [1.0, 1.0])


def test_bayesian_map_proposes_by_its_bins(smooth: Observe) -> None:
    fitted = surrogate("bayesian-map").fit(smooth(3, 14))
    np.testing.assert_array_equal(propose(fitted, 3, seed=5).X, propose_by_bins(fitted, 3, seed=5))
