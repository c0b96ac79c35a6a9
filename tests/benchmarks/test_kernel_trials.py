"""Trying other kernels: the present one, learned by automatic derivatives, is the product's own."""

import numpy as np
import pytest

from benchmarks.kernel_trials import FORMS, VARIANTS, fitted, learned
from benchmarks.quality.bed import bed
from benchmarks.quality.budgets import designed
from benchmarks.quality.summary import BLENDED
from benchmarks.quality.synthetic import synthetic_pool
from surrogate import surrogate
from surrogate.kernel import Kernel, learn


@pytest.fixture(scope="module")
def trials():
    rng = np.random.default_rng(4)
    U = rng.random((14, 3))
    K = Kernel(np.array([0.5, 1.0, 2.0]), 0.7, 1e-4, 2.0).between(U, U) + 1e-4 * np.eye(14)
    R = np.linalg.cholesky(K) @ rng.standard_normal((14, 400))
    return U, R


def test_present_kernel_learned_by_automatic_derivatives_is_what_the_product_learns(trials):
    U, R = trials
    ours = learn(U, R @ R.T)
    theirs = learned("used", "likelihood", U, R)
    assert theirs.lengths == pytest.approx(ours.lengths, rel=2e-2)
    at = np.random.default_rng(5).random((20, 3))
    assert theirs.between(at, U) == pytest.approx(ours.between(at, U), rel=2e-2)
    assert theirs.own(at) == pytest.approx(np.diag(theirs.between(at, at)))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_a_kernel(trials, form):
    U, R = trials
    found = learned(form, "likelihood", U, R[:, :40])
    K = found.between(U, U)
    assert pytest.approx(K.T) == K and np.linalg.eigvalsh(K).min() > -1e-8 * np.trace(K)


def test_with_the_present_kernel_predictions_are_the_product_s():
    one = bed(synthetic_pool(2, 9, samples=60))
    rows = designed(one, 10, 0)
    mine = fitted(one, rows, "used", BLENDED, 0).predict(one.X).mean
    theirs = surrogate("logits").fit(one.observations(rows, search="soft"), 0).predict(one.X).mean
    assert mine == pytest.approx(theirs, abs=5e-3)
    assert len(VARIANTS) == len(set(VARIANTS)) > len(FORMS)
