"""Bayesian optimisation of one costly number."""

import numpy as np
import pytest

from surrogate import SurrogateError, maximise

LOW, HIGH = np.full(3, -3.0), np.full(3, 2.0)
TOP = np.array([-1.0, 0.5, 1.5])


def hill(point: np.ndarray) -> float:
    return float(np.exp(-((point - TOP) ** 2).sum() / 4.0))


def test_it_climbs_further_than_as_many_random_looks_and_again_the_same() -> None:
    found = maximise(hill, LOW, HIGH, np.zeros(3), 20, seed=4)
    assert found.X.shape == (20, 3) and (found.X >= LOW).all() and (found.X <= HIGH).all()
    assert found.X[0].tolist() == [0.0, 0.0, 0.0] and found.values[0] == hill(np.zeros(3))
    random = LOW + (HIGH - LOW) * np.random.default_rng(4).random((20, 3))
    assert found.values[found.best] > 0.95 > max(hill(point) for point in random)
    again = maximise(hill, LOW, HIGH, np.zeros(3), 8, seed=4)
    np.testing.assert_array_equal(again.X, found.X[:8])


def test_a_flat_number_and_wrong_wishes() -> None:
    flat = maximise(lambda point: 0.5, LOW, HIGH, np.zeros(3), 7)
    assert flat.best == 0 and len(np.unique(flat.X, axis=0)) == 7
    with pytest.raises(SurrogateError, match="At least 1 look"):
        maximise(hill, LOW, HIGH, np.zeros(3), 0)
    with pytest.raises(SurrogateError, match="outside the box"):
        maximise(hill, LOW, HIGH, np.full(3, 9.0), 3)
