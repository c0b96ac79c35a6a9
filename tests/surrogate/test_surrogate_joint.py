"""Metrics without outputs beside metrics with: each part is what it would be alone."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from surrogate import Link, Observations, SurrogateError, choose, predicted_front, propose, surrogate, usable
from surrogate.joint import FittedJoint, logits_of
from surrogate.quadratic import Quadratic

Observe = Callable[..., Observations]


def _mixed(smooth: Observe, n: int) -> Observations:
    """Two tasks with outputs, and between them a distance, −‖A (c + ½)‖, that has none."""
    o = smooth(2, n)
    A = np.array([[1.0, 0.4], [0.0, 0.7], [0.3, 0.3]])
    far = -np.linalg.norm((o.X + 0.5) @ A.T, axis=1)
    return replace(
        o,
        Y=np.stack([o.Y[:, 0], far, o.Y[:, 1]], axis=1),
        noise=np.stack([o.noise[:, 0], np.zeros(n), o.noise[:, 1]], axis=1),
        names=(o.names[0], "far", o.names[1]),
        links=(o.links[0], Link("square", -np.inf, 0.0), o.links[1]),
        outputs=(o.outputs[0], None, o.outputs[1]),
        targets=(o.targets[0], None, o.targets[1]),
        metrics=(o.metrics[0], None, o.metrics[1]),
        search=(o.search[0], None, o.search[1]),
    )


def test_each_part_is_what_it_would_be_alone(smooth: Observe) -> None:
    o = _mixed(smooth, 12)
    model = surrogate("logits").fit(o, 3)
    assert isinstance(model, FittedJoint) and model.without == (1,)
    alone, rest = surrogate("logits").fit(o.only([0, 2]), 3), Quadratic().fit(o.only([1]), 3)
    X = np.array([[0.2, 0.9], [0.6, 0.1]])
    for part in ("mean", "std", "low", "high"):
        found = getattr(model.predict(X), part)
        assert (found[:, [0, 2]] == getattr(alone.predict(X), part)).all()
        assert (found[:, [1]] == getattr(rest.predict(X), part)).all()
    assert (model.draws(X, 8)[..., [0, 2]] == alone.draws(X, 8)).all()
    assert model.loo().rmse.shape == (3,) and logits_of(model).observations.names == (o.names[0], o.names[2])


def test_a_distance_is_predicted_exactly_through_its_square(smooth: Observe) -> None:
    o = _mixed(smooth, 12)
    model = choose(o)
    assert model.loo().rmse[1] < 1e-5
    front = predicted_front(model, points=10)
    assert (front.prediction.high[:, 1] <= 0).all() and len(propose(model, 2).X) == 2


def test_it_waits_for_the_trials_that_the_part_without_outputs_needs(smooth: Observe) -> None:
    assert usable(_mixed(smooth, 4)) == () and "logits" in usable(_mixed(smooth, 5))
    with pytest.raises(SurrogateError, match="Single answers"):
        logits_of(Quadratic().fit(_mixed(smooth, 8)))


@pytest.mark.parametrize("bounds", [(0.0, np.inf), (-np.inf, 0.0)])
def test_the_square_goes_there_and_back(bounds: tuple[float, float]) -> None:
    link = Link("square", *bounds)
    y = np.array([0.0, 0.2, 3.0]) * (1 if np.isinf(bounds[1]) else -1)
    z = link.forward(y, 0.0)
    assert link.inverse(z) == pytest.approx(y) and (np.diff(z) > 0).all()
    assert link.ascending() == bool(np.isinf(bounds[1])) and np.isfinite(link.slope(z)).all()
    assert link.slope(z)[1:] == pytest.approx(0.5 / np.abs(y[1:]))
