"""Where mergekit's definition differs: what must hold for it, beside its golden values."""

import pytest
import torch


@pytest.mark.parametrize(
    ("name", "settings"), [("dare_linear", {"drop": 0.5}), ("della_linear", {"density": 0.5, "epsilon": 0.2})]
)
def test_mergekit_keeps_the_strength_of_a_tensor(merge, noise, name, settings) -> None:
    change = noise["a"]
    ours, theirs = (merge(name, {**settings, "variant": variant}, {"a": change}) for variant in ("paper", "mergekit"))
    assert torch.equal(ours != 0, theirs != 0), "the same weights are dropped"
    torch.testing.assert_close(theirs.abs().sum(), change.abs().sum())
    assert not torch.isclose(ours.abs().sum(), change.abs().sum())


def test_model_stock_of_mergekit_moves_away_from_experts_that_disagree(merge, noise) -> None:
    """cos θ = −1/2 between two experts: t = 2 (−1/2) / (1 − 1/2) = −2, held at 0 in the paper's variant."""
    one = torch.tensor([[1.0, 0.0]])
    other = torch.tensor([[-0.5, 0.75**0.5]])
    half = {"a": 0.5, "b": 0.5}
    assert not merge("model_stock", {}, {"a": one, "b": other}, half).any()
    found = merge("model_stock", {"variant": "mergekit"}, {"a": one, "b": other}, half)
    torch.testing.assert_close(found, -(one + other))


@pytest.mark.parametrize("variant", ["paper", "mergekit"])
def test_density_1_prunes_nothing_however_unequal_the_chances(merge, noise, variant) -> None:
    settings = {"density": 1.0, "epsilon": 0.2, "variant": variant}
    torch.testing.assert_close(merge("della_linear", settings, noise), sum(noise.values()))


@pytest.mark.parametrize(
    ("name", "settings"),
    [("breadcrumbs", {"density": 0.02}), ("breadcrumbs_ties", {"density": 0.02}), ("sce", {"select": 0.02})],
)
def test_less_than_one_entry_is_none_in_mergekit(merge, noise, name, settings) -> None:
    assert bool(merge(name, settings, noise).any())
    assert not merge(name, {**settings, "variant": "mergekit"}, noise).any()
