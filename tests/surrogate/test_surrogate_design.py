"""Designs determine the quadratic, start with the anchors, and never lie on the simplex alone."""

from __future__ import annotations

import numpy as np
import pytest

from surrogate import SurrogateError, anchor_points, design
from surrogate.design import KINDS, scaled_simplex
from surrogate.kernel import Kernel, Posterior


@pytest.mark.parametrize("d", range(2, 11))
@pytest.mark.parametrize("kind", KINDS)
def test_rank_is_full_at_the_minimum_for_every_kind(d: int, kind: str) -> None:
    needed = (d + 1) * (d + 2) // 2
    for seed in (0, 1):
        made = design(d, needed, np.zeros(d), np.ones(d), seed=seed, kind=kind)
        assert (made.rank, made.needed) == (needed, needed)
        assert 1.0 < made.condition < 1e6
        assert made.X.shape == (needed, d)


@pytest.mark.parametrize("d", range(2, 11))
def test_the_published_corner_design_would_be_caught(d: int) -> None:
    # MAP's code samples {0,1}^d for 8 experts: squares equal the linear terms, rank 37 of 45 there.
    corners = np.array(np.meshgrid(*[[0.0, 1.0]] * d)).reshape(d, -1).T
    made = design(d, len(corners), np.zeros(d), np.ones(d), anchors=corners)
    needed = (d + 1) * (d + 2) // 2
    assert made.rank == needed - d if len(corners) >= needed - d else made.rank < needed
    assert made.condition == np.inf
    if d == 8:
        assert (made.rank, made.needed) == (37, 45)


@pytest.mark.parametrize("d", [1, 2, 3, 4, 8, 20])
@pytest.mark.parametrize("n", [1, 3, 8, 30])
@pytest.mark.parametrize("kind", KINDS)
def test_inside_the_box_and_never_simplex_only(d: int, n: int, kind: str) -> None:
    low, high = np.full(d, -0.2), np.full(d, 1.3)
    made = design(d, n, low, high, seed=3, kind=kind)
    assert made.X.shape == (n, d)
    assert (made.X >= low).all() and (made.X <= high).all()
    on_simplex = np.eye(d)[: min(n, d)]
    stuck = design(d, len(on_simplex), low, high, anchors=on_simplex, kind=kind)
    if d > 1:
        assert not np.allclose(made.X.sum(axis=1), 1.0)
        assert not np.allclose(stuck.X.sum(axis=1), 1.0)


def test_anchors_come_first_each_once() -> None:
    anchors = anchor_points(2, np.zeros(2), np.ones(2), default=0.4)
    np.testing.assert_allclose(anchors, [[0, 0], [1, 0], [0, 1], [0.5, 0.5], [0.3, 0.3], [0.4, 0.4]])
    made = design(2, 9, np.zeros(2), np.ones(2), np.concatenate([anchors, anchors]), seed=1)
    np.testing.assert_array_equal(made.X[:6], anchors)
    np.testing.assert_array_equal(design(2, 4, np.zeros(2), np.ones(2), anchors).X, anchors[:4])
    # A third each and 0.3 each would be measured for the same answer.
    np.testing.assert_allclose(anchor_points(3, np.zeros(3), np.ones(3), default=1 / 3)[4:], np.full((1, 3), 1 / 3))
    assert len(anchor_points(2, np.full(2, 0.2), np.full(2, 0.45))) == 1


def test_same_seed_same_points_other_seed_others() -> None:
    a, b, c = (design(5, 20, np.zeros(5), np.ones(5), seed=s).X for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.allclose(a, c)


def test_scaled_simplex_is_where_many_experts_still_work() -> None:
    X = scaled_simplex(8, 2000, np.zeros(8), np.ones(8), seed=0)
    assert 0.5 < X.sum(axis=1).mean() < 3.0
    assert X.sum(axis=1).min() > 0.3 and X.sum(axis=1).max() < 4.4


def test_d_optimal_is_better_conditioned() -> None:
    low, high = np.zeros(3), np.ones(3)
    best, plain = (design(3, 14, low, high, seed=0, kind=kind).condition for kind in ("d-optimal", "sobol"))
    assert best < plain


@pytest.mark.parametrize("d", [2, 3])
def test_i_optimal_leaves_less_uncertain_than_sobol(d: int) -> None:
    low, high = np.full(d, -0.5), np.full(d, 1.5)
    kernel = Kernel(np.full(d, 0.8), 1.0, 1e-5, 2.0)
    # As sliders are: often at an end.
    places = np.clip(np.random.default_rng(0).uniform(-0.125, 1.125, (300, d)), 0.0, 1.0)

    def left(kind: str, seed: int) -> float:
        X = design(d, 4 * d + 4, low, high, seed=seed, kind=kind).X
        return float((Posterior(kernel, (X + 0.5) / 2.0).weights(places)[1] ** 2).mean())

    assert all(left("i-optimal", seed) < 0.85 * left("sobol", seed) for seed in (1, 2, 3))


def test_wrong_requests_are_refused() -> None:
    low, high = np.zeros(2), np.ones(2)
    with pytest.raises(SurrogateError, match="Unknown design 'grid'"):
        design(2, 5, low, high, kind="grid")
    with pytest.raises(SurrogateError, match=r"Anchor 1 \(2, 0\) lies outside"):
        design(2, 5, low, high, np.array([[0.0, 0.0], [2.0, 0.0]]))
    with pytest.raises(SurrogateError, match="at least 1 point"):
        design(2, 0, low, high)
    with pytest.raises(SurrogateError, match="Bounds of coefficient 1"):
        design(2, 5, low, np.array([1.0, 0.0]))
