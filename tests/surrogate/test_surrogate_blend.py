"""Each sample its own lengths: shares, closed forms, and that they find the samples that bend otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surrogate.blend import FACTORS, FEW, VARIED, Blend, alone, blend, variants
from surrogate.kernel import LENGTH, Kernel, Posterior

COMMON = Kernel(np.array([1.0, 1.0]), 0.5, 1e-5, 5.0)


def drawn(kernel: Kernel, U: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Samples of one output each from the process of a kernel, (len(U), 1, count)."""
    K = kernel.between(U, U) + 1e-9 * np.eye(len(U))
    z = np.random.default_rng(seed).standard_normal((len(U), count))
    return np.asarray((np.linalg.cholesky(K) @ z)[:, None], dtype=np.float32)


def reach(kernel: Kernel, i: int) -> float:
    """How far one must go along a coefficient for a distance of 1."""
    step = np.eye(len(kernel.lengths))[[i]]
    return float(1.0 / np.linalg.norm(kernel.scaled(step)))


@pytest.fixture(scope="module")
def places() -> np.ndarray:
    return np.random.default_rng(3).random((74, 2))


@pytest.fixture(scope="module")
def mixed(places: np.ndarray) -> np.ndarray:
    """60 samples that bend along the first coefficient, then 60 along the second: at 14 trials and 60 other places."""
    own = [
        drawn(replace(COMMON, lengths=np.array(at)), places, 60, seed) for seed, at in enumerate(([0.5, 2], [2, 0.5]))
    ]
    return np.concatenate(own, axis=2)


def test_samples_find_their_own_lengths_and_are_predicted_better(places: np.ndarray, mixed: np.ndarray) -> None:
    posterior, R, truth = Posterior(COMMON, places[:14]), mixed[:14], mixed[14:]
    found = blend(posterior, R)
    assert len(found.posteriors) == 1 + 4 * len(FACTORS)
    kernels = [p.kernel for p in found.posteriors]
    shorter = [[reach(kernel, i) < 0.9 for kernel in kernels] for i in (0, 1)]
    first, second = (found.shares[np.array(rows)].sum(axis=0) for rows in shorter)
    assert first[:60].mean() > 4 * first[60:].mean()
    assert second[60:].mean() > 4 * second[:60].mean()
    wrong = [np.mean((b.residuals(places[14:])[0] - truth) ** 2) for b in (found, alone(posterior, R))]
    assert wrong[0] < 0.85 * wrong[1]


def test_left_out_is_what_the_other_trials_miss(places: np.ndarray, mixed: np.ndarray) -> None:
    U, R = places[:14], mixed[:14]
    found = blend(Posterior(COMMON, U), R)
    for b in (0, 5, 13):
        rest = np.delete(np.arange(14), b)
        others = Blend(tuple(Posterior(p.kernel, U[rest]) for p in found.posteriors), found.shares, R[rest])
        expected = R[b] - others.residuals(U[[b]])[0][0]
        np.testing.assert_allclose(found.left_out()[b], expected, atol=2e-3)


def test_one_process_is_kriging_as_the_books_have_it(places: np.ndarray, mixed: np.ndarray) -> None:
    posterior, R = Posterior(COMMON, places[:14]), mixed[:14]
    predicted, sd = alone(posterior, R).residuals(places)
    K = COMMON.between(places[:14], places[:14]) + COMMON.nugget * np.eye(14)
    cross = COMMON.between(places, places[:14])
    np.testing.assert_allclose(predicted[:, 0], cross @ np.linalg.solve(K, R[:, 0]), atol=1e-3)
    rest = COMMON.own(places) - np.einsum("ij,ji->i", cross, np.linalg.solve(K, cross.T))
    np.testing.assert_allclose(sd, np.sqrt(np.maximum(rest, 0.0)), atol=1e-4)
    mixed_alike = blend(posterior, R)
    one_by_one = np.concatenate([mixed_alike.residuals(u[None])[0] for u in places])
    np.testing.assert_allclose(mixed_alike.residuals(places)[0], one_by_one, atol=1e-3)
    np.testing.assert_array_equal(blend(posterior, R).residuals(places)[1], sd)


def test_few_points_and_many_are_predicted_alike(places: np.ndarray, mixed: np.ndarray) -> None:
    found = blend(Posterior(COMMON, places[:14]), mixed[:14])
    many, sd = found.residuals(places)
    for count in (1, FEW, FEW + 1):
        few, own = found.residuals(places[-count:])
        np.testing.assert_allclose(few, many[-count:], rtol=1e-5, atol=2e-5)
        np.testing.assert_allclose(own, sd[-count:], atol=1e-7)
    assert found.residuals(places[:0])[0].shape == (0, 1, 120)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(0, 10_000))
def test_shares_add_up_and_trials_are_reproduced(d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    kernel = Kernel(np.exp(rng.uniform(*np.log(LENGTH), d)), 1.0, 1e-7, 2.0)
    U = rng.random((d + 3, d))
    R = np.sin(U @ rng.standard_normal((d, 12))).reshape(-1, 3, 4).astype(np.float32)
    R[:, :, 0] = 0.0  # a sample that nothing moves
    found = blend(Posterior(kernel, U), R)
    axes = min(d, VARIED)
    assert len(found.posteriors) == 1 + len(FACTORS) * axes**2
    np.testing.assert_allclose(found.shares.sum(axis=0), 1.0, atol=1e-5)
    assert {round(reach(k, i) / kernel.lengths[i], 6) for k in variants(kernel) for i in range(d)} >= set(FACTORS)
    np.testing.assert_allclose(found.residuals(U)[0], R, atol=0.02)


def test_lines_have_no_lengths_to_vary(places: np.ndarray, mixed: np.ndarray) -> None:
    found = blend(Posterior(Kernel(np.empty(0), 1.0, 1e-2), places[:14]), mixed[:14])
    assert len(found.posteriors) == 1 and (found.shares == 1.0).all()
