"""What every surrogate must do, whichever it is. A new one is found by itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from surrogate import Observations, SurrogateError, choose, surrogate, surrogates, usable

Observe = Callable[..., Observations]
NAMES = tuple(surrogates())
FAST = tuple(name for name in NAMES if name != "gp")
every = pytest.mark.parametrize("name", NAMES)


def points(d: int) -> np.ndarray:
    return np.random.default_rng(9).random((7, d))


@every
def test_shapes_and_order_of_the_quantiles(name: str, smooth: Observe) -> None:
    fitted = surrogate(name).fit(smooth(2, 12))
    p = fitted.predict(points(2))
    assert p.mean.shape == p.std.shape == p.low.shape == p.high.shape == (7, 2)
    assert (p.std >= 0).all() and (p.low <= p.mean + 1e-9).all() and (p.mean <= p.high + 1e-9).all()
    assert (p.low >= 0).all() and (p.high <= 1).all()
    assert fitted.draws(points(2), 6).shape == (6, 7, 2)
    assert fitted.objective(points(2)).shape == (7, 2)
    assert fitted.trusted(points(2)).shape == (7,) and fitted.trusted(points(2)).dtype == bool
    assert fitted.name == name


@every
def test_row_order_is_irrelevant(name: str, smooth: Observe) -> None:
    o = smooth(2, 11)
    mixed = np.random.default_rng(3).permutation(o.n)
    first, second = surrogate(name).fit(o), surrogate(name).fit(o.rows(mixed))
    np.testing.assert_array_equal(first.predict(points(2)).mean, second.predict(points(2)).mean)
    np.testing.assert_array_equal(first.loo().prediction.mean[mixed], second.loo().prediction.mean)


@every
def test_same_seed_same_result(name: str, smooth: Observe) -> None:
    o = smooth(2, 10)
    a, b = surrogate(name).fit(o, seed=4), surrogate(name).fit(o, seed=4)
    for field in ("mean", "std", "low", "high"):
        np.testing.assert_array_equal(getattr(a.predict(points(2)), field), getattr(b.predict(points(2)), field))
    np.testing.assert_array_equal(a.draws(points(2), 4), b.draws(points(2), 4))


@every
@pytest.mark.parametrize("d", [1, 2, 5])
def test_too_few_trials_are_refused_with_both_numbers(name: str, d: int, smooth: Observe) -> None:
    least = surrogate(name).min_trials(d)
    with pytest.raises(SurrogateError, match=rf"at least {least} done trials; there are {least - 1}") as caught:
        surrogate(name).fit(smooth(d, least - 1))
    assert caught.value.cure
    assert np.isfinite(surrogate(name).fit(smooth(d, least)).predict(points(d)).mean).all()


@every
def test_a_constant_metric_survives(name: str, smooth: Observe) -> None:
    o = smooth(2, 10)
    flat = o.outputs[0]
    assert flat is not None
    outputs = (np.repeat(flat[:1], o.n, axis=0), o.outputs[1])
    Y = o.Y.copy()
    Y[:, 0] = Y[0, 0]
    o = replace(o, Y=Y, outputs=outputs)
    p = surrogate(name).fit(o).predict(points(2))
    np.testing.assert_allclose(p.mean[:, 0], Y[0, 0], atol=0.01)
    assert np.isfinite(p.high).all() and np.isfinite(surrogate(name).fit(o).loo().r2).all()


@every
def test_two_equal_trials(name: str, smooth: Observe) -> None:
    o = smooth(2, 9)
    twice = o.rows([*range(9), 4])
    once = surrogate(name).fit(o).predict(points(2)).mean
    fitted = surrogate(name).fit(twice)
    assert np.abs(fitted.predict(points(2)).mean - once).max() < 0.08
    assert fitted.loo().prediction.mean.shape == (10, 2)


def test_leaving_a_trial_out_leaves_nothing_of_it(smooth: Observe) -> None:
    o = smooth(2, 12, soft=True)
    kept = [i for i in range(12) if i != 5]
    left = o.rows(kept)
    for name in ("X", "Y", "noise"):
        np.testing.assert_array_equal(getattr(left, name), np.delete(getattr(o, name), 5, axis=0))
    for few, all_of_them in zip(left.outputs, o.outputs, strict=True):
        assert few is not None and all_of_them is not None
        np.testing.assert_array_equal(few, np.delete(all_of_them, 5, axis=0))
    assert (left.n, left.search, left.names, left.links) == (11, o.search, o.names, o.links)
    assert all(np.array_equal(one, other) for one, other in zip(left.targets, o.targets, strict=True))


@every
def test_one_expert(name: str, smooth: Observe) -> None:
    fitted = surrogate(name).fit(smooth(1, 8))
    assert fitted.predict(np.array([[0.0], [0.5], [1.0]])).mean.shape == (3, 1)


@pytest.mark.parametrize("name", FAST)
def test_twenty_experts(name: str, smooth: Observe) -> None:
    o = smooth(20, 45)
    p = surrogate(name).fit(o).predict(points(20))
    assert p.mean.shape == (7, 20) and np.isfinite(p.mean).all()


@every
def test_points_of_another_length_are_refused(name: str, smooth: Observe) -> None:
    fitted = surrogate(name).fit(smooth(2, 9))
    with pytest.raises(SurrogateError, match="d = 2"):
        fitted.predict(np.zeros((1, 3)))
    with pytest.raises(SurrogateError, match="point 0"):
        fitted.predict(np.array([[0.1, np.nan]]))


@every
def test_it_searches_on_what_the_search_maximises(name: str, smooth: Observe) -> None:
    fitted = surrogate(name).fit(smooth(2, 14, soft=True))
    truth = fitted.observations.for_search().Y
    near = np.abs(fitted.objective(fitted.observations.X) - truth).mean()
    far = np.abs(fitted.objective(fitted.observations.X) - fitted.observations.Y).mean()
    assert near < far


def test_not_a_number_is_refused_by_name(smooth: Observe) -> None:
    o = smooth(2, 8)
    Y = o.Y.copy()
    Y[3, 1] = np.nan
    with pytest.raises(SurrogateError, match="'task 1' of trial 3 is nan"):
        replace(o, Y=Y)
    outputs = o.outputs[0]
    assert outputs is not None
    outputs = outputs.copy()
    outputs[2, 0, 0] = np.inf
    with pytest.raises(SurrogateError, match="Outputs of 'task 0' of trial 2"):
        replace(o, outputs=(outputs, o.outputs[1]))
    X = o.X.copy()
    X[1, 0] = np.nan
    with pytest.raises(SurrogateError, match="Coefficient 0 of trial 1"):
        replace(o, X=X)


def test_shapes_that_disagree_are_refused(smooth: Observe) -> None:
    o = smooth(2, 8)
    for change in (
        {"Y": o.Y[:5]},
        {"noise": -o.noise},
        {"links": o.links[:1]},
        {"low": np.ones(2)},
        {"outputs": (o.X, None)},
    ):
        with pytest.raises(SurrogateError):
            replace(o, **change)  # type: ignore[arg-type]


def test_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(SurrogateError, match="Unknown surrogate 'quadratc'. Nearest: 'quadratic'."):
        surrogate("quadratc")


def test_choice_has_the_least_leave_one_out_error(smooth: Observe) -> None:
    o = smooth(3, 14)
    best = choose(o)
    scale = np.maximum(o.Y.std(axis=0), 1e-3)
    losses = {name: np.mean(surrogate(name).fit(o).loo().rmse / scale) for name in usable(o)}
    assert best.name == min(losses, key=lambda name: losses[name]) and "gp" not in losses


def test_choice_without_outputs_is_the_quadratic_and_says_when_nothing_fits(smooth: Observe) -> None:
    o = smooth(2, 9)
    bare = replace(o, outputs=(), targets=(), metrics=())
    assert choose(bare).name == "quadratic"
    with pytest.raises(SurrogateError, match="3 done trials"):
        choose(bare.rows([0, 1, 2]))
    with pytest.raises(SurrogateError, match="'task 0' has no per-sample outputs"):
        surrogate("logits").fit(bare)


def test_importing_and_fitting_does_not_load_torch() -> None:
    code = (
        "import sys, numpy as np, surrogate as s\n"
        "X = s.design(2, 8, np.zeros(2), np.ones(2)).X\n"
        "o = s.Observations(X, X, X * 0, np.zeros(2), np.ones(2), ('a', 'b'), (s.link_for(-1, 2),) * 2)\n"
        "s.predicted_front(s.choose(o), points=5)\n"
        "sys.exit('torch' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
