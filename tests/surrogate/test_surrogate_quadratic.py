"""The quadratic recovers its own family and survives what MAP's published fit did not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit

from surrogate import Link, Observations, SurrogateError, design, link_for, quadratic, surrogate
from surrogate.quadratic import features, regress

Bed = Callable[..., Observations]
LINKS = [Link("logit", 0.1, 0.95), Link("identity"), Link("softplus", low=-1.0), Link("softplus", high=0.0)]


def own_family(d: int, link: Link, seed: int) -> tuple[Callable[[np.ndarray], np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    beta = 0.5 * rng.normal(size=(d + 1) * (d + 2) // 2)
    return (lambda X: link.inverse(features(X - 0.5) @ beta)), rng.random((200, d))


@pytest.mark.parametrize("d", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("link", LINKS, ids=lambda link: f"{link.kind}{link.high:g}")
def test_recovers_its_own_family_from_as_many_trials_as_coefficients(d: int, link: Link) -> None:
    truth, fresh = own_family(d, link, d)
    X = design(d, (d + 1) * (d + 2) // 2, np.zeros(d), np.ones(d), seed=1).X
    Y = truth(X)[:, None]
    o = Observations(X, Y, np.zeros_like(Y), np.zeros(d), np.ones(d), ("a",), (link,))
    np.testing.assert_allclose(surrogate("quadratic").fit(o).predict(fresh).mean[:, 0], truth(fresh), atol=1e-6)


@pytest.mark.parametrize("d", [2, 4, 6, 8])
def test_does_not_collapse_where_the_published_fit_does(d: int) -> None:
    # MAP's code starts its sigmoid from all ones and stays saturated: R2 < 0.5 in 96-100 % of fits from 4 experts on.
    link = Link("logit", 0.0, 1.0)
    rng = np.random.default_rng(d)
    centres = 0.25 + 0.5 * np.eye(d)
    X = design(d, (d + 1) * (d + 2), np.zeros(d), np.ones(d), seed=2, kind="sobol").X

    def truth(points: np.ndarray) -> np.ndarray:
        return np.stack([expit(2.5 - 4.0 * ((points - c) ** 2).sum(axis=1)) for c in centres], axis=1)

    Y = rng.binomial(2000, truth(X)) / 2000
    o = Observations(X, Y, Y * (1 - Y) / 2000 + 1e-6, np.zeros(d), np.ones(d), tuple("abcdefgh"[:d]), (link,) * d)
    fresh = rng.random((400, d))
    error = ((surrogate("quadratic").fit(o).predict(fresh).mean - truth(fresh)) ** 2).mean(axis=0)
    assert (1.0 - error / truth(fresh).var(axis=0) > 0.9).all()


def test_accuracies_of_exactly_zero_and_one_do_not_collapse_it() -> None:
    X = design(2, 14, np.zeros(2), np.ones(2), seed=0).X
    share = expit(14.0 * (X[:, 0] - 0.5))
    Y = np.round(share * 50)[:, None] / 50
    assert {0.0, 1.0} <= set(Y[:, 0])
    for noise in (Y * (1 - Y) / 50, np.maximum(Y * (1 - Y), 0.02) / 50, np.zeros_like(Y)):
        o = Observations(X, Y, noise, np.zeros(2), np.ones(2), ("a",), (Link("logit", 0.0, 1.0),))
        fitted = surrogate("quadratic").fit(o)
        fresh = np.random.default_rng(1).random((200, 2))
        p = fitted.predict(fresh)
        assert np.isfinite(p.high).all() and np.isfinite(fitted.loo().rmse).all()
        assert np.abs(p.mean[:, 0] - expit(14.0 * (fresh[:, 0] - 0.5))).mean() < 0.12


def test_below_the_full_size_it_is_diagonal_and_below_that_refused() -> None:
    d = 4
    X = design(d, 9, np.zeros(d), np.ones(d), seed=0).X
    Y = expit(X.sum(axis=1))[:, None]
    o = Observations(X, Y, np.full_like(Y, 1e-4), np.zeros(d), np.ones(d), ("a",), (Link("logit", 0.0, 1.0),))
    assert surrogate("quadratic").fit(o).predict(X).mean.shape == (9, 1)
    with pytest.raises(SurrogateError, match="d = 4 coefficients needs at least 9 done trials; there are 8"):
        surrogate("quadratic").fit(o.rows(range(8)))


def test_closed_form_leave_one_out_is_leaving_one_out() -> None:
    rng = np.random.default_rng(0)
    v = rng.random((12, 2)) - 0.5
    y = expit(v @ [2.0, -1.0] + 0.2 * rng.normal(size=12))
    noise = np.full(12, 1e-3)
    link = Link("logit", 0.0, 1.0)
    whole = regress(v, y, noise, link)
    left_out, _ = whole.left_out()
    for i in range(12):
        keep = np.arange(12) != i
        part = quadratic._ridge(
            v[keep], whole.z[keep], whole.variance[keep], whole.diagonal, whole.tau, link, whole.noise_ratio
        )
        assert part.mean(v[[i]])[0] == pytest.approx(left_out[i], abs=1e-9)


def test_intervals_cover_new_measurements() -> None:
    rng = np.random.default_rng(3)
    covered = []
    for seed in range(12):
        truth, fresh = own_family(2, Link("logit", 0.0, 1.0), seed)
        X = design(2, 14, np.zeros(2), np.ones(2), seed=seed).X
        Y = (rng.binomial(300, truth(X)) / 300)[:, None]
        o = Observations(X, Y, Y * (1 - Y) / 300, np.zeros(2), np.ones(2), ("a",), (Link("logit", 0.0, 1.0),))
        p = surrogate("quadratic").fit(o).predict(fresh)
        new = rng.binomial(300, truth(fresh)) / 300
        covered.append(np.mean((new >= p.low[:, 0]) & (new <= p.high[:, 0])))
    assert 0.82 <= np.mean(covered) <= 0.98


@pytest.mark.parametrize("link", LINKS, ids=lambda link: f"{link.kind}{link.high:g}")
def test_links_go_there_and_back(link: Link) -> None:
    z = np.linspace(-4, 4, 9)
    y = link.inverse(z)
    np.testing.assert_allclose(link.forward(y, 1e-9), z, atol=1e-6)
    step = 1e-6
    np.testing.assert_allclose(link.slope(z), np.abs(link.inverse(z + step) - y) / step, rtol=1e-4)
    assert (np.diff(y) > 0).all() == link.ascending()


def test_a_metric_gets_its_link_from_its_range() -> None:
    assert link_for(0, 1).kind == "logit"
    assert link_for(-np.inf, 0).kind == link_for(0, np.inf).kind == "softplus"
    assert link_for(-np.inf, np.inf).kind == "identity"
    for bad in (("logit", 0.0, np.inf), ("softplus", 0.0, 1.0), ("probit", 0.0, 1.0), ("logit", 1.0, 0.0)):
        with pytest.raises(SurrogateError):
            Link(*bad)  # type: ignore[arg-type]
