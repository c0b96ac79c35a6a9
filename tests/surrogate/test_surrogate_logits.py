"""The logit surrogate on merged networks: exactness, honesty of its errors, metrics it was not fitted to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from evaluation.metric import metrics
from surrogate import FittedLogits, Observations, SurrogateError, design, link_for, surrogate
from surrogate.kernel import Kernel, Posterior, _loss, learn
from surrogate.logits import paired_normals

Bed = Any
Observe = Callable[..., Observations]


def starts(d: int, n: int, seed: int = 0) -> np.ndarray:
    return design(d, n, np.zeros(d), np.ones(d), seed=seed).X


def fresh(d: int, k: int = 120) -> np.ndarray:
    return np.random.default_rng(11).random((k, d))


def fit(o: Observations, name: str = "logits") -> FittedLogits:
    fitted = surrogate(name).fit(o)
    assert isinstance(fitted, FittedLogits)
    return fitted


def rmse(fitted: Any, truth: Observations) -> float:
    return float(np.sqrt(np.mean((fitted.predict(truth.X).mean - truth.Y) ** 2)))


@pytest.mark.parametrize(("d", "n", "factor"), [(2, 8, 3.0), (2, 12, 5.0), (2, 20, 8.0), (3, 12, 2.5), (3, 20, 4.0)])
def test_it_beats_the_quadratic_by_far(bed: Bed, d: int, n: int, factor: float) -> None:
    truth = bed.measure(fresh(d))
    o = bed.measure(starts(d, n))
    assert rmse(surrogate("quadratic").fit(o), truth) > factor * rmse(fit(o), truth)


def test_linear_logits_are_the_better_preview_of_few_trials(bed: Bed) -> None:
    truth = bed.measure(fresh(3))
    assert rmse(fit(bed.measure(starts(3, 6)), "linear-logits"), truth) < 0.15


@pytest.mark.parametrize("d", [2, 3])
def test_intervals_cover(bed: Bed, d: int) -> None:
    truth = bed.measure(fresh(d))
    inside = []
    for seed in range(3):
        for n in (8, 12, 20):
            p = fit(bed.measure(starts(d, n, seed))).predict(truth.X)
            inside.append(np.mean((truth.Y >= p.low - 1e-9) & (truth.Y <= p.high + 1e-9)))
    assert 0.85 <= np.mean(inside) <= 0.98


def test_measured_trials_are_reproduced(bed: Bed) -> None:
    o = bed.measure(starts(2, 10))
    fitted = fit(o)
    np.testing.assert_allclose(fitted.predict(o.X).mean, o.Y, atol=0.004)
    for predicted, seen in zip(fitted.outputs_at(o.X), o.outputs, strict=True):
        centred = seen - seen.mean(axis=2, keepdims=True)
        wrong = (predicted.argmax(axis=2) != seen.argmax(axis=2)).mean()
        assert wrong < 0.003 and predicted.shape == seen.shape
        assert np.abs(predicted - centred).mean() < 0.6


def test_predicted_outputs_name_the_pictures_that_flip(bed: Bed) -> None:
    fitted = fit(bed.measure(starts(2, 16)))
    X = fresh(2, 40)
    for predicted, true in zip(fitted.outputs_at(X), bed.outputs(X, 2), strict=True):
        assert (predicted.argmax(axis=2) == true.argmax(axis=2)).mean() > 0.99


def test_other_metrics_are_read_from_the_same_fit(bed: Bed) -> None:
    o = bed.measure(starts(2, 16), soft=True)
    fitted = fit(o)
    X = fresh(2, 40)
    for name, most in (("likelihood", 0.06), ("worst", 0.03), ("soft", 0.004)):
        truth = bed.measure(X, name=name)
        functions = [f for f in truth.metrics if f is not None]
        assert np.sqrt(np.mean((fitted.read(X, functions).mean - truth.Y) ** 2)) < most
    np.testing.assert_allclose(fitted.objective(X), bed.measure(X, name="soft").Y, atol=0.01)
    assert all(task.reading.margin for task in fitted.tasks)


def test_every_metric_of_the_program_is_read_from_the_same_fit(bed: Bed) -> None:
    o = bed.measure(starts(2, 16), soft=True)
    fitted = fit(o)
    X = fresh(2, 40)
    outputs, targets = bed.outputs(X, 2), bed.targets[:2]
    for name, one in metrics().items():
        truth = np.stack([one.function(o, t) for o, t in zip(outputs, targets, strict=True)], axis=1)
        read = fitted.read(X, (one.function,) * 2)
        assert 1 - np.mean((read.mean - truth) ** 2) / truth.var() > 0.95, name
        assert ((truth >= read.low - 0.02) & (truth <= read.high + 0.02)).mean() > 0.85, name


@pytest.mark.parametrize("name", ["likelihood", "worst"])
def test_metrics_that_need_every_class_can_be_fitted_too(bed: Bed, name: str) -> None:
    o = bed.measure(starts(2, 14), name=name)
    fitted = fit(o)
    assert not any(task.reading.margin for task in fitted.tasks)
    truth = bed.measure(fresh(2, 40), name=name)
    assert rmse(fitted, truth) < 0.25 * truth.Y.std()


def test_leave_one_out_tells_the_truth(bed: Bed) -> None:
    o = bed.measure(starts(2, 14))
    loo = fit(o).loo()
    refit = np.array([fit(o.rows([j for j in range(14) if j != i])).predict(o.X[[i]]).mean[0] for i in range(14)])
    assert loo.prediction.mean.shape == (14, 2)
    # Closed form keeps the hyper-parameters of the full fit; refitting changes them a little.
    assert np.abs(loo.prediction.mean - refit).mean() < 0.02
    assert (loo.coverage >= 0.8).all() and (loo.r2 > 0.95).all()


def test_saturated_accuracies_are_no_trouble(bed: Bed) -> None:
    o = bed.measure(starts(2, 12))
    easy = [np.flatnonzero((x.argmax(2) == t).mean(0) > 0.55)[:60] for x, t in zip(o.outputs, o.targets, strict=True)]
    outputs = tuple(x[:, rows] for x, rows in zip(o.outputs, easy, strict=True))
    targets = tuple(t[rows] for t, rows in zip(o.targets, easy, strict=True))
    Y = np.stack([(x.argmax(2) == t).mean(1) for x, t in zip(outputs, targets, strict=True)], axis=1)
    assert (Y == 1.0).any()
    fitted = fit(replace(o, Y=Y, outputs=outputs, targets=targets))
    np.testing.assert_allclose(fitted.predict(o.X).mean, Y, atol=0.02)


def test_regression_outputs_are_not_centred(smooth: Observe) -> None:
    X = starts(2, 12)
    truth = np.random.default_rng(0).normal(size=30)

    def closeness(outputs: Any, targets: Any) -> Any:
        return -((outputs[..., 0] - targets) ** 2).mean(-1)

    def made(X: np.ndarray) -> np.ndarray:
        return (truth + np.sin(2 * X[:, :1]) + X[:, 1:] ** 2)[:, :, None].astype(np.float32)

    Y = closeness(made(X), truth)[:, None]
    link = Observations(
        X, Y, Y * 0, np.zeros(2), np.ones(2), ("a",), (surrogate_link(),), (made(X),), (truth,), (closeness,)
    )
    fitted = fit(link)
    X = fresh(2)
    assert np.abs(fitted.predict(X).mean[:, 0] - closeness(made(X), truth)).mean() < 0.02


def surrogate_link() -> Any:
    from surrogate import link_for

    return link_for(-np.inf, 0.0)


def test_the_marginal_likelihood_has_its_gradient() -> None:
    rng = np.random.default_rng(0)
    U = rng.random((9, 2))
    R = rng.normal(size=(9, 40))
    square, lines, G = (U[:, None] - U[None]) ** 2, 1 + (U - 0.3) @ (U - 0.3).T, R @ R.T / np.trace(R @ R.T)
    theta = np.array([0.1, -0.4, 0.3, -5.0, 0.6])
    _, gradient = _loss(theta, square, lines, G)
    numeric = approx_fprime(theta, lambda t: _loss(t, square, lines, G)[0], 1e-6)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-3, atol=1e-4)


def test_leave_one_out_of_the_process_is_leaving_one_out() -> None:
    rng = np.random.default_rng(1)
    U = rng.random((8, 2))
    R = rng.normal(size=(8, 5))
    kernel = Kernel(np.array([0.6, 0.9]), 0.5, 1e-3)
    inverse = Posterior(kernel, U).inverse
    closed = R - (inverse @ R) / np.diag(inverse)[:, None]
    for b in range(8):
        keep = np.arange(8) != b
        part = Posterior(kernel, U[keep])
        w, sd = part.weights(U[[b]])
        np.testing.assert_allclose(w @ R[keep], closed[[b]], atol=1e-9)
        assert np.sqrt(sd[0] ** 2 + kernel.nugget) == pytest.approx(Posterior(kernel, U).loo_sd[b], rel=1e-6)


def test_learning_finds_the_length_scale_that_made_the_data() -> None:
    rng = np.random.default_rng(2)
    U = rng.random((40, 2))
    truth = Kernel(np.array([0.4, 3.0]), 0.3, 1e-5, 2.0)
    K = truth.between(U, U) + 1e-5 * np.eye(40)
    R = np.linalg.cholesky(K) @ rng.normal(size=(40, 600))
    found = learn(U, R @ R.T)
    assert found.lengths[0] == pytest.approx(0.4, rel=0.1) and found.lengths[1] > 1.5


def test_draws_come_in_pairs_of_opposite_sign() -> None:
    w = paired_normals(8, 5, seed=3)
    np.testing.assert_array_equal(w[::2], -w[1::2])


def test_too_many_draws_are_refused(smooth: Observe) -> None:
    fitted = fit(smooth(2, 8))
    with pytest.raises(SurrogateError, match="1000 posterior samples"):
        fitted.draws(fresh(2), 1000)
    with pytest.raises(SurrogateError, match="1 callables for 2 tasks"):
        fitted.read(fresh(2), [lambda o, t: o.mean((-1, -2))])


def test_tasks_of_two_and_of_five_classes_are_read_together() -> None:
    """A two-class task is read by margins and a five-class one by outputs; `read` once mixed the two up."""
    rng = np.random.default_rng(3)
    X = rng.random((9, 2))
    outputs = tuple(rng.normal(size=(1, 40, c)) + X[:, :1, None] * rng.normal(size=(1, 40, c)) for c in (2, 5))
    targets = (rng.integers(0, 2, 40), rng.integers(0, 5, 40))

    def share(logits: np.ndarray, truth: np.ndarray) -> np.ndarray:
        return np.asarray((logits.argmax(axis=-1) == truth).mean(axis=-1), dtype=np.float64)

    Y = np.stack([share(o, t) for o, t in zip(outputs, targets, strict=True)], axis=1)
    seen = Observations(
        X=X, Y=Y, noise=np.full_like(Y, 1e-4), low=np.zeros(2), high=np.ones(2), names=("two", "five"),
        links=(link_for(0.0, 1.0),) * 2, outputs=outputs, targets=targets, metrics=(share, share),
    )  # fmt: skip
    fitted = surrogate("logits").fit(seen)
    assert isinstance(fitted, FittedLogits)
    read = fitted.read(X, (share, share))
    assert read.mean.shape == (9, 2)
    assert np.abs(read.mean - Y).max() < 0.1
