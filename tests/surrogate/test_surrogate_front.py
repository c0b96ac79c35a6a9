"""Fronts and hypervolumes against closed forms, and the laws they obey."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from surrogate import SurrogateError, even_subset, hypervolume, knee, non_dominated, normalised, reference_point
from surrogate.front import directions, greedy_subset, polar_heights

METRICS = st.integers(2, 4)


def sets(m: int) -> st.SearchStrategy[np.ndarray]:
    # Values on a coarse lattice make ties and duplicates common.
    return st.integers(1, 12).flatmap(lambda k: arrays(float, (k, m), elements=st.integers(0, 8).map(lambda v: v / 8)))


def by_definition(Y: np.ndarray) -> np.ndarray:
    return np.array([not any((b >= a).all() and (b > a).any() for b in Y) for a in Y])


@given(METRICS.flatmap(sets))
@settings(max_examples=60, deadline=None)
def test_non_dominated_is_the_definition(Y: np.ndarray) -> None:
    np.testing.assert_array_equal(non_dominated(Y), by_definition(Y))


@given(METRICS.flatmap(sets), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_a_dominated_point_changes_nothing(Y: np.ndarray, pick: int) -> None:
    reference = np.full(Y.shape[1], -0.5)
    more = np.concatenate([Y, Y[[pick % len(Y)]] - 0.1])
    assert hypervolume(more, reference) == pytest.approx(hypervolume(Y, reference), rel=1e-12)
    np.testing.assert_array_equal(non_dominated(more)[:-1], non_dominated(Y))
    assert not non_dominated(more)[-1]


@given(METRICS.flatmap(sets), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_permutation_and_growth(Y: np.ndarray, random: object) -> None:
    order = np.random.default_rng(len(Y)).permutation(len(Y))
    reference = np.full(Y.shape[1], -0.1)
    assert hypervolume(Y[order], reference) == pytest.approx(hypervolume(Y, reference), rel=1e-12)
    np.testing.assert_array_equal(non_dominated(Y[order]), non_dominated(Y)[order])
    assert hypervolume(Y[:1], reference) <= hypervolume(Y, reference) + 1e-12
    assert hypervolume(Y, reference) <= hypervolume(Y, reference - 0.1)


@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_staircase_has_its_closed_form(n: int) -> None:
    # Points (i, n - i + 1), i = 1..n, against (0, 0): n + (n - 1) + ... + 1 unit squares.
    i = np.arange(1, n + 1, dtype=float)
    assert hypervolume(np.stack([i, n + 1 - i], axis=1), np.zeros(2)) == n * (n + 1) / 2


@pytest.mark.parametrize("m", [1, 3, 6, 8])
def test_boxes_have_their_closed_form(m: int) -> None:
    # One box, and two boxes of sides (2, 1, ..) and (1, 2, ..): 2 + 2 - 1.
    assert hypervolume(np.full((1, m), 2.0), np.zeros(m)) == pytest.approx(2.0**m)
    if m > 1:
        two = np.ones((2, m))
        two[0, 0] = two[1, 1] = 2.0
        assert hypervolume(two, np.zeros(m)) == pytest.approx(3.0)


def test_many_points_of_eight_metrics_are_approximated_closely() -> None:
    # The exact value of 50 points checks the polar form that the greedy choice uses.
    Y = directions(8, 256, seed=1)
    exact = hypervolume(Y[:50], np.zeros(8))
    assert exact <= hypervolume(Y, np.zeros(8)) * 1.01
    heights = polar_heights(Y[:50], np.zeros(8), directions(8, 65536))
    ratio = exact / heights.max(axis=0).mean()
    unit = 1.0 / polar_heights(np.ones((1, 8)), np.zeros(8), directions(8, 65536)).max(axis=0).mean()
    assert ratio == pytest.approx(unit, rel=0.02)


def test_points_below_the_reference_do_not_count() -> None:
    assert hypervolume(np.array([[1.0, -1.0]]), np.zeros(2)) == 0.0
    assert hypervolume(np.empty((0, 2)), np.zeros(2)) == 0.0


def test_reference_is_nadir_minus_a_tenth_and_flat_metrics_do_not_touch() -> None:
    Y = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    np.testing.assert_allclose(reference_point(Y), [-0.1, -0.1])
    flat = np.array([[1.0, 0.5], [0.0, 0.5]])
    assert (reference_point(flat) < [1.0, 0.5]).all()
    alone = np.array([[0.7, 0.0, -2.0]])
    assert (reference_point(alone) < alone[0]).all() and hypervolume(alone, reference_point(alone)) > 0
    with pytest.raises(SurrogateError, match="at least one point"):
        reference_point(np.empty((0, 2)))


@pytest.mark.parametrize("m", [2, 3, 5])
def test_even_subset_keeps_the_ends_and_most_of_the_volume(m: int) -> None:
    Y = directions(m, 300, seed=2)
    at = even_subset(Y, 20)
    assert len(at) == len(set(at.tolist())) == 20
    assert set(np.argmax(Y, axis=0)) <= set(at.tolist())
    reference = reference_point(Y)
    # The exact greedy choice of 20 keeps .87 of the volume of this sphere for m = 3 and .63 for m = 5.
    assert hypervolume(Y[at], reference) > {2: 0.95, 3: 0.83, 5: 0.56}[m] * hypervolume(Y, reference)
    random = np.random.default_rng(0).choice(300, 20, replace=False)
    assert hypervolume(Y[at], reference) > hypervolume(Y[random], reference)


def test_even_subset_of_an_arc_is_even() -> None:
    angle = np.concatenate([np.linspace(0, 0.2, 400), np.linspace(0.2, np.pi / 2, 100)])
    Y = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    kept = np.sort(angle[even_subset(Y, 9, by="arc")])
    assert np.ptp(np.diff(kept)) < 0.1


def test_greedy_subset_finds_the_best_pair() -> None:
    heights = np.array([[1.0, 1.0, 0.0, 0.0], [0.9, 0.0, 0.9, 0.9], [0.0, 0.0, 0.0, 1.0]])
    picked, gain = greedy_subset(heights, 2)
    assert picked.tolist() == [1, 0]
    np.testing.assert_allclose(gain, [2.7 / 4, 1.1 / 4])
    assert greedy_subset(heights, 5, covered=np.ones(4))[1].sum() == 0.0


def test_knee_is_the_bend() -> None:
    x = np.linspace(0, 1, 51)
    sharp = np.stack([x, np.minimum(1.0, 4.0 * (1.0 - x))], axis=1)
    assert x[knee(sharp)] == pytest.approx(0.75, abs=0.03)
    ball = np.concatenate([directions(4, 200, seed=3) ** 2, np.full((1, 4), 0.6)])
    assert knee(ball) == 200
    assert knee(np.array([[1.0, 2.0]])) == 0


def test_normalised_runs_from_nadir_to_ideal() -> None:
    Y = np.array([[3.0, 1.0], [1.0, 2.0]])
    np.testing.assert_allclose(normalised(Y), [[1.0, 0.0], [0.0, 1.0]])


def test_not_a_number_is_refused() -> None:
    with pytest.raises(SurrogateError, match="Metric 1 of point 0 is nan"):
        non_dominated(np.array([[1.0, np.nan]]))
    with pytest.raises(SurrogateError, match="1 numbers for 2 metrics"):
        hypervolume(np.ones((1, 2)), np.zeros(1))
    with pytest.raises(SurrogateError, match="Unknown way"):
        even_subset(np.ones((1, 2)), 3, by="random")
