"""From a preference to coefficients: on the front, in equal steps, and never out of the box."""

from __future__ import annotations

import numpy as np
import pytest

import surrogate
from surrogate import SurrogateError, pareto_set
from surrogate.front import hypervolume, non_dominated
from surrogate.pareto_set import ParetoSet, _weights, lattice
from tests.surrogate.conftest import Bed


def made(bed: Bed, d: int, n: int) -> ParetoSet:
    low, high = np.zeros(d), np.ones(d)
    X = surrogate.design(d, n, low, high, surrogate.anchor_points(d, low, high), 0).X
    return pareto_set(surrogate.surrogate("logits").fit(bed.measure(X, soft=True)))


@pytest.fixture(scope="module")
def two(bed: Bed) -> ParetoSet:
    return made(bed, 2, 12)


@pytest.fixture(scope="module")
def three(bed: Bed) -> ParetoSet:
    return made(bed, 3, 16)


@pytest.mark.parametrize("which", ["two", "three"])
def test_equal_steps_are_equal_steps_along_the_front(which: str, request: pytest.FixtureRequest) -> None:
    found: ParetoSet = request.getfixturevalue(which)
    for name in found.names:
        Y = found.fitted.objective(found.path(name, 9))
        steps = np.linalg.norm(np.diff((Y - found.nadir) / (found.ideal - found.nadir), axis=0), axis=1)
        assert steps.min() > 0.75 * steps.max(), steps
        mine = Y[:, found.names.index(name)]
        assert (np.diff(mine) > -0.01).all() and mine[-1] > mine[0], "more of a task is more of it"


@pytest.mark.parametrize("which", ["two", "three"])
def test_the_nodes_are_the_front(which: str, request: pytest.FixtureRequest) -> None:
    found: ParetoSet = request.getfixturevalue(which)
    front = surrogate.predicted_front(found.fitted).search
    reference = found.nadir - 0.1 * (found.ideal - found.nadir)
    assert hypervolume(found.Y, reference) > 0.97 * hypervolume(front, reference)
    assert non_dominated(found.Y).mean() > 0.6
    for j in range(len(found.names)):
        end = found.fitted.objective(found.at(np.eye(len(found.names))[j]))[0, j]
        assert end > found.ideal[j] - 0.02 * (found.ideal[j] - found.nadir[j])
    o = found.fitted.observations
    assert (found.X >= o.low - 1e-9).all() and (found.X <= o.high + 1e-9).all()


def test_a_preference_is_interpolated_between_its_neighbours() -> None:
    for m, steps in ((2, 4), (3, 3), (4, 3)):
        P = lattice(m, steps)
        Q = np.random.default_rng(m).dirichlet(np.ones(m), 50)
        W = _weights(P, Q)
        np.testing.assert_allclose(W @ P, Q, atol=1e-9)
        assert (W >= 0).all() and np.allclose(W.sum(axis=1), 1.0) and ((W > 0).sum(axis=1) <= m).all()
        np.testing.assert_allclose(_weights(P, P), np.eye(len(P)), atol=1e-9)


def test_wrong_wishes_are_refused(two: ParetoSet) -> None:
    first = two.names[0]
    for wish, said in (({"x": 1.0}, "no metric"), ({first: -1.0}, "from 0"), ({first: 0.0}, "No metric")):
        with pytest.raises(SurrogateError, match=said):
            two.preference(wish)
    with pytest.raises(SurrogateError, match="no metric 'x'"):
        two.path("x", 5)
    with pytest.raises(SurrogateError, match="at least 2"):
        two.path(first, 1)
