"""The program says when MAP's quadratic is not to be trusted, and uses the better surrogate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from surrogate import Observations, choose, judge, surrogate
from surrogate.design import design

Observe = Callable[..., Observations]


def test_a_quadratic_that_cannot_follow_is_named_and_not_used(bed: Any) -> None:
    o = bed.measure(design(3, 20, np.zeros(3), np.ones(3), seed=1).X)
    used = choose(o)
    trust = judge(used)
    quadratic = surrogate("quadratic").fit(o).loo().r2
    assert used.name == "logits" and trust.trusted
    assert trust.quadratic_r2 == quadratic.min() < 0.95 < trust.r2 == used.loo().r2.min()
    assert f"{quadratic.min():.2f} on its worst metric, '{o.names[int(quadratic.argmin())]}'" in trust.sentence
    assert trust.sentence.endswith("below 0.95, not to be trusted here, so it is not used.")
    asked = judge(surrogate("quadratic").fit(o))
    assert not asked.trusted and asked.sentence.endswith("below 0.95, not to be trusted.")


def test_a_landscape_that_is_a_quadratic_is_trusted_to_it(smooth: Observe) -> None:
    o = smooth(2, 12)
    v = o.unit
    y = 0.5 + 0.2 * v[:, 0] - 0.1 * v[:, 1] ** 2
    bare = replace(o, Y=np.stack([y, 1 - y], axis=1), noise=np.full_like(o.Y, 1e-9), outputs=(), targets=(), metrics=())
    trust = judge(choose(bare))
    assert trust.trusted and trust.r2 == trust.quadratic_r2 and trust.r2 > 0.95
    assert "not to be trusted" not in trust.sentence


def test_with_few_trials_it_is_only_a_first_look(smooth: Observe) -> None:
    trust = judge(surrogate("linear-logits").fit(smooth(3, 5)))
    assert trust.quadratic_r2 is None and not trust.trusted
    assert trust.sentence.endswith("only a first look.")
