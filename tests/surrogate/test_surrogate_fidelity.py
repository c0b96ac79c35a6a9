"""Trials on part of the samples are completed exactly where they are mixes of whole ones, and the error is measured."""

import numpy as np
import pytest

from evaluation.metric import metric
from surrogate import SurrogateError
from surrogate.fidelity import complete


def whole_and_partial(bend: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outputs of eight whole trials and three others, linear in two coefficients but for ``bend``; all (n, 40, 4)."""
    rng = np.random.default_rng(5)
    U = rng.uniform(size=(11, 2))
    fields = rng.standard_normal((3, 40, 4))
    curve = rng.standard_normal((40, 4))
    outputs = fields[0] + np.einsum("nd,dsc->nsc", U, fields[1:]) + bend * (U**2).sum(axis=1)[:, None, None] * curve
    return outputs[:8].astype(np.float32), outputs[8:].astype(np.float32), rng.integers(4, size=40)


def test_a_mix_of_whole_trials_is_completed_exactly() -> None:
    whole, others, targets = whole_and_partial(0.0)
    found = complete(whole, others[:, :10])
    assert np.array_equal(found.outputs[:, :10], others[:, :10])
    assert found.outputs == pytest.approx(others, abs=1e-3)
    assert found.left_out == pytest.approx(whole, abs=1e-3)
    assert found.error(metric("nll").function, whole, targets) < 1e-3


def test_the_error_by_leave_one_out_tells_the_error() -> None:
    """With curvature that two whole trials fewer cannot tell, both errors grow together."""
    whole, others, targets = whole_and_partial(3.0)
    nll = metric("nll").function
    few = complete(whole[:4], others[:, :10])
    many = complete(whole, others[:, :10])
    real = [float(np.sqrt(np.mean((nll(one.outputs, targets) - nll(others, targets)) ** 2))) for one in (few, many)]
    told = [one.error(nll, part, targets) for one, part in ((few, whole[:4]), (many, whole))]
    assert real[1] < real[0] and told[1] < told[0]


def test_seeing_everything_leaves_nothing_to_fill() -> None:
    whole, others, _ = whole_and_partial(1.0)
    assert np.array_equal(complete(whole, others).outputs, others)


def test_what_cannot_be_completed_is_refused() -> None:
    whole, others, _ = whole_and_partial(0.0)
    with pytest.raises(SurrogateError, match="need 2 on all of them, there is 1"):
        complete(whole[:1], others[:, :10])
    with pytest.raises(SurrogateError, match=r"\(41, 4\) are no part"):
        complete(whole, np.zeros((1, 41, 4), np.float32))
