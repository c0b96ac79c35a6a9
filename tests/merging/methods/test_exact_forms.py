"""What the exact forms of sequential, descending and angle-weighted merges must be, beside their golden values."""

import pytest
import torch

UNEQUAL = {"a": 0.3, "b": 1.2, "c": 0.7}


def test_opcm_is_as_long_as_the_scaled_experts_on_average(merge, noise) -> None:
    wanted = sum(value * float(noise[name].norm()) for name, value in UNEQUAL.items()) / 3
    assert float(merge("opcm", {}, noise, UNEQUAL, True).norm()) == pytest.approx(wanted, rel=1e-5)
    assert float(merge("opcm", {}, noise, UNEQUAL).norm()) != pytest.approx(wanted, rel=1e-2)


def test_doge_descends_for_its_coefficients(merge, noise) -> None:
    frozen, exact = (merge("doge", {"density": 1.0, "strength": 1.0}, noise, UNEQUAL, exact) for exact in (False, True))
    changes = torch.stack(list(noise.values()))
    frozen_loss, exact_loss = (
        float((changes * (merged - changes)).sum(-1).square().sum()) for merged in (frozen, exact)
    )
    assert exact_loss < 0.99 * frozen_loss


def test_model_stock_looks_at_angles_alone(merge, noise) -> None:
    alike = {name: change + noise["a"] for name, change in noise.items()}
    frozen, exact = (merge("model_stock", {}, alike, UNEQUAL, exact) for exact in (False, True))
    assert bool(frozen.any())
    torch.testing.assert_close(exact, frozen)
    turned = {**UNEQUAL, "b": -1.2}
    opposite = {**alike, "b": -alike["b"]}
    torch.testing.assert_close(
        merge("model_stock", {}, alike, turned, True), merge("model_stock", {}, opposite, UNEQUAL)
    )
